"""The tables of a release as files: Parquet, and one DuckDB file that holds the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ibgap.base.database import connect
from ibgap.releases.whole import hash_beside

FOLDER = "tables"
DATABASE = "ibgap.duckdb"
# Readers with an older DuckDB can open the file.
_STORAGE_VERSION = "v1.2.0"
# The smallest there is: most columns hold less than that, and each takes a block at least.
_BLOCK_SIZE = 16384


def write_tables(release: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables into the folder of a release, as Parquet and as DuckDB."""
    (release / FOLDER).mkdir()
    for name, frame in tables.items():
        frame.to_parquet(release / FOLDER / f"{name}.parquet", index=False)
    _write_database(release, sorted(tables))


def view_tables(connection: Any, release: Path, names: Iterable[str]) -> None:
    """Let a connection ask the Parquet tables of a release by their names."""
    for name in names:
        source = quoted(release / FOLDER / f"{name}.parquet")
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{source}')")


def _write_database(release: Path, names: list[str]) -> None:
    connection = connect()
    try:
        connection.execute(
            f"ATTACH '{quoted(release / DATABASE)}' AS mart "
            f"(STORAGE_VERSION '{_STORAGE_VERSION}', BLOCK_SIZE {_BLOCK_SIZE})"
        )
        for name in names:
            source = quoted(release / FOLDER / f"{name}.parquet")
            connection.execute(
                f"CREATE TABLE mart.{name} AS SELECT * FROM read_parquet('{source}')"
            )
        connection.execute("DETACH mart")
    finally:
        connection.close()
    hash_beside(release / DATABASE)


def quoted(path: Path) -> str:
    """A path as it may stand between the quotes of a statement."""
    return str(path).replace("'", "''")
