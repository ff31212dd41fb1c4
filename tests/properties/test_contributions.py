"""Contributions of participants to effects, from sums of arms, against whole matrices."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.arrays import is_constant
from analysis.clustering import anova_icc, icc_of_codes
from analysis.gap.contributions import (
    Effect,
    LogOdds,
    MeanDifference,
    Members,
    adjusted_difference_of,
    arm_sums,
    effect_correlations,
)
from analysis.gap.participants import pool_within_arms, pooled_within_arm_correlation

RNG = np.random.default_rng([7, 11])
N = 300
TREATED = RNG.random(N) < 0.4
COVARIATE = RNG.normal(50.0, 4.0, N)
VALUES = 0.3 * COVARIATE + 1.5 * TREATED + RNG.normal(0.0, 2.0, N)
ACTED = (RNG.random(N) < 0.3 + 0.2 * TREATED).astype(float)
ARMS = (TREATED, ~TREATED)


def everyone(effect: Effect, values: np.ndarray, covariate: np.ndarray | None = None) -> np.ndarray:
    """Contributions of all participants in their order."""
    out = np.empty(N)
    for arm, treated in zip(ARMS, (True, False), strict=True):
        own = None if covariate is None else covariate[arm]
        out[arm] = effect.contributions(values[arm], treated, own)
    return out


def mean_difference() -> MeanDifference:
    return MeanDifference(*(arm_sums(VALUES[arm]) for arm in ARMS))


def log_odds() -> LogOdds:
    return LogOdds(*(arm_sums(ACTED[arm]) for arm in ARMS))


def test_sums_of_an_arm() -> None:
    found, own = arm_sums(VALUES), VALUES
    assert (found.n, found.smallest, found.largest) == (N, own.min(), own.max())
    assert found.mean == pytest.approx(own.mean(), rel=1e-14)
    assert found.squares == pytest.approx(own.var() * N, rel=1e-13)
    persons = RNG.integers(1, 5, N).astype(float)
    long, short = arm_sums(np.repeat(own, persons.astype(int))), arm_sums(own, persons)
    assert short.n == long.n and short.mean == pytest.approx(long.mean, rel=1e-13)
    assert short.squares == pytest.approx(long.squares, rel=1e-12)
    assert arm_sums(np.empty(0)).n == 0.0 and np.isnan(arm_sums(np.empty(0)).mean)


@pytest.mark.parametrize("values", [[3.0, 3.0], [3.0, 3.0 + 1e-13], [3.0, 3.1], [0.0, 1e-30],
                                    [0.0, 0.0], [-5.0, 5.0]])  # fmt: skip
def test_constant_arms_are_those_of_constant_values(values: list[float]) -> None:
    assert arm_sums(np.array(values)).is_constant is is_constant(np.array(values))


def test_contributions_to_d_by_differences() -> None:
    """A participant counted a little more moves d by the contribution, where the SD is one that
    does not shrink with the number of participants."""
    step = 1e-6

    def d(weights: np.ndarray) -> float:
        (m1, s1), (m2, s2) = (
            ((w @ v) / w.sum(), w @ (v - (w @ v) / w.sum()) ** 2)
            for v, w in ((VALUES[arm], weights[arm]) for arm in ARMS)
        )
        variance = (s1 + s2) / (N - 2.0 + weights.sum() - N)
        return float((m1 - m2) / np.sqrt(variance))

    found = everyone(mean_difference(), VALUES)
    for i in range(0, N, 29):
        weights = np.ones(N)
        weights[i] += step
        up = d(weights)
        weights[i] -= 2 * step
        assert found[i] == pytest.approx((up - d(weights)) / (2 * step), rel=1e-5)


def test_contributions_to_log_odds_have_the_variance_of_four_cells() -> None:
    cells = [c for arm in ARMS for c in (ACTED[arm].sum(), (1.0 - ACTED[arm]).sum())]
    found = everyone(log_odds(), ACTED)
    assert (found**2).sum() == pytest.approx(sum(1.0 / c for c in cells), rel=1e-12)
    assert found.sum() == pytest.approx(0.0, abs=1e-12)


def test_no_events_in_an_arm() -> None:
    one, two = arm_sums(np.zeros(4)), arm_sums(np.array([0.0, 1.0]))
    found = LogOdds(one, two).contributions(np.zeros(4), True)
    assert found == pytest.approx(np.full(4, -0.1 / (4 * 0.1 * 0.9)))


def test_adjusted_differences_are_those_of_least_squares() -> None:
    import statsmodels.api as sm

    effect = adjusted_difference_of(*((VALUES[arm], COVARIATE[arm]) for arm in ARMS))
    design = np.column_stack([np.ones(N), TREATED, COVARIATE])
    fit = sm.OLS(VALUES, design).fit(cov_type="HC0")
    assert effect.difference == pytest.approx(fit.params[1], rel=1e-11)
    assert effect.slope == pytest.approx(fit.params[2], rel=1e-11)
    own = everyone(effect, VALUES, COVARIATE) * effect.sd
    assert (own**2).sum() == pytest.approx(fit.bse[1] ** 2, rel=1e-11)
    residuals = [VALUES[arm] - VALUES[arm].mean() for arm in ARMS]
    assert effect.sd == pytest.approx(np.sqrt(sum((r**2).sum() for r in residuals) / (N - 2)))
    others = [COVARIATE[arm] - COVARIATE[arm].mean() for arm in ARMS]
    r = np.corrcoef(np.concatenate(residuals), np.concatenate(others))[0, 1]
    assert effect.r == pytest.approx(r, rel=1e-12)


@pytest.mark.parametrize("block", [1, 7, 300, 4096])
@pytest.mark.parametrize("weighted", [False, True])
def test_correlations_do_not_depend_on_the_blocks(block: int, weighted: bool) -> None:
    """Some participants are in one effect only; the matrix is that of all contributions."""
    persons = RNG.integers(1, 6, N).astype(float) if weighted else None
    here = np.sort(RNG.permutation(N)[:250])
    arms = [here[TREATED[here]], here[~TREATED[here]]]
    effects: list[tuple[Effect, Members, Members]] = [
        (mean_difference(), *(Members(np.flatnonzero(a), VALUES[a]) for a in ARMS)),
        (log_odds(), *(Members(a, ACTED[a]) for a in arms)),
        (adjusted_difference_of(*((VALUES[a], COVARIATE[a]) for a in arms)),
         *(Members(a, VALUES[a], COVARIATE[a]) for a in arms)),
    ]  # fmt: skip
    matrix = np.zeros((3, N))
    for row, (effect, *members) in zip(matrix, effects, strict=True):
        for arm, treated in zip(members, (True, False), strict=True):
            row[arm.person] = effect.contributions(arm.values, treated, arm.covariate)
    if persons is not None:
        matrix *= np.sqrt(persons)
    norms = np.linalg.norm(matrix, axis=1)
    expected = (matrix @ matrix.T) / np.outer(norms, norms)
    found = effect_correlations(effects, N, persons, block)
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-14)
    assert (np.diag(found) == 1.0).all() and abs(found[0, 2]) > 0.5


@pytest.mark.parametrize("weighted", [False, True])
def test_pooled_correlations_are_those_of_numpy(weighted: bool) -> None:
    persons = RNG.integers(1, 4, N).astype(float) if weighted else None
    found = pooled_within_arm_correlation(VALUES, COVARIATE, TREATED, persons)
    sizes, zs = [], []
    for arm in ARMS:
        weights = None if persons is None else persons[arm]
        c = np.cov(VALUES[arm], COVARIATE[arm], aweights=weights)
        sizes.append((arm.sum() if weights is None else weights.sum()) - 3.0)
        zs.append(np.arctanh(c[0, 1] / np.sqrt(c[0, 0] * c[1, 1])))
    assert found is not None
    assert found.r == pytest.approx(np.tanh(np.average(zs, weights=sizes)), rel=1e-12)
    parts = [(VALUES[a], COVARIATE[a], None if persons is None else persons[a])
             for a in (~TREATED, TREATED)]  # fmt: skip
    assert pool_within_arms(parts) == found
    assert pool_within_arms([]) is None


def test_clusters_by_codes_are_clusters_by_name() -> None:
    clusters = RNG.integers(0, 20, N)
    named = anova_icc(VALUES, TREATED, [f"c{i}" for i in clusters])
    coded = icc_of_codes(VALUES, TREATED.astype(int), clusters)
    assert coded.clusters == named.clusters
    assert (coded.icc, coded.cluster_size) == pytest.approx((named.icc, named.cluster_size))
