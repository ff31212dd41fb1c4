"""Effects of many trials as blocks: cost linear in the number of trials.

Trials with the same number of effects are stacked, so that every step of a fit is a handful
of batched operations on small matrices and never touches a k x k matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.arrays import (
    Floats,
    Integers,
    as_levels,
    as_names,
    as_texts,
    as_vector,
    check_design,
    read_column,
    require,
)
from analysis.errors import EstimationError


@dataclass(frozen=True)
class BlockGroup:
    """The m trials with d effects each.

    rows: m x d positions in the input. y: m x d effects. x: m x d x p design. v: m x d x d
    sampling covariances. outcome: m x d codes of the outcome of each effect.
    """

    rows: Integers
    y: Floats
    x: Floats
    v: Floats
    outcome: Integers


@dataclass(frozen=True)
class EffectBlocks:
    """k effects of m trials, grouped by the number of effects per trial.

    cluster: k trial codes; outcome: k outcome codes 0..q-1 with `outcome_names`.
    """

    k: int
    p: int
    clusters: int
    cluster: Integers
    outcome: Integers
    outcome_names: tuple[str, ...]
    design: Floats
    groups: tuple[BlockGroup, ...]

    @cached_property
    def design_logdet(self) -> float:
        """Log determinant of X'X."""
        return float(np.linalg.slogdet(self.design.T @ self.design)[1])

    @property
    def effects_per_outcome(self) -> Integers:
        return np.bincount(self.outcome, minlength=len(self.outcome_names))

    @cached_property
    def effects_per_trial(self) -> Integers:
        """Number of effects of each trial on each outcome (clusters x outcomes)."""
        counts = np.zeros((self.clusters, len(self.outcome_names)), dtype=np.int64)
        np.add.at(counts, (self.cluster, self.outcome), 1)
        return counts

    @property
    def trials_per_outcome(self) -> Integers:
        return np.asarray((self.effects_per_trial > 0).sum(axis=0))

    @property
    def trials_with_both(self) -> int:
        """Trials with at least two different outcomes."""
        return int(((self.effects_per_trial > 0).sum(axis=1) > 1).sum())


def make_blocks(
    yi: ArrayLike,
    v: NDArray[np.float64] | Sequence[NDArray[np.float64]],
    cluster: Iterable[Any],
    outcome: Iterable[Any] | None = None,
    *,
    design: ArrayLike | None = None,
    outcome_names: Iterable[Any] | None = None,
) -> EffectBlocks:
    """Arrange effects by trial.

    yi: k effects. v: k sampling variances; or a k x k covariance matrix that is 0 between
    trials; or one matrix per trial in order of first appearance, its rows in the order of the
    trial's effects. cluster: k trial labels. outcome: k outcome names (one outcome when None).
    design: k x p; by default one indicator column per outcome.
    Raises `EstimationError` for effects that are not finite, labels that are missing, of the wrong
    number or of an unknown outcome, and a sampling covariance that is not symmetric and positive
    definite, naming the trial.
    """
    effects = as_vector(yi, "yi")
    if not effects.size:
        raise EstimationError("there are no effects")
    require(np.isfinite(effects), "yi must be finite")
    read = read_column(cluster, effects.size, "cluster")
    codes, labels = read.codes, read.names
    names, kinds = _outcomes(outcome, outcome_names, effects.size)
    if design is None:
        matrix = (kinds[:, None] == np.arange(len(names))[None, :]).astype(float)
    else:
        matrix = check_design(design, effects.size)
    return arrange_effects(effects, v, codes, labels, kinds, names, matrix)


def arrange_effects(
    effects: Floats,
    v: NDArray[np.float64] | Sequence[NDArray[np.float64]],
    codes: Integers,
    labels: Sequence[str],
    kinds: Integers,
    names: tuple[str, ...],
    matrix: Floats,
) -> EffectBlocks:
    """As `make_blocks`, of labels that are read already.

    codes: trial of each effect, from 0 in order of first appearance; labels: of the trials. kinds:
    position of each effect's outcome in `names`. matrix: design.
    """
    rows_of = _rows_by_cluster(codes)
    blocks = _covariance_blocks(v, rows_of, effects.size, labels)
    sizes: dict[int, list[int]] = {}
    for trial, rows in enumerate(rows_of):
        sizes.setdefault(len(rows), []).append(trial)
    groups = []
    for _, trials in sorted(sizes.items()):
        stacked_rows = np.array([rows_of[trial] for trial in trials])
        stacked = np.array([blocks[trial] for trial in trials])
        check_positive_definite(stacked, [f"trial {labels[t]}: " for t in trials])
        groups.append(
            BlockGroup(
                stacked_rows,
                effects[stacked_rows],
                matrix[stacked_rows],
                stacked,
                kinds[stacked_rows],
            )
        )
    return EffectBlocks(
        effects.size,
        matrix.shape[1],
        len(rows_of),
        codes,
        kinds,
        names,
        matrix,
        tuple(groups),
    )


def _rows_by_cluster(codes: Integers) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(int(codes.max()) + 1)]
    for row, code in enumerate(codes.tolist()):
        rows[code].append(row)
    return rows


def _outcomes(outcome: Any, outcome_names: Any, k: int) -> tuple[tuple[str, ...], Integers]:
    """Names of the outcomes and the code of each effect."""
    if outcome_names is None:
        levels = as_levels(["effect"] * k if outcome is None else outcome, k, "outcome")
        return levels.names, levels.codes
    names = as_names(outcome_names, "outcome_names", "outcome")
    labels = ["effect"] * k if outcome is None else as_texts(outcome, k, "outcome")
    positions = {name: i for i, name in enumerate(names)}
    unknown = sorted({one for one in labels if one not in positions})
    if unknown:
        raise EstimationError(f"unknown outcome {unknown[0]!r}; known: {', '.join(names)}")
    return tuple(names), np.array([positions[one] for one in labels], dtype=np.int64)


def _covariance_blocks(
    v: Any, rows_of: list[list[int]], k: int, labels: Sequence[str]
) -> list[NDArray[np.float64]]:
    if isinstance(v, (list, tuple)) and len(v) == len(rows_of) and np.ndim(v[0]) == 2:
        blocks = [np.asarray(block, dtype=float) for block in v]
        for label, rows, block in zip(labels, rows_of, blocks, strict=True):
            if block.shape != (len(rows), len(rows)):
                raise EstimationError(
                    f"trial {label}: its sampling covariance is "
                    f"{' x '.join(map(str, block.shape))} for {len(rows)} effects"
                )
        return blocks
    matrix = np.asarray(v, dtype=float)
    if matrix.ndim == 1 and matrix.size == k:
        return [np.diag(matrix[rows]) for rows in rows_of]
    if matrix.shape == (k, k):
        blocks = [matrix[np.ix_(rows, rows)] for rows in rows_of]
        if np.count_nonzero(matrix) > sum(np.count_nonzero(block) for block in blocks):
            raise EstimationError(
                "effects of different trials have a sampling covariance; give such trials one label"
            )
        return blocks
    raise EstimationError(
        f"sampling covariances must be {k} variances, a {k} x {k} matrix or one matrix per trial"
    )


def check_positive_definite(blocks: NDArray[np.float64], whose: Sequence[str]) -> None:
    """Refuse covariance matrices (m x d x d) that are not symmetric and positive definite; `whose`
    begins the message, one text per matrix."""
    variances = np.diagonal(blocks, axis1=1, axis2=2)
    finite = np.isfinite(blocks).all(axis=(1, 2)) | ~np.isfinite(variances).all(axis=1)
    if not finite.all():
        whom = whose[int(np.argmin(finite))]
        raise EstimationError(f"{whom}sampling covariances must be finite")
    good = (np.isfinite(variances) & (variances > 0)).all(axis=1)
    if not good.all():
        whom = whose[int(np.argmin(good))]
        raise EstimationError(f"{whom}sampling variances must be finite and above 0")
    if blocks.shape[1] == 1:
        return
    scale = np.sqrt(variances)
    correlations = blocks / (scale[:, :, None] * scale[:, None, :])
    symmetric = np.abs(correlations - np.swapaxes(correlations, 1, 2)).max(axis=(1, 2)) <= 1e-10
    if not symmetric.all():
        whom = whose[int(np.argmin(symmetric))]
        raise EstimationError(f"{whom}the sampling covariance matrix is not symmetric")
    definite = np.linalg.eigvalsh(correlations)[:, 0] >= 1e-10
    if not definite.all():
        raise EstimationError(
            f"{whose[int(np.argmin(definite))]}the sampling covariance matrix is not positive "
            "definite; the correlations between its effects contradict each other"
        )
