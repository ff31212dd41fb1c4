"""Whether a release is as it was published.

The record of a release (release.json) lists every other file with its hash and size, and its own
hash. A release that is made again has the same record to the byte; so of a file whose bytes differ
from time to time (DuckDB's) it has the size, and the hash stands beside that file. Known without
heavy packages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD = "release.json"
SEAL = "record_sha256"
"""Where a record keeps the hash of what else it says."""
BESIDE = ".sha256"
"""Ending of a file that holds the hash of the one it is named after, as `sha256sum` writes it."""


def sealed(record: Mapping[str, Any]) -> str:
    """A record as the text of its file, with its own hash."""
    plain = {name: value for name, value in record.items() if name != SEAL}
    digest = hashlib.sha256(in_order(plain).encode()).hexdigest()
    return in_order(plain | {SEAL: digest})


def in_order(data: object) -> str:
    """Data as JSON that is the same text for the same data."""
    return json.dumps(data, sort_keys=True, indent=1) + "\n"


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size in bytes of every file of a release but its record, and its hash where none stands
    beside it."""
    names = _names(folder)
    listed: dict[str, dict[str, Any]] = {}
    for name in sorted(names):
        listed[name] = {"bytes": (folder / name).stat().st_size}
        if not (name + BESIDE in names or name.endswith(BESIDE)):
            listed[name]["sha256"] = _hash(folder / name)
    return listed


def hash_beside(path: Path) -> Path:
    """Write the hash of a file beside it; returns where."""
    beside = path.with_name(path.name + BESIDE)
    beside.write_text(_line(path), encoding="utf-8")
    return beside


def is_whole(folder: Path) -> bool:
    """Whether every file of a release is as its record says, and no other is there.

    A record of sizes only, as older releases have it, counts by them.
    """
    return not differences_from_record(folder)


def differences_from_record(folder: Path) -> list[str]:
    """What of a release is not as its record says: one sentence for each file, none if it is
    whole."""
    try:
        text = (folder / RECORD).read_bytes().decode("utf-8")
        record = json.loads(text)
        listed = dict(record["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{RECORD} cannot be read ({type(error).__name__})"]
    found = _names(folder)
    said = [f"{RECORD} was changed"] if SEAL in record and sealed(record) != text else []
    said += [f"{name} is missing" for name in sorted(set(listed) - found)]
    said += [f"{name} was added" for name in sorted(found - set(listed))]
    changed = (_change(folder / name, listed[name]) for name in sorted(found & set(listed)))
    said += [f"{name} {how}" for name, how in zip(sorted(found & set(listed)), changed, strict=True)
             if how]  # fmt: skip
    return said


def has_hashes(record: Mapping[str, Any]) -> bool:
    """Whether a record has the hashes of its files; older ones have sizes only."""
    files = record.get("files")
    return isinstance(files, dict) and not any(isinstance(one, int) for one in files.values())


def _names(folder: Path) -> set[str]:
    everything = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    return {str(p.relative_to(folder)) for p in everything} - {RECORD}


def _change(path: Path, said: Any) -> str:
    """How a file differs from what a record says of it; empty if it does not."""
    try:
        size = said if isinstance(said, int) else dict(said).get("bytes")
        if size is not None and path.stat().st_size != size:
            return "has another size than it was given"
        if path.name.endswith(BESIDE):
            other = path.with_name(path.name.removesuffix(BESIDE))
            return "" if path.read_text() == _line(other) else f"does not agree with {other.name}"
        digest = None if isinstance(said, int) else dict(said).get("sha256")
        return "" if digest in (None, _hash(path)) else "was changed"
    except (OSError, ValueError, TypeError) as error:
        return f"cannot be read ({type(error).__name__})"


def _line(path: Path) -> str:
    return f"{_hash(path)}  {path.name}\n"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
