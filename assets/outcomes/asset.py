"""The assets of the outcomes: intention, behavior and every other construct apart, so that neither
stops the other."""

import dagster as dg
import pyarrow as pa

from assets.contracts import contract_check
from assets.guard import guarded
from assets.journey.asset import table_of_journeys, trial_journeys
from assets.outcomes.over_trials import outcomes_of_all
from assets.resources import Progress, Store

_DESCRIPTIONS = {
    "intention": "Intention outcomes; no other construct.",
    "behavior": "Behavior outcomes; no other construct.",
    "upstream": "Every other construct, under its own name.",
}


def _outcomes(construct: str) -> dg.AssetsDefinition:
    table = f"{construct}_outcomes"

    @dg.asset(
        name=table,
        key_prefix="core",
        group_name="core",
        deps=[trial_journeys],
        kinds={"duckdb", "arrow"},
        description=_DESCRIPTIONS[construct],
    )
    @guarded
    def outcomes(context: dg.AssetExecutionContext, store: Store, progress: Progress) -> pa.Table:
        progress(f"{construct} outcomes")
        rows = outcomes_of_all(table, store.journeys.table("outcome_rows"))
        trials = rows["trial_id"].unique()
        context.add_output_metadata({"rows": len(rows), "trials": len(trials)})
        return rows

    return outcomes


intention_outcomes, behavior_outcomes, upstream_outcomes = map(_outcomes, _DESCRIPTIONS)


participant_checks = table_of_journeys(
    "participant_checks",
    "Independent checks on participant rows: cross-check of g, assumptions, scale reliability. "
    "Aggregates only.",
    kinds={"pingouin", "arrow"},
)
action_counts = table_of_journeys(
    "action_counts", "Who intended and who acted, per arm, as counts."
)

ASSETS = [
    intention_outcomes, behavior_outcomes, upstream_outcomes, participant_checks, action_counts
]  # fmt: skip
CHECKS = [contract_check(asset.key) for asset in ASSETS[:3]]
