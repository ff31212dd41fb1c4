"""What the last run said of itself, beside the releases, so that readers see a failed refresh."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ibgap.base.writing import write_whole

FILE = "last_refresh.json"


def note_refresh(releases_dir: Path, status: str, message: str = "", release_id: str = "") -> None:
    """Record how a refresh ended: `published`, `unchanged` or `failed`.

    message: step and reason, never values of participants. A folder that is not there has no
    readers; one that cannot be written is left alone, as the note must not fail a run.
    """
    record = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": status,
        "message": message[:500],
        "release_id": release_id,
    }
    if not releases_dir.is_dir():
        return
    with suppress(OSError):
        write_whole(releases_dir / FILE, (json.dumps(record, indent=1) + "\n").encode())


def last_failure(releases_dir: Path) -> str:
    """What the last refresh said of its failure; empty where it did not fail or said nothing."""
    try:
        record = json.loads((releases_dir / FILE).read_bytes())
        return str(record["message"]) if record["status"] == "failed" else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
