"""The drop folder's sensor without Dagster: what it sees, what it asks for, what it remembers."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.drop_folder import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    SETTLE_SECONDS,
    Asked,
    FolderState,
    Look,
    Memory,
    States,
    ask,
    decide,
    look,
    read_cursor,
    remembered,
    write_cursor,
)

NOW = 10_000.0


def state(changed_at: float = 1.0, size: int = 10) -> FolderState:
    return FolderState(changed_at, size)


A, B = {"a": state()}, {"b": state(2.0)}


@pytest.mark.parametrize(
    ("found", "seen", "asks", "reason"),
    [
        ({}, {}, None, "nothing changed"),
        (A, {}, A, "changed: a"),
        (A, A, None, "nothing changed"),
        ({"a": state(2.0)}, A, {"a": state(2.0)}, "changed: a"),
        ({"a": state(size=11)}, A, {"a": state(size=11)}, "changed: a"),
        ({"a": state(0.5)}, A, {"a": state(0.5)}, "changed: a"),
        ({"a": state(NOW - 1)}, {}, None, "waiting for a to settle"),
        ({"a": state(NOW - 1)} | B, {}, B, "changed: b"),
        ({"a": state(NOW - 1)} | B, A | B, None, "waiting for a to settle"),
        ({"a": state(NOW - 1)} | B, A, A | B, "changed: b"),
        (A, A | B, A, "changed: b"),
        ({}, A, {}, "changed: a"),
        ({"a": state(NOW + SETTLE_SECONDS)}, {}, {"a": state(NOW + SETTLE_SECONDS)}, "changed: a"),
    ],
    ids=["empty", "new", "unchanged", "changed", "other size", "back to earlier bytes", "unsettled",
         "one settled", "a known one unsettled", "a known one unsettled, one new", "gone",
         "all gone", "from the future"],
)  # fmt: skip
def test_what_is_asked_for(found: States, seen: States, asks: States | None, reason: str) -> None:
    decision = decide(Look(found), Memory(seen), "succeeded", NOW)
    assert (decision.states, decision.reason) == (asks, reason)


def test_a_trials_folder_that_cannot_be_read_is_not_one_without_trials(tmp_path: Path) -> None:
    found = look(tmp_path / "nowhere")
    decision = decide(found, Memory(A), "succeeded", NOW)
    assert decision.states is None
    assert "nowhere (FileNotFoundError)" in decision.reason and "right to read" in decision.reason


def test_what_a_folder_looks_like(tmp_path: Path) -> None:
    for name in ("one", "_draft", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "one" / "data").mkdir()
    file = tmp_path / "one" / "data" / "table.csv"
    file.write_text("12345")
    os.utime(file, (50.0, 50.0))
    seen = look(tmp_path)
    assert seen == Look({"one": FolderState(50.0, 5)}) and seen.told == ""
    (tmp_path / "one" / "upload.csv.part").write_text("x" * 99)
    assert look(tmp_path) == seen


def test_a_folder_that_cannot_be_read_is_told_by_its_path_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / "table.csv").write_text("1")
    of_all = Path.iterdir

    def iterdir(self: Path):  # type: ignore[no-untyped-def]
        if self == tmp_path / "one":
            raise PermissionError(13, "denied", str(self / "data"))
        return of_all(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = look(tmp_path)
    assert found.states is not None and found.states["one"] == FolderState(0.0, -1)
    assert found.states["two"].size == 1
    assert found.unreadable == {"one/data": "PermissionError"}
    decision = decide(found, Memory(), "succeeded", NOW + 1e12)
    assert decision.states == found.states
    quiet = decide(found, Memory(found.states), "succeeded", NOW + 1e12)
    assert quiet.states is None and "one/data (PermissionError)" in quiet.reason
    monkeypatch.undo()
    healed = decide(look(tmp_path), Memory(found.states), "succeeded", NOW + 1e12)
    assert healed.reason == "changed: one"


def test_only_a_refresh_that_succeeded_moves_what_is_seen() -> None:
    memory = ask(Memory(A), "succeeded", A | B, "token", NOW)
    assert memory == Memory(A, Asked("token", A | B, NOW))
    assert remembered(memory, "running") == remembered(memory, "failed") == memory
    assert remembered(memory, "succeeded") == Memory(A | B)


def test_while_a_refresh_runs_nothing_more_is_asked_for() -> None:
    memory = Memory({}, Asked("token", A, NOW))
    for found in (A, A | B):
        decision = decide(Look(found), memory, "running", NOW + 1e6)
        assert decision.states is None and "still running" in decision.reason


def test_a_change_during_a_refresh_is_asked_for_after_it() -> None:
    memory = Memory({}, Asked("token", A, NOW))
    assert decide(Look(A | B), memory, "succeeded", NOW + 1).states == A | B
    assert decide(Look(A), memory, "succeeded", NOW + 1).states is None


def test_a_failed_refresh_is_asked_for_again_after_pauses_that_double() -> None:
    memory, now, pauses = ask(Memory(), "succeeded", A, "0", NOW), NOW, []
    for turn in range(1, 10):
        start = now
        while decide(Look(A), memory, "failed", now).states is None:
            now += 10.0
        pauses.append(now - start)
        memory = ask(memory, "failed", A, str(turn), now)
        assert memory.asked is not None and memory.asked.failures == turn
    doubled = [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(9)]
    assert pauses == doubled and pauses[-1] == pauses[-2] == LONGEST_PAUSE
    assert remembered(memory, "succeeded") == Memory(A)


def test_the_time_that_is_left_is_told() -> None:
    decision = decide(Look(A), ask(Memory(), "succeeded", A, "0", NOW), "failed", NOW + 25)
    assert decision.reason == "the last refresh failed; tried again in 35 seconds"


def test_after_a_failure_a_change_is_asked_for_at_once_and_counts_from_the_start() -> None:
    failed = replace(Memory(), asked=Asked("token", A, NOW, failures=4))
    changed = {"a": state(3.0)}
    assert decide(Look(changed), failed, "failed", NOW + 1).states == changed
    asked = ask(failed, "failed", changed, "next", NOW + 1).asked
    assert asked is not None and asked.failures == 0


def test_what_is_undone_after_a_failure_is_no_change() -> None:
    failed = Memory(A, Asked("token", A | B, NOW))
    assert decide(Look(A), failed, "failed", NOW + 1e6).states is None


def test_a_clock_set_back_ends_no_pause_for_good() -> None:
    failed = Memory({}, Asked("token", A, NOW + 1e7))
    assert decide(Look(A), failed, "failed", NOW).states == A
    unsettled = {"a": state(NOW + 1e7)}
    assert decide(Look(unsettled), Memory(), "succeeded", NOW).states == unsettled


def test_the_cursor_survives_a_round_trip() -> None:
    for memory in (Memory(), Memory(A | B), Memory(A, Asked("token", A | B, 3.25, 2))):
        assert read_cursor(write_cursor(memory)) == memory


@pytest.mark.parametrize(
    "cursor",
    [None, "", "{", "[]", "3", '{"seen": 3}', '{"seen": {"a": 3}}', '{"asked": {"token": "t"}}',
     '{"a": {"changed_at": 1, "size": 2}, "asked": 1}'],
)  # fmt: skip
def test_a_cursor_that_cannot_be_read_counts_as_nothing(cursor: str | None) -> None:
    assert read_cursor(cursor) == Memory()


def test_a_folder_that_goes_while_it_is_looked_at_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "table.csv").write_text("1")
    of_all = Path.rglob

    def rglob(self: Path, pattern: str):  # type: ignore[no-untyped-def]
        found = list(of_all(self, pattern))
        if self.name == "one" and self.exists():
            shutil.rmtree(self)
        return iter(found)

    monkeypatch.setattr(Path, "rglob", rglob)
    states = look(tmp_path).states
    assert states is not None and states["two"].size == 1
