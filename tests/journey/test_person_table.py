"""The persons of a trial: arms of each outcome in the order of the file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assets.outcomes.person_table import PersonTable, person_table, typed_rows
from tests.journey.frames import NAN

ROWS = pd.DataFrame(
    {
        "participant": ["z", "m", "z", "k"],
        "outcome": ["i", "i", "b", "b"],
        "value": [1.0, 2.0, 3.0, 4.0],
        "baseline": [NAN, 5.0, NAN, NAN],
        "row": [2, 3, 2, 1],
        "arm": list("acac"),
        "source_id": ["s", "s", "u", "u"],
        "cluster": ["x", "", None, "y"],
    }
)


def persons_of(table: PersonTable, outcome: str) -> dict[str, list[int]]:
    return {name: list(arm.person) for name, arm in table.outcomes[outcome].items()}


@pytest.mark.parametrize("typed", [False, True])
def test_persons_stand_in_the_order_of_the_file(typed: bool) -> None:
    """k stands in row 1, z in row 2, m in row 3."""
    table = person_table(typed_rows(ROWS) if typed else ROWS)
    assert table.count == 3 and table.sources == {"i": "s", "b": "u"} and table.persons is None
    assert persons_of(table, "i") == {"a": [1], "c": [2]}
    assert persons_of(table, "b") == {"a": [1], "c": [0]}
    one = table.outcomes["i"]["c"]
    assert list(one.value) == [2.0] == [one.sums.mean] and one.sums.n == 1.0
    assert one.baseline is not None and list(one.baseline) == [5.0]
    assert table.outcomes["b"]["a"].baseline is None and one.persons is None


def test_rows_of_one_number_stand_in_the_order_of_the_table() -> None:
    rows = pd.DataFrame(
        {"participant": [3, 1, 2, 0], "outcome": list("iibb"), "value": [1.0, 2.0, 3.0, 4.0],
         "row": [7, 8, 7, 8], "arm": "a"}
    )  # fmt: skip
    table = person_table(rows)
    assert persons_of(table, "i") == {"a": [0, 2]} and persons_of(table, "b") == {"a": [1, 3]}


def test_numbers_with_gaps_and_far_apart() -> None:
    for numbers in ([5, 2, 9], [10**9, 7, 10**8], [-4, 3, -9]):
        rows = pd.DataFrame({"participant": numbers, "outcome": "i", "value": [1.0, 2.0, 3.0],
                             "row": [2, 3, 4], "arm": "a"})  # fmt: skip
        table = person_table(rows)
        assert table.count == 3 and list(table.outcomes["i"]["a"].value) == [1.0, 2.0, 3.0]


def test_clusters_have_numbers_and_those_without_have_none() -> None:
    table = person_table(ROWS)
    found = {(o, name): None if arm.cluster is None else arm.cluster[0] >= 0
             for o, arms in table.outcomes.items() for name, arm in arms.items()}  # fmt: skip
    assert found == {("i", "a"): True, ("i", "c"): False, ("b", "a"): False, ("b", "c"): True}
    none = person_table(ROWS.assign(cluster=["", None, "", ""]))
    assert none.outcomes["i"]["a"].cluster is None


def test_baselines_of_persons_who_have_one() -> None:
    rows = pd.DataFrame({"participant": list("xyz"), "outcome": "i", "value": [1.0, 2.0, 3.0],
                         "row": [2, 3, 4], "arm": "a", "baseline": [4.0, NAN, 6.0]})  # fmt: skip
    arm = person_table(rows).outcomes["i"]["a"]
    known = arm.with_baseline
    assert list(known.person) == [0, 2] and list(known.values) == [1.0, 3.0]
    assert known.covariate is not None and list(known.covariate) == [4.0, 6.0]
    whole = person_table(rows.assign(baseline=1.0)).outcomes["i"]["a"]
    assert list(whole.with_baseline.person) == [0, 1, 2]
    none = person_table(rows.drop(columns="baseline")).outcomes["i"]["a"].with_baseline
    assert len(none.values) == 0 and none.covariate is not None


def test_a_person_who_stands_twice_is_an_error() -> None:
    twice = ROWS.assign(participant=["z", "z", "m", "k"], arm="a")
    with pytest.raises(ValueError, match="more than once"):
        person_table(twice)


def test_no_rows_no_persons() -> None:
    assert person_table(pd.DataFrame()) == PersonTable(0)


def test_pairs_have_the_arm_of_the_second_outcome() -> None:
    rows = pd.DataFrame(
        {"participant": list("pqrs") + list("qrt"), "outcome": list("iiiibbb"),
         "value": [1.0, 2.0, 3.0, 4.0, 20.0, 30.0, 50.0], "row": [2, 3, 4, 5, 3, 4, 6],
         "arm": list("caac") + list("acc")}
    )  # fmt: skip
    table = person_table(rows)
    found = {name: (x.tolist(), y.tolist(), many) for name, x, y, many in table.joined("i", "b")}
    assert found == {"a": ([2.0], [20.0], None), "c": ([3.0], [30.0], None)}
    # The first person has no behavior and is of arm c; the second one is of arm a.
    assert table.arms_in_file("i", "b") == ["c", "a"]


def test_rows_that_have_types_are_not_copied() -> None:
    typed = typed_rows(ROWS)
    assert typed_rows(typed) is typed
    assert typed["participant"].dtype == np.int32
    assert all(isinstance(typed[name].dtype, pd.CategoricalDtype)
               for name in ("arm", "outcome", "source_id", "cluster"))  # fmt: skip
