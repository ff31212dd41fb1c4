"""The assets of the effects of one trial that belong together, made in one step."""

import dagster as dg

from assets.contracts import contract_spec, core, table_spec, written
from assets.effects.asset import EFFECTS
from assets.guard import guarded
from assets.journey.asset import trial_journeys
from assets.pairs.over_trials import pairs_of_all
from assets.resources import Progress, Store, TypedTables

_DESCRIPTIONS = {
    "paired_effects": "Upstream and behavior effects that belong together.",
    "effect_covariances": "Sampling covariances of the effects of each trial.",
    "assumed_covariances": "The same at the other correlations of the grid, where one is assumed.",
}
_JUDGED = "paired_effects"


@dg.multi_asset(
    name="pairs_of_all",
    specs=[
        table_spec(core(table), text, [trial_journeys, EFFECTS], ["duckdb", "arrow"])
        for table, text in _DESCRIPTIONS.items()
    ],
    check_specs=[contract_spec(core(_JUDGED))],
)
@guarded
def pairs_of_all_trials(  # type: ignore[no-untyped-def]
    store: Store, tables: TypedTables, progress: Progress
):
    progress("paired effects")
    effects = tables.table(EFFECTS)
    return tuple(
        written(
            tables,
            core(table),
            pairs_of_all(table, store.journeys.table(table), effects),
            judged=table == _JUDGED,
        )
        for table in _DESCRIPTIONS
    )


ASSETS = [pairs_of_all_trials]
