"""Specifications with one effect per trial and outcome: what they equal, scales and estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.dependent.composites import make_composites
from analysis.effect_sizes.binary import COX_TO_SMD, LOGISTIC_TO_SMD, log_odds_ratio
from analysis.effect_sizes.binary import odds_ratio_to_smd as to_smd
from analysis.gap.joint import difference, fit_joint, transmission_ratio
from analysis.synthesis import AnalysisSettings
from analysis.synthesis.choices import EFFECTS, ESTIMATORS, INFERENCES
from analysis.synthesis.gap_estimates import joint_model
from analysis.synthesis.specifications import specifications
from validations.tables import TABLES, conform

from .stacks import Row, group_of, stack_of

SETTINGS = AnalysisSettings(correlation_grid=(0.5,))
ALL, ONE = EFFECTS
G = "hedges_g/exact_j/LS"
OR = "log_odds_ratio/to_smd_logistic"


def intention(yi: float, vi: float, **more: Any) -> Row:
    return "intention", yi, vi, {"weeks": 0.0, "formula": G} | more


def behavior(yi: float, vi: float, **more: Any) -> Row:
    return "behavior", yi, vi, {"weeks": 4.0, "formula": G} | more


def plain(k: int = 7, formula: str = G, seed: int = 1) -> list[list[Row]]:
    rng = np.random.default_rng([13, seed])
    out = []
    for _ in range(k):
        va, vb = (float(v) for v in rng.uniform(0.01, 0.05, 2))
        a, b = (float(x) for x in rng.multivariate_normal([0.7, 0.3], [[0.09, 0.05], [0.05, 0.08]]))
        out.append([intention(a, va), behavior(b, vb, formula=formula)])
    return out


def table(trials: list[list[Row]], settings: AnalysisSettings = SETTINGS) -> pd.DataFrame:
    return pd.DataFrame(specifications(group_of(stack_of(trials), settings)))


def composite(made: pd.DataFrame, **chosen: str) -> pd.DataFrame:
    """Rows with one effect per trial and outcome, by inference and estimand."""
    own = made[made["effects"] == ONE]
    for name, value in chosen.items():
        own = own[own[name] == value]
    return own.set_index(["inference", "estimand"])


NUMBERS = ["estimate", "se", "df", "ci_lb", "ci_ub"]


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(3))
def test_with_one_effect_each_composites_are_the_joint_model(rho: float, seed: int) -> None:
    settings = AnalysisSettings(correlation_grid=(rho,), assumed_correlation=rho)
    trials = plain(seed=seed)
    trials += [[intention(0.5, 0.03)], [behavior(0.2, 0.04)]]
    made = table(trials, settings)
    made = made[(made["trials"] == "all trials") & (made["assumed_correlation"] == rho)]
    fast = composite(made, estimator="REML")
    exact = made[made["effects"] == ALL].set_index(["inference", "estimand"])
    assert sorted(fast.index) == sorted(exact.index)
    assert len(fast) == 4
    for key, row in exact.iterrows():
        np.testing.assert_allclose(
            fast.loc[key, NUMBERS].astype(float),
            row[NUMBERS].astype(float),
            rtol=1e-5,
            atol=1e-6,
            err_msg=str(key),
        )
        assert fast.loc[key, "interval_kind"] == row["interval_kind"]
        assert fast.loc[key, "k_paired"] == row["k_paired"] == 7


def test_a_row_is_the_joint_model_of_its_composites() -> None:
    """Several effects of a trial on one outcome count as their precision-weighted mean."""
    trials = plain()
    trials[0].append(behavior(trials[0][1][1] + 0.15, 0.03))
    trials[2].append(intention(0.2, 0.05))
    fast = composite(table(trials), estimator="REML")
    blocks = stack_of(trials)(0.5).blocks(["intention", "behavior"])
    made = make_composites(blocks)
    model = fit_joint(
        made.yi, list(made.v), made.cluster.tolist(),
        [("intention", "behavior")[o] for o in made.outcome],
    )  # fmt: skip
    for inference in INFERENCES:
        for one in (difference(model, inference), transmission_ratio(model, inference)):
            row = fast.loc[(inference, one.estimand)]
            wanted = [one.estimate, one.se, one.df, one.ci_lb, one.ci_ub]
            np.testing.assert_allclose(row[NUMBERS].astype(float), wanted, rtol=1e-5, atol=1e-6)


def test_several_effects_make_the_two_ways_differ() -> None:
    trials = plain()
    for i in range(4):
        trials[i].append(behavior(trials[i][1][1] + 0.4 * (-1) ** i, 0.03))
    made = table(trials).query("estimand == 'difference' and inference == 'CR2'")
    made = made.query("estimator == 'REML'").set_index("effects")
    assert abs(made.loc[ALL, "estimate"] - made.loc[ONE, "estimate"]) > 1e-4


def test_limits_of_the_ratio_are_those_of_the_joint_model() -> None:
    """Fieller's set with the same df, bounded or not."""
    kinds = set()
    for shift in (0.0, -0.62):
        trials = [
            [("intention", yi + shift, vi, more) if c == "intention" else (c, yi, vi, more)
             for c, yi, vi, more in rows]
            for rows in plain()
        ]  # fmt: skip
        fast = composite(table(trials), estimator="REML")
        model = joint_model(stack_of(trials)(0.5), "intention", SETTINGS)
        for inference in INFERENCES:
            one = transmission_ratio(model, inference)
            row = fast.loc[(inference, "transmission_ratio")]
            assert row["interval_kind"] == one.interval_kind
            np.testing.assert_allclose(
                [row["ci_lb"], row["ci_ub"]], [one.ci_lb, one.ci_ub], rtol=1e-4, atol=1e-6
            )
            assert row["se"] == pytest.approx(one.se, rel=1e-4)
            kinds.add(one.interval_kind)
    assert "interval" in kinds and len(kinds) > 1


def test_the_other_scale_is_listed_where_an_effect_was_an_odds_ratio() -> None:
    assert set(table(plain())["scale"]) == {"logistic"}
    some = plain()
    some[0][1] = behavior(some[0][1][1], some[0][1][2], formula=OR)
    made = table(some)
    assert set(made.loc[made["effects"] == ONE, "scale"]) == {"logistic", "cox"}
    assert set(made.loc[made["effects"] == ALL, "scale"]) == {"logistic"}


def test_an_odds_ratio_on_another_construct_does_not_count() -> None:
    trials = plain()
    trials[0].append(("knowledge", 0.3, 0.02, {"weeks": 0.0, "formula": OR}))
    assert set(table(trials)["scale"]) == {"logistic"}


def test_the_scale_of_cox_multiplies_effects_from_odds_ratios_only() -> None:
    trials = plain(formula=OR)
    trials[1][1] = behavior(trials[1][1][1], trials[1][1][2])
    factor = COX_TO_SMD / LOGISTIC_TO_SMD
    scaled = [
        [(c, yi * factor, vi * factor**2, more) if more["formula"] == OR else (c, yi, vi, more)
         for c, yi, vi, more in rows]
        for rows in trials
    ]  # fmt: skip
    found = composite(table(trials), estimator="REML", scale="cox")
    model = joint_model(stack_of(scaled)(0.5), "intention", SETTINGS)
    for inference in INFERENCES:
        for one in (difference(model, inference), transmission_ratio(model, inference)):
            row = found.loc[(inference, one.estimand)]
            np.testing.assert_allclose(
                row[NUMBERS].astype(float), [one.estimate, one.se, one.df, one.ci_lb, one.ci_ub],
                rtol=1e-5, atol=1e-6,
            )  # fmt: skip
    logistic = composite(table(trials), estimator="REML", scale="logistic")
    assert found.loc[("CR2", "difference"), "estimate"] != pytest.approx(
        logistic.loc[("CR2", "difference"), "estimate"], abs=1e-3
    )


def test_scales_are_those_of_the_conversion_of_odds_ratios() -> None:
    """Effects made with the other conversion are what the other scale makes of them."""
    odds = log_odds_ratio([10, 14, 12, 20, 9], 40, [6, 8, 9, 11, 7], 40)
    upstream = plain(5)

    def trials(method: str) -> list[list[Row]]:
        made = to_smd(odds, method=method)
        return [
            [upstream[i][0], behavior(float(made.yi[i]), float(made.vi[i]), formula=made.formula)]
            for i in range(5)
        ]

    logistic = table(trials("logistic"))
    cox = table(trials("cox"), AnalysisSettings(correlation_grid=(0.5,), odds_to_smd="cox"))
    keys = ["estimator", "inference", "estimand", "scale"]
    for made in (logistic, cox):
        assert set(made.loc[made["effects"] == ONE, "scale"]) == {"logistic", "cox"}
    first, second = (
        made[made["effects"] == ONE].set_index(keys).sort_index()[NUMBERS].astype(float)
        for made in (logistic, cox)
    )
    pd.testing.assert_frame_equal(first, second, rtol=1e-6, atol=1e-8)
    assert set(cox.loc[cox["is_primary"], "scale"]) == {"cox"}


def test_estimators() -> None:
    made = table(plain())
    fast = made[made["effects"] == ONE]
    assert set(fast["estimator"]) == set(ESTIMATORS) == {"REML", "ML"}
    assert set(made.loc[made["effects"] == ALL, "estimator"]) == {"REML"}
    reml, ml = (composite(made, estimator=name) for name in ESTIMATORS)
    for inference in INFERENCES:
        key = (inference, "difference")
        assert abs(reml.loc[key, "estimate"] - ml.loc[key, "estimate"]) > 1e-6
    model = ("model", "difference")
    assert ml.loc[model, "se"] < reml.loc[model, "se"], "variances by ML are smaller"


def test_maximum_likelihood_is_that_of_the_joint_model() -> None:
    trials = plain()
    fast = composite(table(trials), estimator="ML")
    part = stack_of(trials)(0.5)
    model = fit_joint(
        part.values("yi"), part.covariances, part.values("trial_id"), part.values("construct"),
        method="ML",
    )  # fmt: skip
    for inference in INFERENCES:
        one = difference(model, inference)
        row = fast.loc[(inference, "difference")]
        np.testing.assert_allclose(
            row[NUMBERS].astype(float), [one.estimate, one.se, one.df, one.ci_lb, one.ci_ub],
            rtol=1e-5, atol=1e-6,
        )  # fmt: skip


@pytest.mark.parametrize("formula", [G, OR])
def test_one_specification_is_primary(formula: str) -> None:
    made = table(plain(formula=formula), AnalysisSettings())
    primary = made[made["is_primary"]]
    assert primary["specification"].nunique() == 1
    assert sorted(primary["estimand"]) == ["difference", "transmission_ratio"]
    assert set(primary["effects"]) == {ALL} and set(primary["estimator"]) == {"REML"}
    assert set(primary["inference"]) == {"CR2"} and set(primary["scale"]) == {"logistic"}
    assert set(primary["assumed_correlation"]) == {0.5}


def test_every_combination_is_listed_once() -> None:
    made = table(plain(formula=OR), AnalysisSettings())
    assert not made.duplicated(["specification", "estimand"]).any()
    # 5 correlations: all effects (2 inferences) or composites (2 scales x 2 estimators x 2).
    assert made["specification"].nunique() == 5 * (2 + 2 * 2 * 2)
    assert set(made["status"]) == {"ok"}
    parts = made["specification"].str.split("; ")
    for i, name in enumerate(
        ("trials", "follow_up", "measures", None, "effects", "scale", "estimator", "inference")
    ):
        if name is not None:
            assert parts.str[i].tolist() == made[name].tolist(), name


def test_many_selections_in_one_call_are_those_of_one_each() -> None:
    """Selections of different numbers of trials are padded and fitted together."""
    trials = [*plain(9), [intention(0.4, 0.02)], [behavior(0.1, 0.02)]]
    for i in range(3):
        trials[i][1] = behavior(trials[i][1][1], trials[i][1][2], randomized=False)
        trials[i][0] = intention(trials[i][0][1], trials[i][0][2], randomized=False)
    made = table(trials)
    assert set(made["trials"]) == {"all trials", "both outcomes", "randomized only"}
    kept = {
        "all trials": trials, "both outcomes": trials[:9],
        "randomized only": trials[3:],
    }  # fmt: skip
    for name, part in kept.items():
        alone = composite(table(part), trials="all trials", estimator="ML")
        found = composite(made, trials=name, estimator="ML")
        np.testing.assert_allclose(
            found[NUMBERS].astype(float), alone[NUMBERS].astype(float), rtol=1e-6, atol=1e-8
        )
        assert set(found["k_paired"]) == set(alone["k_paired"])


def test_units_scale_the_difference_and_leave_the_ratio() -> None:
    trials = plain()
    large = [[(c, 10.0 * yi, 100.0 * vi, more) for c, yi, vi, more in rows] for rows in trials]
    first, second = (composite(table(one), estimator="REML") for one in (trials, large))
    gap, ratio = ("CR2", "difference"), ("CR2", "transmission_ratio")
    assert second.loc[gap, "estimate"] == pytest.approx(10.0 * first.loc[gap, "estimate"], rel=1e-7)
    assert second.loc[gap, "se"] == pytest.approx(10.0 * first.loc[gap, "se"], rel=1e-6)
    assert second.loc[ratio, "estimate"] == pytest.approx(first.loc[ratio, "estimate"], rel=1e-7)


def test_two_trials_have_both_ways_or_the_reason() -> None:
    made = table(plain(2))
    fast = made[made["effects"] == ONE]
    assert np.isfinite(fast["estimate"].astype(float)).all()
    assert set(fast["k_paired"]) == {2}


def test_without_pairs_the_difference_is_indirect_and_there_is_no_ratio() -> None:
    rng = np.random.default_rng(4)
    apart = [
        [make(float(rng.normal(0.4, 0.3)), 0.02)]
        for make in (intention, behavior)
        for _ in range(5)
    ]
    made = table(apart)
    rows = made[made["effects"] == "one per outcome"]
    assert len(rows) > 0 and set(rows["k_paired"]) == {0}
    direct = rows[rows["estimand"] == "difference"]
    assert set(direct["status"]) == {"indirect"} and direct["method"].str.match("two_pools/").all()
    assert direct["estimate"].notna().all()
    others = rows[rows["estimand"] == "transmission_ratio"]
    assert len(others) == len(direct) and set(others["status"]) == {"not_estimable"}
    assert set(rows["reason"]) == set(direct["reason"]) and (rows["verdict"] == "none").all()


def test_one_trial_has_no_composites_to_pool() -> None:
    made = table(plain(1))
    assert set(made["effects"]) == {ALL}


def test_a_selection_without_behavior_has_no_composites() -> None:
    trials = [[a, behavior(b[1], b[2], measured_by="self_report")] for a, b in plain()]
    made = table(trials)
    without = made[made["measures"] == "not self-reported"]
    assert set(without["effects"]) == {ALL}
    assert set(without["status"]) == {"not_estimable"}


def test_rows_are_rows_of_the_published_table() -> None:
    made = table(plain(formula=OR))
    columns = [column.name for column in TABLES["specifications"].columns]
    assert set(made.columns) <= set(columns)
    kept = conform(made, "specifications")
    np.testing.assert_array_equal(kept["estimate"], made["estimate"])
    for name in ("specification", "effects", "scale", "estimator", "interval_kind", "status"):
        assert (kept[name] != "").all(), name
