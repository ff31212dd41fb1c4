"""Runs the refresh job in this process: the same definitions that the daemon runs."""

from __future__ import annotations

import logging
import os
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from assets.staging.trial_folders import find_trials
from assets.store import TableStore
from ibgap.base.lease import BusyError
from ibgap.releases.last_refresh import note_refresh
from pipelines.settings import Settings
from pipelines.unchanged import note_run, unchanged_run


class RefreshFailedError(Exception):
    """The run failed; the last release stays."""


@dataclass(frozen=True)
class RefreshResult:
    """What a refresh did: the release, whether it is new, and how many findings set data aside.

    processor_seconds: what parts of the work took; empty where nothing had to be done.
    """

    release_id: str
    path: Path
    is_new: bool
    set_aside: int
    failed_checks: list[str] = field(default_factory=list)
    processor_seconds: dict[str, float] = field(default_factory=dict)


def refresh(settings: Settings, show: Callable[[str], None] | None = None) -> RefreshResult:
    """Read all trial folders and publish a release.

    Raises `NoTrialsError` without trials, `BusyError` when another refresh runs, and
    `RefreshFailedError` naming the step when the run fails; the last release then stays.
    """
    names = find_trials(settings.trials_dir)
    run_id = str(uuid.uuid4())
    store = TableStore(settings.store_dir)
    store.hold(run_id)
    try:
        done = _nothing_to_do(settings, names) or _run(settings, names, run_id, show)
    except RefreshFailedError as error:
        note_refresh(settings.releases_dir, "failed", str(error))
        raise
    finally:
        store.let_go(run_id)
    status = "published" if done.is_new else "unchanged"
    note_refresh(settings.releases_dir, status, release_id=done.release_id)
    return done


def _nothing_to_do(settings: Settings, names: list[str]) -> RefreshResult | None:
    """The last result where nothing has changed since."""
    last = unchanged_run(settings, names)
    if last is None:
        return None
    path = settings.releases_dir / last.release_id
    return RefreshResult(last.release_id, path, False, last.set_aside, list(last.failed_checks))


def _run(
    settings: Settings, names: list[str], run_id: str, show: Callable[[str], None] | None
) -> RefreshResult:
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import dagster as dg

        from pipelines.build import REFRESH, build_definitions
        from pipelines.partitions import sync_partitions

        if show:
            show("starting")
        definitions = build_definitions(settings, show=show)
        with _instance(dg) as instance:
            sync_partitions(instance, names)
            job = definitions.resolve_job_def(REFRESH)
            result = job.execute_in_process(
                run_id=run_id,
                instance=instance,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            done = _summarize(result, settings)
    note_run(settings, names, done.release_id, done.set_aside, done.failed_checks)
    return done


def _instance(dg):  # type: ignore[no-untyped-def]
    """The configured instance when there is one, else one that forgets; neither reports what it is
    used for."""
    if not (home := os.environ.get("DAGSTER_HOME")):
        return dg.DagsterInstance.ephemeral()
    from dagster._core.instance.ref import InstanceRef

    folder = Path(home).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    silent = InstanceRef.from_dir(str(folder), overrides={"telemetry": {"enabled": False}})
    return dg.DagsterInstance.from_ref(silent)


def _summarize(result, settings: Settings) -> RefreshResult:  # type: ignore[no-untyped-def]
    failed_checks = []
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed:
            failed_checks.append(f"{evaluation.asset_key.path[-1]}.{evaluation.check_name}")
    if not result.success:
        raise RefreshFailedError(_why(result, failed_checks))
    made = result.asset_materializations_for_node("out__release")[0].metadata
    release_id = str(made["release_id"].value)
    return RefreshResult(
        release_id,
        settings.releases_dir / release_id,
        bool(made["is_new"].value),
        int(made["set aside"].value),
        failed_checks,
        {"synthesis": _seconds(result)},
    )


def _seconds(result) -> float:  # type: ignore[no-untyped-def]
    """Processor seconds of the syntheses that were made."""
    for made in result.asset_materializations_for_node("syntheses"):
        if "processor seconds" in made.metadata:
            return float(made.metadata["processor seconds"].value)
    return 0.0


def _why(result, failed_checks: list[str]) -> str:  # type: ignore[no-untyped-def]
    """The step and the class of the error (its text only where it is made for people)."""
    for event in result.all_events:
        if event.is_step_failure:
            return f"the step {event.step_key} failed ({_told(event.step_failure_data.error)})"
    for event in result.all_events:
        if event.is_job_failure and event.job_failure_data.error:
            return f"the run could not go on ({_told(event.job_failure_data.error)})"
    return "a blocking check failed: " + ", ".join(failed_checks)


def _told(error) -> str:  # type: ignore[no-untyped-def]
    """What may be said of an error: words made for people, else its class."""
    from assets.guard import StepFailedError
    from pipelines.told import failed_checks_in_words

    while error.cause:
        error = error.cause
    if error.cls_name == StepFailedError.__name__:
        return str(error.message.split("StepFailedError:", 1)[-1].strip())
    if error.cls_name == BusyError.__name__:
        return str(error.message.split("BusyError:", 1)[-1].strip())
    if error.cls_name == "DagsterAssetCheckFailedError":
        return failed_checks_in_words(error.message)
    return str(error.cls_name)


__all__ = ["BusyError", "RefreshFailedError", "RefreshResult", "refresh"]
