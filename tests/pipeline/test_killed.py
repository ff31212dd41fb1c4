"""Killed at any point, a refresh leaves the last release as it was, and the next run is clean.

What publishing does file by file is killed in `tests/releases/test_killed.py`.
"""

from __future__ import annotations

import signal

import pytest

from ibgap.cli import exits
from ibgap.releases.reader import CURRENT
from ibgap.releases.verify import verify_folder, verify_release
from tests.builders import effects_trial

from .conftest import Home

REFRESH = """
import os, signal
whole, seen = os.replace, 0
def replace(a, b, **more):
    global seen
    seen += {place!r} in str(b)
    if seen == {count}:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(a, b, **more)
os.replace = replace
from ibgap.cli.command_line import main
main(["refresh"])
"""
STEPS = {
    "a journey": ("/store/", 1),
    "a table": ("/store/tables/", 3),
    "the switch": ("/current", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_while_refreshing(copy_of_small: Home, step: str) -> None:
    home = copy_of_small
    old = (home.releases / CURRENT).resolve()
    changed = effects_trial().but("1.80,0.90,3.60", "1.70,0.90,3.20", "printed.csv")
    (home.trials / "effects_trial" / "printed.csv").write_text(str(changed.files["printed.csv"]))
    place, count = STEPS[step]
    killed = home.process("-c", REFRESH.format(place=place, count=count), IBGAP_WORK_WORKERS="0")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (home.releases / CURRENT).resolve() == old
    assert home.command("gap").exit_code == exits.OK
    again = home.process("-c", REFRESH.format(place="nowhere", count=1))
    assert again.returncode == exits.OK, again.stderr
    assert "new release" in again.stdout
    new = (home.releases / CURRENT).resolve()
    assert new != old and verify_release(new).is_whole
    assert not list(home.store.rglob(".writing-*"))
    found = verify_folder(home.releases)
    assert not found.faults and not found.left
