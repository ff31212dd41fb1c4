"""Intended-by-acted counts of the arms of a trial, from participant rows and from count tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from assets.outcomes.action_counts import CELLS
from assets.outcomes.participants import ParticipantFacts
from validations.manifest.crosscheck import COMPARATORS
from validations.manifest.model import TrialManifest


def arm_counts(
    manifest: TrialManifest, facts: Mapping[str, ParticipantFacts], records: pd.DataFrame
) -> list[dict[str, Any]]:
    """Rows of intended-by-acted counts, one per trial, arm and pair of outcomes.

    facts: aggregates of participants by trial. records: accepted rows of intended-by-acted
    tables; a trial that has such a table is counted from it alone.
    """
    tabled = records.to_dict("records") if len(records) else []
    counted = {record["trial_id"] for record in tabled}
    rows = [
        {"trial_id": trial, "collection_id": manifest.id, "basis": "participant_rows"} | row
        for trial, one in facts.items()
        if trial not in counted
        for row in one.counts
    ]
    names = ("trial_id", "collection_id", "arm", "intention", "behavior", *CELLS)
    rows += [
        {name: record[name] for name in names}
        | {"basis": "intention_by_action", "intender_rule": "R5"}
        for record in tabled
    ]
    roles = {arm.id: arm.role for arm in manifest.arms}
    groups = {True: "comparator", False: "intervention"}
    return [row | {"arm_group": groups[roles.get(row["arm"]) in COMPARATORS]} for row in rows]
