"""Sections on what goes with the effects: trial-level surrogacy, moderators, small studies."""

from __future__ import annotations

import math

from analysis.gap.estimands import INDIRECT
from analysis.synthesis.moderator_effects import GAP
from dashboard.blocks import Block, Cell, Paragraph, Section, Table, columns
from dashboard.report_synthesis import Synthesis
from dashboard.wording import ci_name, ci_of, is_ok, reason_of, verdict_words
from ibgap.figures.text import interval, number, p_value, whole
from ibgap.releases.view import ReleaseView, Row, capital, plural, words


def surrogacy_section(one: Synthesis) -> Section:
    """Does a larger effect on intention go with a larger effect on behavior?"""
    up = words(one.upstream)
    title = f"Does a larger effect on {up} predict a larger effect on behavior?"
    row = one.surrogacy
    if row is None:
        text = "This cannot be said: there is no joint model of both outcomes."
        return Section("surrogacy", title, (Paragraph(text),))
    blocks: list[Block] = [Paragraph(_surrogacy_sentence(row, up, one.view.level))]
    if row["status"] != "ok":
        blocks.append(
            Paragraph(
                f"Status {words(row['status'])}: {reason_of(row)}. The line is "
                "therefore not drawn.",
                "warning",
            )
        )
    if math.isfinite(row["slope"]):
        blocks.append(_surrogacy_table(row, one.view.level))
    return Section("surrogacy", title, tuple(blocks))


def _surrogacy_sentence(row: Row, up: str, level: float) -> str:
    basis = f"{plural(row['k_paired'], 'trial')} with both outcomes"
    if row["status"] != "ok":
        return f"The {basis} do not determine a trial-level line."
    limits = f"{ci_name(level)} {number(row['slope_ci_lb'])} to {number(row['slope_ci_ub'])}"
    verdict = verdict_words(row, (
        f"Trials with larger effects on {up} had larger effects on behavior",
        f"Trials with larger effects on {up} had smaller effects on behavior",
        f"The trials do not show that larger effects on {up} go with larger ones on behavior",
    ))  # fmt: skip
    target = number(row["threshold_target"])
    threshold = (
        f"An effect on {up} of at least {number(row['threshold_effect'])} would predict a behavior "
        f"effect above {target}."
        if math.isfinite(row["threshold_effect"])
        else f"No effect on {up} within range would predict a behavior effect above {target}."
    )
    return f"{verdict}: slope {number(row['slope'])} ({limits}, {basis}). {threshold}"


def _surrogacy_table(row: Row, level: float) -> Table:
    slope = f"{number(row['slope'])} {interval(row['slope_ci_lb'], row['slope_ci_ub'])}"
    items = (
        (f"Trial-level slope [{ci_name(level)}]", slope),
        ("Intercept (behavior effect where the upstream effect is 0)", number(row["intercept"])),
        ("Share of between-trial variance explained (R\u00b2)", number(row["r2"])),
        ("Standard error of R\u00b2", number(row["r2_se"])),
        ("Between-trial variance around the line", number(row["residual_variance"], 3)),
        ("Surrogate threshold effect", number(row["threshold_effect"])),
        ("Trials with both outcomes", whole(row["k_paired"])),
        ("Status", words(row["status"])),
    )
    return Table("Trial-level surrogacy", columns("Quantity | Value"), items)


def moderators_section(view: ReleaseView, name: str) -> Section:
    return Section(
        "moderators", "Which trials show larger effects", tuple(moderator_blocks(view, name))
    )


def moderator_blocks(view: ReleaseView, synthesis: str) -> list[Block]:
    """Levels of each moderator, under its barrier dimension and framework layer if it has one."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in view.rows("moderator_effects", synthesis=synthesis):
        groups.setdefault((row["barrier_dimension"], row["framework_layer"]), []).append(row)
    if not groups:
        return [Paragraph("No moderator could be compared.", "note")]
    blocks: list[Block] = []
    for (dimension, layer), rows in sorted(groups.items(), key=lambda g: (g[0] == ("", ""), g[0])):
        caption = "Other properties of trials"
        if dimension or layer:
            named = (
                f"barrier dimension {words(dimension)}" if dimension else "",
                f"layer {words(layer)}" if layer else "",
            )
            caption = capital(", ".join(part for part in named if part))
        blocks.append(_moderator_table(caption, rows, view.level))
    count = len(
        {
            (r["moderator"], r["construct"])
            for r in view.rows("moderator_effects", synthesis=synthesis)
        }
    )
    blocks.append(
        Paragraph(
            f"{plural(count, 'comparison')} without adjustment for multiplicity; differences "
            "between trials are observational even when every trial is randomized.",
            "note",
        )
    )
    return blocks


def _moderator_table(caption: str, rows: list[Row], level: float) -> Table:
    head = columns(
        f"Level | g | {ci_name(level)} | \u03c4\u00b2 | Trials | Test of no difference",
    )
    out: list[tuple[str | Cell, ...]] = []
    before = None
    for row in rows:
        key = (row["construct"], row["moderator"])
        test = ""
        told = f"; left out: {row['left_out']}" if key != before and row.get("left_out") else ""
        if key != before and math.isfinite(row["f"]):
            test = _test_words(row)
        before = key
        name = Cell(
            words(row["level_value"]) or "not given",
            f"{words(row['moderator'])}; {_on(row)}{told}",
        )
        if not is_ok(row):
            out.append((name, Cell("\u2013", reason_of(row)), "", "", whole(row["k_trials"]), test))
            continue
        state = {
            "single_study": "1 trial, not pooled",
            INDIRECT: "indirect: no trial with both",
        }.get(str(row["status"]), "")
        out.append(
            (
                name,
                Cell(number(row["mu"]), state),
                ci_of(row),
                number(row["tau2"], 3),
                whole(row["k_trials"]),
                test,
            )
        )
    return Table(caption, head, tuple(out))


def _on(row: Row) -> str:
    if row["construct"] == GAP:
        return "upstream less behavior effect"
    return f"effect on {words(row['construct'])}"


def _test_words(row: Row) -> str:
    df = f"{number(row['df_num'], 0)}, {number(row['df_denom'], 0)}"
    p = p_value(row["pvalue"])
    return f"F({df}) = {number(row['f'])}, p {p if p.startswith('<') else f'= {p}'}"


def small_study_section(view: ReleaseView, name: str) -> Section:
    return Section("small-studies", "Small-study checks", tuple(bias_blocks(view, name)))


def bias_blocks(view: ReleaseView, synthesis: str) -> list[Block]:
    """Small-study checks with the reason where they are withheld."""
    rows = view.rows("bias_checks", synthesis=synthesis, check="egger")
    head = columns(
        "Outcome | Slope | t (df) | p | Effect at standard error 0 | "
        f"{ci_name(view.level)} | Trials | In words",
        wide=("In words",),
    )
    table = Table(
        "Regression tests of small-study effects",
        head,
        tuple(_bias_cells(r) for r in rows),
        "No outcome could be checked.",
    )
    return [table, *_other_tests(view, synthesis)]


_OTHER_TESTS = {
    "rank": "Rank correlation of effect and variance (Kendall's tau)",
    "excess_significance": "Significant results, observed over expected (p one-sided)",
}


def _other_tests(view: ReleaseView, synthesis: str) -> list[Block]:
    """Rank correlation and excess significance of every outcome that could be tested."""
    rows = [
        (capital(words(r["construct"])), text, number(r["statistic"]), p_value(r["pvalue"]),
         whole(r["k_trials"]))
        for check, text in _OTHER_TESTS.items()
        for r in view.rows("bias_checks", synthesis=synthesis, check=check)
        if r["status"] == "ok"
    ]  # fmt: skip
    head = columns("Outcome | Test | Statistic | p | Trials", wide=("Test",))
    return [Table("Other tests", head, tuple(rows))] if rows else []


def _bias_cells(row: Row) -> tuple[str | Cell, ...]:
    name = capital(words(row["construct"]))
    if row["status"] != "ok":
        blank = ("\u2013",) * 5
        return (name, *blank, whole(row["k_trials"]), f"Withheld: {reason_of(row)}.")
    verdict = (
        "Smaller trials found other effects than larger ones."
        if row["pvalue"] < 0.1
        else "No sign that smaller trials found other effects."
    )
    return (
        name,
        number(row["slope"]),
        f"{number(row['statistic'])} ({number(row['df'], 0)})",
        p_value(row["pvalue"]),
        number(row["limit"]),
        interval(row["limit_ci_lb"], row["limit_ci_ub"]),
        whole(row["k_trials"]),
        verdict,
    )
