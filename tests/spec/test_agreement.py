"""Agreement between coders: published examples, plain loops, what must not matter, refusals."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis.agreement import COEFFICIENTS, RaterAgreement, rater_agreement
from analysis.errors import EstimationError

Codings = list[list[Any]]
NAMES = ("percent", "cohen", "fleiss", "gwet_ac1", "krippendorff")

# 4 observers, 12 units (Krippendorff 2011, Computing Krippendorff's alpha-reliability, example C).
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
UNITS: Codings = [list(unit) for unit in zip(*OBSERVERS, strict=True)]

# 10 subjects, 14 raters, 5 categories (the worked example of Fleiss' kappa of handbooks).
RATINGS = (
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
)  # fmt: skip


def from_counts(counts: tuple[tuple[int, ...], ...]) -> Codings:
    return [[c for c, n in enumerate(row, start=1) for _ in range(n)] for row in counts]


def from_table(table: list[list[int]]) -> Codings:
    """Codings of two coders from their cross table."""
    return [[i, j] for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]


def named(found: RaterAgreement) -> dict[str, float]:
    return dict(zip(found.coefficient, found.estimate.tolist(), strict=True))


def generated(seed: int, units: int = 15, coders: int = 3, blanks: float = 0.15) -> Codings:
    rng = np.random.default_rng([5, seed])
    truth = rng.integers(0, 3, units)
    out: Codings = []
    for one in truth:
        row = [int(one) if rng.random() < 0.7 else int(rng.integers(0, 3)) for _ in range(coders)]
        out.append([None if rng.random() < blanks else f"c{code}" for code in row])
    return out


def codes_of(row: list[Any]) -> list[Any]:
    return [one for one in row if one is not None and one != ""]


def coded_twice(codings: Codings) -> Codings:
    return [row for row in codings if len(codes_of(row)) > 1]


def pairwise_agreement(codings: Codings) -> float:
    """Mean over units of the share of agreeing pairs of codes."""
    shares = []
    for row in coded_twice(codings):
        pairs = list(combinations(codes_of(row), 2))
        shares.append(sum(a == b for a, b in pairs) / len(pairs))
    return sum(shares) / len(shares)


def mean_shares(codings: Codings) -> dict[Any, float]:
    """Mean over units of the share of each category among a unit's codes."""
    rows = coded_twice(codings)
    total: Counter[Any] = Counter()
    for row in rows:
        for code in codes_of(row):
            total[code] += 1.0 / (len(codes_of(row)) * len(rows))  # type: ignore[assignment]
    return dict(total)


def alpha_by_loops(codings: Codings) -> float:
    """Krippendorff's nominal alpha from ordered pairs of values within units."""
    rows = coded_twice(codings)
    values = [code for row in rows for code in codes_of(row)]
    n = len(values)
    observed = 0.0
    for row in rows:
        own = codes_of(row)
        differing = sum(a != b for i, a in enumerate(own) for j, b in enumerate(own) if i != j)
        observed += differing / (len(own) - 1)
    expected = sum(a != b for i, a in enumerate(values) for j, b in enumerate(values) if i != j)
    return 1.0 - (observed / n) / (expected / (n * (n - 1)))


def by_loops(codings: Codings, categories: int = 0) -> dict[str, float]:
    """All coefficients; `categories` of the scale, those found when 0."""
    observed, share = pairwise_agreement(codings), mean_shares(codings)
    fleiss = sum(p * p for p in share.values())
    gwet = sum(p * (1.0 - p) for p in share.values()) / ((categories or len(share)) - 1)
    chances = []
    for a, b in combinations(range(len(codings[0])), 2):
        own = []
        for coder in (a, b):
            codes = [row[coder] for row in coded_twice(codings) if codes_of([row[coder]])]
            own.append({c: n / len(codes) for c, n in Counter(codes).items()})
        chances.append(sum(p * own[1].get(c, 0.0) for c, p in own[0].items()))
    cohen = sum(chances) / len(chances)
    return {
        "percent": observed,
        "cohen": (observed - cohen) / (1.0 - cohen),
        "fleiss": (observed - fleiss) / (1.0 - fleiss),
        "gwet_ac1": (observed - gwet) / (1.0 - gwet),
        "krippendorff": alpha_by_loops(codings),
    }


def test_coefficients_of_two_coders_by_hand() -> None:
    """Both yes 20, both no 15, 5 and 10 apart: 35 of 50 agree, 25/50 and 30/50 say yes, so chance
    is .5 x .6 + .5 x .4 = .5 and kappa .2 / .5 = .4."""
    found = named(rater_agreement(from_table([[20, 5], [10, 15]])))
    assert found["percent"] == pytest.approx(0.7, rel=1e-14)
    assert found["cohen"] == pytest.approx(0.4, rel=1e-12)
    # Pooled share of yes .55: Fleiss .55^2 + .45^2 = .505, Gwet 2 x .55 x .45 = .495.
    assert found["fleiss"] == pytest.approx((0.7 - 0.505) / 0.495, rel=1e-12)
    assert found["gwet_ac1"] == pytest.approx((0.7 - 0.495) / 0.505, rel=1e-12)
    # 100 codes, 55 and 45; 30 of them in differing pairs: 1 - 99 x 30 / (100^2 - 55^2 - 45^2).
    assert found["krippendorff"] == pytest.approx(1.0 - 99.0 * 30.0 / 4950.0, rel=1e-12)


def test_kappa_falls_with_a_rare_category_and_ac1_does_not() -> None:
    """118 of 125 agree on one of two categories (Gwet 2008, table 1: kappa -.02, AC1 .94)."""
    found = named(rater_agreement(from_table([[118, 5], [2, 0]])))
    assert found["percent"] == pytest.approx(118 / 125)
    assert found["cohen"] == pytest.approx(-0.0234, abs=5e-5)
    assert found["gwet_ac1"] == pytest.approx(0.9408, abs=5e-5)


def test_the_example_of_krippendorff_with_missing_codes() -> None:
    found = rater_agreement(UNITS)
    assert (found.units, found.coders) == (11, 4), "the unit coded once is left out"
    assert found.categories == ("1", "2", "3", "4", "5")
    assert named(found)["krippendorff"] == pytest.approx(0.743, abs=5e-4)
    assert named(found)["krippendorff"] == pytest.approx(alpha_by_loops(UNITS), rel=1e-12)


def test_gwet_and_fleiss_on_the_example_of_krippendorff() -> None:
    loops = by_loops(UNITS)
    found = named(rater_agreement(UNITS))
    for name in ("percent", "fleiss", "gwet_ac1"):
        assert found[name] == pytest.approx(loops[name], rel=1e-12), name


def test_the_table_of_fourteen_raters() -> None:
    found = named(rater_agreement(from_counts(RATINGS)))
    observed = sum((sum(n * n for n in row) - 14) / (14 * 13) for row in RATINGS) / 10
    chance = sum((sum(column) / 140) ** 2 for column in zip(*RATINGS, strict=True))
    assert found["percent"] == pytest.approx(observed, rel=1e-12)
    assert (round(observed, 3), round(chance, 3)) == (0.378, 0.213)
    assert found["fleiss"] == pytest.approx((observed - chance) / (1.0 - chance), rel=1e-12)
    assert found["fleiss"] == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("blanks", [0.0, 0.15])
def test_every_coefficient_equals_plain_loops(seed: int, blanks: float) -> None:
    codings = generated(seed, coders=2 + seed % 3, blanks=blanks)
    found, loops = named(rater_agreement(codings)), by_loops(codings)
    assert tuple(found) == NAMES == tuple(COEFFICIENTS)
    for name in NAMES:
        assert found[name] == pytest.approx(loops[name], rel=1e-11, abs=1e-13), name


def test_perfect_agreement_is_one() -> None:
    found = rater_agreement([["a", "a"], ["b", "b"], ["c", "c"], ["a", "a"]])
    np.testing.assert_allclose(found.estimate, 1.0, rtol=1e-14)
    np.testing.assert_allclose(found.se, 0.0, atol=1e-14)
    np.testing.assert_allclose(found.ci_ub, 1.0)


def test_codes_of_chance_have_no_corrected_agreement() -> None:
    """Every combination of two codes equally often."""
    found = named(rater_agreement(from_table([[50, 50], [50, 50]])))
    assert found["percent"] == pytest.approx(0.5)
    for name in ("cohen", "fleiss", "gwet_ac1"):
        assert found[name] == pytest.approx(0.0, abs=1e-12), name
    # Corrected for few codings: a little above 0.
    assert found["krippendorff"] == pytest.approx(1.0 / 400.0, rel=1e-9)


def test_systematic_disagreement_is_below_zero() -> None:
    found = named(rater_agreement(from_table([[0, 20], [20, 0]])))
    assert found["cohen"] == pytest.approx(-1.0)
    assert found["fleiss"] == pytest.approx(-1.0)


@pytest.mark.parametrize("seed", range(4))
def test_names_of_categories_do_not_matter(seed: int) -> None:
    codings = generated(seed)
    names = {"c0": "zebra", "c1": 17, "c2": "a"}
    first = rater_agreement(codings)
    second = rater_agreement([[names.get(one, one) for one in row] for row in codings])
    for name in ("estimate", "se", "ci_lb", "ci_ub"):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-11)
    assert second.categories == ("17", "a", "zebra")


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_units_and_coders_does_not_matter(seed: int) -> None:
    codings = generated(seed, coders=4)
    first = rater_agreement(codings)
    rng = np.random.default_rng(seed)
    units, coders = rng.permutation(len(codings)), rng.permutation(4)
    second = rater_agreement([[codings[u][c] for c in coders] for u in units])
    for name in ("estimate", "se", "ci_lb", "ci_ub"):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-10)


def test_blanks_are_none_or_empty_and_say_nothing() -> None:
    codings = generated(3)
    first = rater_agreement(codings)
    empty = rater_agreement([["" if one is None else one for one in row] for row in codings])
    lonely = rater_agreement([*codings, ["c0", None, None], [None, "", None], ["", "c9", ""]])
    for other in (empty, lonely):
        np.testing.assert_array_equal(other.estimate, first.estimate)
        np.testing.assert_array_equal(other.se, first.se)
        assert (other.units, other.categories) == (first.units, first.categories)


def test_a_zero_is_a_code() -> None:
    found = rater_agreement([[0, 0], [1, 1], [0, 1]])
    assert (found.units, found.categories) == (3, ("0", "1"))


def test_numbers_and_their_texts_are_the_same_code() -> None:
    assert rater_agreement([[1, "1"], ["2", 2], [1, 2]]).estimate[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("codings", [generated(1), generated(2, coders=2, blanks=0.0), UNITS])
def test_limits_are_those_of_a_plain_jackknife(codings: Codings, level: float) -> None:
    rows = coded_twice(codings)
    n = len(rows)
    found = rater_agreement(codings, level=level)
    scale = len(mean_shares(codings))  # also when its only unit is left out
    left_out = np.array([
        list(by_loops([*rows[:i], *rows[i + 1 :]], scale).values()) for i in range(n)
    ])  # fmt: skip
    for c in range(len(NAMES)):
        mean = sum(left_out[:, c]) / n
        variance = (n - 1) / n * sum((value - mean) ** 2 for value in left_out[:, c])
        half = stats.t.ppf(0.5 + level / 2, n - 1) * math.sqrt(variance)
        assert found.se[c] == pytest.approx(math.sqrt(variance), rel=1e-9)
        assert found.ci_lb[c] == pytest.approx(max(-1.0, found.estimate[c] - half), rel=1e-8)
        assert found.ci_ub[c] == pytest.approx(min(1.0, found.estimate[c] + half), rel=1e-8)
    assert found.level == level


def test_one_category_only() -> None:
    """Everybody agrees, and chance agreement is complete: kappa and alpha have no value."""
    found = named(rater_agreement([["a", "a"], ["a", "a"], ["a", "a"]]))
    assert found["percent"] == 1.0
    assert found["gwet_ac1"] == 1.0
    for name in ("cohen", "fleiss", "krippendorff"):
        assert math.isnan(found[name]), name


def test_a_coder_without_any_code_leaves_no_kappa() -> None:
    found = named(rater_agreement([["a", "a", None], ["b", "b", None], ["a", "b", None]]))
    assert math.isnan(found["cohen"])
    pair = named(rater_agreement([["a", "a"], ["b", "b"], ["a", "b"]]))
    for name in ("percent", "fleiss", "gwet_ac1", "krippendorff"):
        assert found[name] == pytest.approx(pair[name], rel=1e-12)


@pytest.mark.parametrize(
    ("codings", "message"),
    [
        ([["a"], ["b"]], "2 or more coders"),
        ([["a", "b"], ["a", "b", "c"]], "2 or more coders"),
        ([], "."),
        ([["a", "a"]], "2 units coded twice, found 1"),
        ([["a", "a"], ["a", None], [None, "b"]], "2 units coded twice, found 1"),
        ([["", None], ["", ""]], "2 units coded twice, found 0"),
    ],
)
def test_too_little_to_compare_is_refused(codings: Codings, message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        rater_agreement(codings)
