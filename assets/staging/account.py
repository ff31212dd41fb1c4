"""The account of one file: what its container says it holds, and how it was read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """What a reader found out about a file, besides its cells.

    container: kind of file (`csv`, `xlsx`, `sav`, ...). stated_rows, stated_columns: extent that
    the container states, None where it states none. tables: sheets or datasets in the file.
    table: name of the one that was read. table_state: `visible`, `hidden`, ... of a sheet.
    encoding: of its text. encoding_reason: how that is known (`declared`, `byte order mark`,
    `stated in the file`, `default`). delimiter, quoting: of delimited text (how quotes within
    quotes are written: `doubled`, `backslash`, or empty where no cell is quoted). header_row:
    row with the names of the columns, from 1; 0 where the container names them. blank_rows: rows
    in which nothing stands. missing_reasons: what the file shows in cells that are missing for a
    reason (`.a`, `#N/A`), with their counts, most frequent first.
    """

    container: str
    stated_rows: int | None = None
    stated_columns: int | None = None
    tables: int = 1
    table: str = ""
    table_state: str = ""
    encoding: str = ""
    encoding_reason: str = ""
    delimiter: str = ""
    quoting: str = ""
    header_row: int = 0
    blank_rows: int = 0
    missing_reasons: tuple[tuple[str, int], ...] = ()
