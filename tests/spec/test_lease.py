"""A folder has one writer at a time, and a lease ends with the process that held it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ibgap.base.lease import BusyError, Lease
from tests.conftest import ROOT

HOLD = """
import sys
from pathlib import Path
from ibgap.base.lease import Lease
Lease(Path(sys.argv[1])).take("theirs")
print("taken", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease until it is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "taken\n"
        yield process
        process.kill()


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    return Lease(tmp_path / "store" / ".lock")


def test_a_run_takes_it_once_and_gives_it_back(lease: Lease) -> None:
    assert lease.take("mine") is True and lease.take("mine") is False
    with pytest.raises(BusyError, match=f"process {os.getpid()}") as told:
        lease.take("theirs")
    assert "wait for it to end" in str(told.value) and "machine" not in str(told.value)
    lease.give_back("theirs")
    with pytest.raises(BusyError):
        lease.take("theirs")
    lease.give_back("mine")
    assert lease.take("theirs") is True


def test_giving_back_what_nobody_took(lease: Lease) -> None:
    lease.give_back("mine")
    assert not lease.path.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_process(lease: Lease, how: signal.Signals) -> None:
    with holder(lease.path) as process:
        with pytest.raises(BusyError, match=f"process {process.pid}"):
            lease.take("mine")
        process.send_signal(how)
        process.wait()
        assert lease.take("mine") is True


def test_a_process_that_only_waits_to_be_forgotten_holds_nothing(lease: Lease) -> None:
    with holder(lease.path) as process:
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert lease.take("mine") is True


def test_another_process_with_the_same_number_is_not_the_holder(lease: Lease) -> None:
    lease.take("theirs")
    data = json.loads(lease.path.read_text())
    lease.path.write_text(json.dumps(data | {"born": "1"}))
    assert lease.take("mine") is True


def test_parts_of_a_run_share_it_whatever_their_processes(lease: Lease) -> None:
    with holder(lease.path):
        assert lease.take("theirs") is False
        lease.give_back("theirs")
        assert lease.take("mine") is True


def test_a_run_may_live_in_another_process_than_the_one_that_takes_it(lease: Lease) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as parent:
        assert lease.take("theirs", parent.pid)
        with pytest.raises(BusyError, match=f"process {parent.pid}"):
            lease.take("mine")
        parent.kill()
        parent.wait()
        assert lease.take("mine") is True


@pytest.mark.parametrize(
    "garbage",
    [b"", b"12345", b"{", b"[1, 2]", b'{"run": "x"}', b"\xff\xfe\x00", b'"text"', b"null",
     b'{"run": "x", "host": "h", "process": 1, "born": "1", "more": 2}'],
)  # fmt: skip
def test_garbage_holds_nothing(lease: Lease, garbage: bytes) -> None:
    lease.path.parent.mkdir()
    lease.path.write_bytes(garbage)
    assert lease.take("mine") is True and lease.take("mine") is False


def test_another_machine_cannot_be_asked(lease: Lease) -> None:
    lease.take("theirs")
    data = json.loads(lease.path.read_text())
    assert data["host"] == socket.gethostname()
    lease.path.write_text(json.dumps(data | {"host": "elsewhere", "born": "1"}))
    with pytest.raises(BusyError, match="on elsewhere") as told:
        lease.take("mine")
    assert f"delete {lease.path.name}" in str(told.value)
    lease.path.unlink()
    assert lease.take("mine") is True


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Lease(tmp_path / "file" / ".lock").take("mine")
