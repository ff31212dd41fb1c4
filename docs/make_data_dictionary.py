"""Prints the data dictionary as Markdown, from the declarations of the published tables."""

from __future__ import annotations

from validations.schema import Column, TableSchema
from validations.tables import SCHEMA_VERSION, TABLES

_INTRODUCTION = f"""# Data dictionary

Made from `validations/tables.py` by `make docs`; do not edit it by hand.

Schema version **{SCHEMA_VERSION}**. It is also stored in the table `release` under the key
`schema_version`. Adding a column changes the second number. Removing or redefining one changes
the first.

Every release holds each table as `tables/NAME.parquet` and all of them in `ibgap.duckdb`. The
tables have exactly these columns in this order, also when they have no rows. Missing text is an
empty text. A missing number is NaN or null. Kinds: `text`, `number` (double), `integer` (nullable
64 bits), `boolean` (nullable). Columns of the key are never missing, and no two rows share a key.
A table without a key lists results; there a row is told apart by its leading text columns.
"""


def data_dictionary() -> str:
    """The whole page."""
    lines = [_INTRODUCTION, "| table | rows | key |", "| --- | --- | --- |"]
    lines += [_summary(table) for table in TABLES.values()]
    for table in TABLES.values():
        lines += ["", f"## {table.name}", "", _sentence(table.description), ""]
        lines += ["| column | kind | unit | meaning |", "| --- | --- | --- | --- |"]
        lines += [_row(column, table) for column in table.columns]
    return "\n".join(lines) + "\n"


def _summary(table: TableSchema) -> str:
    return f"| [`{table.name}`](#{table.name}) | {table.description} | {_key(table)} |"


def _key(table: TableSchema) -> str:
    return ", ".join(f"`{name}`" for name in table.key) or "none"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _row(column: Column, table: TableSchema) -> str:
    mark = " (key)" if column.name in table.key else ""
    meaning = column.description.replace("|", "\\|")
    return f"| `{column.name}`{mark} | {column.kind} | {column.unit} | {meaning} |"


if __name__ == "__main__":
    print(data_dictionary(), end="")
