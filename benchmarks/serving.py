"""The dashboard as a process of its own: start it, ask it, weigh its memory, load it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

HOST = "127.0.0.1"
_ROOT = Path(__file__).parents[1]
_SERVE = (
    "import pathlib, sys; from dashboard.app import serve; "
    "serve(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
)
_LONGEST_START = 60.0
_HEADERS = {"Accept-Encoding": "gzip"}


class Server:
    """A dashboard on a free port of this machine while a `with` block lasts."""

    def __init__(self, releases: Path) -> None:
        self.releases = releases
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(self.releases), str(self.port)],
            cwd=_ROOT, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        started = time.perf_counter()
        try:
            while not self._answers():
                late = time.perf_counter() - started > _LONGEST_START
                if late or self._process.poll() is not None:
                    raise RuntimeError(f"the dashboard does not start on {self.url}")
                time.sleep(0.002)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._stop()

    def _answers(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _stop(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def memory(self) -> float:
        """MB of memory that only this server and its own processes use."""
        total = 0
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                if os.getpgid(int(folder.name)) == self._process.pid:
                    total += _private((folder / "smaps_rollup").read_text())
            except OSError:
                continue
        return total * 1024 / 1e6


def _private(text: str) -> int:
    """kB of all Private_ lines."""
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))


class Reader:
    """One reader with a connection of its own and no cookie."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=60)

    def get(self, path: str) -> bytes:
        """The body as it was sent, compressed. Anything but 200 is an error."""
        try:
            answer = self._ask(path)
        except ConnectionError:  # the server closes connections that were idle for seconds
            self._connection.close()
            answer = self._ask(path)
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        return body

    def _ask(self, path: str) -> http.client.HTTPResponse:
        self._connection.request("GET", path, headers=_HEADERS)
        return self._connection.getresponse()

    def timed(self, path: str) -> float:
        start = time.perf_counter()
        self.get(path)
        return time.perf_counter() - start

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def reader(server: Server) -> Iterator[Reader]:
    one = Reader(server)
    try:
        yield one
    finally:
        one.close()


@dataclass
class Load:
    """What readers at once saw: seconds of each answer, and how many were no 200."""

    seconds: float
    times: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def per_second(self) -> float:
        return len(self.times) / self.seconds


def load(server: Server, readers: int, seconds: float, next_path: Callable[[], str]) -> Load:
    """Readers that each ask again as soon as they are answered; time counts to the last answer."""
    return asyncio.run(_load(server, readers, seconds, next_path))


async def _load(server: Server, readers: int, seconds: float, next_path: Callable[[], str]) -> Load:
    found = Load(seconds)
    start = time.perf_counter()

    async def read_on() -> None:
        incoming, outgoing = await asyncio.open_connection(HOST, server.port)
        try:
            while time.perf_counter() - start < seconds:
                asked = time.perf_counter()
                status = await _ask(incoming, outgoing, next_path())
                found.times.append(time.perf_counter() - asked)
                found.errors += status != 200
        except (OSError, asyncio.IncompleteReadError):
            found.errors += 1
        finally:
            outgoing.close()

    await asyncio.gather(*(read_on() for _ in range(readers)))
    found.seconds = time.perf_counter() - start
    return found


async def _ask(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter, path: str) -> int:
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\n\r\n"
    outgoing.write(request.encode())
    head = (await incoming.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(
        int(line.partition(":")[2]) for line in head.split("\r\n") if "content-length:" in line
    )
    await incoming.readexactly(length)
    return int(head.split(" ", 2)[1])
