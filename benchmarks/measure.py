"""Runs one command and writes what it cost as JSON: `measure.py OUT COMMAND ...`.

It is a process of its own, without any package: the system gives a new process the peak memory of
the one that started it as a lower bound, so the starter has to be small.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    out, command = sys.argv[1], sys.argv[2:]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    cost = {
        "processor": usage.ru_utime + usage.ru_stime,
        "clock": time.perf_counter() - start,
        "memory": usage.ru_maxrss / 1024.0,
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(out, "w") as handle:  # noqa: PTH123 (pathlib would be the largest import)
        json.dump(cost, handle)


if __name__ == "__main__":
    main()
