"""The two judges of a declaration, and each of them alone on small frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from validations.expectations import validate
from validations.judge import CELL_FLAGS, CheckOutcome, Failure, judge
from validations.records import RECORD_SCHEMAS
from validations.schema import Column, RowRule, TableSchema

TEXTS = (
    None,
    "",
    "1",
    "-1.5",
    "+.5e-3",
    "1e400",
    "nan",
    "inf",
    "0x1",
    "1_0",
    " 1",
    "1,5",
    "\u0661",
)
WORDS = (None, "a", "b", "d", "reversed", "structural", "output")


def frames(schema: TableSchema) -> st.SearchStrategy[pd.DataFrame]:
    """What the screening makes of records: numbers with their texts, flags and copies of keys."""
    columns: dict[str, st.SearchStrategy[Any]] = {}
    for column in schema.columns:
        name = column.name
        if column.is_number:
            limits = [column.minimum, column.maximum, column.above, column.below]
            sides = (-math.inf, math.inf)
            known = [limit for limit in limits if limit is not None]
            turns = [*known, *(math.nextafter(x, far) for x in known for far in sides)]
            columns[name] = st.sampled_from([math.nan, -1.0, 0.0, 2.5, 1e12, *turns])
            columns[f"text:{name}"] = st.sampled_from(TEXTS)
            for rule in CELL_FLAGS:
                columns[f"{rule}:{name}"] = st.sampled_from(["yes", "yes", "no"])
        else:
            columns[name] = st.sampled_from((*WORDS, *column.allowed))
    for rule_of_row in schema.rules:
        columns[rule_of_row.flag] = st.sampled_from(["yes", "yes", "no"])
    for name in schema.key:
        columns[f"key:{name}"] = st.sampled_from(["", "", "", "", "x"])
    row = st.fixed_dictionaries(columns)
    return st.lists(row, min_size=1, max_size=20).map(lambda rows: _frame(rows, schema))


def _frame(rows: list[dict[str, Any]], schema: TableSchema) -> pd.DataFrame:
    numbers = {c.name for c in schema.columns if c.is_number}
    return pd.DataFrame({
        name: pd.Series([row[name] for row in rows], dtype=float if name in numbers else object)
        for name in rows[0]
    })  # fmt: skip


def told(failures: list[Failure]) -> set[tuple[str, str, tuple[int, ...]]]:
    return {(one.rule_id, one.column, tuple(sorted(one.positions))) for one in failures}


def counted(outcomes: list[CheckOutcome]) -> set[tuple[str, str, bool, int, int, str]]:
    return {(o.rule_id, o.column, o.success, o.evaluated, o.unexpected, o.raised) for o in outcomes}


@pytest.mark.parametrize("kind", list(RECORD_SCHEMAS))
@settings(
    max_examples=3,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_both_judges_say_the_same_of_every_record(kind: str, data: st.DataObject) -> None:
    schema = RECORD_SCHEMAS[kind]
    frame = data.draw(frames(schema))
    failures, outcomes = judge(frame, schema)
    others, seconds = validate(frame, schema)
    assert told(failures) == told(others)
    assert counted(outcomes) == counted(seconds)


WHOLE = TableSchema(
    "small", "",
    (
        Column("n", "integer", "", required=True, minimum=2, maximum=9, whole=True),
        Column("x", "number", "", above=0, below=1),
        Column("w", "text", "", required=True, allowed=("a", "b")),
        Column("plain", "number", ""),
        Column("absent", "number", "", required=True, minimum=0),
    ),
    ("w", "plain"), (RowRule("adds_up", "", "", ("n", "x")), RowRule("not_asked", "", "")),
)  # fmt: skip
FRAME = pd.DataFrame({
    "n": [1.0, 2.0, 9.0, 10.0, math.nan, math.nan],
    "text:n": ["1", "2", "9", "ten", None, "x"],
    "count_whole:n": ["yes", "no", "yes", "yes", "yes", "yes"],
    "number_plausible:n": ["yes", "yes", "no", "yes", "yes", "yes"],
    "x": [0.0, 0.5, 1.0, 0.001, math.nan, -1.0],
    "w": ["a", "b", "c", None, "a", "b"],
    "plain": [1.0, 1.0, 1.0, 1.0, 1.0, 1e300],
    "ok:adds_up": ["yes", "yes", "yes", "no", "yes", "no"],
    "key:w": ["a", "b", "c", "", "a", "b"],
    "key:plain": ["1", "1", "1", "1", "1", "1"],
})  # fmt: skip
EXPECTED = {
    ("number_readable", "n"): (3, 5), ("number_plausible", "n"): (2,), ("count_whole", "n"): (1,),
    ("value_required", "n"): (4,), ("value_in_range", "n"): (0, 3),
    ("value_in_range", "x"): (0, 2, 5), ("value_required", "w"): (3,),
    ("value_allowed", "w"): (2,), ("adds_up", "n, x"): (3, 5),
    ("row_unique", "w, plain"): (0, 1, 4, 5),
}  # fmt: skip


@pytest.mark.parametrize("judged", [judge, validate])
def test_rows_that_break_each_rule(judged: Any) -> None:
    frame = FRAME.set_index(pd.Index([7, 7, 3, 2, 1, 0]))
    failures, outcomes = judged(frame, WHOLE)
    assert {(one.rule_id, one.column): one.positions for one in failures} == EXPECTED
    assert counted(outcomes) == {
        (rule, column, False, 6, len(rows), "") for (rule, column), rows in EXPECTED.items()
    }


@pytest.mark.parametrize("judged", [judge, validate])
def test_a_key_of_one_column_and_good_rows(judged: Any) -> None:
    schema = TableSchema("s", "", (Column("a", "text", "", required=True),), ("a",))
    frame = pd.DataFrame({"a": ["x", "y", "x"], "key:a": ["x", "y", "x"]})
    assert told(judged(frame, schema)[0]) == {("row_unique", "a", (0, 2))}
    failures, outcomes = judged(frame[1:], schema)
    assert failures == []
    assert counted(outcomes) == {
        ("value_required", "a", True, 2, 0, ""), ("row_unique", "a", True, 2, 0, "")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        ({"minimum": 0}, [0.0], [-1e-9]), ({"maximum": 0}, [0.0], [1e-9]),
        ({"above": 0}, [1e-9], [0.0]), ({"below": 0}, [-1e-9], [0.0]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("judged", [judge, validate])
def test_one_limit_alone(
    judged: Any, limits: dict[str, float], good: list[float], bad: list[float]
) -> None:
    schema = TableSchema("s", "", (Column("x", "number", "", **limits),))
    frame = pd.DataFrame({"x": [*good, *bad, math.nan]})
    assert told(judged(frame, schema)[0]) == {("value_in_range", "x", (1,))}


def test_a_table_that_needs_rows() -> None:
    schema = TableSchema("s", "", (Column("a", "text", ""),))
    empty = pd.DataFrame({"a": pd.Series([], dtype=object)})
    (outcome,) = validate(empty, schema, rows_required=True)[1]
    assert (outcome.rule_id, outcome.success, outcome.unexpected) == ("table_has_rows", False, 1)
    (outcome,) = validate(pd.DataFrame({"a": ["x"]}), schema, rows_required=True)[1]
    assert outcome.success
    assert validate(empty, schema) == ([], [])


def test_an_expectation_that_raises_is_named_and_fails() -> None:
    schema = TableSchema("s", "", (Column("x", "number", "", minimum=0),))
    frame = pd.DataFrame({"x": ["secret", "2"]})
    failures, (outcome,) = validate(frame, schema)
    assert failures == [] and not outcome.success and outcome.unexpected == 1
    assert outcome.raised and "secret" not in outcome.raised and len(outcome.raised) <= 60


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("1", True), ("-1.", True), (".5", True), ("1e5", True), ("1E-5", True), ("+1.5e+05", True),
        ("", False), (".", False), ("1e", False), ("e5", False), ("1.2.3", False), ("1 ", False),
        ("--1", False), ("\u0661", False), (None, True), (math.nan, True),
    ],
)  # fmt: skip
def test_what_is_a_number(text: Any, good: bool) -> None:
    schema = TableSchema("s", "", (Column("x", "number", ""),))
    frame = pd.DataFrame({"text:x": pd.Series([text], dtype=object)})
    assert (judge(frame, schema)[0] == []) is good


def test_an_empty_frame_breaks_nothing() -> None:
    failures, outcomes = judge(FRAME[:0], WHOLE)
    assert failures == [] and all(o.success and o.evaluated == 0 for o in outcomes)
    assert np.array([o.unexpected for o in outcomes]).sum() == 0
