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
def test_ratios_need_a_zero_but_no_unit(option: Option, draw: st.DataObject, factor: float) -> None:
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
    [("PHI", {"variance": "ST"}), ("YUQ", {}), ("YUY", {}), ("PBIT", {}), ("AS", {}), ("RR", {}),
     ("OR", {}), ("RD", {})]
)  # fmt: skip
@given(columns=tables())
def test_variances_of_two_shares(option: Option, columns: Columns) -> None:
    """Group sizes fixed, events binomial."""
    expected = by_differences(lambda t: _effects(option, t).yi, columns, TWO_BINOMIALS)
    np.testing.assert_allclose(_effects(option, columns).vi, expected, **BY_DIFFERENCES)


@_named([("PHI", {"variance": "CS"}), ("YUQ", {}), ("YUY", {}), ("RTET", {}), ("OR", {})])
@given(columns=tables())
def test_variances_of_a_whole_table(option: Option, columns: Columns) -> None:
    """All cells multinomial. An effect that does not change when all cells are multiplied by one
    number has the variance that it has with four Poisson cells."""
    a, n1, c, n2 = columns.values()
    cells = {"a": a, "b": n1 - a, "c": c, "d": n2 - c}

    def effect(t: Columns) -> np.ndarray:
        persons = {"n1i": t["a"] + t["b"], "n2i": t["c"] + t["d"]}
        return _effects(option, {"events1i": t["a"], "events2i": t["c"]} | persons).yi

    spreads = {}
    for cell in cells:
        spreads |= _poisson(cell)
    expected = by_differences(effect, cells, spreads, step=1e-3)
    np.testing.assert_allclose(_effects(option, columns).vi, expected, rtol=2e-5, atol=1e-12)


@pytest.mark.parametrize("scale", ["PR", "PLN", "PLO", "PAS"])
@given(columns=tables())
def test_variances_of_one_share(scale: str, columns: Columns) -> None:
    one = {"events": columns["events1i"], "ni": columns["n1i"]}
    spreads = _binomial("events", "ni")
    expected = by_differences(lambda t: proportion(**t, scale=scale).yi, one, spreads)
    np.testing.assert_allclose(proportion(**one, scale=scale).vi, expected, **BY_DIFFERENCES)


ONE_MEAN, ONE_SD = _mean("mi", "sdi", "ni"), _sd("sdi", "ni")


@pytest.mark.parametrize(
    ("measure", "spreads"),
    [("IR", _poisson("events")), ("IRLN", _poisson("events")), ("IRS", _poisson("events")),
     ("IRR", TWO_POISSONS), ("IRD", TWO_POISSONS), ("IRSD", TWO_POISSONS),
     ("MD", TWO_MEANS), ("ROM", TWO_MEANS), ("VR", TWO_SDS), ("CVR", TWO_MEANS | TWO_SDS),
     ("MNLN", ONE_MEAN), ("SDLN", ONE_SD), ("CVLN", ONE_MEAN | ONE_SD)],
)  # fmt: skip
@given(draw=st.data())
def test_variances_of_rates_means_and_spreads(
    measure: str, spreads: Spreads, draw: st.DataObject
) -> None:
    """Events Poisson; means and standard deviations those of normal samples."""
    columns = draw.draw(inputs(measure, m=positive))
    made = _effects((measure, {}), columns)
    expected = by_differences(lambda t: _effects((measure, {}), t).yi, columns, spreads)
    np.testing.assert_allclose(made.vi, expected, **BY_DIFFERENCES)


@given(columns=inputs("SMDH"))
def test_variance_with_unequal_standard_deviations(columns: Columns) -> None:
    """Bonett's variance with d, times J squared: variances of means with n - 1."""
    spreads = _mean("m1i", "sd1i", "n1i", 1.0) | _mean("m2i", "sd2i", "n2i", 1.0) | TWO_SDS
    option = ("SMDH", {"variance": "LS2"})
    expected = by_differences(lambda t: _effects(option, t).yi, columns, spreads)
    np.testing.assert_allclose(_effects(option, columns).vi, expected, **BY_DIFFERENCES)


@given(columns=inputs("SMD1H"))
def test_variance_of_glass_delta_with_unequal_standard_deviations(columns: Columns) -> None:
    """Bonett (2008, eq. 11): the means move d, the standardizer moves g."""
    j = hedges_j(columns["n2i"] - 1.0)
    means = _mean("m1i", "sd1i", "n1i", 1.0) | _mean("m2i", "sd2i", "n2i", 1.0)
    of_means = by_differences(lambda t: MEASURES["SMD1H"](**t).yi / j, columns, means)
    of_sd = by_differences(lambda t: MEASURES["SMD1H"](**t).yi, columns, _sd("sd2i", "n2i"))
    made = MEASURES["SMD1H"](**columns)
    np.testing.assert_allclose(made.vi, of_means + of_sd, **BY_DIFFERENCES)


def _cohen_d(columns: Columns) -> EffectSizes:
    """d and its variance 1/n1 + 1/n2 + d^2 / (2 (n1 + n2))."""
    g = MEASURES["SMD"](**columns, variance="LS2")
    j = hedges_j(columns["n1i"] + columns["n2i"] - 2.0)
    return EffectSizes("SMD", g.yi / j, g.vi / j**2, "cohen_d")


@given(columns=inputs("RPB"))
def test_variance_of_a_point_biserial(columns: Columns) -> None:
    """d is what varies; moving one mean moves nothing but d."""
    d = _cohen_d(columns)
    pooled = np.sqrt(
        MEASURES["MD"](**columns, variance="HO").vi / (1.0 / columns["n1i"] + 1.0 / columns["n2i"])
    )
    spreads = {"m1i": lambda t: pooled**2 * d.vi}
    expected = by_differences(lambda t: MEASURES["RPB"](**t).yi, columns, spreads)
    made = MEASURES["RPB"](**columns)
    np.testing.assert_allclose(made.vi, expected, **BY_DIFFERENCES)
    _same(made, smd_effects_to_correlations(d, columns["n1i"], columns["n2i"]))


@given(n=st.integers(2, 60), p=st.floats(0.05, 0.95))
def test_unbiased_variances_of_shares(n: int, p: float) -> None:
    """Their expectation over all possible numbers of events is the variance."""
    events = np.arange(n + 1.0)
    chances = stats.binom.pmf(events, n, p)
    made = proportion(events, n, scale="PR", variance="UB", zero_cells="none")
    assert chances @ made.vi == pytest.approx(p * (1.0 - p) / n, rel=1e-9)
    one, two = (x.ravel() for x in np.meshgrid(events, events))
    both = MEASURES["RD"](one, n, two, n, variance="UB", zero_cells="none")
    expected = 2.0 * p * (1.0 - p) / n
    assert np.outer(chances, chances).ravel() @ both.vi == pytest.approx(expected, rel=1e-9)


def test_the_corrected_correlation_is_unbiased() -> None:
    """40,000 samples of 8 pairs: the mean of r is 6 Monte Carlo errors below rho, of the corrected
    one within 4; likewise its unbiased variance."""
    rng = np.random.default_rng(20)
    rho, samples, n = 0.5, 40_000, 8
    x, e = rng.standard_normal((2, samples, n))
    y = rho * x + math.sqrt(1.0 - rho**2) * e
    x, y = (one - one.mean(axis=1, keepdims=True) for one in (x, y))
    r = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    made = MEASURES["UCOR"](r, n, variance="UB")
    error = made.yi.std() / math.sqrt(samples)
    assert abs(made.yi.mean() - rho) < 4.0 * error
    assert r.mean() - rho < -6.0 * error
    squares = (made.yi - rho) ** 2 - made.vi
    assert abs(squares.mean()) < 4.0 * squares.std() / math.sqrt(samples)


@given(columns=tables())
def test_coefficients_of_yule_are_the_odds_ratio(columns: Columns) -> None:
    odds = MEASURES["OR"](**columns).yi
    np.testing.assert_allclose(MEASURES["YUQ"](**columns).yi, np.tanh(odds / 2.0), **CLOSE)
    np.testing.assert_allclose(MEASURES["YUY"](**columns).yi, np.tanh(odds / 4.0), **CLOSE)


@given(columns=inputs("SMD"))
def test_standardizers_agree_where_the_groups_do(columns: Columns) -> None:
    """With one standard deviation in both groups every standardizer is that one."""
    columns = columns | {"sd2i": columns["sd1i"]}
    df = columns["n1i"] + columns["n2i"] - 2.0
    smd = MEASURES["SMD"](**columns).yi
    np.testing.assert_allclose(MEASURES["SMDH"](**columns).yi, smd, **CLOSE)
    for measure in ("SMD1", "SMD1H"):
        glass = MEASURES[measure](**columns).yi / hedges_j(columns["n2i"] - 1.0)
        np.testing.assert_allclose(glass, smd / hedges_j(df), **CLOSE)


@given(columns=inputs("SMD"))
def test_t_of_the_pooled_difference_is_t_of_d(columns: Columns) -> None:
    difference = MEASURES["MD"](**columns, variance="HO")
    size = 1.0 / columns["n1i"] + 1.0 / columns["n2i"]
    t = _cohen_d(columns).yi / np.sqrt(size)
    np.testing.assert_allclose(difference.yi / difference.sei, t, **CLOSE)


@pytest.mark.parametrize("variance", ["LS", "LS2"])
@given(columns=inputs("SMCC"))
def test_a_change_with_correlation_one_half(variance: str, columns: Columns) -> None:
    """The standard deviation of the change is then the one before."""
    half = columns | {"sd_after": columns["sd_before"], "ri": np.full(ROWS, 0.5)}
    _same(*(MEASURES[code](**half, variance=variance) for code in ("SMCC", "SMCR")))


@given(columns=inputs("PPC"))
def test_pre_post_control_is_the_difference_of_two_changes(columns: Columns) -> None:
    columns = columns | {"sd_before2": columns["sd_before1"]}
    made = MEASURES["PPC"](**columns)
    sizes = [columns["n1i"], columns["n2i"]]
    changes = []
    for i, n in zip("12", sizes, strict=True):
        names = (f"m_after{i}", f"m_before{i}", f"sd_before{i}", f"r{i}i")
        after, before, sd, r = (columns[name] for name in names)
        changes.append(MEASURES["SMCR"](after, before, sd, sd, n, r).yi / hedges_j(n - 1.0))
    d = made.yi / hedges_j(sizes[0] + sizes[1] - 2.0)
    np.testing.assert_allclose(d, changes[0] - changes[1], **CLOSE)


@given(columns=inputs("SMD"), size=st.integers(1, 4))
def test_without_intracluster_correlation_there_are_no_clusters(
    columns: Columns, size: int
) -> None:
    d, n1, n2 = _cohen_d(columns).yi, columns["n1i"], columns["n2i"]
    made = cluster_standardized_mean_difference(d, n1, n2, size, 0.0)
    df = n1 + n2 - 2.0
    np.testing.assert_allclose(made.yi, hedges_j(df) * d, **CLOSE)
    expected = hedges_j(df) ** 2 * (1.0 / n1 + 1.0 / n2 + d**2 / (2.0 * df))
    np.testing.assert_allclose(made.vi, expected, **CLOSE)


@pytest.mark.parametrize("method", ["logistic", "cox"])
@given(columns=tables())
def test_odds_ratios_go_to_d_and_back(method: str, columns: Columns) -> None:
    odds = MEASURES["OR"](**columns)
    _same(smd_to_odds_ratio(odds_ratio_to_smd(odds, method=method), method=method), odds)


@given(columns=inputs("SMD"))
def test_d_goes_to_a_correlation_and_back(columns: Columns) -> None:
    d, sizes = _cohen_d(columns).yi, (columns["n1i"], columns["n2i"])
    np.testing.assert_allclose(
        correlation_to_smd(smd_to_correlation(d, *sizes), *sizes), d, rtol=1e-7, atol=1e-12
    )


@given(columns=inputs("COR"))
def test_variance_of_d_from_a_correlation(columns: Columns) -> None:
    def d(t: Columns) -> np.ndarray:
        return correlations_to_smd_effects(MEASURES["COR"](**t)).yi

    made = MEASURES["COR"](**columns)
    expected = by_differences(d, columns, {"ri": lambda t: made.vi})
    np.testing.assert_allclose(correlations_to_smd_effects(made).vi, expected, rtol=1e-5)


def test_overlap_of_two_normal_groups() -> None:
    """d = 0.8: 79% above the comparator's mean, 71% above someone of it (Cohen 1988; McGraw and
    Wong 1992)."""
    assert share_above_comparator_mean([0.0, 0.8]) == pytest.approx([0.5, 0.788], abs=5e-4)
    assert probability_of_superiority([0.0, 0.8]) == pytest.approx([0.5, 0.714], abs=5e-4)


def _first_cell(r: float, share1: float, share2: float) -> float:
    """Share of a bivariate normal below both cuts, by integrating over the first variable."""
    z1, z2 = special.ndtri(share1), special.ndtri(share2)

    def density(x: float) -> float:
        below = special.ndtr((z2 - r * x) / math.sqrt(1.0 - r**2))
        return float(math.exp(-(x**2) / 2.0) / math.sqrt(2.0 * math.pi) * below)

    return float(integrate.quad(density, -12.0, z1, epsabs=1e-14, epsrel=1e-12, limit=200)[0])


@given(r=st.floats(-0.8, 0.8), share1=st.floats(0.15, 0.85), share2=st.floats(0.15, 0.85))
def test_tetrachoric_finds_the_correlation_behind_a_table(
    r: float, share1: float, share2: float
) -> None:
    a = _first_cell(r, share1, share2)
    n = 1000.0
    made = tetrachoric(n * a, n * share1, n * (share2 - a), n * (1.0 - share1))
    np.testing.assert_allclose(made.yi, r, rtol=1e-7, atol=1e-8)


@given(share=st.floats(0.02, 0.48))
def test_tetrachoric_of_two_median_cuts(share: float) -> None:
    """Sheppard: a = 1/4 + asin(r) / (2 pi)."""
    made = tetrachoric(100.0 * share, 50.0, 100.0 * (0.5 - share), 50.0)
    np.testing.assert_allclose(made.yi, math.sin(2.0 * math.pi * (share - 0.25)), atol=1e-9)


@pytest.mark.parametrize(
    "counts",
    [
        (0.0, 50.0, 10.0, 50.0),
        pytest.param((10.0, 10.0, 10.0, 90.0)),
        pytest.param((10.0, 50.0, 0.0, 50.0)),
        pytest.param((80.0, 90.0, 10.0, 10.0)),
    ],
    ids=["nobody-1", "everybody-1", "nobody-2", "everybody-2"],
)
def test_a_zero_cell_leaves_no_tetrachoric(counts: tuple[float, ...]) -> None:
    """The estimate is at +-1 unless something is added."""
    made = tetrachoric(*counts, zero_cells="none")
    assert np.isnan([made.yi, made.vi]).all()
    assert np.isnan(tetrachoric(*counts).vi).all()
    assert np.isfinite(tetrachoric(*counts, zero_cells="only0").vi).all()


@pytest.mark.parametrize("scale", PROPORTION_SCALES)
@given(n=st.integers(1, 300), share=st.floats(0.0, 1.0))
def test_proportions_come_back_from_every_scale(scale: str, n: int, share: float) -> None:
    events = np.round(share * n)
    policy = "only0" if scale in ("PLN", "PLO") else "none"
    made = proportion(events, n, scale=scale, zero_cells=policy)
    expected = events / n
    if policy == "only0" and events in (0.0, float(n)):
        expected = (events + 0.5) / (n + 1.0)
    np.testing.assert_allclose(proportion_from_scale(made.yi, scale, n), expected, atol=1e-9)


SAMPLES = 2_000


def _from_samples(samples: np.ndarray, kind: str) -> EstimatedMoments:
    ordered = np.sort(samples, axis=1)
    q1, median, q3 = np.quantile(ordered, [0.25, 0.5, 0.75], axis=1)
    printed = {
        "quartiles": {"q1": q1, "q3": q3},
        "range": {"minimum": ordered[:, 0], "maximum": ordered[:, -1]},
    }
    printed["quartiles_and_range"] = printed["quartiles"] | printed["range"]
    made = moments_from_quantiles(median, samples.shape[1], **printed[kind])
    assert set(made.method) == {kind}
    return made


@pytest.mark.parametrize("kind", ["quartiles", "range", "quartiles_and_range"])
@pytest.mark.parametrize("n", [25, 400])
def test_moments_of_normal_samples(kind: str, n: int) -> None:
    """2,000 samples: the average estimate is within four Monte Carlo errors, and half a percent of
    the standard deviation for the approximations in the formulas. 5% seem skewed (Monte Carlo
    error half a percent, four allowed)."""
    made = _from_samples(np.random.default_rng(n).normal(50.0, 10.0, (SAMPLES, n)), kind)
    for found, true in ((made.mean, 50.0), (made.sd, 10.0)):
        error = found.std() / math.sqrt(SAMPLES)
        assert abs(found.mean() - true) < 4.0 * error + 0.05
    assert made.skewed.mean() == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("kind", ["quartiles", "range", "quartiles_and_range"])
def test_exponential_samples_are_seen_to_be_skewed(kind: str) -> None:
    made = _from_samples(np.random.default_rng(3).exponential(10.0, (SAMPLES, 400)), kind)
    assert made.skewed.mean() > 0.95
    assert made.mean.mean() < 9.0, "and the mean would be 10"


def test_moments_of_the_quantiles_of_a_huge_normal_sample() -> None:
    quartile = float(special.ndtri(0.75))
    made = moments_from_quantiles(3.0, 1e9, q1=3.0 - 2.0 * quartile, q3=3.0 + 2.0 * quartile)
    np.testing.assert_allclose([made.mean[0], made.sd[0]], [3.0, 2.0], rtol=1e-8)
    assert not made.skewed.any()


def test_each_row_uses_the_quantiles_it_has() -> None:
    nan = math.nan
    made = moments_from_quantiles(
        5.0, 50.0, q1=[3.0, 3.0, nan, nan], q3=[7.0, 7.0, nan, 7.0],
        minimum=[0.0, nan, 0.0, nan], maximum=[9.0, nan, 9.0, 9.0],
    )  # fmt: skip
    assert made.method == ("quartiles_and_range", "quartiles", "range", "")
    assert np.isfinite(made.mean[:3]).all() and np.isnan([made.mean[3], made.sd[3]]).all()
    alone = moments_from_quantiles(5.0, 50.0, q1=3.0, q3=7.0)
    assert (made.mean[1], made.sd[1]) == (alone.mean[0], alone.sd[0])


@pytest.mark.parametrize(
    "kind",
    [pytest.param(ends) for ends in (("q1", "q3"), ("minimum", "maximum"))],
)
def test_quantiles_that_are_all_the_same(kind: tuple[str, str]) -> None:
    """Counts of an act often have both quartiles at 0."""
    made = moments_from_quantiles(3.0, 20.0, **dict.fromkeys(kind, 3.0))
    assert (made.mean[0], made.sd[0]) == (3.0, 0.0)


N, R = [20.0, 20.0, 20.0], [0.5, 0.5, 0.5]
ONES, TWOS = [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]


def _second(bad: float, good: float = 1.0) -> list[float]:
    return [good, bad, good]


GROUPS = {"m1i": TWOS, "sd1i": ONES, "n1i": N, "m2i": ONES, "sd2i": ONES, "n2i": N}
TABLE = {"events1i": ONES, "n1i": N, "events2i": TWOS, "n2i": N}
CHANGE = {"m_after": TWOS, "m_before": ONES, "sd_after": ONES, "sd_before": ONES, "ni": N, "ri": R}
DESIGN = {"m_after1": TWOS, "m_before1": ONES, "sd_before1": ONES, "n1i": N, "r1i": R,
          "m_after2": TWOS, "m_before2": ONES, "sd_before2": ONES, "n2i": N, "r2i": R}  # fmt: skip
RATES = {"events1i": ONES, "time1i": TWOS, "events2i": ONES, "time2i": TWOS}
REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("SMDH", GROUPS, {"sd2i": _second(0.0)}, "standard deviations must be greater than 0"),
    ("SMD1", GROUPS, {"n2i": _second(1.0, 9.0)}, "each group needs at least 2 participants"),
    ("RPB", GROUPS, {"sd1i": _second(0.0)}, "standard deviations must be greater than 0"),
    ("RBIS", GROUPS, {"sd1i": _second(-1.0)}, "standard deviations must be greater than 0"),
    ("MD", GROUPS, {"sd1i": _second(-1.0)}, "standard deviations must not be negative"),
    ("ROM", GROUPS, {"m2i": _second(-1.0)}, "a ratio needs means of the same sign"),
    ("CVR", GROUPS, {"m1i": _second(0.0)}, "the logarithm needs means above 0"),
    ("VR", {k: GROUPS[k] for k in inputs_of("VR")}, {"sd1i": _second(0.0)},
     "standard deviations must be greater than 0"),
    ("MN", {"mi": ONES, "sdi": ONES, "ni": N}, {"sdi": _second(-1.0)},
     "standard deviations must not be negative"),
    ("MC", CHANGE, {"ri": _second(1.1, 0.5)}, "a correlation lies between -1 and 1"),
    ("SMCC", CHANGE, {"ri": _second(1.0, 0.5)}, "the standardizer must be greater than 0"),
    ("SMCR", CHANGE, {"sd_before": _second(0.0)}, "the standardizer must be greater than 0"),
    ("ROMC", CHANGE, {"m_after": _second(-1.0)}, "a ratio needs means of the same sign"),
    ("PPC", DESIGN, {"n2i": _second(3.0, 9.0)}, "each group needs more than 3 participants"),
    ("PPC", DESIGN, {"r1i": _second(1.0, 0.5)}, "correlations lie between -1 and 1"),
    ("AS", TABLE, {"events1i": _second(21.0)}, "events must not exceed the group size"),
    ("PETO", TABLE, {"events2i": _second(-1.0)}, "events must not be negative"),
    ("RTET", TABLE, {"n1i": _second(0.0), "events1i": _second(0.0)},
     "group sizes must be greater than 0"),
    ("PR", {"events": ONES, "ni": N}, {"events": _second(21.0)}, "events must lie between 0 and n"),
    ("PAS", {"events": ONES, "ni": N}, {"events": _second(0.0), "ni": _second(0.0)},
     "the number of persons must be greater than 0"),
    ("IR", {"events": ONES, "time": ONES}, {"time": _second(0.0)}, "times must be greater than 0"),
    ("IRR", RATES, {"events2i": _second(-1.0)}, "events must not be negative"),
    ("IRD", RATES, {"time1i": _second(0.0)}, "times must be greater than 0"),
    ("COR", {"ri": R, "ni": N}, {"ri": _second(1.1, 0.5)}, "a correlation lies between -1 and 1"),
    ("UCOR", {"ri": R, "ni": N}, {"ni": _second(4.0, 9.0)}, "needs more than 4 participants"),
    ("ZPCOR", {"ti": ONES, "ni": N, "predictors": ONES}, {"predictors": _second(18.0)},
     "a partial correlation needs more than 1 degree of freedom"),
    ("SPCOR", {"ti": ONES, "ni": N, "predictors": ONES, "r_squared": R},
     {"r_squared": _second(1.0, 0.5)}, "R2 lies between 0 and 1"),
    ("ABT", {"alpha": R, "items": N, "ni": N}, {"alpha": _second(1.0, 0.5)},
     "alpha must be below 1"),
    ("AHW", {"alpha": R, "items": N, "ni": N}, {"items": _second(1.0, 9.0)},
     "alpha needs at least 2 items"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "columns", "bad", "message"),
    REFUSED,
    ids=[f"{measure}-{'-'.join(bad)}" for measure, _, bad, _ in REFUSED],
)
def test_what_has_no_effect_is_refused_with_the_row(
    measure: str, columns: dict[str, Any], bad: dict[str, Any], message: str
) -> None:
    assert np.isfinite(MEASURES[measure](**columns).vi).all()
    with pytest.raises(EstimationError, match=rf"{message}.* \(row 1\)$"):
        MEASURES[measure](**(columns | bad))


@pytest.mark.parametrize(
    ("measure", "columns", "bad"),
    [
        ("ABT", {"alpha": R, "items": N, "ni": N}, {"ni": _second(2.0, 9.0)}),
        ("ABT", {"alpha": R, "items": N, "ni": N}, {"ni": _second(1.0, 9.0)}),
        ("PPC", DESIGN, dict.fromkeys(("sd_before1", "sd_before2"), _second(0.0))),
        ("RPB", GROUPS, dict.fromkeys(("n1i", "n2i"), _second(1.0, 9.0))),
        ("RBIS", GROUPS, dict.fromkeys(("n1i", "n2i"), _second(1.0, 9.0))),
        ("SDLN", {"sdi": ONES, "ni": N}, {"ni": _second(1.0, 9.0)}),
        ("MN", {"mi": ONES, "sdi": ONES, "ni": N}, {"ni": _second(0.0, 9.0)}),
        ("MC", CHANGE, {"ni": _second(0.0, 9.0)}),
        ("ROM", GROUPS, {"n1i": _second(0.0, 9.0)}),
    ],
)
def test_too_few_persons_are_refused_with_the_row(
    measure: str, columns: dict[str, Any], bad: dict[str, Any]
) -> None:
    with pytest.raises(EstimationError, match=r" \(row 1\)$"):
        MEASURES[measure](**(columns | bad))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"q1": _second(6.0, 3.0)}, "quantiles must be in order"),
        ({"q3": _second(4.0, 7.0)}, "quantiles must be in order"),
        ({"minimum": _second(4.0, 1.0)}, "quantiles must be in order"),
        ({"ni": _second(2.0, 9.0)}, "quantiles of a group need more than 2 persons"),
    ],
)
def test_quantiles_that_cannot_be_are_refused_with_the_row(
    bad: dict[str, Any], message: str
) -> None:
    columns = {"median": 5.0, "ni": 50.0, "q1": 3.0, "q3": 7.0, "minimum": 1.0, "maximum": 9.0}
    with pytest.raises(EstimationError, match=rf"{message}.* \(row 1\)$"):
        moments_from_quantiles(**(columns | bad))


def test_clusters_too_large_for_the_trial_are_refused_with_the_row() -> None:
    with pytest.raises(EstimationError, match=r"too few clusters .* \(row 1\)$"):
        cluster_standardized_mean_difference(0.5, 10.0, 10.0, [2.0, 10.0], [0.1, 1.0])


@pytest.mark.parametrize(
    ("measure", "columns", "option", "what"),
    [
        ("MD", GROUPS, {"variance": "UB"}, "variance formula"),
        ("SMDH", GROUPS, {"variance": "UB"}, "variance formula"),
        ("ROM", GROUPS, {"variance": "LS2"}, "variance formula"),
        ("RPB", GROUPS, {"variance": "LS"}, "variance formula"),
        ("PHI", TABLE, {"variance": "LS"}, "variance formula"),
        ("RD", TABLE, {"variance": "HO"}, "variance formula"),
        ("SMCC", CHANGE, {"variance": "UB"}, "variance formula"),
        ("COR", {"ri": R, "ni": N}, {"variance": "UB"}, "variance formula"),
        ("UCOR", {"ri": R, "ni": N}, {"variance": "AV"}, "variance formula"),
        ("PR", {"events": ONES, "ni": N}, {"variance": "HO"}, "variance formula"),
        ("PETO", TABLE, {"zero_cells": "some"}, "zero-cell policy"),
        ("PLO", {"events": ONES, "ni": N}, {"zero_cells": "some"}, "zero-cell policy"),
        ("IRR", RATES, {"zero_cells": "some"}, "zero-cell policy"),
    ],
)
def test_unknown_options_are_refused_with_the_known_ones(
    measure: str, columns: dict[str, Any], option: dict[str, Any], what: str
) -> None:
    with pytest.raises(EstimationError, match=rf"unknown {what} .*; known: "):
        MEASURES[measure](**columns, **option)
