"""Profile likelihood intervals: at a limit the likelihood has fallen by half the quantile.

The profile is computed anew from full k x k matrices: the other parameters are searched on a grid
of their whole range, refined around its highest points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from scipy import optimize, stats

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.profile_intervals import ProfileInterval, profile_interval
from analysis.errors import EstimationError

NAMES = {
    "three_level": ("tau2[0]", "omega2[0]"),
    "UN": ("tau2[0]", "tau2[1]", "rho"),
    "CS": ("tau2[0]", "rho"),
    "DIAG": ("tau2[0]", "tau2[1]"),
}
LARGEST_SD = 3.0
"""Of the search for the other parameters; the effects' spread is below 1."""
HALF = 0.5 * float(stats.chi2.ppf(0.95, 1))
DROP = 1e-8
"""Tolerance of the log-likelihood at a limit."""


@dataclass(frozen=True)
class Effects:
    """k effects with their sampling covariance, trials and outcomes (0 or 1)."""

    y: np.ndarray
    v: np.ndarray
    trial: np.ndarray
    outcome: np.ndarray

    @property
    def design(self) -> np.ndarray:
        return (self.outcome[:, None] == np.unique(self.outcome)[None, :]).astype(float)


def _make(rng: np.random.Generator, trial: np.ndarray, outcome: np.ndarray, rho: float) -> Effects:
    """Sampling errors only."""
    vi = 4.0 / rng.uniform(30.0, 400.0, trial.size)
    v = rho * np.sqrt(np.outer(vi, vi)) * (trial[:, None] == trial[None, :])
    np.fill_diagonal(v, vi)
    return Effects(np.linalg.cholesky(v) @ rng.normal(size=vi.size), v, trial, outcome)


@cache
def _three_level(number: int) -> Effects:
    rng = np.random.default_rng([41, number])
    sizes = rng.integers(1, 4, int(rng.integers(5, 12)))
    sizes[0] = 3
    trial = np.repeat(np.arange(sizes.size), sizes)
    sample = _make(rng, trial, np.zeros(trial.size, dtype=int), (0.0, 0.6)[number % 2])
    between, within = rng.choice([0.0, 0.1, 0.3], 2)
    more = between * rng.normal(size=sizes.size)[trial] + within * rng.normal(size=trial.size)
    return replace(sample, y=sample.y + more)


@cache
def _two_outcomes(number: int) -> Effects:
    """4 to 11 trials, at least 4 with both outcomes; true correlations of -1, 0 and 1."""
    rng = np.random.default_rng([43, number])
    trials = int(rng.integers(4, 12))
    both = (np.arange(trials) < 4) | (rng.random(trials) < 0.6)
    rows = [(i, o) for i in range(trials) for o in ((0, 1) if both[i] else (i % 2,))]
    trial, outcome = np.array(rows).T
    sample = _make(rng, trial, outcome, (0.0, 0.6)[number % 2])
    true = rng.normal(size=(trials, 2)) * rng.choice([0.1, 0.3, 0.5], 2)
    true[:, 1] += (number % 3 - 1.0) * true[:, 0]
    return replace(sample, y=sample.y + true[trial, outcome])


def _fit(sample: Effects, model: str, method: str = "REML") -> MultivariateFit:
    three_level = model == "three_level"
    blocks = make_blocks(
        sample.y, sample.v, sample.trial.tolist(), [f"outcome {o}" for o in sample.outcome]
    )
    return fit_multivariate(
        blocks, structure="ID" if three_level else model,
        within="common" if three_level else "none", method=method,
    )  # fmt: skip


def _sigmas(sample: Effects, model: str, parameters: np.ndarray) -> np.ndarray:
    """Covariance matrices for rows of parameters: standard deviations and a correlation."""
    same = (sample.trial[:, None] == sample.trial[None, :]).astype(float)
    if model == "three_level":
        squares = parameters[:, :, None, None] ** 2
        return np.asarray(sample.v + squares[:, 0] * same + squares[:, 1] * np.eye(same.shape[0]))
    rho = np.zeros(len(parameters)) if model == "DIAG" else parameters[:, -1]
    sds = parameters[:, [0, 0 if model == "CS" else 1]]
    correlation = np.where(np.eye(2, dtype=bool), 1.0, rho[:, None, None])
    tau = sds[:, :, None] * sds[:, None, :] * correlation
    return np.asarray(sample.v + tau[:, sample.outcome[:, None], sample.outcome[None, :]] * same)


def _likelihoods(sample: Effects, sigmas: np.ndarray, method: str) -> np.ndarray:
    x = sample.design
    k, p = x.shape
    factor = np.linalg.cholesky(sigmas)
    columns = np.broadcast_to(np.column_stack([x, sample.y]), (len(sigmas), k, p + 1))
    white = np.linalg.solve(factor, columns)
    wx, wy = white[:, :, :p], white[:, :, p:]
    gram = np.swapaxes(wx, 1, 2) @ wx
    e = wy - wx @ np.linalg.solve(gram, np.swapaxes(wx, 1, 2) @ wy)
    value = -np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1) - 0.5 * (e**2).sum((1, 2))
    if method == "REML":
        value += 0.5 * np.linalg.slogdet(x.T @ x)[1] - 0.5 * np.linalg.slogdet(gram)[1]
        k -= p
    return np.asarray(value - 0.5 * k * math.log(2.0 * math.pi))


def _highest(
    function: Callable[[np.ndarray], np.ndarray], ranges: Sequence[tuple[float, float]]
) -> float:
    """Highest value over a box of a function of rows: a grid, and simplex searches from its best
    two points."""
    grid = np.array(list(itertools.product(*(np.linspace(*ends, 31) for ends in ranges))))
    values = function(grid)
    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 1000}
    climbed = [
        -optimize.minimize(
            lambda at: -function(at[None])[0], grid[start], method="Nelder-Mead", bounds=ranges,
            options=options,
        ).fun
        for start in np.argsort(-values)[:2]
    ]  # fmt: skip
    return float(max(values.max(), *climbed))


def _profile(sample: Effects, model: str, method: str, name: str, value: float) -> float:
    names = NAMES[model]
    place = names.index(name)
    ranges = [(-1.0, 1.0) if one == "rho" else (0.0, LARGEST_SD) for one in names if one != name]

    def function(others: np.ndarray) -> np.ndarray:
        own = value if name == "rho" else math.sqrt(value)
        parameters = np.insert(others, place, own, axis=1)
        return _likelihoods(sample, _sigmas(sample, model, parameters), method)

    return _highest(function, ranges)


def _estimate(fit: MultivariateFit, name: str) -> float:
    if name == "rho":
        return float(fit.tau[0, 1] / math.sqrt(fit.tau[0, 0] * fit.tau[1, 1]))
    number = int(name[-2])
    return float(fit.omega[number] if name.startswith("omega2") else fit.tau[number, number])


def _check(sample: Effects, model: str, method: str, name: str) -> ProfileInterval:
    """A limit is where the profile has fallen by half the quantile, or an edge where it has not."""
    fit = _fit(sample, model, method)
    interval = profile_interval(fit, name)
    lowest = -1.0 if name == "rho" else 0.0
    for end, value, edge in (
        ("lower", interval.lower, lowest), ("upper", interval.upper, 1.0),
    ):  # fmt: skip
        drop = fit.loglik - _profile(sample, model, method, name, value)
        if end in interval.edge:
            assert (value, drop <= HALF + DROP) == (edge, True), (end, drop)
        else:
            assert drop == pytest.approx(HALF, abs=DROP), (end, value)
    if name == "rho" and 0.0 in np.diag(fit.tau):
        return interval
    assert interval.estimate == pytest.approx(_estimate(fit, name), rel=1e-9, abs=1e-12)
    assert interval.lower <= interval.estimate <= interval.upper + 1e-12
    assert (interval.parameter, interval.level) == (name, 0.95)
    return interval


@pytest.mark.parametrize("name", NAMES["three_level"])
@pytest.mark.parametrize("number", range(8))
def test_variances_of_three_levels(number: int, name: str) -> None:
    method = ("REML", "ML")[number // 2 % 2]
    _check(_three_level(number), "three_level", method, name)


@pytest.mark.parametrize(
    ("model", "name"),
    [(model, name) for model in ("UN", "CS", "DIAG") for name in NAMES[model] if name != "rho"],
)
@pytest.mark.parametrize("number", range(3))
def test_variances_of_two_outcomes(number: int, model: str, name: str) -> None:
    _check(_two_outcomes(number), model, ("REML", "ML")[number % 2], name)


@pytest.mark.parametrize("model", ["UN", "CS"])
@pytest.mark.parametrize("number", range(6))
def test_the_correlation_of_two_outcomes(number: int, model: str) -> None:
    _check(_two_outcomes(number), model, ("REML", "ML")[number % 2], "rho")


def test_the_parameters_of_trials_without_variance_between_them() -> None:
    """One parameter: the profile is the likelihood itself."""
    sample = _three_level(4)
    blocks = make_blocks(sample.y, sample.v, sample.trial.tolist())
    fit = fit_multivariate(blocks, structure="NONE", within="common")
    interval = profile_interval(fit, "omega2[0]")
    for limit in (interval.lower, interval.upper):
        sigma = sample.v + limit * np.eye(sample.y.size)
        drop = fit.loglik - _likelihoods(sample, sigma[None], "REML")[0]
        assert drop == pytest.approx(HALF, abs=DROP) or (limit == 0.0 and drop < HALF)


@pytest.mark.parametrize("name", NAMES["three_level"])
def test_higher_levels_contain_lower_ones(name: str) -> None:
    fit = _fit(_three_level(5), "three_level")
    found = [profile_interval(fit, name, level=level) for level in (0.5, 0.8, 0.95, 0.99)]
    assert [one.level for one in found] == [0.5, 0.8, 0.95, 0.99]
    lower, upper = [one.lower for one in found], [one.upper for one in found]
    assert lower == sorted(lower, reverse=True)
    assert upper == sorted(upper)
    assert len(set(upper)) == 4


@pytest.mark.parametrize("c", [1e-3, 1e3])
def test_units_do_not_matter(c: float) -> None:
    for number in range(2):
        sample = _three_level(number)
        first = _fit(sample, "three_level")
        second = _fit(replace(sample, y=c * sample.y, v=c**2 * sample.v), "three_level")
        for name in NAMES["three_level"]:
            here, there = profile_interval(first, name), profile_interval(second, name)
            np.testing.assert_allclose(
                [there.lower, there.upper], [c**2 * here.lower, c**2 * here.upper], rtol=1e-6
            )
            assert here.edge == there.edge


def _pattern(between: float, within: float) -> Effects:
    """Trials of two effects whose differences between and within trials are known exactly."""
    trial = np.repeat(np.arange(8), 2)
    y = between * np.tile([1.0, 1.0, -1.0, -1.0], 4) + within * np.tile([1.0, -1.0], 8)
    return Effects(y, 0.04 * np.eye(16), trial, np.zeros(16, dtype=int))


@pytest.mark.parametrize(
    ("between", "within", "edges"),
    [
        (1.0, 0.5, ("", "")), (1.0, 0.0, ("", "lower")), (0.0, 1.0, ("lower", "")),
        (0.0, 0.0, ("lower", "lower")),
    ],
)  # fmt: skip
def test_the_edge_of_a_variance_is_named(
    between: float, within: float, edges: tuple[str, str]
) -> None:
    fit = _fit(_pattern(between, within), "three_level")
    for name, edge in zip(NAMES["three_level"], edges, strict=True):
        interval = profile_interval(fit, name)
        assert (interval.edge, interval.lower == 0.0) == (edge, edge == "lower")
        assert 0.0 < interval.upper < math.inf


@pytest.mark.parametrize(
    ("sign", "edge"), [(1.0, "upper"), (-1.0, "lower"), (0.0, "")], ids=["same", "opposite", "none"]
)
def test_the_edge_of_a_correlation_is_named(sign: float, edge: str) -> None:
    """Precise effects of 16 trials on two outcomes that agree, are opposite or are unrelated."""
    level = np.tile([1.0, 1.0, -1.0, -1.0], 4)
    other = sign * level if sign else np.tile([1.0, -1.0], 8)
    y = np.column_stack([level, other + 0.1 * np.tile([1.0, -1.0, -1.0, 1.0], 4)]).ravel()
    sample = Effects(y, 0.04 * np.eye(32), np.repeat(np.arange(16), 2), np.tile([0, 1], 16))
    interval = profile_interval(_fit(sample, "UN"), "rho")
    assert interval.edge == edge
    assert (interval.lower == -1.0, interval.upper == 1.0) == (edge == "lower", edge == "upper")
    if not sign:
        assert interval.lower == pytest.approx(-interval.upper, abs=1e-6)
    else:
        assert sign * (interval.lower if edge == "upper" else interval.upper) > 0.5


def test_what_a_model_does_not_have_is_refused() -> None:
    fit = _fit(_two_outcomes(0), "DIAG")
    with pytest.raises(
        EstimationError, match=r"no parameter 'rho'; there are tau2\[0\], tau2\[1\]"
    ):
        profile_interval(fit, "rho")
    three = _three_outcomes(1)
    for name in ("rho", "rho[0,3]", "rho[1,1]", "rho angle 2"):
        with pytest.raises(EstimationError, match=r"no (parameter|pair)"):
            profile_interval(three, name)


def _three_outcomes(seed: int) -> MultivariateFit:
    """Two outcomes of the same trials, and a third of trials of its own."""
    rng = np.random.default_rng([9, seed])
    y, v, trial, outcome = [], [], [], []
    for i in range(24):
        se = rng.uniform(0.1, 0.25, 2)
        block = np.outer(se, se) * np.array([[1.0, 0.5], [0.5, 1.0]])
        names = ["a", "b"] if i % 4 else ["c"]
        size = len(names)
        truth = rng.multivariate_normal([0.4, 0.2], [[0.08, 0.04], [0.04, 0.07]])[:size]
        y += (truth + rng.multivariate_normal(np.zeros(2), block)[:size]).tolist()
        v.append(block[:size, :size])
        trial += [i] * size
        outcome += names
    return fit_multivariate(make_blocks(y, v, trial, outcome), structure="UN")


@pytest.mark.parametrize(("of_three", "of_two"), [("tau2[1]", "tau2[1]"), ("rho[0,1]", "rho")])
def test_an_outcome_of_other_trials_says_nothing(of_three: str, of_two: str) -> None:
    """The likelihood is a product: the interval is that of the two outcomes alone."""
    three = _three_outcomes(2)
    groups = [g for g in three.blocks.groups if g.y.shape[1] == 2]
    (pairs,) = groups
    two = fit_multivariate(
        make_blocks(
            pairs.y.ravel(), list(pairs.v), np.repeat(range(len(pairs.y)), 2).tolist(),
            ["a", "b"] * len(pairs.y),
        ),
        structure="UN",
    )  # fmt: skip
    one, other = profile_interval(three, of_three), profile_interval(two, of_two)
    assert one.estimate == pytest.approx(other.estimate, rel=1e-5)
    assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper), rel=1e-6)
    assert one.edge == other.edge
