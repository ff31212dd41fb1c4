"""Assembles the Dagster definitions, with overrides for everything a test may want to swap."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import dagster as dg

from assets import checks, core, out, raw
from assets.store import TableStore
from pipelines.drop_folder import decide, look, read_cursor, write_cursor
from pipelines.last_refresh import note_refresh
from pipelines.project import Project
from pipelines.publisher import Publisher
from pipelines.settings import Settings, load_settings

REFRESH = "refresh"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def _render_report(folder: Any) -> str:
    from dashboard.report import render_report

    return render_report(folder)


def build_definitions(
    settings: Settings | None = None,
    *,
    show: Callable[[str], None] | None = None,
    resources: dict[str, Any] | None = None,
) -> dg.Definitions:
    """The one code location: assets, checks, job, schedule, sensor and resources.

    settings: by default from `ibgap.toml` and the environment. show: receives the name of each
    step (for the command line). resources: replaces resources by name.
    """
    settings = settings or load_settings()
    store = TableStore(settings.store_dir)
    store.prepare()
    own = {
        "store": store,
        "project": Project(settings, show),
        "publisher": Publisher(settings.releases_dir, _render_report),
    } | (resources or {})
    job = dg.define_asset_job(
        REFRESH,
        selection=dg.AssetSelection.all(),
        partitions_def=raw.TRIALS,
        executor_def=_executor(settings),
        hooks={_note_failure(settings)},
        description="Reads the trial folders and publishes a release.",
    )
    return dg.Definitions(
        assets=[raw.trial_journeys, *core.ASSETS, *out.ASSETS],
        asset_checks=checks.CHECKS,
        jobs=[job],
        schedules=[_schedule(job, settings)],
        sensors=[_sensor(job, settings)],
        resources={name: dg.ResourceDefinition.hardcoded_resource(r) for name, r in own.items()},
        executor=_executor(settings),
    )


def _note_failure(settings: Settings) -> dg.HookDefinition:
    """Tells the readers of the releases which step failed (no message: it could carry values)."""

    @dg.failure_hook(name="note_failed_refresh")
    def hook(context: dg.HookContext) -> None:
        note_refresh(settings.releases_dir, "failed", f"the step {context.op.name} failed")

    return hook


def _executor(settings: Settings) -> dg.ExecutorDefinition:
    return {
        "in_process": dg.in_process_executor,
        "multiprocess": dg.multiprocess_executor,
    }[settings.executor]


def range_tags(names: list[str]) -> dict[str, str]:
    """Tags of one run over all trials (partitions are ordered as they were registered)."""
    return {RANGE_START: names[0], RANGE_END: names[-1]}


def sync_partitions(instance: dg.DagsterInstance, names: list[str]) -> list[str]:
    """Register exactly these trials; returns them in the instance's order."""
    registered = instance.get_dynamic_partitions("trials")
    for gone in set(registered) - set(names):
        instance.delete_dynamic_partition("trials", gone)
    instance.add_dynamic_partitions("trials", [n for n in names if n not in registered])
    return list(instance.get_dynamic_partitions("trials"))


def _schedule(job: Any, settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="daily_refresh",
        job=job,
        cron_schedule=settings.schedule,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Refreshes from all trial folders.",
    )
    def daily_refresh(context: dg.ScheduleEvaluationContext) -> Any:
        found = look(settings.trials_dir)
        if not found:
            return dg.SkipReason("the trials folder cannot be read or holds no trial")
        ordered = sync_partitions(context.instance, sorted(found))
        return dg.RunRequest(tags=range_tags(ordered))

    return daily_refresh


def _sensor(job: Any, settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="drop_folder",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Refreshes when a trial folder is new, changed or gone.",
    )
    def drop_folder(context: dg.SensorEvaluationContext) -> Any:
        found = look(settings.trials_dir)
        registered = set(context.instance.get_dynamic_partitions("trials"))
        decision = decide(found, read_cursor(context.cursor), registered, time.time())
        if not decision.refresh and not decision.forget:
            return dg.SkipReason(decision.reason)
        settled = {n: s for n, s in (found or {}).items() if n in decision.refresh}
        remembered = {n: s for n, s in read_cursor(context.cursor).items() if n in (found or {})}
        context.update_cursor(write_cursor(remembered | settled))
        # Folders that are still being uploaded wait for their own tick.
        ready = (registered - set(decision.forget)) | set(decision.register)
        ordered = sync_partitions(context.instance, sorted(ready))
        if not ordered:
            return dg.SkipReason("no trial is left")
        # No run key: a folder that returns to earlier bytes must run again.
        return dg.RunRequest(tags=range_tags(ordered))

    return drop_folder
