"""How much of the machine the journeys of trials may use, as one value."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class WorkLimits:
    """How much of the machine the journeys of trials may use.

    workers: processes at once; by default one per core, 0 for none: the work is then done in the
    process that asks for it, without limits. megabytes: memory of one worker. minutes: time for
    one trial, and for judging the rows of a batch.
    """

    workers: int | None = None
    megabytes: int = 4096
    minutes: float = 30.0

    @property
    def processes(self) -> int:
        return len(os.sched_getaffinity(0)) if self.workers is None else self.workers
