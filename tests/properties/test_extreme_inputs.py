"""Degenerate and extreme inputs of every effect size: refused with a reason, missing, or right.

No numpy error or warning may come out, and nothing finite that no data can give.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.effect_sizes import EffectSizes, hedges_j, standardized_mean_difference
from analysis.effect_sizes.adjusted import (
    ancova_standardized_mean_difference,
    cluster_standardized_mean_difference,
    design_effect,
    inflate_for_clustering,
)
from analysis.effect_sizes.association import point_biserial, yule
from analysis.effect_sizes.conversions import (
    correlations_to_smd_effects,
    probability_of_superiority,
    share_above_comparator_mean,
    smd_effects_to_correlations,
    smd_to_odds_ratio,
)
from analysis.effect_sizes.correlation import (
    correlation_to_smd,
    partial_correlation,
    semipartial_correlation,
    smd_to_correlation,
    within_arm_correlation,
)
from analysis.effect_sizes.measures import MEASURES, inputs_of
from analysis.effect_sizes.proportions import PROPORTION_SCALES, proportion_from_scale
from analysis.effect_sizes.quantiles import moments_from_quantiles
from analysis.effect_sizes.ratios import log_ratio_of_means
from analysis.effect_sizes.reported import (
    REPORTED_STATISTICS,
    Reported,
    natural_from_reported,
    smd_from_reported,
)
from analysis.errors import ConversionError, EstimationError, RowError

NAN, INF = math.nan, math.inf
EDGES = [0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 1.5, 30.0, 1e-200, 1e-320, 1e200, 1e308, -1e200, 1e15, 1e29,
         1e-29, 1e59, 1e-59, 1.0 - 1e-16, 1.0 - 1e-9, -0.3, 1e-9, INF, -INF, NAN, 12.0]  # fmt: skip
SIZES = [0.0, 1.0, 2.0, 2.0, 3.0, 3.5, 4.0, 5.0, 12.0, 60.0, 60.5, 1e6, 1e12, 1e200, -3.0, INF, NAN]
ORDINARY = [-1.3, -0.4, 0.2, 0.5, 0.9, 1.0, 3.0, 12.0, 40.0]
WITHIN_ONE = {"PHI", "YUQ", "YUY", "RTET", "RPB", "COR", "UCOR", "PCOR", "SPCOR", "RD", "PR"}


def drawn(rng: np.random.Generator, names: tuple[str, ...]) -> dict[str, float]:
    """One row: mostly ordinary numbers with one to three from the edges."""
    sizes = {name for name in names if name.startswith("n")}
    row = {n: float(rng.choice([12.0, 30.0, 60.0] if n in sizes else ORDINARY)) for n in names}
    for name in rng.choice(names, size=min(len(names), int(rng.integers(1, 4))), replace=False):
        row[str(name)] = float(rng.choice(SIZES if name in sizes else EDGES))
    return row


def outcome(function: Callable[..., Any], row: dict[str, Any]) -> Any:
    """The result, or None for a refusal that gives its reason (and its row)."""
    try:
        return function(**row)
    except RowError as error:
        assert error.message and error.rows == [0], row
    except EstimationError as error:
        assert str(error), row
    return None


def random_of(text: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(text.encode()))


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_is_refused_missing_or_possible(measure: str) -> None:
    rng, made_some = random_of(measure), 0
    for _ in range(400):
        row = drawn(rng, inputs_of(measure))
        made = outcome(MEASURES[measure], row)
        if made is None:
            continue
        yi, vi = float(made.yi[0]), float(made.vi[0])
        assert math.isnan(yi) == math.isnan(vi), row
        if math.isnan(yi):
            continue
        made_some += 1
        assert math.isfinite(yi) and math.isfinite(vi) and vi >= 0.0, row
        assert not any(math.isinf(one) for one in row.values()), row
        if measure in WITHIN_ONE:
            assert abs(yi) <= 1.0, row
    assert made_some > 10


OTHERS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "ancova": (
        ancova_standardized_mean_difference,
        ("adjusted_difference", "sd_pooled", "correlation", "n1i", "n2i"),
    ),
    "cluster": (cluster_standardized_mean_difference, ("d", "n1i", "n2i", "cluster_size", "icc")),
    "design_effect": (design_effect, ("cluster_size", "icc")),
    "to_smd": (correlation_to_smd, ("ri", "n1i", "n2i")),
    "to_r": (smd_to_correlation, ("d", "n1i", "n2i")),
    "within": (within_arm_correlation, ("r_total", "r_arm_intention", "r_arm_behavior")),
    "above": (share_above_comparator_mean, ("d",)),
    "superiority": (probability_of_superiority, ("d",)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_functions_are_refused_missing_or_finite(name: str) -> None:
    function, names = OTHERS[name]
    rng = random_of(name)
    for _ in range(400):
        row = drawn(rng, names)
        made = outcome(function, row)
        if made is None:
            continue
        values = made.yi if isinstance(made, EffectSizes) else np.asarray(made)
        assert not np.isinf(values).any(), row
        if name in ("to_r", "above", "superiority"):
            assert (np.isnan(values) | (np.abs(values) <= 1.0)).all(), row


@pytest.mark.parametrize("scale", PROPORTION_SCALES)
def test_what_comes_back_is_a_proportion(scale: str) -> None:
    for value in EDGES:
        found = outcome(lambda v: proportion_from_scale(v, scale, 12.0), {"v": value})
        assert found is None or np.isnan(found) or 0.0 <= found <= 1.0, value
    with pytest.raises(RowError, match="greater than 0"):
        proportion_from_scale(0.4, "PFT", 0.0)


def test_quantiles_at_the_edges() -> None:
    rng, names = random_of("quantiles"), ("median", "ni", "q1", "q3", "minimum", "maximum")
    for _ in range(400):
        row = drawn(rng, names)
        found = outcome(moments_from_quantiles, row)
        if found is not None and np.isfinite(found.sd[0]):
            assert found.sd[0] >= 0.0 and np.isfinite(found.mean[0]), row


def test_conversions_of_effects_at_the_edges() -> None:
    for yi in EDGES:
        for vi in (1e-300, 0.0, 0.04, 1e200):
            smd = EffectSizes("SMD", np.array([yi]), np.array([vi]), "x")
            sizes = {"effects": smd, "n1i": 12.0, "n2i": 9.0}
            design = {"effects": smd, "effect_of_design": 1.4}
            made = [smd_to_odds_ratio(smd), outcome(inflate_for_clustering, design)]
            made.append(outcome(smd_effects_to_correlations, sizes))
            if abs(yi) <= 1:
                other = EffectSizes("COR", np.array([yi]), np.array([vi]), "x")
                made.append(correlations_to_smd_effects(other))
            for one in made:
                assert one is None or not np.isinf([one.yi, one.vi]).any()


@pytest.mark.parametrize("statistic", REPORTED_STATISTICS)
def test_printed_statistics_at_the_edges(statistic: str) -> None:
    rng = random_of(statistic)
    names = (
        "value",
        "se",
        "variance",
        "ci_lb",
        "ci_ub",
        "ci_level",
        "n1",
        "n2",
        "sd",
        "p",
        "risk2",
    )
    made_some = 0
    for _ in range(600):
        row: dict[str, Any] = dict(drawn(rng, names))
        for name in names:
            if rng.random() < 0.35:
                row.pop(name)
        if rng.random() < 0.8:
            row["ci_level"], row["risk2"] = 0.95, 0.3
            row["ci_lb"], row["ci_ub"] = 0.1, 3.0
        row["positive"] = [None, True, False][int(rng.integers(3))]
        report = Reported(statistic, **row)
        for convert in (smd_from_reported, natural_from_reported):
            made = outcome(lambda r, c=convert: c(r), {"r": report})
            if made is not None:
                made_some += 1
                assert math.isfinite(made.yi) and math.isfinite(made.vi) and made.vi > 0, row
    assert made_some > 5


def test_a_p_of_1_is_no_effect_with_its_ordinary_variance() -> None:
    for report in (
        Reported("p", p=1.0, n1=20, n2=30),
        Reported("p", value=1.0, n1=20, n2=30, positive=False),
        Reported("F", value=0.0, n1=20, n2=30),
    ):
        made = smd_from_reported(report)
        assert (made.yi, made.vi) == (0.0, pytest.approx(1 / 20 + 1 / 30, rel=1e-14))
        assert math.copysign(1.0, made.yi) == 1.0


IMPOSSIBLE = [
    (Reported("p", p=0.0, n1=20, n2=20, positive=True), "p-value above 0"),
    (Reported("p", p=1e-320, n1=2, n2=2, positive=True), "too small"),
    (Reported("t", INF, n1=20, n2=20), "value must be finite"),
    (Reported("t", 2.0, n1=INF, n2=20), "n1 must be finite"),
    (Reported("F", -1.0, n1=20, n2=20, positive=True), "must not be negative"),
    (Reported("r", 1.0, n1=20, n2=20), "strictly between"),
    (Reported("r", -1.0, n1=20, n2=20), "strictly between"),
    (Reported("OR", 0.0, se=0.2), "greater than 0"),
    (Reported("OR", 1.0, ci_lb=1.0, ci_ub=1.0), "above the lower one"),
    (Reported("d", 0.4, ci_lb=0.4, ci_ub=0.4, n1=20, n2=20), "above the lower one"),
    (Reported("d", 0.4, se=0.0, n1=20, n2=20), "standard error must be greater than 0"),
    (Reported("d", 0.4, se=1e-200, n1=20, n2=20), "nearer to 0"),
    (Reported("d", 0.4, se=0.2, ci_level=1.0), "confidence level"),
    (Reported("d", 0.4, ci_lb=0.1, ci_ub=0.7, ci_level=95.0), "confidence level"),
    (Reported("md", 1.0, sd=1e200, n1=20, n2=20), "sd must be finite"),
    (Reported("md", 1.0, sd=0.0, n1=20, n2=20), "standard deviation must be greater"),
    (Reported("RR", 1.5, se=0.2, risk2=0.0), "do not give a share"),
    (Reported("RR", 1.5, se=0.2, risk2=1.0), "do not give a share"),
    (Reported("RD", -0.3, se=0.1, risk2=0.3), "do not give a share"),
    (Reported("RD", -0.1 - 0.2, se=0.1, risk2=0.30000000000000007), "do not give a share"),
    (Reported("d", 0.4, n1=20), "n of both groups"),
    (Reported("d", 0.4, n1=2), "n of both groups"),
    (Reported("t", 2.0, n1=2), "n of the comparator group"),
    (Reported("t", 2.0, n2=2), "n of the intervention group"),
    (Reported("d", 0.4, se=0.2, n1=1), "at least 2 participants"),
    (Reported("g", NAN, se=0.2), "needs a value"),
]  # fmt: skip


@pytest.mark.parametrize(("report", "reason"), IMPOSSIBLE)
def test_impossible_reports_are_refused_with_the_reason(report: Reported, reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        smd_from_reported(report)


@pytest.mark.parametrize("known", [2, 40])
@pytest.mark.parametrize("which", ["n1", "n2"])
def test_one_known_size_is_never_taken_for_the_total(known: int, which: str) -> None:
    """d with its standard error and one size: used as printed, like d without any size."""
    made = smd_from_reported(Reported("d", 0.4, se=0.2, **{which: known}))
    assert made == smd_from_reported(Reported("d", 0.4, se=0.2))
    assert smd_to_correlation(0.4, known, NAN) == smd_to_correlation(0.4, NAN, NAN)


SMD = {"m1i": 1.0, "sd1i": 2.0, "n1i": 9.0, "m2i": 0.0, "sd2i": 2.0, "n2i": 9.0}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"sd1i": 0.0}, "greater than 0"), ({"sd2i": 1e200}, "sd2i must be finite"),
        ({"sd1i": 1e-200}, "sd1i must not be nearer"), ({"sd1i": INF}, "sd1i must be finite"),
        ({"n2i": INF}, "n2i must be finite"), ({"n2i": 1e13}, "n2i must be finite"),
        ({"n1i": 1.0}, "at least 2"), ({"m1i": -INF}, "m1i must be finite"),
    ],
)  # fmt: skip
def test_impossible_groups_are_refused_with_their_rows(
    changed: dict[str, float], reason: str
) -> None:
    columns = {name: [one, changed.get(name, one)] for name, one in SMD.items()}
    with pytest.raises(RowError, match=reason) as caught:
        standardized_mean_difference(**columns)
    assert caught.value.rows == [1]


def test_what_is_missing_is_missing() -> None:
    made = standardized_mean_difference(**(SMD | {"sd1i": [2.0, NAN]}))
    assert np.isfinite(made.yi[0]) and np.isnan(made.yi[1]) and np.isnan(made.vi[1])


@given(power=st.integers(-55, 55))
def test_units_of_any_size_give_the_same_effect(power: int) -> None:
    unit = 10.0**power
    wide = {n: one * unit if n[0] in "ms" else one for n, one in SMD.items()}
    for function in (standardized_mean_difference, point_biserial):
        one, other = function(**SMD), function(**wide)
        np.testing.assert_allclose([other.yi, other.vi], [one.yi, one.vi], rtol=1e-12)


def test_what_cannot_be_told_from_a_perfect_relation_is_missing() -> None:
    huge = SMD | {"m1i": 1e40}
    assert np.isnan(point_biserial(**huge).yi[0])
    assert np.isnan(yule(1e11, 1e12, 1e-59, 1e12).yi[0])
    assert np.isnan(partial_correlation(1e40, 30.0, 2.0).yi[0])
    effects = EffectSizes("SMD", np.array([1e40]), np.array([0.1]), "x")
    assert np.isnan(smd_effects_to_correlations(effects, 9.0, 9.0).yi[0])


def test_a_t_beyond_its_r2_is_refused() -> None:
    with pytest.raises(RowError, match="t is larger than R2 allows"):
        semipartial_correlation(9.0, 30.0, 2.0, 0.2)
    assert np.isfinite(semipartial_correlation(2.0, 30.0, 2.0, 0.2).yi[0])


def test_correction_of_many_persons() -> None:
    """The series takes over without a step, and stays below 1 up to any number of persons."""
    below, above = hedges_j(1e6), hedges_j(1e6 + 1.0)
    assert abs(float(above[0] - below[0])) < 2e-12 + 1e-9
    many = hedges_j([1e7, 1e9, 1e12])
    np.testing.assert_allclose(1.0 - many, [7.5e-8, 7.5e-10, 7.5e-13], rtol=2e-4)


def test_two_persons_are_enough_for_a_ratio_of_means() -> None:
    made = log_ratio_of_means(2.0, 1.0, 2.0, 1.0, 1.0, 2.0)
    assert made.vi[0] == pytest.approx(0.25 / 2 + 1.0 / 2, rel=1e-14)
    for n1, n2 in ((1.99, 2.0), (2.0, 1.99)):
        with pytest.raises(RowError, match="at least 2"):
            log_ratio_of_means(2.0, 1.0, n1, 1.0, 1.0, n2)
