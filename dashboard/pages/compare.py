"""The same results twice: two selections, or two releases, and their difference."""

from __future__ import annotations

import math
from dataclasses import replace

from dashboard.blocks import Block, Code, Figure, Links, Paragraph, Section, Table, columns
from dashboard.context import Page, Selections
from dashboard.query import QueryError, State, parse, to_query
from dashboard.report_synthesis import Synthesis
from dashboard.wording import ci_name, ci_of, is_indirect, is_narrow, is_ok, primary_name
from ibgap.figures import draw_forest
from ibgap.figures.model import Forest, ForestEffect, ForestPanel, ForestRow
from ibgap.figures.text import number, whole
from ibgap.releases.opened import GoneError
from ibgap.releases.reader import NoReleaseError
from ibgap.releases.view import Row, capital, words


def sections(page: Page) -> list[Section]:
    """A is the selection of the page, B the primary analysis or what `b` says."""
    try:
        other = parse(page.state.second)
        selected = Selections(page.releases).select(replace(other, second=""))
    except (QueryError, NoReleaseError, GoneError) as error:
        text = f"The second selection cannot be read: {error}"
        return [Section("compare", "Compare", (_choices(page), Paragraph(text, "warning")))]
    second = Page("compare", selected, page.releases)
    blocks: list[Block] = [_choices(page), _what(page, second), figure(page, second)]
    blocks += [_table(page, second), _how(page)]
    return [Section("compare", "Two selections side by side", tuple(blocks))]


def _choices(page: Page) -> Links:
    """Ready-made second selections."""
    previous = page.releases.previous(page.release_id)
    plain = State(synthesis=page.state.synthesis)
    options = [("primary analysis", to_query(plain))]
    if previous:
        options.append(("previous release", to_query(replace(plain, release=previous))))
    options.append(("randomized trials", to_query(replace(plain, randomized=True))))
    options.append(("trials with both outcomes", to_query(replace(plain, both=True))))
    return Links("Compare with", tuple(
        (text, page.url(second=query), query == page.state.second) for text, query in options
    ))  # fmt: skip


def _what(page: Page, second: Page) -> Paragraph:
    return Paragraph(f"A: {describe(page)}. B: {describe(second)}.")


def describe(page: Page) -> str:
    """A selection in words."""
    query = to_query(replace(page.state, second="", release=""))
    what = primary_name(page.base.protocol) if page.is_primary else "selection"
    name = "" if page.state.synthesis == "main" else f" of {words(page.state.synthesis)}"
    count = len(page.one.effects.trials)
    detail = f" ({query})" if query and not page.is_primary else ""
    return f"{what}{name}{detail}, {count} trials, release {page.release_id}"


def _results(one: Synthesis) -> list[tuple[str, Row | None, str]]:
    found = one.pooled
    return [
        (f"Effect on {words(one.upstream)}", found.get(one.upstream), "mu"),
        ("Effect on behavior", found.get("behavior"), "mu"),
        (f"{capital(words(one.upstream))} minus behavior", one.primary_gap(), "estimate"),
    ]


def figure(page: Page, second: Page) -> Figure:
    """Both sets of results over one axis."""
    lines: list[ForestRow] = []
    for (name, a, column), (_, b, _) in zip(_results(page.one), _results(second.one), strict=True):
        lines += [ForestRow(f"{name}: A", (_effect(a, column),)),
                  ForestRow(f"{name}: B", (_effect(b, column),))]  # fmt: skip
    panel = ForestPanel("Pooled results", "upstream", "")
    forest = Forest("Results of A and B", "Pooled results of the two selections over one axis.",
                    (panel,), tuple(lines), weights=False, prediction=False, level=page.view.level,
                    ends=("", ""), pooled_label="", row_header="Result")  # fmt: skip
    return Figure(draw_forest, forest, "figure-compare", forest.description)


def _effect(row: Row | None, column: str) -> ForestEffect | str:
    if row is None or not is_ok(row):
        return "not estimable"
    narrow = is_narrow(row) or is_indirect(row)
    return ForestEffect(row[column], row["ci_lb"], row["ci_ub"], math.nan, narrow)


def _table(page: Page, second: Page) -> Table:
    ci = ci_name(page.view.level)
    head = columns(f"Result | A | {ci} | Trials | B | {ci} | Trials | A minus B")
    rows = []
    for (name, a, column), (_, b, _) in zip(_results(page.one), _results(second.one), strict=True):
        known = a is not None and b is not None and is_ok(a) and is_ok(b)
        change = number(a[column] - b[column], 3) if known and a and b else "\u2013"
        rows.append((name, *_cells(a, column), *_cells(b, column), change))
    return Table("Results of A and B", head, tuple(rows))


def _cells(row: Row | None, column: str) -> tuple[str, str, str]:
    if row is None or not is_ok(row):
        return "\u2013", "\u2013", "\u2013"
    count = row.get("k_trials", row.get("k_paired", math.nan))
    indirect = " (indirect)" if is_indirect(row) else ""
    return number(row[column]), ci_of(row) + indirect, whole(count)


def _how(page: Page) -> Code:
    return Code(
        "To compare with any other selection, add its address to this one as the parameter b:",
        "compare?...&b=" + "topic%3Dhelp_seeking",
    )
