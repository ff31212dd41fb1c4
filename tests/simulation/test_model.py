"""The model behind simulated trials: means, Tau, correlations, risks."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from ibgap.simulation.design import AMOUNT, SCALES, draw_design
from ibgap.simulation.effects import draw_effects
from ibgap.simulation.people import acted, draw_people, risk_with, shifts, written
from ibgap.simulation.plan import Plan

PLAN = Plan(mean_intention=0.5, mean_behavior=0.1, tau_intention=0.3, tau_behavior=0.2,
            tau_correlation=-0.4, within_arm_correlation=0.55, planning_effect=0.3)  # fmt: skip
DRAWS = 20_000


def design_of(**given: object):  # type: ignore[no-untyped-def]
    design = draw_design(np.random.default_rng(1), PLAN, 1)
    whole = {"persons": DRAWS, "cluster_size": 0, "weeks": (8, 52), "missing": 0.0, "dropout": 0.0}
    return replace(design, **(whole | given))


def test_true_effects_have_the_means_and_covariances_of_the_plan() -> None:
    random = np.random.default_rng(2)
    planning = random.random(DRAWS) < 0.5
    drawn = [draw_effects(random, PLAN, bool(yes)) for yes in planning]
    effects = np.array([[one.upstream, one.behavior] for one in drawn])
    tau = np.array(PLAN.tau)
    error = np.sqrt(np.diag(tau) / DRAWS)
    assert np.all(np.abs(effects.mean(axis=0) - (0.5, 0.1)) < 4 * error)
    of_tau = np.sqrt((np.outer(np.diag(tau), np.diag(tau)) + tau**2) / DRAWS)
    assert np.all(np.abs(np.cov(effects.T) - tau) < 4 * of_tau)
    moved = effects[planning, 1].mean() - effects[~planning, 1].mean()
    assert abs(moved - 0.3) < 4 * 2 * PLAN.tau_behavior / math.sqrt(DRAWS)


def test_the_odds_ratio_of_acting_is_the_effect_on_the_common_scale() -> None:
    for risk, effect in ((0.2, 0.7), (0.5, -0.3), (0.35, 0.0)):
        treated = risk_with(risk, effect)
        odds_ratio = treated / (1 - treated) * (1 - risk) / risk
        assert math.sqrt(3) / math.pi * math.log(odds_ratio) == pytest.approx(effect, abs=1e-12)


def test_latent_scores_have_the_correlations_of_the_plan() -> None:
    people = draw_people(np.random.default_rng(3), design_of(), PLAN)
    first, later = people.behavior
    found = np.corrcoef([people.upstream, people.baseline, first, later])
    r, q = PLAN.within_arm_correlation, PLAN.followup_correlation
    pairs = {(0, 1): PLAN.baseline_correlation, (0, 2): r, (0, 3): r,
             (1, 2): r * PLAN.baseline_correlation, (2, 3): r * r + (1 - r * r) * q}  # fmt: skip
    for (one, other), expected in pairs.items():
        assert abs(found[one, other] - expected) < 4 * (1 - expected**2) / math.sqrt(DRAWS)
    for scores in (people.upstream, people.baseline, first, later):
        assert abs(scores.mean()) < 4 / math.sqrt(DRAWS)
        assert abs(scores.var() - 1) < 4 * math.sqrt(2 / DRAWS)


def test_persons_of_a_cluster_are_as_alike_as_the_plan_says() -> None:
    plan = replace(PLAN, icc=0.2)
    people = draw_people(np.random.default_rng(4), design_of(cluster_size=10), plan)
    groups = int(people.cluster.max()) + 1
    size = DRAWS / groups
    means = np.bincount(people.cluster, people.upstream) / np.bincount(people.cluster)
    expected = 0.2 + 0.8 / size
    assert abs(means.var() - expected) < 4 * expected * math.sqrt(2 / groups)
    assert all(len(set(people.arm[people.cluster == c])) == 1 for c in range(20))


def test_acts_have_the_risks_of_their_arms_and_losses_their_share() -> None:
    design = design_of(dropout=0.2, missing=0.1)
    people = draw_people(np.random.default_rng(5), design, PLAN)
    assert abs(np.isnan(people.upstream).mean() - 0.1) < 4 * math.sqrt(0.09 / DRAWS)
    assert abs(np.isnan(people.behavior[0]).mean() - 0.2) < 4 * math.sqrt(0.16 / DRAWS)
    assert abs(np.isnan(people.behavior[1]).mean() - 0.3) < 4 * math.sqrt(0.21 / DRAWS)
    assert not np.any(np.isnan(people.behavior[0]) & ~np.isnan(people.behavior[1]))
    yes = acted(people.behavior[0], people.arm, shifts(design, 0.6), 0.3)
    assert np.array_equal(np.isnan(yes), np.isnan(people.behavior[0]))
    for place, arm in enumerate(design.arms):
        risk = risk_with(0.3, 0.6 if arm.treated else 0.0)
        inside = yes[people.arm == place]
        n = int((~np.isnan(inside)).sum())
        assert abs(np.nanmean(inside) - risk) < 4 * math.sqrt(risk * (1 - risk) / n)


@pytest.mark.parametrize("instrument", [*SCALES, AMOUNT], ids=lambda one: one.name)
def test_the_ends_of_a_scale_hardly_change_an_effect(instrument) -> None:  # type: ignore[no-untyped-def]
    quantiles = (np.arange(20_000) + 0.5) / 20_000
    latent = np.array([NormalDist().inv_cdf(q) for q in quantiles])
    two = written(latent, np.zeros(1), instrument)
    one = written(latent, np.full(1, 0.4), instrument)
    d = (one.mean() - two.mean()) / math.sqrt((one.var() + two.var()) / 2)
    assert abs(d - 0.4) < 0.0025
    assert instrument.low <= two.min() and one.max() <= instrument.high
