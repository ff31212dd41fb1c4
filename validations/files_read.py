"""The published table of files that were read: its columns, their words, and what it tells.

A row is the account of one source of a trial: what its file holds, how it was read, and what was
used of it.
"""

from __future__ import annotations

from validations.manifest.vocabulary import SourceKind
from validations.schema import Kind

CONTAINERS = ("csv", "tsv", "txt", "xlsx", "parquet", "sav", "zsav", "dta", "sas7bdat", "xpt")
ENCODING_REASONS = ("declared", "byte order mark", "stated in the file", "default")
QUOTING = ("doubled", "backslash")
TABLE_STATES = ("visible", "hidden", "veryHidden", "unknown")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
DECIMALS = {".": "point", ",": "comma"}
SOURCE_KINDS = tuple(kind.value for kind in SourceKind)

VOCABULARIES: dict[str, tuple[str, ...]] = {
    "container": CONTAINERS,
    "encoding_reason": ENCODING_REASONS,
    "quoting": QUOTING,
    "decimal": tuple(DECIMALS.values()),
    "table_state": TABLE_STATES,
    "source_kind": SOURCE_KINDS,
}
"""Column -> the words that it may hold, besides none."""


def _words(column: str) -> str:
    return ", ".join(VOCABULARIES[column])


MEANINGS: dict[str, tuple[Kind, str, str]] = {
    "source_kind": ("text", "", f"kind of the source: {_words('source_kind')}"),
    "container": ("text", "", f"kind of file: {_words('container')}"),
    "bytes": ("integer", "bytes", "size of the file"),
    "sha256": ("text", "", "SHA-256 of the bytes of the file, in hexadecimal"),
    "tables_held": ("integer", "tables", "sheets or data sets in the file"),
    "table_read": ("text", "", "name of the one that was read; never of a file of participants"),
    "table_state": (
        "text", "", "whether a spreadsheet program shows that sheet: "
        f"{_words('table_state')} (veryHidden: only a program can show it)",
    ),
    "stated_rows": (
        "integer", "rows", "rows that the file says it has, the header of a sheet included; "
        "missing where it says nothing",
    ),
    "stated_columns": (
        "integer", "columns", "columns that the file says it has; missing where it says nothing",
    ),
    "extent_as_stated": (
        "boolean", "", "whether the file holds the rows that it says it has (a sheet: no more than "
        "those); missing where it says nothing",
    ),
    "header_row": (
        "integer", "", "row with the names of the columns, from 1; missing where the file itself "
        "names them",
    ),
    "rows_read": ("integer", "rows", "rows below the header in which something stands"),
    "blank_rows": ("integer", "rows", "rows in which nothing stands"),
    "rows_kept": ("integer", "rows", "rows that `where:` of the source keeps"),
    "columns_read": ("integer", "columns", "columns with a name"),
    "columns_used": ("integer", "columns", "columns that the manifest names"),
    "columns_unused": (
        "text", "", "the other columns, as far as their names are plausible as names: the first "
        "20, and how many more there are",
    ),
    "encoding": ("text", "", "encoding that the texts were read in"),
    "encoding_reason": ("text", "", f"how the encoding is known: {_words('encoding_reason')}"),
    "delimiter": (
        "text", "", "sign between the cells of delimited text: comma, semicolon, tab, vertical "
        "bar, or the sign itself",
    ),
    "quoting": (
        "text", "", f"how a quote within a quoted cell is written: {_words('quoting')}",
    ),
    "decimal": ("text", "", f"decimal sign that the manifest declares: {_words('decimal')}"),
    "missing_reasons": (
        "text", "", "what the file shows in cells that are missing for a reason, with the number "
        "of cells, most frequent first",
    ),
    "persons": ("integer", "persons", "different persons in the rows kept"),
    "shared_persons": (
        "integer", "persons", "those of them who are in another source of the trial, too; missing "
        "where it has no other source of participants",
    ),
}  # fmt: skip
"""Columns that no other table has: kind, unit, meaning."""

TABLE = (
    "files that were read: what they hold, how they were read, what was used",
    "collection_id source_id",
    "collection_id source_id source_kind file container bytes sha256 tables_held table_read "
    "table_state stated_rows stated_columns extent_as_stated header_row rows_read blank_rows "
    "rows_kept columns_read columns_used columns_unused encoding encoding_reason delimiter "
    "quoting decimal missing_reasons persons shared_persons withheld",
)
"""Description, key and columns, as `validations.tables` lists them."""
