"""The REML and ML estimates are global maxima: 200 awkward sets against a dense grid.

Few studies (3 to 12), very uneven variances (five decades) and scales from 1e-3 to 1e3: sets on
which a search from one start stops in a local maximum, at 0, or short of the maximum because its
stopping rule is in absolute units.
"""

from __future__ import annotations

import numpy as np
import pytest

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import fit_random_effects

SETS = 200
GRID = np.concatenate([[0.0], np.geomspace(1e-9, 1e5, 3000)])
"""Values of tau2 in units of the median variance of a set."""


def _awkward(number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([7, number])
    k = int(rng.integers(3, 13))
    scale = 1.0 if number % 2 == 0 else 10.0 ** rng.uniform(-3.0, 3.0)
    vi = 10.0 ** rng.uniform(-4.0, 1.0, k)
    tau = 10.0 ** rng.uniform(-2.0, 0.5) * rng.integers(0, 2)
    yi = rng.normal(0.0, np.sqrt(vi + tau**2)) + rng.choice([0.0, 3.0], k, p=[0.8, 0.2])
    return scale * yi, scale**2 * vi


def _on_grid(tau2: np.ndarray, yi: np.ndarray, vi: np.ndarray, *, restricted: bool) -> np.ndarray:
    """Log-likelihood (apart from a constant) at every value of tau2, straight from its formula."""
    w = 1.0 / (vi + tau2[:, None])
    total = w.sum(axis=1)
    mean = (w * yi).sum(axis=1) / total
    value = np.log(w).sum(axis=1) - (w * (yi - mean[:, None]) ** 2).sum(axis=1)
    return 0.5 * (value - np.log(total)) if restricted else 0.5 * value


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_no_value_on_a_dense_grid_is_better(method: str) -> None:
    restricted = method == "REML"
    several_maxima = 0
    for number in range(SETS):
        yi, vi = _awkward(number)
        grid = GRID * np.median(vi)
        values = _on_grid(grid, yi, vi, restricted=restricted)
        several_maxima += int((np.diff(np.sign(np.diff(values))) < 0).sum() > 1)
        tau2 = fit_random_effects(yi, vi, method=method).tau2
        ours = _on_grid(np.array([tau2]), yi, vi, restricted=restricted)[0]
        assert ours >= values.max() - 1e-11 * max(1.0, abs(ours)), f"set {number}"
        best = int(values.argmax())
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
        tie = ours - values.max() < 1e-9
        assert low <= tau2 <= high or tie, f"set {number}"
    assert several_maxima >= 3, "the sets are meant to be awkward"


def test_a_falling_likelihood_at_zero_is_not_the_end() -> None:
    """Sets whose restricted likelihood falls at 0 and has its global maximum beyond."""
    found = 0
    for number in range(SETS):
        yi, vi = _awkward(number)
        grid = GRID * np.median(vi)
        values = _on_grid(grid, yi, vi, restricted=True)
        if values[1] < values[0] and values.max() > values[0] + 1e-3:
            assert fit_random_effects(yi, vi).tau2 > 0.0, f"set {number}"
            found += 1
    assert found >= 1


def _one_level(number: int) -> tuple[float, float]:
    """Log-likelihood by the multivariate engine and by the univariate one."""
    yi, vi = _awkward(number)
    blocks = make_blocks(yi, vi, list(range(yi.size)))
    return fit_multivariate(blocks, structure="ID").loglik, fit_meta_regression(yi, vi).loglik


def test_the_multivariate_engine_finds_the_same_maximum() -> None:
    for number in range(60):
        several, one = _one_level(number)
        assert several == pytest.approx(one, abs=1e-7), f"set {number}"


def test_paule_mandel_on_the_same_sets() -> None:
    for number in range(SETS):
        yi, vi = _awkward(number)
        tau2 = fit_random_effects(yi, vi, method="PM").tau2
        w = 1.0 / (vi + tau2)
        q = float((w * (yi - (w * yi).sum() / w.sum()) ** 2).sum())
        assert q == pytest.approx(yi.size - 1.0, rel=1e-9) or (tau2 == 0.0 and q < yi.size - 1.0)
