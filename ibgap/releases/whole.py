"""Whether a release is as it was published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

RECORD = "release.json"


def is_whole(folder: Path) -> bool:
    """Whether every file of a release has the hash that its record says, and no other is there.

    A record of sizes only, as older releases have it, counts by them.
    """
    try:
        listed = json.loads((folder / RECORD).read_bytes())["files"]
        found = {
            str(p.relative_to(folder))
            for p in folder.rglob("*")
            if p.is_file() and p.name != RECORD
        }
        return set(listed) == found and all(
            _is_as_listed(folder / name, said) for name, said in listed.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_as_listed(path: Path, said: object) -> bool:
    if isinstance(said, int):
        return path.stat().st_size == said
    digest = said["sha256"] if isinstance(said, dict) else said
    return hashlib.sha256(path.read_bytes()).hexdigest() == digest
