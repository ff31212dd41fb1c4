"""The assets of the effects of all trials."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.contracts import contract_check
from assets.effects.over_trials import effects_of_all
from assets.guard import guarded
from assets.journey.asset import table_of_journeys, trial_journeys
from assets.resources import Progress, Store
from assets.typed import stacked, to_arrow
from validations.findings import findings_frame

_SPECS = {
    "effects": dg.AssetOut(
        key=["core", "effects"],
        description="Effects with sampling variances and formula on the common and natural scales.",
        kinds={"duckdb", "arrow"},
    ),
    "findings": dg.AssetOut(
        key=["core", "findings"],
        description="Findings of the trials, also those that only all together can tell: which "
        "are reports of one trial, which labels are written differently.",
        kinds={"arrow"},
    ),
}


@dg.multi_asset(outs=_SPECS, deps=[trial_journeys], group_name="core", name="effects_of_all")
@guarded
def effects_of_all_trials(
    context: dg.AssetExecutionContext, store: Store, progress: Progress
) -> tuple[pa.Table, pa.Table]:
    progress("effects")
    names = ("effects", "identities", "journeys", "moderators")
    effects, found = effects_of_all(*(store.journeys.table(name) for name in names))
    told = to_arrow(findings_frame(found), "findings")
    findings = stacked("findings", [store.journeys.table("findings"), told])
    pooled = int(pc.sum(effects["in_pool"]).as_py() or 0)
    context.add_output_metadata({"effects": len(effects), "in_pools": pooled}, "effects")
    context.add_output_metadata({"findings": len(findings)}, "findings")
    return effects, findings


moderators = table_of_journeys("moderators", "Values of the moderators that manifests declare.")

ASSETS = [effects_of_all_trials, moderators]
CHECKS = [contract_check(dg.AssetKey(["core", "effects"]))]
