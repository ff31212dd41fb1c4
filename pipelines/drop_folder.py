"""The drop folder: which trial folders are new, changed or gone since the last refresh that
succeeded, and whether one that failed is tried again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

SETTLE_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
"""Seconds until a failed refresh is tried again: doubled with every failure, up to an hour."""
_TEMPORARY = (".tmp", ".part", ".crdownload", "~")


@dataclass(frozen=True)
class FolderState:
    """What a trial folder looks like from outside: newest change and total size (-1 for one that
    cannot be read)."""

    changed_at: float
    size: int


States = dict[str, FolderState]
"""Trial folder -> what it looks like."""


@dataclass(frozen=True)
class Look:
    """What was seen of the trials folder.

    states: of every trial folder; None when the trials folder itself cannot be read (never `all
    gone`). unreadable: path of what cannot be read -> class of the error.
    """

    states: States | None
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """What cannot be read, and what to do; empty where all can."""
        if not self.unreadable:
            return ""
        named = ", ".join(f"{path} ({error})" for path, error in sorted(self.unreadable.items()))
        return f"cannot be read: {named}; give the account that runs this the right to read it"


@dataclass(frozen=True)
class Asked:
    """The refresh that was asked for last.

    token: tag of its run. states: what it was asked for. at: when, in seconds of the clock.
    failures: how many refreshes have failed in a row before it.
    """

    token: str
    states: States
    at: float
    failures: int = 0


@dataclass(frozen=True)
class Memory:
    """What the sensor remembers: `seen`, what the last refresh that succeeded was asked for, and
    the one that is under way or has failed."""

    seen: States = field(default_factory=dict)
    asked: Asked | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to ask for a refresh, of which states, and why or why not."""

    states: States | None
    reason: str


def look(trials_dir: Path) -> Look:
    """See every trial folder; one that cannot be read does not hide the others."""
    try:
        folders = [p for p in trials_dir.iterdir() if p.is_dir() and p.name[0] not in "._"]
    except OSError as error:
        return Look(None, {trials_dir.name: type(error).__name__})
    states: States = {}
    unreadable: dict[str, str] = {}
    for folder in sorted(folders):
        try:
            states[folder.name] = _state(folder)
        except OSError as error:
            path = Path(error.filename or folder)
            where = path.relative_to(trials_dir) if path.is_relative_to(trials_dir) else folder.name
            unreadable[str(where)] = type(error).__name__
            states[folder.name] = FolderState(0.0, -1)
    return Look(states, unreadable)


def _state(folder: Path) -> FolderState:
    next(folder.iterdir(), None)  # `rglob` passes over what it may not enter
    files = [p for p in folder.rglob("*") if p.is_file()]
    stats = [p.stat() for p in files if not p.name.endswith(_TEMPORARY)]
    newest = max((s.st_mtime for s in stats), default=folder.stat().st_mtime)
    return FolderState(newest, sum(s.st_size for s in stats))


def remembered(memory: Memory, outcome: str) -> Memory:
    """The memory once the run that was asked for has ended.

    outcome: `succeeded`, `failed` (also one that is nowhere), or `running`.
    """
    if memory.asked is None or outcome == "running":
        return memory
    if outcome == "succeeded":
        return Memory(memory.asked.states)
    return memory


def decide(found: Look, memory: Memory, outcome: str, now: float) -> Decision:
    """Compare what is there with what the last refresh that succeeded was asked for.

    Folders that are still changing wait. A refresh that failed is asked for again after a pause,
    at once where something has changed since. outcome: as in `remembered`.
    """
    if found.states is None:
        return Decision(None, found.told)
    known = remembered(memory, outcome)
    settled = {
        name: state
        for name, state in found.states.items()
        if abs(now - state.changed_at) >= SETTLE_SECONDS
    }
    wanted = {name: known.seen[name] for name in found.states if name in known.seen} | settled
    changed = sorted({n for n in wanted if known.seen.get(n) != wanted[n]})
    changed += sorted(set(known.seen) - set(found.states))
    if not changed:
        waiting = sorted(set(found.states) - set(settled))
        reason = f"waiting for {', '.join(waiting)} to settle" if waiting else "nothing changed"
        return Decision(None, "; ".join(part for part in (reason, found.told) if part))
    if known.asked is not None and outcome == "running":
        return Decision(None, "the refresh that was asked for is still running")
    if known.asked is not None and known.asked.states == wanted:
        pause = min(FIRST_PAUSE * 2.0**known.asked.failures, LONGEST_PAUSE)
        left = pause - abs(now - known.asked.at)
        if left > 0:
            return Decision(None, f"the last refresh failed; tried again in {left:.0f} seconds")
    return Decision(wanted, f"changed: {', '.join(changed)}")


def ask(memory: Memory, outcome: str, states: States, token: str, now: float) -> Memory:
    """The memory with the refresh that is asked for now. outcome: as in `remembered`."""
    known = remembered(memory, outcome)
    last = known.asked
    failures = last.failures + 1 if last is not None and last.states == states else 0
    return Memory(known.seen, Asked(token, states, now, failures))


def write_cursor(memory: Memory) -> str:
    return json.dumps(asdict(memory), sort_keys=True)


def read_cursor(text: str | None) -> Memory:
    """What was remembered; an unreadable cursor counts as nothing."""
    try:
        data = json.loads(text or "{}")
        asked = data.get("asked")
        return Memory(
            _states(data.get("seen", {})),
            Asked(**asked | {"states": _states(asked["states"])}) if asked else None,
        )
    except (ValueError, TypeError, AttributeError, KeyError):
        return Memory()


def _states(data: Mapping[str, Mapping[str, float]]) -> States:
    return {n: FolderState(float(s["changed_at"]), int(s["size"])) for n, s in data.items()}
