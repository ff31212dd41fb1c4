"""Assembles the Dagster definitions, with overrides for everything a test may want to swap.

Loading them has no effect: nothing is made, removed or locked before a run begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import dagster as dg

from assets.effects import asset as effects
from assets.journey import as_they_are
from assets.journey import asset as journey
from assets.outcomes import asset as outcomes
from assets.pairs import asset as pairs
from assets.release import asset as release
from assets.resources import Project, Store, TypedTables
from assets.synthesis import asset as synthesis
from pipelines.publishing import publisher
from pipelines.schedule import daily_refresh
from pipelines.sensor import drop_folder
from pipelines.settings import Settings, load_settings
from pipelines.told import note_failure

REFRESH = "refresh"
STATIONS = (journey, as_they_are, outcomes, effects, pairs, synthesis, release)
_EXECUTORS = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}


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
    executor = _EXECUTORS[settings.executor]
    job = dg.define_asset_job(
        REFRESH,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(journey.TRIAL.key),
        executor_def=executor,
        hooks={note_failure(settings.releases_dir)},
        description="Reads the trial folders and publishes a release.",
    )
    return dg.Definitions(
        assets=[asset for station in STATIONS for asset in station.ASSETS],
        jobs=[job],
        schedules=[daily_refresh(job, settings)],
        sensors=[drop_folder(job, settings)],
        resources=_resources(settings, show) | (resources or {}),
        executor=executor,
    )


def _resources(settings: Settings, show: Callable[[str], None] | None) -> dict[str, Any]:
    root = str(settings.store_dir)
    work = {name: value for name, value in asdict(settings.work).items() if value is not None}
    return {
        "store": Store(root=root, steps_apart=settings.executor == "multiprocess"),
        "tables": TypedTables(root=root),
        "project": Project(
            trials_dir=str(settings.trials_dir),
            disclosure=settings.disclosure,
            analysis=asdict(settings.analysis),
            reading=asdict(settings.reading),
            work=work,
        ),
        "publisher": dg.ResourceDefinition.hardcoded_resource(publisher(settings)),
        "progress": dg.ResourceDefinition.hardcoded_resource(show or _say_nothing),
    }


def _say_nothing(step: str) -> None:
    """Where nobody watches, the log of the run tells its steps."""
