"""The drop folder: which trial folders are new, changed or gone; and the sensor around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SETTLE_SECONDS = 10.0
_TEMPORARY = (".tmp", ".part", ".crdownload", "~")


@dataclass(frozen=True)
class FolderState:
    """What a trial folder looks like from outside: newest change and total size."""

    changed_at: float
    size: int


@dataclass(frozen=True)
class DropDecision:
    """What to do about the folder: trials to register, to forget, and whether to refresh."""

    register: tuple[str, ...]
    forget: tuple[str, ...]
    refresh: tuple[str, ...]
    reason: str


def look(trials_dir: Path) -> dict[str, FolderState] | None:
    """State of every trial folder; None when the folder cannot be read (never `all gone`)."""
    try:
        folders = [p for p in trials_dir.iterdir() if p.is_dir() and p.name[0] not in "._"]
        out = {}
        for folder in folders:
            files = [p for p in folder.rglob("*") if p.is_file()]
            stats = [p.stat() for p in files if not p.name.endswith(_TEMPORARY)]
            newest = max((s.st_mtime for s in stats), default=folder.stat().st_mtime)
            out[folder.name] = FolderState(newest, sum(s.st_size for s in stats))
        return out
    except OSError:
        return None


def decide(
    found: Mapping[str, FolderState] | None,
    known: Mapping[str, FolderState],
    registered: set[str],
    now: float,
) -> DropDecision:
    """Compare what is there with what was seen last; folders still changing wait.

    found: None when the folder could not be read; then nothing is done.
    """
    if found is None:
        return DropDecision((), (), (), "the trials folder cannot be read")
    settled = {n: s for n, s in found.items() if now - s.changed_at >= SETTLE_SECONDS}
    waiting = sorted(set(found) - set(settled))
    changed = sorted(n for n, s in settled.items() if known.get(n) != s)
    gone = sorted(registered - set(found))
    if not changed and not gone:
        reason = f"waiting for {', '.join(waiting)} to settle" if waiting else "nothing changed"
        return DropDecision((), (), (), reason)
    new = tuple(sorted(set(changed) - registered))
    return DropDecision(new, tuple(gone), tuple(changed), f"changed: {', '.join(changed + gone)}")


def write_cursor(states: Mapping[str, FolderState]) -> str:
    return json.dumps({n: [s.changed_at, s.size] for n, s in sorted(states.items())})


def read_cursor(text: str | None) -> dict[str, FolderState]:
    """The states of the last look; an unreadable cursor counts as none."""
    try:
        return {n: FolderState(*state) for n, state in json.loads(text or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}
