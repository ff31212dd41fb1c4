"""The assets of the effects of one trial that belong together."""

import dagster as dg
import pyarrow as pa

from assets.contracts import contract_check
from assets.guard import guarded
from assets.journey.asset import trial_journeys
from assets.pairs.over_trials import pairs_of_all
from assets.resources import Progress, Store

_DESCRIPTIONS = {
    "paired_effects": "Upstream and behavior effects that belong together.",
    "effect_covariances": "Sampling covariances of the effects of each trial.",
    "assumed_covariances": "The same at the other correlations of the grid, where one is assumed.",
}


def _pairs(table: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=table,
        key_prefix="core",
        group_name="core",
        deps=[trial_journeys],
        ins={"effects": dg.AssetIn(dg.AssetKey(["core", "effects"]))},
        kinds={"duckdb", "arrow"},
        description=_DESCRIPTIONS[table],
    )
    @guarded
    def pairs(
        context: dg.AssetExecutionContext, effects: pa.Table, store: Store, progress: Progress
    ) -> pa.Table:
        progress(table.replace("_", " "))
        rows = pairs_of_all(table, store.journeys.table(table), effects)
        context.add_output_metadata({"rows": len(rows)})
        return rows

    return pairs


paired_effects, effect_covariances, assumed_covariances = map(_pairs, _DESCRIPTIONS)

ASSETS = [paired_effects, effect_covariances, assumed_covariances]
CHECKS = [contract_check(paired_effects.key)]
