"""Killed before any of its file operations, publishing leaves the last release to readers, and the
next one leaves nothing of the killed one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOME = {"new": (9, 26), "damaged": (13, 37)}
ALL = ("first", "new", "again", "damaged")


def _kill(scenario: str, folder: Path, first: int, step: int) -> list[dict[str, int]]:
    command = [sys.executable, "-m", "tests.releases.killing", scenario, str(folder), str(first),
               str(step)]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [one for one in found if one["whole"] or one["again"] or one["clean"]]
    assert not failed, (failed, done.stderr)
    assert found[-1]["ended"] == 0 and not found[-1]["reached"]
    return found


@pytest.mark.parametrize("scenario", SOME)
def test_killed_at_some_operations(scenario: str, tmp_path: Path) -> None:
    assert len(_kill(scenario, tmp_path, *SOME[scenario])) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ALL)
def test_killed_at_every_operation(scenario: str, tmp_path: Path) -> None:
    found = _kill(scenario, tmp_path, 1, 1)
    assert len(found) >= (5 if scenario == "again" else 90)
