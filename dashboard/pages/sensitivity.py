"""What the answer would be under other choices."""

from __future__ import annotations

import math
from collections import Counter

from analysis.synthesis.verdicts import ABOVE, BELOW, NONE
from analysis.univariate.meta_regression import CI_METHODS
from analysis.univariate.tau2 import TAU2_METHODS
from dashboard.blocks import Block, Details, Figure, Links, Paragraph, Section, Table, columns
from dashboard.context import Page
from dashboard.pages.forest import with_downloads
from dashboard.report_assumptions import assumption_blocks
from dashboard.report_gap import grid_blocks
from dashboard.wording import (
    INTERVAL_METHODS,
    UNRECORDED,
    ci_name,
    ci_of,
    is_gap,
    is_ok,
    primary_mark,
    verdict_of,
)
from ibgap.figures import draw_spec_curve
from ibgap.figures.model import SpecCurve, SpecPoint
from ibgap.figures.text import interval, number
from ibgap.releases.view import Row, plural

CHOICES = {
    "trials": "Trials", "follow_up": "Follow-up of behavior", "measures": "Measure of behavior",
    "assumed_correlation": "Assumed correlation", "effects": "Effects of a trial",
    "scale": "Odds ratios to SMD", "estimator": "Estimator", "inference": "Inference",
}  # fmt: skip
ESTIMANDS = {"difference": "Difference", "transmission_ratio": "Ratio"}


def sections(page: Page) -> list[Section]:
    blocks: list[Block] = []
    made = figure(page)
    if made is None:
        blocks.append(Paragraph("No specification could be estimated for this synthesis.", "note"))
    else:
        blocks += [made, *_summary(page), _moves(page), _failed(page)]
    if not page.is_primary:
        blocks.insert(0, Paragraph(
            "The curve is the one of all trials of the release; the dashed line is the difference "
            "of the present selection.", "note"))  # fmt: skip
    choose = Section("methods", "Estimator and interval", tuple(_methods(page)))
    return [
        Section("specifications", "Every combination of choices", tuple(blocks)),
        Section("correlation", "The assumed correlation", tuple(grid_blocks(page.one))),
        *_assumptions(page), choose,
    ]  # fmt: skip


def _assumptions(page: Page) -> list[Section]:
    """Missing results, resampling and the line by other means, of all trials."""
    rows = page.base.rows("sensitivity", synthesis=page.state.synthesis)
    blocks = assumption_blocks(rows, page.upstream, page.base.level)
    if not blocks:
        return []
    if not page.is_primary:
        blocks.insert(0, Paragraph("These are about all trials of the release.", "note"))
    return [Section("assumptions", "Other assumptions", tuple(blocks))]


def _rows(page: Page, estimand: str = "difference") -> list[Row]:
    return page.base.rows("specifications", synthesis=page.state.synthesis, estimand=estimand)


def _choice(row: Row, name: str) -> str:
    return f"{row[name]:g}" if name == "assumed_correlation" else str(row[name])


def figure(page: Page) -> Figure | None:
    """Specification curve of the difference."""
    rows = [r for r in _rows(page) if is_gap(r)]
    if not rows:
        return None
    values = {n: list(dict.fromkeys(_choice(r, n) for r in rows)) for n in CHOICES}
    shown = [n for n in CHOICES if len(values[n]) > 1]
    points = tuple(
        SpecPoint(r["estimate"], r["ci_lb"], r["ci_ub"], tuple(_choice(r, n) for n in shown),
                  r["is_primary"] is True)
        for r in rows
    )  # fmt: skip
    mark = None
    own = page.one.primary_gap()
    if not page.is_primary and own is not None and is_gap(own):
        mark = (own["estimate"], f"present selection {number(own['estimate'])}")
    summary = _sentence(rows)
    curve = SpecCurve(
        "Difference under every combination of choices", summary,
        tuple((CHOICES[n], tuple(values[n])) for n in shown), points, mark=mark,
    )  # fmt: skip
    head = columns(f"Choices | Difference | {ci_name(page.base.level)}")
    table = Table("Specifications, smallest difference first", head, tuple(
        (r["specification"], number(r["estimate"]), interval(r["ci_lb"], r["ci_ub"]))
        for r in sorted(rows, key=lambda r: r["estimate"])))  # fmt: skip
    made = Figure(draw_spec_curve, curve, "specifications", summary, (table,))
    return with_downloads(page, made, "specifications")


def _sentence(rows: list[Row]) -> str:
    values = [r["estimate"] for r in rows]
    text = (
        f"{plural(len(rows), 'specification')}: differences from {number(min(values))} to "
        f"{number(max(values))}; "
    )
    if all(verdict_of(r) == (NONE, UNRECORDED) for r in rows):
        return text + UNRECORDED + "."
    found = Counter(verdict_of(r)[0] for r in rows)
    text += f"the interval lies above 0 in {found[ABOVE]}, below 0 in {found[BELOW]}"
    return text + (f"; {found[NONE]} allow no verdict." if found[NONE] else ".")


def _summary(page: Page) -> list[Block]:
    ratios = [r for r in _rows(page, "transmission_ratio") if is_ok(r)]
    if not ratios:
        return []
    values = sorted(r["estimate"] for r in ratios)
    bounded = sum(r["interval_kind"] == "interval" for r in ratios)
    return [Paragraph(
        f"The transmission ratio (behavior over upstream effect) lies between {number(values[0])} "
        f"and {number(values[-1])}; its confidence set is bounded in {bounded} of {len(ratios)}."
    )]  # fmt: skip


def _moves(page: Page) -> Table:
    """Which choice moves the difference most: the range of means over its values."""
    rows = [r for r in _rows(page) if is_gap(r)]
    out = []
    for name, title in CHOICES.items():
        groups: dict[str, list[float]] = {}
        for row in rows:
            groups.setdefault(_choice(row, name), []).append(row["estimate"])
        if len(groups) < 2:
            continue
        means = {value: sum(own) / len(own) for value, own in groups.items()}
        low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        spread = means[high] - means[low]
        if spread < 1e-12:
            continue
        out.append((spread, (title, number(spread, 3), f"{low}: {number(means[low])}",
                             f"{high}: {number(means[high])}")))  # fmt: skip
    head = columns("Choice | Moves the mean difference by | Lowest | Highest",
                   texts=("Lowest", "Highest"))  # fmt: skip
    return Table("Which choice matters most", head,
                 tuple(cells for _, cells in sorted(out, key=lambda o: -o[0])))  # fmt: skip


def _failed(page: Page) -> Block:
    failed = [r for r in _rows(page) if not is_gap(r)]
    if not failed:
        return Paragraph("Every specification could be estimated.", "note")
    head = columns("Choices | Reason", wide=("Reason",))
    rows = tuple((r["specification"], str(r["reason"])) for r in failed)
    table = Table("Specifications without an estimate", head, rows)
    return Details(f"{plural(len(failed), 'specification')} could not be estimated", (table,))


def _methods(page: Page) -> list[Block]:
    """Estimator of tau2 and interval method as choices: every page is recomputed."""
    now = page.view.analysis
    primary, mark = page.base.analysis, primary_mark(page.base.protocol)
    taus = tuple(
        (f"{m}{f' ({mark})' if m == primary.tau2_method else ''}",
         page.url(tau2_method="" if m == primary.tau2_method else m), m == now.tau2_method)
        for m in TAU2_METHODS
    )  # fmt: skip
    intervals = tuple(
        (f"{INTERVAL_METHODS[m]}{f' ({mark})' if m == primary.ci_method else ''}",
         page.url(ci_method="" if m == primary.ci_method else m), m == now.ci_method)
        for m in CI_METHODS
    )  # fmt: skip
    head = columns(f"Outcome | g | {ci_name(page.view.level)} | \u03c4\u00b2")
    rows = tuple(
        (c, number(r["mu"]), ci_of(r), number(r["tau2"], 3))
        for c, r in page.one.pooled.items() if math.isfinite(r["mu"])
    )  # fmt: skip
    table = Table("Pooled effects with this estimator and interval", head, rows)
    return [Links("Estimator of \u03c4\u00b2", taus), Links("Interval", intervals), table]
