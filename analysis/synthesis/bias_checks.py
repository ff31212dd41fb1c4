"""Small-study checks and adjusted means, as rows of `bias_checks`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from analysis.arrays import Floats
from analysis.bias.excess_significance import excess_significance
from analysis.bias.henmi_copas import henmi_copas
from analysis.bias.rank_test import rank_test
from analysis.bias.selection_models import step_selection
from analysis.bias.small_study import SMALLEST_NUMBER_OF_STUDIES, egger_test, pet_peese
from analysis.bias.trim_and_fill import trim_and_fill
from analysis.errors import EstimationError
from analysis.synthesis.group import Group
from analysis.synthesis.outcome import Outcome
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record


def bias_checks(group: Group) -> list[Record]:
    """Every check per construct, on one composite effect per trial; below 10 trials the reason
    instead. Of a selection those of the two constructs of the gap."""
    found = [
        group.outcome(c) for c in (group.pair if group.selection else sorted(group.constructs))
    ]
    return [row for one in found if one for row in _check(one, group.synthesis, group.settings)]


def _check(outcome: Outcome, synthesis: str, settings: AnalysisSettings) -> list[Record]:
    """Every check of one construct of a synthesis."""
    yi, vi, construct = outcome.composites.yi, outcome.composites.vi, outcome.construct
    rows: list[Record] = []
    for check, compute in _CHECKS.items():
        row: Record = {
            "synthesis": synthesis, "construct": construct, "check": check, "k_trials": yi.size,
            "method": "", "status": "ok", "reason": "",
        }  # fmt: skip
        rows.append(row | _outcome(partial(compute, yi, vi, settings), int(yi.size)))
    return rows


def _outcome(compute: Callable[[], Record], k: int) -> Record:
    if k < SMALLEST_NUMBER_OF_STUDIES:
        reason = f"{k} of at least {SMALLEST_NUMBER_OF_STUDIES} trials"
        return {"status": "too_few_studies", "reason": reason}
    try:
        return compute()
    except EstimationError as error:
        return {"status": "not_estimable", "reason": str(error)}


def _egger(yi: Floats, vi: Floats, settings: AnalysisSettings) -> Record:
    test = egger_test(yi, vi, method=settings.tau2_method, ci_method="t", level=settings.level)
    fields = (
        "slope", "slope_se", "statistic", "df", "pvalue", "limit", "limit_ci_lb", "limit_ci_ub",
        "method",
    )  # fmt: skip
    return {name: getattr(test, name) for name in fields}


def _pet_peese(yi: Floats, vi: Floats, settings: AnalysisSettings) -> Record:
    found = pet_peese(yi, vi, method=settings.tau2_method, level=settings.level)
    return {
        "adjusted": found.estimate, "adjusted_ci_lb": found.ci_lb, "adjusted_ci_ub": found.ci_ub,
        "pvalue": found.pet_pvalue, "method": found.method,
    }  # fmt: skip


def _trim_and_fill(yi: Floats, vi: Floats, settings: AnalysisSettings) -> Record:
    # Selection hides small and negative results, so they are missing on the left.
    found = trim_and_fill(
        yi, vi, side="left", method=settings.tau2_method, ci_method=settings.ci_method,
        level=settings.level,
    )  # fmt: skip
    pooled = found.pooled
    return {
        "adjusted": pooled.mu, "adjusted_ci_lb": pooled.ci_lb, "adjusted_ci_ub": pooled.ci_ub,
        "k_imputed": found.k0, "method": f"L0/left/{pooled.method}/{pooled.ci_method}",
    }  # fmt: skip


def _selection(yi: Floats, vi: Floats, settings: AnalysisSettings) -> Record:
    found = step_selection(yi, vi, (0.025,), level=settings.level)
    return {
        "adjusted": found.mu, "adjusted_ci_lb": found.ci_lb, "adjusted_ci_ub": found.ci_ub,
        "statistic": found.lrt, "df": found.lrt_df, "pvalue": found.lrt_pvalue,
        "selection_weight": float(found.delta[1]), "method": found.method,
    }  # fmt: skip


def _henmi_copas(yi: Floats, vi: Floats, settings: AnalysisSettings) -> Record:
    found = henmi_copas(yi, vi, level=settings.level)
    return {
        "adjusted": found.mu, "adjusted_ci_lb": found.ci_lb, "adjusted_ci_ub": found.ci_ub,
        "method": found.method,
    }  # fmt: skip


def _rank(yi: Floats, vi: Floats, settings: AnalysisSettings) -> Record:
    found = rank_test(yi, vi)
    return {"statistic": found.tau, "pvalue": found.pvalue, "method": "kendall"}


def _excess(yi: Floats, vi: Floats, settings: AnalysisSettings) -> Record:
    found = excess_significance(yi, vi, method=settings.tau2_method)
    return {"statistic": found.ratio, "pvalue": found.pvalue, "method": found.method}


_CHECKS: dict[str, Callable[[Floats, Floats, AnalysisSettings], Record]] = {
    "egger": _egger,
    "pet_peese": _pet_peese,
    "trim_and_fill": _trim_and_fill,
    "selection": _selection,
    "henmi_copas": _henmi_copas,
    "rank": _rank,
    "excess_significance": _excess,
}
