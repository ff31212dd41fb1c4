"""Effect sizes of every design: units, order of the groups, variances by finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from analysis.effect_sizes import (
    EffectSizes,
    correlation_to_smd,
    hedges_j,
    odds_ratio_to_smd,
    smd_to_correlation,
)
from analysis.effect_sizes.adjusted import cluster_standardized_mean_difference
from analysis.effect_sizes.association import tetrachoric
from analysis.effect_sizes.conversions import (
    correlations_to_smd_effects,
    probability_of_superiority,
    share_above_comparator_mean,
    smd_effects_to_correlations,
    smd_to_odds_ratio,
)
from analysis.effect_sizes.measures import MEASURES, inputs_of
from analysis.effect_sizes.proportions import PROPORTION_SCALES, proportion, proportion_from_scale
from analysis.effect_sizes.quantiles import EstimatedMoments, moments_from_quantiles
from analysis.errors import EstimationError

CLOSE = {"rtol": 1e-10, "atol": 1e-12}
BY_DIFFERENCES = {"rtol": 1e-6, "atol": 1e-12}
"""For a variance by finite differences, whose own error is about 1e-8 of it."""

Columns = dict[str, np.ndarray]
Option = tuple[str, dict[str, Any]]
Spreads = dict[str, Callable[[Columns], np.ndarray]]

KINDS = {
    "m": st.floats(-20.0, 20.0),
    "sd": st.floats(0.5, 9.0),
    "n": st.integers(4, 200),
    "r": st.floats(-0.9, 0.9),
    "events": st.floats(0.5, 60.0),
    "time": st.floats(0.5, 50.0),
}
"""Values by what the name of an input begins with; counts of events need not be whole."""
ROWS = 4


def _column(values: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    rounded = values.map(lambda x: round(x, 4))
    return st.lists(rounded, min_size=ROWS, max_size=ROWS).map(lambda x: np.array(x, dtype=float))


def inputs(measure: str, **other: st.SearchStrategy[float]) -> st.SearchStrategy[Columns]:
    """Columns of a measure; `other` replaces the values of a kind."""
    kinds = KINDS | other
    return st.fixed_dictionaries(
        {
            name: _column(next(kinds[kind] for kind in kinds if name.startswith(kind)))
            for name in inputs_of(measure)
        }
    )


@st.composite
def tables(draw: st.DrawFn) -> Columns:
    """2 x 2 tables without zero cells; events need not be whole."""
    made = {}
    for group in "12":
        n = draw(_column(st.integers(5, 300)))
        share = draw(_column(st.floats(0.05, 0.95)))
        made |= {f"events{group}i": share * n, f"n{group}i": n}
    return made


def _effects(option: Option, columns: Columns) -> EffectSizes:
    measure, options = option
    return MEASURES[measure](**columns, **options)


def _same(first: EffectSizes, second: EffectSizes, sign: float = 1.0) -> None:
    np.testing.assert_allclose(first.yi, sign * second.yi, **CLOSE)
    np.testing.assert_allclose(first.vi, second.vi, **CLOSE)


def _named(options: list[Option]) -> Any:
    ids = ["-".join([measure, *map(str, more.values())]) for measure, more in options]
    return pytest.mark.parametrize("option", options, ids=ids)


def _in_units(columns: Columns, factor: float, shift: float = 0.0) -> Columns:
    """The same outcomes in other units of the instrument."""
    return {
        name: factor * (x + shift * (name[0] == "m")) if name[0] in "ms" else x
        for name, x in columns.items()
    }


factors = st.sampled_from([1e-3, 0.1, 7.0, 1e4])
shifts = st.sampled_from([-3.0, 0.0, 0.5, 11.0])
positive = st.floats(0.5, 20.0)


@_named(
    [
        ("SMDH", {"variance": "LS"}),
        ("SMDH", {"variance": "LS2"}),
        ("SMD1", {}),
        ("SMD1H", {}),
        ("RPB", {"variance": "ST"}),
        ("RPB", {"variance": "CS"}),
        ("RBIS", {}),
        ("VR", {}),
        ("SMCC", {"variance": "LS"}),
        ("SMCC", {"variance": "LS2"}),
        ("SMCR", {"variance": "LS"}),
        ("SMCR", {"variance": "LS2"}),
        ("SMCRH", {}),
        ("PPC", {"exact": True}),
        ("PPC", {"exact": False}),
    ]
)
@given(draw=st.data(), factor=factors, shift=shifts)
def test_units_of_the_instrument_do_not_matter(
    option: Option, draw: st.DataObject, factor: float, shift: float
) -> None:
    columns = draw.draw(inputs(option[0]))
    _same(_effects(option, columns), _effects(option, _in_units(columns, factor, shift)))


@_named(
    [("CVR", {}), ("ROMC", {}), ("CVLN", {})]
    + [("ROM", {"variance": variance}) for variance in ("LS", "HO", "AV", "AVHO")]
)
@given(draw=st.data(), factor=factors)
def test_ratios_need_a_zero_but_no_unit(
    option: Option, draw: st.DataObject, factor: float
) -> None:
    columns = draw.draw(inputs(option[0], m=positive))
    _same(_effects(option, columns), _effects(option, _in_units(columns, factor)))


@_named([("MD", {"variance": "LS"}), ("MD", {"variance": "HO"}), ("MC", {}), ("MN", {})])
@given(draw=st.data(), factor=factors)
def test_effects_in_units_follow_the_unit(
    option: Option, draw: st.DataObject, factor: float
) -> None:
    columns = draw.draw(inputs(option[0]))
    made, other = _effects(option, columns), _effects(option, _in_units(columns, factor))
    np.testing.assert_allclose(other.yi, factor * made.yi, **CLOSE)
    np.testing.assert_allclose(other.vi, factor**2 * made.vi, **CLOSE)


@_named([("MNLN", {}), ("SDLN", {})])
@given(draw=st.data(), factor=factors)
def test_logarithms_are_shifted_by_the_unit(
    option: Option, draw: st.DataObject, factor: float
) -> None:
    columns = draw.draw(inputs(option[0], m=positive))
    made, other = _effects(option, columns), _effects(option, _in_units(columns, factor))
    np.testing.assert_allclose(other.yi, made.yi + math.log(factor), **CLOSE)
    np.testing.assert_allclose(other.vi, made.vi, **CLOSE)


@given(inputs("IRR"), factors)
def test_units_of_time(columns: Columns, factor: float) -> None:
    other = {name: factor * x if name.startswith("time") else x for name, x in columns.items()}
    _same(_effects(("IRR", {}), columns), _effects(("IRR", {}), other))
    made, scaled = (_effects(("IRD", {}), one) for one in (columns, other))
    np.testing.assert_allclose(scaled.yi * factor, made.yi, **CLOSE)
    np.testing.assert_allclose(scaled.vi * factor**2, made.vi, **CLOSE)


BINARY_MEASURES: list[Option] = [
    ("AS", {}),
    ("PETO", {}),
    ("PBIT", {}),
    ("PHI", {"variance": "ST"}),
    ("PHI", {"variance": "CS"}),
    ("YUQ", {}),
    ("YUY", {}),
    ("RTET", {}),
    ("RD", {"variance": "UB"}),
    ("RD", {"variance": "AV"}),
]


def _swapped(columns: Columns) -> Columns:
    return {name.translate(str.maketrans("12", "21")): x for name, x in columns.items()}


@_named(
    [("SMDH", {}), ("MD", {"variance": "HO"}), ("ROM", {}), ("ROM", {"variance": "HO"}),
     ("CVR", {}), ("VR", {}), ("RPB", {}), ("RPB", {"variance": "CS"}), ("RBIS", {}), ("PPC", {}),
     ("IRR", {}), ("IRD", {}), ("IRSD", {})]
)  # fmt: skip
@given(draw=st.data())
def test_swapping_groups_flips_an_effect(option: Option, draw: st.DataObject) -> None:
    ratio = option[0] in ("ROM", "CVR")
    columns = draw.draw(inputs(option[0], **({"m": positive} if ratio else {})))
    _same(_effects(option, columns), _effects(option, _swapped(columns)), -1.0)


@_named(BINARY_MEASURES)
@given(columns=tables())
def test_swapping_groups_flips_a_binary_effect(option: Option, columns: Columns) -> None:
    _same(_effects(option, columns), _effects(option, _swapped(columns)), -1.0)


@_named(BINARY_MEASURES)
@given(columns=tables())
def test_counting_who_did_not_act_flips_a_binary_effect(option: Option, columns: Columns) -> None:
    others = {f"events{i}i": columns[f"n{i}i"] - columns[f"events{i}i"] for i in "12"}
    _same(_effects(option, columns), _effects(option, columns | others), -1.0)


@_named([("PETO", {}), ("PHI", {"variance": "CS"}), ("YUQ", {}), ("YUY", {}), ("RTET", {})])
@given(columns=tables())
def test_group_and_event_may_change_places(option: Option, columns: Columns) -> None:
    """Peto's odds ratio and the coefficients of association see a table, not groups."""
    a, n1, c, n2 = columns.values()
    turned = {"events1i": a, "n1i": a + c, "events2i": n1 - a, "n2i": n1 + n2 - a - c}
    _same(_effects(option, columns), _effects(option, turned))


@_named([("MC", {}), ("SMCC", {}), ("SMCC", {"variance": "LS2"}), ("ROMC", {})])
@given(draw=st.data())
def test_turning_time_around_flips_a_change(option: Option, draw: st.DataObject) -> None:
    columns = draw.draw(inputs(option[0], m=positive))
    turned = {
        name.replace("after", "x").replace("before", "after").replace("x", "before"): x
        for name, x in columns.items()
    }
    _same(_effects(option, columns), _effects(option, turned), -1.0)


def by_differences(
    effect: Callable[[Columns], np.ndarray], columns: Columns, spreads: Spreads, step: float = 1e-4
) -> np.ndarray:
    """First-order variance of an effect of independent inputs with these sampling variances."""
    total = np.zeros(ROWS)
    for name, spread in spreads.items():
        move = step * np.sqrt(spread(columns))
        high, low = (effect(columns | {name: columns[name] + x}) for x in (move, -move))
        total += ((high - low) / (2.0 * step)) ** 2
    return total


def _binomial(events: str, n: str) -> Spreads:
    return {events: lambda t: t[events] * (1.0 - t[events] / t[n])}


def _poisson(events: str) -> Spreads:
    return {events: lambda t: t[events]}


def _mean(mean: str, sd: str, n: str, less: float = 0.0) -> Spreads:
    return {mean: lambda t: t[sd] ** 2 / (t[n] - less)}


def _sd(sd: str, n: str) -> Spreads:
    return {sd: lambda t: t[sd] ** 2 / (2.0 * (t[n] - 1.0))}


TWO_BINOMIALS = _binomial("events1i", "n1i") | _binomial("events2i", "n2i")
TWO_POISSONS = _poisson("events1i") | _poisson("events2i")
TWO_MEANS = _mean("m1i", "sd1i", "n1i") | _mean("m2i", "sd2i", "n2i")
TWO_SDS = _sd("sd1i", "n1i") | _sd("sd2i", "n2i")


@_named(
    [("PHI", {"variance": "ST"}), ("YUQ", {}), ("YUY", {}), ("PBIT", {}), ("RR", {}), ("OR", {}),
     ("RD", {})]
)  # fmt: skip
@given(columns=tables())
def test_variances_of_two_shares(option: Option, columns: Columns) -> None:
    """Both group sizes fixed, events binomial."""
    expected = by_differences(lambda t: _effects(option, t).yi, columns, TWO_BINOMIALS)
    np.testing.assert_allclose(_effects(option, columns).vi, expected, **BY_DIFFERENCES)


@given(columns=tables())
def test_the_arcsine_has_a_variance_without_the_share(columns: Columns) -> None:
    expected = by_differences(lambda t: _effects(("AS", {}), t).yi, columns, TWO_BINOMIALS)
    np.testing.assert_allclose(_effects(("AS", {}), columns).vi, expected, **BY_DIFFERENCES)


@pytest.mark.parametrize("scale", ["PR", "PLN", "PLO", "PAS"])
@given(columns=tables())
def test_variances_of_one_share(scale: str, columns: Columns) -> None:
    one = {"events": columns["events1i"], "ni": columns["n1i"]}
    spreads = _binomial("events", "ni")
    expected = by_differences(lambda t: proportion(**t, scale=scale).yi, one, spreads)
    np.testing.assert_allclose(proportion(**one, scale=scale).vi, expected, **BY_DIFFERENCES)


@_named(
    [("IR", _poisson("events")), ("IRLN", _poisson("events")), ("IRS", _poisson("events")),
     ("IRR", TWO_POISSONS), ("IRD", TWO_POISSONS), ("IRSD", TWO_POISSONS),
     ("ROM", TWO_MEANS), ("MD", TWO_MEANS), ("MNLN", _mean("mi", "sdi", "ni")),
     ("SDLN", _sd("sdi", "ni")), ("VR", TWO_SDS), ("CVR", TWO_MEANS | TWO_SDS),
     ("CVLN", _mean("mi", "sdi", "ni") | _sd("sdi", "ni"))]
)  # fmt: skip
@given(draw=st.data())
def test_variances_of_rates_means_and_spreads(option: Any, draw: st.DataObject) -> None:
    """Events are Poisson, means and standard deviations those of normal samples."""
    measure, spreads = option
    columns = draw.draw(inputs(measure, m=positive))
    expected = by_differences(lambda t: _effects((measure, {}), t).yi, columns, spreads)
    np.testing.assert_allclose(_effects((measure, {}), columns).vi, expected, **BY_DIFFERENCES)
