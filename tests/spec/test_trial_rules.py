"""What the numbers of a trial say about each other, as `ibgap trial check` says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibgap.cli.check import check_folder
from tests.builders import Recipe, arm_trial, effects_trial, participant_trial
from validations.findings import Finding, Severity


def found(recipe: Recipe, folder: Path, rule: str) -> list[Finding]:
    return [f for f in check_folder(recipe.write(folder)).findings if f.rule_id == rule]


def test_the_unchanged_trials_have_no_findings(tmp_path: Path) -> None:
    for recipe in (arm_trial(), effects_trial(), participant_trial()):
        assert check_folder(recipe.write(tmp_path)).findings == []


def test_odds_ratio_off_the_middle_of_its_log_interval_is_found(tmp_path: Path) -> None:
    # Ni et al. 2025 print OR 1.67 (1.05, 2.94); a lower limit of 0.95 would be symmetric.
    misprinted = effects_trial().but("OR,1.80,0.90,3.60", "OR,1.67,1.05,2.94", "printed.csv")
    (finding,) = found(misprinted, tmp_path / "misprinted", "interval_not_symmetric")
    assert finding.severity is Severity.WARNING
    assert (finding.file, finding.row) == ("printed.csv", 3)
    assert "log scale" in finding.message
    far = effects_trial().but("OR,1.80,0.90,3.60", "OR,3.20,0.90,3.60", "printed.csv")
    (finding,) = found(far, tmp_path / "far", "interval_not_symmetric")
    assert finding.severity is Severity.HOLD
    likely = effects_trial().but("OR,1.80,0.90,3.60", "OR,1.67,0.95,2.94", "printed.csv")
    assert not found(likely, tmp_path / "likely", "interval_not_symmetric")


@pytest.mark.parametrize(("value", "favors", "is_held"), [
    ("0.42", "intervention", False),
    ("0.42", "comparator", True),
    ("0.42", "reversed", False),
])  # fmt: skip
def test_printed_direction_must_agree_with_the_sign(
    tmp_path: Path, value: str, favors: str, is_held: bool
) -> None:
    recipe = effects_trial().but("n1: n1, n2: n2}", "n1: n1, n2: n2, favors: favors}").having(
        "printed.csv",
        "outcome,statistic,value,low,high,n1,n2,favors\n"
        f"intention,d,{value},0.06,0.78,60,61,{favors}\n",
    )  # fmt: skip
    assert bool(found(recipe, tmp_path, "direction_contradicted")) is is_held


def test_cluster_trial_must_account_for_its_clusters(tmp_path: Path) -> None:
    bare = arm_trial().but("type: parallel", "type: cluster")
    held = found(bare, tmp_path / "bare", "clustering_unaccounted")
    assert len(held) == 2
    assert "icc" in held[0].fix
    for number, how in enumerate(("icc: 0.05\n  mean_cluster_size: 20",
                                  "clustering_already_adjusted: true")):  # fmt: skip
        told = arm_trial().but("type: parallel", f"type: cluster\n  {how}")
        assert not found(told, tmp_path / str(number), "clustering_unaccounted")


def test_more_analyzed_than_randomized_is_held_and_loss_is_told(tmp_path: Path) -> None:
    more = arm_trial().but("role: experimental", "role: experimental, n_randomized: 50")
    (finding,) = found(more, tmp_path / "more", "analyzed_more_than_randomized")
    assert "letter" in finding.message
    lost = arm_trial().but("role: experimental", "role: experimental, n_randomized: 80").but(
        "role: usual_care", "role: usual_care, n_randomized: 52")  # fmt: skip
    messages = [f.message for f in found(lost, tmp_path / "lost", "attrition")]
    assert len(messages) == 2
    assert "35% and 4%" in messages[0]


def test_standard_errors_entered_as_sds_are_noticed(tmp_path: Path) -> None:
    # 1.4 / sqrt(50) = 0.198: typed into the SD column it makes g about 2.6.
    recipe = arm_trial().but("3.9,1.4,", "3.9,0.198,", "table.csv").but(
        "4.4,1.3,", "4.4,0.180,", "table.csv")  # fmt: skip
    (finding,) = found(recipe, tmp_path, "effect_implausibly_large")
    assert finding.severity is Severity.WARNING
    assert "standard errors entered as SDs" in finding.message


def test_hold_of_a_huge_effect_can_be_waived_by_name(tmp_path: Path) -> None:
    huge = (
        arm_trial()
        .but("4.4,1.3,", "6.9,0.5,", "table.csv")
        .but("3.9,1.4,", "1.5,0.5,", "table.csv")
    )
    (held,) = found(huge, tmp_path / "held", "effect_implausibly_large")
    assert held.blocks
    waived = Recipe(
        huge.name,
        huge.manifest + "waivers:\n  - {rule: effect_implausibly_large, by: A. Person, "
        "reason: checked against the paper}\n",
        huge.files,
    )
    (finding,) = found(waived, tmp_path / "waived", "effect_implausibly_large")
    assert not finding.blocks
    assert finding.waived_by == "A. Person"


def test_negative_correlation_of_intention_and_behavior_is_a_doubt(tmp_path: Path) -> None:
    turned = participant_trial(persons=200).but(
        "    timepoint: {weeks: 12}", "    label: staying away\n    timepoint: {weeks: 12}"
    )
    rows = turned.files["people.csv"]
    assert isinstance(rows, str)
    head, *body = rows.strip().split("\n")
    swapped = [line[:-1] + ("0" if line.endswith("1") else "1") for line in body]
    recipe = turned.having("people.csv", "\n".join([head, *swapped]) + "\n")
    (finding,) = found(recipe, tmp_path, "direction_doubtful")
    assert "higher_is_better" in finding.fix


@pytest.mark.parametrize(
    ("sd", "other", "told"),
    [("1.4", "0.0013", True), ("0.0013", "1.4", True), ("1.3", "0.0014", False)],
)
def test_spreads_of_two_arms_are_of_one_size(
    tmp_path: Path, sd: str, other: str, told: bool
) -> None:
    recipe = arm_trial().but("50,3.9,1.4", f"50,3.9,{sd}", "table.csv")
    recipe = recipe.but("52,4.4,1.3", f"52,4.4,{other}", "table.csv")
    findings = found(recipe, tmp_path, "spreads_far_apart")
    assert bool(findings) is told
    assert all("check both SDs" in one.fix and "1000 times" in one.message for one in findings)
