"""Covariances of the effects of a trial: exact, shared arms, assumed, and effects that determine
each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.dependent.covariances import (
    binary_arms,
    effect_covariance,
    phi_from_latent,
    point_biserial_from_latent,
    smd_arms,
)
from analysis.effect_sizes import hedges_j
from analysis.effect_sizes.binary import ODDS_TO_SMD
from analysis.synthesis import TrialEffects
from analysis.synthesis.settings import AnalysisSettings
from assets.outcomes.participants import ParticipantFacts
from assets.pairs.correlation_book import CorrelationBook
from assets.pairs.covariances import (
    all_trial_effects,
    covariance_table,
    determined_by_each_other,
    refuse_determined,
    trial_effects,
)
from tests.journey.frames import NAN, record
from tests.journey.manifests import manifest

ARMS = {"a": "experimental", "b": "experimental", "c": "control"}
NOTHING = dict.fromkeys(("events1", "events2", "sd1", "sd2", "n1", "n2"), NAN) | {"comparison": ""}


def book(facts: ParticipantFacts | None = None, *pairs: Any, **settings: Any) -> CorrelationBook:
    own = manifest(ARMS, pairs=list(pairs))
    known = {} if facts is None else {"t": facts}
    return CorrelationBook({"t": own}, known, pd.DataFrame(), AnalysisSettings(**settings))


def correlation(
    one: dict[str, Any], two: dict[str, Any], of: CorrelationBook | None = None,
    rows: dict[str, dict[str, Any]] | None = None, assumed: float = 0.5,
) -> tuple[float, str]:  # fmt: skip
    """The correlation of two effects, through the covariance matrix, and its origin."""
    known = {
        r["outcome_row_id"]: NOTHING | (rows or {}).get(r["outcome_id"], {}) for r in (one, two)
    }
    made = trial_effects([one, two], known, of or book(), assumed)
    assert made.records == (one, two) and not made.moved
    assert np.diag(made.covariance) == pytest.approx([one["vi"], two["vi"]])
    assert made.covariance[0, 1] == made.covariance[1, 0] and made.origins[0, 0] == ""
    assert made.origins[0, 1] == made.origins[1, 0]
    return made.covariance[0, 1] / (one["vi"] * two["vi"]) ** 0.5, made.origins[0, 1]


def arms_of(one: dict[str, Any], label: str = "x", **sds: float) -> Any:
    n1, n2 = one["n1"], one["n2"]
    j = float(hedges_j(n1 + n2 - 2.0)[0])
    return smd_arms(label, one["intervention_arm"], one["comparator_arm"], g=one["yi"], j=j, n1=n1,
                    n2=n2, **sds)  # fmt: skip


def closed(one: Any, two: Any, r: float) -> float:
    own = effect_covariance(one, one, 1.0) * effect_covariance(two, two, 1.0)
    return effect_covariance(one, two, r) / own**0.5


UP, ACT = record("i", yi=0.5), record("b", "behavior", vi=0.06, yi=-0.4)


def test_effects_of_means_by_the_closed_form() -> None:
    found = correlation(UP, ACT)
    assert found == (pytest.approx(closed(arms_of(UP), arms_of(ACT, "y"), 0.5)), "assumed")
    assert correlation(UP, ACT, assumed=0.2)[0] < found[0] - 0.2


def test_sds_weigh_the_arms() -> None:
    rows = {"i": {"sd1": 1.0, "sd2": 3.0}, "b": {"sd1": 2.0, "sd2": 1.0}}
    one, two = arms_of(UP, sd1=1.0, sd2=3.0), arms_of(ACT, "y", sd1=2.0, sd2=1.0)
    found = correlation(UP, ACT, rows=rows)
    assert found[0] == pytest.approx(closed(one, two, 0.5))
    assert found[0] != pytest.approx(correlation(UP, ACT)[0], abs=1e-3)
    for gone in ({"sd1": NAN}, {"sd2": 0.0}):
        some = correlation(UP, ACT, rows=rows | {"i": rows["i"] | gone})
        assert some[0] == pytest.approx(closed(arms_of(UP), two, 0.5))


def test_a_shared_control() -> None:
    other = record("i", intervention_arm="b", n1=30.0, n2=45.0, yi=0.1)
    found = correlation(UP, other)
    assert found == (pytest.approx(closed(arms_of(UP), arms_of(other), 1.0)), "same_measurement")
    later = other | {"weeks": 9.0}
    expected = closed(arms_of(UP), arms_of(other, "y"), 0.6)
    assert correlation(UP, later) == (pytest.approx(expected), "assumed")


@pytest.mark.parametrize(
    "change", [{"instrument": "x"}, {"weeks": 3.0}, {"weeks": NAN}, {"timepoint": "x"}]
)
def test_another_measurement_of_the_outcome(change: dict[str, Any]) -> None:
    two = record("i", intervention_arm="b")
    assert correlation(UP, two)[1] == "same_measurement"
    assert correlation(UP, two | change)[1] == "assumed"
    assert correlation(UP | {"weeks": NAN}, two | {"weeks": NAN})[1] == "same_measurement"


def test_no_shared_arm() -> None:
    two = record("i", intervention_arm="b", comparator_arm="d")
    assert correlation(UP, two) == (0.0, "no_shared_arm")


def test_arms_of_unknown_size() -> None:
    for missing in ("n1", "n2"):
        unknown = ACT | {missing: NAN}
        assert correlation(UP, unknown) == (pytest.approx(0.5), "assumed")
        assert correlation(unknown, UP) == (pytest.approx(0.5), "assumed")
        half = correlation(UP, record("b", "behavior", intervention_arm="b") | {missing: NAN})
        assert half == (pytest.approx(0.25), "assumed")


EVENTS = {"events1": 8.0, "events2": 20.0}


def test_binary_outcomes() -> None:
    """Shares with half an event added; assumed correlations are latent and are attenuated."""
    act = ACT | {"share": 0.3}
    for method in ("logistic", "cox"):
        found = correlation(UP, act, book(odds_to_smd=method), {"b": EVENTS})
        two = binary_arms("y", "a", "c", measure="OR", p1=8.5 / 41, p2=20.5 / 51, n1=40, n2=50,
                          scale=ODDS_TO_SMD[method])  # fmt: skip
        r = float(point_biserial_from_latent(0.5, 0.3))
        assert found == (pytest.approx(closed(arms_of(UP), two, r)), "assumed")
        up = UP | {"share": 0.45}
        one = binary_arms("x", "a", "c", measure="OR", p1=8.5 / 41, p2=20.5 / 51, n1=40, n2=50,
                          scale=ODDS_TO_SMD[method])  # fmt: skip
        found = correlation(up, act, book(odds_to_smd=method), {"b": EVENTS, "i": EVENTS})
        assert found[0] == pytest.approx(closed(one, two, phi_from_latent(0.5, 0.45, 0.3)))


@pytest.mark.parametrize("missing", ["events1", "events2"])
def test_events_of_both_arms_are_needed(missing: str) -> None:
    found = correlation(UP, ACT, rows={"b": EVENTS | {missing: NAN}})
    assert found == correlation(UP, ACT)


@pytest.mark.parametrize(("origin", "attenuated"), [("borrowed", True), ("reported_total", False),
                                                    ("reported_within_arm", False)])  # fmt: skip
def test_correlations_of_scores_are_not_attenuated(origin: str, attenuated: bool) -> None:
    pair = {"upstream": "i", "behavior": "b", "correlation": {"value": 0.4, "origin": origin}}
    of = book(None, pair)
    act = ACT | {"share": 0.3}
    within = of.within_arm(UP, act, 0.5).r
    r = float(point_biserial_from_latent(within, 0.3)) if attenuated else within
    found = correlation(UP, act, of)
    assert found == (pytest.approx(closed(arms_of(UP), arms_of(act, "y"), r)), origin)


KEYS = ("a", "c", "i"), ("a", "c", "b")
FACTS = ParticipantFacts(correlations={KEYS: 0.37, KEYS[::-1]: 0.37})


@pytest.mark.parametrize("basis", ["participant_rows", "intention_by_action"])
def test_participants_give_the_correlation_of_the_effects(basis: str) -> None:
    up, act = UP | {"basis": basis}, ACT | {"basis": basis}
    of = book(FACTS)
    assert correlation(up, act, of) == (pytest.approx(0.37), "participant_data")
    assert correlation(up | {"turned": True}, act, of)[0] == pytest.approx(-0.37)
    assert correlation(up | {"turned": True}, act | {"turned": True}, of)[0] == pytest.approx(0.37)
    of_another = {"trial_id": "t/x"}
    for one, two in (
        (UP, act), (up, ACT), (up, act | {"intervention_arm": "b"}),
        (up, act | {"comparator_arm": "b"}), (up | of_another, act | of_another),
    ):  # fmt: skip
        assert correlation(one, two, of)[1] == "assumed"


def test_correlations_that_contradict_each_other_are_moved() -> None:
    facts = ParticipantFacts(correlations={
        (("a", "c", x), ("a", "c", y)): r
        for x, y, r in (("i", "j", 0.9), ("i", "k", 0.9), ("j", "k", -0.9))
        for x, y in ((x, y), (y, x))
    })  # fmt: skip
    rows = [record(x, basis="participant_rows") for x in "ijk"]
    known = {r["outcome_row_id"]: NOTHING for r in rows}
    made = trial_effects(rows, known, book(facts), 0.5)
    assert made.moved and np.linalg.eigvalsh(made.covariance)[0] > 0


PARTICIPANT, ASSUMED = "participant_data", "assumed"


def square(size: int, *pairs: tuple[int, int, float, str]) -> tuple[np.ndarray, np.ndarray]:
    r, origins = np.eye(size), np.full((size, size), "", dtype=object)
    for i, j, value, origin in pairs:
        r[i, j] = r[j, i] = value
        origins[i, j] = origins[j, i] = origin
    return r, origins


@pytest.mark.parametrize("origin", [PARTICIPANT, "same_measurement"])
def test_one_measurement_twice_is_determined(origin: str) -> None:
    r = square(3, (0, 2, 1.0, origin), (0, 1, 0.3, PARTICIPANT), (1, 2, 0.3, PARTICIPANT))
    assert determined_by_each_other(*r) == [0, 2]


def test_a_sum_with_its_parts_is_determined() -> None:
    half = 0.5**0.5
    r = square(4, (0, 1, 0.0, PARTICIPANT), (0, 2, half, PARTICIPANT), (1, 2, half, PARTICIPANT),
               (0, 3, 0.0, "no_shared_arm"), (1, 3, 0.0, "no_shared_arm"),
               (2, 3, 0.0, "no_shared_arm"))  # fmt: skip
    assert determined_by_each_other(*r) == [0, 1, 2]


def test_what_is_assumed_determines_nothing() -> None:
    for origin in (ASSUMED, "borrowed", "reported_total"):
        assert determined_by_each_other(*square(2, (0, 1, 1.0, origin))) == []
    assert determined_by_each_other(*square(2, (0, 1, 0.999999, PARTICIPANT))) == []
    assert determined_by_each_other(*square(2, (0, 1, 1.0 - 1e-12, PARTICIPANT))) == [0, 1]


def test_known_correlations_among_assumed_ones() -> None:
    r = square(4, (0, 2, 1.0, PARTICIPANT), (0, 1, 0.5, ASSUMED), (1, 2, 0.5, ASSUMED),
               (0, 3, 0.2, PARTICIPANT), (2, 3, 0.2, PARTICIPANT),
               (1, 3, 1.0, ASSUMED))  # fmt: skip
    assert determined_by_each_other(*r) == [0, 2]
    r = square(4, (0, 1, 1.0, PARTICIPANT), (2, 3, 1.0, PARTICIPANT), (0, 2, 0.5, ASSUMED),
               (0, 3, 0.5, ASSUMED), (1, 2, 0.5, ASSUMED), (1, 3, 0.5, ASSUMED))  # fmt: skip
    assert determined_by_each_other(*r) == [0, 1, 2, 3]


def table(*records: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects and the outcome rows they rest on."""
    effects = pd.DataFrame(records).drop(columns=["share", "comparison"])
    return effects, pd.DataFrame([
        NOTHING | {"outcome_row_id": r["outcome_row_id"], "n1": r["n1"], "n2": r["n2"],
                   "comparison": r["comparison"]}
        | (EVENTS if r["construct"] == "behavior" else {})
        for r in records
    ])  # fmt: skip


def test_effects_that_determine_each_other_are_named() -> None:
    facts = ParticipantFacts(correlations={
        (("a", "c", x), ("a", "c", y)): 1.0 for x in "ijklm" for y in "ijklm"
    })  # fmt: skip
    rows = [record(x, basis="participant_rows", file="p.csv") for x in "ijklm"]
    apart = record("b", "behavior", trial_id="t/x", outcome_row_id="t/x:b")
    out = [record("i", outcome_row_id="t:out", in_pool=False)]
    found = refuse_determined(*table(*rows[:2], *out, apart), book(facts), 0.5)
    assert [(f.trial_id, f.rule_id, f.severity.value, f.subject, f.file) for f in found] == [
        ("t", "effects_determine_each_other", "error", f"t:a_vs_c:{x}", "p.csv") for x in "ij"
    ]
    assert found[0].message.startswith("t:a_vs_c:i follows from t:a_vs_c:j: together")
    many = refuse_determined(*table(*rows), book(facts), 0.5)
    assert len(many) == 5
    assert "from t:a_vs_c:j and t:a_vs_c:k and t:a_vs_c:l: together" in many[0].message


def test_trials_and_shares_of_the_stack() -> None:
    rows = [UP, record("b", "behavior", comparison="low"), record("b", "behavior", trial_id="t/x",
            outcome_row_id="t/x:b"), record("k", in_pool=False)]  # fmt: skip
    first, second = all_trial_effects(*table(*rows), book(), 0.5)
    assert (first["trial_id"], second["trial_id"]) == ("t", "t/x")
    assert first.values("outcome_id") == ["i", "b"] and second.values("outcome_id") == ["b"]
    assert first.values("share") == [None, pytest.approx(28.5 / 91)]
    assert first.values("comparison") == ["", "low"]
    expected = trial_effects(list(first.records), {
        r["outcome_row_id"]: NOTHING | (EVENTS if r["construct"] == "behavior" else {})
        for r in first.records
    }, book(), 0.5)  # fmt: skip
    assert np.array_equal(first.covariance, expected.covariance)
    assert (
        all_trial_effects(*table(*rows), book(), 0.2)[0].covariance[0, 1] < first.covariance[0, 1]
    )


def test_no_share_without_events_or_persons() -> None:
    effects, outcomes = table(record("b", "behavior"))
    for change in ({"events1": NAN}, {"events2": NAN}, {"n1": NAN}):
        (found,) = all_trial_effects(effects, outcomes.assign(**change), book(), 0.5)
        assert found.values("share") == [None]


def test_a_row_per_pair_of_effects() -> None:
    covariance = np.array([[0.04, 0.01, 0.02], [0.01, 0.09, 0.03], [0.02, 0.03, 0.16]])
    origins = np.array([["", "x", "y"], ["x", "", "z"], ["y", "z", ""]], dtype=object)
    trial = TrialEffects(tuple(record(x, effect_id=x) for x in "ijk"), covariance, origins)
    made = covariance_table([trial, TrialEffects((record(),), np.eye(1), origins[:1, :1])])
    assert made.to_dict("records") == [
        {"trial_id": "t", "effect_id_1": one, "effect_id_2": two, "covariance": c,
         "correlation": pytest.approx(r), "origin": origin}
        for one, two, c, r, origin in (
            ("i", "j", 0.01, 1 / 6, "x"), ("i", "k", 0.02, 0.25, "y"), ("j", "k", 0.03, 0.25, "z"))
    ]  # fmt: skip
    assert list(covariance_table([]).columns) == list(made.columns)
