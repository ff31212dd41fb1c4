"""Work on many trials in processes of their own, so that one trial can neither use up the machine
nor take the others with it.

A worker gets a batch of names and says which it begins and which are done. One that dies, takes
too long or runs out of memory is replaced: the trial it was at is tried once more by itself, the
rest of its batch goes on. What fails by itself too is given up and told.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from assets.journey.work_limits import WorkLimits
from ibgap.base.machine import OUT_OF_MEMORY, MachineFaultError, machine_fault_in_words

MOST_IN_A_BATCH = 200
_HEAVY = ("assets.journey.make", "great_expectations", "pingouin")
"""What every worker needs is imported once, before the workers part."""


@dataclass(frozen=True)
class Begun:
    """A worker turns to this name; to the whole batch where there is none."""

    name: str = ""


@dataclass(frozen=True)
class Done:
    """Work on a name is done. short: whether it ended for want of memory."""

    name: str
    made: Any
    short: bool = False


@dataclass(frozen=True)
class GivenUp:
    """A name that failed by itself, and how."""

    name: str
    reason: str


Tell = Callable[[Begun | Done], None]
Work = Callable[[Sequence[str], Tell], None]
"""Does the work on a batch of names; what it is called with must be picklable."""


def in_workers(names: Sequence[str], work: Work, limits: WorkLimits) -> Iterator[Done | GivenUp]:
    """The result of every name, in the order in which they come.

    Raises `MachineFaultError` where no process can be started or a disk fails.
    """
    if not names:
        return
    if not limits.processes:
        yield from _here(names, work)
        return
    team = _Team(work, limits, _batches(names, limits.processes))
    try:
        yield from team.results()
    finally:
        team.end()


def _here(names: Sequence[str], work: Work) -> Iterator[Done | GivenUp]:
    told: list[Begun | Done] = []
    work(names, told.append)
    yield from (one for one in told if isinstance(one, Done))


def _batches(names: Sequence[str], workers: int) -> deque[list[str]]:
    """Batches of neighbors, about two for each worker."""
    size = min(MOST_IN_A_BATCH, max(1, -(-len(names) // (2 * workers))))
    return deque(list(names[i : i + size]) for i in range(0, len(names), size))


@dataclass
class _Worker:
    """A process, the batch it has, what of it is left, and what it is at since when."""

    process: Any
    line: Connection
    left: list[str] = field(default_factory=list)
    alone: bool = False
    at: str = ""
    since: float = field(default_factory=time.monotonic)


class _Team:
    """Workers and the batches that wait for them."""

    def __init__(self, work: Work, limits: WorkLimits, waiting: deque[list[str]]) -> None:
        self._work, self._limits, self._waiting = work, limits, waiting
        self._again: set[str] = set()
        self._workers: list[_Worker] = []
        self._context: Any = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(_HEAVY))

    def results(self) -> Iterator[Done | GivenUp]:
        while self._waiting or self._workers:
            while self._waiting and len(self._workers) < self._limits.processes:
                self._start()
            ready = wait([w.line for w in self._workers], timeout=self._patience())
            for worker in [w for w in self._workers if w.line in ready]:
                yield from self._hear(worker)
            for worker in [w for w in self._workers if self._late(w)]:
                yield from self._lost(worker, f"took more than {self._limits.minutes:g} minutes")

    def end(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()

    def _start(self) -> None:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._work, self._limits.megabytes), daemon=True
        )
        try:
            process.start()
        except OSError as error:
            words = machine_fault_in_words(error) or "no further process could be started"
            raise MachineFaultError(f"while starting a worker, {words}") from None
        theirs.close()
        worker = _Worker(process, mine)
        self._workers.append(worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """The next batch, or the end of work."""
        batch = self._waiting.popleft() if self._waiting else []
        worker.left, worker.alone = list(batch), len(batch) == 1
        worker.at, worker.since = "", time.monotonic()
        with suppress(OSError):  # one that is dead is noticed when it is heard
            worker.line.send(batch)
        if not batch:
            self._workers.remove(worker)
            worker.process.join()

    def _patience(self) -> float:
        """Seconds until somebody may be late."""
        ends = [worker.since + 60.0 * self._limits.minutes for worker in self._workers]
        return max(0.0, min(ends) - time.monotonic()) + 0.05

    def _late(self, worker: _Worker) -> bool:
        return time.monotonic() - worker.since > 60.0 * self._limits.minutes

    def _hear(self, worker: _Worker) -> Iterator[Done | GivenUp]:
        try:
            told = worker.line.recv()
        except (EOFError, OSError):
            yield from self._lost(worker, "its process was ended from outside or ran out of memory")
            return
        worker.since = time.monotonic()
        if isinstance(told, Begun):
            worker.at = told.name
        elif isinstance(told, Done):
            worker.left.remove(told.name)
            if told.short:
                yield from self._once_more(told.name, worker.alone, OUT_OF_MEMORY)
            else:
                yield told
        elif isinstance(told, _Fault):
            raise MachineFaultError(told.words) if told.words else WorkerError(told.kind)
        else:
            self._give(worker)

    def _lost(self, worker: _Worker, reason: str) -> Iterator[Done | GivenUp]:
        """Replace a worker; what it was at is tried by itself, the rest of its batch again."""
        self._workers.remove(worker)
        worker.process.kill()
        worker.process.join()
        suspect = [worker.at] if worker.at in worker.left else worker.left
        rest = [name for name in worker.left if name not in suspect]
        if len(suspect) > 1:  # lost while it looked at the batch as a whole
            half = len(suspect) // 2
            self._waiting.extendleft([suspect[half:], suspect[:half]])
        for name in suspect if len(suspect) == 1 else ():
            yield from self._once_more(name, worker.alone, reason)
        if rest:
            self._waiting.appendleft(rest)

    def _once_more(self, name: str, alone: bool, reason: str) -> Iterator[GivenUp]:
        if alone and name in self._again:
            yield GivenUp(name, reason)
        else:
            self._again.add(name)
            self._waiting.append([name])


class WorkerError(Exception):
    """Work failed in a way nobody foresaw; the text names the class of the error only."""


@dataclass(frozen=True)
class _Fault:
    kind: str
    words: str


def _serve(line: Connection, work: Work, megabytes: int) -> None:
    """The life of a worker: batch after batch, until an empty one comes or nobody listens."""
    import resource

    limit = megabytes * 2**20
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or limit < most:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while batch := line.recv():
            try:
                work(batch, line.send)
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                line.send(_Fault(type(error).__name__, machine_fault_in_words(error)))
                return
            line.send(None)
