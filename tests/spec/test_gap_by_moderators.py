"""The gap by level of moderators: the joint meta-regression itself, and which levels are shown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.distributions import critical_value
from analysis.gap.moderation import ModeratedGap, fit_moderated_gap
from analysis.synthesis import AnalysisSettings, Stack, TrialEffects
from analysis.synthesis.moderator_effects import GAP, SLOPE, compare_gap, moderator_effects
from analysis.synthesis.moderators import Moderator
from analysis.univariate.designs import make_design
from validations.tables import TABLES, conform

from .stacks import Effect, group_of, groups_of, trial_of

SETTINGS = AnalysisSettings()


def trial(name: str, effects: list[Effect], **properties: Any) -> TrialEffects:
    return trial_of(
        name, effects, **({"topic": "help_seeking", "measured_by": "record"} | properties)
    )


def pairs(k: int = 12, seed: int = 1, **properties: Any) -> list[TrialEffects]:
    rng = np.random.default_rng([11, seed])
    out = []
    for i in range(k):
        va, vb = (float(v) for v in rng.uniform(0.01, 0.05, 2))
        a, b = rng.multivariate_normal([0.6, 0.2 + 0.3 * (i % 2)], [[0.05, 0.02], [0.02, 0.04]])
        effects = [("intention", float(a), va), ("behavior", float(b), vb)]
        out.append(trial(f"t{i:02}", effects, **properties))
    return out


def category(values: dict[str, str], name: str = "setting") -> Moderator:
    return Moderator(name, "category", values, "structural", "moderating")


def number(values: dict[str, str]) -> Moderator:
    return Moderator("weeks", "number", values)


ALTERNATING = category({f"t{i:02}": "clinic" if i % 2 else "school" for i in range(40)})
LAGS = number({f"t{i:02}": str(1 + (7 * i) % 5) for i in range(40)})


def rows(
    trials: list[TrialEffects], one: Moderator, settings: AnalysisSettings = SETTINGS
) -> pd.DataFrame:
    return pd.DataFrame(compare_gap(group_of(Stack(tuple(trials)), settings), one))


def fitted(
    trials: list[TrialEffects], one: Moderator, *, intercept: bool, level: float = 0.95
) -> ModeratedGap:
    """The joint meta-regression, called directly."""
    stack = Stack(tuple(trials))
    values = [one.values[t] for t in stack.values("trial_id")]
    column: Any = np.array([float(v) for v in values]) if one.kind == "number" else values
    return fit_moderated_gap(
        stack.values("yi"), stack.covariances, stack.values("trial_id"),
        stack.values("construct"), make_design({one.name: column}, [one.name], intercept=intercept),
        level=level,
    )  # fmt: skip


def same_numbers(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Equal but for what is said of trials left out."""
    told = ["k_left_out", "left_out"]
    pd.testing.assert_frame_equal(one.drop(columns=told), other.drop(columns=told))


def check_row(row: pd.Series, effect: Any, whole: ModeratedGap, at: list[float]) -> None:
    """The interval is the wider of CR2 and the model-based one, with the df of CR2."""
    contrast = np.array([*at, *(-one for one in at)])
    by_model = math.sqrt(contrast @ whole.fit.vb @ contrast)
    se = max(float(effect.se[2]), by_model)
    half = critical_value(whole.level, float(effect.df[2])) * se
    found = [row["mu"], row["se"], row["ci_lb"], row["ci_ub"]]
    middle = float(effect.estimate[2])
    np.testing.assert_allclose(found, [middle, se, middle - half, middle + half], rtol=1e-6)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_levels_are_those_of_the_joint_meta_regression(level: float) -> None:
    trials = pairs()
    table = rows(trials, ALTERNATING, AnalysisSettings(level=level))
    cells = fitted(trials, ALTERNATING, intercept=False, level=level)
    test = fitted(trials, ALTERNATING, intercept=True).gap_test
    assert list(table["level_value"]) == ["clinic", "school"]
    assert list(table["k_trials"]) == [6, 6]
    for i, (effect, at) in enumerate(zip(cells.effects, ([1.0, 0.0], [0.0, 1.0]), strict=True)):
        check_row(table.iloc[i], effect, cells, at)
    assert test is not None
    for name, wanted in (("f", test.statistic), ("df_denom", test.df_denom),
                         ("pvalue", test.pvalue), ("df_num", 1)):  # fmt: skip
        np.testing.assert_allclose(table[name], wanted, rtol=1e-9)


def test_a_level_is_its_own_difference_of_means() -> None:
    """The gap of a level is its upstream mean less its behavior mean, in both parametrizations."""
    trials = pairs()
    table = rows(trials, ALTERNATING).set_index("level_value")
    whole = fitted(trials, ALTERNATING, intercept=True)
    first, other = (one.estimate for one in whole.effects)
    assert table.loc["clinic", "mu"] == pytest.approx(first[2], rel=1e-7)
    assert table.loc["school", "mu"] == pytest.approx(first[2] + other[2], rel=1e-7)
    assert first[2] == pytest.approx(first[0] - first[1], rel=1e-12)


def test_the_test_of_two_levels_is_the_squared_t_of_their_contrast() -> None:
    trials = pairs()
    table = rows(trials, ALTERNATING)
    contrast = fitted(trials, ALTERNATING, intercept=True).effects[1]
    assert table["f"][0] == pytest.approx((contrast.estimate[2] / contrast.se[2]) ** 2, rel=1e-9)
    assert table["df_denom"][0] == pytest.approx(contrast.df[2], rel=1e-9)
    assert table["pvalue"][0] == pytest.approx(contrast.pvalue[2], rel=1e-9)


def test_a_number_gives_one_row_with_the_slope() -> None:
    trials = pairs()
    table = rows(trials, LAGS)
    whole = fitted(trials, LAGS, intercept=True)
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["level_value"], row["k_trials"], row["df_num"]) == (SLOPE, 12, 1)
    check_row(row, whole.effects[1], whole, [0.0, 1.0])
    assert whole.gap_test is not None
    assert row["pvalue"] == pytest.approx(whole.gap_test.pvalue, rel=1e-9)


def test_the_slope_has_the_units_of_its_moderator() -> None:
    trials = pairs()
    days = number({t: str(7 * float(v)) for t, v in LAGS.values.items()})
    per_week, per_day = rows(trials, LAGS).iloc[0], rows(trials, days).iloc[0]
    assert per_day["mu"] == pytest.approx(per_week["mu"] / 7, rel=1e-6)
    assert per_day["se"] == pytest.approx(per_week["se"] / 7, rel=1e-6)
    assert per_day["pvalue"] == pytest.approx(per_week["pvalue"], rel=1e-5)


def test_rows_say_what_they_are_about() -> None:
    table = rows(pairs(), ALTERNATING)
    assert set(table["construct"]) == {GAP} == {"difference"}
    assert set(table["synthesis"]) == {"main"}
    assert set(table["moderator"]) == {"setting"}
    assert set(table["barrier_dimension"]) == {"structural"}
    assert set(table["framework_layer"]) == {"moderating"}
    assert set(table["status"]) == {"ok"} and set(table["reason"]) == {""}
    assert table["tau2"].isna().all(), "there is no single variance of the difference"
    columns = {column.name for column in TABLES["moderator_effects"].columns}
    assert set(table.columns) <= columns
    made = conform(table, "moderator_effects")
    np.testing.assert_array_equal(made["mu"], table["mu"])
    assert made["k_trials"].tolist() == [6, 6]


def test_a_level_with_one_trial_on_an_outcome_is_left_out() -> None:
    """Three levels, the third of which has one trial with behavior."""
    trials = pairs()
    extra = [
        trial("t20", [("intention", 0.5, 0.02), ("behavior", 0.1, 0.02)]),
        trial("t21", [("intention", 0.4, 0.02)]),
        trial("t22", [("intention", 0.7, 0.03)]),
    ]
    values = ALTERNATING.values | {"t20": "home", "t21": "home", "t22": "home"}
    table = rows(trials + extra, category(values))
    assert list(table["level_value"]) == ["clinic", "school"]
    same_numbers(table, rows(trials, ALTERNATING))
    second = [*trials, *extra, trial("t23", [("behavior", 0.3, 0.03)])]
    found = rows(second, category(values | {"t23": "home"}))
    assert list(found["level_value"]) == ["clinic", "home", "school"]
    assert list(found["k_trials"]) == [6, 4, 6], "trials with either outcome"
    assert set(found["df_num"]) == {2}


def test_two_levels_one_of_which_is_left_out_are_no_comparison() -> None:
    trials = pairs()
    values = {f"t{i:02}": "clinic" if i else "school" for i in range(12)}
    assert rows(trials, category(values)).empty


def test_trials_without_a_value_are_left_out() -> None:
    trials = pairs(16)
    some = category({t: v for t, v in ALTERNATING.values.items() if int(t[1:]) < 12})
    blank = category(ALTERNATING.values | {f"t{i}": "" for i in range(12, 16)})
    expected = rows(trials[:12], ALTERNATING)
    same_numbers(rows(trials, some), expected)
    same_numbers(rows(trials, blank), expected)


def test_identical_trials_at_both_levels_have_the_same_gap() -> None:
    first = pairs(6)
    twins = [
        trial(f"u{i:02}", [(r["construct"], r["yi"], r["vi"]) for r in one.records])
        for i, one in enumerate(first)
    ]
    values = {str(t["trial_id"]): "a" for t in first} | {str(t["trial_id"]): "b" for t in twins}
    table = rows(first + twins, category(values))
    assert list(table["level_value"]) == ["a", "b"]
    assert table["mu"][0] == pytest.approx(table["mu"][1], rel=1e-8)
    assert table["se"][0] == pytest.approx(table["se"][1], rel=1e-6)
    assert table["f"][0] == pytest.approx(0.0, abs=1e-10)
    assert table["pvalue"][0] == pytest.approx(1.0, abs=1e-4)


def test_a_gap_that_differs_by_a_constant_is_found() -> None:
    """Twins whose behavior effects are higher by .3 have a gap smaller by .3."""
    first = pairs(8)
    twins = [
        trial(f"u{i:02}", [
            (r["construct"], r["yi"] + 0.3 * (r["construct"] == "behavior"), r["vi"])
            for r in one.records
        ])
        for i, one in enumerate(first)
    ]  # fmt: skip
    values = {str(t["trial_id"]): str(t["trial_id"])[0] for t in first + twins}
    mu = rows(first + twins, category(values)).set_index("level_value")["mu"]
    assert mu["t"] - mu["u"] == pytest.approx(0.3, abs=1e-7)


def test_names_and_order_of_levels_do_not_move_numbers() -> None:
    trials = pairs()
    renamed = category({t: f"z{v}" if v == "clinic" else v for t, v in ALTERNATING.values.items()})
    first = rows(trials, ALTERNATING).set_index("level_value")
    second = rows(trials[::-1], renamed).set_index("level_value")
    assert list(second.index) == ["school", "zclinic"]
    for old, new in (("clinic", "zclinic"), ("school", "school")):
        assert second.loc[new, "mu"] == pytest.approx(first.loc[old, "mu"], rel=1e-6)
        assert second.loc[new, "pvalue"] == pytest.approx(first.loc[old, "pvalue"], rel=1e-5)


def test_other_constructs_do_not_enter() -> None:
    trials = pairs()
    more = [*trials, trial("t30", [("knowledge", 9.0, 0.01)])]
    same_numbers(rows(more, ALTERNATING), rows(trials, ALTERNATING))


@pytest.mark.parametrize(
    ("trials", "one"),
    [
        ([], ALTERNATING),
        (pairs(), category({})),
        (pairs(), category(dict.fromkeys(ALTERNATING.values, "clinic"))),
        (pairs(), number(dict.fromkeys(LAGS.values, "4"))),
        (pairs(), number(dict.fromkeys(LAGS.values, "a month"))),
        (pairs(4), ALTERNATING),
        (pairs(4), LAGS),
    ],
    ids=["no trials", "no values", "one level", "one number", "no number", "4 trials", "4 lags"],
)
def test_nothing_to_compare_gives_no_rows(trials: list[TrialEffects], one: Moderator) -> None:
    assert compare_gap(group_of(Stack(tuple(trials)), SETTINGS), one) == []


def test_a_trial_whose_value_is_no_number_is_left_out() -> None:
    trials = pairs()
    table = rows(trials, number(LAGS.values | {"t03": "a month"}))
    assert list(table["k_trials"]) == [11]
    assert list(table["k_left_out"]) == [1]
    assert list(table["left_out"]) == ["1 trial with text in place of a number"]
    rest = rows([t for t in trials if t.records[0]["trial_id"] != "t03"], LAGS)
    same_numbers(table, rest)


def test_a_value_may_hold_any_sign() -> None:
    """Names of levels are the values themselves."""
    signs = category({name: f"dose={value}" for name, value in ALTERNATING.values.items()})
    table = rows(pairs(), signs)
    assert list(table["level_value"]) == ["dose=clinic", "dose=school"]
    assert list(table["k_trials"]) == [6, 6]


@pytest.mark.parametrize("first", ["intention", "behavior"])
def test_who_measured_is_asked_of_the_behavior(first: str) -> None:
    """Intention is always self-reported; the order of a trial's rows must not matter."""
    trials = []
    for i, one in enumerate(pairs()):
        device = "device" if i % 2 else "self_report"
        records = tuple(
            r | {"measured_by": "self_report" if r["construct"] == "intention" else device}
            for r in one.records
        )
        order = [0, 1] if first == "intention" else [1, 0]
        trials.append(
            TrialEffects(
                tuple(records[j] for j in order), one.covariance[np.ix_(order, order)],
                one.origins[np.ix_(order, order)],
            )
        )  # fmt: skip
    table = pd.DataFrame(moderator_effects(group_of(Stack(tuple(trials)), SETTINGS, moderators=[])))
    own = table[(table["construct"] == GAP) & (table["moderator"] == "measured_by")]
    assert dict(zip(own["level_value"], own["k_trials"], strict=True)) == {
        "device": 6, "self_report": 6
    }  # fmt: skip


@pytest.mark.parametrize("construct", ["intention", "behavior"])
def test_one_outcome_alone_gives_no_rows(construct: str) -> None:
    part = Stack(tuple(pairs())).select(lambda r: r["construct"] == construct)
    for one in (ALTERNATING, LAGS):
        assert compare_gap(group_of(part, SETTINGS), one) == []


def test_an_empty_stack_has_no_moderator_effects() -> None:
    assert moderator_effects(group_of(Stack(()), SETTINGS, moderators=[ALTERNATING, LAGS])) == []


def test_rows_about_the_gap_stand_beside_those_of_the_outcomes() -> None:
    trials = pairs()
    table = pd.DataFrame(
        moderator_effects(group_of(Stack(tuple(trials)), SETTINGS, moderators=[ALTERNATING, LAGS]))
    )
    assert set(table["construct"]) == {"intention", "behavior", GAP}
    own = table[table["construct"] == GAP]
    assert list(own["moderator"]) == ["setting", "setting", "weeks"]
    pd.testing.assert_frame_equal(
        own[own["moderator"] == "setting"].reset_index(drop=True)[["mu", "se", "f"]],
        rows(trials, ALTERNATING)[["mu", "se", "f"]],
    )


def test_syntheses_are_compared_apart_with_their_own_upstream_construct() -> None:
    school = [
        trial(f"s{i:02}", [
            (r["construct"].replace("intention", "knowledge"), r["yi"], r["vi"])
            for r in one.records
        ], synthesis="school", upstream_construct="knowledge")
        for i, one in enumerate(pairs(10, seed=2))
    ]  # fmt: skip
    trials = pairs()
    values = ALTERNATING.values | {f"s{i:02}": "ab"[i % 2] for i in range(10)}
    whole = Stack((*school, *trials))
    groups = groups_of(whole, SETTINGS, moderators=[category(values)])
    table = pd.DataFrame([row for group in groups for row in moderator_effects(group)])
    own = table[table["construct"] == GAP]
    assert own.groupby("synthesis")["level_value"].apply(list).to_dict() == {
        "main": ["clinic", "school"], "school": ["a", "b"]
    }  # fmt: skip
    main = own[own["synthesis"] == "main"].reset_index(drop=True)
    np.testing.assert_allclose(main["mu"], rows(trials, ALTERNATING)["mu"], rtol=1e-9)
    assert np.isfinite(own["pvalue"]).all()
    assert not math.isclose(own["mu"].iloc[0], own["mu"].iloc[2])


def test_trials_without_a_value_and_levels_of_one_trial_are_counted() -> None:
    values = {t: v for t, v in ALTERNATING.values.items() if t not in ("t02", "t04")}
    table = rows(pairs(), category(values | {"t05": "home"}))
    assert set(table["k_left_out"]) == {3}
    assert set(table["left_out"]) == {
        "2 trials without a value; "
        "1 trial at a level with fewer than 2 trials on one of the outcomes"
    }
    whole = rows(pairs(), ALTERNATING)
    assert set(whole["k_left_out"]) == {0} and set(whole["left_out"]) == {""}


def test_number_codes_of_a_category_are_levels_of_the_gap() -> None:
    trials = pairs()
    names = {"school": "1", "clinic": "10"}
    coded = category({t: names[v] for t, v in ALTERNATING.values.items()})
    found = rows(trials, coded).set_index("level_value")
    plain = rows(trials, ALTERNATING).set_index("level_value")
    assert list(found.index) == ["1", "10"]
    for level, code in names.items():
        assert found.loc[code, "mu"] == pytest.approx(plain.loc[level, "mu"], rel=1e-7)
        assert found.loc[code, "k_trials"] == 6


def test_levels_may_be_called_like_missing_values() -> None:
    values = {t: "None" if v == "clinic" else "nan" for t, v in ALTERNATING.values.items()}
    assert sorted(rows(pairs(), category(values))["level_value"]) == ["None", "nan"]
