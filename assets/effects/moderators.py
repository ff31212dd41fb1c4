"""Values of the moderators that a manifest declares, one row per trial and moderator."""

from __future__ import annotations

from typing import Any

import pandas as pd

from validations.manifest.model import TrialManifest


def moderator_values(manifest: TrialManifest, study_values: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of trial_id (or collection_id), moderator, value, the codebook's dimension and layer.

    study_values: texts of the columns that moderators name, one row per study, column and text.
    """
    rows: list[dict[str, Any]] = []
    for m in manifest.moderators:
        about = {
            "moderator": m.name,
            "kind": m.kind,
            "barrier_dimension": m.barrier_dimension.value if m.barrier_dimension else "",
            "framework_layer": m.framework_layer.value if m.framework_layer else "",
        }
        if m.value:
            rows.append({"trial_id": manifest.id, "value": m.value} | about)
        if m.column and not study_values.empty:
            values = _by_trial(study_values[study_values["column"] == m.column])
            rows += [{"trial_id": trial, "value": value} | about for trial, value in values]
    return rows


def _by_trial(own: pd.DataFrame) -> list[tuple[str, str]]:
    """The text of each trial, `several` where it has more than one."""
    found: dict[str, set[str]] = {}
    for trial, value in zip(own["trial_id"], own["value"], strict=True):
        if value != "":
            found.setdefault(str(trial), set()).add(str(value))
    return [(t, texts.copy().pop() if len(texts) == 1 else "several")
            for t, texts in sorted(found.items())]  # fmt: skip
