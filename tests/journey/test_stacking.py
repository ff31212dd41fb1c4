"""Tables of single trials as one: every column of its declared kind, also without any trial."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from assets.journey.stacking import stacked

from assets.outcomes.arms import ARM_STATISTICS
from assets.staging.extraction import IDENTITY
from validations.findings import FINDING_COLUMNS
from validations.records import RECORD_SCHEMAS
from validations.tables import made_columns

COLUMNS = {
    **{f"accepted_{k}": [*IDENTITY, *s.names] for k, s in RECORD_SCHEMAS.items()},
    "rejected_correlations": ["trial_id", "kind", "source_id", "file", "row", "column", "rule_id",
                              "reason", "fix", "outcome"],
    "arm_statistics": ARM_STATISTICS,
    "findings": FINDING_COLUMNS,
    "study_values": ["trial_id", "collection_id", "study_label", "comparison", "column", "value"],
    "outcome_rows": made_columns("intention_outcomes"),
    "effects": made_columns("effects"),
    "paired_effects": made_columns("paired_effects"),
    "assumed_covariances": made_columns("assumed_covariances"),
}  # fmt: skip
NUMBERS = {
    "accepted_correlations": {"row", "block", "r", "n"},
    "accepted_barrier_codings": {"row", "block", "n_sources", "n_reference_points"},
    "rejected_correlations": {"row"},
    "arm_statistics": {"weeks", "n", "mean", "sd", "events"},
    "findings": {"row", "count"},
    "study_values": set(),
    "assumed_covariances": {"assumed_correlation", "covariance"},
}


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_without_trials_has_its_columns(table: str) -> None:
    made = stacked(table, [])
    assert list(made.columns) == COLUMNS[table] and len(made) == 0
    if table in NUMBERS:
        assert {c for c in made if made[c].dtype == np.float64} == NUMBERS[table]


def test_missing_columns_and_kinds() -> None:
    one = pd.DataFrame({"trial_id": ["t"], "n": [3], "weeks": ["2"], "more": ["x"]})
    two = pd.DataFrame({"trial_id": ["u", "v"], "n": [4.5, None], "arm": [None, "a"]})
    made = stacked("arm_statistics", [one, pd.DataFrame({"other": []}), two])
    assert list(made.columns) == [*ARM_STATISTICS, "more"]
    assert list(made.index) == [0, 1, 2] and list(made["trial_id"]) == ["t", "u", "v"]
    assert list(made["n"][:2]) == [3.0, 4.5] and np.isnan(made["n"][2])
    assert made["n"].dtype == made["weeks"].dtype == made["sd"].dtype == np.float64
    assert made["weeks"][0] == 2.0 and made["sd"].isna().all()
    assert made["file"].isna().all() and made["file"].dtype == object
    assert pd.isna(made["arm"][0]) and made["arm"][2] == "a"
    assert list(made["more"][:1]) == ["x"]


def test_yes_and_no() -> None:
    parts = [
        pd.DataFrame({"in_pool": [v], "turned": [t]}) for v, t in ((True, True), (False, None))
    ]
    made = stacked("effects", parts)
    assert made["in_pool"].dtype == bool and list(made["in_pool"]) == [True, False]
    assert made["turned"].dtype == object and pd.isna(made["turned"][1])
    assert stacked("effects", [])["in_pool"].dtype == object
