"""The job with a process for every step: the same release, one run at a time, and none that a
killed run leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.dagster_dev import prepare_home

from .conftest import EPOCH, FOUR, Home

pytestmark = pytest.mark.slow


@pytest.fixture
def apart(make_home: Callable[..., Home]) -> Home:
    home = make_home(*FOUR)
    prepare_home(home.root / "dagster")
    return home


@contextmanager
def started_job(home: Home, name: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The job as Dagster's own command starts it, and where its messages go."""
    told = home.root / f"{name}.log"
    environment = home.environment(
        DAGSTER_HOME=str(home.root / "dagster"), IBGAP_EXECUTOR="multiprocess",
        SOURCE_DATE_EPOCH=EPOCH,
    )  # fmt: skip
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pipelines.definitions",
               "-j", "refresh"]  # fmt: skip
    with told.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=home.root, env=environment, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield process, told
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(what: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> None:
    for _ in range(1200):
        if what():
            return
        assert process is None or process.poll() is None, "the process ended before"
        time.sleep(0.1)
    pytest.fail("it did not happen in two minutes")


def _holder(home: Home) -> int:
    """Process that the store is leased to; 0 for none."""
    lease = home.store / ".lock"
    return int(json.loads(lease.read_text() or "{}").get("process", 0)) if lease.exists() else 0


def _below(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def _errors(told: Path) -> list[str]:
    """Lines of a log that name an error."""
    return [line for line in told.read_text().splitlines() if "Error" in line]


def _is_there(process: str) -> bool:
    stat = Path(f"/proc/{process}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_steps_in_processes_of_their_own(apart: Home, small: Home) -> None:
    with started_job(apart, "killed") as (process, _):
        _wait_for(lambda: _holder(apart) == process.pid, process)
        with started_job(apart, "refused") as (other, told):
            assert other.wait() != 0
            assert f"another refresh is running on this store (process {process.pid})" in (
                told.read_text()
            )
        assert process.poll() is None and _holder(apart) == process.pid
        steps = _below(process.pid)
        process.kill()
        process.wait()
        _wait_for(lambda: not any(map(_is_there, steps)))
    assert not (apart.releases / "current").exists()
    with started_job(apart, "next") as (process, told):
        assert process.wait() == 0, _errors(told)
    ours, theirs = (home.releases / "current" for home in (apart, small))
    assert ours.resolve().name == theirs.resolve().name
    for path in sorted((theirs / "tables").iterdir()):
        assert (ours / "tables" / path.name).read_bytes() == path.read_bytes(), path.name
    assert not [p for p in (apart.root / "dagster").rglob("*")
                if p.name in (".telemetry", "event.log")]  # fmt: skip
