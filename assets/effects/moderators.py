"""Values of the moderators that manifests declare, one row per trial and moderator."""

from __future__ import annotations

import pandas as pd

from assets.outcomes.arms import Manifests
from validations.tables import made_columns

MODERATOR_COLUMNS = made_columns("moderators")


def moderator_values(manifests: Manifests, study_values: pd.DataFrame) -> pd.DataFrame:
    """trial_id (or collection_id), moderator, value, and the codebook's dimension and layer."""
    rows = []
    for manifest in manifests.values():
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
                own = study_values[
                    (study_values["collection_id"] == manifest.id)
                    & (study_values["column"] == m.column)
                ]
                firsts = own[own["value"] != ""].drop_duplicates(["trial_id", "value"])
                unique = firsts.groupby("trial_id")["value"].agg(
                    lambda v: v.iloc[0] if len(v) == 1 else "several"
                )
                rows += [{"trial_id": t, "value": v} | about for t, v in unique.items()]
    return pd.DataFrame(
        rows,
        columns=MODERATOR_COLUMNS,
    )
