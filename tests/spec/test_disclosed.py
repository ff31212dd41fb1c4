"""What is published of counts, means, effects and pools of confidential trials, cell by cell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.disclosure.counts import (
    GROUPED,
    ONE_TRIAL,
    TOO_SMALL,
    confidential,
    has_small_cell,
    hidden_up_to,
    keep_digits,
    protect_action_counts,
    protect_count,
    protect_table,
    round_by,
    too_small,
)
from assets.disclosure.effects import (
    Linked,
    grouped_effect,
    protect_linked,
    significant,
    stand_in,
)
from assets.disclosure.pools import protect_pools
from validations.manifest.vocabulary import DisclosureProfile as Profile

from .test_protected_effects import effect, linked, outcomes

ROUNDED, BASIC, NONE, PUBLISHED = Profile.ROUNDED, Profile.BASIC, Profile.NONE, Profile.PUBLISHED
NAN = math.nan
SAID = "counts and effects rounded for disclosure"


def equal(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(
        np.asarray(found, dtype=float), np.asarray(expected, dtype=float), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("profile", "counts", "shown"),
    [
        (ROUNDED, [0, 7, 8, 12, 13, 100, NAN], [NAN, NAN, 10, 10, 15, 100, NAN]),
        (BASIC, [0, 4, 5, 13, NAN], [NAN, NAN, 5, 13, NAN]),
        (NONE, [0, 3, 13], [0, 3, 13]), (PUBLISHED, [0, 3, 13], [0, 3, 13]),
    ],
)  # fmt: skip
def test_counts(profile: Profile, counts: list[float], shown: list[float]) -> None:
    equal([protect_count(one, profile) for one in counts], shown)


def test_which_profiles_change_anything() -> None:
    profiles = {"a": ROUNDED, "b": BASIC, "c": NONE, "d": PUBLISHED}
    assert confidential(profiles) == {"a": ROUNDED, "b": BASIC}
    assert (hidden_up_to(ROUNDED), hidden_up_to(BASIC)) == (8, 5)


@pytest.mark.parametrize(
    ("counts", "small"),
    [
        ((9, 18, 9, 18), False), ((8, 18, 9, 18), True), ((10, 18, 9, 18), True),
        ((9, 18, 8, 18), True), ((9, 18, 10, 18), True),
    ],
)  # fmt: skip
def test_small_cells(counts: tuple[float, float, float, float], small: bool) -> None:
    assert has_small_cell(counts, ROUNDED) is small
    assert not has_small_cell(counts, BASIC)


def test_small_arms() -> None:
    n1, n2 = np.array([7.0, 8.0, 8.0, NAN, 7.0, NAN]), np.array([9.0, 7.0, 8.0, 7.0, NAN, 9.0])
    assert too_small(n1, n2, ROUNDED).tolist() == [True, True, False, True, True, False]


def test_digits() -> None:
    equal(keep_digits([1.2345, 0.012345, 0.0, -0.00012345, 123.456, NAN, math.inf], 2),
          [1.23, 0.012, 0.0, -0.00012, 123.46, NAN, math.inf])  # fmt: skip
    equal(keep_digits(0.0012345, 2, 3), 0.00123)
    equal(round_by([1.23456, 1.23456, 1.23456, 1.23456], [9.0, 0.02, 0.0, NAN], 2),
          [1.23, 1.235, 1.23, 1.23])  # fmt: skip
    assert keep_digits(1.0, 2).shape == ()
    equal(round_by(1.23456, 0.1, 2), 1.23)
    equal(round_by(1.23456, 0.099, 2), 1.235)
    equal(significant(0.0012345), 0.0012)
    equal(significant(0.0012345, 3), 0.00123)


def test_a_table_of_counts() -> None:
    frame = pd.DataFrame({"trial_id": ["a", "b", "c", "a"], "n_analyzed": [13, 13, 13, None]})
    found = protect_table(frame, "arms", {"a": ROUNDED, "b": BASIC, "c": NONE})
    equal(found["n_analyzed"], [15, 13, 13, NAN])
    assert list(found["withheld"]) == [SAID, SAID.replace("rounded", "basic"), "", SAID]
    assert "withheld" not in frame and frame["n_analyzed"][0] == 13
    assert list(protect_table(frame, "other", {"a": ROUNDED})["n_analyzed"])[:3] == [13, 13, 13]
    for name in ("trials", "arms"):
        equal(protect_table(frame, name, {"a": ROUNDED})["n_analyzed"], [15, 13, 13, NAN])
    empty = protect_table(frame[:0], "arms", {"a": ROUNDED})
    assert list(empty) == ["trial_id", "n_analyzed", "withheld"]
    kept = protect_table(frame.assign(withheld="before"), "arms", {"b": BASIC})
    assert kept["withheld"].iloc[0] == "before"


SUMMARY = {
    "trial_id": "a", "n1": 33.0, "n2": 41.0, "events1": NAN, "events2": NAN, "m1": 3.14159,
    "sd1": 1.23456, "m2": 2.71828, "sd2": 0.0123456, "adjusted_difference": 0.54321,
    "sd_pooled": 0.0876543, "covariate_r": 0.56789,
}  # fmt: skip


@pytest.mark.parametrize("name", ["intention_outcomes", "behavior_outcomes", "upstream_outcomes"])
def test_means_are_rounded_by_their_spread(name: str) -> None:
    frame = pd.DataFrame([SUMMARY, SUMMARY | {"n2": 7.0}, SUMMARY | {"trial_id": "b"}])
    found = protect_table(frame, name, {"a": ROUNDED})
    numbers = list(SUMMARY)[1:]
    equal(found.loc[0, numbers],
          [35, 40, NAN, NAN, 3.14, 1.23, 2.718, 0.012, 0.543, 0.088, 0.57])  # fmt: skip
    equal(found.loc[1, numbers], [35, *[NAN] * 10])
    equal(found.loc[2, numbers], list(SUMMARY.values())[1:])
    assert list(found["withheld"]) == [SAID, TOO_SMALL, ""]


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ((13, 33, 18, 41), (15, 20)), ((8, 33, 18, 41), (NAN, NAN)), ((13, 33, 8, 41), (NAN, NAN)),
        ((25, 33, 18, 41), (NAN, NAN)), ((13, 33, 33, 41), (NAN, NAN)), ((9, 33, 18, 41), (10, 20)),
    ],
)  # fmt: skip
def test_events_of_small_cells_are_withheld(
    events: tuple[float, ...], shown: tuple[float, float]
) -> None:
    row = SUMMARY | dict(zip(("events1", "n1", "events2", "n2"), events, strict=True))
    found = protect_table(pd.DataFrame([row]), "behavior_outcomes", {"a": ROUNDED})
    equal(found.loc[0, ["events1", "events2", "n1", "n2"]], [*shown, 35, 40])


CELLS = ["inclined_actors", "inclined_abstainers", "disinclined_actors", "disinclined_abstainers"]


def test_counts_of_intended_by_acted() -> None:
    def row(trial: str, basis: str, *counts: int) -> dict[str, Any]:
        return {"trial_id": trial, "basis": basis} | dict(zip(CELLS, counts, strict=True))

    rows = [
        row("a", "participant_rows", 13, 14, 18, 21), row("a", "participant_rows", 13, 14, 18, 7),
        row("a", "counts", 1, 2, 3, 4), row("b", "participant_rows", 1, 2, 3, 4),
        row("c", "participant_rows", 13, 14, 18, 5), row("d", "participant_rows", 1, 2, 3, 4),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, index=[9, 8, 7, 6, 5, 4])
    found = protect_action_counts(frame, {"a": ROUNDED, "b": NONE, "c": BASIC})
    equal(found[CELLS], [[15, 15, 20, 20], [NAN] * 4, [1, 2, 3, 4], [1, 2, 3, 4],
                         [13, 14, 18, 5], [1, 2, 3, 4]])  # fmt: skip
    assert list(found["withheld"]) == [
        "made from rounded counts", "a cell is too small to publish", "", "",
        "made from rounded counts", "",
    ]  # fmt: skip


# effects ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "n", "shown", "stands"),
    [
        # groups 0-2, 3-5, ... from both ends; harmonic mean of the two larger counts
        (0, 40, 40, 4 / 3), (2, 40, 40, 4 / 3), (3, 40, 40, 40 / 9), (5, 40, 40, 40 / 9),
        (40, 40, 40, 40 - 4 / 3), (38, 40, 40, 40 - 4 / 3), (37, 40, 40, 40 - 40 / 9),
        # 0 to 4 are too few to be cut: one group
        (0, 4, 5, 2.75), (4, 4, 5, 2.75),
        # 0 to 8 are three groups of three: the middle one is 3, 4, 5
        (3, 8, 10, 5.25), (5, 8, 10, 5.25), (2, 8, 10, 4 / 3), (6, 8, 10, 10 - 4 / 3),
        # 0 to 7: the middle one holds 3 and 4 only, and goes with the group below
        (3, 7, 10, 4 / 3), (4, 7, 10, 4 / 3), (5, 7, 10, 10 - 4 / 3),
    ],
)  # fmt: skip
def test_what_stands_for_a_count(events: float, n: float, shown: float, stands: float) -> None:
    equal(stand_in(events, n, shown), stands)


def test_a_grouped_effect_from_its_stand_ins() -> None:
    """4 of 40 stands for 40/9 and 11 of 38 (told as 40) for 2 / (1/11 + 1/10) = 220/21."""
    one, two = 40 / 9, 220 / 21
    yi, parts = grouped_effect(4, 40, 11, 38, ROUNDED, 0.5)
    equal(yi, 0.5 * (math.log(one / (40 - one)) - math.log(two / (40 - two))))
    equal(parts, [0.25 * (1 / one + 1 / (40 - one)), 0.25 * (1 / two + 1 / (40 - two))])


def shown_effect(**more: Any) -> pd.Series:
    n = more.pop("n", (33.0, 41.0))
    row = effect("score", more.pop("yi", 0.34567), more.pop("vi", 0.056789), n, **more)
    return protect_linked(linked([row], {}), outcomes(), {"t": ROUNDED}).effects.iloc[0]


def test_an_effect_of_scores() -> None:
    found = shown_effect(reason="as it was")
    half = 1.959963984540054 * math.sqrt(0.057)
    equal(found[["yi", "vi", "sei", "ci_lb", "ci_ub", "n1", "n2"]],
          [0.346, 0.057, math.sqrt(0.057), 0.346 - half, 0.346 + half, 35, 40])  # fmt: skip
    assert (found["withheld"], found["reason"]) == (SAID, "as it was")


@pytest.mark.parametrize("measure", ["OR", "RR", "RD"])
def test_natural_scales_are_withheld(measure: str) -> None:
    found = shown_effect(measure=measure)
    equal(found[["yi", "vi", "sei", "ci_lb", "ci_ub", "n1", "n2"]], [NAN] * 5 + [35, 40])
    assert found["reason"] == "withheld: with its variance it would give counts away"
    assert found["withheld"] == SAID


def test_an_arm_of_seven_is_withheld() -> None:
    found = shown_effect(n=(33.0, 7.0))
    equal(found[["yi", "vi", "n1", "n2"]], [NAN, NAN, 35, NAN])
    assert (found["withheld"], found["reason"]) == (TOO_SMALL, f"withheld: {TOO_SMALL}")


@pytest.mark.parametrize(("yi", "vi"), [(NAN, 0.1), (0.1, NAN), (0.1, 0.0)])
def test_an_effect_that_does_not_exist_stays_so(yi: float, vi: float) -> None:
    found = shown_effect(yi=yi, vi=vi)
    equal(found[["yi", "vi", "sei"]], [NAN] * 3)
    assert (found["withheld"], found["reason"]) == (SAID, "")


# pairs and checks ------------------------------------------------------------------------------

PAIR = {
    "trial_id": "t", "synthesis": "main", "upstream_effect_id": "up:SMD",
    "behavior_effect_id": "act:SMD", "rho_within_arm": 0.34567, "rho_latent": 0.45678,
    "rho_n": 61.0, "rho_variance": 0.0123456,
}  # fmt: skip


def test_a_pair_repeats_its_effects() -> None:
    rows = [effect("up", 0.34567, 0.056789, (33.0, 41.0)),
            effect("act", 0.12345, 0.067891, (33.0, 41.0))]  # fmt: skip
    made = linked(rows, {(0, 1): 0.43210})
    exact = Linked(made.effects, made.effect_covariances, made.assumed_covariances,
                   pd.DataFrame([PAIR, PAIR | {"trial_id": "u"}]),
                   made.participant_checks)  # fmt: skip
    found = protect_linked(exact, outcomes(), {"t": ROUNDED})
    one, other = found.paired_effects.iloc[0], found.paired_effects.iloc[1]
    covariance = 0.43 * math.sqrt(0.057 * 0.068)
    names = ["upstream_yi", "upstream_vi", "behavior_yi", "behavior_vi", "covariance",
             "correlation_of_estimates", "difference", "difference_vi", "rho_n",
             "rho_within_arm", "rho_latent", "rho_variance"]  # fmt: skip
    equal(one[names], [0.346, 0.057, 0.123, 0.068, covariance, 0.43, 0.346 - 0.123,
                       0.057 + 0.068 - 2 * covariance, 60, 0.35, 0.46, 0.012])  # fmt: skip
    assert one["withheld"] == SAID and other["withheld"] == "" and other["rho_n"] == 61.0
    row = found.effect_covariances.iloc[0]
    equal(row[["covariance", "correlation"]], [covariance, 0.43])
    assert row["withheld"] == SAID


@pytest.mark.parametrize(("exact", "shown"), [(0.999, 0.99), (-0.999, -0.99), (0.984, 0.98)])
def test_a_published_correlation_is_below_one(exact: float, shown: float) -> None:
    rows = [effect(n, 0.3, 0.05, (33.0, 41.0)) for n in ("up", "act")]
    found = protect_linked(linked(rows, {(0, 1): exact}), outcomes(), {"t": ROUNDED})
    equal(found.effect_covariances["correlation"], [shown])


def test_checks_are_withheld_with_their_effects() -> None:
    rows = [
        effect("up", 0.3, 0.05, (33.0, 41.0)), effect("small", 0.3, 0.05, (33.0, 7.0)),
    ]  # fmt: skip
    checks = pd.DataFrame([
        {"trial_id": t, "outcome_id": o, "estimate": 0.0012345, "statistic": 12.34567,
         "pvalue": NAN, "n": 61.0}
        for t, o in (("t", "up"), ("t", "small"), ("t", "up~small"), ("t", "none"), ("u", "up"))
    ])  # fmt: skip
    made = linked(rows, {})
    exact = Linked(made.effects, made.effect_covariances, made.assumed_covariances,
                   made.paired_effects, checks)  # fmt: skip
    found = protect_linked(exact, outcomes(), {"t": ROUNDED}).participant_checks
    shown, gone = [0.0012, 12.346, NAN, 60], [NAN, NAN, NAN, 60]
    equal(found[["estimate", "statistic", "pvalue", "n"]],
          [shown, gone, gone, shown, [0.0012345, 12.34567, NAN, 61]])  # fmt: skip
    assert list(found["withheld"]) == [SAID, TOO_SMALL, TOO_SMALL, SAID, ""]


# pools -----------------------------------------------------------------------------------------


def published(*rows: tuple[str, str, str, str, bool]) -> pd.DataFrame:
    names = ("trial_id", "synthesis", "construct", "withheld", "in_pool")
    return pd.DataFrame([dict(zip(names, row, strict=True)) for row in rows])


OWN = published(("a", "main", "behavior", SAID, True), ("b", "main", "behavior", "", True),
                ("c", "main", "intention", "", True))  # fmt: skip
HIDDEN = OWN.assign(withheld=[GROUPED, "", ""])
POOL = {
    "synthesis": "main", "construct": "behavior", "measure": "SMD", "k_trials": 1, "mu": 0.34567,
    "tau2": 0.0012345, "level": 0.955, "q_df": 1.2345, "status": "ok", "notes": "as it was",
}  # fmt: skip


def pooled(effects: pd.DataFrame, profile: Profile = ROUNDED, **more: Any) -> pd.Series:
    return protect_pools(pd.DataFrame([POOL | more]), {"a": profile}, effects).iloc[0]


def test_a_pool_of_one_trial_is_rounded() -> None:
    found = pooled(OWN)
    equal(found[["mu", "tau2", "level", "q_df"]], [0.35, 0.0012, 0.955, 1.2345])
    assert (found["status"], found["notes"]) == ("ok", "as it was")


@pytest.mark.parametrize(
    ("effects", "more"),
    [
        (OWN, {"k_trials": 2}), (OWN, {"construct": "intention"}), (OWN, {"synthesis": "school"}),
        (OWN.assign(in_pool=False), {}), (OWN.assign(trial_id="z"), {}),
    ],
)  # fmt: skip
def test_other_pools_stay(effects: pd.DataFrame, more: dict[str, Any]) -> None:
    equal(pooled(effects, **more)[["mu", "tau2"]], [0.34567, 0.0012345])
    equal(pooled(effects, NONE)[["mu", "tau2"]], [0.34567, 0.0012345])


@pytest.mark.parametrize("said", [GROUPED, TOO_SMALL])
def test_a_pool_of_a_hidden_effect_is_withheld(said: str) -> None:
    effects = OWN.assign(withheld=[said, "", ""])
    found = pooled(effects)
    equal(found[["mu", "tau2", "level", "q_df"]], [NAN, NAN, 0.955, 1.2345])
    assert (found["status"], found["notes"]) == ("withheld", ONE_TRIAL)
    inside = pooled(effects, k_trials=2)
    equal(inside[["mu", "tau2"]], [0.346, 0.00123])
    assert inside["status"] == "ok"
    equal(pooled(effects, construct="intention", k_trials=2)[["mu"]], [0.34567])


@pytest.mark.parametrize(("measure", "status"), [("OR", "withheld"), ("SMD", "ok")])
def test_a_pool_of_one_trial_on_a_natural_scale(measure: str, status: str) -> None:
    assert pooled(OWN, measure=measure)["status"] == status
    assert pooled(OWN, measure=measure, k_trials=2)["status"] == "ok"


@pytest.mark.parametrize(
    ("up", "act", "gone"), [(1, 5, True), (5, 1, True), (0, 5, True), (2, 2, False)]
)
def test_a_gap_with_one_trial_on_a_side(up: int, act: int, gone: bool) -> None:
    row = {"synthesis": "main", "k_upstream": up, "k_behavior": act, "estimate": 0.34567,
           "interval_kind": "confidence", "status": "ok", "reason": "", "notes": "n"}  # fmt: skip
    found = protect_pools(pd.DataFrame([row]), {"a": ROUNDED}, HIDDEN).iloc[0]
    assert (found["status"] == "withheld") is gone
    assert (found["interval_kind"], found["reason"], found["notes"]) == (
        ("none", ONE_TRIAL, "n") if gone else ("confidence", "", "n")
    )
    equal(found[["estimate"]], [NAN if gone else 0.346])


@pytest.mark.parametrize(("column", "value"), [("trial_id", "a"), ("value", "a")])
def test_a_result_without_a_confidential_trial(column: str, value: str) -> None:
    row = {"synthesis": "main", column: value, "mu_without": 0.34567}
    for effects, shown in ((OWN, 0.35), (HIDDEN, 0.35)):
        found = protect_pools(pd.DataFrame([row]), {"a": ROUNDED}, effects).iloc[0]
        equal(found["mu_without"], shown)
    found = protect_pools(pd.DataFrame([row | {column: "b"}]), {"a": ROUNDED}, OWN).iloc[0]
    equal(found["mu_without"], 0.34567)
    two = OWN[:2]
    found = protect_pools(pd.DataFrame([row | {column: "b"}]), {"a": ROUNDED}, two).iloc[0]
    equal(found["mu_without"], 0.35)


def test_an_empty_table_stays() -> None:
    assert protect_pools(pd.DataFrame(), {"a": ROUNDED}, OWN).empty
