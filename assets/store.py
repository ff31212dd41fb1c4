"""The restricted store: what journeys and syntheses gave, the tables of all trials, and traces.

It may hold exact numbers and findings about single rows. Nothing outside a run reads it.
"""

from __future__ import annotations

from pathlib import Path

from ibgap.base.writing import remove, remove_unfinished, write_whole


class BusyError(Exception):
    """Another run holds the store."""


class TableStore:
    """Rooms below one folder, which only its owner may enter."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def room(self, name: str) -> Path:
        """The folder of a room, which need not be there."""
        return self.root / name

    def prepare(self) -> None:
        """Make the folder (mode 700) and remove what a killed run left half-written. Only for
        who holds the store."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        remove_unfinished(self.root)

    def write_text(self, name: str, text: str) -> None:
        """Write a text that only the owner may read."""
        write_whole(self.root / name, text.encode("utf-8", "replace"), mode=0o600)

    def remove_file(self, name: str) -> None:
        remove(self.root / name)
