"""What changed between two releases."""

from __future__ import annotations

from dashboard.blocks import Block, Cell, Details, Links, Paragraph, Section, Table, columns
from dashboard.context import Page
from dashboard.wording import ci_name, ci_of, is_indirect
from ibgap.figures.text import number
from ibgap.releases.differences import Changes, ResultChange
from ibgap.releases.opened import GoneError
from ibgap.releases.reader import NoReleaseError
from ibgap.releases.view import MAIN, Row, capital, plural, words

_SHOWN = 200


def sections(page: Page) -> list[Section]:
    old_id = page.state.other or page.releases.previous(page.release_id)
    if not old_id:
        text = "This is the first release; there is nothing to compare it with yet."
        return [Section("changes", "Changes", (Paragraph(text),))]
    try:
        found = page.releases.changes(old_id, page.release_id)
    except (NoReleaseError, GoneError) as error:
        return [
            Section("changes", "Changes", (_choices(page, ""), Paragraph(str(error), "warning")))
        ]
    title = f"From {old_id} to {page.release_id}"
    head = Section("changes", title, (_choices(page, old_id), *summary(found)))
    return [head, _results(found, page.base.level), _trials(found, page), _values(found),
            _made_with(found)]  # fmt: skip


def _choices(page: Page, old_id: str) -> Links:
    heads = [h for h in page.releases.heads if h.release_id != page.release_id][:10]
    return Links("Compare with", tuple(
        (h.release_id, page.url(other=h.release_id), h.release_id == old_id) for h in heads
    ))  # fmt: skip


def summary(found: Changes) -> list[Block]:
    """The changes in one sentence."""
    if found.is_empty:
        return [Paragraph("Nothing changed: the same trials, values, settings and results.")]
    trials = {c.trial_id for c in found.fields}
    text = (
        f"{plural(len(found.added), 'trial')} added, {len(found.removed)} removed, "
        f"{plural(len(trials), 'trial')} with other values; "
        f"{plural(len(found.settings), 'setting')} changed."
    )
    return [Paragraph(text)]


def _results(found: Changes, level: float) -> Section:
    head = columns(
        f"Result | Before | {ci_name(level)} | Now | {ci_name(level)} | Change | "
        "Trials removed | Values corrected | Trials added | Settings and software"
    )
    rows = tuple(_result_cells(r) for r in found.results)
    table = Table("Results before and now, with what moved them", head, rows, "No result.")
    return Section("results", "Results", (table, Paragraph(
        "The change is split in the order of the columns, by pooling again after each step.",
        "note")))  # fmt: skip


def _result_cells(result: ResultChange) -> tuple[str | Cell, ...]:
    name = "" if result.synthesis == MAIN else words(result.synthesis)
    was, now = result.old, result.new
    before, after = _value(was), _value(now)
    change = "\u2013" if was is None or now is None else number(_estimate(now) - _estimate(was), 3)
    steps = [number(step.shift, 3) for step in result.steps] or ["\u2013"] * 4
    return (Cell(capital(result.result), name), *before, *after, change, *steps)


def _estimate(row: Row) -> float:
    return float(row["mu"] if "mu" in row else row["estimate"])


def _value(row: Row | None) -> tuple[str, str]:
    if row is None:
        return "\u2013", "\u2013"
    indirect = " (indirect)" if is_indirect(row) else ""
    return number(_estimate(row)), ci_of(row) + indirect


def _trials(found: Changes, page: Page) -> Section:
    rows = [("added", r) for r in found.added] + [("removed", r) for r in found.removed]
    head = columns("Trial | Change | Synthesis | Use", texts=("Change", "Synthesis", "Use"))
    cells = tuple(
        (Cell(str(r["label"]), href=page.study(str(r["trial_id"])) if kind == "added" else ""),
         kind, words(r["synthesis"]), str(r["use"]))
        for kind, r in rows[:_SHOWN]
    )  # fmt: skip
    table = Table("Trials added and removed", head, cells, "No trial was added or removed.")
    return Section("trials", "Trials", (table,))


def _values(found: Changes) -> Section:
    head = columns("Trial | Where | Value | Before | Now", texts=("Where", "Value"))
    rows = tuple(
        (c.label, c.subject or c.kind, words(c.field), c.old or "\u2013", c.new or "\u2013")
        for c in found.fields[:_SHOWN]
    )
    table = Table("Values of trials in both releases", head, rows, "No value changed.")
    blocks: list[Block] = [table]
    if len(found.fields) > _SHOWN:
        blocks.append(Paragraph(f"{len(found.fields) - _SHOWN} more are in `ibgap diff`.", "note"))
    return Section("values", "Corrected values", tuple(blocks))


def _made_with(found: Changes) -> Section:
    head = columns("Name | Before | Now", texts=("Before", "Now"))
    settings = Table("Settings", head, found.settings, "The settings are the same.")
    packages = Table("Software", head, found.packages, "The software is the same.")
    return Section("made", "Settings and software", (settings, Details("Software", (packages,))))
