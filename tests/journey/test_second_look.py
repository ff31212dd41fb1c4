"""The second look at judged frames: batches, disagreements, and looks that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import assets.screening.second_look as module
from assets.journey.trial_journey import Journey, Screened
from assets.screening.second_look import second_look
from tests.typed_rows import typed_rows
from validations.judge import CheckOutcome, Failure, Judged
from validations.records import RECORD_SCHEMAS
from validations.screening import join, split


def journey(name: str, rows: int = 2, **more: Any) -> Journey:
    """A journey with correlations that are all right."""
    records = pd.DataFrame(
        {"collection_id": name, "trial_id": name, "source_id": "s", "file": "a.csv", "row": "2",
         "variable_1": "i", "variable_2": [f"b{i}" for i in range(rows)], "r": "0.3", "n": "50"}
    )  # fmt: skip
    found = split(records, RECORD_SCHEMAS["correlations"])
    screened = Screened(found.accepted, pd.DataFrame(), [], (found.judged,))
    own = {"correlations": screened} if rows else {}
    return Journey(name, screened=own, tables={"effects": found.accepted}, **more)


def persons(name: str, count: int = 40) -> Journey:
    """A journey of people with two outcomes and faults of every kind."""
    rows = [
        {"collection_id": name, "trial_id": name, "study_label": "T", "source_id": "s",
         "file": "a.csv", "row": i + 2, "participant": "" if i % 9 == 3 else f"p{i - (i % 7 == 6)}",
         "arm": "" if i % 11 == 5 else "a", "cluster": "", "outcome": outcome,
         "scale_type": "continuous", "scale_min": "1", "scale_max": "7",
         "value": ("3", "9", "x", "1e400", "4", "2,5")[i % 6], "baseline": ("", "y")[i % 13 == 4]}
        for outcome in ("i", "b") for i in range(count)
    ]  # fmt: skip
    schema = RECORD_SCHEMAS["participant_rows"]
    found = join([split(frame, schema) for frame in typed_rows(pd.DataFrame(rows))])
    assert len({f.rule_id for one in found.judged for f in one.failures}) == 5
    screened = {"participant_rows": Screened(found.accepted, found.rejected, [], found.judged)}
    return Journey(name, screened=screened)


Look = Callable[[pd.DataFrame, Any], tuple[list[Failure], list[CheckOutcome]]]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Callable[[Look], list[int]]:
    """Put a judge in the place of the library; returns the rows of each look."""

    def put(look: Look) -> list[int]:
        import validations.expectations

        seen: list[int] = []

        def validate(frame: pd.DataFrame, schema: Any) -> Any:
            keys = [name for name in frame.columns if name.startswith("key:")]
            assert "key:variable_1" in keys and not frame[keys].isna().any().any()
            seen.append(len(frame))
            return look(frame, schema)

        monkeypatch.setattr(validations.expectations, "validate", validate)
        return seen

    return put


def content(frame: pd.DataFrame, schema: Any) -> Any:
    return [], []


def same(one: Journey, two: Journey) -> bool:
    """Whether a journey is another one without the frames that were looked at."""
    screened = {kind: replace(made, judged=()) for kind, made in two.screened.items()}
    return one.screened == screened and one.tables is two.tables and one.findings == two.findings


def test_what_the_judges_agree_on_stays_without_the_frames(judge: Any) -> None:
    seen = judge(content)
    journeys = [journey("x"), journey("y"), journey("none", 0)]
    made = second_look(journeys)
    assert all(same(one, two) for one, two in zip(made, journeys, strict=True))
    assert made[0].screened["correlations"].judged == () and seen == [4]
    assert second_look([]) == []


def test_batches_of_many_rows(judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 4)
    seen = judge(content)
    second_look([journey(n, k) for n, k in zip("uvwxyz", (3, 1, 1, 2, 2, 4), strict=True)])
    assert seen == [4, 3, 2, 4]


@pytest.mark.parametrize("most", [7, 500])
def test_both_judges_name_the_same_rows_of_several_trials(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the library itself; frames that are cut give the same rows as whole ones."""
    monkeypatch.setattr(module, "MOST_ROWS", most)
    journeys = [persons("x"), journey("y", 3), persons("z", 12)]
    made = second_look(journeys)
    assert all(same(one, two) for one, two in zip(made, journeys, strict=True))


@pytest.mark.parametrize("most", [7, 500])
@pytest.mark.parametrize("at", [0, 2, 5])
@pytest.mark.parametrize("planted", ["overlooked", "invented"])
def test_a_planted_disagreement_is_found(
    planted: str, at: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", most)
    journeys = [persons("x"), persons("y"), persons("z")]
    screened = journeys[1].screened["participant_rows"]
    first, second = screened.judged
    failure = second.failures[at]
    everything = np.arange(len(second.frame))
    changed = failure.positions[1:] if planted == "overlooked" else np.union1d(
        failure.positions, np.setdiff1d(everything, failure.positions)[:1]
    )  # fmt: skip
    failures = [*second.failures]
    failures[at] = Failure(failure.rule_id, failure.column, changed)
    judged = (first, Judged(second.frame, tuple(failures)))
    journeys[1].screened["participant_rows"] = replace(screened, judged=judged)
    made = second_look(journeys)
    (told,) = made[1].findings
    assert (told.trial_id, told.rule_id) == ("y", "judges_disagree")
    assert f"on 1 row about the rule {failure.rule_id} of {failure.column};" in told.message
    assert made[0].findings == made[2].findings == []


def test_a_disagreement_takes_the_numbers_of_its_trial_only(judge: Any) -> None:
    judge(lambda frame, schema: ([Failure("value_in_range", "r", np.array([2, 3]))], []))
    one, two = journey("x"), journey("y", files=[{"file": "a.csv"}])
    first, second = second_look([one, two])
    assert same(first, one) and second.tables == {} and second.screened == {}
    assert second.files == two.files and not second.by_machine
    (finding,) = second.findings
    assert (finding.trial_id, finding.rule_id, finding.severity.value) == (
        "y", "judges_disagree", "error"
    )  # fmt: skip
    assert finding.message == (
        "two checks of the correlations by the same declaration do not agree on 2 rows about the "
        "rule value_in_range of r; nothing of the trial is used"
    )


def test_rows_of_different_trials_never_share_a_key(judge: Any) -> None:
    def look(frame: pd.DataFrame, schema: Any) -> Any:
        keys = [f"key:{name}" for name in schema.key]
        assert not frame.duplicated(keys).any()
        return [], []

    judge(look)
    made = second_look([journey("x"), journey("y"), journey("z")])
    assert [one.findings for one in made] == [[], [], []]


def test_a_look_that_fails_is_repeated_trial_by_trial(judge: Any) -> None:
    def look(frame: pd.DataFrame, schema: Any) -> Any:
        if len(frame) != 2:
            raise ZeroDivisionError
        return [], []

    seen = judge(look)
    journeys = [journey("x"), journey("y", 3), journey("z")]
    first, second, third = second_look(journeys)
    assert seen == [7, 2, 3, 2]
    assert same(first, journeys[0]) and same(third, journeys[2])
    (finding,) = second.findings
    assert finding.rule_id == "unforeseen_error" and "ZeroDivisionError" in finding.message
    assert "looking at the correlations a second time" in finding.message
    assert second.traces.keys() == {"y"}


@pytest.mark.parametrize(
    ("raised", "rule", "by_machine"),
    [("MemoryError", "machine_fault", True), ("KeyError", "unforeseen_error", False)],
)
def test_a_rule_that_raises(judge: Any, raised: str, rule: str, by_machine: bool) -> None:
    outcome = CheckOutcome("value_in_range", "r", False, 2, 0, raised)
    fine = CheckOutcome("value_in_range", "n", True, 2, 0)
    judge(lambda frame, schema: ([], [fine, outcome]))
    (made,) = second_look([journey("x")])
    assert [f.rule_id for f in made.findings] == [rule] and made.by_machine is by_machine
    if not by_machine:
        assert "value_in_range raised KeyError" in made.traces["x"]
