"""One folder with two releases, made once; tests only read it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.dashboard.made import Client, Made, all_trials, make_release

settings.register_profile(
    "dashboard", derandomize=True, deadline=None, max_examples=40, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """A releases folder with an older and a current release, and a client."""

    folder: Path
    old: Made
    new: Made
    client: Client


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site") / "releases"
    trials = all_trials()
    before = [t for t in trials if t.id != "trial_03"]
    before[0] = before[0].with_effect(0, yi=0.9)
    old = make_release(folder, before, made_at="2024-04-01T09:30:00+00:00", whole=False)
    return Site(folder, old, make_release(folder, trials), Client(folder))


@pytest.fixture(scope="session")
def client(site: Site) -> Client:
    return site.client


@pytest.fixture(scope="session")
def _few(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made, Made]:
    folder = tmp_path_factory.mktemp("few") / "releases"
    trials = all_trials()[:4]
    old = make_release(folder, trials[:3], made_at="2024-04-01T09:30:00+00:00", whole=False)
    new = make_release(folder, [replace(t, n=t.n + 1) for t in trials], whole=False)
    return folder, old, new


@pytest.fixture
def small_site(_few: tuple[Path, Made, Made], tmp_path: Path) -> Site:
    """Two releases of few trials, to be damaged."""
    folder = tmp_path / "releases"
    shutil.copytree(_few[0], folder, symlinks=True)
    old, new = (replace(made, folder=folder / made.id) for made in _few[1:])
    return Site(folder, old, new, Client(folder))
