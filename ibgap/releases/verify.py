"""Whether releases are as they were published and keep what their tables promise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibgap.base.machine import is_machine_fault
from ibgap.base.writing import UNFINISHED
from ibgap.releases.audits import (
    broken_contracts,
    broken_promises,
    is_of_this_schema,
    other_in_database,
)
from ibgap.releases.shelf import CURRENT, current_id, kept_ids, never_shown
from ibgap.releases.tables import DATABASE, FOLDER
from ibgap.releases.whole import RECORD, differences_from_record, has_hashes
from validations.schema import Column, TableSchema
from validations.tables import TABLES


@dataclass(frozen=True)
class Verified:
    """What was found of one release.

    held_by: `hashes`, or `sizes` for an older release that has no hashes. faults: what is not as
    it was published or declared, one sentence each; none for a release that is whole.
    """

    release_id: str
    held_by: str
    faults: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class VerifiedFolder:
    """What was found of the folder of the releases.

    faults: what keeps readers from the last release. left: what killed runs left there, which the
    next refresh removes.
    """

    faults: tuple[str, ...]
    left: tuple[str, ...]


def verify_release(folder: Path) -> Verified:
    """Set a release against its record, its tables against what is declared for them, and its
    DuckDB file against its tables. Writes nothing."""
    faults = differences_from_record(folder)
    record = _record(folder)
    if record.get("release_id", folder.name) != folder.name:
        faults.append(f"its record is of release {record['release_id']}")
    if not faults:
        faults = _of_tables(folder, record)
    return Verified(folder.name, "hashes" if has_hashes(record) else "sizes", tuple(faults))


def verify_folder(releases_dir: Path) -> VerifiedFolder:
    """Whether `current` leads to a release, and what killed runs left."""
    faults = []
    current = releases_dir / CURRENT
    if current.is_dir() and not current.is_symlink():
        faults.append(f"{CURRENT} is a folder and not a link to a release")
    elif current.is_symlink() and not current_id(releases_dir):
        faults.append(f"{CURRENT} leads to no release")
    elif not current.is_symlink() and kept_ids(releases_dir):
        faults.append(f"there is no {CURRENT}, so readers see none of the releases")
    left = [f"{one} is whole and was never shown" for one in never_shown(releases_dir)
            if (releases_dir / one / RECORD).is_file()]  # fmt: skip
    left += [f"{p.name} was not finished" for p in sorted(releases_dir.glob(f"{UNFINISHED}*"))]
    for folder in sorted(p for p in releases_dir.glob("*") if p.is_dir() and not p.is_symlink()):
        if not (folder.name.startswith(".") or (folder / RECORD).is_file()):
            left.append(f"{folder.name} has no {RECORD} and is no release; delete it by hand")
    return VerifiedFolder(tuple(faults), tuple(left))


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _of_tables(folder: Path, record: dict[str, Any]) -> list[str]:
    """Promises that the tables of a whole release do not keep."""
    names = sorted(record.get("counts") or {})
    try:
        declared = TABLES if is_of_this_schema(record) else declared_in(folder)
        faults = broken_contracts(folder, declared)
        if not faults and is_of_this_schema(record):
            faults = broken_promises(folder)
        if not faults and (folder / DATABASE).is_file():
            faults = other_in_database(folder, names)
    except Exception as error:
        if is_machine_fault(error):
            raise
        return [f"its tables cannot be read ({type(error).__name__})"]
    return faults


def declared_in(folder: Path) -> dict[str, TableSchema]:
    """The tables as a release declares them in its own codebook, without keys; none without."""
    import pandas as pd

    path = folder / FOLDER / "codebook.parquet"
    if not path.is_file():
        return {}
    tables = {}
    book: Any = pd.read_parquet(path)
    for name, rows in book.groupby("table_name", sort=False):
        columns = tuple(
            Column(row.column_name, row.column_kind, row.meaning, row.unit)
            for row in rows.itertuples()
        )
        tables[str(name)] = TableSchema(str(name), "", columns)
    return tables
