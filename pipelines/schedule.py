"""The daily refresh."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipelines.drop_folder import look
from pipelines.partitions import sync_partitions
from pipelines.settings import Settings


def daily_refresh(job: Any, settings: Settings) -> dg.ScheduleDefinition:
    """The schedule, stopped until an operator starts it."""

    @dg.schedule(
        name="daily_refresh",
        job=job,
        cron_schedule=settings.schedule,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Refreshes from all trial folders.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Any:
        found = look(settings.trials_dir)
        if not found.states:
            return dg.SkipReason(found.told or "the trials folder holds no trial")
        sync_partitions(context.instance, sorted(found.states))
        return dg.RunRequest()

    return schedule
