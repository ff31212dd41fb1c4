"""What the store remembers of a trial, what it makes again, and what it never remembers."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from assets.steps import Journeys, fingerprint, make_journeys

import assets.journey.trial_journey
import assets.staging.stage
from analysis.synthesis.settings import AnalysisSettings
from assets.store import TableStore
from tests.builders import Recipe, arm_trial, effects_trial, participant_trial


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    made = TableStore(tmp_path / "store")
    made.prepare()
    return made


def make(store: TableStore, *folders: Path, **settings: Any) -> dict[str, dict[str, Any]]:
    return make_journeys(store, list(folders), AnalysisSettings(**settings))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return arm_trial().write(tmp_path / "trials")


def test_an_unchanged_trial_is_not_made_again(store: TableStore, folder: Path) -> None:
    assert make(store, folder)["arms_trial"]["reused"] is False
    assert make(store, folder)["arms_trial"]["reused"] is True


def test_files_that_the_manifest_does_not_name_do_not_count(
    store: TableStore, folder: Path
) -> None:
    make(store, folder)
    (folder / "~lock.table.csv#").write_text("x")
    (folder / "notes").mkdir()
    assert make(store, folder)["arms_trial"]["reused"] is True


def _bytes(folder: Path, store: TableStore) -> dict[str, Any]:
    (folder / "table.csv").write_bytes((folder / "table.csv").read_bytes() + b"\n")
    return {}


def _manifest(folder: Path, store: TableStore) -> dict[str, Any]:
    (folder / "trial.yaml").write_text((folder / "trial.yaml").read_text() + "# a word\n")
    return {}


def _settings(folder: Path, store: TableStore) -> dict[str, Any]:
    return {"assumed_correlation": 0.3}


def _damaged(folder: Path, store: TableStore) -> dict[str, Any]:
    path = store.root / "journeys" / "arms_trial" / "effects.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return {}


def _missing(folder: Path, store: TableStore) -> dict[str, Any]:
    (store.root / "journeys" / "arms_trial" / "outcome_rows.parquet").unlink()
    return {}


def _summary(folder: Path, store: TableStore) -> dict[str, Any]:
    (store.root / "journeys" / "arms_trial" / "summary.json").write_text('{"key": ')
    return {}


@pytest.mark.parametrize("change", [_bytes, _manifest, _settings, _damaged, _missing, _summary])
def test_what_changed_or_was_damaged_is_made_again(
    store: TableStore, folder: Path, change: Callable[[Path, TableStore], dict[str, Any]]
) -> None:
    make(store, folder)
    whole = Journeys(store, ["arms_trial"]).stack("effects")
    settings = change(folder, store)
    assert make(store, folder, **settings)["arms_trial"]["reused"] is False
    pd.testing.assert_frame_equal(Journeys(store, ["arms_trial"]).stack("effects"), whole)
    assert make(store, folder, **settings)["arms_trial"]["reused"] is True


def test_fingerprints_know_names_and_bytes(folder: Path) -> None:
    first = fingerprint(folder, ["table.csv"])
    assert fingerprint(folder, ["table.csv", "table.csv"]) == first
    assert fingerprint(folder, ["missing.csv"]) != fingerprint(folder, [])
    (folder / "table.csv").write_text("")
    assert fingerprint(folder, ["table.csv"]) != first


def test_fingerprints_stay_inside_the_folder(folder: Path) -> None:
    outside = folder.parent / "secret.csv"
    outside.write_text("a")
    (folder / "link.csv").symlink_to(outside)
    names = ["../secret.csv", "link.csv", str(outside)]
    first = fingerprint(folder, names)
    outside.write_text("b")
    assert fingerprint(folder, names) == first


FAULTS = [MemoryError(), OSError(errno.EIO, "x"), OSError(errno.EMFILE, "x")]


@pytest.mark.parametrize("error", FAULTS, ids=["memory", "disk", "files"])
def test_a_fault_of_the_machine_is_not_remembered(
    store: TableStore, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    other = effects_trial().write(folder.parent)
    whole = assets.staging.stage.read_table
    with monkeypatch.context() as patch:
        patch.setattr(
            assets.staging.stage,
            "read_table",
            lambda trial, *rest, **o: (fail if trial == "arms_trial" else whole)(trial, *rest, **o),
        )
        made = make(store, folder, other)
    assert made["arms_trial"]["by_machine"] and not made["effects_trial"]["by_machine"]
    findings = Journeys(store, ["arms_trial"]).findings
    assert [f.rule_id for f in findings] == ["machine_fault"]
    again = make(store, folder, other)
    assert not again["arms_trial"]["reused"] and not again["arms_trial"]["by_machine"]
    assert again["effects_trial"]["reused"]
    assert len(Journeys(store, ["arms_trial"]).stack("effects")) > 0


def test_a_journey_that_cannot_be_written_is_made_again(
    store: TableStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = TableStore.write

    def full(self: TableStore, name: str, frame: pd.DataFrame) -> Path:
        if name.endswith("/effects"):
            raise OSError(errno.ENOSPC, "no space")
        return whole(self, name, frame)

    with monkeypatch.context() as patch:
        patch.setattr(TableStore, "write", full)
        assert make(store, folder)["arms_trial"]["by_machine"]
    (finding,) = Journeys(store, ["arms_trial"]).findings
    assert "the disk is full" in finding.message
    assert not make(store, folder)["arms_trial"]["by_machine"]


def test_traces_are_kept_for_the_owner_and_go_with_their_cause(
    store: TableStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise ZeroDivisionError("answer 7 of person P001")

    with monkeypatch.context() as patch:
        patch.setattr(assets.journey.trial_journey, "trial_numbers", fail)
        made = make(store, folder)
    trace = store.root / "traces" / "arms_trial.txt"
    assert "answer 7" in trace.read_text() and trace.stat().st_mode & 0o777 == 0o600
    (finding,) = Journeys(store, ["arms_trial"]).findings
    assert finding.rule_id == "unforeseen_error" and "answer 7" not in finding.text()
    assert "answer 7" not in json.dumps(made)
    (folder / "trial.yaml").write_text((folder / "trial.yaml").read_text() + "# again\n")
    make(store, folder)
    assert not trace.exists()


def test_one_study_of_a_review_does_not_stop_the_others(
    store: TableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = assets.journey.trial_journey.trial_numbers

    def fail(manifest: Any, accepted: Any, settings: Any, **more: Any) -> Any:
        if "review/beta_2012" in accepted.trials:
            raise ZeroDivisionError
        return whole(manifest, accepted, settings, **more)

    monkeypatch.setattr(assets.journey.trial_journey, "trial_numbers", fail)
    make(store, REVIEW.write(tmp_path / "trials"))
    journeys = Journeys(store, ["review"])
    assert set(journeys.stack("effects")["trial_id"]) == {"review/alpha_2010", "review/gamma_2014"}
    (finding,) = journeys.findings
    assert (finding.trial_id, finding.rule_id) == ("review/beta_2012", "unforeseen_error")
    assert (store.root / "traces" / "review_beta_2012.txt").exists()


REVIEW = Recipe(
    "review",
    """\
ibgap: 1
id: review
label: Review 2020
design: {type: review}
sources:
  - id: s
    kind: arm_summaries
    file: a.csv
    blocks: [{study: study, arm: arm, n: n, mean: m, sd: sd, values: {outcome: intention}}]
outcomes:
  - {id: intention, construct: intention, scale: {type: continuous}, higher_is_better: true}
provenance: {citation: c, source: s, license: l}
""",
    {
        "a.csv": "study,arm,n,m,sd\n"
        + "".join(
            f"{study},{arm},{50 + i},{4.5 + 0.1 * i + (arm == 'intervention')},1.1\n"
            for i, study in enumerate(("Alpha 2010", "Beta 2012", "Gamma 2014"))
            for arm in ("intervention", "comparator")
        )
    },
)


def test_a_second_look_that_disagrees_sets_the_trial_aside(
    store: TableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An arm judge that lets an impossible n pass is caught by the other one."""
    import validations.judge

    recipe = arm_trial().but("control,intention,50", "control,intention,1", "table.csv")
    bad = recipe.write(tmp_path / "trials")
    good = participant_trial().write(tmp_path / "trials")
    blind = validations.judge._out_of_range

    def sees_no_small_n(values: pd.Series, column: Any) -> Any:
        found = blind(values, column)
        return found & False if column.name == "n" else found

    monkeypatch.setattr(validations.judge, "_out_of_range", sees_no_small_n)
    make(store, bad, good)
    journeys = Journeys(store, ["arms_trial", "small_trial"])
    assert set(journeys.stack("effects")["trial_id"]) == {"small_trial"}
    told = [f for f in journeys.findings if f.rule_id == "judges_disagree"]
    assert [f.trial_id for f in told] == ["arms_trial"] and "value_in_range" in told[0].message
