"""Whether anything has changed since the last refresh, known before heavy packages are loaded.

After a refresh a note in the restricted store says from what it was made and which release it
came to. Where that is all as it was, and the journeys and the release are whole, nothing has to
run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from assets.journey.keys import ROOM, MadeWith, is_known
from assets.kept import KeptResults
from ibgap.base.code import code_hash
from ibgap.base.writing import write_whole
from ibgap.releases.whole import is_whole
from pipelines.settings import Settings

NOTE = "last_run.json"
_ROOMS = ("analysis", "assets", "dashboard", "ibgap", "pipelines", "validations")
_PACKAGES = (
    "ibgap", "numpy", "scipy", "pandas", "pyarrow", "duckdb", "dagster", "great-expectations",
    "pingouin", "jinja2", "pydantic", "pyreadstat", "openpyxl",
)  # fmt: skip


@dataclass(frozen=True)
class LastRun:
    """What the last refresh was made from and came to.

    state: hash of all that enters a refresh. set_aside: open findings that keep data out of the
    pools. failed_checks: names of checks.
    """

    state: str
    release_id: str
    set_aside: int
    failed_checks: tuple[str, ...] = ()


def unchanged_run(settings: Settings, names: Sequence[str]) -> LastRun | None:
    """The last refresh, where another one would come to the same; None where it might not.

    names: of the trial folders that are there now.
    """
    last = _read(settings.store_dir / NOTE)
    if last is None or not _is_current(settings.releases_dir, last.release_id):
        return None
    kept = KeptResults(settings.store_dir / ROOM)
    made_with = MadeWith.of(settings.analysis, settings.reading)
    known = all(is_known(kept, settings.trials_dir / name, made_with) for name in names)
    return last if known and _state(settings, kept, names) == last.state else None


def note_run(
    settings: Settings,
    names: Sequence[str],
    release_id: str,
    set_aside: int,
    failed_checks: Sequence[str],
) -> None:
    """Note what a refresh was made from, unless something of it was not for good."""
    state = _state(settings, KeptResults(settings.store_dir / ROOM), names)
    note = LastRun(state, release_id, set_aside, tuple(failed_checks))
    write_whole(settings.store_dir / NOTE, json.dumps(asdict(note)).encode())


def _state(settings: Settings, kept: KeptResults, names: Sequence[str]) -> str:
    """Hash of everything that enters a refresh; what is not for good equals nothing."""
    keys = {name: entry.key if (entry := kept.entry(name)) else "" for name in names}
    if sorted(keys) != sorted(kept.names) or not all(keys.values()):
        return ""
    code = code_hash(_ROOMS, _PACKAGES)
    given = [code, keys, settings.as_record(), asdict(settings.reading), settings.keep_releases]
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> LastRun | None:
    try:
        data = json.loads(path.read_bytes())
        note = LastRun(**data | {"failed_checks": tuple(data["failed_checks"])})
        return note if note.state else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _is_current(releases_dir: Path, release_id: str) -> bool:
    """Whether readers see this release, and every file of it is as it was published."""
    current = releases_dir / "current"
    return current.resolve().name == release_id and is_whole(current.resolve())
