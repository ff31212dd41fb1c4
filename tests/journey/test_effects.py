"""Effects of outcome rows: which formula, which direction, which columns, what stays out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.effect_sizes import (
    ancova_standardized_mean_difference,
    log_odds_ratio,
    log_risk_ratio,
    mean_difference,
    odds_ratio_to_smd,
    risk_difference,
    standardized_mean_difference,
)
from analysis.effect_sizes.reported import Reported, natural_from_reported, smd_from_reported
from analysis.synthesis.settings import AnalysisSettings
from assets.effects.make_effects import (
    CARRIED,
    EFFECT_COLUMNS,
    apply_holds,
    leave_out,
    make_effects,
)
from tests.journey.frames import NAN, assert_row, outcome_table
from validations.findings import Finding, Severity

MEANS = {"n1": 20.0, "m1": 3.5, "sd1": 1.25, "n2": 24.0, "m2": 3.0, "sd2": 1.5}
EVENTS = {"n1": 40.0, "events1": 12.0, "n2": 50.0, "events2": 9.0}
ADJUSTED = {"n1": 17.0, "n2": 18.0, "adjusted_difference": 0.5, "sd_pooled": 1.1,
            "covariate_r": 0.3} | {k: MEANS[k] for k in ("m1", "sd1", "m2", "sd2")}  # fmt: skip


def made(*rows: dict[str, Any], **settings: Any) -> dict[str, dict[str, Any]]:
    """measure (outcome:measure for several rows) -> row of the effects table."""
    table = make_effects(outcome_table(*rows), AnalysisSettings(**settings))
    assert list(table.columns) == EFFECT_COLUMNS and list(table.index) == list(range(len(table)))
    names = table["measure"] if len(rows) == 1 else table["outcome_id"] + ":" + table["measure"]
    assert names.is_unique
    return dict(zip(names, table.to_dict("records"), strict=True))


def test_what_is_carried() -> None:
    table = outcome_table(MEANS | {
        "trial_id": "t/x", "collection_id": "tt", "study_label": "X", "synthesis": "second",
        "upstream_construct": "attitude", "comparison_id": "e_vs_f", "intervention_arm": "e",
        "comparator_arm": "f", "outcome_id": "o", "analysis_set": "completers",
        "randomized": False, "rows": "8; 9", "file": "z.csv",
    })  # fmt: skip
    effects = make_effects(table, AnalysisSettings())
    (given,) = table.to_dict("records")
    assert len(effects) == 2
    for row in effects.to_dict("records"):
        assert_row(row, **{name: given[name] for name in CARRIED})
    assert set(EFFECT_COLUMNS) - set(CARRIED) == {
        "effect_id", "measure", "yi", "vi", "sei", "ci_lb", "ci_ub", "formula", "turned",
        "in_pool", "reason",
    }  # fmt: skip


def test_no_outcomes_give_no_effects() -> None:
    empty = make_effects(outcome_table().reindex(columns=["events1"]), AnalysisSettings())
    assert empty.empty and list(empty.columns) == EFFECT_COLUMNS


def test_means_give_a_standardized_and_a_raw_difference() -> None:
    found = made(MEANS)
    assert list(found) == ["MD", "SMD"]
    smd = standardized_mean_difference(3.5, 1.25, 20, 3.0, 1.5, 24)
    # J = .9821 at 42 df; pooled SD 1.39232; vi = 1/20 + 1/24 + g^2/88.
    assert smd.yi[0] == pytest.approx(0.5 / 1.39232 * 0.98205, abs=1e-4)
    assert_row(
        found["SMD"], yi=smd.yi[0], vi=smd.vi[0], sei=smd.vi[0] ** 0.5, formula=smd.formula,
        effect_id="t:a_vs_c:i:SMD", turned=False, in_pool=True, reason="",
    )  # fmt: skip
    raw = mean_difference(3.5, 1.25, 20, 3.0, 1.5, 24)
    assert_row(found["MD"], yi=0.5, vi=1.25**2 / 20 + 1.5**2 / 24, formula=raw.formula,
               effect_id="t:a_vs_c:i:MD", in_pool=False, reason="")  # fmt: skip


@pytest.mark.parametrize(("level", "z"), [(0.95, 1.959963985), (0.9, 1.644853627)])
def test_intervals_at_the_level(level: float, z: float) -> None:
    row = made(MEANS, level=level)["MD"]
    half = z * (1.25**2 / 20 + 1.5**2 / 24) ** 0.5
    assert (row["ci_lb"], row["ci_ub"]) == pytest.approx((0.5 - half, 0.5 + half))


def test_the_variance_of_the_standardized_difference_is_a_setting() -> None:
    expected = standardized_mean_difference(3.5, 1.25, 20, 3.0, 1.5, 24, variance="UB")
    assert_row(made(MEANS, smd_variance="UB")["SMD"], vi=expected.vi[0], formula=expected.formula)


def test_events_give_four_effects() -> None:
    found = made(EVENTS)
    assert list(found) == ["OR", "RD", "RR", "SMD"]
    cells = (12, 40, 9, 50)
    odds = log_odds_ratio(*cells)
    expected = {
        "OR": odds,
        "RR": log_risk_ratio(*cells),
        "RD": risk_difference(*cells, zero_cells="none"),
        "SMD": odds_ratio_to_smd(odds),
    }
    assert found["OR"]["yi"] == pytest.approx(np.log(12 * 41 / (28 * 9)))
    assert found["RR"]["yi"] == pytest.approx(np.log(0.3 / 0.18))
    assert found["RD"]["yi"] == pytest.approx(0.12)
    assert found["SMD"]["yi"] == pytest.approx(np.log(12 * 41 / (28 * 9)) * 3**0.5 / np.pi)
    for measure, effect in expected.items():
        assert_row(found[measure], yi=effect.yi[0], vi=effect.vi[0], formula=effect.formula,
                   in_pool=measure == "SMD")  # fmt: skip


def test_empty_cells_and_the_way_to_smd_are_settings() -> None:
    rows = EVENTS | {"events2": 0.0}, EVENTS | {"outcome_id": "o"}
    found = made(*rows, zero_cells="all", odds_to_smd="cox")
    for name, events in (("i", 0), ("o", 9)):
        odds = log_odds_ratio(12, 40, events, 50, zero_cells="all")
        risk = log_risk_ratio(12, 40, events, 50, zero_cells="all")
        smd = odds_ratio_to_smd(odds, method="cox")
        assert_row(found[f"{name}:OR"], yi=odds.yi[0], vi=odds.vi[0])
        assert_row(found[f"{name}:RR"], yi=risk.yi[0], vi=risk.vi[0])
        assert_row(found[f"{name}:SMD"], yi=smd.yi[0], vi=smd.vi[0], formula=smd.formula)
        plain = risk_difference(12, 40, events, 50, zero_cells="none")
        assert_row(found[f"{name}:RD"], yi=plain.yi[0], vi=plain.vi[0], formula=plain.formula)


def test_cells_that_determine_no_effect() -> None:
    found = made(EVENTS | {"events1": 0.0, "events2": 0.0}, zero_cells="none")
    assert_row(found["SMD"], yi=NAN, vi=NAN, in_pool=False,
               reason="the cells do not determine an effect")  # fmt: skip


def test_an_adjusted_difference_goes_before_the_means() -> None:
    found = made(ADJUSTED)
    assert list(found) == ["SMD"]
    expected = ancova_standardized_mean_difference(0.5, 1.1, 0.3, 17, 18)
    assert_row(found["SMD"], yi=expected.yi[0], vi=expected.vi[0], formula=expected.formula)


@pytest.mark.parametrize("missing", ["events1", "events2"])
def test_numbers_of_one_arm_are_no_numbers(missing: str) -> None:
    found = made(EVENTS | {missing: NAN})
    assert_row(found["SMD"], yi=NAN, vi=NAN, reason="no usable numbers", in_pool=False, formula="",
               turned=False)  # fmt: skip
    found = made(MEANS | {missing.replace("events", "m"): NAN})
    assert list(found) == ["SMD"]
    assert_row(found["SMD"], reason="no usable numbers")


@pytest.mark.parametrize("change", [{"sd1": 0.0}, {"sd2": 0.0}, {"sd1": NAN}, {"sd2": NAN}])
def test_an_sd_of_zero_or_none_gives_no_effect(change: dict[str, float]) -> None:
    found = made(MEANS | change, MEANS | {"outcome_id": "o"})
    assert list(found) == ["i:SMD", "o:MD", "o:SMD"]
    assert_row(found["i:SMD"], yi=NAN, reason="the SD of an arm is 0 or missing")
    assert list(made(MEANS | change)) == ["SMD"]


def test_outcomes_for_which_lower_is_better_are_turned() -> None:
    plain, turned = made(MEANS), made(MEANS | {"higher_is_better": False})
    for measure, row in turned.items():
        assert_row(row, yi=-plain[measure]["yi"], vi=plain[measure]["vi"], turned=True,
                   ci_lb=-plain[measure]["ci_ub"])  # fmt: skip


def test_design_effects_multiply_the_variance() -> None:
    plain = made(MEANS)["SMD"]
    row = made(MEANS | {"design_effect": 2.5})["SMD"]
    assert_row(row, yi=plain["yi"], vi=2.5 * plain["vi"],
               formula=plain["formula"] + "/design_effect")  # fmt: skip
    for none in (NAN, 1.0):
        same = made(MEANS | {"design_effect": none})["SMD"]
        assert_row(same, vi=plain["vi"], formula=plain["formula"])


def test_an_unknown_design_effect_beside_a_known_one_changes_nothing() -> None:
    plain = made(MEANS)["SMD"]
    found = made(MEANS | {"design_effect": NAN}, MEANS | {"design_effect": 2.0, "outcome_id": "o"})
    assert_row(found["i:SMD"], vi=plain["vi"])
    assert_row(found["o:SMD"], vi=2.0 * plain["vi"])


def test_means_from_quantiles_say_so() -> None:
    plain = made(MEANS)["SMD"]["formula"]
    assert_row(made(MEANS | {"basis": "arm_quantiles"})["SMD"], formula=f"{plain}/from_quantiles")


def test_secondary_outcomes_stay_out_of_the_pools() -> None:
    assert_row(made(MEANS | {"primary": False})["SMD"], in_pool=False, reason="")


def test_effects_stand_in_the_order_of_the_outcomes() -> None:
    rows = [
        {"outcome_id": "z"}, EVENTS | {"outcome_id": "b"}, MEANS | {"outcome_id": "a"},
        ADJUSTED | {"outcome_id": "c"}, D | {"outcome_id": "y"},
    ]  # fmt: skip
    assert list(made(*rows)) == [
        "z:SMD", "b:OR", "b:RD", "b:RR", "b:SMD", "a:MD", "a:SMD", "c:SMD", "y:SMD"
    ]  # fmt: skip


D = {"basis": "reported_effects", "reported_statistic": "d", "reported_value": 0.4, "n1": 30.0,
     "n2": 40.0}  # fmt: skip
RATIO = D | {"reported_statistic": "OR", "reported_value": 1.8, "reported_ci_lb": 0.9,
             "reported_ci_ub": 3.6}  # fmt: skip


def test_printed_effects_are_converted() -> None:
    found = made(D)
    expected = smd_from_reported(Reported("d", 0.4, n1=30.0, n2=40.0))
    assert list(found) == ["SMD"]
    assert_row(found["SMD"], yi=expected.yi, vi=expected.vi, formula=expected.formula, in_pool=True)


def test_printed_effects_go_before_numbers_of_arms() -> None:
    expected = smd_from_reported(Reported("d", 0.4, n1=30.0, n2=40.0))
    for numbers in (MEANS, EVENTS, ADJUSTED):
        found = made(numbers | D)
        assert list(found) == ["SMD"]
        assert_row(found["SMD"], yi=expected.yi, vi=expected.vi)


def test_printed_ratios_keep_their_natural_scale() -> None:
    report = Reported("OR", 1.8, ci_lb=0.9, ci_ub=3.6, n1=30.0, n2=40.0)
    found = made(RATIO, odds_to_smd="cox")
    natural = natural_from_reported(report)
    expected = smd_from_reported(report, odds_to_smd="cox")
    assert natural is not None and list(found) == ["OR", "SMD"]
    assert_row(found["OR"], yi=natural.yi, vi=natural.vi, formula=natural.formula, in_pool=False)
    assert_row(found["SMD"], yi=expected.yi, vi=expected.vi, formula=expected.formula)


@pytest.mark.parametrize(
    ("statistic", "printed"),
    [
        ("d", {"value": 0.4, "se": 0.2}), ("d", {"value": 0.4, "variance": 0.09}),
        ("d", {"value": 0.4, "ci_lb": 0.1, "ci_ub": 0.7}),
        ("d", {"value": 0.4, "ci_lb": 0.1, "ci_ub": 0.7, "ci_level": 0.9}),
        ("md", {"value": 1.4, "sd": 2.0}), ("RR", {"value": 1.4, "se": 0.2, "risk2": 0.3}),
    ],
)  # fmt: skip
def test_every_printed_number_is_used(statistic: str, printed: dict[str, float]) -> None:
    row = D | {"reported_statistic": statistic, "reported_value": NAN}
    found = made(row | {f"reported_{k}": v for k, v in printed.items()})
    expected = smd_from_reported(Reported(statistic, n1=30.0, n2=40.0, **printed))
    assert_row(found["SMD"], yi=expected.yi, vi=expected.vi, formula=expected.formula)


def test_a_printed_p_is_used() -> None:
    p = {"reported_statistic": "p", "reported_p": 0.03, "favors": "intervention"}
    found = made(D | p | {"reported_value": NAN})
    expected = smd_from_reported(Reported("p", n1=30.0, n2=40.0, p=0.03, positive=True))
    assert_row(found["SMD"], yi=expected.yi, vi=expected.vi, formula=expected.formula)


def test_turned_and_clustered_printed_effects() -> None:
    plain = made(RATIO)
    found = made(RATIO | {"higher_is_better": False, "design_effect": 2.0})
    for measure, row in found.items():
        assert_row(row, yi=-plain[measure]["yi"], vi=2.0 * plain[measure]["vi"], turned=True,
                   formula=plain[measure]["formula"] + "/design_effect")  # fmt: skip


@pytest.mark.parametrize(
    ("favors", "higher", "sign"),
    [("intervention", True, 1), ("comparator", True, -1), ("intervention", False, 1),
     ("comparator", False, -1)],
)  # fmt: skip
def test_the_direction_of_statistics_without_one(favors: str, higher: bool, sign: int) -> None:
    """A printed F says who is better off; the stored effect is positive for the intervention."""
    row = D | {"reported_statistic": "F", "reported_value": 4.0, "favors": favors,
               "higher_is_better": higher}  # fmt: skip
    assert np.sign(made(row)["SMD"]["yi"]) == sign
    assert_row(made(row | {"favors": ""})["SMD"], yi=NAN, in_pool=False)


def test_reversed_effects() -> None:
    """Comparator minus intervention: signs change, ratios are inverted, limits change places."""
    low = {"reported_ci_lb": 0.1, "reported_ci_ub": 0.9}
    found = made(D | low | {"favors": "reversed"})
    expected = smd_from_reported(Reported("d", -0.4, ci_lb=-0.9, ci_ub=-0.1, n1=30.0, n2=40.0))
    assert_row(found["SMD"], yi=expected.yi, vi=expected.vi)
    for statistic in ("OR", "RR"):
        row = RATIO | {"reported_statistic": statistic, "favors": "reversed", "reported_risk2": 0.2}
        report = Reported(statistic, 1 / 1.8, ci_lb=1 / 3.6, ci_ub=1 / 0.9, n1=30.0, n2=40.0,
                          risk2=0.2)  # fmt: skip
        expected = smd_from_reported(report)
        assert_row(made(row)["SMD"], yi=expected.yi, vi=expected.vi)


def test_reversed_effects_without_a_value() -> None:
    row = RATIO | {"reported_value": 0.0, "favors": "reversed"}
    assert_row(made(row)["SMD"], yi=NAN, in_pool=False)
    none = {"reported_ci_lb": NAN, "reported_ci_ub": NAN, "favors": "reversed"}
    expected = smd_from_reported(Reported("d", -0.4, n1=30.0, n2=40.0))
    assert_row(made(D | none)["SMD"], yi=expected.yi)


def test_printed_effects_that_cannot_be_converted_say_why() -> None:
    rows = [RATIO | {"outcome_id": "x"}, D | {"n1": NAN, "n2": NAN, "outcome_id": "y"},
            D | {"outcome_id": "z"}]  # fmt: skip
    found = made(*rows)
    assert list(found) == ["x:OR", "x:SMD", "y:SMD", "z:SMD"]
    assert_row(found["y:SMD"], yi=NAN, vi=NAN, formula="", in_pool=False,
               reason="d needs n of both groups, a standard error or an interval")  # fmt: skip
    assert found["z:SMD"]["yi"] == made(D)["SMD"]["yi"]


POOLED = pd.DataFrame(
    {"outcome_row_id": ["x", "y", "z"], "in_pool": [True, True, False], "reason": ["", "", "why"]}
)


def test_effects_that_are_left_out_say_why() -> None:
    found = leave_out(POOLED, {"y": "because"})
    assert list(found["in_pool"]) == [True, False, False]
    assert list(found["reason"]) == ["", "because", "why"]
    assert list(POOLED["in_pool"]) == [True, True, False]


@pytest.mark.parametrize(
    ("severity", "status", "subject", "held"),
    [
        (Severity.ERROR, "open", "x", True), (Severity.HOLD, "open", "x", True),
        (Severity.WARNING, "open", "x", False), (Severity.HOLD, "waived", "x", False),
        (Severity.ERROR, "open", "", False),
    ],
)  # fmt: skip
def test_findings_hold_their_subject(
    severity: Severity, status: str, subject: str, held: bool
) -> None:
    rows = pd.concat([POOLED, POOLED.iloc[:1].assign(outcome_row_id="")], ignore_index=True)
    found = apply_holds(rows, [Finding("t", "rule", severity, "", "", subject=subject,
                                       status=status)])  # fmt: skip
    assert list(found["in_pool"]) == [not held, True, False, True]
    assert found["reason"][0] == ("held: rule" if held else "")
