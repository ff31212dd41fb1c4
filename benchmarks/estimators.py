"""Estimators side by side with statsmodels and metafor."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Iterator

import numpy as np

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.univariate.meta_regression import fit_meta_regression
from benchmarks.timing import best_of

Row = tuple[str, str, float]
"""What was timed, by whom, seconds."""

_R = """
suppressMessages(library(metafor))
set.seed(1); n <- {n}; vi <- runif(n, .01, .2); yi <- rnorm(n, .3, sqrt(vi + .05))
invisible(rma(yi, vi)); t <- Sys.time(); for (i in 1:{times}) rma(yi, vi)
cat(as.numeric(difftime(Sys.time(), t, units = "secs")) / {times})
"""


def _effects(k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    vi = rng.uniform(0.01, 0.2, k)
    return rng.normal(0.3, np.sqrt(vi + 0.05)), vi


def one_pool() -> Iterator[Row]:
    """REML with Knapp-Hartung and Q-profile (statsmodels: Paule-Mandel, no interval of tau2)."""
    from statsmodels.stats.meta_analysis import combine_effects

    for k in (13, 100, 2000):
        yi, vi = _effects(k)
        name = f"pooled mean, k = {k}"
        yield name, "ibgap", best_of(lambda yi=yi, vi=vi: fit_meta_regression(yi, vi))

        def peer(yi: np.ndarray = yi, vi: np.ndarray = vi) -> object:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return combine_effects(yi, vi, method_re="iterated", use_t=True)

        yield name, "statsmodels (Paule-Mandel)", best_of(peer)
        seconds = _metafor(k)
        if seconds is not None:
            yield name, "metafor", seconds


def _metafor(k: int) -> float | None:
    if shutil.which("Rscript") is None:
        return None
    script = _R.format(n=k, times=20 if k < 1000 else 2)
    done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 and done.stdout else None


def joint_model() -> Iterator[Row]:
    """Bivariate REML with known covariances and CR2, over trials (cost should be linear)."""
    rng = np.random.default_rng(2)
    for trials in (20, 100, 400, 1600):
        y, v, labels, outcomes = [], [], [], []
        for i in range(trials):
            se = rng.uniform(0.1, 0.3, 2)
            block = np.outer(se, se) * np.array([[1.0, 0.4], [0.4, 1.0]])
            y.extend(rng.multivariate_normal([0.5, 0.25], block + 0.03 * np.eye(2)))
            v.append(block)
            labels += [i, i]
            outcomes += ["intention", "behavior"]

        def run(y=y, v=v, labels=labels, outcomes=outcomes) -> object:  # type: ignore[no-untyped-def]
            blocks = make_blocks(y, v, labels, outcomes, outcome_names=["intention", "behavior"])
            return robust_covariance(fit_multivariate(blocks)).df(np.array([1.0, -1.0]))

        yield f"joint model with CR2, {trials} trials", "ibgap", best_of(run, 3)
