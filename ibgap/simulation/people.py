"""The persons of a simulated trial: latent scores, and what is seen of them.

Within an arm the latent scores of a person are normal with mean 0, variance 1 and the correlations
of the plan. A score that is written adds the true effect in treated arms. Whether a person acts is
a cut of the latent score, at such a place that the odds of a treated arm are those of an untreated
one times exp(effect * pi / sqrt(3)): the log odds ratio on the common scale is the true effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ibgap.simulation.design import Design, Instrument, Random
from ibgap.simulation.plan import Plan

Floats = NDArray[np.float64]

LOGISTIC_SD = math.pi / math.sqrt(3.0)
_EXTRA_CORRELATION = 0.5
_LOST_AGAIN = 0.5


@dataclass(frozen=True)
class People:
    """One entry per person. arm: place among the arms. cluster: number, or -1. baseline,
    upstream, extra: latent scores, missing where there is no value; behavior: one such array
    per follow-up."""

    arm: NDArray[np.int64]
    cluster: NDArray[np.int64]
    baseline: Floats
    upstream: Floats
    extra: Floats
    behavior: tuple[Floats, ...]


def draw_people(random: Random, design: Design, plan: Plan) -> People:
    """The persons of a trial, equally many in every arm but for what does not divide."""
    n, arms = design.persons, len(design.arms)
    if design.cluster_size:
        clusters = max(3 * arms, n // design.cluster_size)
        cluster = np.arange(n) % clusters
        arm = (random.permutation(clusters) % arms)[cluster]
    else:
        cluster = np.full(n, -1)
        arm = random.permutation(n) % arms

    def scores() -> Floats:
        """Independent standard normal scores, alike within clusters."""
        own = random.standard_normal(n)
        if not design.cluster_size:
            return own
        shared = random.standard_normal(int(cluster.max()) + 1)[cluster]
        return math.sqrt(plan.icc) * shared + math.sqrt(1 - plan.icc) * own

    def mixed(r: float, one: Floats, other: Floats) -> Floats:
        return r * one + math.sqrt(1 - r * r) * other

    upstream = scores()
    baseline = mixed(plan.baseline_correlation, upstream, scores())
    extra = mixed(_EXTRA_CORRELATION, upstream, scores())
    rest = scores()
    behavior = [mixed(plan.within_arm_correlation, upstream, rest)]
    for _ in design.weeks[1:]:
        rest = mixed(plan.followup_correlation, rest, scores())
        behavior.append(mixed(plan.within_arm_correlation, upstream, rest))

    lost, share = random.random(n), design.dropout
    for scored in behavior:
        scored[lost < share] = np.nan
        share *= 1 + _LOST_AGAIN
    upstream = np.where(random.random(n) < design.missing, np.nan, upstream)
    extra = np.where(random.random(n) < design.missing, np.nan, extra)
    return People(arm, cluster, baseline, upstream, extra, tuple(behavior))


def shifts(design: Design, effect: float) -> Floats:
    """The true effect of every arm: 0 in untreated ones."""
    return np.array([effect if arm.treated else 0.0 for arm in design.arms])


def written(latent: Floats, shift: Floats, instrument: Instrument) -> Floats:
    """Scores as an instrument gives them. shift: added to every person's latent score, in SDs."""
    score = instrument.mean + instrument.sd * (latent + shift)
    return np.round(np.clip(score, instrument.low, instrument.high), instrument.decimals)


def risk_with(risk: float, effect: float) -> float:
    """The risk in a treated arm whose log odds ratio on the common scale is the effect."""
    return 1.0 / (1.0 + math.exp(-(math.log(risk / (1 - risk)) + LOGISTIC_SD * effect)))


def acted(latent: Floats, arm: NDArray[np.int64], shift: Floats, risk: float) -> Floats:
    """1 for persons who act, 0 for those who do not, missing where the score is.

    shift: true effect by arm. risk: share who act where it is 0.
    """
    cuts = np.array([-NormalDist().inv_cdf(risk_with(risk, float(s))) for s in shift])
    yes = (latent > cuts[arm]).astype(float)
    yes[np.isnan(latent)] = np.nan
    return yes
