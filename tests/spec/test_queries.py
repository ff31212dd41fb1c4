"""Questions to DuckDB over the tables of all trials."""

from __future__ import annotations

import pyarrow as pa
import pytest

from assets.queries import PLACE, CardinalityError, Question, ask
from assets.typed import from_rows, schema_of
from ibgap.base.database import connect


def counts(*kinds: str) -> pa.Table:
    rows = [{"collection_id": "t", "kind": kind, "accepted": i} for i, kind in enumerate(kinds)]
    return from_rows(rows, "screened_counts")


KEEP = Question("screened_counts", f"SELECT * FROM counts ORDER BY {PLACE}")


def test_the_answer_has_the_declared_columns_and_the_order_of_the_rows() -> None:
    names = [f"k{(7 * i) % 1000}" for i in range(1000)]
    given = counts(*names)
    answer = ask(KEEP, {"counts": given})
    assert answer.schema == schema_of("screened_counts") and answer.equals(given)
    turned = Question("screened_counts", f"SELECT * FROM counts ORDER BY {PLACE} DESC")
    assert ask(turned, {"counts": given})["kind"].to_pylist() == names[::-1]


def test_a_table_in_parts_is_one_table() -> None:
    parts = pa.concat_tables([counts("b"), counts("a", "c"), counts()])
    assert ask(KEEP, {"counts": parts})["kind"].to_pylist() == ["b", "a", "c"]


def test_no_rows_give_no_rows() -> None:
    answer = ask(KEEP, {"counts": counts()})
    assert answer.num_rows == 0 and answer.schema == schema_of("screened_counts")


def test_a_repeated_key_is_refused_before_anything_is_joined() -> None:
    joined = Question(
        "screened_counts",
        "SELECT one.* FROM one JOIN two USING (kind)",
        unique=(("one", "kind"), ("two", "kind")),
    )
    ok = {"one": counts("secret", "b"), "two": counts("b", "secret")}
    assert ask(joined, ok).num_rows == 2
    for name, more in (("one", 1), ("two", 3)):
        wrong = ok | {name: counts("secret", "b", *["secret"] * more)}
        with pytest.raises(CardinalityError, match=f"{more} rows of {name} repeat a kind") as told:
            ask(joined, wrong)
        assert "secret" not in str(told.value)


def test_a_missing_key_joins_nothing_and_repeats_nothing() -> None:
    two = from_rows([{"kind": None}, {"kind": None}, {"kind": "b"}], "screened_counts")
    question = Question(
        "screened_counts", "SELECT one.* FROM one JOIN two USING (kind)", unique=(("two", "kind"),)
    )
    assert ask(question, {"one": two, "two": two})["kind"].to_pylist() == ["b"]


def test_an_answer_that_lacks_a_declared_column_is_refused() -> None:
    with pytest.raises(KeyError):
        ask(Question("screened_counts", "SELECT kind FROM counts"), {"counts": counts("a")})


def test_a_connection_fetches_nothing_from_elsewhere() -> None:
    connection = connect()
    try:
        told = dict(connection.execute(
            "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions'"
        ).fetchall())  # fmt: skip
    finally:
        connection.close()
    assert set(told.values()) == {"false"} and len(told) == 2
