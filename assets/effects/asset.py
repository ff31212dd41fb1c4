"""The assets of the effects of all trials."""

import dagster as dg
import pyarrow.compute as pc

from assets.contracts import contract_spec, core, table_spec, written
from assets.effects.over_trials import effects_of_all
from assets.guard import guarded
from assets.journey.asset import trial_journeys
from assets.resources import Progress, Store, TypedTables
from assets.typed import stacked, to_arrow
from validations.findings import findings_frame

EFFECTS, FINDINGS = core("effects"), core("findings")


@dg.multi_asset(
    name="effects_of_all",
    specs=[
        table_spec(
            EFFECTS,
            "Effects with sampling variances and formula on the common and natural scales.",
            [trial_journeys],
            ["duckdb", "arrow"],
        ),
        table_spec(
            FINDINGS,
            "Findings of the trials, also those that only all together can tell: which are "
            "reports of one trial, which labels are written differently.",
            [trial_journeys],
            ["pandas", "arrow"],
        ),
    ],
    check_specs=[contract_spec(EFFECTS)],
)
@guarded
def effects_of_all_trials(  # type: ignore[no-untyped-def]
    store: Store, tables: TypedTables, progress: Progress
):
    progress("effects")
    names = ("effects", "identities", "journeys", "moderators")
    effects, found = effects_of_all(*(store.journeys.table(name) for name in names))
    told = to_arrow(findings_frame(found), "findings")
    findings = stacked("findings", [store.journeys.table("findings"), told])
    pooled = int(pc.sum(effects["in_pool"]).as_py() or 0)
    return (
        written(tables, EFFECTS, effects, {"in_pools": pooled}, judged=True),
        written(tables, FINDINGS, findings),
    )


ASSETS = [effects_of_all_trials]
