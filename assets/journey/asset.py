"""The asset of all journeys, and the check that shows a broken trial broken."""

import dagster as dg
import pyarrow as pa

from assets.guard import guarded
from assets.resources import Progress, Project, Store

TRIALS = dg.DynamicPartitionsDefinition(name="trials")
TRIAL = dg.AssetSpec(
    dg.AssetKey(["raw", "trial"]),
    group_name="raw",
    partitions_def=TRIALS,
    kinds={"yaml", "csv"},
    description="A trial folder: manifest and data. Each refresh reports on those that changed "
    "and on those that are not whole.",
)


@dg.asset(
    key_prefix="raw",
    group_name="raw",
    deps=[TRIAL],
    kinds={"python", "greatexpectations", "pingouin"},
    description="Records, summaries, effects and pairs of each trial folder, or the findings that "
    "say why there are none; unchanged folders are not read again.",
)
@guarded
def trial_journeys(
    context: dg.AssetExecutionContext, store: Store, project: Project, progress: Progress
) -> dg.MaterializeResult:
    """Bring every trial of the run into the store; a faulty one becomes findings."""
    from assets.journey.keys import MadeWith
    from assets.journey.make import make_journeys

    folders = project.folders
    made_with = MadeWith.of(project.settings, project.limits)
    made = make_journeys(store.files, folders, made_with, project.work_limits, progress)
    for name, told in made.made.items():
        context.log_event(
            dg.AssetMaterialization(
                TRIAL.key,
                partition=name,
                metadata={"rows": told.rows, "findings": told.findings, "set aside": told.blocking},
                tags={"dagster/data_version": told.version},
            )
        )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.version),
        metadata={
            "trials": len(folders),
            "made": len(made.made),
            "unchanged": len(made.reused),
            "rows made": sum(told.rows for told in made.made.values()),
        },
    )


@dg.asset_check(
    asset=trial_journeys,
    name="trials_are_whole",
    description="No trial, and no part of one, was set aside.",
)
@guarded
def trials_are_whole(store: Store) -> dg.AssetCheckResult:
    """Red where a trial gives nothing, yellow where a part of one is set aside."""
    from assets.journey.broken import broken_trials

    broken = broken_trials(store.journeys.frame("findings"), store.journeys.frame("effects"))
    nothing = [row for row in broken if row["gives"] == "nothing"]
    columns = ["trial", "gives", "rule", "file", "row", "found", "what to do"]
    records = [dg.TableRecord({name: row[name] for name in columns}) for row in broken]
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return dg.AssetCheckResult(
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR if nothing else dg.AssetCheckSeverity.WARN,
        metadata={
            "trials that give nothing": len({row["trial"] for row in nothing}),
            "trials set aside in part": len({r["trial"] for r in broken if r["gives"] == "a part"}),
            "broken": dg.MetadataValue.table(records, schema),
        },
    )


def table_of_journeys(
    table: str, description: str, *, group: str = "core", kinds: set[str] | None = None
) -> dg.AssetsDefinition:
    """An asset that is a table of all journeys as it is."""

    @dg.asset(
        name=table,
        key_prefix=group,
        group_name=group,
        deps=[trial_journeys],
        kinds=kinds or {"arrow"},
        description=description,
    )
    @guarded
    def of_journeys(context: dg.AssetExecutionContext, store: Store) -> pa.Table:
        rows = store.journeys.table(table)
        context.add_output_metadata({"rows": len(rows)})
        return rows

    return of_journeys


ASSETS = [TRIAL, trial_journeys]
CHECKS = [trials_are_whole]
