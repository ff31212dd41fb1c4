"""The drop-folder sensor."""

from __future__ import annotations

import time
import uuid
from typing import Any

import dagster as dg

from ibgap.releases.last_refresh import last_failure
from pipelines.drop_folder import Memory, ask, decide, look, read_cursor, remembered, write_cursor
from pipelines.partitions import sync_partitions
from pipelines.settings import Settings

ASKED = "ibgap/asked"
"""Tag of the runs that the sensor asks for."""


def drop_folder(job: Any, settings: Settings) -> dg.SensorDefinition:
    """The sensor, stopped until an operator starts it. What it has seen counts once a refresh of
    it has succeeded; one that failed is asked for again."""

    @dg.sensor(
        name="drop_folder",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Refreshes when a trial folder is new, changed or gone, and again when a "
        "refresh failed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Any:
        memory, now = read_cursor(context.cursor), time.time()
        outcome = _outcome(context.instance, memory)
        found = look(settings.trials_dir)
        decision = decide(found, memory, outcome, now)
        if decision.states is None:
            context.update_cursor(write_cursor(remembered(memory, outcome)))
            why = last_failure(settings.releases_dir) if outcome == "failed" else ""
            return dg.SkipReason(". ".join(part for part in (decision.reason, why) if part))
        if not decision.states:
            return dg.SkipReason("no trial is left; the last release stays")
        token = str(uuid.uuid4())
        context.update_cursor(write_cursor(ask(memory, outcome, decision.states, token, now)))
        sync_partitions(context.instance, sorted(decision.states))
        # No run key: a folder that returns to earlier bytes must run again.
        return dg.RunRequest(tags={ASKED: token})

    return sensor


def _outcome(instance: dg.DagsterInstance, memory: Memory) -> str:
    """How the refresh that was asked for last ended; one that is nowhere has failed."""
    if memory.asked is None:
        return "succeeded"
    runs = instance.get_runs(dg.RunsFilter(tags={ASKED: memory.asked.token}), limit=1)
    if not runs:
        return "failed"
    if not runs[0].is_finished:
        return "running"
    return "succeeded" if runs[0].status is dg.DagsterRunStatus.SUCCESS else "failed"
