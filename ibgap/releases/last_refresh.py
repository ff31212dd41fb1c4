"""What the last run said of itself, beside the releases, so that readers see a failed refresh."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

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
    try:
        temporary = releases_dir / f".writing-{FILE}"
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        temporary.replace(releases_dir / FILE)
    except OSError:
        return
