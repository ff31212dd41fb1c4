"""What goes wrong behind the fence ends in a finding that says where the work stood."""

from __future__ import annotations

import errno

import pytest

from assets.fence import UNFORESEEN, Broken, doing, fenced
from ibgap.base.machine import MACHINE
from validations.findings import Severity


def _fail(error: Exception) -> None:
    raise error


def test_what_works_comes_back() -> None:
    assert fenced("t", lambda: 3) == 3


def test_an_unforeseen_error_is_told_with_step_file_and_outcome() -> None:
    def work() -> None:
        with doing("reading the file", file="a.csv"), doing(outcome="visit"):
            _fail(KeyError("secret answer"))

    broken = fenced("trial_x", work)
    assert isinstance(broken, Broken) and not broken.by_machine
    finding = broken.finding
    assert (finding.trial_id, finding.rule_id, finding.severity, finding.file) == (
        "trial_x", UNFORESEEN, Severity.ERROR, "a.csv",
    )  # fmt: skip
    assert "while reading the file of visit" in finding.message and "KeyError" in finding.message
    assert "secret answer" not in finding.text() and "secret answer" in broken.trace
    assert "traces/trial_x.txt" in finding.fix


def test_the_innermost_names_win_and_outer_ones_fill_the_rest() -> None:
    def work() -> None:
        with doing("outer step", file="outer.csv"), doing("inner step", outcome="o"):
            _fail(ValueError())

    broken = fenced("t", work)
    assert isinstance(broken, Broken)
    assert "while inner step of o" in broken.finding.message
    assert broken.finding.file == "outer.csv"


def test_a_place_is_not_carried_to_the_next_error() -> None:
    with pytest.raises(ValueError), doing("first"):
        raise ValueError
    broken = fenced("t", lambda: _fail(ValueError()))
    assert isinstance(broken, Broken) and "while working on the trial" in broken.finding.message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "memory ran out"),
        (OSError(errno.ENOSPC, "x"), "the disk is full"),
        (OSError(errno.EMFILE, "x"), "too many open files"),
    ],
)
def test_faults_of_the_machine_are_told_as_what_they_are(error: Exception, words: str) -> None:
    broken = fenced("t", lambda: _fail(error))
    assert isinstance(broken, Broken) and broken.by_machine
    assert broken.finding.rule_id == MACHINE and broken.trace == ""
    assert words in broken.finding.message and "nothing about the trial" in broken.finding.message


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_is_no_fault_of_a_trial(error: type[BaseException]) -> None:
    def work() -> None:
        raise error

    with pytest.raises(error):
        fenced("t", work)
