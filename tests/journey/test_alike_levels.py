"""Topics and levels that trials write differently are told, with the trials."""

from __future__ import annotations

import pandas as pd

from assets.effects.alike_levels import levels_alike
from assets.typed import kinds_of

COLUMNS = list(kinds_of("moderators"))
NONE = pd.DataFrame(columns=COLUMNS)


def moderators(*values: str, kind: str = "category") -> pd.DataFrame:
    rows = [
        {"trial_id": f"t{i}", "moderator": "setting", "value": value, "kind": kind,
         "barrier_dimension": "", "framework_layer": ""}
        for i, value in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def test_topics_of_trials() -> None:
    (told,) = levels_alike({"b": "diet", "a": "Diet", "c": ""}, NONE)
    assert told.trial_id == "a" and told.rule_id == "labels_alike"
    assert "topics of several trials are called 'Diet' (a) and 'diet' (b)" in told.message
    assert levels_alike({"b": "diet", "c": ""}, NONE) == []


def test_levels_of_moderators() -> None:
    (told,) = levels_alike({}, moderators("Online", "on-line", "clinic", "clinic"))
    assert "'Online' (t0) and 'on-line' (t1)" in told.message and "'setting'" in told.message
    assert levels_alike({}, moderators("online", "online", "clinic")) == []


def test_numbers_are_no_labels_and_many_trials_are_counted() -> None:
    assert levels_alike({}, moderators("1.0", "10", kind="number")) == []
    (told,) = levels_alike({}, moderators("A", *["a"] * 5))
    assert "'a' (t1, t2, t3 and 2 more)" in told.message
