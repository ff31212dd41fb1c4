"""Tables of all trials are put together by DuckDB: one question, the tables it is asked of, and
which keys have to tell rows apart so that a join neither loses nor doubles any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from assets.typed import schema_of
from ibgap.base.database import connect

PLACE = "place"
"""Column of every table in a question: where its row stands, for `ORDER BY`."""


class CardinalityError(Exception):
    """A key that should tell rows apart stands more than once; the text holds counts only."""


@dataclass(frozen=True)
class Question:
    """How a table is made. table: its name. sql: over the given tables, rows in order. unique:
    (table, column) whose values have to differ, since the question joins on them."""

    table: str
    sql: str
    unique: tuple[tuple[str, str], ...] = ()


def ask(question: Question, tables: Mapping[str, pa.Table]) -> pa.Table:
    """The answer, with the declared columns of its table.

    tables: by the names that the question calls them. Raises `CardinalityError`.
    """
    connection = connect()
    try:
        for name, table in tables.items():
            numbered = table.append_column(PLACE, pa.array(range(len(table)), pa.int64()))
            connection.register(name, numbered)
        for name, column in question.unique:
            _must_differ(connection, name, column)
        answer = connection.sql(question.sql).to_arrow_table()
    finally:
        connection.close()
    schema = schema_of(question.table)
    return answer.select(schema.names).cast(schema).combine_chunks()


def _must_differ(connection: Any, table: str, column: str) -> None:
    query = f"SELECT count({column}) - count(DISTINCT {column}) FROM {table}"
    ((repeated,),) = connection.execute(query).fetchall()
    if repeated:
        raise CardinalityError(f"{repeated} rows of {table} repeat a {column} that joins use")
