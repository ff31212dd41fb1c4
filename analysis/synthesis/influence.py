"""What single trials carry of each pooled effect, as rows of `influence`."""

from __future__ import annotations

import numpy as np

from analysis.synthesis.group import Group
from analysis.synthesis.outcome import Outcome
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record
from analysis.synthesis.verdicts import narrow_note
from analysis.univariate.influence import influence

SMALLEST_NUMBER_OF_TRIALS = 3


def influence_rows(group: Group) -> list[Record]:
    """Diagnostics of every trial for the upstream construct and behavior; constructs with fewer
    than 3 trials have none."""
    found = [group.outcome(construct) for construct in group.pair]
    return [
        row
        for one in found if one and len(one.stack.trials) >= SMALLEST_NUMBER_OF_TRIALS
        for row in _influence_of(one, group.synthesis, group.settings)
    ]  # fmt: skip


def _influence_of(outcome: Outcome, synthesis: str, settings: AnalysisSettings) -> list[Record]:
    """One row per trial."""
    composites = outcome.composites
    found = influence(
        composites.yi, composites.vi, method=settings.tau2_method, ci_method=settings.ci_method,
        level=settings.level,
    )  # fmt: skip
    without = found.without
    columns = {
        "mu_without": without.mu,
        "ci_lb": without.ci_lb, "ci_ub": without.ci_ub, "tau2_without": without.tau2,
        "i2_without": without.i2, "shift": found.shift, "rstudent": found.rstudent,
        "cook": found.cook, "dffits": found.dffits, "weight": found.weight,
        "baujat_x": found.baujat_x, "baujat_y": found.baujat_y,
    }  # fmt: skip
    rows: list[Record] = []
    for i, trial in enumerate(outcome.stack.trials):
        row: Record = {"synthesis": synthesis, "construct": outcome.construct}
        row["trial_id"] = str(trial["trial_id"])
        row |= {name: float(values[i]) for name, values in columns.items()}
        row["notes"] = "; ".join(narrow_note(
            row["ci_lb"], row["ci_ub"], np.delete(composites.vi, i), settings.level
        ))  # fmt: skip
        row["is_influential"] = bool(np.asarray(found.is_influential)[i])
        rows.append(row)
    return rows
