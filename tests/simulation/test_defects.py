"""Every planted fault leads to the finding it declares, and only where it was planted."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_journey import trial_journey
from ibgap.simulation.defects import DEFECTS, plant
from ibgap.simulation.design import draw_design
from ibgap.simulation.draft import Draft
from ibgap.simulation.one_trial import MAKERS
from ibgap.simulation.plan import Plan

PLAN = Plan(seed=11, defects=0.0, cluster=0.3, mean_intention=0.5)
FOLDERS = 60


@cache
def drafts() -> list[Draft]:
    """Trials of every kind that can have a fault of its own."""
    out = []
    for number in range(1, FOLDERS + 1):
        random = np.random.default_rng(number)
        design = draw_design(random, PLAN, number)
        if design.kind in MAKERS:
            out.append(MAKERS[design.kind](random, design, PLAN, (0.5, 0.3)))
    return out


def written(folder: Path, files: dict[str, bytes], name: str) -> Path:
    (folder / name).mkdir(parents=True)
    for file, content in files.items():
        (folder / name / file).write_bytes(content)
    return folder / name


def rules(folder: Path) -> set[str]:
    """Rules of what a journey finds."""
    found = trial_journey(folder, AnalysisSettings(), checks=False).findings
    return {finding.rule_id for finding in found}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_fault_leads_to_its_finding(tmp_path: Path, name: str) -> None:
    for draft in drafts():
        trial = str(draft.manifest["id"])
        files, defect = plant(np.random.default_rng(1), draft, PLAN, (name,))
        if defect is not None:
            assert files != draft.files()
            assert set(defect.rules) <= rules(written(tmp_path / "with", files, trial))
            without = written(tmp_path / "without", draft.files(), trial)
            assert not set(defect.rules) & rules(without)
            return
    raise AssertionError(f"no trial could have the fault {name}")


def test_the_rules_of_faults_are_in_the_handbook() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    assert all(f"`{rule}`" in page for rule in {defect.rule for defect in DEFECTS.values()})


def test_a_fault_that_no_folder_can_have_is_not_claimed() -> None:
    codings = Draft({"id": "x", "sources": [{"kind": "barrier_codings"}]}, {})
    files, defect = plant(np.random.default_rng(1), codings, PLAN, ("clusters_untold",))
    assert defect is None and files == codings.files()
