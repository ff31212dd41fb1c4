"""The restricted store: what journeys and syntheses gave, the tables of all trials, and traces.

It may hold exact numbers and findings about single rows. Nothing outside a run reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from assets.fence import TRACES
from ibgap.base.lease import Lease
from ibgap.base.writing import remove, remove_unfinished, write_whole

_LEASE = ".lock"
_EARLIER = (
    "screened", "outcomes", "effects", "pairs", "participants", "context", "synthesis", "staged",
    "settings.json", "pseudonym.key",
)  # fmt: skip
"""What earlier versions kept, rows of participants among it."""


class TableStore:
    """Rooms below one folder, which only its owner may enter."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def room(self, name: str) -> Path:
        """The folder of a room, which need not be there."""
        return self.root / name

    def hold(self, run: str, process: int | None = None) -> None:
        """Take the store for a run and, where it did not have it before, make it ready.

        process: number of the process that the run lives in, by default this one. Raises
        `BusyError` while another run has it.
        """
        if self._lease.take(run, process):
            self.prepare()

    def let_go(self, run: str) -> None:
        """Give the store back, if the run has it."""
        self._lease.give_back(run)

    @property
    def _lease(self) -> Lease:
        return Lease(self.root / _LEASE)

    def make(self) -> None:
        """Make the folder (mode 700), whoever holds the store."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)

    def prepare(self) -> None:
        """Make the folder and remove what a killed run left half-written and what earlier versions
        kept. Only for who holds the store."""
        self.make()
        remove_unfinished(self.root)
        for name in _EARLIER:
            remove(self.root / name)

    def write_text(self, name: str, text: str) -> None:
        """Write a text that only the owner may read."""
        write_whole(self.root / name, text.encode("utf-8", "replace"), mode=0o600)

    def keep_traces(self, start: str, traces: Mapping[str, str]) -> None:
        """Keep these traces of unforeseen errors, and none of earlier runs whose names begin so.

        traces: text by file of the store (`assets.fence.trace_file`).
        """
        for old in (self.root / TRACES).glob("*.txt"):
            if old.name.startswith(start) and f"{TRACES}/{old.name}" not in traces:
                remove(old)
        for name, text in traces.items():
            self.write_text(name, text)
