"""The joint model without each of its trials in turn, all of them in one go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.blocks import EffectBlocks
from analysis.dependent.multivariate import MultivariateFit, rescaled, typical_size
from analysis.dependent.newton import Climbed, climb
from analysis.dependent.parametrization import Parametrization, directions
from analysis.dependent.robust_many import robust_many
from analysis.dependent.scoring import (
    Arranged,
    arrange,
    cholesky_objective,
    constants,
    elements_at,
    evaluate,
)
from analysis.gap.joint import JointModel
from analysis.gap.many_gaps import SMALLEST_NUMBER_OF_PAIRS, ManyGaps

ANOTHER_MODEL = "another_model"
"""Status of a left-out trial without which the joint model has another structure."""
_FEW_TRIALS = 50
"""Below it the likelihood can have several maxima, and every start is followed."""
_LEFT = 1e-7
_ZERO, _OFF = 1e-12, 1e-3
_BLOCK = 60_000
"""Fits times trials that are held at a time."""


def fit_without_each(model: JointModel) -> ManyGaps:
    """As `fit_joint` on the trials of a model without one of them, for each of them in the order of
    the blocks.

    From every maximum of the whole model, and with few trials from every start. Status
    `another_model` (and nothing else) where the rest has another structure than the whole: fewer
    than 3 trials with both outcomes, fewer than 2 with one, or no trial any more that has several
    effects of an outcome; and where no maximum was found.
    """
    fit = model.fit
    made, left_out = _nothing(fit.blocks), np.flatnonzero(_same_structure(fit))
    if left_out.size:
        problem = _problem(fit)
        step = max(1, _BLOCK // fit.blocks.clusters)
        for start in range(0, left_out.size, step):
            _fit(problem, left_out[start : start + step], made)
    return ManyGaps(**made)


@dataclass(frozen=True)
class _Problem:
    """The model of all trials: unit of its variances, its blocks arranged as they are and in units,
    and the parameters to start from."""

    blocks: EffectBlocks
    restricted: bool
    unit: float
    whole: Arranged
    scaled: Arranged
    curvature: Floats
    starts: list[Floats]


def _problem(fit: MultivariateFit) -> _Problem:
    taus, omegas, _ = directions(2, fit.structure, fit.within_index)
    parametrization = Parametrization(2, fit.structure, fit.within_index)
    restricted, unit = fit.method == "REML", typical_size(fit.blocks)
    points = fit.blocks.clusters
    scaled = arrange(rescaled(fit.blocks, unit), taus, omegas, points=points)
    curvature, starts = parametrization.curvature, parametrization.starts(1.0)
    if scaled.trials >= _FEW_TRIALS:
        found = climb(cholesky_objective(scaled, curvature, restricted), np.array(starts))
        starts = _different(found, elements_at(curvature, found.theta))
    else:
        starts.append(parametrization.locate(fit.tau / unit, fit.omega / unit))
    whole = arrange(fit.blocks, taus, omegas, points=points)
    return _Problem(fit.blocks, restricted, unit, whole, scaled, curvature, starts)


def _same_structure(fit: MultivariateFit) -> np.ndarray:
    """Which trials leave the structure of the model as it is when they are left out."""
    counts = fit.blocks.effects_per_trial
    has = counts > 0
    if fit.structure != "UN":
        return np.zeros(fit.blocks.clusters, dtype=bool)
    trials, both = has.sum(axis=0) - has, has.all(axis=1)
    several = (counts > 1).sum(axis=0) - (counts > 1)
    replicated = np.array(fit.within_index) >= 0
    kept = both.sum() - both >= SMALLEST_NUMBER_OF_PAIRS
    return np.asarray(kept & (trials > 1).all(axis=1) & ((several > 0) == replicated).all(axis=1))


_COUNTS = ("k1", "k2", "pairs")


def _nothing(blocks: EffectBlocks) -> dict[str, np.ndarray]:
    has = blocks.effects_per_trial > 0
    both = has.all(axis=1)
    made: dict[str, np.ndarray] = {
        name: np.full(blocks.clusters, np.nan)
        for name in ManyGaps.__dataclass_fields__
        if name not in (*_COUNTS, "status")
    }
    k1, k2 = (has.sum(axis=0) - has).T
    return made | {
        "k1": k1, "k2": k2, "pairs": both.sum() - both,
        "status": np.full(blocks.clusters, ANOTHER_MODEL, dtype="<U15"),
    }  # fmt: skip


def _fit(problem: _Problem, left_out: np.ndarray, made: dict[str, np.ndarray]) -> None:
    """Fit without each of these trials and write the numbers where they belong."""
    blocks, restricted, arranged = problem.blocks, problem.restricted, problem.whole
    counted = np.ones((left_out.size, blocks.clusters))
    counted[np.arange(left_out.size), left_out] = 0.0
    theta, left = _search(problem, counted)
    elements = _cleared(elements_at(problem.curvature, theta)) * problem.unit
    at = evaluate(arranged, elements, restricted, counted=counted, derivatives=False)
    robust = robust_many(arranged, elements, at, counted)
    mu1, mu2 = at.beta.T
    one = np.ones_like(mu1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mu2 / mu1
    apart, form = np.stack([one, -one], axis=1), np.stack([-ratio, one], axis=1)
    found = {
        "mu1": mu1, "mu2": mu2, "difference": mu1 - mu2, "ratio": ratio,
        "tau11": elements[:, 0], "tau12": elements[:, 1], "tau22": elements[:, 2],
        "se": _se(robust.vcov, apart), "df": robust.df(apart),
        "ratio_se": _se(robust.vcov, form) / np.abs(mu1), "ratio_df": robust.df(form),
        "loglik": at.value + _constants(blocks, counted, restricted),
        "status": np.where(left <= _LEFT, "ok", ANOTHER_MODEL),
    }  # fmt: skip
    for kind, matrices in (("model", at.m), ("robust", robust.vcov)):
        for (i, j), name in (((0, 0), "11"), ((0, 1), "12"), ((1, 1), "22")):
            found[f"{kind}{name}"] = matrices[:, i, j]
    for name, values in found.items():
        made[name][left_out] = values


def _se(vcov: Floats, contrast: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("bp,bpq,bq->b", contrast, vcov, contrast)))


def _constants(blocks: EffectBlocks, counted: Floats, restricted: bool) -> Floats:
    """Constants of the log-likelihoods; X'X holds the numbers of effects on each outcome."""
    sizes = counted @ blocks.effects_per_trial
    return np.array([
        constants(int(own.sum()), 2, float(np.log(own).sum()), restricted) for own in sizes
    ])  # fmt: skip


def _search(problem: _Problem, counted: Floats) -> tuple[Floats, Floats]:
    """Parameters (B x n) of the highest maximum of every problem and the slope left there."""
    starts, count = problem.starts, counted.shape[0]
    objective = cholesky_objective(
        problem.scaled, problem.curvature, problem.restricted, np.tile(counted, (len(starts), 1))
    )
    found = climb(objective, np.repeat(np.array(starts), count, axis=0))
    value = found.value.reshape(len(starts), count)
    best = np.argmax(value >= np.nanmax(value, axis=0) - 1e-10, axis=0) * count + np.arange(count)
    return found.theta[best], found.left[best]


def _different(found: Climbed, elements: Floats) -> list[Floats]:
    """The maxima that were found, each once, a little off, since searches may end at a boundary."""
    kept: list[int] = []
    for i in np.flatnonzero(found.left <= _LEFT):
        if not any(np.allclose(elements[i], elements[j], atol=1e-4) for j in kept):
            kept.append(int(i))
    return [found.theta[i] + _OFF for i in kept]


def _cleared(elements: Floats) -> Floats:
    """Variances that are 0 but for rounding become 0, with their covariance."""
    out = np.where(elements < _ZERO, 0.0, elements)
    gone = (elements[:, 0] < _ZERO) | (elements[:, 2] < _ZERO)
    out[:, 1] = np.where(gone, 0.0, elements[:, 1])
    return out
