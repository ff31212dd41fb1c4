"""The second look at accepted rows: batches, disagreements, and looks that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import assets.steps.second_look as module
from assets.journey import Journey, Screened
from assets.steps.second_look import second_look
from validations.judge import CheckOutcome, Failure


def journey(name: str, rows: int = 2, kind: str = "correlations", **more: Any) -> Journey:
    accepted = pd.DataFrame(
        {"collection_id": name, "trial_id": name, "source_id": "s", "variable_1": "i",
         "variable_2": [f"b{i}" for i in range(rows)], "r": 0.3, "n": 50.0}
    )  # fmt: skip
    screened = {kind: Screened(accepted, pd.DataFrame(), [])} if rows else {}
    return Journey(name, screened=screened, tables={"effects": accepted}, **more)


Look = Callable[[pd.DataFrame, Any], tuple[list[Failure], list[CheckOutcome]]]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Callable[[Look], list[list[str]]]:
    """Put a judge in the place of the library; returns the trials of each look."""

    def put(look: Look) -> list[list[str]]:
        import validations.expectations

        seen: list[list[str]] = []

        def validate(frame: pd.DataFrame, schema: Any) -> Any:
            assert schema.rules == ()
            keys = [c for c in frame.columns if c.startswith("key:")]
            assert "key:variable_1" in keys and all(frame[k].map(type).eq(str).all() for k in keys)
            seen.append(list(dict.fromkeys(frame["collection_id"])))
            return look(frame, schema)

        monkeypatch.setattr(validations.expectations, "validate", validate)
        return seen

    return put


def content(frame: pd.DataFrame, schema: Any) -> Any:
    return [], []


def test_what_the_judges_agree_on_stays(judge: Any) -> None:
    seen = judge(content)
    journeys = [journey("x"), journey("y"), journey("none", 0)]
    assert second_look(journeys) == journeys and seen == [["x", "y"]]
    assert second_look([]) == []


def test_batches_of_many_rows(judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 4)
    seen = judge(content)
    second_look(
        [journey("v", 3), journey("w", 1), journey("x", 1), journey("y", 2), journey("z", 1)]
    )
    assert seen == [["v", "w"], ["x", "y", "z"]]


def test_a_disagreement_takes_the_numbers_of_its_trial_only(judge: Any) -> None:
    judge(lambda frame, schema: ([Failure("value_in_range", "r", (3,))], []))
    one, two = journey("x"), journey("y", files=[{"file": "a.csv"}])
    first, second = second_look([one, two])
    assert first is one and second.tables == {} and second.screened == {}
    assert second.files == two.files and not second.by_machine
    (finding,) = second.findings
    assert (finding.trial_id, finding.rule_id, finding.severity.value) == (
        "y", "judges_disagree", "error"
    )  # fmt: skip
    assert "rows of correlations were accepted" in finding.message
    assert "the rule value_in_range; nothing" in finding.message


def test_a_look_that_fails_is_repeated_trial_by_trial(judge: Any) -> None:
    def look(frame: pd.DataFrame, schema: Any) -> Any:
        if "y" in set(frame["collection_id"]):
            raise ZeroDivisionError
        return [], []

    seen = judge(look)
    journeys = [journey("x"), journey("y"), journey("z")]
    first, second, third = second_look(journeys)
    assert seen == [["x", "y", "z"], ["x"], ["y"], ["z"]]
    assert first is journeys[0] and third is journeys[2]
    (finding,) = second.findings
    assert finding.rule_id == "unforeseen_error" and "ZeroDivisionError" in finding.message
    assert "looking at the accepted correlations a second time" in finding.message
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
