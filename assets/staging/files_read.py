"""The account of a file as a row of a table: what it holds, what was read, what was used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from assets.staging.account import Account
from assets.staging.header_evidence import Declared
from assets.staging.people import People
from assets.staging.reading import RawTable
from validations.errors import TrialFileError
from validations.files_read import DECIMALS, DELIMITERS, TABLE_STATES
from validations.findings import Finding, Severity
from validations.manifest.model import Source, TrialManifest

_MOST_NAMED = 20
_SPREADSHEETS = ("xlsx",)


def file_read(
    manifest: TrialManifest, source: Source, raw: RawTable, declared: Declared, rows: int
) -> dict[str, object]:
    """The row of one source. raw: the rows that are kept. rows: how many were read.

    Columns are named only where their names are plausible as such (`RawTable.named`).
    """
    account = raw.account
    used = [name for name in dict.fromkeys(declared.columns) if name in raw.columns]
    unused = [name for name in raw.named if name not in used]
    return {
        "collection_id": manifest.id,
        "source_id": source.id,
        "source_kind": source.kind,
        "file": source.file,
        "sha256": raw.sha256,
        "bytes": raw.size,
        "container": account.container,
        "stated_rows": account.stated_rows,
        "stated_columns": account.stated_columns,
        "extent_as_stated": _as_stated(account, rows),
        "rows_read": rows,
        "blank_rows": account.blank_rows,
        "rows_kept": len(raw.rows),
        "columns_read": len(raw.columns),
        "columns_used": len(used),
        "columns_unused": _listed(unused, len(raw.columns) - len(used)),
        "tables_held": account.tables,
        "table_read": "" if declared.participants else account.table,
        "table_state": _state(account.table_state),
        "header_row": account.header_row or None,
        "encoding": account.encoding,
        "encoding_reason": account.encoding_reason,
        "delimiter": DELIMITERS.get(account.delimiter, account.delimiter),
        "quoting": account.quoting,
        "decimal": DECIMALS[source.format.decimal],
        "missing_reasons": "; ".join(f"{what} {count}" for what, count in account.missing_reasons),
        "persons": None,
        "shared_persons": None,
    }


def shared_persons(sources: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many persons of each source stand in another source too; empty for a single source.

    sources: numbers of the persons in the rows of each (-1: none).

    >>> shared_persons({"a": np.array([0, 1, 1, -1]), "b": np.array([1, 2])})
    {'a': 1, 'b': 1}
    """
    if len(sources) < 2:
        return {}
    own = {name: People.different(numbers) for name, numbers in sources.items()}
    out = {}
    for name, mine in own.items():
        others = np.concatenate([found for other, found in own.items() if other != name])
        out[name] = int(np.isin(mine, others).sum())
    return out


def compare_extent(file: Mapping[str, object]) -> list[Finding]:
    """What to say where a file holds other rows than it states; file: its row (`file_read`).

    A sheet that states fewer rows than stand in it has a stale extent, of which nothing is lost:
    a note. Any other file that states its rows must hold them: raises `TrialFileError` with
    `rows_do_not_add_up`, so that none of its rows is used. Files of participants are not counted
    out, since findings are published.

    >>> table = {"collection_id": "t", "file": "a.xlsx", "source_kind": "arm_summaries",
    ...          "container": "xlsx", "stated_rows": 21, "rows_read": 40, "blank_rows": 0,
    ...          "extent_as_stated": False}
    >>> compare_extent(table)[0].message
    'the sheet states 21 rows and holds 41; all of them are read'
    """
    if file["extent_as_stated"] is not False:
        return []
    trial, name = str(file["collection_id"]), str(file["file"])
    told = file["source_kind"] != "participant_rows"
    stated, read, blank = (
        int(str(file[key])) for key in ("stated_rows", "rows_read", "blank_rows")
    )
    if file["container"] in _SPREADSHEETS:
        counted = f"states {stated:,} rows and holds {read + 1:,}"
        message = f"the sheet {counted if told else 'states fewer rows than it holds'}"
        return [
            Finding(
                trial,
                "extent_stale",
                Severity.INFO,
                f"{message}; all of them are read",
                "",
                name,
            )
        ]
    found = (
        f"the file states {stated:,} rows; {read:,} rows and {blank:,} blank ones were read"
        if told
        else "the file states another number of rows than were read, blank ones included"
    )
    raise TrialFileError(
        [
            Finding(
                trial,
                "rows_do_not_add_up",
                Severity.ERROR,
                found,
                "it is damaged, or was written by a program that does not count right: export it "
                "again from its source",
                name,
            )
        ]
    )


def _as_stated(account: Account, rows: int) -> bool | None:
    """Whether the rows read are those that the file states; None where it states none.

    A sheet states its header too, and often rows that are formatted and empty.
    """
    if account.stated_rows is None:
        return None
    if account.container in _SPREADSHEETS:
        return rows + 1 <= account.stated_rows
    return rows + account.blank_rows == account.stated_rows


def _state(state: str) -> str:
    """The state of a sheet in the words of the table; whatever else a file says is unknown."""
    return state if state in ("", *TABLE_STATES) else "unknown"


def _listed(names: list[str], count: int) -> str:
    """The first names, and how many columns there are besides, named or not."""
    shown = names[:_MOST_NAMED]
    more = count - len(shown)
    if not shown:
        return f"{more} without a plausible name" if more > 0 else ""
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
