"""Assets of the raw layer: the journey of each trial, from its folder to its effects and pairs.

Only journeys are partitioned, by trial; what several trials have together begins after them.
"""

import time

import dagster as dg

from assets.guard import guarded

TRIALS = dg.DynamicPartitionsDefinition(name="trials")


@dg.asset(
    key_prefix="raw",
    group_name="raw",
    partitions_def=TRIALS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    kinds={"python", "parquet"},
    required_resource_keys={"store", "project"},
    description="Records, summaries, effects and pairs of each trial folder, or the findings that "
    "say why there are none; unchanged folders are not read again.",
)
@guarded
def trial_journeys(context: dg.AssetExecutionContext) -> None:
    """Bring every trial of the run into the store; a faulty one becomes findings."""
    from assets.steps import make_journeys

    store, project = context.resources.store, context.resources.project
    store.write_json("settings", {"disclosure": project.disclosure})
    started = time.monotonic()
    names = list(context.partition_keys)
    folders = [project.trials_dir / name for name in names]
    made = make_journeys(
        store,
        folders,
        project.analysis,
        lambda step: project.report(step, context),
        project.limits,
    )
    counts = {
        "trials": len(names),
        "rows": sum(one["rows"] for one in made.values()),
        "unchanged": sum(bool(one["reused"]) for one in made.values()),
        "seconds": round(time.monotonic() - started, 3),
    }
    for name in names:
        context.add_asset_metadata(counts, partition_key=name)
