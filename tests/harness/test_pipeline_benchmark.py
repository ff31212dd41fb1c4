"""The parts of the benchmark of refreshes: plain passes agree, a change is one cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pipeline import change_one_value, project, to_change
from benchmarks.plain_passes import by_duckdb, by_pandas
from ibgap.simulation import LOAD_SHARES, Plan, Truth, simulate


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    out = tmp_path_factory.mktemp("made")
    truth = simulate(out, Plan(trials=90, seed=20, shares=LOAD_SHARES, defects=0.0))
    return out / "trials", truth


def test_the_plain_passes_read_the_same(made: tuple[Path, Truth]) -> None:
    trials, truth = made
    found = by_pandas(trials)
    assert found == by_duckdb(trials)
    assert found["files"] == 90
    assert found["rows"] > sum(t.persons for t in truth.trials if t.kind == "participant_rows")
    assert {f.suffix for f in trials.rglob("*.*")} == {
        ".yaml", ".csv", ".tsv", ".xlsx", ".sav", ".parquet"
    }  # fmt: skip


def test_a_changed_trial_differs_in_one_cell(made: tuple[Path, Truth]) -> None:
    trials, truth = made
    chosen = to_change(trials, truth.trials)
    assert len(chosen) == 2 and len({one.synthesis for one in chosen.values()}) == 2
    for name, trial in chosen.items():
        assert trial.synthesis in name
        path = trials / trial.trial / "participants.csv"
        before = path.read_text(encoding="utf-8").split("\n")
        change_one_value(trials, trial)
        after = path.read_text(encoding="utf-8").split("\n")
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert len(changed) == 1
        cells = zip(changed[0][0].split(","), changed[0][1].split(","), strict=True)
        assert sum(a != b for a, b in cells) == 1


def test_a_project_is_removed_and_its_trials_stay(made: tuple[Path, Truth]) -> None:
    with project(made[0]) as home:
        assert len(list((home / "trials").iterdir())) == 90
    assert not home.exists() and len(list(made[0].iterdir())) == 90
