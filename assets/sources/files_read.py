"""The account of a file as a row of a table: what it holds, what was read, what was used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from assets.sources.header_evidence import Declared
from assets.sources.people import People
from assets.sources.reading import RawTable
from validations.manifest.model import Source, TrialManifest

_MOST_NAMED = 20


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
        "file": source.file,
        "sha256": raw.sha256,
        "bytes": raw.size,
        "container": account.container,
        "stated_rows": account.stated_rows,
        "stated_columns": account.stated_columns,
        "rows": rows,
        "blank_rows": account.blank_rows,
        "rows_kept": len(raw.rows),
        "columns": len(raw.columns),
        "columns_used": len(used),
        "unused": _listed(unused),
        "tables": account.tables,
        "table": "" if declared.participants else account.table,
        "table_state": account.table_state,
        "header_row": account.header_row or None,
        "encoding": account.encoding,
        "encoding_reason": account.encoding_reason,
        "delimiter": account.delimiter,
        "quoting": account.quoting,
        "decimal": source.format.decimal,
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


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
