"""A folder has one writer at a time: a lease that ends with the process it was given to.

The lease is a small file that names a run and the process it lives in. Parts of one run, in
whatever processes, share it; another run gets it once that process is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO


class BusyError(Exception):
    """Somebody else holds the lease; the text says who and what to do."""


@dataclass(frozen=True)
class _Holder:
    """A run and the process that it lives and dies with. born: when that process began, in ticks
    since the machine did, so that another process with its number is not taken for it."""

    run: str
    host: str
    process: int
    born: str

    @property
    def lives(self) -> bool:
        """Whether the process is there; one of another machine cannot be asked."""
        return self.host != socket.gethostname() or self.born == _born(self.process) != ""


@dataclass(frozen=True)
class Lease:
    """The lease of one folder. path: of its file."""

    path: Path

    def take(self, run: str, process: int | None = None) -> bool:
        """Take the lease for a run; returns whether it did not have it before.

        process: number of the process that the run lives in, by default this one. Raises
        `BusyError` while another run has it, and `OSError` where the file cannot be written.
        """
        number = process or os.getpid()
        own = _Holder(run, socket.gethostname(), number, _born(number))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._opened() as file:
            holder = _read(file)
            if holder is not None and holder.lives:
                if holder.run == run:
                    return False
                raise BusyError(self._busy(holder))
            _write(file, asdict(own))
        return True

    def give_back(self, run: str) -> None:
        """End the lease of a run, if it has it."""
        if not self.path.exists():
            return
        with self._opened() as file:
            holder = _read(file)
            if holder is not None and holder.run == run:
                _write(file, {})

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        """The file, which nobody else reads or writes meanwhile."""
        with self.path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file

    def _busy(self, holder: _Holder) -> str:
        here = holder.host == socket.gethostname()
        where = f"process {holder.process}" + ("" if here else f" on {holder.host}")
        more = "" if here else f" (if that machine is gone, delete {self.path.name} in it)"
        return f"another refresh is running on this store ({where}); wait for it to end{more}"


def _read(file: TextIO) -> _Holder | None:
    """Who holds the lease; None for nobody, or where that cannot be read."""
    try:
        data: Any = json.loads(file.read() or "{}")
        return _Holder(**data) if data else None
    except (ValueError, TypeError):
        return None


def _write(file: TextIO, data: dict[str, Any]) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(data))
    file.flush()
    os.fsync(file.fileno())


def _born(process: int) -> str:
    """When a process began; empty for one that is not there, or only waits to be forgotten."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _asked(process) if not Path("/proc/self/stat").exists() else ""
    return "" if fields[0] in "ZX" else fields[19]


def _asked(process: int) -> str:
    """The same where the system keeps no list of processes as files."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "there"
    return "there"
