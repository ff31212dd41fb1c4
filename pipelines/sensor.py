"""The drop-folder sensor."""

from __future__ import annotations

import time
from typing import Any

import dagster as dg

from pipelines.drop_folder import decide, look, read_cursor, write_cursor
from pipelines.partitions import PARTITIONS, sync_partitions
from pipelines.settings import Settings


def drop_folder(job: Any, settings: Settings) -> dg.SensorDefinition:
    """The sensor, stopped until an operator starts it."""

    @dg.sensor(
        name="drop_folder",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Refreshes when a trial folder is new, changed or gone.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Any:
        found = look(settings.trials_dir)
        registered = set(context.instance.get_dynamic_partitions(PARTITIONS))
        decision = decide(found, read_cursor(context.cursor), registered, time.time())
        if not decision.refresh and not decision.forget:
            return dg.SkipReason(decision.reason)
        settled = {n: s for n, s in (found or {}).items() if n in decision.refresh}
        remembered = {n: s for n, s in read_cursor(context.cursor).items() if n in (found or {})}
        context.update_cursor(write_cursor(remembered | settled))
        # Folders that are still being uploaded wait for their own tick.
        ready = (registered - set(decision.forget)) | set(decision.register)
        sync_partitions(context.instance, sorted(ready))
        if not ready:
            return dg.SkipReason("no trial is left")
        # No run key: a folder that returns to earlier bytes must run again.
        return dg.RunRequest()

    return sensor
