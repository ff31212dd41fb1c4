"""What participant rows give beyond numbers per arm, against plain loops and sums by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.clustering import anova_icc
from analysis.gap.contributions import Members
from analysis.gap.participants import (
    adjusted_difference_influence,
    influence_correlations,
    log_odds_influence,
    pooled_within_arm_correlation,
    smd_influence,
)
from assets.outcomes.action_counts import belong_together
from assets.outcomes.baselines import adjusted
from assets.outcomes.comparisons import arms_of_row, comparisons_of
from assets.outcomes.participants import ParticipantFacts, facts_from_counts, participant_facts
from tests.journey.frames import ARMS, IDENTITY, NAN, WANTS, WENT, persons
from tests.journey.manifests import manifest, outcome

KEY = ("a", "c", "i")


def outcomes(**of_intention: Any) -> list[dict[str, Any]]:
    first = outcome("i", "intention") | {"scale": {"type": "continuous", "min": 1, "max": 7}}
    return [first | of_intention, outcome("b", "behavior", scale="binary")]


def facts(
    *rows: pd.DataFrame, of_intention: dict[str, Any] | None = None, rule: str = "R2", **more: Any
) -> ParticipantFacts:
    own = manifest(ARMS, **{"outcomes": outcomes(**(of_intention or {}))} | more)
    return participant_facts(own, pd.concat(rows, ignore_index=True), rule)


def both(**more: Any) -> ParticipantFacts:
    return facts(persons("i", WANTS), persons("b", WENT), **more)


def test_comparisons() -> None:
    four = {"a": "experimental", "u": "usual_care", "b": "active_comparator", "w": "waitlist"}
    assert comparisons_of(manifest(four)) == [("a", "u"), ("b", "u"), ("a", "w"), ("b", "w")]
    assert comparisons_of(manifest()) == [("intervention", "comparator")]
    declared = [{"intervention": "b", "comparator": "u"}, {"intervention": "a", "comparator": "u"}]
    found = comparisons_of(manifest(four, comparisons=[*declared, declared[0]]))
    assert found == [("b", "u"), ("a", "u")]


@pytest.mark.parametrize(
    ("named", "arms"),
    [
        (("", ""), None), (("a", ""), None), (("", "u"), None), (("x", ""), None),
        (("a", "u"), ("a", "u")), (("u", "a"), ("u", "a")),
    ],
)  # fmt: skip
def test_arms_that_could_be_several(named: tuple[str, str], arms: object) -> None:
    four = {"a": "experimental", "u": "usual_care", "b": "active_comparator", "w": "waitlist"}
    assert arms_of_row(manifest(four), *named) == arms


@pytest.mark.parametrize("named", [("", ""), ("a", ""), ("", "c")])
def test_arms_that_can_only_be_these(named: tuple[str, str]) -> None:
    assert arms_of_row(manifest(ARMS), *named) == ("a", "c")
    assert arms_of_row(manifest(), *named) == named


def test_no_rows_no_facts() -> None:
    assert participant_facts(manifest(ARMS), pd.DataFrame(), "R2") == ParticipantFacts()


def test_correlations_of_the_effects() -> None:
    """Person 12 has an intention only, and the arms of each outcome are its own."""
    more = persons("i", {"a": [5.0, 6, 3, 7, 4, 6], "c": [3.0, 4, 2, 5, 3, 6, 1]})
    found = facts(more, persons("b", WENT))
    wants, went = np.array([*WANTS["a"], *WANTS["c"], 1.0]), np.array([*WENT["a"], *WENT["c"]])
    treated = np.arange(13) < 6
    one = smd_influence(wants, treated, np.arange(13))
    two = log_odds_influence(went, treated[:12], np.arange(12))
    r = influence_correlations([one, two], 13)[0, 1]
    key = ("a", "c", "b")
    assert found.correlations == {
        (KEY, KEY): pytest.approx(1.0), (key, key): pytest.approx(1.0),
        (KEY, key): pytest.approx(r), (key, KEY): pytest.approx(r),
    }  # fmt: skip
    assert abs(r) > 0.1 and found.adjusted == {} and found.baseline_faults == {}


def test_three_arms_share_their_control() -> None:
    rows = persons("i", WANTS | {"d": [6.0, 7, 5, 4, 6, 7]})
    own = manifest(ARMS | {"d": "experimental"}, outcomes=outcomes()[:1])
    found = participant_facts(own, rows, "R2")
    values, first = np.array([*WANTS["a"], *WANTS["c"], 6.0, 7, 5, 4, 6, 7]), np.arange(18)
    one = smd_influence(values[:12], first[:12] < 6, first[:12])
    two = smd_influence(values[6:], first[6:] >= 12, first[6:])
    r = influence_correlations([one, two], 18)[0, 1]
    assert found.correlations[(KEY, ("d", "c", "i"))] == pytest.approx(r)
    assert 0.2 < r < 0.8


def test_within_arm_correlations() -> None:
    found = both().within_arm
    first, second = (np.array([*x["a"], *x["c"]]) for x in (WANTS, WENT))
    label = np.array(list("aaaaaacccccc"))
    expected = pooled_within_arm_correlation(first, second, label)
    assert expected is not None and expected.n == 12
    assert found == {("i", "b"): (expected.r, expected.n, expected.variance)}


def test_arms_of_persons_are_those_of_the_behavior_first() -> None:
    """The last person changed arms; one who has no behavior counts with the intention's arm."""
    went = persons("b", WENT, arm=list("aaaaaaccccca"))
    found = facts(persons("i", WANTS), went.iloc[1:])
    first, second = (np.array([*x["a"], *x["c"]]) for x in (WANTS, WENT))
    second[0] = NAN
    expected = pooled_within_arm_correlation(first, second, np.array(list("aaaaaaccccca")))
    assert expected is not None and found.within_arm[("i", "b")][0] == pytest.approx(expected.r)


BASELINE = [4.0, 6, 2, 6, 5, 5, 3, 5, 1, 4, 3, 5]


def test_adjusted_differences_by_hand() -> None:
    """ANCOVA: the difference of the means less b times that of the baselines, b within arms."""
    found = facts(persons("i", WANTS, baseline=[*BASELINE[:11], NAN]),
                  of_intention={"baseline_column": "pre"})  # fmt: skip
    y1, x1 = np.array(WANTS["a"]), np.array(BASELINE[:6])
    y2, x2 = np.array(WANTS["c"][:5]), np.array(BASELINE[6:11])
    xy = sum(((x - x.mean()) * (y - y.mean())).sum() for x, y in ((x1, y1), (x2, y2)))
    xx, yy = (sum(((z - z.mean()) ** 2).sum() for z in pair) for pair in ((x1, x2), (y1, y2)))
    difference = y1.mean() - y2.mean() - xy / xx * (x1.mean() - x2.mean())
    expected = (difference, (yy / 9) ** 0.5, xy / (xx * yy) ** 0.5, 6, 5)
    assert found.adjusted == {KEY: pytest.approx(expected)}
    assert found.baseline_faults == {}


def test_adjusted_effects_correlate_by_their_own_contributions() -> None:
    baseline = [*BASELINE[:11], NAN]
    found = facts(persons("i", WANTS, baseline=baseline), persons("b", WENT),
                  of_intention={"baseline_column": "pre"})  # fmt: skip
    values, went = np.array([*WANTS["a"], *WANTS["c"]]), np.array([*WENT["a"], *WENT["c"]])
    treated, keep = np.arange(12) < 6, np.arange(11)
    one = adjusted_difference_influence(values[keep], treated[keep], np.array(baseline[:11]), keep)
    two = log_odds_influence(went, treated, np.arange(12))
    r = influence_correlations([one, two], 12)[0, 1]
    assert found.correlations[(KEY, ("a", "c", "b"))] == pytest.approx(r)


def test_baselines_count_only_where_they_are_declared() -> None:
    found = facts(persons("i", WANTS, baseline=BASELINE))
    assert found.adjusted == {} and found.baseline_faults == {}


def test_a_baseline_that_cannot_be_used_is_told_and_the_effect_stays() -> None:
    found = facts(persons("i", WANTS, baseline=2.0), of_intention={"baseline_column": "pre"})
    assert found.baseline_faults == {KEY: "the baseline does not vary within the arms"}
    assert found.adjusted == {} and (KEY, KEY) in found.correlations


def test_a_yes_no_outcome_has_no_baseline() -> None:
    own = outcome("b", "behavior", scale="binary", baseline_column="pre")
    found = facts(persons("b", WENT, baseline=BASELINE), outcomes=[own])
    assert found.adjusted == {} and found.baseline_faults == {}
    assert (("a", "c", "b"), ("a", "c", "b")) in found.correlations


@pytest.mark.parametrize(
    ("arms", "has"),
    [
        ({"a": [1.0, 2], "c": [1.0, 2]}, True), ({"a": [1.0], "c": [1.0, 2, 3]}, False),
        ({"a": [1.0, 2, 3], "c": [2.0]}, False), ({"a": [3.0, 3], "c": [2.0, 2]}, False),
        ({"a": [3.0, 3], "c": [2.0, 4]}, True), ({"a": [1.0, 1], "c": [0.0, 0]}, True),
        ({"a": [1.0, 1], "c": [1.0, 1]}, False), ({"a": [0.0, 0], "c": [0.0, 0]}, False),
    ],
)  # fmt: skip
def test_effects_of_few_or_equal_values(arms: dict[str, list[float]], has: bool) -> None:
    is_binary = {x for values in arms.values() for x in values} <= {0.0, 1.0}
    scale = {"type": "binary" if is_binary else "continuous"}
    found = facts(persons("i", arms), of_intention={"scale": scale})
    assert bool(found.correlations) is has


def test_a_score_that_only_the_arm_decides_has_no_effect() -> None:
    """Also where the two scores are 0 and 1, as of a yes/no outcome."""
    rows = persons("i", {"a": [1.0] * 5, "c": [0.0] * 5}, baseline=[1.0, 2, 3, 4, 5] * 2)
    for about in ({}, {"baseline_column": "pre"}):
        found = facts(rows, of_intention=about)
        assert found.correlations == {} == found.adjusted


VALUES, TREATED = np.array([1.0, 3, 2, 4, 6]), np.array([True, True, False, False, False])


@pytest.mark.parametrize(
    ("values", "treated", "covariate", "why"),
    [
        (VALUES, TREATED, [2.0, 1, 1, 3, 1], ""),
        (VALUES[:4], TREATED[:4], [2.0, 1, 1, 3], "fewer than 2 persons"),
        (VALUES, [True, False, False, False, False], [2.0, 1, 1, 3, 1], "fewer than 2 persons"),
        (VALUES, [False, True, True, True, True], [2.0, 1, 1, 3, 1], "fewer than 2 persons"),
        ([3.0, 3, 2, 2, 2], TREATED, [2.0, 1, 1, 3, 1], "outcome of the persons"),
        (VALUES, TREATED, [2.0, 2, 1, 1, 1], "baseline does not vary"),
        (VALUES, TREATED, [2.0, 2, 1, 1, 3], ""),
        (VALUES, TREATED, [2.0, 1, 1, 1, 1], ""),
        (VALUES, TREATED, -VALUES, "determines the outcome"),
        (VALUES, TREATED, 3.0 * VALUES + 50.0 * TREATED, "determines the outcome"),
        (1.0 * TREATED, TREATED, [2.0, 1, 1, 3, 1], "outcome of the persons"),
    ],
)  # fmt: skip
def test_faults_of_baselines(values: Any, treated: Any, covariate: Any, why: str) -> None:
    found = fault(np.array(values), np.array(treated), np.array(covariate))
    assert found == "" if not why else why in found


def fault(values: np.ndarray, treated: np.ndarray, covariate: np.ndarray) -> str:
    """Why there is no adjusted difference, empty where there is one."""
    one, two = (Members(np.flatnonzero(arm), values[arm], covariate[arm])
                for arm in (treated, ~treated))  # fmt: skip
    found = adjusted(one, two)
    return found if isinstance(found, str) else ""


def test_the_border_of_a_baseline_that_determines_the_outcome() -> None:
    """Within arms, x and a part e that is orthogonal to it: r = 1 / root(1 + s^2)."""
    x, e = np.tile([1.0, -1, 1, -1], 2), np.tile([1.0, 1, -1, -1], 2)
    treated = np.arange(8) < 4
    for s, r in ((0.1424, 0.99001), (0.1426, 0.98998)):
        assert (fault(x + s * e, treated, x) != "") is (r >= 0.99)


def test_design_effects_of_clusters() -> None:
    found = both_clustered(list("pqrqrpststuu"))
    for name, arms, cluster in (
        ("i", WANTS, list("pqrqrpststuu")),
        ("b", WENT, list("ppqqrrssttuu")),
    ):
        values = np.array([*arms["a"], *arms["c"]])
        summary = anova_icc(values, list("aaaaaacccccc"), cluster)
        expected = 1.0 + (2.0 - 1.0) * summary.icc
        assert found.design_effects[name] == pytest.approx(expected)
    assert found.cluster_faults == {}
    assert max(found.design_effects.values()) > 1.0


def both_clustered(cluster: list[Any], **design: Any) -> ParticipantFacts:
    return facts(
        persons("i", WANTS, cluster=cluster), persons("b", WENT, cluster=list("ppqqrrssttuu")),
        design={"type": "cluster"} | design,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        ([""] * 12, "no person has a cluster"), ([None] * 12, "no person has a cluster"),
        (["", *"pqqrrssttuu"], "some persons have none"),
        (list("aaaaaacccccc"), "the ICC needs more clusters than arms"),
    ],
)  # fmt: skip
def test_clusters_that_cannot_be_used(cluster: list[Any], why: str) -> None:
    found = both_clustered(cluster)
    assert set(found.cluster_faults) == {"i"} and why in found.cluster_faults["i"]
    assert set(found.design_effects) == {"b"}


def test_no_design_effect_where_none_is_asked() -> None:
    adjusted = both_clustered([""] * 12, clustering_already_adjusted=True)
    assert adjusted.design_effects == {} == adjusted.cluster_faults
    parallel = both_clustered([""] * 12, type="parallel")
    assert parallel.design_effects == {} == parallel.cluster_faults


def pair(first: dict[str, Any], second: dict[str, Any], **more: Any) -> bool:
    own = manifest(ARMS, outcomes=[outcome("i", "intention") | first,
                                   outcome("b", "behavior") | second], **more)  # fmt: skip
    return belong_together(own, own.outcomes[0], own.outcomes[1])


def test_outcomes_that_belong_together() -> None:
    same = {"target": "x", "action": "y", "context": "z", "time": "w"}
    assert pair({}, {}) and pair(same, same) and pair(same, {}) and pair({}, same)
    for part in same:
        assert pair(same, same | {part: "other"})
        for other in set(same) - {part}:
            assert not pair(same, same | {part: "other", other: "else"})
    weeks = [{"timepoint": {"weeks": w}} for w in (2, 4)]
    assert pair(weeks[0], weeks[1]) and pair(weeks[0], weeks[0]) and not pair(weeks[1], weeks[0])
    assert pair(weeks[1], {}) and pair({}, weeks[0])


def test_declared_pairs_decide_alone() -> None:
    weeks = [{"timepoint": {"weeks": w}} for w in (2, 4)]
    declared = {"pairs": [{"upstream": "i", "behavior": "b"}]}
    assert pair(weeks[1], weeks[0], **declared)
    assert not pair(weeks[0], weeks[1], pairs=[{"upstream": "i", "behavior": "other"}])
    assert not pair(weeks[0], weeks[1], pairs=[{"upstream": "b", "behavior": "i"}])


def counts(arm: str, *cells: int, rule: str = "R2") -> dict[str, object]:
    names = ("inclined_actors", "inclined_abstainers", "disinclined_actors",
             "disinclined_abstainers")  # fmt: skip
    about = {"arm": arm, "intention": "i", "behavior": "b", "intender_rule": rule}
    return about | dict(zip(names, cells, strict=True))


def loop(cut: float, wants: dict[str, list[float]] = WANTS) -> list[tuple[int, ...]]:
    """Per arm: who reaches the cut and acts, reaches it and does not, and so on."""
    out = []
    for arm in ("a", "c"):
        cells = [0, 0, 0, 0]
        for score, act in zip(wants[arm], WENT[arm], strict=True):
            cells[2 * (score < cut) + (act != 1.0)] += 1
        out.append(tuple(cells))
    return out


def test_who_intends_and_acts_is_counted_by_the_rule() -> None:
    # R2 on a scale from 1 to 7: above the middle, 4, in the direction of intending.
    one, two = loop(4.5)
    assert both().counts == [counts("a", *one), counts("c", *two)]
    assert len(set(one)) > 1


def test_low_scores_may_be_the_intention() -> None:
    wants = {arm: [8.0 - x for x in values] for arm, values in WANTS.items()}
    found = facts(persons("i", wants), persons("b", WENT),
                  of_intention={"higher_is_better": False})  # fmt: skip
    assert found.counts == both().counts


def test_yes_no_intentions_need_no_rule() -> None:
    wants = {"a": [1.0, 0, 1, 1, 0, 1], "c": [0.0, 1, 1, 0, 0, 0]}
    found = facts(persons("i", wants), persons("b", WENT),
                  of_intention={"scale": {"type": "binary"}})  # fmt: skip
    one, two = loop(0.5, wants)
    assert found.counts == [counts("a", *one, rule="R1"), counts("c", *two, rule="R1")]


@pytest.mark.parametrize(
    "change",
    [
        {"construct": "attitude"}, {"scale": {"type": "continuous", "min": 1}},
        {"scale": {"type": "continuous", "max": 7}},
        {"timepoint": {"weeks": 9}},
    ],
)  # fmt: skip
def test_outcomes_that_are_not_counted(change: dict[str, Any]) -> None:
    rows = persons("i", WANTS), persons("b", WENT)
    own = outcomes(**change)
    own[1] |= {"timepoint": {"weeks": 3}}
    found = facts(*rows, outcomes=own)
    assert found.counts == [] and ("i", "b") in found.within_arm
    own = [outcomes()[0], outcome("b", "behavior")]
    assert facts(*rows, outcomes=own).counts == []


def test_persons_with_one_outcome_are_not_counted() -> None:
    went = persons("b", WENT)
    found = facts(persons("i", WANTS).iloc[1:], went.drop(index=[3]))
    total = [sum(int(str(c[k])) for k in c if k.startswith(("incl", "disi"))) for c in found.counts]
    assert total == [4, 6]
    found = facts(persons("i", WANTS).iloc[6:], went)
    assert [c["arm"] for c in found.counts] == ["c"]


def test_nothing_joint_of_persons_that_are_not_the_same() -> None:
    rows = pd.concat([persons("i", WANTS), persons("b", WENT, source_id="other")])
    own = manifest(ARMS, outcomes=outcomes())
    apart = participant_facts(own, rows, "R2", frozenset({frozenset({"s", "other"})}))
    assert apart.within_arm == {} and apart.counts == []
    assert set(apart.correlations) == {(k, k) for k in (KEY, ("a", "c", "b"))}
    joined = participant_facts(own, rows, "R2", frozenset({frozenset({"s", "third"})}))
    assert joined == participant_facts(own, rows, "R2")
    assert len(joined.correlations) == 4


def test_facts_do_not_depend_on_numbers_of_persons_or_the_order_of_the_table() -> None:
    """Also to the last digit: sums are those of the file's order."""
    rng = np.random.default_rng(4)
    wants = {arm: list(rng.normal(4.0, 1.0, 60).clip(1.0, 7.0)) for arm in ARMS}
    went = {arm: list((rng.random(60) < 0.4).astype(float)) for arm in ARMS}
    baseline = list(rng.normal(4.0, 1.0, 120))
    rows = pd.concat(
        [persons("i", wants, baseline=baseline), persons("b", went).drop(index=[3, 70])],
        ignore_index=True,
    )
    own = manifest(ARMS, outcomes=outcomes(baseline_column="pre"))
    expected = participant_facts(own, rows, "R2")
    assert expected.adjusted and expected.counts
    numbers = rows["participant"].str[1:].astype(int).map(dict(enumerate(rng.permutation(120))))
    assert participant_facts(own, rows.assign(participant=numbers), "R2") == expected
    assert participant_facts(own, rows.sample(frac=1.0, random_state=2), "R2") == expected
    typed = rows.assign(participant=numbers.astype("int32"), row=rows["row"].astype("int32"))
    labels = dict.fromkeys(["trial_id", "source_id", "arm", "outcome", "cluster"], "category")
    typed = typed.astype(labels)
    typed["arm"] = typed["arm"].cat.set_categories(["c", "nobody", "a"])
    assert participant_facts(own, typed, "R2") == expected


def test_upstream_outcomes_are_set_against_behaviors_only() -> None:
    third = [*outcomes(), outcome("att", "attitude"), outcome("b2", "behavior")]
    found = facts(persons("i", WANTS), persons("b", WENT), persons("att", WANTS),
                  persons("b2", WANTS), outcomes=third)  # fmt: skip
    assert set(found.within_arm) == {("i", "b"), ("att", "b"), ("i", "b2"), ("att", "b2")}
    assert len(found.counts) == 2


def test_counts_are_participants_in_short() -> None:
    own = manifest(ARMS, outcomes=outcomes(scale={"type": "binary"}))
    cells = {"a": (4, 2, 1, 3), "c": (2, 2, 3, 5)}
    names = ("inclined_actors", "inclined_abstainers", "disinclined_actors",
             "disinclined_abstainers")  # fmt: skip
    records = pd.DataFrame([
        IDENTITY | {"arm": arm, "intention": "i", "behavior": "b"}
        | dict(zip(names, map(float, one), strict=True))
        for arm, one in cells.items()
    ])  # fmt: skip
    wants = {arm: [1.0] * (n[0] + n[1]) + [0.0] * (n[2] + n[3]) for arm, n in cells.items()}
    went = {arm: [1.0] * n[0] + [0.0] * n[1] + [1.0] * n[2] + [0.0] * n[3]
            for arm, n in cells.items()}  # fmt: skip
    rows = pd.concat([persons("i", wants), persons("b", went)], ignore_index=True)
    found = facts_from_counts(own, records, "R2")
    whole = participant_facts(own, rows, "R2")
    # Persons of one kind are added up at once: the last digit may differ.
    assert found.correlations == pytest.approx(whole.correlations, rel=1e-14)
    assert found.within_arm[("i", "b")] == pytest.approx(whole.within_arm[("i", "b")], rel=1e-14)
    rest = {"correlations": {}, "within_arm": {}}
    assert replace(found, **rest) == replace(whole, **rest)
    assert found.counts == [counts(arm, *n, rule="R1") for arm, n in cells.items()]
    assert found.within_arm[("i", "b")][1] == 22
