"""The two judges of a declaration, and each of them alone on small frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from validations.expectations import validate
from validations.judge import (
    CELL_FLAGS,
    CheckOutcome,
    Failure,
    judge,
    judged_columns,
    with_keys,
)
from validations.numbers import Reading
from validations.records import RECORD_SCHEMAS
from validations.schema import Column, RowRule, TableSchema

WORDS = (None, "a", "b", "d", "reversed", "structural", "output")


def frames(schema: TableSchema) -> st.SearchStrategy[pd.DataFrame]:
    """What the screening makes of records: numbers with their readings, flags, codes of keys."""
    columns: dict[str, st.SearchStrategy[Any]] = {}
    for column in schema.columns:
        name = column.name
        if column.is_number:
            limits = [column.minimum, column.maximum, column.above, column.below]
            sides = (-math.inf, math.inf)
            known = [limit for limit in limits if limit is not None]
            turns = [*known, *(math.nextafter(x, far) for x in known for far in sides)]
            columns[name] = st.sampled_from([math.nan, -1.0, 0.0, 2.5, 1e12, *turns])
            columns[f"read:{name}"] = st.sampled_from(list(Reading))
            for rule in CELL_FLAGS:
                columns[f"{rule}:{name}"] = st.sampled_from([True, True, False])
        else:
            columns[name] = st.sampled_from((*WORDS, *column.allowed))
    for rule_of_row in schema.rules:
        columns[rule_of_row.flag] = st.sampled_from([True, True, False])
    for name in schema.key:
        columns[f"key:{name}"] = st.sampled_from([-1, 0, 0, 0, 0, 7])
    row = st.fixed_dictionaries(columns)
    return st.lists(row, min_size=1, max_size=20).map(lambda rows: _frame(rows, schema))


def _frame(rows: list[dict[str, Any]], schema: TableSchema) -> pd.DataFrame:
    dtypes: dict[str, Any] = dict.fromkeys(rows[0], bool)
    dtypes |= {name: np.uint8 if name.startswith("read:") else np.int64
               for name in rows[0] if name.startswith(("read:", "key:"))}  # fmt: skip
    dtypes |= {c.name: float if c.is_number else "category" for c in schema.columns}
    return pd.DataFrame({
        name: pd.Series([row[name] for row in rows], dtype=dtypes[name]) for name in rows[0]
    })  # fmt: skip


def test_frames_are_typed_as_the_screening_types_them() -> None:
    """The frames drawn here have the columns and dtypes of those that are judged."""
    frame = find(frames(RECORD_SCHEMAS["participant_rows"]), lambda one: True)
    assert not [name for name in frame if frame[name].dtype == object]
    flags = [name for name in frame if name.startswith(("ok:", "number_plausible:"))]
    assert flags and all(frame[name].dtype == bool for name in flags)


def told(failures: list[Failure]) -> set[tuple[str, str, tuple[int, ...]]]:
    return {(one.rule_id, one.column, tuple(one.positions.tolist())) for one in failures}


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
    "read:n": np.array([1, 1, 1, 4, 0, 3], dtype=np.uint8),
    "count_whole:n": [True, False, True, True, True, True],
    "number_plausible:n": [True, True, False, True, True, True],
    "x": [0.0, 0.5, 1.0, 0.001, math.nan, -1.0],
    "w": ["a", "b", "c", None, "a", "b"],
    "plain": [1.0, 1.0, 1.0, 1.0, 1.0, 1e300],
    "ok:adds_up": [True, True, True, False, True, False],
    "key:w": [0, 1, 2, -1, 0, 1],
    "key:plain": [1, 1, 1, 1, 1, 1],
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
    assert told(failures) == {(*place, rows) for place, rows in EXPECTED.items()}
    assert all(one.positions.dtype == np.int64 for one in failures)
    assert counted(outcomes) == {
        (rule, column, False, 6, len(rows), "") for (rule, column), rows in EXPECTED.items()
    }


@pytest.mark.parametrize("judged", [judge, validate])
def test_a_key_of_one_column_and_good_rows(judged: Any) -> None:
    schema = TableSchema("s", "", (Column("a", "text", "", required=True),), ("a",))
    frame = pd.DataFrame({"a": ["x", "y", "x"], "key:a": [0, 1, 0]})
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


@pytest.mark.parametrize("judged", [judge, validate])
@pytest.mark.parametrize(
    ("reading", "rule"),
    [
        (Reading.NUMBER, None), (Reading.BEYOND, None), (Reading.COMMA, "number_readable"),
        (Reading.WORD, "number_readable"), (Reading.EMPTY, "value_required"),
    ],
)  # fmt: skip
def test_what_a_text_turned_out_to_be(judged: Any, reading: Reading, rule: str | None) -> None:
    schema = TableSchema("s", "", (Column("x", "number", "", required=True),))
    frame = pd.DataFrame({"x": [1.0, math.nan], "read:x": np.array([1, reading], dtype=np.uint8)})
    assert told(judged(frame, schema)[0]) == ({(rule, "x", (1,))} if rule else set())


@pytest.mark.parametrize("judged", [judge, validate])
def test_a_missing_person_is_no_ones_double(judged: Any) -> None:
    schema = TableSchema(
        "s", "", (Column("p", "integer", "", required=True), Column("w", "text", "")), ("w", "p")
    )
    frame = pd.DataFrame({
        "p": np.array([4, -1, 4, -1, 5], dtype=np.int32), "w": pd.Categorical(["a"] * 5),
        "read:p": np.array([1, 0, 1, 0, 1], dtype=np.uint8),
    })  # fmt: skip
    assert told(judged(with_keys(frame, schema), schema)[0]) == {
        ("value_required", "p", (1, 3)), ("row_unique", "w, p", (0, 2))
    }  # fmt: skip


def test_codes_of_a_key_are_equal_where_its_parts_are() -> None:
    schema = TableSchema("s", "", (), ("x", "w", "c", "absent"))
    frame = pd.DataFrame({
        "x": [4.0, 4.0, math.nan, math.nan, math.nan, 5.0],
        "text:x": ["4", "4.0", "four", "four", None, "5"],
        "w": ["a", "", None, "nan", "a", math.nan],
        "c": pd.Categorical(["u", None, "v", "u", None, "v"]),
    })  # fmt: skip
    keyed = with_keys(frame, schema)
    groups = {name: [tuple(np.flatnonzero(keyed[name] == code)) for code in keyed[name].unique()]
              for name in keyed if name.startswith("key:")}  # fmt: skip
    assert groups == {
        "key:x": [(0, 1), (2, 3), (4,), (5,)],
        "key:w": [(0, 4), (1, 2, 5), (3,)],
        "key:c": [(0, 3), (1, 4), (2, 5)],
    }
    assert list(frame) == ["x", "text:x", "w", "c"], "the frame that was given stays as it is"


def test_the_judges_are_given_only_what_rules_look_at() -> None:
    columns = judged_columns(FRAME, WHOLE)
    assert set(FRAME) - set(columns) == {"plain"}
    assert "n" in columns, "its range is judged"
    unread = FRAME.drop(columns=["read:n", "x"])
    assert "n" in judged_columns(unread, WHOLE) and "x" not in judged_columns(unread, WHOLE)


def test_an_empty_frame_breaks_nothing() -> None:
    failures, outcomes = judge(FRAME[:0], WHOLE)
    assert failures == [] and all(o.success and o.evaluated == 0 for o in outcomes)
    assert np.array([o.unexpected for o in outcomes]).sum() == 0
