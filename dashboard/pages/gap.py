"""The gap of a selection: both effects against each other, estimates, correlation, surrogacy,
action control."""

from __future__ import annotations

import math

from dashboard.blocks import Block, Figure, Heading, Links, Paragraph, Section, Table, columns
from dashboard.context import Page
from dashboard.pages.forest import state_notes, with_downloads
from dashboard.report_action import action_bars, action_section
from dashboard.report_context import surrogacy_section
from dashboard.report_figures import gap_figure
from dashboard.report_gap import gap_blocks, grid_blocks, grid_of
from dashboard.wording import ci_name, primary_mark
from ibgap.figures.text import interval, number
from ibgap.releases.view import capital, plural, words

FEW_PAIRS = 10


def sections(page: Page) -> list[Section]:
    up = words(page.upstream)
    blocks: list[Block] = [figure(page), *_quadrants(page), *_pair_notes(page)]
    out = [
        Section("gap", f"Effects on {up} against effects on behavior", tuple(blocks)),
        Section("estimates", "Estimates of the gap", tuple(gap_blocks(page.one))),
        Section("correlation", "If the assumed correlation were another",
                (_correlations(page), *_downloadable(page, grid_blocks(page.one)))),
        surrogacy_section(page.one), _differences(page),
    ]  # fmt: skip
    if page.state.synthesis == "main":
        out.append(action_section(page.base))
    return out


def figure(page: Page) -> Figure:
    made = gap_figure(page.one.effects, page.one.primary_gap(), page.one.surrogacy, "gap",
                      page.study)  # fmt: skip
    return with_downloads(page, made, "gap")


def grid(page: Page) -> Figure | None:
    """The difference over the assumed correlation."""
    return grid_of(page.one)


def action(page: Page) -> Figure | None:
    """Who intends and who acts."""
    return action_bars(page.base)


def _downloadable(page: Page, blocks: list[Block]) -> list[Block]:
    return [with_downloads(page, b, "grid") if isinstance(b, Figure) else b for b in blocks]


def _quadrants(page: Page) -> list[Block]:
    """How many trials raised both, one or none."""
    pairs = [p for p in page.one.effects.trials if p.is_paired]
    if not pairs:
        return state_notes(page)
    count = {(a, b): 0 for a in (True, False) for b in (True, False)}
    for pair in pairs:
        if pair.upstream is not None and pair.behavior is not None:
            count[pair.upstream.estimate > 0, pair.behavior.estimate > 0] += 1
    up = capital(words(page.upstream))
    rows = tuple(
        (f"{up} {'rose' if a else 'did not rise'}", str(count[a, True]), str(count[a, False]))
        for a in (True, False)
    )
    return [Table("Trials by the sign of their estimates",
                  columns("Estimate | Behavior rose | Behavior did not rise"), rows)]  # fmt: skip


def _pair_notes(page: Page) -> list[Block]:
    paired = sum(p.is_paired for p in page.one.effects.trials)
    notes: list[Block] = []
    if 0 < paired < FEW_PAIRS:
        notes.append(Paragraph(
            f"{plural(paired, 'trial')} with both outcomes: fewer than {FEW_PAIRS} determine no "
            "line, so the points stand alone.", "note"))  # fmt: skip
    row = page.one.primary_gap()
    if row is not None and row["share_of_pairs_assumed"] > 0:
        share = 100 * row["share_of_pairs_assumed"]
        notes.append(Paragraph(
            f"For {share:.0f}% of the pairs the within-arm correlation is assumed "
            f"(r = {number(row['assumed_correlation'], 1)}); below is what another one gives.",
            "warning"))  # fmt: skip
    return notes


def _correlations(page: Page) -> Links:
    """The assumed correlation as a choice: the whole page is recomputed."""
    primary, mark = page.base.analysis.assumed_correlation, primary_mark(page.base.protocol)
    chosen = page.state.assumed_correlation
    now = primary if chosen is None else chosen
    items = tuple(
        (f"r = {r:g}{f' ({mark})' if r == primary else ''}",
         page.url(assumed_correlation=None if r == primary else r), abs(r - now) < 1e-9)
        for r in page.base.analysis.correlation_grid
    )  # fmt: skip
    return Links("Assume", items)


def _differences(page: Page) -> Section:
    """The gap of every trial with both outcomes."""
    pairs = sorted((p for p in page.one.effects.trials if p.is_paired),
                   key=lambda p: -p.difference[0])  # fmt: skip
    head = columns(f"Trial | Difference | {ci_name(page.view.level)}")
    rows = tuple(
        (p.label, number(p.difference[0]), interval(*p.difference[1:])) for p in pairs
        if math.isfinite(p.difference[0])
    )  # fmt: skip
    table = Table(f"{capital(words(page.upstream))} minus behavior, per trial", head, rows,
                  "No trial has both outcomes.")  # fmt: skip
    return Section("differences", "The gap of each trial", (Heading("Largest first"), table))
