"""Small pieces of the gap that large tests do not notice: each with its own number."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.dependent.blocks import make_blocks
from analysis.gap.action_control import intender_threshold
from analysis.gap.joint import fit_joint
from analysis.gap.participants import smd_influence
from analysis.gap.surrogacy import predict_behavior, trial_level_surrogacy
from analysis.synthesis import AnalysisSettings, Stack
from analysis.synthesis.gap_estimates import joint_model

from .stacks import gap_and_surrogacy, trial_of


@pytest.mark.parametrize(
    ("rule", "low", "high", "cut", "itself"),
    [
        ("R2", 1.0, 7.0, 4.0, False), ("R3", 1.0, 7.0, 4.0, True), ("R2", 0.0, 10.0, 5.0, False),
        ("R4", 1.0, 7.0, 6.0, True), ("R1", 0.0, 1.0, 1.0, True),
    ],
)  # fmt: skip
def test_who_intends(rule: str, low: float, high: float, cut: float, itself: bool) -> None:
    """On 1 to 7 a 4 is the midpoint: no intender by the rule above it, one by the rule at it."""
    assert intender_threshold(rule, low, high) == (cut, itself)


def test_contributions_are_derivatives_in_the_weights_of_persons() -> None:
    """Weights w: means sum(wx)/sum(w), pooled variance sum(w (x - m)^2)/(sum(w) - 2)."""
    rng = np.random.default_rng(3)
    x, treated = rng.normal(2.0, 1.5, 9), np.arange(9) % 3 == 0

    def d(w: np.ndarray) -> float:
        means = [np.average(x[arm], weights=w[arm]) for arm in (treated, ~treated)]
        centered = x - np.where(treated, *means)
        return float((means[0] - means[1]) / np.sqrt((w * centered**2).sum() / (w.sum() - 2.0)))

    found = smd_influence(x, treated, np.arange(9)).value
    step = 1e-6 * np.eye(9)
    slopes = [(d(1.0 + one) - d(1.0 - one)) / 2e-6 for one in step]
    np.testing.assert_allclose(found, slopes, rtol=1e-7, atol=1e-9)


def several_measures(construct: str) -> Stack:
    """Ten trials, of which every second has two effects on one construct, far apart."""
    rng = np.random.default_rng(8)
    trials = []
    for i in range(10):
        a, b = rng.multivariate_normal([0.5, 0.2], [[0.06, 0.02], [0.02, 0.05]])
        effects = [("intention", float(a), 0.02), ("behavior", float(b), 0.02)]
        if i % 2:
            effects.append((construct, float(a) + 0.9, 0.02))
        trials.append(trial_of(f"t{i}", effects, randomized=True, topic="", collection_id=""))
    return Stack(tuple(trials))


@pytest.mark.parametrize("construct", ["intention", "behavior"])
def test_variances_within_trials_stand_in_their_columns(construct: str) -> None:
    stack, settings = several_measures(construct), AnalysisSettings()
    omega = joint_model(stack, "intention", settings).fit.omega
    rows, _ = gap_and_surrogacy(stack, [], settings)
    assert max(omega) > 0.05 > min(omega)
    for row in rows:
        if row["subset"] == "all":
            assert row["omega2_upstream"] == omega[0]
            assert row["omega2_behavior"] == omega[1]


@pytest.mark.parametrize(("shift", "zero"), [(2.0, True), (0.25, False)])
def test_no_upstream_effect_is_needed_where_the_limit_is_above_the_target(
    shift: float, zero: bool
) -> None:
    rng = np.random.default_rng(5)
    pairs = rng.multivariate_normal([0.5, 0.3], [[0.2, 0.19], [0.19, 0.2]], size=24)
    y = (pairs + np.array([0.0, shift - 0.3])).ravel()
    v = [np.full((2, 2), 0.004) + np.eye(2) * 0.004] * 24
    labels = [f"t{i // 2}" for i in range(48)]
    kinds = ["intention", "behavior"] * 24
    assert make_blocks(y, v, labels, kinds).k == 48
    model = fit_joint(y, v, labels, kinds, upstream="intention")
    found = trial_level_surrogacy(model, target=0.1)
    at_zero, variance = predict_behavior(model, found.slope, found.residual_variance, 0.0)
    assert bool(at_zero - 2.074 * np.sqrt(variance) > 0.1) is zero  # t(22) at 97.5%
    assert (found.threshold_effect == 0.0) is zero
    assert found.threshold_effect >= 0.0
