"""The assets of the outcomes: intention, behavior and every other construct apart, so that neither
stops the other."""

import dagster as dg

from assets.contracts import contract_spec, core, written
from assets.guard import guarded
from assets.journey.asset import trial_journeys
from assets.outcomes.over_trials import outcomes_of_all
from assets.resources import Progress, Store, TypedTables

_DESCRIPTIONS = {
    "intention": "Intention outcomes; no other construct.",
    "behavior": "Behavior outcomes; no other construct.",
    "upstream": "Every other construct, under its own name.",
}


def _outcomes(construct: str) -> dg.AssetsDefinition:
    table = f"{construct}_outcomes"
    key = core(table)

    @dg.asset(
        key=key,
        group_name="core",
        deps=[trial_journeys],
        check_specs=[contract_spec(key)],
        kinds={"duckdb", "arrow"},
        description=_DESCRIPTIONS[construct],
    )
    @guarded
    def outcomes(store: Store, tables: TypedTables, progress: Progress) -> dg.MaterializeResult:
        progress(f"{construct} outcomes")
        rows = outcomes_of_all(table, store.journeys.table("outcome_rows"))
        return written(tables, key, rows, {"trials": len(rows["trial_id"].unique())}, judged=True)

    return outcomes


intention_outcomes, behavior_outcomes, upstream_outcomes = map(_outcomes, _DESCRIPTIONS)

ASSETS = [intention_outcomes, behavior_outcomes, upstream_outcomes]
