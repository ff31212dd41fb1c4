"""Three-level and correlated-and-hierarchical models agree with metafor and clubSandwich."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.dependent.blocks import EffectBlocks, make_blocks
from analysis.dependent.composites import make_composites
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.distributions import chi2_sf
from analysis.univariate.heterogeneity import typical_variance
from analysis.univariate.least_squares import generalized_q
from analysis.univariate.pooling import fit_random_effects

from .multivariate_results import NOT_OFFERED, cluster_robust, hotelling, model_based
from .oracle_cases import (
    CLOSED_FORM,
    ITERATIVE,
    Case,
    cases,
    check_grid,
    compare,
    data,
    design,
)

CASES_NOT_OFFERED = {
    "*/profile_ci": "profile likelihood intervals of variance components: not offered yet",
    "*/aggregate/mean": "simple averages within a trial: the precision-weighted one is offered",
}
MODEL_NOT_OFFERED = {
    name: why for name, why in NOT_OFFERED.items() if name not in ("QE", "QE_p")
} | {
    "QM": "omnibus test of multilevel models: not offered yet",
    "QM_p": "omnibus test of multilevel models: not offered yet",
    "I2_*": "I2 by level: not offered yet",
}


def _cluster(case: Case) -> list[Any]:
    random = case["args"].get("random", "~ 1 | study/")
    return data(case)[random.split("|")[1].split("/")[0].strip()].tolist()


def _constant_correlation(case: Case) -> np.ndarray:
    labels, sei = np.array(_cluster(case)), np.sqrt(data(case)["vi"].to_numpy())
    v = np.outer(sei, sei) * case["args"]["rho"] * (labels[:, None] == labels[None, :])
    np.fill_diagonal(v, sei**2)
    return v


def _blocks(case: Case) -> EffectBlocks:
    independent = case["args"].get("V") == "diag(vi)"
    v = data(case)["vi"].to_numpy() if independent else _constant_correlation(case)
    return make_blocks(data(case)["yi"], v, _cluster(case), design=design(case))


def _fit(case: Case) -> MultivariateFit:
    return fit_multivariate(
        _blocks(case), structure="ID", within="common", method=case["args"]["method"]
    )


def _variances(fit: MultivariateFit) -> dict[str, float]:
    return {"sigma2_between": fit.tau[0, 0], "sigma2_within": fit.omega[0]}


TESTED = {
    "konstantopoulos2011/three_level/year": [[0, 1]],
    "assink2016/three_level/deltype_year": [[0, 1, 0, 0], [0, 0, 1, 0]],
    "assink2016/three_level/deltype_noint": [[1, -1, 0], [0, 1, -1]],
}
"""Hypotheses of the reference's robust tests."""


def _known(case: Case, found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name in case["expect"]}


@pytest.mark.parametrize("case", cases("multilevel", "*/three_level/*"))
def test_three_level(case: Case) -> None:
    fit = _fit(case)
    blocks = fit.blocks
    yi, vi = data(case)["yi"].to_numpy(), data(case)["vi"].to_numpy()
    q = generalized_q(0.0, yi, vi, blocks.design)
    found = model_based(fit) | cluster_robust(fit) | _variances(fit)
    tested = next((c for name, c in TESTED.items() if name in case["id"]), None)
    if tested is not None:
        found |= hotelling(fit, tested)
    found |= {
        "k": blocks.k,
        "n_cluster": blocks.clusters,
        "QE": q,
        "QE_p": chi2_sf(q, blocks.k - blocks.p),
        "typical_v": typical_variance(vi, blocks.design),
    }
    assert (fit.status, fit.gradient < 1e-7) == ("ok", True)
    compare(case, _known(case, found), MODEL_NOT_OFFERED, rtol=ITERATIVE)


@pytest.mark.parametrize("case", cases("multilevel", "*/CHE/*"))
def test_correlated_and_hierarchical(case: Case) -> None:
    fit = _fit(case)
    found = model_based(fit) | cluster_robust(fit) | _variances(fit)
    compare(case, _known(case, found), MODEL_NOT_OFFERED, rtol=ITERATIVE)


@pytest.mark.parametrize("case", cases("multilevel", "*/aggregate/weighted"))
def test_composites(case: Case) -> None:
    composites = make_composites(_blocks(case))
    assert composites.cluster.tolist() == list(range(len(case["expect"]["yi"])))
    offered = {"yi": composites.yi, "vi": composites.vi}
    pooled = fit_random_effects(composites.yi, composites.vi, ci_method="wald")
    offered |= {"reml_beta": pooled.mu, "reml_se": pooled.se, "reml_tau2": pooled.tau2}
    tolerances = dict.fromkeys(("yi", "vi"), (CLOSED_FORM, 0.0))
    compare(case, offered, {}, rtol=ITERATIVE, tolerances=tolerances)


def test_no_core_case_is_skipped_in_silence() -> None:
    check_grid("multilevel", CASES_NOT_OFFERED, MODEL_NOT_OFFERED)
