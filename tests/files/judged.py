"""What holds of the journey of any mutant: it ends in time, and nothing changes without a word."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_journey import Journey, trial_journey
from tests.files.cases import Case
from tests.files.kinds import DAMAGES, KEEPS, REORDERS, Mutant
from validations.findings import Severity

MOST_SECONDS, MOST_BYTES = 20.0, 1 << 30
NEVER = {"unforeseen_error", "machine_fault", "judges_disagree", "file_too_slow"}
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Run:
    """A journey, its CPU seconds, and the bytes by which memory grew at most."""

    journey: Journey
    seconds: float
    grew: int


def run(case: Case) -> Run:
    with tempfile.TemporaryDirectory() as room:
        folder = case.write(Path(room))
        before = _reset_peak()
        started = time.process_time()
        journey = trial_journey(folder, AnalysisSettings(), checks=False)
        seconds = time.process_time() - started
        return Run(journey, seconds, _memory("VmHWM") - before)


def _reset_peak() -> int:
    """Begin to look at the peak of memory anew (on Linux; elsewhere it is not looked at)."""
    if _RESET.exists():
        _RESET.write_text("5")
    return _memory("VmRSS")


def _memory(what: str) -> int:
    if not _STATUS.exists():
        return 0
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


def effects(journey: Journey, digits: int = 17) -> Counter[tuple[str, ...]]:
    """What each effect is of, with its numbers to so many digits (17: all); ids may count rows."""
    table = journey.tables.get("effects")
    if table is None:
        return Counter()
    return Counter(
        (
            *(str(row[name]) for name in ("trial_id", "comparison_id", "outcome_id", "measure")),
            *(f"{float(row[name]):.{digits - 1}e}" for name in ("yi", "vi", "n1", "n2")),
        )
        for row in table.to_dict("records")
    )


def told(journey: Journey) -> Counter[str]:
    """Findings that are more than notes, by rule."""
    return Counter(f.rule_id for f in journey.findings if f.severity is not Severity.INFO)


@cache
def unchanged(case: Case) -> Journey:
    return run(case).journey


def wrong(mutant: Mutant) -> tuple[list[str], Run]:
    """What is wrong with what became of a mutant, in words; empty where all holds."""
    before, found = unchanged(mutant.whole), run(mutant.case)
    journey = found.journey
    out = [f"{f.rule_id}: {f.message}" for f in journey.findings if f.rule_id in NEVER]
    out += [trace[-1200:] for trace in journey.traces.values()]
    if found.seconds > MOST_SECONDS:
        out.append(f"{found.seconds:.0f} CPU seconds")
    if found.grew > MOST_BYTES:
        out.append(f"{found.grew / 2**20:,.0f} MiB")
    digits = 12 if mutant.does == REORDERS else 17
    same = effects(journey, digits) == effects(before, digits)
    if mutant.does in (KEEPS, REORDERS) and not same:
        out.append(f"effects differ; told: {dict(told(journey) - told(before))}")
    if mutant.does == DAMAGES and not same and not told(journey) - told(before):
        out.append("effects differ and nothing is told")
    return out, found
