"""The gap from participants of several trials, some of whom dropped out before behavior was
measured: effects of each trial first, then the joint model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, as_label, is_constant, named, require
from analysis.effect_sizes.binary import LOGISTIC_TO_SMD, log_odds_ratio
from analysis.effect_sizes.standardized import standardized_mean_difference
from analysis.errors import EstimationError
from analysis.gap.joint import JointModel, fit_joint
from analysis.gap.participants import (
    Influence,
    influence_correlations,
    log_odds_influence,
    smd_influence,
)
from analysis.results import Result

IMPUTATIONS = 20
_CYCLES = 5
MISSING = {
    "available": "every participant with the outcome; right when dropout does not depend on what "
    "is missing given arm",
    "imputed": "multiple imputation of each outcome from the other within arms; right when dropout "
    "depends on arm and the measured outcome only",
}


@dataclass(frozen=True)
class ParticipantTrial:
    """Participants of one trial: treated (n, 1 in the intervention arm, else 0), intention and
    behavior (n, nan where not measured). A behavior of 0 and 1 is taken as done or not done.
    Raises `EstimationError` for a missing name, columns of different lengths or an arm that is
    neither."""

    name: str
    treated: np.ndarray
    intention: Floats
    behavior: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", as_label(self.name, "the name of a trial"))
        for column in ("treated", "intention", "behavior"):
            values = np.asarray(getattr(self, column), dtype=np.float64)
            object.__setattr__(self, column, values)
        sizes = {one.shape for one in (self.treated, self.intention, self.behavior)}
        if len(sizes) != 1:
            raise EstimationError(f"{self.name}: the three columns differ in length: {sizes}")
        if not np.isin(self.treated, (0.0, 1.0)).all():
            raise EstimationError(f"{self.name}: treated must be 0 or 1 for everybody")
        object.__setattr__(self, "treated", self.treated > 0.0)

    @property
    def is_binary(self) -> bool:
        known = self.behavior[np.isfinite(self.behavior)]
        return known.size > 0 and bool(np.isin(known, (0.0, 1.0)).all())


@dataclass(frozen=True)
class TrialEffectPair(Result):
    """Effects of one trial on intention and behavior (standard deviation units) with their 2 x 2
    sampling covariance; for imputed data the share of the variances that is due to imputation."""

    trial: str
    estimate: Floats
    covariance: Floats
    missing_share: Floats


def require_own_names(trials: Sequence[ParticipantTrial]) -> None:
    """Raise `RowError` naming the positions of trials that share a name: each counts as one."""
    names = [trial.name for trial in trials]
    own = np.array([names.count(one) == 1 for one in names], dtype=bool)
    require(own, "trials share a name; each needs its own, and counts once")


def participant_gap(
    trials: Sequence[ParticipantTrial],
    *,
    missing: str = "available",
    imputations: int = IMPUTATIONS,
    seed: int = 1,
    level: float = 0.95,
) -> tuple[JointModel, list[TrialEffectPair]]:
    """Two-stage analysis: the pair of effects of every trial with its exact covariance, then the
    joint model.

    missing: one of `MISSING`. Compare with `fit_one_stage`, which uses everybody by likelihood.
    Raises `EstimationError` for a trial in which an arm has fewer than 3 measured participants, and
    for trials of one name, by their positions.
    """
    named(missing, MISSING, "handling")
    if not trials:
        raise EstimationError("there are no trials")
    require_own_names(trials)
    rng = np.random.default_rng(seed)
    pairs = []
    for trial in trials:
        if missing == "available":
            estimate, covariance = _pair(trial)
            share = np.zeros(2)
        else:
            made = [_pair(one) for one in impute_behavior(trial, imputations, rng)]
            estimate, covariance, share = combine_imputations(
                np.array([e for e, _ in made]), np.array([c for _, c in made])
            )
        pairs.append(TrialEffectPair(trial.name, estimate, covariance, share))
    y = np.concatenate([one.estimate for one in pairs])
    labels = [one.trial for one in pairs for _ in range(2)]
    model = fit_joint(
        y, [one.covariance for one in pairs], labels, ["intention", "behavior"] * len(pairs),
        level=level,
    )  # fmt: skip
    return model, pairs


def _pair(trial: ParticipantTrial) -> tuple[Floats, Floats]:
    """Hedges' g on intention, and on behavior g or its log odds ratio as d, with covariance."""
    one = _continuous(trial, trial.intention, "intention")
    two = _binary(trial) if trial.is_binary else _continuous(trial, trial.behavior, "behavior")
    r = float(influence_correlations([one[2], two[2]], trial.treated.size)[0, 1])
    c = r * math.sqrt(one[1] * two[1])
    return np.array([one[0], two[0]]), np.array([[one[1], c], [c, two[1]]])


def _arms(trial: ParticipantTrial, values: Floats, what: str) -> tuple[np.ndarray, np.ndarray]:
    person = np.flatnonzero(np.isfinite(values))
    treated = trial.treated[person].astype(bool)
    if min(int(treated.sum()), int((~treated).sum())) < 3:
        raise EstimationError(f"{trial.name}: each arm needs 3 participants with {what} measured")
    return person, treated


def _continuous(
    trial: ParticipantTrial, values: Floats, what: str
) -> tuple[float, float, Influence]:
    person, treated = _arms(trial, values, what)
    known = values[person]
    one, two = known[treated], known[~treated]
    if is_constant(one) and is_constant(two):
        raise EstimationError(f"{trial.name}: {what} does not vary")
    made = standardized_mean_difference(
        one.mean(), one.std(ddof=1), one.size, two.mean(), two.std(ddof=1), two.size
    )
    return float(made.yi[0]), float(made.vi[0]), smd_influence(known, treated, person)


def _binary(trial: ParticipantTrial) -> tuple[float, float, Influence]:
    person, treated = _arms(trial, trial.behavior, "behavior")
    known = trial.behavior[person]
    made = log_odds_ratio(
        known[treated].sum(), int(treated.sum()), known[~treated].sum(), int((~treated).sum())
    )
    scale = LOGISTIC_TO_SMD
    return (
        float(made.yi[0]) * scale, float(made.vi[0]) * scale**2,
        log_odds_influence(known, treated, person),
    )  # fmt: skip


def combine_imputations(
    estimates: ArrayLike, covariances: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Rubin's rules (1987) for vectors: mean (q), total covariance W + (1 + 1/m) B (q x q), and
    the share of each variance that is between imputations.

    estimates: m x q, covariances: m x q x q. Raises `EstimationError` for fewer than 2.
    """
    q, u = np.asarray(estimates, dtype=np.float64), np.asarray(covariances, dtype=np.float64)
    m = q.shape[0]
    if m < 2:
        raise EstimationError(f"imputations are combined from 2 on, found {m}")
    between = np.atleast_2d(np.cov(q, rowvar=False)) * (1.0 + 1.0 / m)
    total = u.mean(axis=0) + between
    return q.mean(axis=0), total, np.diag(between) / np.diag(total)


def impute_behavior(
    trial: ParticipantTrial, imputations: int, rng: np.random.Generator
) -> list[ParticipantTrial]:
    """Complete copies of a trial, each missing value drawn from its posterior predictive
    distribution given arm and the other outcome (normal regression within arms; logistic for
    behavior done or not done), outcomes in turn for five cycles."""
    out = []
    for _ in range(imputations):
        intention, behavior = trial.intention.copy(), trial.behavior.copy()
        for arm in (True, False):
            rows = trial.treated.astype(bool) == arm
            _impute_arm(intention, behavior, rows, trial, rng)
        out.append(ParticipantTrial(trial.name, trial.treated, intention, behavior))
    return out


def _impute_arm(
    intention: Floats, behavior: Floats, rows: np.ndarray, trial: ParticipantTrial,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    lost_i = rows & ~np.isfinite(trial.intention)
    lost_b = rows & ~np.isfinite(trial.behavior)
    for values, lost, source in (
        (intention, lost_i, trial.intention), (behavior, lost_b, trial.behavior)
    ):  # fmt: skip
        known = source[rows & np.isfinite(source)]
        if lost.any() and known.size < 4:
            raise EstimationError(f"{trial.name}: too few measured participants to impute others")
        values[lost] = rng.choice(known, int(lost.sum())) if lost.any() else values[lost]
    cycles = _CYCLES if lost_i.any() and lost_b.any() else 1
    for _ in range(cycles):
        if lost_b.any():
            seen = rows & ~lost_b
            draw = _draw_logistic if trial.is_binary else _draw_normal
            behavior[lost_b] = draw(intention[seen], behavior[seen], intention[lost_b], rng)
        if lost_i.any():
            seen = rows & ~lost_i
            intention[lost_i] = _draw_normal(behavior[seen], intention[seen], behavior[lost_i], rng)


def _draw_normal(x: Floats, y: Floats, new: Floats, rng: np.random.Generator) -> Floats:
    """Draws of y at `new` from the Bayesian regression of y on x with a flat prior."""
    design = np.column_stack([np.ones_like(x), x - x.mean()])
    if float(np.ptp(x)) == 0.0:
        design = design[:, :1]
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ (design.T @ y)
    df = max(1, y.size - design.shape[1])
    rest = y - design @ beta
    sigma2 = float(rest @ rest) / rng.chisquare(df)
    drawn = rng.multivariate_normal(beta, sigma2 * inverse)
    columns = np.column_stack([np.ones_like(new), new - x.mean()])[:, : design.shape[1]]
    return np.asarray(columns @ drawn + rng.normal(0.0, math.sqrt(sigma2), new.size))


def _draw_logistic(x: Floats, y: Floats, new: Floats, rng: np.random.Generator) -> Floats:
    """Draws of 0 or 1 at `new` from a logistic regression with a weak normal prior, which keeps
    separated arms finite."""
    scale = float(x.std()) or 1.0
    design = np.column_stack([np.ones_like(x), (x - x.mean()) / scale])
    prior = np.diag([1.0 / 25.0, 1.0 / 6.25])
    beta, precision = np.zeros(2), prior
    for _ in range(50):
        p = special.expit(design @ beta)
        precision = design.T @ (design * (p * (1.0 - p))[:, None]) + prior
        step = np.linalg.solve(precision, design.T @ (y - p) - prior @ beta)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-8:
            break
    drawn = rng.multivariate_normal(beta, np.linalg.inv(precision))
    columns = np.column_stack([np.ones_like(new), (new - x.mean()) / scale])
    return (rng.random(new.size) < special.expit(columns @ drawn)).astype(np.float64)
