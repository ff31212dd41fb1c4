"""Intracluster correlation from participant rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Floats
from analysis.errors import EstimationError


@dataclass(frozen=True)
class ClusterSummary:
    """ICC (negative estimates set to 0), effective cluster size n0, and number of clusters."""

    icc: float
    cluster_size: float
    clusters: int


def anova_icc(values: Floats, arm: NDArray[Any], cluster: NDArray[Any]) -> ClusterSummary:
    """One-way ANOVA estimator of the ICC within arms (Donner and Klar 2000, ch. 1).

    values, arm, cluster: one entry per participant. (MSB - MSW) / (MSB + (n0 - 1) MSW) with
    n0 = (n - sum n_j^2 / n) / (clusters - arms), summed over arms.
    Raises `EstimationError` when there are not more clusters than arms.
    """
    labels = np.array([f"{a}\x00{c}" for a, c in zip(arm, cluster, strict=True)])
    names, inverse = np.unique(labels, return_inverse=True)
    _, arm_codes = np.unique(arm, return_inverse=True)
    arms = int(arm_codes.max()) + 1
    if names.size <= arms or values.size <= names.size:
        raise EstimationError(
            "the ICC needs more clusters than arms and more persons than clusters"
        )
    sizes = np.bincount(inverse).astype(float)
    means = np.bincount(inverse, values) / sizes
    arm_of = np.zeros(names.size, dtype=int)
    arm_of[inverse] = arm_codes
    arm_sizes = np.bincount(arm_codes).astype(float)
    arm_means = np.bincount(arm_codes, values) / arm_sizes
    between = float((sizes * (means - arm_means[arm_of]) ** 2).sum()) / (names.size - arms)
    within = float(((values - means[inverse]) ** 2).sum()) / (values.size - names.size)
    squares = np.bincount(arm_of, sizes**2)
    n0 = float((arm_sizes - squares / arm_sizes).sum()) / (names.size - arms)
    total = between + (n0 - 1.0) * within
    icc = max(0.0, (between - within) / total) if total > 0 else 0.0
    return ClusterSummary(icc, n0, int(names.size))
