"""Runs one command and writes what it cost as JSON: `measure.py OUT COMMAND ...`.

It is a process of its own, without any package: the system gives a new process the peak memory of
the one that started it as a lower bound, so the starter has to be small. On Linux it adopts what
the command leaves behind (a server of forked processes, say) and waits for it, so that nobody's
work is lost, and looks at the memory of all of them together.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

_EVERY = 0.1
"""Seconds between two looks at the memory."""
_PATIENCE = 20.0
"""Seconds by the clock after which what the command left behind is ended."""
_SUBREAPER = 36


def main() -> None:
    out, command = sys.argv[1], sys.argv[2:]
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    together, done = [0.0], threading.Event()
    watch = threading.Thread(target=_watch, args=(together, done))
    start = time.perf_counter()
    process = subprocess.Popen(command)
    watch.start()
    _, status = os.waitpid(process.pid, 0)
    clock = time.perf_counter() - start
    _wait_for_the_rest()
    done.set()
    watch.join()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory = usage.ru_maxrss / 1024.0
    cost = {
        "processor": usage.ru_utime + usage.ru_stime,
        "clock": clock,
        "memory": memory,
        "together": max(together[0], memory),
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(out, "w") as handle:  # noqa: PTH123 (pathlib would be the largest import)
        json.dump(cost, handle)


def _wait_for_the_rest() -> None:
    """Wait for adopted processes; end those that stay."""
    until = time.perf_counter() + _PATIENCE
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.perf_counter() > until:
                for left in _below(os.getpid()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(left, signal.SIGKILL)
            time.sleep(0.01)


def _watch(together: list[float], done: threading.Event) -> None:
    """Keep the most memory seen. What is shared takes long to tell apart, so that is done only
    where the sum with shared parts counted several times has grown."""
    highest = 0.0
    while not done.wait(_EVERY):
        tree = _below(os.getpid())
        resident = sum(map(_resident, tree))
        if resident > 1.02 * highest:
            highest = resident
            together[0] = max(together[0], sum(map(_megabytes, tree)))


def _below(pid: int) -> list[int]:
    """The processes that descend from one."""
    out = []
    for task in _read(f"/proc/{pid}/task/{pid}/children").split():
        out += [int(task), *_below(int(task))]
    return out


def _resident(pid: int) -> float:
    """Memory of a process in pages, with what it shares."""
    return float((_read(f"/proc/{pid}/statm").split() or ["0", "0"])[1])


def _megabytes(pid: int) -> float:
    """Memory of a process; what several share counts once among them."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1]) / 1024.0
    return 0.0


def _read(path: str) -> str:
    try:
        with open(path) as handle:  # noqa: PTH123
            return handle.read()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
