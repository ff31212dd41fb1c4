"""Labels of the library: one result whatever holds them, and missing ones refused with their rows,
by every public function that takes labels."""

from __future__ import annotations

import datetime
import decimal
import unicodedata
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis as lib
from analysis.arrays import as_label, as_labels, as_levels, as_vector
from analysis.errors import EstimationError, RowError
from analysis.labels import items_of, read_labels, texts_or_none
from analysis.synthesis.moderators import Moderator, declared_moderators
from analysis.synthesis.stack import Stack, having, subsets
from tests.properties.label_columns import (
    COLUMNS,
    MISSING_MEANS_SOMETHING,
    NO_LABELS,
    SINGLE,
    TRIALS,
    VI,
    YI,
    Column,
    K,
    _record,
    holds_labels,
    parameters,
    plain,
)

Container = Callable[[list[Any]], Any]
MISSING = [
    None, float("nan"), np.float64("nan"), pd.NA, pd.NaT, np.datetime64("NaT"),
    decimal.Decimal("NaN"), "", " ", "\t\u00a0", "\u200b", "\u202e", b"", ("a", None),
]  # fmt: skip


def test_no_function_with_labels_is_forgotten() -> None:
    known = {name.split(" (")[0] for name in COLUMNS} | set(SINGLE)
    known |= set(MISSING_MEANS_SOMETHING) | set(NO_LABELS)
    there = dict(parameters())
    assert not [name for name, one in there.items() if holds_labels(one) and name not in known]
    assert not known - set(there), "the function or its parameter has another name now"
    assert all(holds_labels(there[name]) for name in NO_LABELS), "no exception is needed there"


# -- Containers ------------------------------------------------------------------------------------


def _shuffled(values: Sequence[Any], **more: Any) -> pd.Series:
    index = np.random.default_rng(len(values)).permutation(len(values))
    return pd.Series(list(values), index=index, **more)


def _masked(values: list[Any]) -> Any:
    lost = [one is None for one in values]
    other = next(one for one in values if one is not None)
    return np.ma.array([other if one is None else one for one in values], mask=lost)


def _category(values: list[Any]) -> pd.Categorical:
    known = sorted({one for one in values if one is not None}, reverse=True)
    return pd.Categorical(values, categories=known, ordered=True)


def _unused(values: list[Any]) -> pd.Series:
    known = sorted({one for one in values if one is not None}, reverse=True)
    spare = known[0] + known[0]
    return _shuffled(pd.Categorical(values, categories=[spare, *known]))


ANY: dict[str, Container] = {
    "tuple": tuple,
    "deque": deque,
    "iterator": iter,
    "values of a dictionary": lambda c: dict(enumerate(c)).values(),
    "array of objects": lambda c: np.array(c, dtype=object),
    "series with a shuffled index": lambda c: _shuffled(c, dtype=object),
    "series with one index": lambda c: pd.Series(c, index=[0] * len(c), dtype=object),
    "index": lambda c: pd.Index(c, dtype=object),
    "categories in order": _category,
}
TEXTS: dict[str, Container] = ANY | {
    "array of texts": lambda c: np.array([np.nan if one is None else one for one in c], dtype="U"),
    "list of texts of numpy": lambda c: list(np.array(c, dtype="U")),
    "array of bytes": lambda c: np.array([str(one).encode() for one in c]),
    "string dtype of numpy": lambda c: np.array(c, dtype=np.dtypes.StringDType(na_object=None)),
    "string dtype without NA": lambda c: np.array(c, dtype=np.dtypes.StringDType()),
    "categories not used": _unused,
    "string": lambda c: _shuffled(c, dtype="string"),
    "string of arrow": lambda c: _shuffled(c, dtype="string[pyarrow]"),
    "arrow": lambda c: _shuffled(c, dtype=pd.ArrowDtype(pa.string())),
    "array of arrow": pa.array,
    "chunks of arrow": lambda c: pa.chunked_array([c[:1], c[1:]], type=pa.string()),
    "masked array": _masked,
}
NUMBERS: dict[str, Container] = ANY | {
    "Int64": lambda c: _shuffled(c, dtype="Int64"),
    "Float64": lambda c: _shuffled(c, dtype="Float64"),
    "floats": lambda c: np.array(c, dtype=float),
    "series of floats": lambda c: _shuffled(c, dtype=float),
    "arrow": lambda c: _shuffled(c, dtype=pd.ArrowDtype(pa.int64())),
    "array of arrow": pa.array,
    "masked array": _masked,
    "fractions": lambda c: [one if one is None else Fraction(one) for one in c],
    "decimals": lambda c: [one if one is None else decimal.Decimal(one) for one in c],
}
DATES: dict[str, Container] = ANY | {
    "days": lambda c: np.array(c, dtype="datetime64[D]"),
    "nanoseconds": lambda c: np.array(c, dtype="datetime64[ns]"),
    "stamps": lambda c: _shuffled(pd.to_datetime(pd.Series(c))),
    "date index": lambda c: pd.DatetimeIndex(c),
    "arrow": lambda c: _shuffled(c, dtype=pd.ArrowDtype(pa.date32())),
    "array of arrow": pa.array,
}
KINDS: dict[str, tuple[dict[str, Container], Callable[[int], Any]]] = {
    "texts": (TEXTS, lambda i: "acegbdfhikjlmnopqrstuvwx"[i]),
    "numbers": (NUMBERS, lambda i: (7 * i + 2) % 25),
    "dates": (DATES, lambda i: datetime.date(2020, 1, 1 + (5 * i) % 27)),
}
ON_ITS_OWN = "string dtype without NA"
"""Its values alone are texts like others: only the array says that they are numpy's."""


@st.composite
def columns(draw: st.DrawFn, one: Column) -> tuple[list[Any], str, Container]:
    """Labels for a column, other ones where others do as well, and a container for them."""
    kind = draw(st.sampled_from(list(KINDS))) if one.free else "texts"
    containers, label = KINDS[kind]
    names = sorted(set(one.labels))
    order = draw(st.permutations(range(len(names))))
    new = dict(zip(names, (label(i) for i in order), strict=True))
    labels = [new[name] for name in one.labels] if one.free else list(one.labels)
    usable = [c for c in containers if not (one.by_value and c == ON_ITS_OWN)]
    if kind == "numbers" and one.by_value is False and one.call is COLUMNS[DESIGN].call:
        labels = [f"level {one}" for one in labels]
        containers, usable = TEXTS, list(TEXTS)
    name = draw(st.sampled_from(usable))
    return labels, name, containers[name]


DESIGN = "univariate.designs.make_design.table"
"""Numbers there are no labels but a column of the design."""


@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
def test_one_result_whatever_holds_the_labels(name: str, data: st.DataObject) -> None:
    column = COLUMNS[name]
    labels, _, container = data.draw(columns(column))
    if name == DESIGN and container is iter:
        container = tuple  # a table has columns with a length
    assert plain(column.call(container(labels))) == plain(column.call(labels))


@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
def test_missing_labels_are_refused_with_their_rows(name: str, data: st.DataObject) -> None:
    column = COLUMNS[name]
    labels, held, container = data.draw(columns(column))
    if name == DESIGN and container is iter:
        container = tuple
    rows = data.draw(
        st.lists(st.integers(0, len(labels) - 1), min_size=1, max_size=len(labels) - 1, unique=True)
    )
    untyped = held in ANY and held != "categories in order"
    for row in rows:
        labels[row] = data.draw(st.sampled_from(MISSING)) if untyped else None
    with pytest.raises(RowError) as refusal:
        column.call(container(labels))
    assert refusal.value.rows == sorted(rows)
    assert "must be known for every" in str(refusal.value)


@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
def test_spellings_that_nobody_can_tell_apart_are_one_label(
    name: str, data: st.DataObject
) -> None:  # fmt: skip
    column = COLUMNS[name]
    tail = " Müller é" if column.free else ""
    labels = [f"{one}{tail}" for one in column.labels]
    spelled = [data.draw(spellings(one)) for one in labels]
    assert plain(column.call(spelled)) == plain(column.call(labels))


def spellings(text: str) -> st.SearchStrategy[str]:
    """The same text to the eye: decomposed, with other blanks, with marks that have no width."""
    return st.sampled_from([
        text, unicodedata.normalize("NFD", text), f"  {text}\t", text.replace(" ", "\u00a0\u2009"),
        text[:1] + "\u200b" + text[1:], f"\u202a{text}\u202c", f"\ufeff{text}",
    ])  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
@given(data=st.data())
def test_single_labels_are_clean_or_refused(name: str, data: st.DataObject) -> None:
    call, label = SINGLE[name]
    assert plain(call(data.draw(spellings(label)))) == plain(call(label))
    with pytest.raises(EstimationError, match="must be a label"):
        call(data.draw(st.sampled_from(MISSING)))


# -- What one label is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        ([1, 1.0, "1", " 1", np.int8(1), Fraction(1), decimal.Decimal("1.00")], [0] * 7),
        ([0.5, "0.5", Fraction(1, 4), decimal.Decimal("0.50")], [0, 0, 1, 0]),
        (["Müller", "Mu\u0308ller", "\u200bMüller\u00a0", "Muller", "müller"], [0, 0, 0, 1, 2]),
        ([True, "True", False], [0, 0, 1]),
        (["None", "nan", "NA"], [0, 1, 2]),
        ([("a", 1), ("a", 1.0), ("b", 1), ("a, 1",)], [0, 0, 1, 2]),
        ([2**70, float(2**70), 2**70 + 1], [0, 0, 1]),
        ([datetime.date(2020, 5, 1), np.datetime64("2020-05-01T00:00"), "2020-05-01"], [0] * 3),
        ([pd.Timestamp("2020-05-01 10:30"), "2020-05-01 10:30:00"], [0, 0]),
        ("abca", [0, 1, 2, 0]),
        (range(3), [0, 1, 2]),
        (pd.MultiIndex.from_tuples([("a", 1), ("b", 1), ("a", 1)]), [0, 1, 0]),
    ],
)  # fmt: skip
def test_a_label_is_what_a_person_reads(labels: Any, codes: list[int]) -> None:
    assert as_labels(labels, len(codes), "cluster").tolist() == codes


def test_levels_are_ordered_by_size_when_they_are_numbers() -> None:
    assert as_levels([10, 9, 2.5], 3, "weeks").names == ("2.5", "9", "10")
    assert as_levels(["10", "9", "2.5"], 3, "weeks").names == ("10", "2.5", "9")
    assert as_levels([10, 9, 2.5], 3, "weeks").codes.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        ([True, 1, 0], [0]),
        ([2, np.True_, 1.0, False], [1, 3]),
        ([["a"], "b", {"c": 1}], [0, 2]),
        (["a", np.array([1, 2])], [1]),
        (["a", b"\xff"], [1]),
        ([decimal.Decimal("sNaN"), "a"], [0]),
    ],
)
def test_values_that_are_no_label_beside_others(labels: list[Any], rows: list[int]) -> None:
    with pytest.raises(RowError) as refusal:
        as_labels(labels, len(labels), "cluster")
    assert refusal.value.rows == rows
    assert "cluster" in str(refusal.value)


def test_missing_truth_is_missing_before_it_is_mixed() -> None:
    with pytest.raises(RowError, match="must be known") as refusal:
        as_labels(pd.Series([True, float("nan"), False], dtype=object), 3, "arm")
    assert refusal.value.rows == [1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"a": 1, "b": 2}, "found a dict"),
        ({"a", "b"}, "found a set"),
        (b"ab", "found a bytes"),
        (7, "found a single int"),
        (None, "found a single NoneType"),
        (np.array("a"), "found 0 dimensions"),
        (np.array([["a"], ["b"]]), "found 2 dimensions"),
        (pd.DataFrame({"a": ["x", "y"]}), "found 2 dimensions"),
    ],
)
def test_what_is_no_column_is_refused(labels: Any, message: str) -> None:
    with pytest.raises(EstimationError, match=f"^cluster .*{message}"):
        lib.cluster_bootstrap(lambda y, v: 0.0, [0.1, 0.2], [0.1, 0.2], labels)


def test_another_number_of_labels_is_told_in_the_words_of_the_function() -> None:
    with pytest.raises(EstimationError, match="arm has 2 values, the participants have 3"):
        as_levels(["a", "b"], 3, "arm", "participant")


def test_words_that_numpy_makes_are_missing_in_its_texts_alone() -> None:
    with pytest.raises(RowError, match="numpy makes 'nan' or 'None' of it") as refusal:
        as_labels(np.array(["a", None, "None"], dtype="U"), 3, "cluster")
    assert refusal.value.rows == [1, 2]
    assert as_labels(["a", "nan", "None"], 3, "cluster").tolist() == [0, 1, 2]


def test_a_message_names_the_trial_by_position_not_by_index() -> None:
    bad = [np.eye(2), np.array([[1.0, 2.0], [2.0, 1.0]])]
    trial = pd.Series(["A", "A", "Mu\u0308ller ", "Müller"], index=[3, 2, 1, 0])
    with pytest.raises(EstimationError, match=r"^trial Müller: the sampling covariance"):
        lib.make_blocks([0.1, 0.2, 0.3, 0.4], bad, trial, ["i", "b"] * 2)
    with pytest.raises(EstimationError, match=r"^trial Müller: its sampling covariance is 3 x 3"):
        lib.make_blocks([0.1, 0.2, 0.3, 0.4], [np.eye(2), np.eye(3)], trial, ["i", "b"] * 2)


def test_results_show_clean_labels() -> None:
    levels = ["Mu\u0308ller\u200b", "Braun "] * 6
    assert lib.fit_subgroups(YI, VI, levels).levels == ("Braun", "Müller")
    design = lib.make_design({"who": levels}, ["who"], reference={"who": "Mu\u0308ller"})
    assert design.levels == {"who": ("Müller", "Braun")}
    assert design.names == ("intercept", "who=Braun")
    crossed = lib.fit_crossed(YI, VI, {" te\u200bam": TRIALS})
    assert list(crossed.levels) == list(crossed.sigma2) == ["team"]


def test_two_factors_of_one_name() -> None:
    with pytest.raises(EstimationError, match="two factors are named team"):
        lib.fit_crossed(YI, VI, {"team": TRIALS, "team ": list(range(K))})
    with pytest.raises(RowError, match="factors must be known for every factor") as refusal:
        lib.fit_crossed(YI, VI, {"team": TRIALS, "": list(range(K))})
    assert refusal.value.rows == [1]


def test_variables_and_trials_need_names_of_their_own() -> None:
    with pytest.raises(RowError, match="variables share a name") as refusal:
        lib.PathModel(("arm", "act", "arm\u200b"), ())
    assert refusal.value.rows == [0, 2]
    treated, scores = np.arange(8) % 2, np.arange(8.0)
    trials = [lib.ParticipantTrial(name, treated, scores, scores) for name in ("a", "b", "a ")]
    for call in (lib.participant_gap, lib.fit_one_stage):
        with pytest.raises(RowError, match="trials share a name") as refusal:
            call(trials)
        assert refusal.value.rows == [0, 2]


@given(data=st.data())
def test_designs_of_numbers_whatever_holds_them(data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(-9, 9), min_size=3, max_size=8, unique=True))
    held = data.draw(st.sampled_from(sorted(set(NUMBERS) - {"categories in order"})))
    container = tuple if held == "iterator" else NUMBERS[held]
    made = lib.make_design({"x": container(numbers)}, ["x"])
    assert made.names == ("intercept", "x") and not made.levels
    np.testing.assert_array_equal(made.matrix[:, 1], np.array(numbers, dtype=float))
    row = data.draw(st.integers(0, len(numbers) - 1))
    blank = [None if i == row else one for i, one in enumerate(numbers)]
    with pytest.raises(RowError, match="x must be known for every effect") as refusal:
        lib.make_design({"x": container(blank)}, ["x"])
    assert refusal.value.rows == [row]


def test_a_missing_scalar_of_arrow_is_missing() -> None:
    with pytest.raises(RowError, match="must be known for every effect") as refusal:
        as_labels(["a", pa.scalar(None, pa.string())], 2, "cluster")
    assert refusal.value.rows == [1]


def test_masked_numbers_are_missing() -> None:
    masked = np.ma.array([0.1, 0.2, 0.3], mask=[False, True, False])
    assert np.isnan(as_vector(masked, "yi")[1]) and as_vector(masked, "yi")[2] == 0.3
    with pytest.raises(RowError, match=r"yi must be finite \(row 1\)"):
        lib.fit_random_effects(masked, [0.1] * 3)


# -- Where a missing label says something ----------------------------------------------------------

CODINGS = [["a", "b", "a"], ["b", "b", None], ["a", None, "c"], ["c", "c", "c"], [None, "a", "a"]]
TABLES: dict[str, Callable[[list[list[Any]]], Any]] = {
    "tuples": lambda rows: tuple(map(tuple, rows)),
    "iterator": lambda rows: iter([iter(row) for row in rows]),
    "array of objects": lambda rows: np.array(rows, dtype=object),
    "array of texts": lambda rows: np.array([["" if c is None else c for c in r] for r in rows]),
    "texts with nan": lambda rows: np.array([["nan" if c is None else c for c in r] for r in rows]),
    "masked array": lambda rows: np.ma.array(
        [["a" if c is None else c for c in row] for row in rows],
        mask=[[c is None for c in row] for row in rows],
    ),
    "frame": lambda rows: pd.DataFrame(rows, index=[4, 2, 2, 0, 1]),
    "frame of strings": lambda rows: pd.DataFrame(rows, dtype="string"),
    "frame of categories": lambda rows: pd.DataFrame(rows, dtype="category"),
    "series": lambda rows: [pd.Series(row, index=[2, 1, 0]) for row in rows],
}


@pytest.mark.parametrize("held", TABLES)
@given(data=st.data())
def test_a_coder_without_a_code_says_so_whatever_holds_the_codes(
    held: str, data: st.DataObject
) -> None:  # fmt: skip
    rows = data.draw(st.permutations(CODINGS))
    assert plain(lib.rater_agreement(TABLES[held](rows))) == plain(lib.rater_agreement(rows))
    blank = [
        [data.draw(st.sampled_from(MISSING)) if one is None else one for one in row] for row in rows
    ]
    assert plain(lib.rater_agreement(blank)) == plain(lib.rater_agreement(rows))


def test_codes_of_one_category_are_one_whatever_type_they_have() -> None:
    """A column of whole numbers beside one with blanks, which pandas holds as floats."""
    frame = pd.DataFrame({"one": [1, 2, 1, 2], "two": [1.0, 2.0, 1.0, None]})
    pairs = list(zip(frame["one"], frame["two"], strict=True))
    for codings in (frame, pairs, [["1", "1"], ["2", "2 "], ["1", "1"], ["2", ""]]):
        found = lib.rater_agreement(codings)
        assert found.categories == ("1", "2") and found.estimate[0] == 1.0 and found.units == 3


def test_codes_that_are_none_are_refused_with_their_units() -> None:
    with pytest.raises(RowError, match="codings must hold texts") as refusal:
        lib.rater_agreement([["a", "a"], ["b", ["b"]], ["a", "b"]])
    assert refusal.value.rows == [1]


@given(data=st.data())
def test_a_property_that_is_not_stated_is_no_level(data: st.DataObject) -> None:
    blank = data.draw(st.sampled_from(MISSING))
    rows = [
        {
            "moderator": "dose", "kind": "category", "trial_id": f"t{i}", "value": value,
            "barrier_dimension": blank, "framework_layer": "input",
        }
        for i, value in enumerate(["low", blank, " low", "high"])
    ]  # fmt: skip
    (found,) = declared_moderators(rows)
    assert found.values == {"t0": "low", "t1": "", "t2": "low", "t3": "high"}
    assert (found.barrier_dimension, found.framework_layer) == ("", "input")
    assert Moderator("dose", "category", {"t0 ": blank}).values == {"t0": ""}
    assert texts_or_none([blank, "a"], "dose") == [None, "a"]
    assert items_of(np.ma.array([1, 2], mask=[True, False]), "dose") == [None, 2]


@given(data=st.data())
def test_a_topic_that_is_not_stated_is_no_subset(data: st.DataObject) -> None:
    blank = data.draw(st.sampled_from(MISSING))
    topics = [blank, "sleep", " sleep\u200b", "diet", "diet", blank]
    records = [_record(i, topic=topics[i // 2], randomized=True) for i in range(K)]
    stack = Stack.from_records(records, [])
    assert [t["topic"] for t in stack.trials] == ["", "sleep", "sleep", "diet", "diet", ""]
    assert [name for name, _ in subsets(stack, "intention")] == [
        "all", "topic: diet", "topic: sleep",
    ]  # fmt: skip
    assert len(stack.select(having("topic", "sleep ")).trials) == 2


def test_records_without_a_change_are_handed_on() -> None:
    records = [_record(i) for i in range(K)]
    held = [record for trial in Stack.from_records(records, []).trials for record in trial.records]
    assert all(one is other for one, other in zip(records, held, strict=True))


# -- The pieces ------------------------------------------------------------------------------------


@given(labels=st.lists(st.one_of(st.text(min_size=1), st.integers(), st.dates()), max_size=20))
def test_codes_and_texts_by_a_plain_loop(labels: list[Any]) -> None:
    texts = texts_or_none(labels, "arm")
    lost = [i for i, one in enumerate(texts) if one is None]
    if lost:
        with pytest.raises(RowError) as refusal:
            read_labels(labels, "arm")
        assert refusal.value.rows == lost
        return
    read = read_labels(labels, "arm")
    seen: list[str | None] = []
    for one, code in zip(texts, read.codes.tolist(), strict=True):
        if one not in seen:
            seen.append(one)
        assert seen[code] == one
    assert read.texts == texts and list(read.names) == seen
    ordered = read.ordered()
    assert ordered.texts == texts
    keys = [float(one) for one in ordered.names] if read.numeric else list(ordered.names)
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"), (3.0, "3"), (-0.0, "0"), (0.1, "0.1"), (1e300, str(int(1e300))),
        (float("inf"), "inf"), (np.float32(0.5), "0.5"), (decimal.Decimal("1.50"), "1.5"),
        (Fraction(1, 3), "1/3"), (True, "True"), (np.False_, "False"),
        (datetime.date(2020, 1, 2), "2020-01-02"), (datetime.time(9, 30), "09:30:00"),
        (datetime.datetime(2020, 1, 2, 3, 4, 5, 600000), "2020-01-02 03:04:05.6"),
        (np.datetime64("2020-01-02T03:04:05.600000000"), "2020-01-02 03:04:05.6"),
        (pd.Timestamp("2020-01-02"), "2020-01-02"), (pd.Period("2020-01", "M"), "2020-01"),
        (b"abc", "abc"), (("a", 1.0), "(a, 1)"), (pa.scalar("a "), "a"),
    ],
)  # fmt: skip
def test_the_text_of_a_label(value: Any, text: str) -> None:
    assert as_label(value, "arm") == text
