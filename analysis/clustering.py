"""Intracluster correlation from participant rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Floats, as_levels, as_vector
from analysis.errors import EstimationError

Codes = NDArray[np.integer]


@dataclass(frozen=True)
class ClusterSummary:
    """ICC (negative estimates set to 0), effective cluster size n0, and number of clusters."""

    icc: float
    cluster_size: float
    clusters: int


def anova_icc(values: Floats, arm: Iterable[Any], cluster: Iterable[Any]) -> ClusterSummary:
    """One-way ANOVA estimator of the ICC within arms (Donner and Klar 2000, ch. 1).

    values, arm, cluster: one entry per participant. (MSB - MSW) / (MSB + (n0 - 1) MSW) with
    n0 = (n - sum n_j^2 / n) / (clusters - arms), summed over arms.
    A cluster is one within its arm: the same label in two arms is two clusters.
    Raises `EstimationError` when there are not more clusters than arms, and for missing labels,
    with the rows.
    """
    values = as_vector(values, "values")
    of_arm = as_levels(arm, values.size, "arm", "participant")
    own = as_levels(cluster, values.size, "cluster", "participant")
    return icc_of_codes(values, of_arm.codes, own.codes)


def icc_of_codes(values: Floats, arm_codes: Codes, cluster_codes: Codes) -> ClusterSummary:
    """As `anova_icc`, with whole numbers from 0 for arms (each with a participant) and clusters."""
    arms = int(arm_codes.max(initial=-1)) + 1
    wide = arm_codes.astype(np.int64) * (int(cluster_codes.max(initial=0)) + 1) + cluster_codes
    names, inverse = np.unique(wide, return_inverse=True)
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
