"""Berkey et al. (1998, Stat Med 17:2537): five periodontitis trials, attachment level (AL) and
probing depth (PD), covariances known. metafor 3.8-1; an independent program gave the same."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.gap.joint import JointModel, difference, fit_joint, transmission_ratio
from analysis.gap.surrogacy import trial_level_surrogacy

from .trial_tables import printed

DATA = Path(__file__).parents[1] / "reference" / "oracle" / "data"
PROBING, ATTACHMENT = 0, 1


def _fit(method: str) -> JointModel:
    """Probing depth upstream, so that the ratio and the line are those of AL on PD."""
    table = pd.read_csv(DATA / "berkey1998.csv")
    v = pd.read_csv(DATA / "V_berkey1998.csv").to_numpy()
    return fit_joint(
        table["yi"], v, table["trial"].tolist(), table["outcome"].tolist(), upstream="PD",
        behavior="AL", method=method,
    )  # fmt: skip


MEANS = {
    "REML": (-0.33922, 0.08791, 0.35343, 0.05885, 0.002829, 0.032651, 0.011733, 0.6088),
    "ML": (-0.33794, 0.07976, 0.34484, 0.04946, 0.002330, 0.026145, 0.007002, 0.6992),
}


@pytest.mark.parametrize("method", MEANS)
def test_means_and_between_trial_covariance(method: str) -> None:
    al, al_se, pd_, pd_se, cov, tau2_al, tau2_pd, rho = MEANS[method]
    fit = _fit(method).fit
    assert (fit.beta[ATTACHMENT], fit.se[ATTACHMENT]) == (printed(al, 5), printed(al_se, 5))
    assert (fit.beta[PROBING], fit.se[PROBING]) == (printed(pd_, 5), printed(pd_se, 5))
    assert fit.vb[PROBING, ATTACHMENT] == printed(cov, 6)
    assert (fit.tau[1, 1], fit.tau[0, 0]) == (printed(tau2_al, 6), printed(tau2_pd, 6))
    assert fit.tau[0, 1] / math.sqrt(fit.tau[0, 0] * fit.tau[1, 1]) == printed(rho, 4)


@pytest.mark.parametrize(
    ("method", "gap", "se"), [("REML", -0.69264, 0.07438), ("ML", -0.68278, 0.06441)]
)
def test_difference(method: str, gap: float, se: float) -> None:
    found = difference(_fit(method), "model")
    assert (-found.estimate, found.se) == (printed(gap, 5), printed(se, 5))


@pytest.mark.parametrize(
    ("method", "ratio", "se", "lower", "upper"),
    [("REML", -0.9598, 0.3618, -1.951, -0.392), ("ML", -0.9800, 0.3342, -1.848, -0.443)],
)
def test_ratio(method: str, ratio: float, se: float, lower: float, upper: float) -> None:
    found = transmission_ratio(_fit(method), "model")
    assert (found.estimate, found.se) == (printed(ratio, 4), printed(se, 4))
    assert (found.interval_kind, found.ci_lb, found.ci_ub) == (
        "interval", printed(lower, 3), printed(upper, 3),
    )  # fmt: skip


def test_line_of_attachment_on_probing() -> None:
    line = trial_level_surrogacy(_fit("REML"))
    assert (line.slope, line.slope_se, line.r2) == (
        printed(1.0156, 4), printed(1.0357, 4), printed(0.3706, 4),
    )  # fmt: skip
    assert line.status == "few_pairs"
    by_ml = trial_level_surrogacy(_fit("ML"))
    assert (by_ml.slope, by_ml.r2) == (printed(1.3511, 4), printed(0.4889, 4))


def test_cluster_robust_standard_errors() -> None:
    robust = _fit("REML").robust
    assert robust is not None
    assert list(robust.se) == [printed(0.0582, 4), printed(0.0892, 4)]
    assert [robust.df(row) for row in np.eye(2)] == [printed(3.79, 2), printed(3.81, 2)]
