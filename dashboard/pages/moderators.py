"""Do the effects differ between kinds of trials? Arranged by barrier dimension and layer."""

from __future__ import annotations

import math

import numpy as np

from analysis.dependent.composites import make_composites
from analysis.errors import EstimationError
from analysis.synthesis.moderator_effects import GAP, as_number
from analysis.synthesis.moderators import Moderator, moderators_of
from analysis.synthesis.stack import having
from analysis.univariate.meta_regression import fit_meta_regression
from dashboard.blocks import Block, Cell, Details, Figure, Links, Paragraph, Section, Table, columns
from dashboard.context import Page
from dashboard.forest_figure import tone_of, with_narrow
from dashboard.pages.forest import outcome_links, with_downloads
from dashboard.report_context import moderator_blocks
from dashboard.wording import ci_name, is_indirect, is_narrow
from ibgap.figures import draw_forest, draw_scatter
from ibgap.figures.model import (
    Forest,
    ForestPanel,
    ForestPooled,
    ForestSubtotal,
    Scatter,
    ScatterPoint,
)
from ibgap.figures.text import interval, number, p_value, whole
from ibgap.releases.view import Row, capital, plural, words

_LINE_POINTS = 25
_FEW_PER_PARAMETER = 10


def sections(page: Page) -> list[Section]:
    one = chosen(page)
    levels = Details(
        "Every level of every moderator", tuple(moderator_blocks(page.view, page.state.synthesis))
    )
    listed = Section(
        "all", "Every moderator, by barrier dimension and layer", (_overview(page), levels)
    )
    if one is None:
        text = "No moderator has two levels or a range of numbers in this selection."
        return [Section("moderator", "Moderators", (Paragraph(text, "note"),)), listed]
    blocks: list[Block] = [outcome_links(page), _choices(page, one)]
    made = bubble_figure(page) if one.kind == "number" else levels_figure(page)
    if made is not None:
        blocks.append(made)
    else:
        blocks.append(Paragraph("Fewer than 3 trials give this moderator.", "note"))
    blocks += _warnings(page, one) + _gap_by_level(page, one)
    place = ", ".join(words(p) for p in (one.barrier_dimension, one.framework_layer) if p)
    title = f"{capital(words(one.name))}{f' ({place})' if place else ''}"
    return [Section("moderator", title, tuple(blocks)), listed]


def _gap_by_level(page: Page, one: Moderator) -> list[Block]:
    """The difference of the two effects by level, and whether it differs between levels."""
    rows = _own_rows(page, one.name, GAP)
    if not rows:
        return []
    number_of = one.kind == "number"
    upstream = capital(words(page.upstream))
    head = columns(f"{capital(words(one.name))} | {upstream} less behavior | "
                   f"{ci_name(page.view.level)} | Trials")  # fmt: skip
    title = "The gap along the moderator" if number_of else "The gap by level"
    table = Table(title, head, tuple(
        (words(r["level_value"]),
         Cell(number(r["mu"]), "indirect: no trial with both" if is_indirect(r) else ""),
         interval(r["ci_lb"], r["ci_ub"]), whole(r["k_trials"])) for r in rows))  # fmt: skip
    if not math.isfinite(rows[0]["f"]):
        return [table]
    asked, left_out = (
        ("the slope of the gap is 0", "trials without a number") if number_of else
        ("the gap is the same at every level",
         "levels with fewer than 2 trials on one of the outcomes")
    )  # fmt: skip
    text = (f"Test that {asked}: {_test(rows[0])}. Joint model of both outcomes, robust by trial; "
            f"{left_out} are left out.")  # fmt: skip
    if counted := str(rows[0].get("left_out") or ""):
        text += f" Here: {counted}."
    return [table, Paragraph(text, "note")]


def usable(page: Page) -> list[Moderator]:
    """Moderators with something to compare for the chosen outcome."""
    part = _part(page)
    if not part.trials:
        return []
    ids = [str(t["trial_id"]) for t in part.trials]
    out = []
    for one in moderators_of(part, page.base.moderators):
        values = [one.values.get(i, "") for i in ids]
        if one.kind == "number":
            known = {v for v in map(as_number, values) if math.isfinite(v)}
        else:
            known = set(values) - {""}  # type: ignore[assignment]
        if len(known) > 1:
            out.append(one)
    return out


def chosen(page: Page) -> Moderator | None:
    """The moderator of the address, else the first with a place in the codebook of barriers."""
    known = usable(page)
    named = next((one for one in known if one.name == page.state.moderator), None)
    coded = next((one for one in known if one.barrier_dimension or one.framework_layer), None)
    return named or coded or (known[0] if known else None)


def _part(page: Page):  # type: ignore[no-untyped-def]
    return page.view.stack(page.state.synthesis).select(having("construct", page.outcome))


def _choices(page: Page, one: Moderator) -> Links:
    items = tuple((words(m.name), page.url(moderator=m.name), m.name == one.name)
                  for m in usable(page))  # fmt: skip
    return Links("Moderator", items)


def _own_rows(page: Page, name: str, construct: str) -> list[Row]:
    return page.view.rows("moderator_effects", synthesis=page.state.synthesis, moderator=name,
                          construct=construct)  # fmt: skip


def levels_figure(page: Page) -> Figure | None:
    """Pooled effects per level on both outcomes, above the mean of all trials."""
    one = chosen(page)
    if one is None or one.kind == "number":
        return None
    constructs = (page.upstream, "behavior")
    known = {c: {str(r["level_value"]): r for r in _own_rows(page, one.name, c)}
             for c in constructs}  # fmt: skip
    levels = sorted({level for own in known.values() for level in own}, key=str.casefold)
    if not levels:
        return None
    rows = tuple(
        ForestSubtotal(
            with_narrow(words(level), [known[c].get(level) for c in constructs]),
            tuple(_level(known[c].get(level)) for c in constructs),
        )
        for level in levels
    )
    name = words(one.name)
    tests = "; ".join(
        f"{words(c)}: {_test(next(iter(known[c].values())))}" for c in constructs if known[c]
    )
    summary = f"Effects by {name}. Test of no difference between levels, {tests}."
    panels = tuple(
        ForestPanel(capital(words(c)), tone_of(c), _all(page.one.pooled.get(c))) for c in constructs
    )
    forest = Forest(f"Effects by {name}", summary, panels, rows, weights=False, prediction=False,
                    level=page.view.level, pooled_label="All trials",
                    row_header=capital(name))  # fmt: skip
    made = Figure(draw_forest, forest, "levels", summary)
    return with_downloads(page, made, "levels")


def _level(row: Row | None) -> ForestPooled | str:
    if row is None:
        return "no effect"
    if row["k_trials"] < 3 or row["status"] != "ok":
        return f"{number(row['mu'])} ({plural(row['k_trials'], 'trial')}, not pooled)"
    return ForestPooled(row["mu"], row["ci_lb"], row["ci_ub"], math.nan, math.nan, "")


def _all(row: Row | None) -> ForestPooled | str:
    if row is None:
        return "no trial has a usable effect"
    return ForestPooled(row["mu"], row["ci_lb"], row["ci_ub"], math.nan, math.nan,
                        plural(row["k_trials"], "trial")
                        + (", narrow CI" if is_narrow(row) else ""))  # fmt: skip


def _test(row: Row) -> str:
    if not math.isfinite(row["pvalue"]):
        return str(row["reason"] or "not made")
    p = p_value(row["pvalue"])
    return (f"F({row['df_num']:.0f}, {row['df_denom']:.0f}) = {number(row['f'])}, "
            f"p {p if p.startswith('<') else f'= {p}'}")  # fmt: skip


def bubble_figure(page: Page) -> Figure | None:
    """Effects against a numeric moderator with the meta-regression line and its band."""
    one, part = chosen(page), _part(page)
    if one is None or one.kind != "number" or not part.trials:
        return None
    x = np.array([as_number(one.values.get(str(t["trial_id"]), "")) for t in part.trials])
    known = np.isfinite(x)
    if known.sum() < 3:
        return None
    composites = make_composites(part.blocks([page.outcome]))
    yi, vi = composites.yi[known], composites.vi[known]
    largest = float((1.0 / vi).max())
    ids = [str(t["trial_id"]) for t, keep in zip(part.trials, known, strict=True) if keep]
    points = tuple(
        ScatterPoint(page.view.trial_label(i), float(x[known][j]), float(yi[j]),
                     float(1.0 / vi[j]) / largest, href=page.study(i))
        for j, i in enumerate(ids)
    )  # fmt: skip
    line, summary = _fit(page, x[known], yi, vi, words(one.name))
    name = words(page.outcome)
    plot = Scatter(f"Effect on {name} by {words(one.name)}", summary, capital(words(one.name)),
                   f"Effect on {name} (g)", tone_of(page.outcome), points, line)  # fmt: skip
    made = Figure(draw_scatter, plot, "bubble", summary)
    return with_downloads(page, made, "bubble")


def _fit(
    page: Page, x: np.ndarray, yi: np.ndarray, vi: np.ndarray, name: str
) -> tuple[tuple[tuple[float, float, float, float], ...], str]:
    settings = page.view.analysis
    center = float(x.mean())
    try:
        grid = np.linspace(float(x.min()), float(x.max()), _LINE_POINTS)
        line = []
        for at in grid:
            # Centered at each place, the intercept is the fitted value there.
            design = np.column_stack([np.ones_like(x), x - at])
            fit = fit_meta_regression(
                yi,
                vi,
                design,
                method=settings.tau2_method,
                ci_method=settings.ci_method,
                level=settings.level,
            )
            c = fit.coefficients
            line.append((float(at), float(c.estimate[0]), float(c.ci_lb[0]), float(c.ci_ub[0])))
        slope, low, high = (float(v[1]) for v in (c.estimate, c.ci_lb, c.ci_ub))
    except EstimationError as error:
        return (), f"No line: {error}."
    text = (
        f"Slope {number(slope, 3)} per unit of {name} "
        f"({number(low, 3)} to {number(high, 3)}), {plural(x.size, 'trial')}, mean {name} "
        f"{number(center)}."
    )
    return tuple(line), text


def _warnings(page: Page, one: Moderator) -> list[Block]:
    part = _part(page)
    values = [one.values.get(str(t["trial_id"]), "") for t in part.trials]
    missing = sum(not v for v in values)
    out: list[Block] = []
    texts = sum(bool(v) and not math.isfinite(as_number(v)) for v in values)
    if one.kind == "number" and texts:
        out.append(Paragraph(
            f"{plural(texts, 'trial')} of {len(values)} give text where this moderator needs a "
            "number; they are left out.", "warning"
        ))  # fmt: skip
    if missing:
        out.append(Paragraph(
            f"{plural(missing, 'trial')} of {len(values)} do not give this moderator.", "warning"
        ))  # fmt: skip
    levels = len(set(values) - {""})
    if one.kind != "number" and levels and len(values) / levels < _FEW_PER_PARAMETER:
        out.append(Paragraph(
            f"{plural(len(values) - missing, 'trial')} for {levels} levels: fewer than "
            f"{_FEW_PER_PARAMETER} per level, so a difference must be large to be seen.", "note"
        ))  # fmt: skip
    return out


def _overview(page: Page) -> Table:
    """Every moderator with how many trials give it."""
    part = _part(page)
    ids = [str(t["trial_id"]) for t in part.trials]
    rows = []
    for one in usable(page):
        values = [one.values.get(i, "") for i in ids]
        known = sum(bool(v) for v in values)
        place = ", ".join(words(p) for p in (one.barrier_dimension, one.framework_layer) if p)
        first = next(iter(_own_rows(page, one.name, page.outcome)), None)
        rows.append((
            Cell(words(one.name), place, page.url(moderator=one.name)), one.kind,
            str(known), f"{100 * (len(ids) - known) / max(1, len(ids)):.0f}%",
            _test(first) if first else "not compared",
        ))  # fmt: skip
    head = columns("Moderator | Kind | Trials | Missing | Test of no difference",
                   texts=("Kind", "Test of no difference"))  # fmt: skip
    return Table(f"Moderators of the effect on {words(page.outcome)}", head, tuple(rows),
                 "No moderator can be compared in this selection.")  # fmt: skip
