"""Folders of a project below a temporary folder, and one refresh of the shipped trials."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ibgap.cli.command_line import main
from ibgap.releases.publisher import Release
from ibgap.releases.reader import ReleaseFiles, open_release
from pipelines.refresh import RefreshResult, refresh
from pipelines.settings import Settings, load_settings
from tests.builders import Recipe, arm_trial, counts_trial, effects_trial, participant_trial
from tests.conftest import ROOT
from tests.road import publish, walk_home

HERE = {"IBGAP_WORK_WORKERS": "0"}
"""Trials are worked on in the process that asks for it, unless a test says otherwise."""


@dataclass(frozen=True)
class Home:
    """A folder with trials, store and releases."""

    root: Path

    @property
    def trials(self) -> Path:
        return self.root / "trials"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    def add(self, *recipes: Recipe) -> None:
        for recipe in recipes:
            recipe.write(self.trials)

    def settings(self, **given: object) -> Settings:
        environment = {f"IBGAP_{name.upper()}": str(value) for name, value in given.items()}
        return load_settings(self.root, HERE | environment)

    def refresh(self, **given: object) -> RefreshResult:
        return refresh(self.settings(**given))

    def release(self) -> ReleaseFiles:
        return open_release(self.releases)

    def command(self, *arguments: object) -> Result:
        """`ibgap` in this process."""
        environment = HERE | {"IBGAP_HOME": str(self.root)}
        return CliRunner().invoke(main, [str(a) for a in arguments], env=environment)

    def process(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A Python process of its own with these arguments."""
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.root, capture_output=True, text=True,
            env=self.environment(**environment), timeout=120, check=False,
        )  # fmt: skip

    def environment(self, **given: str) -> dict[str, str]:
        own = {n: v for n, v in os.environ.items() if not n.startswith(("IBGAP_", "DAGSTER"))}
        return own | HERE | {"IBGAP_HOME": str(self.root), "PYTHONPATH": str(ROOT)} | given


def _home(root: Path, *recipes: Recipe) -> Home:
    root.mkdir(parents=True, exist_ok=True)
    home = Home(root)
    home.trials.mkdir()
    home.add(*recipes)
    return home


def run_steps(home: Home, **given: object) -> Release:
    """The steps of a refresh and its publishing, without Dagster."""
    settings = home.settings(**given)
    return publish(walk_home(settings), settings)


@pytest.fixture
def make_home(tmp_path: Path) -> Callable[..., Home]:
    """Makes project folders with these trials."""

    def make(*recipes: Recipe, name: str = "home") -> Home:
        return _home(tmp_path / name, *recipes)

    return make


@pytest.fixture
def home(make_home: Callable[..., Home]) -> Home:
    """A project without trials."""
    return make_home()


EPOCH = "1700000000"
FOUR = (participant_trial(), arm_trial(), effects_trial(), counts_trial())


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Four small trials, one of each kind of data, refreshed once; tests only read it."""
    home = _home(tmp_path_factory.mktemp("small"), *FOUR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        home.refresh()
    return home


@pytest.fixture
def copy_of_small(small: Home, tmp_path: Path) -> Home:
    """The four small trials with store and release, to be changed."""
    shutil.copytree(small.root, tmp_path / "copy", symlinks=True)
    return Home(tmp_path / "copy")


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The shipped trials, refreshed once; tests only read it."""
    root = tmp_path_factory.mktemp("shipped")
    (root / "trials").symlink_to(ROOT / "trials")
    home = Home(root)
    home.refresh()
    yield home
