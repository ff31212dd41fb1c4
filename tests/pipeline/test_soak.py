"""A server that refreshes for months: nothing grows, nothing is left, nothing drifts."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from .conftest import EPOCH, Home
from .test_incremental import KINDS, Project, published

REFRESHES, WARM = 100, 30
MOST_MEGABYTES = 40.0
"""Growth of memory over the refreshes after the first ones, which load packages."""


def _megabytes() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def _handles() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_hundred_refreshes_with_random_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(Home(tmp_path / "home"), np.random.default_rng(7))
    for kind in range(len(KINDS)):
        project.add(kind)
    project.settings["keep_releases"] = 3
    memory = handles = 0.0
    for number in range(REFRESHES):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(EPOCH) + 60 * number))
        project.step()
        project.home.refresh(**project.settings)
        assert len(list(project.home.releases.glob("2*"))) <= 3
        if number == WARM:
            memory, handles = _megabytes(), _handles()
    assert _handles() <= handles
    assert _megabytes() - memory < MOST_MEGABYTES
    cold = Home(tmp_path / "cold")
    shutil.copytree(project.home.trials, cold.trials)
    cold.refresh(**project.settings)
    assert published(project.home) == published(cold), "no drift"
    known, found = _files(cold.store), _files(project.home.store)
    assert {name for name in found - known if not name.startswith("traces/")} == set(), (
        "nothing left"
    )
