"""One effect per trial and outcome: the precision-weighted mean of a trial's effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Integers
from analysis.blocks import EffectBlocks


@dataclass(frozen=True)
class Composites:
    """Composite effects, one row per trial and outcome, ordered by trial then outcome.

    yi, vi: composite and its sampling variance. cluster, outcome: codes as in the blocks.
    k_effects: how many effects it combines. v: one covariance matrix per trial over the
    trial's outcomes in the order of the rows.
    """

    yi: Floats
    vi: Floats
    cluster: Integers
    outcome: Integers
    k_effects: Integers
    v: tuple[Floats, ...]

    def of(self, outcome: int) -> tuple[Floats, Floats, Integers]:
        """Composites, variances and trial codes of one outcome."""
        rows = self.outcome == outcome
        return self.yi[rows], self.vi[rows], self.cluster[rows]


def make_composites(blocks: EffectBlocks) -> Composites:
    """Combine each trial's effects per outcome by generalized least squares within the trial.

    With indicator columns X of the trial's outcomes the composites are
    (X'V^-1X)^-1 X'V^-1 y and their covariance is (X'V^-1X)^-1. Pooling them equals pooling all
    effects under a model without variance between effects of one outcome in a trial.
    """
    rows: list[tuple[int, int, float, float, int]] = []
    matrices: dict[int, Floats] = {}
    for group in blocks.groups:
        inverse = np.linalg.inv(group.v)
        for i in range(group.y.shape[0]):
            kinds = np.unique(group.outcome[i])
            x = (group.outcome[i][:, None] == kinds[None, :]).astype(float)
            covariance = np.linalg.inv(x.T @ inverse[i] @ x)
            means = covariance @ (x.T @ inverse[i] @ group.y[i])
            trial = int(blocks.cluster[group.rows[i, 0]])
            matrices[trial] = covariance
            rows += [
                (trial, int(kind), float(means[j]), float(covariance[j, j]), int(x[:, j].sum()))
                for j, kind in enumerate(kinds)
            ]
    rows.sort()
    trial_codes, kind_codes, means_, variances, counts = zip(*rows, strict=True)
    return Composites(
        np.array(means_),
        np.array(variances),
        np.array(trial_codes, dtype=np.int64),
        np.array(kind_codes, dtype=np.int64),
        np.array(counts, dtype=np.int64),
        tuple(matrices[trial] for trial in sorted(matrices)),
    )
