"""How much of a file is read, and for how long: limits as one value."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from assets.staging.unreadable import UnreadableError


@dataclass(frozen=True)
class Limits:
    """What one file may hold and cost.

    unpacked_megabytes: of the file, or of all parts of an archive together. rows, columns, cells:
    of one table, as far as something stands in it. cell_length: characters of one cell.
    seconds: CPU seconds for reading one file.
    """

    unpacked_megabytes: float = 2000.0
    rows: int = 50_000_000
    columns: int = 20_000
    cells: int = 500_000_000
    cell_length: int = 1_000_000
    seconds: float = 300.0


@dataclass(frozen=True)
class Watch:
    """Holds one file to its limits while it is read; readers ask it between batches."""

    limits: Limits = field(default_factory=Limits)
    started: float = field(default_factory=time.process_time)

    def look(self, *, rows: int = 0, columns: int = 0, megabytes: float = 0.0) -> None:
        """Raise `UnreadableError` (`file_too_large`, `file_too_slow`) once a limit is passed."""
        most = self.limits
        for found, limit, what in (
            (rows, most.rows, "rows"),
            (columns, most.columns, "columns"),
            (rows * columns, most.cells, "cells"),
            (megabytes, most.unpacked_megabytes, "MB unpacked"),
        ):
            if found > limit:
                raise too_large(f"{found:,.0f} {what}", f"{limit:,.0f}")
        if time.process_time() - self.started > most.seconds:
            raise UnreadableError(
                "file_too_slow",
                f"reading the file takes more than {most.seconds:g} seconds",
                "delete sheets, columns and formatted cells that are not needed, save it as CSV, "
                "or raise `seconds` under [reading] in ibgap.toml",
            )


def too_large(found: str, most: str) -> UnreadableError:
    """What to say of a file that holds more than is read."""
    return UnreadableError(
        "file_too_large",
        f"the file has {found}; at most {most} are read",
        "delete formatted cells that are empty and sheets and columns that are not needed, or "
        "raise the limit under [reading] in ibgap.toml",
    )
