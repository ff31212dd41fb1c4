"""Single faults of trial folders that once ended a journey, a table or a release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.barriers import barrier_shares
from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_journey import Journey, trial_journey
from assets.outcomes.participants import participant_facts
from assets.screening.second_look import second_look
from tests.builders import Recipe, arm_trial, counts_trial, effects_trial, participant_trial
from tests.journey.manifests import manifest
from validations.manifest.model import TrialManifest


def journey(recipe: Recipe, room: Path) -> Journey:
    made = trial_journey(recipe.write(room), AnalysisSettings())
    return second_look([made])[0]


def rules(made: Journey) -> set[str]:
    return {finding.rule_id for finding in made.findings}


def with_items(recipe: Recipe, names: str) -> Recipe:
    return recipe.but("    column: intend\n", f"    column: intend\n    item_columns: {names}\n")


@pytest.mark.parametrize("names", ["[intend, intend]", "[intend, visited]"])
def test_an_item_named_twice_and_a_person_twice_leave_the_reliability(
    names: str, tmp_path: Path
) -> None:
    recipe = with_items(participant_trial(), names).but("P003,", "P001,", "people.csv")
    made = journey(recipe.but("P005,", ",", "people.csv"), tmp_path)
    assert "unforeseen_error" not in rules(made)
    checks = made.tables["participant_checks"]
    own = checks[checks["check"] == "cronbach_alpha"].iloc[0]
    expected = ("not_estimable", np.nan) if names == "[intend, intend]" else ("ok", 57.0)
    assert (own["status"], own["n"]) == pytest.approx(expected, nan_ok=True)


def test_a_score_that_only_the_arms_tell_apart_correlates_with_nothing() -> None:
    """Scores of 0 and 1 are no yes and no: without scatter in an arm there is no effect."""
    own = manifest({"c": "control", "a": "experimental"})
    arm = ["c"] * 5 + ["a"] * 5
    rows = pd.DataFrame({
        "participant": np.arange(10), "source_id": "s", "row": np.arange(10), "arm": arm,
        "outcome": "i", "value": [0.0] * 5 + [1.0] * 5, "baseline": np.nan, "cluster": None,
    })  # fmt: skip
    assert participant_facts(own, rows, "R2").correlations == {}


@pytest.mark.parametrize("weeks", ["12,12.0", "12,+12", "12,1.2e1"])
def test_equal_numbers_are_equal_keys_however_written(weeks: str, tmp_path: Path) -> None:
    first, second = weeks.split(",")
    recipe = (
        effects_trial()
        .but("n2: n2}", "n2: n2, weeks: weeks}")
        .having(
            "printed.csv",
            "outcome,statistic,value,low,high,n1,n2,weeks\n"
            f"intention,d,0.42,0.06,0.78,60,61,{first}\n"
            f"intention,d,0.40,0.04,0.76,60,61,{second}\n"
            "visit,OR,1.80,0.90,3.60,60,61,12\n",
        )
    )
    made = journey(recipe, tmp_path)
    assert "row_unique" in rules(made) and "judges_disagree" not in rules(made)
    assert list(made.tables["effects"]["outcome_id"].unique()) == ["visit"]


@pytest.mark.parametrize("word", ["None", "nan", "<NA>"])
def test_a_label_that_reads_like_a_missing_value_is_not_the_missing_one(
    word: str, tmp_path: Path
) -> None:
    recipe = Recipe(
        "codings",
        "ibgap: 1\nid: codings\nlabel: Codings 2020\ndesign: {type: coding}\nsources:\n"
        "  - {id: s, kind: barrier_codings, file: a.csv, columns: {dimension: d, source: p, "
        "n_reference_points: k}}\nprovenance: {citation: c, source: s, license: CC0}\n",
        {"a.csv": f"d,p,k\nstructural,{word},3\nstructural,,4\n"},
    )
    made = journey(recipe, tmp_path)
    assert rules(made) == set()
    assert len(made.screened["barrier_codings"].accepted) == 2


def test_codings_without_a_reference_point_have_no_percent() -> None:
    shares = barrier_shares([0.0, 0.0], [1.0, 0.0])
    assert np.isnan(shares.percent).all()
    assert shares.points_per_source == pytest.approx([0.0, np.nan], nan_ok=True)


@pytest.mark.parametrize("label", [r"\u200b", r" \u00a0 ", r"\u202e\u202c"])
def test_a_trial_that_nobody_can_see_the_name_of_is_refused(label: str, tmp_path: Path) -> None:
    made = journey(participant_trial().but("label: Small 2024", f'label: "{label}"'), tmp_path)
    assert made.manifest is None and rules(made) == {"manifest_wrong_value"}


def test_what_was_read_of_a_manifest_can_be_read_again(tmp_path: Path) -> None:
    recipe = participant_trial().but("label: Small 2024", r'label: "Small\u200b  2024\u202e"')
    made = journey(recipe, tmp_path)
    assert made.manifest is not None
    again = TrialManifest.model_validate(made.manifest.model_dump(mode="json"))
    assert again == made.manifest and again.label == "Small 2024"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("role: usual_care", f"role: usual_care, n_randomized: {10**32}"),
        ("{type: continuous, min: 1, max: 7}", f"{{type: continuous, items: {10**32}}}"),
        ("{type: continuous, min: 1, max: 7}", "{type: continuous, max: 1.0e+300}"),
        ("timepoint: {weeks: 12}", "timepoint: {weeks: 1.0e+300}"),
    ],
)
def test_numbers_of_a_manifest_have_the_bounds_of_those_in_files(
    old: str, new: str, tmp_path: Path
) -> None:
    made = journey(participant_trial().but(old, new), tmp_path)
    assert made.manifest is None and rules(made) == {"manifest_wrong_value"}


def test_counts_of_an_outcome_that_is_not_declared_are_refused(tmp_path: Path) -> None:
    recipe = counts_trial().but("behavior: visit}", "behavior: visti}")
    assert rules(journey(recipe, tmp_path / "in_the_manifest")) == {"manifest_unknown_outcome"}
    recipe = counts_trial().but("      values: {intention: intention, behavior: visit}\n",
                                "      intention: i\n      behavior: b\n")  # fmt: skip
    recipe = recipe.having(
        "counts.csv",
        "arm,yes_yes,yes_no,no_yes,no_no,i,b\ncontrol,20,30,10,40,intention,visti\n"
        "letter,35,30,8,27,intention,visit\n",
    )
    made = journey(recipe, tmp_path / "in_a_cell")
    told = [f for f in made.findings if f.rule_id == "outcomes_declared"]
    assert [f.row for f in told] == [2]
    assert set(made.screened["intention_by_action"].accepted["behavior"]) == {"visit"}


@pytest.mark.parametrize(
    ("rows", "waived"),
    [("intention,t,1e29,,,60,61", True), ("intention,d,0.42,0.41999999999,0.42000000001,60,61",
     True), ("intention,d,2000,1999,2001,60,61", True), ("intention,d,3.5,3.1,3.9,60,61", False)],
)  # fmt: skip
def test_an_effect_that_nothing_has_cannot_be_waived(
    rows: str, waived: bool, tmp_path: Path
) -> None:
    recipe = effects_trial().but("intention,d,0.42,0.06,0.78,60,61", rows, "printed.csv")
    waivers = "\n".join(
        f"  - {{rule: {rule}, by: A, reason: r}}"
        for rule in ("effect_impossible", "effect_implausibly_large")
    )
    recipe = Recipe(recipe.name, recipe.manifest + f"waivers:\n{waivers}\n", recipe.files)
    made = journey(recipe, tmp_path)
    effects = made.tables["effects"].set_index("outcome_id")
    own = effects[effects["measure"] == "SMD"].loc["intention"]
    assert bool(own["in_pool"]) != waived
    assert ("effect_impossible" in rules(made)) == waived


def test_the_outcome_of_a_scale_needs_no_counts(tmp_path: Path) -> None:
    """Counts of a score: persons who are in one cell only give no scatter, and no error."""
    recipe = counts_trial().but("{type: binary}\n    higher_is_better: true\n    timepoint: "
                                "{weeks: 0}", "{type: continuous}\n    higher_is_better: true\n"
                                "    timepoint: {weeks: 0}")  # fmt: skip
    recipe = recipe.having(
        "counts.csv", "arm,yes_yes,yes_no,no_yes,no_no\ncontrol,20,30,0,0\nletter,0,0,8,27\n"
    )
    assert "unforeseen_error" not in rules(journey(recipe, tmp_path))


def test_a_negative_group_size_is_told(tmp_path: Path) -> None:
    recipe = arm_trial().but("mean: mean, sd: sd", "mean: mean, se: sd")
    recipe = recipe.but("control,intention,50", "control,intention,-4", "table.csv")
    assert rules(journey(recipe, tmp_path)) >= {"value_in_range"}
