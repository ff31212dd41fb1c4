"""Killed at any point, a refresh leaves the last release as it was, and the next run is clean."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ibgap.cli import exits
from ibgap.releases.reader import CURRENT
from tests.builders import effects_trial
from validations.tables import TABLES

from .conftest import Home, run_steps

PUBLISH = """
import os, signal
from pathlib import Path
import dataclasses
from ibgap.releases import publisher
from pipelines.settings import load_settings
from tests.road import publish, walk_home

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

{patch}
settings = load_settings()
settings = dataclasses.replace(settings, disclosure="none")  # other tables than there are
publish(walk_home(settings), settings)
"""
POINTS = {
    "within the tables": """
import pandas
whole = pandas.DataFrame.to_parquet
def to_parquet(frame, path, **options):
    whole(frame, path, **options)
    if str(path).endswith("gap_estimates.parquet"):
        die()
pandas.DataFrame.to_parquet = to_parquet
""",
    "within a file": """
import pandas
pandas.DataFrame.to_parquet = lambda frame, path, **o: (Path(path).write_bytes(b"PAR1"), die())
""",
    "before the audit": "publisher.audit = die",
    "before the record": "publisher._record = die",
    "within the link": """
whole = os.replace
def replace(a, b):
    die() if str(b).endswith("current") else whole(a, b)
os.replace = replace
""",
    "after the link": "publisher.Publisher._prune = die",
}


def _start(home: Home, patch: str) -> subprocess.Popen[bytes]:
    code = PUBLISH.format(patch=textwrap.dedent(patch))
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=home.root, env=home.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_killed_while_publishing(small: Home, tmp_path: Path) -> None:
    """All points at once, each on its own copy, because starting a process takes longest."""
    import shutil

    homes = {}
    for number, point in enumerate(POINTS):
        shutil.copytree(small.root, tmp_path / str(number), symlinks=True)
        homes[point] = Home(tmp_path / str(number))
    processes = {point: _start(home, POINTS[point]) for point, home in homes.items()}
    for point, process in processes.items():
        assert process.wait(timeout=120) == -signal.SIGKILL, point
    for point, home in homes.items():
        _check_the_last_release(small, home, switched=point == "after the link")
        _check_the_next_run(home)


def _check_the_last_release(small: Home, home: Home, *, switched: bool) -> None:
    current = home.releases / CURRENT
    assert current.is_symlink()
    same = current.resolve().name == (small.releases / CURRENT).resolve().name
    assert same is not switched
    release = home.release()
    assert (current / "report.html").is_file() and (current / "ibgap.duckdb").is_file()
    for name in TABLES:
        release.table(name)
    assert home.command("gap").exit_code == exits.OK


def _check_the_next_run(home: Home) -> None:
    made = run_steps(home)
    assert (home.releases / CURRENT).resolve() == made.path
    assert not list(home.releases.glob(".building-*"))
    for name in TABLES:
        home.release().table(name)


def test_a_half_made_link_is_removed(copy_of_small: Home) -> None:
    (copy_of_small.releases / ".current-1").symlink_to("nowhere")
    run_steps(copy_of_small)
    assert not (copy_of_small.releases / ".current-1").is_symlink()


REFRESH = """
import os, signal
def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
{patch}
from ibgap.cli.command_line import main
main(["refresh"])
"""
STEPS = {
    "staging": """
from assets.kept import KeptResults
whole = KeptResults.write
def write(self, name, *rest):
    whole(self, name, *rest)
    if name == "effects_trial":
        die()
KeptResults.write = write
""",
    "a half-written table": """
whole = os.replace
def replace(a, b):
    if str(b).endswith("core/effects.arrow"):
        a.write_bytes(b"PAR1"); die()
    return whole(a, b)
os.replace = replace
""",
    "the switch": """
from ibgap.releases.publisher import Publisher
Publisher._switch = die
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_while_refreshing(copy_of_small: Home, step: str) -> None:
    home = copy_of_small
    old = (home.releases / CURRENT).resolve()
    changed = effects_trial().but("1.80,0.90,3.60", "1.70,0.90,3.20", "printed.csv")
    (home.trials / "effects_trial" / "printed.csv").write_text(str(changed.files["printed.csv"]))
    killed = home.process("-c", REFRESH.format(patch=STEPS[step]))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (home.releases / CURRENT).resolve() == old
    assert home.command("gap").exit_code == exits.OK
    again = home.process("-c", REFRESH.format(patch=""))
    assert again.returncode == exits.OK, again.stderr
    assert "new release" in again.stdout
    assert (home.releases / CURRENT).resolve() != old
    assert not list(home.store.rglob(".writing-*"))
    assert not list(home.releases.glob(".building-*"))
