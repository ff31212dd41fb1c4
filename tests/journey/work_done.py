"""Work for tests of the workers: what a name asks for is what happens to it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.journey.workers import Begun, Done, Tell
from ibgap.base.machine import MachineFaultError


@dataclass(frozen=True)
class AsTheNameSays:
    """Every name is done, but for those that ask for something else.

    notes: folder in which every attempt is noted. `killed...`: the process dies at it,
    `killed_once` only the first time. `short...`: ends for want of memory. `slow...`: never ends.
    `odd...`: an error nobody foresaw. `full...`: a disk fails. `whole...`: the process dies when
    all names of a batch are there that holds it and another one, at none of them.
    """

    notes: Path

    def __call__(self, names: Sequence[str], tell: Tell) -> None:
        for name in names:
            tell(Begun(name))
            first = self._note(name, names)
            if name.startswith("killed") and (first or not name.endswith("_once")):
                os.kill(os.getpid(), signal.SIGKILL)
            if name.startswith("slow"):
                time.sleep(600)
            if name.startswith("odd"):
                raise ZeroDivisionError("answer 7 of person P001")
            if name.startswith("full"):
                raise MachineFaultError("the disk is full") from OSError(28, "no space")
            if name.startswith("short"):
                once_is_over = name.endswith("_once") and not first
                tell(Done(name, "made" if once_is_over else "broken", short=not once_is_over))
            elif not name.startswith("whole"):
                tell(Done(name, f"made {name}"))
        tell(Begun())
        for name in names:
            if name.startswith("whole"):
                if len(names) > 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                tell(Done(name, f"made {name}"))

    def _note(self, name: str, names: Sequence[str]) -> bool:
        """Note an attempt; whether it is the first one."""
        path = self.notes / name
        first = not path.exists()
        with path.open("a") as file:
            file.write(f"{len(names)}\n")
        return first

    def attempts(self, name: str) -> list[int]:
        """How many names the batch of each attempt had."""
        return [int(line) for line in (self.notes / name).read_text().split()]


@dataclass(frozen=True)
class ByMemory:
    """A name is the number of megabytes it needs."""

    def __call__(self, names: Sequence[str], tell: Tell) -> None:
        for name in names:
            tell(Begun(name))
            try:
                size = len(bytearray(int(name) * 2**20))
            except MemoryError:
                tell(Done(name, None, short=True))
            else:
                tell(Done(name, size))
