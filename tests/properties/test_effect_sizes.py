"""Effect sizes: what must hold whatever the groups are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.effect_sizes import (
    SMD_VARIANCES,
    ZERO_CELL_POLICIES,
    EffectSizes,
    correlation_to_smd,
    hedges_j,
    log_odds_ratio,
    log_risk_ratio,
    mean_difference,
    risk_difference,
    smd_from_reported,
    standardized_mean_difference,
    within_arm_correlation,
)
from analysis.effect_sizes.reported import Reported

from .generated import effects, two_by_two, two_groups

CLOSE = {"rtol": 1e-10, "atol": 1e-12}
Groups = dict[str, np.ndarray]


def _swapped(groups: Groups) -> Groups:
    return {f"{name[:-2]}{3 - int(name[-2])}i": column for name, column in groups.items()}


def _same(first: EffectSizes, second: EffectSizes, sign: float = 1.0) -> None:
    np.testing.assert_allclose(first.yi, sign * second.yi, **CLOSE)
    np.testing.assert_allclose(first.vi, second.vi, **CLOSE)


@pytest.mark.parametrize("variance", SMD_VARIANCES)
@given(groups=two_groups())
def test_swapping_groups_flips_an_smd(variance: str, groups: Groups) -> None:
    _same(
        standardized_mean_difference(**groups, variance=variance),
        standardized_mean_difference(**_swapped(groups), variance=variance),
        -1.0,
    )


@given(groups=two_groups())
def test_swapping_groups_flips_a_mean_difference(groups: Groups) -> None:
    _same(mean_difference(**groups), mean_difference(**_swapped(groups)), -1.0)


@pytest.mark.parametrize("policy", ZERO_CELL_POLICIES)
@pytest.mark.parametrize("function", [log_odds_ratio, log_risk_ratio, risk_difference])
@given(counts=two_by_two())
def test_swapping_groups_flips_a_binary_effect(
    function: Callable[..., EffectSizes], policy: str, counts: tuple[np.ndarray, ...]
) -> None:
    events1, n1, events2, n2 = counts
    _same(
        function(events1, n1, events2, n2, zero_cells=policy),
        function(events2, n2, events1, n1, zero_cells=policy),
        -1.0,
    )


@pytest.mark.parametrize("policy", ZERO_CELL_POLICIES)
@pytest.mark.parametrize("function", [log_odds_ratio, risk_difference])
@given(counts=two_by_two())
def test_counting_who_did_not_act_flips_odds_ratio_and_difference(
    function: Callable[..., EffectSizes], policy: str, counts: tuple[np.ndarray, ...]
) -> None:
    events1, n1, events2, n2 = counts
    _same(
        function(events1, n1, events2, n2, zero_cells=policy),
        function(n1 - events1, n1, n2 - events2, n2, zero_cells=policy),
        -1.0,
    )


@pytest.mark.parametrize("variance", SMD_VARIANCES)
@given(groups=two_groups(), factor=st.sampled_from([1e-3, 0.1, 7.0, 1e4]), shift=effects)
def test_units_of_the_instrument_do_not_matter(
    variance: str, groups: Groups, factor: float, shift: float
) -> None:
    other = {
        name: column if name[0] == "n" else factor * (column + shift * (name[0] == "m"))
        for name, column in groups.items()
    }
    _same(
        standardized_mean_difference(**groups, variance=variance),
        standardized_mean_difference(**other, variance=variance),
    )


@given(groups=two_groups())
def test_small_samples_are_corrected_toward_zero(groups: Groups) -> None:
    j = hedges_j(groups["n1i"] + groups["n2i"] - 2.0)
    assert ((j > 0.0) & (j < 1.0)).all()
    approximate = hedges_j(groups["n1i"] + groups["n2i"] - 2.0, exact=False)
    np.testing.assert_allclose(j, approximate, rtol=0.014)


@given(groups=two_groups(rows=1))
def test_one_comparison_reported_in_five_ways(groups: Groups) -> None:
    """Means, d, t, F and the correlation with arm describe the same effect."""
    g = standardized_mean_difference(**groups)
    n1, n2 = float(groups["n1i"][0]), float(groups["n2i"][0])
    d = float((g.yi / hedges_j(n1 + n2 - 2.0))[0])
    t = d / np.sqrt(1.0 / n1 + 1.0 / n2)
    r = d / np.sqrt(d**2 + (n1 + n2 - 2.0) * (1.0 / n1 + 1.0 / n2))
    np.testing.assert_allclose(correlation_to_smd(r, n1, n2), d, rtol=1e-6, atol=1e-12)
    for statistic, value in (("d", d), ("t", t), ("F", t**2), ("r", r)):
        made = smd_from_reported(Reported(statistic, value, n1=n1, n2=n2, positive=d >= 0))
        np.testing.assert_allclose([made.yi, made.vi], [g.yi[0], g.vi[0]], rtol=1e-6, atol=1e-12)


@given(effects, effects, st.floats(-0.95, 0.95))
def test_within_arm_correlation_removes_the_treatment(
    d_intention: float, d_behavior: float, rho: float
) -> None:
    """Total correlations of two equal arms whose within-arm correlation is rho."""
    arm = {d: d / 2.0 / np.hypot(1.0, d / 2.0) for d in (d_intention, d_behavior)}
    scale = np.hypot(1.0, d_intention / 2.0) * np.hypot(1.0, d_behavior / 2.0)
    total = (rho + d_intention * d_behavior / 4.0) / scale
    found = within_arm_correlation(total, arm[d_intention], arm[d_behavior])
    np.testing.assert_allclose(found, rho, rtol=1e-9, atol=1e-12)
