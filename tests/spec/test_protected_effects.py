"""What is published of a confidential trial's effects agrees with itself and hides its counts."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.disclosure.counts import GROUPED, TOO_SMALL, has_small_cell, protect_count, round_by
from assets.disclosure.effects import (
    Linked,
    grouped_effect,
    protect_linked,
    significant,
    stand_in,
)
from assets.disclosure.pools import protect_pools
from validations.manifest.vocabulary import DisclosureProfile as Profile

SMD = math.sqrt(3.0) / math.pi
Z = 1.959963984540054
ROUNDING = (Profile.ROUNDED, Profile.BASIC)


def exact_effect(a: float, n1: float, b: float, n2: float) -> tuple[float, float]:
    """Log odds ratio on the common scale with its variance; a half is added beside a zero."""
    h = 0.5 if 0 in (a, b, n1 - a, n2 - b) else 0.0
    a, b, c, d = a + h, b + h, n1 - a + h, n2 - b + h
    return SMD * math.log(a * d / (b * c)), SMD**2 * (1 / a + 1 / b + 1 / c + 1 / d)


def effect(name: str, yi: float, vi: float, n: tuple[float, float], **more: Any) -> dict[str, Any]:
    sei = math.sqrt(vi) if vi > 0 else math.nan
    outcome = more.pop("outcome_id", name)
    measure = more.get("measure", "SMD")
    return {
        "effect_id": f"{name}:{measure}", "outcome_row_id": name, "trial_id": "t",
        "n1": float(n[0]), "n2": float(n[1]), "measure": measure, "yi": yi, "vi": vi, "sei": sei,
        "ci_lb": yi - Z * sei, "ci_ub": yi + Z * sei, "in_pool": measure == "SMD",
        "turned": False, "reason": "", "design_effect": 1.0,
        "outcome_id": outcome, "weeks": 4.0, "timepoint": "",
        "instrument": "", "intervention_arm": "letter", "comparator_arm": "control",
        "synthesis": "main", "construct": "behavior",
    } | more  # fmt: skip


def binary(name: str, a: float, n1: float, b: float, n2: float, **more: Any) -> list[Any]:
    yi, vi = exact_effect(a, n1, b, n2)
    turn = -1 if more.get("turned") else 1
    inflation = more.get("design_effect", 1.0)
    return [effect(name, turn * yi, vi * inflation, (n1, n2), **more),
            effect(name, turn * yi / SMD, vi * inflation / SMD**2, (n1, n2),
                   **more | {"measure": "OR"})]  # fmt: skip


def outcomes(**counts: tuple[float, float, float, float]) -> pd.DataFrame:
    rows = [{"outcome_row_id": name, "events1": a, "n1": n1, "events2": b, "n2": n2}
            for name, (a, n1, b, n2) in counts.items()]  # fmt: skip
    columns = ["outcome_row_id", "events1", "n1", "events2", "n2"]
    return pd.DataFrame(rows, columns=columns)


def linked(
    effects: list[dict[str, Any]], correlations: dict[tuple[int, int], float],
    grid: Mapping[float, dict[tuple[int, int], float]] = {},
) -> Linked:  # fmt: skip
    """Tables of one trial whose pooled effects have these correlations; every pair is a pair."""
    pooled = [e for e in effects if e["measure"] == "SMD"]

    def rows(known: dict[tuple[int, int], float], **more: float) -> list[dict[str, Any]]:
        return [
            {"trial_id": "t", "effect_id_1": pooled[i]["effect_id"],
             "effect_id_2": pooled[j]["effect_id"], "correlation": r, "origin": "assumed",
             "covariance": r * math.sqrt(pooled[i]["vi"] * pooled[j]["vi"])} | more
            for (i, j), r in known.items()
        ]  # fmt: skip

    pairs = [
        {"pair_id": f"{i}~{j}", "trial_id": "t", "synthesis": "main",
         "upstream_effect_id": pooled[i]["effect_id"],
         "behavior_effect_id": pooled[j]["effect_id"], "rho_within_arm": r, "rho_latent": r,
         "rho_n": pooled[i]["n1"] + pooled[i]["n2"], "rho_variance": (1 - r * r) ** 2 / 50}
        for (i, j), r in correlations.items()
    ]  # fmt: skip
    assumed = [row for rho, known in grid.items() for row in rows(known, assumed_correlation=rho)]
    ends = ["trial_id", "effect_id_1", "effect_id_2", "covariance"]
    checks = ["trial_id", "outcome_id", "check", "estimate", "statistic", "pvalue", "n"]
    return Linked(
        pd.DataFrame(effects),
        pd.DataFrame(rows(correlations), columns=[*ends, "correlation", "origin"]),
        pd.DataFrame(assumed, columns=[*ends, "assumed_correlation"]),
        pd.DataFrame(pairs, columns=None if pairs else ["trial_id"]),
        pd.DataFrame(columns=checks),
    )


# counts do not come back -------------------------------------------------------------------


def arms_alike(n: int, profile: Profile) -> dict[tuple[float, float], set[int]]:
    """Events among any number of persons that is told as n is, by what is published of the arm."""
    shown = protect_count(float(n), profile)
    out: dict[tuple[float, float], set[int]] = defaultdict(set)
    for m in range(max(1, n - 5), n + 6):
        if protect_count(float(m), profile) == shown:
            for events in range(m + 1):
                out[shown, stand_in(events, m, shown)].add(events)
    return out


@pytest.mark.parametrize("profile", ROUNDING)
def test_a_hidden_count_has_two_others_that_are_published_alike(profile: Profile) -> None:
    """For every number of persons from 20 to 400: whatever the other arm, and even if the
    persons are known to the last one."""
    for n in range(20, 401):
        shown = protect_count(float(n), profile)
        alike: dict[float, list[int]] = defaultdict(list)
        for events in range(n + 1):
            alike[stand_in(events, n, shown)].append(events)
        for group in alike.values():
            assert len(group) >= 3
            hidden = {has_small_cell((e, n, n / 2, n), profile) for e in group if min(e, n - e) < 9}
            assert len(hidden) <= 1, "what is withheld tells one of a group from the others"


@pytest.mark.parametrize("profile", ROUNDING)
@pytest.mark.parametrize("n", [20, 23, 31, 40, 58])
def test_an_attacker_who_knows_the_rules_finds_at_least_three_pairs(
    n: int, profile: Profile
) -> None:
    """Enumerates all (n1, events1, n2, events2) that are published as the true ones are."""
    shown = protect_count(float(n), profile)
    sizes = [m for m in range(n - 4, n + 5) if protect_count(float(m), profile) == shown]
    seen: dict[tuple[float, float], set[tuple[int, int]]] = defaultdict(set)
    true: dict[tuple[int, int], tuple[float, float]] = {}
    for n1, n2 in itertools.product(sizes, repeat=2):
        for a, b in itertools.product(range(n1 + 1), range(n2 + 1)):
            if has_small_cell((a, n1, b, n2), profile):
                yi, parts = grouped_effect(a, n1, b, n2, profile)
                made = round(yi, 2), significant(sum(parts), 3)
                seen[made].add((a, b))
                if n1 == n2 == n and min(a, b) <= 7:
                    true[a, b] = made
    assert len(true) > 50
    for (a, _), made in true.items():
        assert len(seen[made]) >= 3
        small = {x for x, _ in seen[made]} if a <= 7 else {y for _, y in seen[made]}
        assert len(small) >= 3


def whole_counts(yi: float, vi: float, shown: int) -> set[tuple[int, int]]:
    """Pairs of at most half the persons whose own effect rounds to the published one."""
    found = set()
    counts = np.arange(1, 45, dtype=float)
    for n1, n2 in itertools.product(range(shown - 2, shown + 3), repeat=2):
        a, b = counts[counts <= n1 / 2][:, None], counts[counts <= n2 / 2][None, :]
        y = SMD * np.log(a * (n2 - b) / (b * (n1 - a)))
        v = SMD**2 * (1 / a + 1 / (n1 - a) + 1 / b + 1 / (n2 - b))
        step = 10.0 ** (math.floor(math.log10(vi)) - 2)
        at = np.argwhere((abs(y - yi) <= 0.0051) & (abs(v - vi) <= 0.51 * step))
        found |= {(int(i) + 1, int(j) + 1) for i, j in at}
    return found


def test_whoever_tries_whole_counts_does_not_find_the_true_ones_alone() -> None:
    for n in (*range(25, 61), 80, 150, 400):
        shown = round(n / 5) * 5
        for a, b in itertools.product(range(1, 8), repeat=2):
            yi, parts = grouped_effect(a, n, b, n, Profile.ROUNDED)
            vi = significant(sum(parts), 3)
            assert whole_counts(round(yi, 2), vi, shown) != {(a, b)}, (n, a, b)


def test_the_effect_stays_near_the_exact_one() -> None:
    """Within half a step of counts: at most .93 standard errors (an arm with two events), a third
    of one on average."""
    errors = []
    for n in (25, 40, 100, 400):
        for a, b in itertools.product(range(1, 9), repeat=2):
            yi, parts = grouped_effect(a, n, b, n, Profile.ROUNDED)
            exact, variance = exact_effect(a, n, b, n)
            errors.append((abs(yi - exact), abs(yi - exact) / math.sqrt(variance),
                           sum(parts) / variance))  # fmt: skip
    largest, average = np.max(errors, axis=0), np.mean(errors, axis=0)
    assert largest[0] < 0.5 and largest[1] < 0.95 and largest[2] < 1.55
    assert average[0] < 0.16 and average[1] < 0.36 and 0.93 < average[2] < 1.03
    assert min(e[2] for e in errors) > 0.65


@pytest.mark.parametrize(("events", "n", "shown", "stands"), [
    (0, 40, 40, 4 / 3), (2, 40, 40, 4 / 3), (3, 41, 40, 40 / 9), (5, 40, 40, 40 / 9),
    (6, 40, 40, 112 / 15), (40, 40, 40, 40 - 4 / 3), (35, 40, 40, 40 - 40 / 9),
    (4, 9, 10, 5.25), (6, 12, 10, 40 / 9),
])  # fmt: skip
def test_the_number_that_stands_for_a_count(
    events: int, n: int, shown: float, stands: float
) -> None:
    assert stand_in(events, n, shown) == pytest.approx(stands)


def publish(effects: list[Any], counts: pd.DataFrame, profile: Profile = Profile.ROUNDED) -> Any:
    return protect_linked(linked(effects, {}), counts, {"t": profile}).effects.set_index(
        "effect_id")  # fmt: skip


def test_direction_and_clusters_are_kept() -> None:
    plain = publish(binary("b", 2, 40, 9, 40), outcomes(b=(2, 40, 9, 40))).loc["b:SMD"]
    turned = publish(binary("b", 2, 40, 9, 40, turned=True), outcomes(b=(2, 40, 9, 40))).loc[
        "b:SMD"
    ]
    wide = publish(binary("b", 2, 40, 9, 40, design_effect=2.0), outcomes(b=(2, 40, 9, 40))).loc[
        "b:SMD"
    ]
    assert plain["yi"] < 0 and turned["yi"] == -plain["yi"] and turned["vi"] == plain["vi"]
    assert wide["vi"] == pytest.approx(2 * plain["vi"], rel=0.01)
    assert plain["withheld"] == GROUPED


def test_counts_that_are_not_small_leave_the_effect_as_it_is() -> None:
    shown = publish(binary("b", 13, 40, 19, 40), outcomes(b=(13, 40, 19, 40))).loc["b:SMD"]
    yi, vi = exact_effect(13, 40, 19, 40)
    assert shown["yi"] == round(yi, 2) and shown["vi"] == significant(vi)
    assert shown["withheld"] != GROUPED


def test_an_arm_of_a_few_persons_is_withheld_with_a_reason() -> None:
    own = [effect("m", 0.3, 0.5, (7, 30)), effect("k", 0.3, 0.2, (8, 30))]
    shown = publish(own, outcomes())
    assert math.isnan(shown.loc["m:SMD", "yi"]) and math.isnan(shown.loc["m:SMD", "ci_ub"])
    assert shown.loc["m:SMD", "reason"] == f"withheld: {TOO_SMALL}"
    assert shown.loc["k:SMD", "yi"] == 0.3


# what is published agrees with itself ------------------------------------------------------


@pytest.mark.parametrize("vi", [1.3333e-3, 2.0123e-5, 0.0507, 0.97, 1.256, 12.34])
def test_a_variance_keeps_two_digits(vi: float) -> None:
    assert significant(vi) == pytest.approx(vi, rel=0.05)
    assert 0 < significant(vi) == float(f"{significant(vi):.1e}")


def test_an_effect_keeps_two_digits_of_its_standard_error() -> None:
    assert round_by(0.123456, 0.0042, 3)[()] == 0.1235
    assert round_by(0.123456, 0.21, 3)[()] == 0.123
    assert math.isnan(round_by(math.nan, 0.2, 3)[()])


@st.composite
def trials(draw: st.DrawFn) -> tuple[list[Any], pd.DataFrame, Linked]:
    """One to four outcomes of 2 to 3,000 persons, correlated in any way that can be."""
    n = (draw(st.integers(2, 3000)), draw(st.integers(2, 3000)))
    size = draw(st.integers(1, 4))
    effects: list[Any] = []
    counts = {}
    for k in range(size):
        if draw(st.booleans()):
            a, b = draw(st.integers(0, n[0])), draw(st.integers(0, n[1]))
            counts[f"o{k}"] = (a, n[0], b, n[1])
            effects += binary(f"o{k}", a, n[0], b, n[1])
        else:
            y = draw(st.floats(-2, 2))
            effects.append(effect(f"o{k}", y, 1 / n[0] + 1 / n[1] + y * y / (2 * sum(n)), n))
    seed = draw(st.integers(0, 2**32 - 1))
    rank = draw(st.integers(1, 5))

    def correlations() -> dict[tuple[int, int], float]:
        loads = np.random.default_rng(seed).normal(size=(size, rank))
        unit = loads / np.linalg.norm(loads, axis=1, keepdims=True)
        return {(j, i): float(unit[i] @ unit[j]) for i in range(size) for j in range(i)}

    one = correlations()
    grid = {0.0: dict.fromkeys(one, 0.0), 0.9: {p: 0.9 * abs(r) for p, r in list(one.items())[:2]}}
    return effects, outcomes(**counts), linked(effects, one, grid)


@settings(max_examples=60, deadline=None)
@given(trials(), st.sampled_from(ROUNDING))
def test_published_numbers_agree_and_matrices_are_positive_definite(
    made: tuple[list[Any], pd.DataFrame, Linked], profile: Profile
) -> None:
    _, counts, tables = made
    shown = protect_linked(tables, counts, {"t": profile})
    effects = shown.effects.set_index("effect_id")
    known = effects[effects["vi"].notna()]
    assert (known["vi"] > 0).all()
    assert np.allclose(known["sei"] ** 2, known["vi"], rtol=1e-12)
    assert np.allclose((known["ci_lb"] + known["ci_ub"]) / 2, known["yi"])
    assert np.allclose(known["ci_ub"] - known["ci_lb"], 2 * Z * known["sei"])
    assert (effects["withheld"] != "").all()
    primary = shown.effect_covariances
    for rho in (None, 0.0, 0.9):
        pooled = [e for e in known.index if e.endswith(":SMD")]
        matrix = np.diag([known.loc[e, "vi"] for e in pooled])
        grid = shown.assumed_covariances
        rows = pd.concat([primary, grid[grid["assumed_correlation"] == rho]])
        for row in rows.to_dict("records"):
            ends = (row["effect_id_1"], row["effect_id_2"])
            if set(ends) <= set(pooled):
                i, j = map(pooled.index, ends)
                matrix[i, j] = matrix[j, i] = row["covariance"]
            else:
                assert math.isnan(row["covariance"])
        if pooled:
            scale = np.sqrt(np.diag(matrix))
            assert np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] > 9e-4
    for row in primary.dropna(subset=["correlation"]).to_dict("records"):
        sei = [known.loc[row[f"effect_id_{k}"], "sei"] for k in (1, 2)]
        assert abs(row["correlation"]) < 1
        assert row["covariance"] == pytest.approx(row["correlation"] * sei[0] * sei[1])
    for row in shown.paired_effects.to_dict("records"):
        if math.isfinite(row["difference_vi"]):
            assert row["difference_vi"] > 0
            assert row["difference"] == row["upstream_yi"] - row["behavior_yi"]
            assert row["upstream_vi"] == known.loc[row["upstream_effect_id"], "vi"]
            assert row["rho_variance"] > 0 or math.isnan(row["rho_variance"])


def test_correlations_are_the_exact_ones_where_they_may_be() -> None:
    own = [effect("i", 0.3, 0.05, (40, 40)), effect("b", 0.1, 0.06, (40, 40))]
    shown = protect_linked(linked(own, {(0, 1): 0.4567}), outcomes(), {"t": Profile.ROUNDED})
    row = shown.effect_covariances.iloc[0]
    assert row["correlation"] == 0.46
    assert row["covariance"] == pytest.approx(0.46 * math.sqrt(0.05 * 0.06))
    pair = shown.paired_effects.iloc[0]
    assert pair["difference_vi"] == pytest.approx(0.11 - 2 * 0.46 * math.sqrt(0.003))
    assert pair["rho_n"] == 80


def test_a_shared_arm_does_not_give_its_count_through_the_correlation() -> None:
    """Two letters against one control: correlations of 3, 4 and 5 events among controls."""
    found = set()
    for b in (3, 4, 5):
        own = binary("one", 12, 40, b, 40, outcome_id="act") + binary(
            "two", 20, 40, b, 40, outcome_id="act", intervention_arm="card"
        )
        vi = [e["vi"] for e in own if e["measure"] == "SMD"]
        r = SMD**2 * (1 / b + 1 / (40 - b)) / math.sqrt(vi[0] * vi[1])
        counts = outcomes(one=(12, 40, b, 40), two=(20, 40, b, 40))
        shown = protect_linked(linked(own, {(0, 1): r}), counts, {"t": Profile.ROUNDED})
        row = shown.effect_covariances.iloc[0]
        assert row["correlation"] == pytest.approx(r, abs=0.1)
        found.add((row["correlation"], *shown.effects.loc[shown.effects["measure"] == "SMD", "vi"]))
    assert len(found) == 1


def test_trials_that_are_not_confidential_stay_as_they_are() -> None:
    own = [effect("i", 0.312345, 0.051234, (4, 4)), effect("b", 0.1, 0.06, (4, 4))]
    tables = linked(own, {(0, 1): 0.4567})
    for profiles in ({}, {"t": Profile.PUBLISHED}, {"other": Profile.ROUNDED}):
        shown = protect_linked(tables, outcomes(), profiles)
        assert shown.effects.drop(columns="withheld").equals(tables.effects)
        assert shown.effect_covariances["correlation"].tolist() == [0.4567]
        assert set(shown.effects["withheld"]) == {""}


# pools -------------------------------------------------------------------------------------


def pools(synthesis: str = "main", construct: str = "behavior") -> pd.DataFrame:
    row = {"synthesis": synthesis, "construct": construct, "measure": "SMD", "status": "ok",
           "notes": "", "mu": 0.123456, "se": 0.0123456, "level": 0.95}  # fmt: skip
    return pd.DataFrame([row | {"k_trials": 1}, row | {"k_trials": 2}])


def published(said: str, **more: Any) -> pd.DataFrame:
    return pd.DataFrame([effect("b", 0.1, 0.06, (40, 40), withheld=said, **more)])


def test_a_pool_of_one_confidential_trial_is_rounded_or_withheld() -> None:
    rounded = protect_pools(pools(), {"t": Profile.ROUNDED}, published("counts and effects"))
    assert list(rounded["mu"]) == [0.12, 0.123456] and list(rounded["se"]) == [0.012, 0.0123456]
    for said in (GROUPED, TOO_SMALL):
        hidden = protect_pools(pools(), {"t": Profile.ROUNDED}, published(said))
        assert math.isnan(hidden["mu"][0]) and hidden["status"][0] == "withheld"
        assert "confidential" in hidden["notes"][0] and hidden["level"][0] == 0.95
        assert hidden["mu"][1] == 0.123 and hidden["se"][1] == 0.0123


def test_pools_without_confidential_trials_stay_as_they_are() -> None:
    for frame in (pools("other"), pools(construct="intention")):
        same = protect_pools(frame, {"t": Profile.ROUNDED}, published(GROUPED))
        assert same.equals(frame)
    assert protect_pools(pools(), {"t": Profile.PUBLISHED}, published("")).equals(pools())


def test_results_without_a_confidential_trial_are_rounded_those_of_others_not() -> None:
    effects = pd.concat([published("counts and effects"), published("", trial_id="u"),
                         published("", trial_id="v")])  # fmt: skip
    rows = pd.DataFrame(
        [{"synthesis": "main", "construct": "behavior", "trial_id": t, "mu_without": 0.123456}
         for t in "tuv"]
    )  # fmt: skip
    shown = protect_pools(rows, {"t": Profile.ROUNDED}, effects)
    assert list(shown["mu_without"]) == [0.12, 0.123456, 0.123456]
    two = protect_pools(rows, {"t": Profile.ROUNDED}, effects.iloc[:2])
    assert list(two["mu_without"]) == [0.12] * 3, "of two trials, one is left"
    hidden = protect_pools(rows, {"t": Profile.ROUNDED}, published(GROUPED))
    assert hidden["mu_without"].isna().all()


def test_a_withheld_gap_has_no_interval() -> None:
    row = {"synthesis": "main", "k_upstream": 1, "k_behavior": 1, "estimate": 0.123456,
           "interval_kind": "exclusive", "status": "ok", "reason": ""}  # fmt: skip
    frame = pd.DataFrame(
        [row, row | {"k_upstream": 2, "k_behavior": 2}, row | {"k_upstream": None}]
    )
    shown = protect_pools(frame, {"t": Profile.ROUNDED}, published(GROUPED))
    assert list(shown["status"]) == ["withheld", "ok", "withheld"]
    assert list(shown["interval_kind"]) == ["none", "exclusive", "none"]
    assert math.isnan(shown["estimate"][0]) and shown["estimate"][1] == 0.123


def test_a_pair_with_a_withheld_effect_has_no_correlation() -> None:
    own = [effect("i", 0.3, 0.5, (7, 30)), effect("b", 0.1, 0.2, (8, 30))]
    shown = protect_linked(linked(own, {(0, 1): 0.4}), outcomes(), {"t": Profile.ROUNDED})
    pair = shown.paired_effects.iloc[0]
    numbers = ["rho_within_arm", "rho_latent", "rho_n", "rho_variance", "covariance", "difference"]
    assert pair[numbers].isna().all()
    assert pair["behavior_yi"] == 0.1
    assert shown.effect_covariances[["covariance", "correlation"]].isna().all(axis=None)
