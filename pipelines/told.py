"""What a run tells of itself to readers of the releases."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from assets.guard import StepFailedError
from ibgap.releases.last_refresh import note_refresh


def note_failure(releases_dir: Path) -> dg.HookDefinition:
    """Tells the readers of the releases which step failed and why, where that is told in words
    made for people; the text of any other error could carry values."""

    @dg.failure_hook(name="note_failed_refresh")
    def hook(context: dg.HookContext) -> None:
        error = context.op_exception
        why = f" ({error})" if isinstance(error, StepFailedError) else ""
        note_refresh(releases_dir, "failed", f"the step {context.op.name} failed{why}")

    return hook
