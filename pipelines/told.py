"""What a run tells of itself to readers of the releases."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from assets.guard import StepFailedError
from ibgap.releases.last_refresh import note_refresh


def failed_checks_in_words(text: str) -> str:
    """Which blocking checks failed, from the text of Dagster's error: tables and checks alone.

    >>> failed_checks_in_words("1 blocking asset check failed:\\ncore/effects: keeps_its_contract")
    'the blocking check failed: core/effects: keeps_its_contract'
    """
    _, *checks = text.strip().splitlines()
    return f"the blocking check failed: {'; '.join(checks)}"


def note_failure(releases_dir: Path) -> dg.HookDefinition:
    """Tells the readers of the releases which step failed and why, where that is told in words
    made for people; the text of any other error could carry values."""

    @dg.failure_hook(name="note_failed_refresh")
    def hook(context: dg.HookContext) -> None:
        error = context.op_exception
        why = ""
        if isinstance(error, StepFailedError):
            why = f" ({error})"
        elif isinstance(error, DagsterAssetCheckFailedError):
            why = f" ({failed_checks_in_words(str(error))})"
        note_refresh(releases_dir, "failed", f"the step {context.op.name} failed{why}")

    return hook
