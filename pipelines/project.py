"""The project as the assets see it: folders, settings and where progress goes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.synthesis.settings import AnalysisSettings
from assets.staging.limits import Limits
from assets.store import TableStore
from ibgap.base.printable import printable
from pipelines.settings import Settings


class NoTrialsError(Exception):
    """The trials folder is missing or holds no trial folder."""


def find_trials(trials_dir: Path) -> list[str]:
    """Names of the trial folders, sorted; hidden folders and those beginning with _ are not
    trials. Raises `NoTrialsError` when the folder cannot be read or holds none."""
    if not trials_dir.is_dir():
        raise NoTrialsError(
            f"there is no trials folder {trials_dir.name!r}; make it and put a folder with a "
            "trial.yaml into it, or set trials_dir"
        )
    names = sorted(p.name for p in trials_dir.iterdir() if p.is_dir() and p.name[0] not in "._")
    if not names:
        raise NoTrialsError(
            f"the trials folder {trials_dir.name!r} holds no trial; put a folder with a trial.yaml "
            "into it (`ibgap trial new FILE` drafts one)"
        )
    return names


class Project:
    """Resource of every asset; `show_progress` prints steps for a person at a terminal."""

    def __init__(self, settings: Settings, show: Callable[[str], None] | None = None) -> None:
        self.settings = settings
        self._show = show

    @property
    def trials_dir(self) -> Path:
        return self.settings.trials_dir

    @property
    def analysis(self) -> AnalysisSettings:
        return self.settings.analysis

    @property
    def limits(self) -> Limits:
        return self.settings.reading

    @property
    def disclosure(self) -> str:
        return self.settings.disclosure

    def trial_names(self) -> list[str]:
        """Trials that are in the folder now and whose journey is in the store."""
        store = TableStore(self.settings.store_dir)
        return [
            name for name in find_trials(self.trials_dir) if store.has(f"journeys/{name}/summary")
        ]

    def report(self, step: str, context: Any = None) -> None:
        """Say which step runs now."""
        if self._show is not None:
            self._show(step)
        elif context is not None:
            context.log.info(step)


class ProgressLine:
    """One line on stderr that is rewritten; plain lines where stderr is not a terminal."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()

    def __call__(self, step: str) -> None:
        if self.is_terminal:
            print(f"\r\x1b[2K  {printable(step)} ...", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.is_terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
