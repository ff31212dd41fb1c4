"""Do smaller trials find other effects, and what would the mean be without that?"""

from __future__ import annotations

import math

import numpy as np

from analysis.dependent.composites import make_composites
from analysis.synthesis.stack import having
from dashboard.blocks import Block, Figure, Paragraph, Section, Table, columns
from dashboard.context import Page
from dashboard.forest_figure import tone_of
from dashboard.pages.forest import outcome_links, state_notes, with_downloads
from dashboard.report_context import bias_blocks
from dashboard.wording import ci_name, is_narrow
from ibgap.figures import draw_forest, draw_funnel
from ibgap.figures.model import (
    Forest,
    ForestEffect,
    ForestPanel,
    ForestPooled,
    ForestRow,
    Funnel,
    FunnelPoint,
)
from ibgap.figures.text import interval, number, p_value
from ibgap.releases.view import Row, capital, plural, words

METHODS = {
    "pet_peese": "PET-PEESE",
    "trim_and_fill": "Trim and fill",
    "selection": "Selection model",
    "henmi_copas": "Henmi and Copas",
}


def sections(page: Page) -> list[Section]:
    name = words(page.outcome)
    blocks: list[Block] = [outcome_links(page)]
    drawn = funnel(page)
    if drawn is not None:
        blocks.append(drawn)
    blocks += state_notes(page)
    adjusted: list[Block] = []
    compared = adjusted_figure(page)
    if compared is not None:
        adjusted.append(compared)
    adjusted.append(Paragraph(
        "PET-PEESE predicts the effect of an endlessly large trial; trim and fill adds mirrored "
        "trials until the funnel is symmetric; the selection model supposes that results with a "
        "one-sided p above .025 are seen less often; Henmi and Copas keep the weights of equal "
        "effects, in which small trials count less, and widen the interval.", "note"))  # fmt: skip
    adjusted.append(Paragraph(
        "Each method assumes something that cannot be checked; they show how far the mean could "
        "move, and none of them is the answer.", "note"))  # fmt: skip
    return [
        Section("funnel", f"Small-study effects: {name}", tuple(blocks)),
        Section("adjusted", "Means adjusted for small-study effects", tuple(adjusted)),
        Section("tests", "Tests", tuple(bias_blocks(page.view, page.state.synthesis))),
    ]


def funnel(page: Page) -> Figure | None:
    """Contour funnel of one outcome of the selection."""
    part = page.view.stack(page.state.synthesis).select(having("construct", page.outcome))
    if not part.trials:
        return None
    composites = make_composites(part.blocks([page.outcome]))
    se = np.sqrt(composites.vi)
    points = tuple(
        FunnelPoint(page.view.trial_label(str(t["trial_id"])), float(composites.yi[i]),
                    float(se[i]), href=page.study(str(t["trial_id"])))
        for i, t in enumerate(part.trials)
    )  # fmt: skip
    row = page.one.pooled.get(page.outcome)
    name = words(page.outcome)
    summary = f"{plural(len(points), 'trial')}: effect on {name} against its standard error."
    plot = Funnel(
        f"Funnel of the effects on {name}", summary, tone_of(page.outcome), points,
        None if row is None else row["mu"], x_label=f"Effect on {name} (g)",
    )  # fmt: skip
    table = Table(
        "Effects and standard errors", columns("Trial | g | Standard error"),
        tuple((p.label, number(p.estimate), number(p.se, 3)) for p in points),
    )  # fmt: skip
    guide = ("Effects of small trials lie low. A gap on one side low down, where results are not "
             "significant, is what selective publication would look like; differences between "
             "small and large trials of another kind look the same.",)  # fmt: skip
    made = Figure(draw_funnel, plot, "funnel", summary, (table,), guide)
    return with_downloads(page, made, "funnel")


def adjusted_figure(page: Page) -> Figure | None:
    """The unadjusted mean and the adjusted ones of one outcome."""
    pooled = page.one.pooled.get(page.outcome)
    rows = page.view.rows("bias_checks", synthesis=page.state.synthesis, construct=page.outcome)
    known = {str(r["check"]): r for r in rows}
    if pooled is None or not known:
        return None
    shown = tuple(ForestRow(text, (_effect(known[key]),))
                  for key, text in METHODS.items() if key in known)  # fmt: skip
    name, level = words(page.outcome), page.view.level
    mean = ForestPooled(pooled["mu"], pooled["ci_lb"], pooled["ci_ub"], math.nan, math.nan,
                        "narrow CI" if is_narrow(pooled) else "")  # fmt: skip
    panel = ForestPanel(capital(name), tone_of(page.outcome), mean)
    summary = f"Mean effect on {name} as pooled, and adjusted by {plural(len(shown), 'method')}."
    forest = Forest(f"Adjusted means, {name}", summary, (panel,), shown, weights=False,
                    prediction=False, level=level, pooled_label="As pooled",
                    row_header="Method")  # fmt: skip
    head = columns(f"Method | g | {ci_name(level)} | p | Trials added | Chance to be seen",
                   wide=())  # fmt: skip
    table = Table(
        f"Adjusted means, {name}",
        head,
        tuple(_cells(text, known[k]) for k, text in METHODS.items() if k in known),
    )
    made = Figure(draw_forest, forest, "adjusted", summary, (table,))
    return with_downloads(page, made, "adjusted")


def _effect(row: Row) -> ForestEffect | str:
    if row["status"] != "ok" or not math.isfinite(row["adjusted"]):
        return "withheld"
    return ForestEffect(row["adjusted"], row["adjusted_ci_lb"], row["adjusted_ci_ub"], math.nan)


def _cells(text: str, row: Row) -> tuple[str, ...]:
    if row["status"] != "ok":
        return (text, "\u2013", str(row["reason"]), "", "", "")
    added = "" if math.isnan(row["k_imputed"]) else f"{row['k_imputed']:.0f}"
    seen = number(row["selection_weight"]) if math.isfinite(row["selection_weight"]) else ""
    p = p_value(row["pvalue"]) if math.isfinite(row["pvalue"]) else ""
    return (text, number(row["adjusted"]),
            interval(row["adjusted_ci_lb"], row["adjusted_ci_ub"]), p, added, seen)  # fmt: skip
