"""From the accepted records of one manifest to its tables and findings."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_numbers import TABLES, Accepted, TrialNumbers, trial_numbers
from tests.journey.frames import IDENTITY, persons, printed, summaries
from tests.journey.manifests import manifest, outcome

ARMS = {"a": "experimental", "c": "control"}
WANTS = {"a": [5.0, 6, 3, 7, 4, 6], "c": [3.0, 4, 2, 5, 3, 6]}
WENT = {"a": [1.0, 1, 0, 1, 1, 0], "c": [0.0, 1, 0, 1, 0, 0]}
OUTCOMES = [
    outcome("i", "intention") | {"scale": {"type": "continuous", "min": 1, "max": 7}},
    outcome("b", "behavior", scale="binary"),
]
PEOPLE = pd.concat([persons("i", WANTS), persons("b", WENT)], ignore_index=True)


def made(
    records: dict[str, pd.DataFrame], settings: dict[str, Any] | None = None,
    accepted: dict[str, Any] | None = None, **more: Any,
) -> TrialNumbers:  # fmt: skip
    own = manifest(**{"arms": ARMS, "outcomes": OUTCOMES} | more)
    return trial_numbers(
        own, Accepted(records, **accepted or {}), AnalysisSettings(**settings or {})
    )


def arms(outcome_id: str, **more: Any) -> list[dict[str, Any]]:
    """Summaries of both arms; the intervention's mean is half an SD higher."""
    about = {"outcome": outcome_id, "n": 40.0, "sd": 1.0} | more
    return [about | {"arm": "a", "mean": 3.5}, about | {"arm": "c", "mean": 3.0}]


def in_pools(found: TrialNumbers) -> list[str]:
    return sorted(found.effects.loc[found.effects["in_pool"], "outcome_row_id"])


def rules(found: TrialNumbers) -> list[str]:
    return [f.rule_id for f in found.findings]


def test_participants_give_all_tables() -> None:
    found = made({"participant_rows": PEOPLE})
    assert set(found.facts) == {"t"} and found.facts["t"].counts
    assert len(found.arm_statistics) == 4 and len(found.participant_checks) == 4
    assert list(found.outcome_rows["outcome_id"]) == ["i", "b"]
    assert in_pools(found) == ["t:a_vs_c:b", "t:a_vs_c:i"]
    (pair,) = found.paired_effects.to_dict("records")
    assert pair["rho_origin"] == "participant_data" and pair["rho_n"] == 12
    (covariance,) = found.effect_covariances.to_dict("records")
    assert covariance["origin"] == "participant_data"
    assert covariance["covariance"] == pair["covariance"]
    assert found.assumed_covariances.empty and found.findings == []
    assert set(TABLES) == set(TrialNumbers.__dataclass_fields__) - {"facts", "findings"}


def test_nothing_accepted_gives_empty_tables() -> None:
    found = made({})
    for name in TABLES:
        table = getattr(found, name)
        assert table.empty and len(table.columns) > 4, name
    assert found.facts == {} and found.findings == []


def test_counts_are_facts_too() -> None:
    cells = {"inclined_actors": 9.0, "inclined_abstainers": 5.0, "disinclined_actors": 4.0,
             "disinclined_abstainers": 12.0}  # fmt: skip
    counts = pd.DataFrame([
        IDENTITY | {"arm": arm, "intention": "i", "behavior": "b"} | cells for arm in "ac"
    ])  # fmt: skip
    own = [outcome("i", "intention", scale="binary"), OUTCOMES[1]]
    found = made({"intention_by_action": counts}, outcomes=own)
    assert found.facts["t"].within_arm[("i", "b")][1] == 60
    assert found.paired_effects["rho_origin"].tolist() == ["participant_data"]
    assert len(found.arm_statistics) == 4 and found.participant_checks.empty
    people = pd.concat([persons("i", WENT), persons("b", WENT)], ignore_index=True)
    rows = {"intention_by_action": counts, "participant_rows": people}
    both = made(rows, outcomes=own)
    assert both.facts["t"].within_arm[("i", "b")][1] == 12


def test_the_rule_for_intenders_is_a_setting() -> None:
    counts = [made({"participant_rows": PEOPLE}, {"intender_rule": rule}).facts["t"].counts
              for rule in ("R2", "R3")]  # fmt: skip
    assert counts[0] != counts[1] and counts[1][0]["intender_rule"] == "R3"


def test_persons_that_are_not_the_same_pair_by_the_assumed_correlation() -> None:
    rows = pd.concat([persons("i", WANTS), persons("b", WENT, source_id="other")])
    found = made({"participant_rows": rows},
                 accepted={"unlinked": frozenset({frozenset({"s", "other"})})})  # fmt: skip
    assert found.paired_effects["rho_origin"].tolist() == ["assumed"]
    assert found.facts["t"].within_arm == {}


def test_items_are_checked() -> None:
    items = pd.DataFrame([
        {"outcome": "i", "participant": f"p{i:02d}", "item": q, "value": str(v)}
        for q, cells in (("q1", [1, 3, 5, 2]), ("q2", [1, 4, 4, 2])) for i, v in enumerate(cells)
    ])  # fmt: skip
    found = made({"participant_rows": PEOPLE}, accepted={"items": items})
    assert "cronbach_alpha" in set(found.participant_checks["check"])


def test_checks_are_made_where_they_are_asked_for() -> None:
    own = manifest(ARMS, outcomes=OUTCOMES)
    accepted = Accepted({"participant_rows": PEOPLE})
    found = trial_numbers(own, accepted, AnalysisSettings(), checks=False)
    whole = trial_numbers(own, accepted, AnalysisSettings())
    assert found.participant_checks.empty and len(whole.participant_checks) == 4
    assert list(found.participant_checks) == list(whole.participant_checks)
    assert found.facts == whole.facts
    pd.testing.assert_frame_equal(found.effects, whole.effects)


def test_nothing_of_the_checks_is_loaded_where_they_are_not_asked_for() -> None:
    code = """
import sys
from tests.journey.test_trial_numbers import ARMS, OUTCOMES, PEOPLE, manifest
from assets.journey.trial_numbers import Accepted, trial_numbers
from analysis.synthesis.settings import AnalysisSettings
own, accepted = manifest(ARMS, outcomes=OUTCOMES), Accepted({"participant_rows": PEOPLE})
trial_numbers(own, accepted, AnalysisSettings(), checks=False)
assert not {"pingouin", "statsmodels"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_kinds_stand_together() -> None:
    table = summaries(*arms("i"))
    effects = printed({"outcome": "b", "statistic": "d", "value": 0.2, "n1": 40.0, "n2": 40.0,
                       "intervention": "a", "comparator": "c"})  # fmt: skip
    found = made({"arm_summaries": table, "reported_effects": effects})
    assert found.outcome_rows["basis"].tolist() == ["arm_summaries", "reported_effects"]
    assert found.paired_effects["rho_within_arm"].tolist() == [0.5]
    mixed = made({"arm_summaries": summaries(*arms("i", weeks=9.0)), "participant_rows": PEOPLE})
    assert (
        mixed.arm_statistics["basis"].tolist() == ["arm_summaries"] * 2 + ["participant_rows"] * 4
    )
    assert (mixed.arm_statistics[["comparison", "instrument", "timepoint"]] == "").all(axis=None)
    assert mixed.arm_statistics.index.tolist() == list(range(6))


def test_covariances_over_the_grid() -> None:
    table = summaries(*arms("i"), *arms("b"))
    own = [OUTCOMES[0], outcome("b", "behavior")]
    found = made({"arm_summaries": table}, {"assumed_correlation": 0.3,
                 "correlation_grid": (0.0, 0.3, 0.7)}, outcomes=own)  # fmt: skip
    assert found.assumed_covariances["assumed_correlation"].tolist() == [0.0, 0.7]
    low, high = found.assumed_covariances["covariance"]
    assert low < found.effect_covariances["covariance"][0] < high
    assert found.paired_effects["rho_within_arm"].tolist() == [0.3]
    whole = made({"arm_summaries": table}, {"assumed_correlation": 0.7}, outcomes=own)
    assert whole.effect_covariances["covariance"][0] == pytest.approx(high)


def test_correlations_per_study_are_found() -> None:
    values = pd.DataFrame([{"trial_id": "t", "comparison": "", "column": "r", "value": "0.2"}])
    pair = {"upstream": "i", "behavior": "b",
            "correlation": {"column": "r", "origin": "reported_within_arm"}}  # fmt: skip
    found = made({"arm_summaries": summaries(*arms("i"), *arms("b"))}, pairs=[pair],
                 outcomes=[OUTCOMES[0], outcome("b", "behavior")],
                 accepted={"study_values": values})  # fmt: skip
    assert found.paired_effects["rho_within_arm"].tolist() == [0.2]
    assert found.assumed_covariances.empty


def test_baselines_that_are_not_used_are_told() -> None:
    own = [OUTCOMES[0] | {"baseline_column": "pre"}, OUTCOMES[1]]
    rows = pd.concat([persons("i", WANTS, baseline=2.0, file="p.csv"), persons("b", WENT)])
    found = made({"participant_rows": rows}, outcomes=own)
    (finding,) = found.findings
    assert (finding.trial_id, finding.rule_id, finding.severity.value, finding.file,
            finding.column) == ("t", "baseline_not_used", "warning", "p.csv", "pre")  # fmt: skip
    assert finding.message == (
        "i (a_vs_c) is not adjusted for its baseline: the baseline does not vary within the arms"
    )


CLUSTER = {"type": "cluster"}


def test_clusters_that_are_missing_hold_the_effects() -> None:
    found = made({"participant_rows": PEOPLE}, design=CLUSTER)
    held = [f for f in found.findings if f.blocks]
    assert {f.subject for f in held} == {"t:a_vs_c:i", "t:a_vs_c:b"} and in_pools(found) == []
    assert all("no person has a cluster" in f.message for f in held)
    assert set(found.effects.loc[found.effects["measure"] == "SMD", "reason"]) == {
        f"held: {held[0].rule_id}"
    }  # fmt: skip
    assert found.paired_effects.empty


def test_a_waiver_gives_the_effects_back() -> None:
    held = made({"participant_rows": PEOPLE}, design=CLUSTER).findings[0].rule_id
    for subject, back in (("", ["t:a_vs_c:b", "t:a_vs_c:i"]), ("i", ["t:a_vs_c:i"])):
        waiver = {"rule": held, "by": "me", "reason": "known", "subject": subject}
        found = made({"participant_rows": PEOPLE}, design=CLUSTER, waivers=[waiver])
        assert in_pools(found) == back
        waived = [f for f in found.findings if f.status == "waived"]
        assert {(f.waived_by, f.waiver_reason) for f in waived} == {("me", "known")}


def test_contrasts_of_two_interventions_stay_out() -> None:
    three = {"a": "experimental", "d": "active_comparator", "c": "control"}
    table = summaries(*arms("i"), {"arm": "d", "outcome": "i", "n": 30.0, "mean": 3.2, "sd": 1.0})
    pairs = [("a", "c"), ("a", "d")]
    found = made({"arm_summaries": table}, arms=three,
                 comparisons=[{"intervention": x, "comparator": y} for x, y in pairs])  # fmt: skip
    assert in_pools(found) == ["t:a_vs_c:i"]
    assert rules(found) == ["contrast_not_in_pools"]
    smd = found.effects[found.effects["measure"] == "SMD"]
    assert smd["reason"].tolist()[1].startswith("it compares two interventions")


def test_one_outcome_twice_stays_out() -> None:
    own = [*OUTCOMES, outcome("again", "intention")]
    rows = pd.concat([PEOPLE, persons("again", WANTS)], ignore_index=True)
    found = made({"participant_rows": rows}, outcomes=own)
    assert in_pools(found) == ["t:a_vs_c:b"]
    assert rules(found).count("effects_determine_each_other") == 2
    held = found.effects.set_index("effect_id")["reason"]
    assert held["t:a_vs_c:again:SMD"] == "held: effects_determine_each_other"


def test_correlations_that_were_moved_are_told() -> None:
    names = ("i", "j", "k")
    own = [outcome("i", "intention"), outcome("j", "behavior"), outcome("k", "behavior")]
    given = {"origin": "reported_within_arm"}
    pairs = [{"upstream": "i", "behavior": b, "correlation": given | {"value": v}}
             for b, v in (("j", 0.94), ("k", -0.94))]  # fmt: skip
    table = summaries(*(row for name in names for row in arms(name)))
    found = made({"arm_summaries": table}, outcomes=own, pairs=pairs)
    moved = [f for f in found.findings if f.rule_id == "correlations_contradict"]
    assert [(f.trial_id, f.severity.value) for f in moved] == [("t", "info")]
    assert "direction_doubtful" in rules(found)


def test_the_settings_reach_the_effects() -> None:
    table = {"arm_summaries": summaries(*arms("i"))}
    plain, wide = made(table), made(table, {"level": 0.99})
    assert (wide.effects["ci_ub"] > plain.effects["ci_ub"]).all()


def test_accepted_records_by_trial() -> None:
    whole = Accepted(
        {"arm_summaries": summaries({"trial_id": "t/y"}, {"trial_id": "t/x"}, {"trial_id": "t/y"}),
         "correlations": pd.DataFrame({"trial_id": ["t/z", "t/x"]})},
        pd.DataFrame({"item": ["q"]}),
        pd.DataFrame({"trial_id": ["t/x", "t/y"], "value": ["1", "2"]}),
        frozenset({frozenset({"s", "u"})}),
    )  # fmt: skip
    assert whole.trials == ["t/y", "t/x", "t/z"]
    one = whole.of_trial("t/x")
    assert one.trials == ["t/x"] and set(one.records) == {"arm_summaries", "correlations"}
    assert all(frame.index.tolist() == [0] for frame in one.records.values())
    assert one.study_values["value"].tolist() == ["1"] and one.items is whole.items
    assert one.unlinked == whole.unlinked
    assert set(whole.of_trial("t/z").records) == {"correlations"}
    assert Accepted(whole.records).of_trial("t/x").study_values.empty
    kind = Accepted({}).kind("correlations")
    assert list(kind.columns) == ["trial_id", "collection_id", "variable_1", "variable_2", "r", "n"]
    assert whole.kind("correlations") is whole.records["correlations"]
