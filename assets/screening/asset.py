"""The asset of the rows that were set aside, and the check that tells of them."""

import dagster as dg
import pandas as pd

from assets.contracts import counts_table
from assets.guard import guarded
from assets.journey.asset import table_of_journeys
from assets.resources import Store

rejected_rows = table_of_journeys(
    "rejected_rows",
    "Rows that break a declared rule, with rule and reason; all others are used.",
    kinds={"greatexpectations", "arrow"},
)


@dg.asset_check(
    asset=rejected_rows,
    name="rows_accepted",
    description="Every row met its declared rules. The rows that did not are set aside already.",
)
@guarded
def rows_accepted(store: Store) -> dg.AssetCheckResult:
    from assets.screening.over_trials import failed_rules

    counts = store.journeys.frame("screened_counts")
    failed = failed_rules(store.journeys.frame("checks"))
    return dg.AssetCheckResult(
        passed=failed.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "accepted": int(counts["accepted"].sum()),
            "rejected": int(counts["rejected"].sum()),
            "failed_rules": counts_table(_told(failed)),
        },
    )


def _told(failed: pd.DataFrame) -> list[tuple[str, str, int, int]]:
    return [
        (f"{row.kind}: {row.rule_id}", row.column, int(row.evaluated), int(row.unexpected))
        for row in failed.itertuples()
    ]


ASSETS = [rejected_rows]
CHECKS = [rows_accepted]
