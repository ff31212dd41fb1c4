"""Three-level models: the search in rotated effects against full k x k matrices.

Trials of unequal size with known covariances within them, with and without a moderator. Nothing of
the dense likelihood is shared with `analysis/`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from scipy import optimize

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multilevel import i2_by_level
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.univariate.meta_regression import fit_meta_regression

from . import textbook

SETS = 200
"""Awkward sets: few trials, variances over five decades, outliers, scales from 1e-3 to 1e3."""
METHODS = ("REML", "ML")


@dataclass(frozen=True)
class Effects:
    """Effects of one outcome: k values, their sampling covariance, design and trials."""

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray
    trial: np.ndarray

    @property
    def same(self) -> np.ndarray:
        return (self.trial[:, None] == self.trial[None, :]).astype(float)

    def scaled(self, c: float) -> Effects:
        return replace(self, y=c * self.y, v=c**2 * self.v)


def _fit(sample: Effects, method: str = "REML", within: str = "common") -> MultivariateFit:
    blocks = make_blocks(sample.y, sample.v, sample.trial.tolist(), design=sample.x)
    return fit_multivariate(blocks, structure="ID", within=within, method=method)


def _variances(fit: MultivariateFit) -> np.ndarray:
    return np.array([fit.tau[0, 0], fit.omega[0]])


def _make(
    rng: np.random.Generator, trial: np.ndarray, vi: np.ndarray, rho: float, sd: tuple[float, float]
) -> Effects:
    """Effects with sampling correlation rho within trials and sds between and within them."""
    v = rho * np.sqrt(np.outer(vi, vi)) * (trial[:, None] == trial[None, :])
    np.fill_diagonal(v, vi)
    y = np.linalg.cholesky(v) @ rng.normal(size=vi.size)
    y += sd[0] * rng.normal(size=trial.max() + 1)[trial] + sd[1] * rng.normal(size=vi.size)
    return Effects(y, v, np.ones((vi.size, 1)), trial)


def _with_moderator(sample: Effects, rng: np.random.Generator) -> Effects:
    return replace(sample, x=np.column_stack([sample.x, rng.normal(size=sample.y.size)]))


@cache
def _ordinary(number: int) -> Effects:
    """5 to 10 trials of 1 to 4 effects, samples of 30 to 400; a moderator in every other one."""
    rng = np.random.default_rng([23, number])
    sizes = rng.integers(1, 5, int(rng.integers(5, 11)))
    sizes[:2] = 3, 1
    trial = np.repeat(np.arange(sizes.size), sizes)
    vi = 4.0 / rng.uniform(30.0, 400.0, trial.size)
    sample = _make(rng, trial, vi, (0.0, 0.6)[number % 2], (0.3, 0.2))
    return _with_moderator(sample, rng) if number % 4 > 1 else sample


@cache
def _awkward(number: int) -> Effects:
    rng = np.random.default_rng([11, number])
    trials = int(rng.integers(2, 8))
    trial = np.repeat(np.arange(trials), rng.integers(1, 5, trials))
    scale = 1.0 if number % 2 == 0 else 10.0 ** rng.uniform(-3.0, 3.0)
    vi = 10.0 ** rng.uniform(-4.0, 1.0, trial.size)
    rho = float(rng.choice([0.0, 0.0, 0.5, 0.9]))
    between, within = (float(10.0 ** rng.uniform(-2.0, 0.5) * rng.integers(0, 2)) for _ in "ab")
    sample = _make(rng, trial, vi, rho, (between, within))
    outliers = rng.choice([0.0, 3.0], trial.size, p=[0.85, 0.15])
    sample = replace(sample, y=sample.y + outliers).scaled(scale)
    return _with_moderator(sample, rng) if number % 3 == 0 and trial.size > 4 else sample


def _likelihoods(sample: Effects, tau2: np.ndarray, omega2: np.ndarray, method: str) -> np.ndarray:
    """Log-likelihood at every pair of variances, from full covariance matrices."""
    (k, p), eye = sample.x.shape, np.eye(sample.y.size)
    sigma = sample.v + tau2[:, None, None] * sample.same + omega2[:, None, None] * eye
    factor = np.linalg.cholesky(sigma)
    columns = np.broadcast_to(np.column_stack([sample.x, sample.y]), (tau2.size, k, p + 1))
    white = np.linalg.solve(factor, columns)
    x, y = white[:, :, :p], white[:, :, p:]
    gram = np.swapaxes(x, 1, 2) @ x
    e = y - x @ np.linalg.solve(gram, np.swapaxes(x, 1, 2) @ y)
    value = -np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1) - 0.5 * (e**2).sum((1, 2))
    if method == "REML":
        value += (
            0.5 * np.linalg.slogdet(sample.x.T @ sample.x)[1] - 0.5 * np.linalg.slogdet(gram)[1]
        )
        k -= p
    return np.asarray(value - 0.5 * k * math.log(2.0 * math.pi))


def _pairs(tau2: np.ndarray, omega2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.meshgrid(tau2, omega2, indexing="ij")
    return first.ravel(), second.ravel()


def _scan(sample: Effects, method: str) -> tuple[float, int]:
    """Highest log-likelihood on a dense grid of both variances (zero and twelve decades), refined
    around its three highest local maxima; and the number of local maxima."""
    axis = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 36)]) * np.median(np.diag(sample.v))
    tau2, omega2 = _pairs(axis, axis)
    values = _likelihoods(sample, tau2, omega2, method).reshape(axis.size, axis.size)
    padded = np.pad(values, 1, constant_values=-np.inf)
    around = [
        padded[1 + i : 1 + i + axis.size, 1 + j : 1 + j + axis.size]
        for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
    ]  # fmt: skip
    peaks = np.flatnonzero(values.ravel() >= np.max(around, axis=0).ravel())
    best = float(values.max())
    for peak in peaks[np.argsort(-values.ravel()[peaks])][:3]:
        at, reach = (tau2[peak], omega2[peak]), math.log(axis[2] / axis[1])
        for _ in range(25):
            steps = np.exp(np.linspace(-reach, reach, 9))
            near = _pairs(*(one * (steps if one > 0.0 else steps[:1]) for one in at))
            found = _likelihoods(sample, *near, method)
            top = int(found.argmax())
            at, best, reach = (near[0][top], near[1][top]), max(best, found[top]), 0.62 * reach
    return best, peaks.size


def _slack(value: float) -> float:
    return 1e-8 * max(1.0, abs(value))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", range(8))
def test_brute_force_finds_the_same(number: int, method: str) -> None:
    sample = _ordinary(number)
    fit = _fit(sample, method)
    indices = sample.trial.tolist()

    def sigma(tau2: float, omega2: float) -> np.ndarray:
        return textbook.marginal_covariance(
            sample.v, indices, [0] * len(indices), np.array([[tau2]]), np.array([omega2])
        )

    def minus(sds: np.ndarray) -> float:
        return -float(_likelihoods(sample, sds[:1] ** 2, sds[1:] ** 2, method)[0])

    grid = np.array(_pairs(np.linspace(0.0, 1.0, 21), np.linspace(0.0, 1.0, 21))).T
    start = grid[np.argmax(_likelihoods(sample, grid[:, 0] ** 2, grid[:, 1] ** 2, method))]
    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 2000}
    found = optimize.minimize(minus, start, method="Nelder-Mead", options=options)
    np.testing.assert_allclose(_variances(fit), found.x**2, rtol=1e-5, atol=1e-8)
    assert fit.loglik == pytest.approx(-found.fun, abs=1e-9)
    at = sigma(*_variances(fit))
    beta, vb = textbook.generalized_least_squares(sample.y, sample.x, at)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fit.vb, vb, rtol=1e-9, atol=1e-14)
    expected = textbook.log_likelihood(sample.y, sample.x, at, restricted=method == "REML")
    assert fit.loglik == pytest.approx(expected, abs=1e-10)
    assert fit.gradient < 1e-8


@pytest.mark.parametrize("method", METHODS)
def test_no_variances_on_a_dense_scan_are_more_likely(method: str) -> None:
    several, missed = 0, {}
    for number in range(SETS):
        sample = _awkward(number)
        highest, peaks = _scan(sample, method)
        several += peaks > 1
        short = highest - _fit(sample, method).loglik
        if short > _slack(highest):
            missed[number] = short
    assert not missed, "sets with a higher likelihood elsewhere, and by how much"
    assert several >= 20, "the sets are meant to be awkward"


def _by_the_general_search(sample: Effects, method: str) -> MultivariateFit:
    """The same model for the search that serves several outcomes: trials are dealt to two outcomes
    that share both variances and, by the design, the coefficients."""
    outcome = ["even" if trial % 2 == 0 else "odd" for trial in sample.trial]
    blocks = make_blocks(sample.y, sample.v, sample.trial.tolist(), outcome, design=sample.x)
    return fit_multivariate(blocks, structure="ID", within="common", method=method)


@pytest.mark.parametrize("method", METHODS)
def test_never_less_likely_than_what_the_general_search_finds(method: str) -> None:
    for number in range(36):
        for sample in (_awkward(number), _ordinary(number)):
            fast, general = _fit(sample, method), _by_the_general_search(sample, method)
            assert fast.loglik >= general.loglik - _slack(general.loglik), f"set {number}"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", range(6))
def test_the_two_searches_agree(number: int, method: str) -> None:
    fast = _fit(_ordinary(number), method)
    general = _by_the_general_search(_ordinary(number), method)
    assert fast.loglik == pytest.approx(general.loglik, abs=1e-9)
    np.testing.assert_allclose(
        _variances(fast), [general.tau[0, 0], general.omega[0]], rtol=1e-5, atol=1e-8
    )
    np.testing.assert_allclose(fast.beta, general.beta, rtol=1e-6, atol=1e-9)


def _pattern(between: float, within: float) -> Effects:
    """Trials of 1 to 4 effects that differ between trials and within them by given amounts."""
    trial = np.repeat(np.arange(6), [4, 2, 4, 2, 4, 2])
    sign = np.tile([1.0, -1.0], 9)
    y = 0.3 + between * np.array([1.0, -1.0, 0.5, -0.5, -0.7, 0.7])[trial] + within * sign
    vi = np.linspace(0.02, 0.06, 18)
    vi = vi.reshape(9, 2).mean(axis=1).repeat(2)  # the same for both signs
    return Effects(y, np.diag(vi), np.ones((18, 1)), trial)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("between", "within", "positive", "notes"),
    [
        (0.0, 0.5, [False, True], ("tau2[0]_at_zero",)),
        (0.5, 0.0, [True, False], ("omega2[0]_at_zero",)),
        (0.0, 0.0, [False, False], ("tau2[0]_at_zero", "omega2[0]_at_zero")),
        (0.5, 0.5, [True, True], ()),
    ],
    ids=["within_only", "between_only", "neither", "both"],
)
def test_variances_at_zero(
    between: float, within: float, positive: list[bool], notes: tuple[str, ...], method: str
) -> None:
    sample = _pattern(between, within)
    fit = _fit(sample, method)
    at = _variances(fit)
    assert (at > 0.0).tolist() == positive, "exactly 0"
    assert fit.notes == notes
    assert fit.status == ("boundary" if "tau2[0]_at_zero" in notes else "ok")
    assert fit.loglik >= _scan(sample, method)[0] - 1e-9
    for n in np.flatnonzero(at == 0.0):
        beside = at + 1e-5 * np.eye(2)[n]
        assert _likelihoods(sample, beside[:1], beside[1:], method)[0] < fit.loglik


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("c", [1e-3, 1e3])
def test_units_do_not_matter(c: float, method: str) -> None:
    for sample in [*map(_ordinary, range(6)), _pattern(0.0, 0.5), _pattern(0.5, 0.0)]:
        first, second = _fit(sample, method), _fit(sample.scaled(c), method)
        np.testing.assert_allclose(_variances(second), c**2 * _variances(first), rtol=1e-8)
        np.testing.assert_allclose(second.beta, c * first.beta, rtol=1e-9)
        np.testing.assert_allclose(second.vb, c**2 * first.vb, rtol=1e-9)
        k, p = sample.x.shape
        lost = (k - p if method == "REML" else k) * math.log(c)
        assert second.loglik == pytest.approx(first.loglik - lost, abs=1e-8)
        assert (second.status, second.notes) == (first.status, first.notes)


@pytest.mark.parametrize("number", range(6))
def test_order_of_effects_does_not_matter(number: int) -> None:
    sample = _ordinary(number)
    rows = np.random.default_rng(number).permutation(sample.y.size)
    moved = Effects(
        sample.y[rows], sample.v[np.ix_(rows, rows)], sample.x[rows], sample.trial[rows]
    )
    first, second = _fit(sample), _fit(moved)
    np.testing.assert_allclose(_variances(second), _variances(first), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(second.beta, first.beta, rtol=1e-9)


@pytest.mark.parametrize("within", ["none", "common"])
@pytest.mark.parametrize("method", METHODS)
def test_trials_of_one_effect(method: str, within: str) -> None:
    """Only the sum of both variances matters: ordinary meta-regression."""
    for number in range(40):
        rng = np.random.default_rng([31, number])
        k = int(rng.integers(3, 20))
        vi = rng.uniform(0.01, 0.2, k) if number % 2 else 10.0 ** rng.uniform(-4.0, 1.0, k)
        y = rng.normal(0.0, np.sqrt(vi + rng.choice([0.0, 0.1])))
        sample = Effects(y, np.diag(vi), np.ones((k, 1)), np.arange(k))
        fit, ordinary = _fit(sample, method, within), fit_meta_regression(y, vi, method=method)
        assert _variances(fit).sum() == pytest.approx(ordinary.tau2, rel=1e-6, abs=1e-9), number
        assert fit.loglik == pytest.approx(ordinary.loglik, abs=1e-8), number
        np.testing.assert_allclose(fit.beta, ordinary.coefficients.estimate, rtol=1e-6)


def test_without_variance_within_trials_it_is_one_curve() -> None:
    for number in range(8):
        sample = _ordinary(number)
        fit = _fit(sample, within="none")
        grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e2, 2000)])
        values = _likelihoods(sample, grid, np.zeros(grid.size), "REML")
        best = int(values.argmax())
        assert fit.omega[0] == 0.0
        assert grid[max(best - 1, 0)] <= fit.tau[0, 0] <= grid[best + 1]
        assert fit.loglik >= values.max() - 1e-10


@pytest.mark.parametrize("number", range(6))
def test_i2_by_level(number: int) -> None:
    """Typical sampling variance (k - p) / tr(P) with the full matrix P of the sampling errors."""
    sample = _ordinary(number)
    fit, (k, p) = _fit(sample), sample.x.shape
    w = np.linalg.inv(sample.v)
    _, vb = textbook.generalized_least_squares(sample.y, sample.x, sample.v)
    typical = (k - p) / np.trace(w - w @ sample.x @ vb @ sample.x.T @ w)
    shares = 100.0 * _variances(fit) / (_variances(fit).sum() + typical)
    found = i2_by_level(fit)
    np.testing.assert_allclose([found.between, found.within], shares, rtol=1e-9)
    assert found.total == pytest.approx(shares.sum(), rel=1e-9)
    assert found.typical_v == pytest.approx(typical, rel=1e-9)
