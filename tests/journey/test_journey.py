"""One trial's journey from its folder to its tables, and how parts of it come together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import assets.journey.trial_journey as module
from analysis.synthesis.settings import AnalysisSettings
from assets.fence import Broken
from assets.journey.trial_journey import Journey, broken_journey, trial_journey
from tests.builders import Recipe, arm_trial, effects_trial, participant_trial
from validations.findings import Finding, Severity


def travelled(recipe: Recipe, root: Path) -> Journey:
    return trial_journey(recipe.write(root), AnalysisSettings())


def rules(made: Journey) -> list[str]:
    return [f.rule_id for f in made.findings]


def test_a_healthy_trial(tmp_path: Path) -> None:
    made = travelled(participant_trial(), tmp_path)
    assert made.collection_id == "small_trial" and made.findings == [] and made.traces == {}
    assert not made.by_machine and made.manifest is not None
    assert [f["file"] for f in made.files] == ["people.csv"]
    (kind,) = made.screened
    assert kind == "participant_rows" and made.screened[kind].rejected.empty
    assert len(made.screened[kind].accepted) == 120 and made.screened[kind].checks
    assert {"rule_id", "column", "success", "evaluated", "unexpected"} <= set(
        made.screened[kind].checks[0]
    )
    assert set(made.facts) == {"small_trial"} and made.study_values.empty
    assert set(made.tables) == {
        "arm_statistics", "participant_checks", "outcome_rows", "effects", "paired_effects",
        "effect_covariances",
    }  # fmt: skip


def test_what_screening_rejects_goes_no_further(tmp_path: Path) -> None:
    recipe = arm_trial().but("letter,intention,52", "letter,intention,x", "table.csv")
    made = travelled(recipe, tmp_path)
    assert len(made.screened["arm_summaries"].accepted) == 3
    assert set(made.tables["effects"]["outcome_id"]) == {"visit"}
    assert "number_readable" in rules(made)


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    made = trial_journey(tmp_path / "t", AnalysisSettings())
    assert made.manifest is None and made.tables == {} and len(made.findings) == 1
    assert made.findings[0].trial_id == "t"


def test_declarations_that_no_row_mentions(tmp_path: Path) -> None:
    more = (
        "  - id: other\n    construct: attitude\n    scale: {type: continuous}\n"
        "    higher_is_better: true\nprovenance:"
    )
    made = travelled(arm_trial().but("provenance:", more), tmp_path / "one")
    unused = rules(made)
    assert len(unused) == 1 and "other" in made.findings[0].text()
    made = travelled(effects_trial().but("provenance:", more), tmp_path / "two")
    assert len(rules(made)) == 1 and "other" in made.findings[0].text()


def test_waivers_of_nothing_are_told(tmp_path: Path) -> None:
    waiver = "waivers: [{rule: no_such_rule, by: me, reason: none}]\nprovenance:"
    made = travelled(arm_trial().but("provenance:", waiver), tmp_path)
    assert len(made.findings) == 1 and "no_such_rule" in made.findings[0].text()


REVIEW = Recipe(
    "review",
    """\
ibgap: 1
id: review
label: Review 2020
design: {type: review}
sources:
  - {id: s, kind: reported_effects, file: a.csv, blocks: [{study: study, value: d, n1: n, n2: n,
     values: {outcome: i, statistic: d}}]}
outcomes:
  - {id: i, construct: intention, scale: {type: continuous}, higher_is_better: true}
provenance: {citation: c, source: s, license: l}
""",
    {"a.csv": "study,d,n\nAlpha,0.3,40\nBeta,0.4,50\nGamma,0.5,60\n"},
)


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, trials: set[str]) -> list[list[str]]:
    """Let the numbers of these trials fail; returns what was tried."""
    whole, tried = module.trial_numbers, []

    def fail(manifest: Any, accepted: Any, settings: Any, **more: Any) -> Any:
        tried.append(accepted.trials)
        if trials & set(accepted.trials):
            raise error
        return whole(manifest, accepted, settings, **more)

    monkeypatch.setattr(module, "trial_numbers", fail)
    return tried


ALPHA, BETA, GAMMA = "review/alpha", "review/beta", "review/gamma"


def test_a_study_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = failing(monkeypatch, ZeroDivisionError("x"), {BETA})
    made = travelled(REVIEW, tmp_path)
    assert tried == [[ALPHA, BETA, GAMMA], [ALPHA], [BETA], [GAMMA]]
    assert list(made.tables["effects"]["trial_id"]) == [ALPHA, GAMMA]
    assert list(made.tables["effects"].index) == [0, 1]
    assert [(f.trial_id, f.rule_id) for f in made.findings] == [(BETA, "unforeseen_error")]
    assert set(made.traces) == {BETA} and not made.by_machine
    assert len(made.screened["reported_effects"].accepted) == 3


def test_a_fault_of_the_machine_stops_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = failing(monkeypatch, MemoryError(), {BETA})
    made = travelled(REVIEW, tmp_path)
    assert len(tried) == 1 and made.by_machine and made.tables == {} == made.traces
    assert [(f.trial_id, f.rule_id) for f in made.findings] == [("review", "machine_fault")]


def test_a_fault_that_only_all_studies_together_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = module.trial_numbers

    def fail(manifest: Any, accepted: Any, settings: Any, **more: Any) -> Any:
        if len(accepted.trials) > 1:
            raise ZeroDivisionError
        return whole(manifest, accepted, settings, **more)

    monkeypatch.setattr(module, "trial_numbers", fail)
    made = travelled(REVIEW, tmp_path)
    assert [(f.trial_id, f.rule_id) for f in made.findings] == [("review", "unforeseen_error")]
    assert len(made.tables["effects"]) == 3


def test_a_single_trial_that_fails_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = failing(monkeypatch, ZeroDivisionError("x"), {"arms_trial"})
    made = travelled(arm_trial(), tmp_path)
    assert len(tried) == 1 and made.tables == {} and set(made.traces) == {"arms_trial"}
    assert [(f.trial_id, f.rule_id) for f in made.findings] == [("arms_trial", "unforeseen_error")]


def test_an_error_before_the_numbers_is_fenced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(module, "screen_kind", fail)
    made = travelled(arm_trial(), tmp_path)
    assert "checking the rows of arm summaries" in made.findings[0].message
    assert made.manifest is None and set(made.traces) == {"arms_trial"}


def test_a_broken_journey_keeps_what_is_known() -> None:
    finding = Finding("t", "rule", Severity.ERROR, "", "")
    old = Finding("t", "old", Severity.INFO, "", "")
    known = Journey("t", files=[{"file": "a"}], findings=[old], traces={"t/x": "before"},
                    by_machine=True, tables={"effects": None})  # type: ignore[dict-item]  # fmt: skip
    made = broken_journey("t", Broken(finding, "trace"), known)
    assert made.findings == [old, finding] and made.files == known.files and made.by_machine
    assert made.traces == {"t/x": "before", "t": "trace"} and made.tables == {}
    alone = broken_journey("t", Broken(finding, "", True))
    assert alone.findings == [finding] and alone.by_machine and alone.traces == {}
    assert alone.collection_id == "t" and alone.manifest is None and alone.files == []
    assert not broken_journey("t", Broken(finding)).by_machine
