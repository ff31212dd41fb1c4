"""One effect per trial and outcome: a mean of the trial's effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Floats, Integers
from analysis.dependent.blocks import EffectBlocks
from analysis.results import Result

OUTSIDE_ITS_EFFECTS = "composite_outside_its_effects"
"""Note of pools with a composite that lies outside the range of its effects."""
_ROUNDING = 1e-6
"""Of the largest effect: what the inverse of an ill-conditioned matrix may be off by."""


@dataclass(frozen=True)
class Composites(Result):
    """Composite effects, one row per trial and outcome, ordered by trial then outcome.

    yi, vi: composite and its sampling variance. cluster, outcome: codes as in the blocks.
    k_effects: how many effects it combines. v: one covariance matrix per trial over the
    trial's outcomes in the order of the rows. outside: whether the composite lies outside the range
    of its effects on the outcome: weights of correlated effects of unequal precision can be
    negative, and those of nearly dependent ones can be anything.
    """

    yi: Floats
    vi: Floats
    cluster: Integers
    outcome: Integers
    k_effects: Integers
    v: tuple[Floats, ...]
    outside: NDArray[np.bool_]


def make_composites(blocks: EffectBlocks, *, weighted: bool = True) -> Composites:
    """Combine each trial's effects per outcome by generalized least squares within the trial.

    With indicator columns X of the trial's outcomes the composites are L y with
    L = (X'V^-1X)^-1 X'V^-1 and covariance L V L' = (X'V^-1X)^-1. Pooling them equals pooling all
    effects under a model without variance between effects of one outcome in a trial.
    weighted: False for simple means, L = (X'X)^-1 X', which do not lean on the sampling
    correlations but lose precision.
    """
    trials, kinds, means, variances, counts, outside = [], [], [], [], [], []
    matrices: dict[int, Floats] = {}
    for group in blocks.groups:
        patterns, which = np.unique(group.outcome, axis=0, return_inverse=True)
        for n, pattern in enumerate(patterns):
            members = np.flatnonzero(which.ravel() == n)
            found = np.unique(pattern)
            x = (pattern[:, None] == found[None, :]).astype(float)
            v = group.v[members]
            if weighted:
                inverse = np.linalg.inv(v)
                covariance = np.linalg.inv(x.T @ inverse @ x)
                lift = covariance @ x.T @ inverse
            else:
                lift = np.broadcast_to(np.linalg.pinv(x), (members.size, *x.T.shape))
                covariance = lift @ v @ np.swapaxes(lift, 1, 2)
            y = group.y[members]
            own = (lift @ y[:, :, None])[:, :, 0]
            outside.append(_beyond(own, y, x).ravel())
            codes = blocks.cluster[group.rows[members, 0]]
            matrices.update(zip(codes.tolist(), covariance, strict=True))
            trials.append(np.repeat(codes, found.size))
            kinds.append(np.tile(found, members.size))
            means.append(own.ravel())
            variances.append(np.diagonal(covariance, axis1=1, axis2=2).ravel())
            counts.append(np.tile(x.sum(axis=0).astype(np.int64), members.size))
    trial_codes, kind_codes = np.concatenate(trials), np.concatenate(kinds)
    order = np.lexsort((kind_codes, trial_codes))
    return Composites(
        np.concatenate(means)[order],
        np.concatenate(variances)[order],
        trial_codes[order],
        kind_codes[order],
        np.concatenate(counts)[order],
        tuple(matrices[trial] for trial in sorted(matrices)),
        np.concatenate(outside)[order],
    )


def _beyond(own: Floats, y: Floats, x: Floats) -> NDArray[np.bool_]:
    """Which composites (m x outcomes) lie beyond the effects they combine; y: m x d effects, x: d x
    outcomes, 1 where an effect is of the outcome."""
    belongs = x[None, :, :] > 0
    low = np.where(belongs, y[:, :, None], np.inf).min(axis=1)
    high = np.where(belongs, y[:, :, None], -np.inf).max(axis=1)
    slack = _ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return np.asarray((own < low - slack) | (own > high + slack))
