"""Colditz et al. (1994, JAMA 271:698): 13 trials of BCG vaccination, log risk ratios, the data on
which pooling programs are shown. Values of metafor 3.8-1."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.bias.small_study import egger_test
from analysis.effect_sizes import hedges_j, log_risk_ratio
from analysis.univariate.pooling import fit_random_effects

from .trial_tables import printed

DATA = Path(__file__).parents[1] / "reference" / "oracle" / "data"
TAU2 = {
    "DL": 0.3088, "HE": 0.3286, "HS": 0.2284, "SJ": 0.3455, "ML": 0.2800, "REML": 0.3132,
    "EB": 0.3181, "PM": 0.3181,
}  # fmt: skip


@pytest.fixture(scope="module")
def effects() -> dict[str, pd.Series]:
    counts = pd.read_csv(DATA / "bcg_counts.csv")
    made = log_risk_ratio(
        counts["ai"], counts["ai"] + counts["bi"], counts["ci"], counts["ci"] + counts["di"]
    )
    return {"yi": made.yi, "vi": made.vi}


@pytest.mark.parametrize("method", TAU2)
def test_tau2(effects: dict[str, pd.Series], method: str) -> None:
    assert fit_random_effects(**effects, method=method).tau2 == printed(TAU2[method], 4)


def test_mean_with_knapp_hartung(effects: dict[str, pd.Series]) -> None:
    for ci_method in ("knapp_hartung", "knapp_hartung_floor"):  # the floor does not bind
        fit = fit_random_effects(**effects, ci_method=ci_method)
        assert (fit.mu, fit.se) == (printed(-0.7145, 4), printed(0.1808, 4))
        assert (fit.ci_lb, fit.ci_ub) == (printed(-1.1084, 4), printed(-0.3206, 4))


def test_heterogeneity(effects: dict[str, pd.Series]) -> None:
    fit = fit_random_effects(**effects)
    limits = (fit.tau2_interval.lower, fit.tau2_interval.upper)
    assert limits == (printed(0.1197, 4), printed(1.1115, 4))
    assert fit.heterogeneity.i2 == printed(92.22, 2)
    typical = fit.heterogeneity.typical_v
    assert [100 * t / (t + typical) for t in limits] == [printed(81.92, 2), printed(97.68, 2)]


def test_prediction_intervals(effects: dict[str, pd.Series]) -> None:
    normal = fit_random_effects(**effects, ci_method="wald", pi_method="normal")
    assert (normal.pi_lb, normal.pi_ub) == (printed(-1.8667, 4), printed(0.4376, 4))
    scaled = fit_random_effects(**effects, pi_method="t_k_minus_1")
    assert (scaled.pi_lb, scaled.pi_ub) == (printed(-1.9960, 4), printed(0.5670, 4))


def test_small_study_effects(effects: dict[str, pd.Series]) -> None:
    assert egger_test(**effects).statistic == printed(-0.8033, 4)


@pytest.mark.parametrize(
    ("df", "exact", "approximate"),
    [(4, 0.79788, 0.8), (10, 0.92275, 0.92308), (20, 0.96194, 0.96203), (60, 0.98744, 0.98745)],
)
def test_small_sample_correction(df: int, exact: float, approximate: float) -> None:
    assert hedges_j(df)[0] == printed(exact, 5)
    assert hedges_j(df, exact=False)[0] == printed(approximate, 5)
