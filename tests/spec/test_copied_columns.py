"""Every column of a row of results is the number of the fit that it is named after, so that no two
of them can change places and none can be left out."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from analysis.bias.excess_significance import excess_significance
from analysis.bias.henmi_copas import henmi_copas
from analysis.bias.rank_test import rank_test
from analysis.bias.selection_models import step_selection
from analysis.bias.small_study import egger_test, pet_peese
from analysis.bias.trim_and_fill import trim_and_fill
from analysis.dependent.composites import make_composites
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.distributions import critical_value, two_sided_p
from analysis.errors import RowError
from analysis.gap.joint import gap_estimates
from analysis.gap.surrogacy import trial_level_surrogacy
from analysis.synthesis import AnalysisSettings, Stack, TrialEffects, syntheses, upstream_of
from analysis.synthesis.bias_checks import bias_checks
from analysis.synthesis.choices import Choice, about_choice, primary
from analysis.synthesis.gap_estimates import (
    difference_and_ratio,
    estimate_row,
    joint_model,
    share_assumed,
    within_arm_slope,
)
from analysis.synthesis.influence import influence_rows
from analysis.synthesis.moderator_effects import compare_levels
from analysis.synthesis.moderators import Moderator, declared_moderators
from analysis.synthesis.outcome import outcome_of
from analysis.synthesis.pooled_effects import pooled_effects, pooled_natural_scales
from analysis.synthesis.sensitivity import sensitivity
from analysis.synthesis.stack import having, subsets, with_both
from analysis.synthesis.verdicts import pooled_verdict
from analysis.univariate.influence import influence
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import fit_random_effects
from analysis.univariate.subgroups import fit_subgroups
from validations.tables import made_columns

from .stacks import gap_and_surrogacy, group_of, trial_of

SETTINGS = AnalysisSettings(level=0.9, smallest_worthwhile=0.05)
INTENTION = [0.9, 0.35, 0.62, 0.1, 0.75, 0.28, 0.5, 0.66, 0.2, 0.44]
BEHAVIOR = [0.5, 0.05, 0.4, -0.1, 0.3, 0.22, 0.15, 0.45, 0.02, 0.26]
V = [0.010, 0.006, 0.016, 0.008, 0.012, 0.004, 0.018, 0.010, 0.014, 0.006]


def same(row: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every column of the row, and no other."""
    assert set(row) == set(expected)
    for name, value in expected.items():
        found = row[name]
        if isinstance(value, (bool, str)) or value is None:
            assert found == value, name
        else:
            assert found == pytest.approx(float(value), rel=1e-9, nan_ok=True), name


def stack(several: bool = True) -> Stack:
    trials = []
    for i, (a, b, v) in enumerate(zip(INTENTION, BEHAVIOR, V, strict=True)):
        effects: list[Any] = [("intention", a, v), ("behavior", b, 1.5 * v)]
        if several and i % 2:
            effects.append(("behavior", b + 0.6, 1.2 * v))
        trials.append(trial_of(f"t{i}", effects, topic="", collection_id="c", randomized=True))
    return Stack(tuple(trials))


def own(construct: str, given: Stack) -> Any:
    return given.select(having("construct", construct)).blocks([construct])


def test_pooled_effects_hold_one_composite_per_trial() -> None:
    blocks = own("behavior", stack())
    composites = make_composites(blocks)
    fit = fit_random_effects(composites.yi, composites.vi, ci_method="knapp_hartung", level=0.9)
    row = next(
        r for r in pooled_effects(group_of(stack(), SETTINGS)) if r["construct"] == "behavior"
    )
    h, interval = fit.heterogeneity, fit.tau2_interval
    assert len({fit.mu, fit.se, fit.ci_lb, fit.ci_ub, fit.pi_lb, fit.pi_ub, fit.tau2}) == 7
    same(row, {
        "synthesis": "main", "construct": "behavior", "subset": "all", "measure": "SMD",
        "model": "one_composite_per_trial", "k_trials": 10, "k_effects": 15, "mu": fit.mu,
        "se": fit.se, "statistic": fit.statistic, "df": fit.df, "pvalue": fit.pvalue,
        "ci_lb": fit.ci_lb, "ci_ub": fit.ci_ub, "pi_lb": fit.pi_lb, "pi_ub": fit.pi_ub,
        "tau2": fit.tau2, "tau2_lb": interval.lower, "tau2_ub": interval.upper,
        "omega2": math.nan, "q": h.q, "q_df": h.q_df, "q_pvalue": h.q_pvalue, "i2": h.i2,
        "h2": h.h2, "tau2_method": "REML", "ci_method": "knapp_hartung",
        "pi_method": "t_k_minus_1", "level": 0.9, "is_primary": True, "status": "ok",
        "notes": "; ".join(fit.notes), "verdict": row["verdict"],
        "verdict_reason": row["verdict_reason"],
    })  # fmt: skip
    assert (row["verdict"], row["verdict_reason"]) == ("above", "")
    assert set(row) >= set(made_columns("pooled_effects")) - {"notes"}


def test_the_second_row_is_the_hierarchical_model() -> None:
    blocks = own("behavior", stack())
    fit = fit_multivariate(blocks, structure="ID", within="replicated")
    robust = robust_covariance(fit, "CR2")
    mu, se, df = float(fit.beta[0]), float(robust.se[0]), float(robust.df(np.ones(1)))
    half = critical_value(0.9, df) * se
    tau2, omega2 = float(fit.tau[0, 0]), float(fit.omega[0])
    reach = critical_value(0.9, df) * math.sqrt(tau2 + omega2 + se**2)
    rows = [r for r in pooled_effects(group_of(stack(), SETTINGS)) if r["construct"] == "behavior"]
    assert len(rows) == 2 and omega2 > 0.01
    nothing = dict.fromkeys(("tau2_lb", "tau2_ub", "q", "q_df", "q_pvalue", "i2", "h2"), math.nan)
    same(rows[1], nothing | {
        "synthesis": "main", "construct": "behavior", "subset": "all", "measure": "SMD",
        "model": "correlated_hierarchical_effects", "k_trials": 10, "k_effects": 15, "mu": mu,
        "se": se, "statistic": mu / se, "df": df, "pvalue": two_sided_p(mu / se, df),
        "ci_lb": mu - half, "ci_ub": mu + half, "pi_lb": mu - reach, "pi_ub": mu + reach,
        "tau2": tau2, "omega2": omega2, "tau2_method": "REML", "ci_method": "CR2",
        "pi_method": "t_satterthwaite", "level": 0.9, "is_primary": False, "status": fit.status,
        "notes": "; ".join(fit.notes),
    } | pooled_verdict(rows[1]).columns())  # fmt: skip


def test_single_effects_have_one_row_and_constructs_an_order() -> None:
    trials = [
        trial_of(f"t{i}", [(c, 0.1 * i, 0.05) for c in ("attitude", "behavior", "intention")],
                 topic="", collection_id="c", randomized=True)
        for i in range(4)
    ]  # fmt: skip
    rows = pooled_effects(group_of(Stack(tuple(trials)), SETTINGS))
    assert [r["construct"] for r in rows] == ["intention", "behavior", "attitude"]
    assert {r["model"] for r in rows} == {"one_effect_per_trial"}
    one = Stack((trial_of("t", [("behavior", 0.1, 0.05), ("behavior", 0.2, 0.05)], topic="",
                          collection_id="c", randomized=True),))  # fmt: skip
    assert len(pooled_effects(group_of(one, SETTINGS))) == 1, "one trial has no hierarchical model"
    assert pooled_effects(group_of(Stack(()), SETTINGS)) == []


def test_natural_scales_keep_correlations_and_take_their_own_variances() -> None:
    def trial(name: str, yi: float) -> TrialEffects:
        rows: list[Any] = [
            ("behavior", yi, 0.04, {"outcome_row_id": f"{name}1"}),
            ("behavior", yi, 0.09, {"outcome_row_id": f"{name}2"}),
            ("behavior", yi, 0.09, {"outcome_row_id": f"{name}3"}),
        ]
        return trial_of(name, rows, rho=0.5, topic="", collection_id="c", randomized=True)

    given = Stack((trial("a", 0.2), trial("b", 0.4), trial("c", 0.9)))
    natural = [
        {"measure": m, "outcome_row_id": f"{t}{j}", "yi": y + 0.1 * j, "vi": v * j}
        for m, v in (("RR", 0.05), ("OR", 0.1)) for t, y in (("a", 0.3), ("b", 0.9))
        for j in (1, 2)
    ] + [
        {"measure": "OR", "outcome_row_id": "a3", "yi": 9.0, "vi": 0.0},
        {"measure": "OR", "outcome_row_id": "b3", "yi": math.inf, "vi": 1.0},
        {"measure": "SMD", "outcome_row_id": "c1", "yi": 9.0, "vi": 1.0},
    ]  # fmt: skip
    rows = pooled_natural_scales(natural, given, SETTINGS, "main")
    assert [(r["measure"], r["is_primary"], r["k_trials"], r["k_effects"]) for r in rows] == [
        ("OR", False, 2, 4), ("RR", False, 2, 4)
    ]  # fmt: skip
    covariance = 0.5 * math.sqrt(0.1 * 0.2)  # correlation 0.5 on the scale of the log OR
    matrix = np.array([[0.1, covariance], [covariance, 0.2]])
    one = Stack(tuple(
        TrialEffects(
            tuple({"trial_id": n, "effect_id": f"{n}{j}", "construct": "behavior", "yi": y,
                   "vi": v} for j, (y, v) in enumerate(zip(ys, (0.1, 0.2), strict=True))),
            matrix, np.full((2, 2), "", dtype=object),
        )
        for n, ys in (("a", (0.4, 0.5)), ("b", (1.0, 1.1)))
    ))  # fmt: skip
    composites = make_composites(one.blocks(["behavior"]))
    fit = fit_random_effects(composites.yi, composites.vi, ci_method="knapp_hartung", level=0.9)
    assert rows[0]["mu"] == pytest.approx(fit.mu) and rows[0]["se"] == pytest.approx(fit.se)
    assert {(r["synthesis"], r["construct"], r["subset"]) for r in rows} == {
        ("main", "behavior", "all")
    }
    assert pooled_natural_scales([], given, SETTINGS, "main") == []


def test_natural_scales_stand_in_order() -> None:
    names = ("norms", "behavior", "attitude", "habit", "efficacy", "intention")
    rows: list[Any] = [(c, 0.1 * j, 0.04, {"outcome_row_id": c}) for j, c in enumerate(names)]
    one = trial_of("a", rows, topic="", collection_id="c", randomized=True)
    natural = [
        {"measure": m, "outcome_row_id": c, "yi": 0.1, "vi": 0.05}
        for m in ("RR", "RD", "OR") for c in names
    ]  # fmt: skip
    found = pooled_natural_scales(natural, Stack((one,)), SETTINGS, "main")
    assert [(r["measure"], r["construct"]) for r in found] == [
        (m, c) for m in ("OR", "RD", "RR") for c in sorted(names)
    ]


PAIRS = [
    {"trial_id": t, "synthesis": s, "upstream_label": "i", "behavior_label": b,
     "rho_within_arm": r, "rho_latent": z, "rho_variance": 0.01, "rho_n": n, "rho_origin": o}
    for t, s, b, r, z, n, o in (
        ("t0", "main", "b", 0.3, 0.36, 90, "participant_data"),
        ("t0", "main", "c", 0.5, 0.5, 90, "reported_total"),
        ("t1", "main", "b", 0.4, 0.4, 5, "reported_within_arm"),
        ("t2", "main", "b", 0.8, 0.8, 4, "participant_data"),
        ("t3", "main", "b", 0.8, 0.8, 90, "assumed"),
        ("t4", "other", "b", 0.8, 0.8, 90, "participant_data"),
        ("t0", "main", "b", 0.9, 0.9, 90, "participant_data"),
    )
]  # fmt: skip


def test_the_slope_within_arms_from_its_formula() -> None:
    """Trial t0: mean of z(.36), variance .01 * 1.2^2/(1 - .36^2)^2, and z(.5), .01/.75^2."""
    first = (
        (math.atanh(0.36) + math.atanh(0.5)) / 2,
        (0.01 * 1.44 / (1 - 0.1296) ** 2 + 0.01 / 0.75**2) / 2,
    )
    second = math.atanh(0.4), 0.01 / (1 - 0.16) ** 2
    fit = fit_random_effects([first[0], second[0]], [first[1], second[1]])
    found = within_arm_slope(PAIRS, "main", SETTINGS)
    value = math.tanh(fit.mu)
    assert found.value == pytest.approx(value)
    assert found.variance == pytest.approx((1 - value**2) ** 2 * fit.se**2)
    assert found.origin == "2 trials (participant_data, reported_total, reported_within_arm)"
    assert within_arm_slope(PAIRS, "other", SETTINGS).origin == "1 trial (participant_data)"
    assert within_arm_slope(PAIRS, "none", SETTINGS).value is None
    sure = PAIRS[0] | {"rho_within_arm": 0.9999999, "rho_latent": 0.9999999, "trial_id": "t9"}
    assert within_arm_slope([sure], "main", SETTINGS).origin == "1 near-perfect left out"
    both = within_arm_slope([*PAIRS, sure], "main", SETTINGS)
    assert both.value == found.value and both.origin.endswith("); 1 near-perfect left out")


def test_the_share_of_assumed_correlations() -> None:
    assert share_assumed(PAIRS, "main") == pytest.approx(1 / 6)
    assert share_assumed(PAIRS, "other") == 0.0
    assert math.isnan(share_assumed(PAIRS, "none"))


def test_rows_of_the_gap_hold_their_model() -> None:
    given = stack()
    model = joint_model(given, "intention", SETTINGS)
    slope = within_arm_slope(PAIRS, "main", SETTINGS)
    assert slope.value is not None
    rows, lines = gap_and_surrogacy(given, PAIRS, SETTINGS)
    estimates = gap_estimates(model, slope=slope.value, slope_variance=slope.variance,
                              smallest_worthwhile=0.05)  # fmt: skip
    assert len(rows) == len(estimates) > 4
    fit = model.fit
    for row, one in zip(rows, estimates, strict=True):
        first = one.estimand not in {e.estimand for e in estimates[: estimates.index(one)]}
        same(row, {
            "synthesis": "main", "upstream_construct": "intention", "subset": "all",
            "k_upstream": 10, "k_behavior": 10, "k_paired": 10, "mu_upstream": model.means[0],
            "mu_behavior": model.means[1], "tau2_upstream": fit.tau[0, 0],
            "tau2_behavior": fit.tau[1, 1], "tau_covariance": fit.tau[0, 1],
            "omega2_upstream": fit.omega[0], "omega2_behavior": fit.omega[1],
            "slope": slope.value, "slope_origin": slope.origin, "assumed_correlation": 0.5,
            "share_of_pairs_assumed": 1 / 6, "level": 0.9, "estimand": one.estimand,
            "estimate": one.estimate, "se": one.se, "df": one.df, "ci_lb": one.ci_lb,
            "ci_ub": one.ci_ub, "interval_kind": one.interval_kind, "method": one.method,
            "status": one.status, "reason": one.reason, "statistic": one.statistic,
            "pvalue": one.pvalue, "is_primary": first, "notes": row["notes"],
            "verdict": row["verdict"], "verdict_reason": row["verdict_reason"],
        })  # fmt: skip
        narrow = not first and one.method.startswith("CR2")
        assert ("narrower_than_model_based" in row["notes"]) is narrow
    assert set(rows[0]) <= set(made_columns("gap_estimates"))
    assert rows[0]["verdict"] == "unsettled" and rows[0]["verdict_reason"] == ""
    (line,) = lines
    found = trial_level_surrogacy(model, target=0.05)
    for name in made_columns("surrogacy"):
        if hasattr(found, name):
            value = getattr(found, name)
            expected = value if isinstance(value, str) else pytest.approx(value, nan_ok=True)
            assert line[name] == expected, name
    assert not [name for name in line if name.startswith("rho")]


def test_the_primary_interval_is_not_called_narrow_where_the_robust_one_is_wider() -> None:
    rng = np.random.default_rng(2)
    trials = [
        trial_of(
            f"t{i}",
            [("intention", round(float(rng.normal(0.5, 0.3)), 2), V[i]),
             ("behavior", round(float(rng.normal(0.2, 0.3)), 2), V[i * 3 % 10] * 4)],
            topic="", collection_id="c", randomized=True,
        )
        for i in range(8)
    ]  # fmt: skip
    rows, _ = gap_and_surrogacy(Stack(tuple(trials)), [], SETTINGS)
    first = rows[0]
    assert first["method"] == "CR2" and first["is_primary"] and first["notes"] == ""
    assert {r["is_primary"] for r in rows if r["estimand"] == "difference"} == {True, False}


def test_a_gap_without_a_model_says_why() -> None:
    given = stack().select(having("construct", "behavior"))
    bare = Stack(tuple(TrialEffects(
        tuple(r | {"construct": "attitude"} for r in t.records), t.covariance, t.origins
    ) for t in given.trials))  # fmt: skip
    (row,), lines = gap_and_surrogacy(bare, [], SETTINGS)
    why = "no trial has a usable effect on intention or behavior"
    assert lines == []
    assert row == {
        "synthesis": "main", "upstream_construct": "intention", "subset": "all",
        "estimand": "difference", "method": "none", "status": "not_estimable", "reason": why,
        "is_primary": True, "interval_kind": "none", "notes": "", "verdict": "none",
        "verdict_reason": why, "slope_origin": "", "level": 0.9, "assumed_correlation": 0.5,
    }  # fmt: skip


def test_a_ratio_without_pairs_is_none() -> None:
    """Nor is there one; and a ratio by the model asks the robust df of its own contrast."""
    apart = [
        trial_of(f"u{i}", [("intention", a, v)], topic="", collection_id="c", randomized=True)
        for i, (a, v) in enumerate(zip(INTENTION, V, strict=True))
    ]
    apart += [trial_of(f"b{i}", [("behavior", b, v)], topic="", collection_id="c", randomized=True)
              for i, (b, v) in enumerate(zip(BEHAVIOR, V, strict=True))]  # fmt: skip
    one, ratio = difference_and_ratio(joint_model(Stack(tuple(apart)), "intention", SETTINGS))
    assert (one.estimand, one.status) == ("difference", "indirect")
    assert (ratio.estimand, ratio.interval_kind, ratio.status, ratio.reason) == (
        "transmission_ratio", "none", "not_estimable", one.reason
    )  # fmt: skip
    few = joint_model(Stack(stack(several=False).trials[:3]), "intention", SETTINGS)
    found = difference_and_ratio(few, "model")[1]
    assert few.robust is not None
    df = few.robust.df(np.array([-found.estimate, 1.0]))
    row = estimate_row(found, few)
    assert df < 4.0 and row["k_paired"] == 3
    assert row["verdict_reason"].startswith(f"{df:.1f} degrees of freedom")


GAP = ("estimand", "estimate", "se", "df", "ci_lb", "ci_ub", "interval_kind", "method", "status",
       "reason")  # fmt: skip


def test_rows_of_the_grid_are_those_of_their_correlation() -> None:
    def at(rho: float) -> Stack:
        effects = zip(INTENTION, BEHAVIOR, V, strict=True)
        return Stack(tuple(
            trial_of(f"t{i}", [("intention", a, v), ("behavior", b, v)], rho=rho)
            for i, (a, b, v) in enumerate(effects)
        ))  # fmt: skip

    chosen = AnalysisSettings(correlation_grid=(0.2, 0.7))
    rows = sensitivity(group_of(at, chosen, selection=True))
    assert [(r["value"], r["estimand"]) for r in rows] == [
        (value, name) for value in ("0.2", "0.7") for name in ("difference", "transmission_ratio")
    ]
    for rho, pair in ((0.2, rows[:2]), (0.7, rows[2:])):
        model = joint_model(at(rho), "intention", chosen)
        for row, one in zip(pair, difference_and_ratio(model), strict=True):
            for name in GAP:
                expected = getattr(one, name)
                assert row[name] == (
                    expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-5)
                ), name
            assert (row["synthesis"], row["upstream_construct"], row["analysis"]) == (
                "main", "intention", "assumed_correlation"
            )  # fmt: skip
            assert row["k_paired"] == 10 and row["verdict"] in ("above", "below", "unsettled")
    left = [r for r in sensitivity(group_of(at, chosen)) if r["analysis"] == "leave_one_trial_out"]
    assert [r["value"] for r in left] == [f"t{i}" for i in range(10) for _ in range(2)]
    rest = joint_model(Stack(at(0.5).trials[1:]), "intention", chosen)
    assert left[0]["estimate"] == pytest.approx(difference_and_ratio(rest)[0].estimate, rel=1e-5)


def test_influence_holds_every_diagnostic() -> None:
    composites = make_composites(own("behavior", stack()))
    found = influence(composites.yi, composites.vi, ci_method="knapp_hartung", level=0.9)
    rows = [r for r in influence_rows(group_of(stack(), SETTINGS)) if r["construct"] == "behavior"]
    without = found.without
    for i, row in enumerate(rows):
        same(row, {
            "synthesis": "main", "construct": "behavior", "trial_id": f"t{i}",
            "mu_without": without.mu[i], "ci_lb": without.ci_lb[i], "ci_ub": without.ci_ub[i],
            "tau2_without": without.tau2[i], "i2_without": without.i2[i],
            "shift": found.shift[i], "rstudent": found.rstudent[i], "cook": found.cook[i],
            "dffits": found.dffits[i], "weight": found.weight[i], "baujat_x": found.baujat_x[i],
            "baujat_y": found.baujat_y[i], "notes": row["notes"],
            "is_influential": bool(found.is_influential[i]),
        })  # fmt: skip


def test_checks_of_small_studies_hold_every_number() -> None:
    composites = make_composites(own("behavior", stack()))
    yi, vi = composites.yi, composites.vi
    rows = {
        r["check"]: r
        for r in bias_checks(group_of(stack(), SETTINGS))
        if r["construct"] == "behavior"
    }
    egger = egger_test(yi, vi, ci_method="t", level=0.9)
    pet = pet_peese(yi, vi, level=0.9)
    filled = trim_and_fill(yi, vi, side="left", ci_method="knapp_hartung", level=0.9)
    chosen = step_selection(yi, vi, (0.025,), level=0.9)
    hc, rank = henmi_copas(yi, vi, level=0.9), rank_test(yi, vi)
    excess, pooled = excess_significance(yi, vi), filled.pooled

    def adjusted(mu: float, low: float, high: float) -> dict[str, float]:
        return {"adjusted": mu, "adjusted_ci_lb": low, "adjusted_ci_ub": high}

    expected: dict[str, dict[str, Any]] = {
        "egger": {
            name: getattr(egger, name)
            for name in ("slope", "slope_se", "statistic", "df", "pvalue", "limit", "limit_ci_lb",
                         "limit_ci_ub", "method")
        },
        "pet_peese": adjusted(pet.estimate, pet.ci_lb, pet.ci_ub)
        | {"pvalue": pet.pet_pvalue, "method": pet.method},
        "trim_and_fill": adjusted(pooled.mu, pooled.ci_lb, pooled.ci_ub)
        | {"k_imputed": filled.k0, "method": "L0/left/REML/knapp_hartung"},
        "selection": adjusted(chosen.mu, chosen.ci_lb, chosen.ci_ub)
        | {"statistic": chosen.lrt, "df": chosen.lrt_df, "pvalue": chosen.lrt_pvalue,
           "selection_weight": chosen.delta[1], "method": chosen.method},
        "henmi_copas": adjusted(hc.mu, hc.ci_lb, hc.ci_ub) | {"method": hc.method},
        "rank": {"statistic": rank.tau, "pvalue": rank.pvalue, "method": "kendall"},
        "excess_significance": {
            "statistic": excess.ratio, "pvalue": excess.pvalue, "method": excess.method
        },
    }  # fmt: skip
    assert list(rows) == list(expected)
    for check, numbers in expected.items():
        about = {"synthesis": "main", "construct": "behavior", "check": check, "k_trials": 10,
                 "status": "ok", "reason": ""}  # fmt: skip
        same(rows[check], about | numbers)


def levels(kind: str, values: list[str]) -> tuple[list[dict[str, Any]], Any]:
    part = stack().select(having("construct", "behavior"))
    known = {f"t{i}": value for i, value in enumerate(values)}
    one = Moderator("m", kind, known, "structural", "output")
    rows = compare_levels(outcome_of(part, "behavior"), "main", one, SETTINGS)
    return rows, make_composites(part.blocks(["behavior"]))


ABOUT = {
    "synthesis": "main", "construct": "behavior", "moderator": "m",
    "barrier_dimension": "structural", "framework_layer": "output",
}  # fmt: skip


def test_levels_of_a_moderator_hold_their_pools() -> None:
    values = ["x", "y", "x", "", "x", "y", "z", "y", "x", "y"]
    rows, composites = levels("category", values)
    known = [i for i, v in enumerate(values) if v]
    test = fit_subgroups(composites.yi[known], composites.vi[known], [values[i] for i in known],
                         ci_method="knapp_hartung", level=0.9)  # fmt: skip
    assert [r["level_value"] for r in rows] == ["x", "y", "z"]
    for row, fit, level in zip(rows, test.pooled, test.levels, strict=True):
        same(row, ABOUT | {
            "level_value": level, "k_trials": fit.k, "mu": fit.mu, "se": fit.se,
            "ci_lb": fit.ci_lb, "ci_ub": fit.ci_ub, "tau2": fit.tau2, "f": test.f,
            "df_num": test.df_num, "df_denom": test.df_denom, "pvalue": test.pvalue,
            "status": fit.status, "reason": test.reason, "k_left_out": 1,
            "left_out": "1 trial without a value", "notes": row["notes"],
            "verdict": row["verdict"], "verdict_reason": row["verdict_reason"],
        })  # fmt: skip
    assert rows[2]["verdict_reason"] == "one trial is not pooled"


def test_values_of_a_moderator_are_clean_labels() -> None:
    given: dict[str, Any] = {" t1 ": None, "t2": math.nan, "t3": " a\u00a0 b", "t4": ""}
    assert Moderator("m", "category", given).values == {"t1": "", "t2": "", "t3": "a b", "t4": ""}


def test_declared_moderators_by_name_and_kind() -> None:
    def row(name: str, kind: str, trial: str, value: str, dimension: str, layer: str) -> Any:
        return {"moderator": name, "kind": kind, "trial_id": trial, "value": value,
                "barrier_dimension": dimension, "framework_layer": layer}  # fmt: skip

    rows = [
        row("z", "category", "t1", "x", "social", "input"),
        row("a", "number", "t1", "3", "", "output"), row("z", "category", " t2", "y", "social", ""),
        row("a", "category", "t1", "w", "", ""), row("a", "number", "t2", "4", "", "input"),
    ]  # fmt: skip
    found = declared_moderators(iter(rows))
    assert [
        (m.name, m.kind, m.values, m.barrier_dimension, m.framework_layer) for m in found
    ] == [
        ("a", "category", {"t1": "w"}, "", ""), ("a", "number", {"t1": "3", "t2": "4"}, "", ""),
        ("z", "category", {"t1": "x", "t2": "y"}, "social", "input"),
    ]  # fmt: skip
    with pytest.raises(RowError, match="kind"):
        declared_moderators([row("a", "", "t1", "3", "", "")])


def test_levels_of_equal_effects_are_narrow_and_say_so() -> None:
    trials = [trial_of(f"t{i}", [("behavior", 0.2 if i < 3 else 0.5 * i, 0.04)]) for i in range(7)]
    one = Moderator("m", "category", {f"t{i}": "x" if i < 3 else "y" for i in range(7)})
    x, y = compare_levels(outcome_of(Stack(tuple(trials)), "behavior"), "main", one, SETTINGS)
    assert "narrower_than_common_effect" in x["notes"].split("; ")
    assert x["verdict"] == "none" and "narrower than the common-effect" in x["verdict_reason"]
    assert "narrower_than_common_effect" not in y["notes"]


@pytest.mark.parametrize(
    ("values", "k"), [(["x", "y", ""] + [""] * 7, 0), (["x", "x", "x"] + [""] * 7, 0),
                      (["x", "y", "y"] + [""] * 7, 2)],
)  # fmt: skip
def test_three_trials_at_two_levels_are_a_comparison(values: list[str], k: int) -> None:
    assert len(levels("category", values)[0]) == k


def test_a_slope_holds_its_regression() -> None:
    values = ["1", "2", "3", "inf", "", "5", "text", "4", "2", "7"]
    rows, composites = levels("number", values)
    known = [0, 1, 2, 5, 7, 8, 9]
    design = np.column_stack([np.ones(7), [1.0, 2, 3, 5, 4, 2, 7]])
    fit = fit_meta_regression(composites.yi[known], composites.vi[known], design,
                              ci_method="knapp_hartung", level=0.9)  # fmt: skip
    found = fit.coefficients
    (row,) = rows
    same(row, ABOUT | {
        "level_value": "slope per unit", "k_trials": 7, "mu": found.estimate[1],
        "se": found.se[1], "ci_lb": found.ci_lb[1], "ci_ub": found.ci_ub[1], "tau2": fit.tau2,
        "f": fit.qm, "df_num": 1, "df_denom": fit.qm_df_denom, "pvalue": fit.qm_pvalue,
        "status": "ok", "reason": "", "k_left_out": 3,
        "left_out": "2 trials with text in place of a number; 1 trial without a value",
        "notes": row["notes"], "verdict": row["verdict"], "verdict_reason": "",
    })  # fmt: skip


@pytest.mark.parametrize(
    ("values", "k"),
    [(["1", "2"] + [""] * 8, 0), (["1", "2", "a"] + [""] * 7, 1), (["1", "1", "1"] + [""] * 7, 0),
     (["1", "1", "1", "a"] + [""] * 6, 1)],
)  # fmt: skip
def test_a_slope_that_texts_leave_without_trials_says_so(values: list[str], k: int) -> None:
    rows, _ = levels("number", values)
    assert len(rows) == k
    why = "fewer than 3 trials with different numbers of this moderator"
    for row in rows:
        numbers = ("mu", "se", "ci_lb", "ci_ub", "tau2", "f", "df_num", "df_denom", "pvalue")
        same(row, ABOUT | dict.fromkeys(numbers, math.nan) | {
            "level_value": "slope per unit", "k_trials": sum(v == "1" or v == "2" for v in values),
            "k_left_out": 1 + sum(not v for v in values), "left_out": row["left_out"],
            "status": "not_estimable", "reason": why, "notes": "", "verdict": "none",
            "verdict_reason": why,
        })  # fmt: skip


# stacks and choices --------------------------------------------------------------------------


def small(name: str, constructs: str, **properties: Any) -> TrialEffects:
    about = {"topic": "", "collection_id": "", "randomized": True} | properties
    effects: list[Any] = [(c, 0.1, 0.01 * (j + 1)) for j, c in enumerate(constructs.split())]
    return trial_of(name, effects, **about)


def test_a_selection_keeps_rows_and_columns_of_what_is_kept() -> None:
    trial = trial_of("t", [("intention", 0.1, 0.01), ("behavior", 0.2, 0.04),
                           ("behavior", 0.3, 0.09)], rho=0.5)  # fmt: skip
    origins = np.array([["", "a", "b"], ["a", "", "c"], ["b", "c", ""]], dtype=object)
    given = TrialEffects(trial.records, trial.covariance, origins, True)
    other = small("u", "intention")
    part = Stack((given, other)).select(having("construct", "behavior"))
    (found,) = part.trials
    assert found.values("yi") == [0.2, 0.3] and found.moved
    np.testing.assert_allclose(found.covariance, [[0.04, 0.03], [0.03, 0.09]])
    assert found.origins.tolist() == [["", "c"], ["c", ""]]
    assert Stack((given,)).select(lambda r: True).trials[0] is given


def test_a_stack_from_records_has_their_covariances() -> None:
    effects = [
        {"trial_id": t, "effect_id": e, "synthesis": "main", "construct": "behavior", "yi": 0.1,
         "vi": v} for t, e, v in (("a", "a1", 0.01), ("b", "b1", 0.04), ("a", "a2", 0.09))
    ]  # fmt: skip
    covariances = [
        {"trial_id": t, "effect_id_1": i, "effect_id_2": j, "covariance": c, "origin": o}
        for t, i, j, c, o in (
            ("a", "a1", "a2", 0.02, "assumed"), ("a", "a1", "gone", 0.5, "assumed"),
            ("a", "gone", "a2", 0.5, "assumed"), ("b", "b1", "b1", math.nan, "assumed"),
        )
    ]  # fmt: skip
    one, two = Stack.from_records(effects, covariances).trials
    np.testing.assert_array_equal(one.covariance, [[0.01, 0.02], [0.02, 0.09]])
    assert one.origins.tolist() == [["", "assumed"], ["assumed", ""]]
    np.testing.assert_array_equal(two.covariance, [[0.04]])
    assert one["effect_id"] == "a1" and not one.moved and two.origins.tolist() == [[""]]


def test_syntheses_and_their_upstream_constructs() -> None:
    trials = [
        small("a", "behavior", synthesis="zeta", upstream_construct="norms"),
        small("b", "behavior", synthesis="alpha", upstream_construct="norms"),
        small("c", "behavior"), small("d", "behavior", synthesis="zeta", upstream_construct="a"),
        small("e", "behavior", synthesis="zeta", upstream_construct="norms"),
    ]  # fmt: skip
    assert syntheses(Stack(tuple(trials))) == ["main", "alpha", "zeta"]
    zeta = Stack(tuple(t for t in trials if t["synthesis"] == "zeta"))
    assert upstream_of(zeta) == "norms"
    assert upstream_of(Stack(zeta.trials[:2])) == "a", "of a tie the first by name"
    assert upstream_of(Stack((small("c", "behavior", upstream_construct="norms"),))) == "intention"


def names(given: Stack) -> dict[str, list[str]]:
    return {n: [t["trial_id"] for t in p.trials] for n, p in subsets(given, "intention")}


def test_subsets() -> None:
    trials = (
        small("a", "intention behavior", topic="x", collection_id="r"),
        small("b", "behavior", topic="x", collection_id="r"),
        small("c", "intention", topic="y", collection_id="s", randomized=False),
        small("d", "intention behavior attitude", topic="y", collection_id="t"),
        small("e", "attitude", topic="", collection_id="t"),
    )
    found = names(Stack(trials))
    assert found == {
        "all": ["a", "b", "c", "d", "e"], "paired trials": ["a", "d"], "topic: x": ["a", "b"],
        "topic: y": ["c", "d"], "collection: t": ["d", "e"],
        "randomized only": ["a", "b", "d", "e"],
    }  # fmt: skip
    assert list(found) == ["all", "paired trials", "topic: x", "topic: y", "collection: t",
                           "randomized only"]  # fmt: skip
    assert [t["trial_id"] for t in with_both(Stack(trials), "attitude").trials] == ["d"]
    alike = tuple(small(n, "intention behavior", topic="x") for n in "ab")
    assert names(Stack(alike)) == {"all": ["a", "b"]}, "subsets that are everything"
    apart = tuple(small(n, "behavior", topic=n, randomized=False) for n in "ab")
    assert names(Stack(apart)) == {"all": ["a", "b"]}, "one trial or none is no subset"


def test_the_primary_settings() -> None:
    assert asdict(AnalysisSettings()) == {
        "tau2_method": "REML", "ci_method": "knapp_hartung", "pi_method": "t_k_minus_1",
        "level": 0.95, "smd_variance": "LS", "odds_to_smd": "logistic", "zero_cells": "only0",
        "assumed_correlation": 0.5, "within_construct_correlation": 0.6,
        "correlation_grid": (0.0, 0.3, 0.5, 0.7, 0.9), "smallest_worthwhile": 0.0,
        "intender_rule": "R2", "seed": 20240501,
    }  # fmt: skip


def test_a_choice_in_columns() -> None:
    first = Choice("all trials", "all follow-ups", "all measures", 0.5, "all effects", "logistic",
                   "REML")  # fmt: skip
    assert primary(AnalysisSettings()) == first
    words = "all trials; all follow-ups; all measures; r 0.5; all effects; logistic; REML"
    assert str(first) == words
    other = Choice("a", "b", "c", 0.25, "d", "e", "f")
    assert about_choice({"synthesis": "s"}, other, "CR2", SETTINGS) == {
        "synthesis": "s", "specification": "a; b; c; r 0.25; d; e; f; CR2", "trials": "a",
        "follow_up": "b", "measures": "c", "assumed_correlation": 0.25, "effects": "d",
        "scale": "e", "estimator": "f", "inference": "CR2", "is_primary": False,
    }  # fmt: skip
    assert about_choice({}, first, "CR2", SETTINGS)["is_primary"]
    assert not about_choice({}, first, "model", SETTINGS)["is_primary"]
    moved = AnalysisSettings(assumed_correlation=0.7, odds_to_smd="cox")
    assert primary(moved).assumed_correlation == 0.7 and primary(moved).scale == "cox"
