"""How a call is timed: processor seconds of one call, once repeating makes it no faster.

Everybody is timed alike: packages of Python by `steady`, in their own process, and R by
`steady.R`, which does the same. Standard library only, so that any interpreter can import it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SAMPLE = 0.2
"""Least processor seconds of a sample; a sample of a short call is many calls."""
BUDGET = 20.0
"""Processor seconds after which no new sample is begun."""
MOST_SAMPLES, ENOUGH = 25, 4
"""Samples at most; and how many in a row that are no faster mean that it is steady."""
BETTER = 0.99


def steady(run: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Processor seconds (user and system) of one call: the best of several samples.

    The number of calls in a sample is doubled until the sample is long enough, which warms up
    caches and compilers. Then samples follow until `ENOUGH` of them in a row are not 1 % faster.
    """

    def timed(calls: int) -> float:
        start = clock()
        for _ in range(calls):
            run()
        return clock() - start

    begun = time.perf_counter()
    calls, spent = 1, 0.0
    while (took := timed(calls)) < SAMPLE and time.perf_counter() - begun < BUDGET:
        spent += took
        calls *= 2
    spent += took
    best, samples, unbettered = took / calls, 1, 0
    while samples < 2 or (unbettered < ENOUGH and samples < MOST_SAMPLES and spent + took < BUDGET):
        took = timed(calls)
        spent += took
        samples += 1
        unbettered = 0 if took / calls < BETTER * best else unbettered + 1
        best = min(best, took / calls)
    return best


def text(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"
