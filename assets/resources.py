"""What assets are given: the project's choices, the restricted store, and typed tables."""

import hashlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
from pydantic import PrivateAttr

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.keys import ROOM
from assets.journey.stacked import Journeys
from assets.journey.work_limits import WorkLimits
from assets.release.publishable import Profiles, profiles_of
from assets.staging.limits import Limits
from assets.staging.trial_folders import find_trials
from assets.store import TableStore
from assets.typed import schema_of, to_arrow, to_frame
from ibgap.base.writing import write_whole


class Store(dg.ConfigurableResource):  # type: ignore[misc]
    """The restricted store, which one run holds at a time.

    root: its folder. steps_apart: whether every step of a run has a process of its own, below the
    run's. The run takes the lease before its first step and gives it back at its end; one that was
    killed loses it with its process.
    """

    root: str
    steps_apart: bool = False
    _journeys: Journeys | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(
        self, context: dg.InitResourceContext
    ) -> Generator["Store", None, None]:
        run = context.run_id or "no run"
        above = multiprocessing.parent_process() if self.steps_apart else None
        if above is not None and above.pid is not None:
            _end_with(above.pid)
        self.files.hold(run, above.pid if above else None)
        try:
            yield self
        finally:
            if above is None:
                self.files.let_go(run)

    @property
    def files(self) -> TableStore:
        return TableStore(Path(self.root))

    @property
    def journeys(self) -> Journeys:
        """The journeys of this run, once `trial_journeys` is there."""
        if self._journeys is None:
            self._journeys = Journeys(self.files.room(ROOM))
        return self._journeys


def _end_with(run: int) -> None:
    """End this process, a step's, as soon as the run's is gone, or at once where it is gone before:
    whoever has the store then writes alone. run: number of the process that started this one."""

    def watch() -> None:
        while os.getppid() == run:
            time.sleep(0.5)
        os._exit(os.EX_TEMPFAIL)

    if os.getppid() != run:
        os._exit(os.EX_TEMPFAIL)
    threading.Thread(target=watch, daemon=True, name="ends-with-its-run").start()


class Project(dg.ConfigurableResource):  # type: ignore[misc]
    """The project's choices, as far as assets need them.

    trials_dir: folder of the trial folders. disclosure: default profile. analysis, reading, work:
    fields of `AnalysisSettings`, `Limits` and `WorkLimits`.
    """

    trials_dir: str
    disclosure: str
    analysis: dict[str, Any]
    reading: dict[str, Any]
    work: dict[str, Any]

    @property
    def settings(self) -> AnalysisSettings:
        """The analyst's choices."""
        grid = tuple(self.analysis["correlation_grid"])
        return AnalysisSettings(**{**self.analysis, "correlation_grid": grid})

    def profiles(self, journeys: pd.DataFrame) -> Profiles:
        """The profile of every trial with participant rows. journeys: the table of this name."""
        return profiles_of(journeys, self.disclosure)

    @property
    def limits(self) -> Limits:
        """How much of a file is read."""
        return Limits(**self.reading)

    @property
    def work_limits(self) -> WorkLimits:
        """How much of the machine the journeys may use."""
        return WorkLimits(**self.work)

    @property
    def folders(self) -> list[Path]:
        """The trial folders that are there now; raises `NoTrialsError` where there is none."""
        root = Path(self.trials_dir)
        return [root / name for name in find_trials(root)]


Progress = dg.ResourceParam[Callable[[str], None]]
"""Where a person is told which step runs."""


Publisher = dg.ResourceParam[Callable[..., Any]]
"""Publishes tables, inputs and what screening counted; gives the release."""


class TypedTables(dg.ConfigurableResource):  # type: ignore[misc]
    """Tables between steps, one file per asset, with the columns that are declared for its name.

    root: folder of the store. Assets name what they read in `deps` and read it here: a table that
    is read by ten others is no event of ten inputs.
    """

    root: str

    def write(self, key: dg.AssetKey, rows: pd.DataFrame | pa.Table) -> str:
        """Write the table of an asset whole; returns the hash of what was written."""
        name = key.path[-1]
        table = rows if isinstance(rows, pa.Table) else to_arrow(rows, name)
        buffer = pa.BufferOutputStream()
        with pa.ipc.new_file(buffer, schema_of(name)) as writer:
            writer.write_table(table)
        data = buffer.getvalue().to_pybytes()
        write_whole(self._path(key), data)
        return hashlib.sha256(data).hexdigest()

    def table(self, key: dg.AssetKey) -> pa.Table:
        """What was written for an asset."""
        with pa.OSFile(str(self._path(key))) as file:
            return pa.ipc.open_file(file).read_all()

    def frame(self, key: dg.AssetKey) -> pd.DataFrame:
        """The same for pandas."""
        return to_frame(self.table(key))

    def _path(self, key: dg.AssetKey) -> Path:
        return Path(self.root, "tables", *key.path).with_suffix(".arrow")
