"""The tables of all kept journeys, each below each other in the order of the trials."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from assets.journey.contents import TABLES
from assets.kept import KeptResults
from assets.typed import stacked, to_frame


class Journeys:
    """What the journeys of a run gave; every file is opened once.

    room: folder of the kept journeys.
    """

    def __init__(self, room: Path) -> None:
        self._kept = KeptResults(room)
        self._tables: dict[str, pa.Table] = {}

    @property
    def trials(self) -> list[str]:
        """Names of the trial folders."""
        return sorted(self._kept.names)

    @property
    def versions(self) -> dict[str, str]:
        """Hash of what is kept of every trial."""
        entries = {name: self._kept.entry(name) for name in self._kept.names}
        return {name: entry.digest for name, entry in entries.items() if entry is not None}

    def table(self, name: str) -> pa.Table:
        """One table of all trials (`assets.journey.contents.TABLES`)."""
        if not self._tables:
            self._read()
        return self._tables[name]

    def frame(self, name: str) -> pd.DataFrame:
        """The same for pandas."""
        return to_frame(self.table(name))

    def tables(self, names: Iterable[str]) -> dict[str, pa.Table]:
        """Several tables by name."""
        return {name: self.table(name) for name in names}

    def _read(self) -> None:
        parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
        for trial in self.trials:
            for name, table in self._kept.read(trial).items():
                parts[name].append(table)
        self._tables = {name: stacked(name, own) for name, own in parts.items()}
