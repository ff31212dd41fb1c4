"""What single trials carry of each pooled effect, as rows of `influence`."""

from __future__ import annotations

import numpy as np

from analysis.dependent.composites import make_composites
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, Stack, having, of_synthesis, syntheses, upstream_of
from analysis.synthesis.verdicts import narrow_note
from analysis.univariate.influence import influence

SMALLEST_NUMBER_OF_TRIALS = 3


def influence_rows(stack: Stack, settings: AnalysisSettings) -> list[Record]:
    """Diagnostics of every trial for the upstream construct and behavior of each synthesis;
    constructs with fewer than 3 trials have none."""
    rows: list[Record] = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        for construct in (upstream_of(group), "behavior"):
            rows += influence_of(group, name, construct, settings)
    return rows


def influence_of(
    group: Stack, synthesis: str, construct: str, settings: AnalysisSettings
) -> list[Record]:
    """One row per trial of one construct of a synthesis."""
    part = group.select(having("construct", construct))
    if len(part.trials) < SMALLEST_NUMBER_OF_TRIALS:
        return []
    composites = make_composites(part.blocks([construct]))
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
    for i, trial in enumerate(part.trials):
        row: Record = {"synthesis": synthesis, "construct": construct}
        row["trial_id"] = str(trial["trial_id"])
        row |= {name: float(values[i]) for name, values in columns.items()}
        row["notes"] = "; ".join(narrow_note(
            row["ci_lb"], row["ci_ub"], np.delete(composites.vi, i), settings.level
        ))  # fmt: skip
        row["is_influential"] = bool(np.asarray(found.is_influential)[i])
        rows.append(row)
    return rows
