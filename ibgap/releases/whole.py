"""Whether a release is as it was published.

The record of a release (release.json) lists every other file with its hash and size, and its own
hash. Known without heavy packages.
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


def sealed(record: Mapping[str, Any]) -> str:
    """A record as the text of its file, with its own hash."""
    plain = {name: value for name, value in record.items() if name != SEAL}
    digest = hashlib.sha256(in_order(plain).encode()).hexdigest()
    return in_order(plain | {SEAL: digest})


def in_order(data: object) -> str:
    """Data as JSON that is the same text for the same data."""
    return json.dumps(data, sort_keys=True, indent=1) + "\n"


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Hash and size in bytes of every file of a release but its record."""
    return {
        name: {"sha256": _hash(folder / name), "bytes": (folder / name).stat().st_size}
        for name in sorted(_names(folder))
    }


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


def _change(path: Path, said: object) -> str:
    """How a file differs from what a record says of it; empty if it does not."""
    try:
        if isinstance(said, int):
            return "" if path.stat().st_size == said else "has another size than it was given"
        digest = said["sha256"] if isinstance(said, dict) else said
        return "" if _hash(path) == digest else "was changed"
    except (OSError, KeyError) as error:
        return f"cannot be read ({type(error).__name__})"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
