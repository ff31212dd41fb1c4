"""Assets of the raw layer: what was found in each trial folder, still as text.

Only staging is partitioned, by trial. Nothing here interprets a value.
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
    description="Manifest, records and file hashes of each trial folder; unchanged folders are "
    "not read again.",
)
@guarded
def staged_trials(context: dg.AssetExecutionContext) -> None:
    """Stage every trial of the run; a faulty folder becomes findings."""
    from assets.steps import stage

    store, project = context.resources.store, context.resources.project
    store.write_json("settings", {"disclosure": project.disclosure})
    started, rows, reused = time.monotonic(), 0, 0
    names = list(context.partition_keys)
    for done, name in enumerate(names, start=1):
        summary = stage(store, project.trials_dir / name)
        rows += summary["rows"]
        reused += bool(summary["reused"])
        project.report(f"reading trials {done}/{len(names)}", context)
    for name in names:
        context.add_asset_metadata(
            {
                "trials": len(names),
                "rows": rows,
                "unchanged": reused,
                "seconds": round(time.monotonic() - started, 3),
            },
            partition_key=name,
        )
