"""What changed between two releases, as text and as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.gap.estimands import INDIRECT
from ibgap.cli.answer import ci_of
from ibgap.cli.text_tables import align, level_name, number
from ibgap.releases.differences import Changes, ResultChange, compare_releases
from ibgap.releases.opened import GoneError, Releases
from ibgap.releases.reader import CURRENT, NoReleaseError

_SHOWN = 40


def find_changes(releases_dir: Path, old_id: str, new_id: str) -> Changes:
    """Compare two kept releases.

    new_id: empty or `current` for the current one. old_id: empty for the one made before it.
    Raises `NoReleaseError` with the ids that exist.
    """
    releases = Releases(releases_dir)
    newer = releases.current_id if new_id in ("", CURRENT) else new_id
    older = releases.current_id if old_id == CURRENT else old_id or releases.previous(newer)
    if not older:
        raise NoReleaseError(f"{newer} is the first release; there is none before it")
    try:
        return compare_releases(releases.open(older), releases.open(newer))
    except GoneError as error:
        known = ", ".join(h.release_id for h in releases.heads)
        raise NoReleaseError(f"there is no release {error.release_id!r}; known: {known}") from None


def as_text(found: Changes) -> str:
    """The changes for a terminal."""
    lines = [f"From {found.old_id} to {found.new_id}", ""]
    if found.is_empty:
        return "\n".join([*lines, "Nothing changed: the same trials, values, settings, results."])
    lines += _results(found)
    for title, rows in (("Added", found.added), ("Removed", found.removed)):
        if rows:
            lines += [f"{title}: {len(rows)} trials"]
            lines += [f"  {row['trial_id']} ({row['use']})" for row in rows[:_SHOWN]]
            lines += _more(len(rows))
    if found.fields:
        lines += ["", f"Changed values: {len(found.fields)}"]
        lines += [
            f"  {c.trial_id} {c.subject or c.kind}: {c.field} {c.old or '-'} -> {c.new or '-'}"
            for c in found.fields[:_SHOWN]
        ]
        lines += _more(len(found.fields))
    for title, changed in (("Settings", found.settings), ("Software", found.packages)):
        if changed:
            lines += ["", f"{title}:"]
            lines += [f"  {name}: {old or '-'} -> {new or '-'}" for name, old, new in changed]
    return "\n".join(lines)


def _more(count: int) -> list[str]:
    return [f"  ... {count - _SHOWN} more (--json lists all)"] if count > _SHOWN else []


def _results(found: Changes) -> list[str]:
    head = ["synthesis", "result", "before", _interval_name(found, 0), "now",
            _interval_name(found, 1), "removed", "corrected", "added", "settings"]  # fmt: skip
    rows = [_result_row(r) for r in found.results]
    return [align(head, rows, left=2), "", "The last four columns share out the change.", ""]


def _interval_name(found: Changes, which: int) -> str:
    """`95% CI` by the level of the older (0) or newer (1) results."""
    rows = [(r.old, r.new)[which] for r in found.results]
    levels = {level_name(row["level"]) for row in rows if row is not None}
    return f"{levels.pop()} CI" if len(levels) == 1 else "CI"


def _result_row(result: ResultChange) -> list[str]:
    cells = [result.synthesis, result.result]
    for row in (result.old, result.new):
        if row is None:
            cells += ["-", "-"]
        else:
            value = row["mu"] if "mu" in row else row["estimate"]
            indirect = " (indirect)" if row["status"] == INDIRECT else ""
            cells += [number(value), ci_of(row) + indirect]
    steps = [number(step.shift, 3) for step in result.steps] or ["-"] * 4
    return cells + steps


def as_data(found: Changes) -> dict[str, Any]:
    """The changes for programs."""
    return {
        "from": found.old_id,
        "to": found.new_id,
        "added": [row["trial_id"] for row in found.added],
        "removed": [row["trial_id"] for row in found.removed],
        "values": [vars(c) for c in found.fields],
        "settings": [dict(zip(("name", "old", "new"), c, strict=True)) for c in found.settings],
        "software": [dict(zip(("name", "old", "new"), c, strict=True)) for c in found.packages],
        "results": [
            {
                "synthesis": r.synthesis,
                "result": r.result,
                "old": _number_of(r.old),
                "new": _number_of(r.new),
                "steps": [vars(step) for step in r.steps],
            }
            for r in found.results
        ],
    }


def _number_of(row: dict[str, Any] | None) -> float | None:
    if row is None:
        return None
    value = row["mu"] if "mu" in row else row["estimate"]
    return None if value != value else float(value)
