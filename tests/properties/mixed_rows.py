"""Effects of trials of different sizes, rows mixed, for tests of dependent effects."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats


def mixed_rows(
    rng: np.random.Generator, m: int, p: int, between: float
) -> tuple[Floats, Floats, Floats, np.ndarray]:
    """y, V, X and trials of m trials of 1 to 4 effects that share half of their sampling error; p
    columns, an intercept first; between: standard deviation of the trials' true effects."""
    trial = rng.permutation(np.repeat(np.arange(m), rng.integers(1, 5, m)))
    vi = rng.uniform(0.02, 0.2, trial.size)
    v = 0.5 * np.sqrt(np.outer(vi, vi)) * (trial[:, None] == trial[None, :])
    np.fill_diagonal(v, vi)
    x = np.column_stack([np.ones(trial.size), rng.normal(size=(trial.size, p - 1))])
    y = np.linalg.cholesky(v) @ rng.normal(size=trial.size) + between * rng.normal(size=m)[trial]
    return y, v, x, trial
