"""What screening counted over all trials."""

from __future__ import annotations

from typing import Any

import pandas as pd

from validations.records import RECORD_SCHEMAS


def failed_rules(checks: pd.DataFrame) -> pd.DataFrame:
    """Kind of record, rule, column, `evaluated` and `unexpected` rows of the rules that rows of
    any trial break. checks: the table of this name of all journeys."""
    keys = ["kind", "rule_id", "column"]
    counts = checks.groupby(keys, sort=True, as_index=False)[["evaluated", "unexpected"]].sum()
    broken = checks.loc[~checks["success"].astype(bool), keys].drop_duplicates()
    return counts.merge(broken, on=keys, validate="one_to_one")


def screened_counts(counts: pd.DataFrame, checks: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per kind of record the numbers of `accepted` and `rejected` rows and the `failed_rules`.

    counts, checks: `screened_counts` and `checks` of all journeys.
    """
    summed = counts.groupby("kind")[["accepted", "rejected"]].sum()
    failed = failed_rules(checks)
    return {
        kind: {
            "accepted": int(summed["accepted"].get(kind, 0)),
            "rejected": int(summed["rejected"].get(kind, 0)),
            "failed_rules": sorted(set(failed.loc[failed["kind"] == kind, "rule_id"])),
        }
        for kind in RECORD_SCHEMAS
    }
