"""Estimators side by side with other programs, on the same data in the same run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from analysis import (
    fit_many,
    fit_many_gaps,
    fit_multivariate,
    fit_random_effects,
    leave_one_out,
    make_blocks,
    paired_effects,
    permutation_test,
    pool_subsets,
    robust_covariance,
)
from benchmarks.peers import metafor, python_peers
from benchmarks.processes import best_cost
from benchmarks.timing import steady

Row = tuple[str, str, float]
"""What was timed, by whom, processor seconds."""


def _effects(k: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vi = rng.uniform(0.01, 0.2, k)
    return rng.normal(0.3, np.sqrt(vi + 0.05)), vi


def _beside(name: str, own: float, task: str, *, r: bool = True, **data: np.ndarray) -> list[Row]:
    peers = python_peers(task, **data) + (metafor(task, **data) if r else [])
    return [(name, "ibgap", own), *((name, who, seconds) for who, seconds in peers)]


def one_pool() -> Iterator[Row]:
    """REML with Knapp-Hartung, Q-profile and prediction interval."""
    for k in (13, 100, 2000):
        y, v = _effects(k)
        own = steady(lambda y=y, v=v: fit_random_effects(y, v))
        # metafor takes a minute for 2,000 effects and is known to grow with the square.
        yield from _beside(f"pooled mean, k = {k}", own, "one", r=k < 1000, y=y, v=v)


def many_pools() -> Iterator[Row]:
    """10,000 unrelated REML fits of 30 effects in one call."""
    rng = np.random.default_rng(3)
    v = rng.uniform(0.01, 0.2, (10_000, 30))
    y = rng.normal(0.3, np.sqrt(v + 0.05))
    own = steady(lambda: fit_many(y, v))
    yield from _beside("10,000 fits of k = 30", own, "many", y=y, v=v)


def repeated() -> Iterator[Row]:
    """Each study left out, k = 200; 1,000 permutations of one moderator, k = 48."""
    y, v = _effects(200)
    own = steady(lambda: pool_subsets(y, v, leave_one_out(200)))
    yield from _beside("each left out, k = 200", own, "leave_one_out", y=y, v=v)
    y, v = _effects(48)
    x = np.random.default_rng(4).normal(size=48)
    design = np.column_stack([np.ones(48), x])
    own = steady(lambda: permutation_test(y, v, design, permutations=1000))
    yield from _beside("1,000 permutations, k = 48", own, "permutation", y=y, v=v, x=x)


def _clustered(
    trials: int, each: int, rho: float
) -> tuple[np.ndarray, list[np.ndarray], list[int]]:
    rng = np.random.default_rng(5)
    y, blocks, labels = [], [], []
    for i in range(trials):
        se = rng.uniform(0.1, 0.3, each)
        block = np.outer(se, se) * (rho + (1.0 - rho) * np.eye(each))
        y += list(0.3 + rng.normal(0, 0.2) + rng.multivariate_normal(
            np.zeros(each), block + 0.02 * np.eye(each)))  # fmt: skip
        blocks.append(block)
        labels += [i] * each
    return np.array(y), blocks, labels


def _groups(labels: list[int]) -> dict[str, np.ndarray]:
    """Trials and effects counted from 1: `vcalc` of metafor makes NA of a cluster named 0."""
    return {"g": np.array(labels) + 1.0, "e": np.arange(1.0, len(labels) + 1.0)}


def three_level() -> Iterator[Row]:
    """REML of effects in trials; with known sampling correlations and CR2 (CHE)."""
    y, blocks, labels = _clustered(100, 5, 0.0)
    v = np.concatenate([np.diag(b) for b in blocks])
    name = "three levels, 500 effects in 100 trials"
    own = steady(
        lambda: fit_multivariate(make_blocks(y, v, labels), structure="ID", within="common")
    )
    groups = _groups(labels)
    yield name, "ibgap", own
    yield from ((name, who, s) for who, s in metafor("three_level", y=y, v=v, **groups))
    y, blocks, labels = _clustered(400, 5, 0.6)

    def che() -> object:
        fit = fit_multivariate(make_blocks(y, blocks, labels), structure="ID", within="common")
        return robust_covariance(fit).df(np.ones(1))

    name = "CHE with CR2, 2,000 effects in 400 trials"
    yield name, "ibgap", steady(che)
    v = np.concatenate([np.diag(b) for b in blocks])
    groups = _groups(labels)
    yield from ((name, f"{who} (without CR2)", s) for who, s in metafor("che", y=y, v=v, **groups))
    y, blocks, labels = _clustered(20_000, 5, 0.6)
    yield "CHE with CR2, 100,000 effects in 20,000 trials", "ibgap", steady(che)


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

        yield f"joint model with CR2, {trials} trials", "ibgap", steady(run)


def multiverse() -> Iterator[Row]:
    """10,000 joint models of 60 trials, each with its own effects, a fifth without behavior."""
    rng = np.random.default_rng(6)
    v1, v2 = rng.uniform(0.01, 0.08, (2, 60))
    c = 0.4 * np.sqrt(v1 * v2)
    shared = rng.multivariate_normal([0.4, 0.2], [[0.04, 0.02], [0.02, 0.03]], 60)
    noise = rng.normal(0.0, 0.15, (2, 10_000, 60))
    y1, y2 = shared[:, 0] + noise[0], shared[:, 1] + noise[1]
    y2[rng.random(y2.shape) < 0.2] = np.nan
    own = steady(lambda: fit_many_gaps(paired_effects(y1, v1, y2, v2, c)))
    yield "10,000 specifications of the gap, 60 trials", "ibgap", own


def imports() -> Iterator[Row]:
    """A fresh interpreter that imports the estimators."""
    statement = "from analysis import fit_random_effects, fit_joint"
    for name, code in (("python alone", "pass"), ("import of the estimators", statement)):
        yield name, "ibgap", best_cost([sys.executable, "-c", code]).processor


def rows(*, quick: bool = False) -> list[Row]:
    """Everything; `quick` leaves out the largest."""
    parts = [one_pool, many_pools, repeated, joint_model, imports]
    return [
        row for part in (parts if quick else [*parts, three_level, multiverse]) for row in part()
    ]


def beside_metafor() -> list[Row]:
    """The tasks that metafor does, too; nothing where it is not there."""
    y, v = _effects(13)
    if not metafor("one", y=y, v=v):
        return []
    return [row for part in (one_pool, many_pools, repeated, three_level) for row in part()]
