"""How much the trials differ, and which of them carry the result."""

from __future__ import annotations

import math

from dashboard.blocks import Block, Cell, Figure, Paragraph, Section, Table, columns
from dashboard.context import Page
from dashboard.forest_figure import tone_of
from dashboard.pages.forest import FULL_ROWS, outcome_links, state_notes, with_downloads
from dashboard.report_gap import leave_one_out_blocks
from dashboard.wording import ci_name, ci_of, is_narrow
from ibgap.figures import draw_forest, draw_scatter
from ibgap.figures.model import (
    Forest,
    ForestEffect,
    ForestPanel,
    ForestPooled,
    ForestRow,
    Scatter,
    ScatterPoint,
)
from ibgap.figures.text import interval, number, p_value, whole
from ibgap.releases.view import Row, capital, plural, words

PREDICTION_FLOOR = 5
_NAMED = 5


def sections(page: Page) -> list[Section]:
    name = words(page.outcome)
    strip: list[Block] = [outcome_links(page)]
    for made in (leave_one_out_figure(page), baujat_figure(page)):
        if made is not None:
            strip.append(made)
    if len(strip) == 1:
        strip.append(Paragraph("Leaving one trial out needs at least 3 trials.", "note"))
    strip.append(_diagnostics(page))
    gap: list[Block] = list(leave_one_out_blocks(page.one))
    if not page.is_primary:
        gap = [Paragraph(
            "Leaving each trial out of the joint model is made for the primary analysis. Here, "
            "leave a trial out by its \u00d7 in the forest: the gap is then estimated without it.",
            "note")]  # fmt: skip
    return [
        Section("heterogeneity", "How much the trials differ", (_table(page), *_notes(page))),
        Section("influence", f"Which trials carry the mean effect on {name}", tuple(strip)),
        Section("gap-influence", "Which trials carry the gap", tuple(gap)),
    ]


def _table(page: Page) -> Table:
    level = f"{100 * page.view.level:.4g}%"
    head = columns(f"Outcome | \u03c4 | \u03c4\u00b2 [{level}] | I\u00b2 | Q (df) | p | Prediction "
                   "interval | Trials")  # fmt: skip
    rows = []
    for construct in (page.upstream, "behavior"):
        row = page.one.pooled.get(construct)
        if row is not None:
            rows.append(_heterogeneity_cells(construct, row))
    return Table("Heterogeneity", head, tuple(rows), "No trial has a usable effect.")


def _heterogeneity_cells(construct: str, row: Row) -> tuple[str | Cell, ...]:
    name = capital(words(construct))
    if row["status"] == "single_study":
        return (name, "\u2013", "1 trial", "\u2013", "\u2013", "\u2013", "\u2013", "1")
    tau = math.sqrt(row["tau2"]) if row["tau2"] >= 0 else math.nan
    limits = interval(row["tau2_lb"], row["tau2_ub"], 3)
    wide: str | Cell = interval(row["pi_lb"], row["pi_ub"])
    if row["k_trials"] < PREDICTION_FLOOR:
        wide = Cell("withheld", f"fewer than {PREDICTION_FLOOR} trials")
    return (
        name, number(tau), f"{number(row['tau2'], 3)} {limits}",
        "\u2013" if math.isnan(row["i2"]) else f"{row['i2']:.0f}%",
        f"{number(row['q'], 1)} ({whole(row['q_df'])})", p_value(row["q_pvalue"]), wide,
        whole(row["k_trials"]),
    )  # fmt: skip


def _notes(page: Page) -> list[Block]:
    return [*state_notes(page), Paragraph(
        "\u03c4 is the standard deviation of true effects between trials, in units of g. The "
        "interval of \u03c4\u00b2 is by the Q-profile method; the prediction interval says where "
        "the true effect of a new trial of this kind may lie.", "note")]  # fmt: skip


def _rows(page: Page) -> list[Row]:
    return page.view.rows("influence", synthesis=page.state.synthesis, construct=page.outcome)


def leave_one_out_figure(page: Page) -> Figure | None:
    """The pooled mean without each trial, largest change first."""
    rows = sorted(_rows(page), key=lambda r: -abs(r["shift"]))
    pooled = page.one.pooled.get(page.outcome)
    if not rows or pooled is None:
        return None
    name = words(page.outcome)
    shown = rows[:FULL_ROWS]
    lines = tuple(
        ForestRow(page.view.trial_label(r["trial_id"]),
                  (ForestEffect(r["mu_without"], r["ci_lb"], r["ci_ub"], math.nan, is_narrow(r)),),
                  number(r["shift"], 3) + (", narrow CI" if is_narrow(r) else ""),
                  key=str(r["trial_id"]), href=page.study(r["trial_id"]),
                  toggle=page.toggle(r["trial_id"]))
        for r in shown
    )  # fmt: skip
    mean = ForestPooled(pooled["mu"], pooled["ci_lb"], pooled["ci_ub"], math.nan, math.nan,
                        "narrow CI" if is_narrow(pooled) else "")  # fmt: skip
    first = shown[0]
    summary = (
        f"Without {page.view.trial_label(first['trial_id'])} the mean effect on {name} moves most, "
        f"from {number(pooled['mu'])} to {number(first['mu_without'])}."
    )
    forest = Forest(
        f"Mean effect on {name} without each trial", summary,
        (ForestPanel(capital(name), tone_of(page.outcome), mean),), lines, extra_header="Change",
        weights=False, prediction=False, level=page.view.level, pooled_label="All trials",
    )  # fmt: skip
    made = Figure(draw_forest, forest, "influence", summary)
    return with_downloads(page, made, "influence")


def baujat_figure(page: Page) -> Figure | None:
    """Contribution to heterogeneity against influence on the mean."""
    rows = _rows(page)
    if not rows:
        return None
    far = sorted(rows, key=lambda r: -(r["baujat_x"] + r["baujat_y"]))[:_NAMED]
    largest = max(r["weight"] for r in rows)
    points = tuple(
        ScatterPoint(page.view.trial_label(r["trial_id"]), r["baujat_x"], r["baujat_y"],
                     0.35 * r["weight"] / largest, any(r is one for one in far),
                     page.study(r["trial_id"]))
        for r in rows
    )  # fmt: skip
    name = words(page.outcome)
    summary = (
        f"Trials far to the right add most to the heterogeneity of the effects on {name}; trials "
        "high up move the mean most."
    )
    plot = Scatter(
        f"Heterogeneity and influence, {name} (Baujat plot)", summary,
        "Contribution to heterogeneity", "Influence on the mean", tone_of(page.outcome), points,
        from_zero=True,
    )  # fmt: skip
    made = Figure(draw_scatter, plot, "baujat", summary)
    return with_downloads(page, made, "baujat")


def _diagnostics(page: Page) -> Table:
    head = columns(f"Trial | Mean without it | {ci_name(page.view.level)} | Change | "
                   "\u03c4\u00b2 without it | Studentized residual | Cook's distance | Weight % | "
                   "Flag", texts=("Flag",))  # fmt: skip
    rows = sorted(_rows(page), key=lambda r: -abs(r["shift"]))
    return Table(
        f"Diagnostics, {words(page.outcome)}", head,
        tuple(
            (Cell(page.view.trial_label(r["trial_id"]), href=page.study(r["trial_id"])),
             number(r["mu_without"]), ci_of(r), number(r["shift"], 3),
             number(r["tau2_without"], 3), number(r["rstudent"]), number(r["cook"], 3),
             number(r["weight"], 1), "look at it" if r["is_influential"] is True else "")
            for r in rows
        ),
        f"{plural(page.one.pooled.get(page.outcome, {}).get('k_trials', 0), 'trial')}: too few.",
    )  # fmt: skip
