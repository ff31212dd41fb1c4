"""A database in memory, for questions over tables."""

from __future__ import annotations

from typing import Any


def connect() -> Any:
    """A DuckDB connection in memory that fetches nothing from elsewhere, in this thread alone."""
    import duckdb

    return duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "threads": 1,
        },
    )
