"""Checks of participant rows: which are made of what, and what is told of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.effect_sizes import standardized_mean_difference
from analysis.participant_checks import (
    adjusted_difference_p,
    correlation_check,
    cronbach_alpha,
    cross_check_g,
    equal_variances,
    normal_residuals,
)
from assets.outcomes import quality
from assets.outcomes.quality import findings_of_checks, participant_checks
from tests.journey.frames import ARMS, NAN, WANTS, WENT, assert_row, persons
from tests.journey.manifests import manifest, outcome

BASELINE = [4.0, 6, 2, 6, 5, 5, 3, 5, 1, 4, 3, 5]
VALUES, TREATED = np.array([*WANTS["a"], *WANTS["c"]]), np.arange(12) < 6
OUTCOMES = [outcome("i", "intention"), outcome("b", "behavior", scale="binary")]


def checks(
    *rows: pd.DataFrame, items: pd.DataFrame | None = None, **more: Any
) -> dict[tuple[str, str, str], dict[str, Any]]:
    own = manifest(ARMS, **{"outcomes": OUTCOMES} | more)
    made = participant_checks(own, pd.concat(rows, ignore_index=True),
                              pd.DataFrame() if items is None else items)  # fmt: skip
    keys = [(str(r["comparison_id"]), str(r["outcome_id"]), str(r["check"])) for r in made]
    assert len(set(keys)) == len(made) and {r["trial_id"] for r in made} <= {"t"}
    return dict(zip(keys, made, strict=True))


def test_checks_of_a_comparison() -> None:
    found = checks(persons("i", WANTS))
    g = standardized_mean_difference(
        VALUES[:6].mean(), VALUES[:6].std(ddof=1), 6, VALUES[6:].mean(), VALUES[6:].std(ddof=1), 6
    ).yi[0]
    expected = {
        "g_pingouin_minus_ours": cross_check_g(VALUES, TREATED, g),
        "sd_ratio_levene": equal_variances(VALUES, TREATED),
        "normality_shapiro": normal_residuals(VALUES, TREATED),
    }
    assert set(found) == {("a_vs_c", "i", name) for name in expected}
    for name, check in expected.items():
        assert_row(
            found[("a_vs_c", "i", name)], trial_id="t", estimate=check.estimate, n=12,
            statistic=check.statistic, pvalue=check.pvalue, status="ok", reason="",
        )  # fmt: skip
    assert abs(expected["g_pingouin_minus_ours"].estimate) < 0.01 < g


def test_the_ancova_takes_persons_with_a_baseline() -> None:
    own = [OUTCOMES[0] | {"baseline_column": "pre"}]
    baseline = [*BASELINE[:11], NAN]
    found = checks(persons("i", WANTS, baseline=baseline), outcomes=own)
    expected = adjusted_difference_p(VALUES[:11], TREATED[:11], np.array(BASELINE[:11]))
    assert_row(found[("a_vs_c", "i", "ancova_group")], estimate=expected.estimate,
               pvalue=expected.pvalue, n=11)  # fmt: skip
    assert found[("a_vs_c", "i", "normality_shapiro")]["n"] == 12


def test_no_ancova_without_a_baseline_that_can_be_used() -> None:
    own = [OUTCOMES[0] | {"baseline_column": "pre"}]
    assert len(checks(persons("i", WANTS, baseline=BASELINE))) == 3
    assert len(checks(persons("i", WANTS, baseline=2.0), outcomes=own)) == 3
    assert len(checks(persons("i", WANTS, baseline=[*BASELINE[:4], *[NAN] * 8]), outcomes=own)) == 3


def test_each_arm_needs_three_persons() -> None:
    assert checks(persons("i", {"a": [1.0, 2], "c": [1.0, 2, 3, 4]})) == {}
    assert checks(persons("i", {"a": [1.0, 2, 3, 4], "c": [1.0, 2]})) == {}
    assert len(checks(persons("i", {"a": [1.0, 2, 3], "c": [1.0, 2, 4]}))) == 3


def test_a_check_that_cannot_be_made_says_why() -> None:
    found = checks(persons("i", {"a": [1.0, 1, 1], "c": [2.0, 2, 2]}))
    row = found[("a_vs_c", "i", "sd_ratio_levene")]
    assert_row(row, status="not_estimable", reason="the values do not vary within the groups")
    assert "estimate" not in row and len(found) == 3


def test_yes_no_outcomes_are_not_checked_alone() -> None:
    assert checks(persons("b", WENT)) == {}
    found = checks(persons("b", WENT), persons("i", WANTS))
    assert {key[1] for key in found} == {"i", "i~b"}


def test_arms_of_each_comparison_only() -> None:
    three = manifest(ARMS | {"d": "experimental"}, outcomes=OUTCOMES[:1])
    rows = persons("i", WANTS | {"d": [6.0, 7, 5, 4]})
    made = participant_checks(three, rows, pd.DataFrame())
    assert [(r["comparison_id"], r["n"]) for r in made] == [("a_vs_c", 12)] * 3 + [
        ("d_vs_c", 10)
    ] * 3


def test_pairs_given_the_arms() -> None:
    label = ["a"] * 6 + ["c"] * 6
    found = checks(persons("i", WANTS), persons("b", WENT))
    expected = correlation_check(VALUES, np.array([*WENT["a"], *WENT["c"]]), label)
    assert_row(
        found[("", "i~b", "partial_correlation_given_arm")], estimate=expected.estimate,
        pvalue=expected.pvalue, n=12, status="ok",
    )  # fmt: skip


def test_arms_of_a_pair_are_the_behaviors_first() -> None:
    went = persons("b", WENT, arm=["a"] * 5 + ["c"] * 6 + ["a"])
    found = checks(persons("i", WANTS), went.iloc[1:])
    acted = np.array([NAN, *WENT["a"][1:], *WENT["c"]])
    expected = correlation_check(VALUES, acted, ["a"] * 5 + ["c"] * 6 + ["a"])
    row = found[("", "i~b", "partial_correlation_given_arm")]
    assert_row(row, estimate=expected.estimate, n=11)


def test_pairs_are_of_an_upstream_outcome_with_a_behavior() -> None:
    own = [outcome("b2", "behavior"), outcome("i", "intention"), outcome("att", "attitude"),
           outcome("b", "behavior"), outcome("b3", "behavior"),
           outcome("k", "knowledge")]  # fmt: skip
    rows = [persons(name, WANTS) for name in ("i", "att", "b", "b2")]
    found = checks(*rows, outcomes=own)
    pairs = {key[1] for key in found if key[2] == "partial_correlation_given_arm"}
    assert pairs == {"i~b", "i~b2", "att~b", "att~b2"}


def items(outcome_id: str, *columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"outcome": outcome_id, "participant": f"p{i:02d}", "item": f"q{j}", "value": cell}
            for j, column in enumerate(columns)
            for i, cell in enumerate(column)
        ]
    )


def test_the_reliability_of_items() -> None:
    """Answers that are no numbers are missing; order is the one of the file."""
    one, two, three = list("135246"), list("144256"), list("23525x")
    table = pd.concat([items("i", one, two, three), items("other", list("111"))])
    found = checks(persons("i", WANTS), items=table)
    complete = np.array([[float(x) for x in row] for row in zip(one, two, three[:5], strict=False)])
    expected = cronbach_alpha(complete)
    assert_row(found[("", "i", "cronbach_alpha")], estimate=expected.estimate, n=5, status="ok")
    assert ("", "i", "cronbach_alpha") not in checks(persons("i", WANTS), items=items("x", one))


def test_answers_of_no_one_are_left_out() -> None:
    """Persons without an id, and who answer an item twice; persons may be numbers."""
    table = items("i", list("135246"), list("144256"), list("235254"))
    expected = checks(persons("i", WANTS), items=table)[("", "i", "cronbach_alpha")]
    nobody = items("i", list("17"), list("71"), list("77")).assign(participant="")
    twice = pd.concat([items("i", list(c)) for c in ("1", "7", "4")]).assign(participant="q")
    more = pd.concat([nobody, table, twice.assign(item="q0")], ignore_index=True)
    found = checks(persons("i", WANTS), items=more)[("", "i", "cronbach_alpha")]
    assert_row(found, **{name: expected[name] for name in ("estimate", "n")}, status="ok")
    numbers = more["participant"].replace({"": "p-1", "q": "p9"}).str[1:].astype("int32")
    found = checks(persons("i", WANTS), items=more.assign(participant=numbers))
    assert_row(found[("", "i", "cronbach_alpha")], estimate=expected["estimate"], n=6)


def test_checks_of_too_many_persons_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [OUTCOMES[0] | {"baseline_column": "pre"}, OUTCOMES[1]]
    rows = persons("i", WANTS, baseline=BASELINE), persons("b", WENT)
    answers = items("i", list("135246"), list("144256"))
    made = checks(*rows, items=answers, outcomes=own)
    monkeypatch.setattr(quality, "MOST_PERSONS", 12)
    assert {row["status"] for row in checks(*rows, items=answers, outcomes=own).values()} == {"ok"}
    monkeypatch.setattr(quality, "MOST_PERSONS", 11)
    found = checks(*rows, items=answers, outcomes=own)
    assert list(found) == list(made)
    left = {key for key, row in found.items() if row["status"] == "not_estimable"}
    assert left == set(made) - {("", "i", "cronbach_alpha")}
    assert found[("a_vs_c", "i", "ancova_group")]["reason"] == (
        "left out: checks are made of at most 11 persons"
    )
    monkeypatch.setattr(quality, "MOST_PERSONS", 5)
    row = checks(*rows, items=answers, outcomes=own)[("", "i", "cronbach_alpha")]
    assert row["status"] == "not_estimable" and "at most 5 persons" in str(row["reason"])


def test_the_regression_has_the_f_of_the_ancova() -> None:
    import pingouin

    rng = np.random.default_rng(6)
    for n in (9, 80):
        treated, x = np.arange(n) % 3 == 0, rng.normal(20.0, 3.0, n)
        y = x + 2.0 * treated + rng.normal(0.0, 4.0, n)
        found = adjusted_difference_p(y, treated, x)
        table = pd.DataFrame({"y": y, "arm": treated.astype(int), "x": x})
        expected = pingouin.ancova(data=table, dv="y", covar="x", between="arm").iloc[0]
        assert found.estimate == pytest.approx(expected["F"], rel=1e-10) and found.n == n
        assert found.pvalue == pytest.approx(expected["p_unc"], rel=1e-10)


@pytest.mark.parametrize("arms", [1, 2, 4])
@pytest.mark.parametrize("unit", [1.0, 1e-7, 1e9])
def test_the_regression_has_the_partial_correlation_given_arm(arms: int, unit: float) -> None:
    import pingouin

    rng = np.random.default_rng(arms)
    arm = np.arange(60) % arms
    x = rng.normal(20.0 * arm, 3.0)
    y = 0.4 * x + rng.normal(5.0 * arm, 2.0)
    found = correlation_check(unit * x, y, arm)
    table = pd.DataFrame({"x": x, "y": y} | {f"arm{i}": arm == i for i in range(1, arms)})
    covariates = [name for name in table if name.startswith("arm")]
    expected = (
        pingouin.partial_corr(table.astype(float), "x", "y", covariates) if covariates
        else pingouin.corr(x, y)
    ).iloc[0]  # fmt: skip
    assert found.estimate == pytest.approx(expected["r"], rel=1e-9) and found.n == 60
    assert found.pvalue == pytest.approx(expected["p_val"], rel=1e-8)


def test_outcomes_that_mirror_each_other_correlate_by_minus_one() -> None:
    x, arm = np.array([3.0, 5, 7, 7, 5, 1, 2, 6, 4, 3]), np.arange(10) % 2
    assert correlation_check(x, 8.0 - x, arm).estimate == pytest.approx(-1.0, rel=1e-12)
    assert correlation_check(x, 2.0 * x, arm).estimate == pytest.approx(1.0, rel=1e-12)


def test_one_item_has_no_reliability() -> None:
    found = checks(persons("i", WANTS), items=items("i", list("135246")))
    assert found[("", "i", "cronbach_alpha")]["status"] == "not_estimable"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"estimate": 0.0101}, True), ({"estimate": -0.0101}, True), ({"estimate": 0.01}, False),
        ({"check": "sd_ratio_levene", "estimate": 2.0}, False),
        ({"status": "not_estimable", "estimate": 2.0}, False),
    ],
)  # fmt: skip
def test_a_g_that_differs_is_told(change: dict[str, Any], told: bool) -> None:
    row = {"trial_id": "t", "comparison_id": "a_vs_c", "outcome_id": "i", "status": "ok",
           "check": "g_pingouin_minus_ours", "estimate": 0.0} | change  # fmt: skip
    found = findings_of_checks(pd.DataFrame([row]))
    assert len(found) == told
    if told:
        assert (found[0].trial_id, found[0].rule_id, found[0].severity.value) == (
            "t", "g_cross_check", "warning"
        )  # fmt: skip
        assert f"g of i (a_vs_c) differs by {row['estimate']:.3f}" in found[0].message
