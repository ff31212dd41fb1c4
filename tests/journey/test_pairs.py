"""Pairs of an upstream effect with a behavior effect: which, with what in them, what is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.dependent.covariances import latent_from_point_biserial
from analysis.synthesis import TrialEffects
from analysis.synthesis.settings import AnalysisSettings
from assets.pairs.correlation_book import CorrelationBook
from assets.pairs.make_pairs import PAIR_COLUMNS, make_pairs
from tests.journey.frames import NAN, assert_row, record, same
from tests.journey.manifests import manifest
from validations.findings import Finding

UP, ACT = record("i", yi=0.5, vi=0.04), record("b", "behavior", yi=0.2, vi=0.09, weeks=6.0)
ARMS = {"a": "experimental", "c": "control"}


def paired(
    *records: dict[str, Any], pairs: list[dict[str, Any]] | None = None,
    columns: list[tuple[str, str, str, str]] | None = None,
) -> tuple[list[dict[str, Any]], list[Finding]]:  # fmt: skip
    """Pairs of one trial whose effects all correlate at .3, and the findings."""
    manifests = {"t": manifest(ARMS, pairs=pairs or [])}
    values = pd.DataFrame(columns or [], columns=["trial_id", "comparison", "column", "value"])
    book = CorrelationBook(manifests, {}, values, AnalysisSettings())
    sei = np.sqrt([r["vi"] for r in records])
    covariance = 0.3 * np.outer(sei, sei)
    np.fill_diagonal(covariance, sei**2)
    origins = np.full(covariance.shape, "", dtype=object)
    table, told = make_pairs([TrialEffects(records, covariance, origins)], manifests, book, 0.4)
    assert list(table.columns) == PAIR_COLUMNS
    return table.to_dict("records"), told


def declared(value: float | None = None, origin: str = "reported_within_arm", **more: Any) -> Any:
    given = {"origin": origin, "value": value} if value is not None else None
    return [{"upstream": "i", "behavior": "b", "correlation": given} | more]


def test_what_stands_in_a_pair() -> None:
    up = UP | {"study_label": "S", "synthesis": "second", "construct": "attitude",
               "upstream_construct": "attitude"}  # fmt: skip
    ((row,), told) = paired(up, ACT | {"share": 0.3}, pairs=declared(0.45))
    expected = {
        "pair_id": "t:a_vs_c:i~b", "trial_id": "t", "collection_id": "t", "study_label": "S",
        "synthesis": "second", "comparison_id": "a_vs_c", "upstream_construct": "attitude",
        "upstream_effect_id": "t:a_vs_c:i:SMD", "behavior_effect_id": "t:a_vs_c:b:SMD",
        "upstream_label": "I", "behavior_label": "B", "upstream_yi": 0.5, "upstream_vi": 0.04,
        "behavior_yi": 0.2, "behavior_vi": 0.09, "lag_weeks": 4.0, "tact_match": 4,
        "rho_within_arm": 0.45, "rho_latent": latent_from_point_biserial(0.45, 0.3), "rho_n": 90.0,
        "rho_variance": (1 - 0.45**2) ** 2 / 87, "rho_origin": "reported_within_arm",
        "covariance": 0.018, "correlation_of_estimates": 0.3, "difference": 0.3,
        "difference_vi": 0.04 + 0.09 - 0.036,
    }  # fmt: skip
    assert set(expected) == set(row) and told == []
    assert_row(row, **expected)


def test_without_a_declared_correlation_the_assumed_one_stands() -> None:
    ((row,), told) = paired(UP, ACT)
    assert_row(row, rho_within_arm=0.4, rho_latent=0.4, rho_n=NAN, rho_variance=NAN,
               rho_origin="assumed")  # fmt: skip
    assert told == []


@pytest.mark.parametrize(
    ("up", "act"),
    [
        ({"construct": "attitude"}, {}), ({}, {"construct": "attitude"}),
        ({}, {"comparison_id": "b_vs_c"}), ({"upstream_construct": "attitude"}, {}),
    ],
)  # fmt: skip
def test_what_is_no_pair_at_all(up: dict[str, str], act: dict[str, str]) -> None:
    assert paired(UP | up, ACT | act) == ([], [])


def names(*records: dict[str, Any], **more: Any) -> list[str]:
    return [row["pair_id"].split(":")[2] for row in paired(*records, **more)[0]]


def test_every_intention_with_every_behavior_unless_pairs_are_declared() -> None:
    records = (record("b2", "behavior"), UP, record("j"), ACT)
    assert names(*records) == ["i~b2", "i~b", "j~b2", "j~b"]
    assert names(*records, pairs=declared()) == ["i~b"]
    assert names(*records, pairs=declared(behavior="other")) == []


ACTS = ("target", "action", "context", "time")


def test_acts_that_differ() -> None:
    up, act = UP | dict.fromkeys(ACTS, "x"), ACT | dict.fromkeys(ACTS, "x")
    for part in ACTS:
        ((row,), _) = paired(up, act | {part: "y"})
        assert row["tact_match"] == 3
        for unstated in (up | {part: ""}, up):
            ((row,), _) = paired(unstated, act | {part: "" if unstated is up else "y"})
            assert row["tact_match"] == 4
    rows, told = paired(up, act | {"target": "y", "time": "y"})
    (finding,) = told
    assert rows == []
    assert (finding.trial_id, finding.rule_id, finding.severity.value, finding.file) == (
        "t", "pair_on_different_acts", "warning", "a.csv"
    )  # fmt: skip
    assert finding.message == "I with B are not paired: they differ in target and time"
    ((row,), told) = paired(up, act | {"target": "y", "time": "y"}, pairs=declared())
    assert row["tact_match"] == 2 and told == []
    other = act | {"target": "y", "time": "y", "context": ""}
    assert paired(up, other)[1][0].message.endswith("differ in target and time")
    assert paired(up | {"context": ""}, act | {"target": "y", "time": "y"})[1] != []


@pytest.mark.parametrize("pairs", [[], declared()])
def test_a_behavior_before_the_intention(pairs: Any) -> None:
    rows, told = paired(UP, ACT | {"weeks": 1.0, "file": "b.csv"}, pairs=pairs)
    (finding,) = told
    assert rows == []
    assert (finding.trial_id, finding.rule_id, finding.severity.value, finding.file) == (
        "t", "behavior_before_intention", "warning", "b.csv"
    )  # fmt: skip
    assert "I with B are not paired: the behavior (week 1)" in finding.message
    assert "before the intention (week 2)" in finding.message


@pytest.mark.parametrize(("weeks", "lag"), [(2.0, 0.0), (NAN, NAN)])
def test_the_same_time_and_an_unknown_one(weeks: float, lag: float) -> None:
    ((row,), told) = paired(UP, ACT | {"weeks": weeks})
    assert same(row["lag_weeks"], lag) and told == []


def test_faults_are_told_where_a_comparison_has_no_pair() -> None:
    early = record("b2", "behavior", weeks=1.0)
    assert paired(UP, early, ACT)[1] == []
    other = [record(x, k, intervention_arm="d", weeks=w)
             for x, k, w in (("i", "intention", 2.0), ("b", "behavior", 1.0))]  # fmt: skip
    rows, told = paired(UP, ACT, *other)
    assert len(rows) == 1 and [f.rule_id for f in told] == ["behavior_before_intention"]
    assert len(paired(UP, early, early | {"outcome_id": "b3"})[1]) == 2


@pytest.mark.parametrize(
    ("r", "n", "told"),
    [(-0.21, 90, False), (-0.22, 90, True), (-0.9, 4, False), (-0.25, 65, True)],
)
def test_a_direction_that_is_doubtful(r: float, n: float, told: bool) -> None:
    """From -2 / root(n) on, -.2108 of 90 persons, a correlation is clearly negative."""
    pairs = declared(r)
    pairs[0]["correlation"]["n"] = n
    rows, found = paired(UP | {"n1": NAN, "file": "u.csv"}, ACT, pairs=pairs)
    border = -2.0 / n**0.5
    assert (r <= border) is bool(found) and len(rows) == 1
    if found:
        (finding,) = found
        assert (finding.trial_id, finding.rule_id, finding.severity.value, finding.file) == (
            "t", "direction_doubtful", "warning", "u.csv"
        )  # fmt: skip
        assert f"I and B correlate negatively within arms (r = {r:.2f})" in finding.message


def test_directions_are_not_doubted_without_persons() -> None:
    few = {"n1": 1.0, "n2": 2.0}
    assert paired(UP | few, ACT, pairs=declared(-0.9))[1] == []
    four = {"n1": 2.0, "n2": 2.0}
    assert paired(UP | four, ACT, pairs=declared(-0.9))[1] == []
    assert paired(UP | four | {"n2": 3.0}, ACT, pairs=declared(-0.95))[1] != []


def test_correlations_that_contradict_the_effects() -> None:
    rows, told = paired(UP | {"yi": 3.0}, ACT | {"yi": 3.0},
                        pairs=declared(-0.45, "reported_total"))  # fmt: skip
    (finding,) = told
    assert_row(rows[0], rho_within_arm=0.4, rho_origin="assumed")
    assert (finding.trial_id, finding.rule_id, finding.severity.value, finding.file) == (
        "t", "correlation_contradicts_effects", "warning", "trial.yaml"
    )  # fmt: skip
    assert finding.message.startswith("I with B: its total correlation of -0.45")
    assert finding.message.endswith("; the assumed correlation stands in its place")


@pytest.mark.parametrize(
    ("r", "share", "told"),
    [(0.9499, None, False), (0.95, None, True), (-0.95, None, True), (0.9, 0.5, True)],
)
def test_near_perfect_correlations(r: float, share: float | None, told: bool) -> None:
    rows, all_told = paired(UP, ACT | {"share": share}, pairs=declared(r))
    found = [f for f in all_told if f.rule_id != "direction_doubtful"]
    assert len(rows) == 1 and bool(found) is told
    if told:
        (finding,) = found
        assert (finding.trial_id, finding.rule_id, finding.severity.value, finding.file) == (
            "t", "correlation_near_perfect", "warning", "trial.yaml"
        )  # fmt: skip
        assert f"I with B: their correlation within arms is {rows[0]['rho_latent']:.2f}" in (
            finding.message
        )


def test_a_pair_is_named_by_all_that_tells_the_behavior() -> None:
    ((row,), _) = paired(UP, ACT | {"outcome_row_id": "t:a_vs_c:b.log@4w:x:y"})
    assert row["pair_id"] == "t:a_vs_c:i~b.log@4w:x:y"


def test_several_trials_and_none() -> None:
    manifests = {"t": manifest(ARMS)}
    book = CorrelationBook(manifests, {}, pd.DataFrame(), AnalysisSettings())
    trials = [
        TrialEffects(tuple(r | {"trial_id": t} for r in (UP, ACT)), np.eye(2), np.eye(2))
        for t in ("t", "t/x")
    ]
    table, _ = make_pairs(trials, manifests, book, 0.4)
    assert list(table["trial_id"]) == ["t", "t/x"] and list(table["covariance"]) == [0.0, 0.0]
    table, told = make_pairs([], manifests, book, 0.4)
    assert table.empty and told == [] and list(table.columns) == PAIR_COLUMNS
