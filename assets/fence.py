"""The one fence around a trial: what goes wrong behind it ends in a finding of that trial.

Work behind the fence says what it is doing (`doing`), so that also an error that nobody foresaw
is told with step, file and outcome. A fault of the machine (memory, disk) is told as what it is.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from ibgap.base.machine import MACHINE, OUT_OF_MEMORY, is_machine_fault, machine_fault_in_words
from validations.findings import Finding, Severity

UNFORESEEN = "unforeseen_error"
TRACES = "traces"
"""Folder of the restricted store that keeps the traces of unforeseen errors."""


def trace_file(trial: str) -> str:
    """Where the restricted store keeps the trace of a trial's unforeseen error."""
    return f"{TRACES}/{trial.replace('/', '_')}.txt"


_PLACE = "_ibgap_place"
Made = TypeVar("Made")


@dataclass(frozen=True)
class Place:
    """Where work stood: the step in words ("computing effects"), file and outcome if known."""

    step: str = ""
    file: str = ""
    outcome: str = ""

    def within(self, outer: Place) -> Place:
        """This place, with what it does not say taken from the place around it."""
        return Place(
            self.step or outer.step, self.file or outer.file, self.outcome or outer.outcome
        )


@contextmanager
def doing(step: str = "", *, file: str = "", outcome: str = "") -> Iterator[None]:
    """Name what is being done; an error that leaves the block carries the innermost names."""
    try:
        yield
    except Exception as error:
        here = getattr(error, _PLACE, Place()).within(Place(step, file, outcome))
        setattr(error, _PLACE, here)
        raise


@dataclass(frozen=True)
class Broken:
    """Work that broke off: the finding that says so, the trace (restricted: it may hold values of
    participants; empty for a fault of the machine), whether the machine was at fault, and whether
    its memory was."""

    finding: Finding
    trace: str = ""
    by_machine: bool = False
    out_of_memory: bool = False


def fenced(trial: str, work: Callable[[], Made]) -> Made | Broken:
    """The result of the work, or why there is none; nothing that is an `Exception` gets out."""
    try:
        return work()
    except Exception as error:
        place: Place = getattr(error, _PLACE, Place())
        if is_machine_fault(error):
            words = machine_fault_in_words(error)
            return Broken(_of_the_machine(trial, place, words), "", True, words == OUT_OF_MEMORY)
        return Broken(_unforeseen(trial, place, type(error).__name__), traceback.format_exc())


def _while(place: Place) -> str:
    about = f" of {place.outcome}" if place.outcome else ""
    return f"while {place.step or 'working on the trial'}{about}"


def _unforeseen(trial: str, place: Place, name: str) -> Finding:
    part = f"the outcome {place.outcome}" if place.outcome else "the part named here"
    return Finding(
        trial,
        UNFORESEEN,
        Severity.ERROR,
        f"{_while(place)}, an error came up that nobody foresaw ({name}); nothing of the trial is "
        "used, the other trials go on",
        f"leave out {part} to use the rest, and report the error with its trace, which the "
        f"restricted store keeps as {trace_file(trial)} (it may hold answers of participants)",
        place.file,
    )


def _of_the_machine(trial: str, place: Place, what: str) -> Finding:
    return Finding(
        trial,
        MACHINE,
        Severity.ERROR,
        f"{_while(place)}, {what}; that is a fault of the machine and says nothing about the trial",
        "make room, then run `ibgap refresh` again: the trial is read anew, nothing of this is "
        "remembered",
        place.file,
    )
