"""What a process cost is what it did, with its children, and not what it waited for."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers, timing
from benchmarks.processes import best_cost, run, run_code

BURN = """
import time
while time.process_time() < 0.4:
    pass
"""
BURN_IN_A_CHILD = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
"""
BURN_IN_WHAT_STAYS_BEHIND = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {BURN!r}], start_new_session=True)
"""
HOLD = "held = bytearray(b'x') * 100_000_000; print('holding', flush=True); input()"
HOLD_TWICE = f"""
import subprocess, sys, time
pipes = {{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}}
both = [subprocess.Popen([sys.executable, "-c", {HOLD!r}], **pipes) for _ in range(2)]
for one in both:
    one.stdout.readline()
time.sleep(1.5)
for one in both:
    one.communicate(b"\\n")
"""
WAIT = "import time; time.sleep(0.6)"
BENCHMARKS = Path(timing.__file__).parent


@pytest.mark.parametrize(
    "code",
    [BURN, BURN_IN_A_CHILD, BURN_IN_WHAT_STAYS_BEHIND],
    ids=["child", "grandchild", "left behind"],
)
def test_work_of_a_process_and_of_its_children_is_counted(code: str) -> None:
    assert run_code(code).processor >= 0.4


def test_waiting_is_not_counted() -> None:
    cost = run_code(WAIT)
    assert cost.clock >= 0.6 and cost.processor < 0.4


def test_peak_memory_is_that_of_the_process_not_of_the_one_that_starts_it() -> None:
    mine = np.ones(40_000_000)  # 320 MB in this process
    assert run_code("held = bytearray(b'x') * 200_000_000").memory > 190
    assert run_code("pass").memory < mine.nbytes / 1e6 / 2


def test_memory_of_processes_at_one_time_is_added_up() -> None:
    cost = run_code(HOLD_TWICE)
    assert cost.memory < 190 < cost.together


def test_what_it_printed_comes_back_and_an_unexpected_end_is_told() -> None:
    assert run([sys.executable, "-c", "print('said')"])[1] == "said\n"
    with pytest.raises(RuntimeError, match="ended with code 3"):
        run_code("raise SystemExit(3)")
    run_code("raise SystemExit(4)", expected=(0, 4))


def test_settings_of_the_person_who_measures_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBGAP_LEVEL", "0.9")
    code = "import os; print(os.environ.get('IBGAP_LEVEL'), os.environ.get('IBGAP_HOME'))"
    assert run([sys.executable, "-c", code], IBGAP_HOME="here")[1] == "None here\n"


def test_the_best_of_several_runs_counts(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
seen = pathlib.Path({str(tmp_path / "seen")!r})
least = 0.0 if seen.exists() else 0.5
seen.touch()
while time.process_time() < least:
    pass
"""
    assert best_cost([sys.executable, "-c", code], repeats=2).processor < 0.5


class Clock:
    """A clock that calls move on: the first ones are slow, as before compilers and caches."""

    def __init__(self, slow: list[float], steady: float) -> None:
        self.slow, self.steady, self.now, self.calls = list(slow), steady, 0.0, 0

    def run(self) -> None:
        self.now += self.slow.pop(0) if self.slow else self.steady
        self.calls += 1

    def __call__(self) -> float:
        return self.now


def test_slow_first_calls_do_not_count() -> None:
    clock = Clock([5.0, 0.4, 0.3], 0.25)
    assert timing.steady(clock.run, clock) == pytest.approx(0.25)


def test_short_calls_are_timed_many_at_once() -> None:
    clock = Clock([0.01] * 20, 0.001)
    assert timing.steady(clock.run, clock) == pytest.approx(0.001)
    assert clock.calls > 5 * timing.SAMPLE / 0.001


def test_a_long_call_is_repeated_once() -> None:
    clock = Clock([60.0], 50.0)
    assert timing.steady(clock.run, clock) == pytest.approx(50.0)
    assert clock.calls == 2


def test_r_repeats_as_python_does() -> None:
    """The same samples, budget and rule when it is steady, for everybody."""
    text = (BENCHMARKS / "steady.R").read_text(encoding="utf-8")
    signature = re.search(r"steady <- function\(run, (.*)\)", text)
    assert signature is not None
    given = dict(part.split(" = ") for part in signature.group(1).split(", "))
    assert {name: float(value) for name, value in given.items()} == {
        "sample": timing.SAMPLE, "budget": timing.BUDGET, "most": timing.MOST_SAMPLES,
        "enough": timing.ENOUGH, "better": timing.BETTER,
    }  # fmt: skip
    assert '"user.self", "sys.self"' in text and "Sys.time" not in text


def test_a_peer_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert peers.metafor("one", y=np.ones(3), v=np.ones(3)) == []
    assert peers.metafor("no such task") == []


def test_a_peer_of_python_is_timed_in_its_own_process() -> None:
    found = dict(peers.python_peers("one", y=np.array([0.1, 0.3, 0.5]), v=np.full(3, 0.1)))
    assert found["statsmodels (PM)"] > 0
