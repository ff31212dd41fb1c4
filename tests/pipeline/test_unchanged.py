"""A refresh that has nothing to do knows it; whatever enters a refresh makes it run again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.kept import LEDGER
from assets.staging.trial_folders import find_trials
from pipelines.unchanged import NOTE, LastRun, unchanged_run
from tests.builders import arm_trial

from .conftest import Home


def known(home: Home, **given: object) -> LastRun | None:
    settings = home.settings(**given)
    return unchanged_run(settings, find_trials(settings.trials_dir))


def _edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _journey(home: Home) -> Path:
    return next(p for p in sorted((home.store / "journeys").iterdir()) if p.name != LEDGER)


def _current(home: Home) -> Path:
    return (home.releases / "current").resolve()


def _move_current(home: Home) -> None:
    other = home.releases / "20200101-000000-aaaaaaaaaa"
    shutil.copytree(_current(home), other)
    (home.releases / "current").unlink()
    (home.releases / "current").symlink_to(other.name)


def _not_for_good(home: Home) -> None:
    """One journey may not be used again, as after a fault of the machine."""
    path = home.store / "journeys" / LEDGER
    data = json.loads(path.read_text())
    data["arms_trial"]["key"] = ""
    path.write_text(json.dumps(data))


CHANGES: dict[str, Callable[[Home], object]] = {
    "a byte of a table": lambda h: _edit(h.trials / "arms_trial" / "table.csv"),
    "a byte of a manifest": lambda h: _edit(h.trials / "small_trial" / "trial.yaml"),
    "a file is gone": lambda h: (h.trials / "counts_trial" / "counts.csv").unlink(),
    "a trial is new": lambda h: h.add(arm_trial("arms_two")),
    "a trial is gone": lambda h: shutil.rmtree(h.trials / "counts_trial"),
    "a trial is called otherwise": lambda h: (h.trials / "counts_trial").rename(h.trials / "new"),
    "a journey is damaged": lambda h: _flip(_journey(h)),
    "a journey is gone": lambda h: _journey(h).unlink(),
    "the ledger is damaged": lambda h: (h.store / "journeys" / LEDGER).write_text("{"),
    "a journey is not for good": _not_for_good,
    "a table of the release is cut": lambda h: os.truncate(
        _current(h) / "tables" / "effects.parquet", 100
    ),
    "the report is gone": lambda h: (_current(h) / "report.html").unlink(),
    "the record is damaged": lambda h: (_current(h) / "release.json").write_text("{"),
    "a file more in the release": lambda h: (_current(h) / "tables" / "x").write_text(""),
    "current points elsewhere": _move_current,
    "current is gone": lambda h: (h.releases / "current").unlink(),
    "the releases are gone": lambda h: shutil.rmtree(h.releases),
    "the note is damaged": lambda h: (h.store / NOTE).write_text('{"state": 3'),
    "the note lacks something": lambda h: (h.store / NOTE).write_text('{"state": "x"}'),
    "the note is gone": lambda h: (h.store / NOTE).unlink(),
    "the store is gone": lambda h: shutil.rmtree(h.store),
}
SETTINGS: list[tuple[str, object]] = [
    ("seed", 5), ("level", 0.9), ("tau2_method", "DL"), ("disclosure", "basic"),
    ("protocol", "CRD42024000000"), ("reading_rows", 1000), ("reading_seconds", 7.5),
    ("keep_releases", 3), ("correlation_grid", "0.1,0.5"),
]  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen(copy_of_small: Home, what: str) -> None:
    assert known(copy_of_small) is not None
    CHANGES[what](copy_of_small)
    assert known(copy_of_small) is None


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_another_setting_is_seen(small: Home, name: str, value: object) -> None:
    assert known(small) is not None and known(small, **{name: value}) is None


def test_other_code_is_seen(small: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("pipelines.unchanged.code_hash", "assets.journey.keys.code_hash"):
        with monkeypatch.context() as patch:
            patch.setattr(place, lambda rooms, packages: "other")
            assert known(small) is None, place
    assert known(small) is not None


def test_what_enters_no_number_changes_nothing(copy_of_small: Home) -> None:
    home = copy_of_small
    first = known(home)
    assert first is not None and first.release_id == _current(home).name
    assert first.set_aside == 0 and first.failed_checks == ()
    for path in home.trials.rglob("*.csv"):
        os.utime(path, (1.0, 1.0))
    (home.trials / "arms_trial" / "notes.txt").write_text("read by nobody")
    others = {"work_workers": 1, "work_minutes": 5, "schedule": "0 6 * * *",
              "timezone": "Europe/Berlin", "executor": "multiprocess"}  # fmt: skip
    assert known(home) == first == known(home, **others)


def test_findings_and_failed_checks_are_told_again(copy_of_small: Home) -> None:
    home = copy_of_small
    table = home.trials / "arms_trial" / "table.csv"
    table.write_text(table.read_text().replace("letter,visit,49", "nobody,visit,49"))
    first = home.refresh()
    assert first.is_new and first.set_aside > 0 and first.failed_checks
    again = home.refresh()
    assert known(home) is not None and not again.is_new
    assert (again.release_id, again.set_aside) == (first.release_id, first.set_aside)
    assert again.failed_checks == first.failed_checks


AGAIN = """
import sys
from pipelines.refresh import refresh
from pipelines.settings import load_settings
print("new:", refresh(load_settings()).is_new)
heavy = "dagster great_expectations duckdb scipy pingouin jinja2".split()
print("loaded:", [name for name in heavy if name in sys.modules])
"""


def test_nothing_heavy_is_loaded_to_know_that_nothing_changed(copy_of_small: Home) -> None:
    done = copy_of_small.process("-c", AGAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "new: False\nloaded: []\n"
