"""What the store keeps of a trial's journey, what it makes again, and what it never remembers."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import assets.journey.make as module
import assets.journey.trial_journey
import assets.journey.trial_numbers as numbers
import assets.staging.stage
from analysis.synthesis.settings import AnalysisSettings
from assets.journey.contents import journey_tables
from assets.journey.keys import ROOM, MadeWith, digests_of, fingerprint, is_known
from assets.journey.make import Made, keep_traces
from assets.journey.stacked import Journeys
from assets.journey.trial_journey import Journey, trial_journey
from assets.kept import LEDGER, KeptResults
from assets.staging.limits import Limits
from assets.store import TableStore
from tests.builders import Recipe, arm_trial, counts_trial, effects_trial, participant_trial
from tests.road import kept_journeys


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return arm_trial().write(tmp_path / "trials")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journeys without the second look and pingouin, which take seconds."""
    monkeypatch.setattr(numbers, "participant_checks", lambda *rows: [])
    monkeypatch.setattr(module, "second_look", lambda journeys: journeys)


def make(store: TableStore, *folders: Path, **settings: Any) -> Made:
    return kept_journeys(store.root, folders, AnalysisSettings(**settings))


def kept(store: TableStore) -> Journeys:
    return Journeys(store.room(ROOM))


def findings(store: TableStore) -> list[tuple[str, str]]:
    frame = kept(store).frame("findings")
    return list(zip(frame["trial_id"], frame["rule_id"], strict=True))


def only_file(store: TableStore) -> Path:
    (path,) = (p for p in store.room(ROOM).iterdir() if p.name != LEDGER)
    return path


def test_an_unchanged_trial_is_not_made_again(store: TableStore, folder: Path) -> None:
    first = make(store, folder)
    assert list(first.made) == ["arms_trial"] and first.reused == ()
    file = only_file(store)
    before = file.read_bytes(), file.stat().st_mtime_ns
    second = make(store, folder)
    assert second.made == {} and second.reused == ("arms_trial",)
    assert second.version == first.version
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


@pytest.mark.usefixtures("plain")
def test_files_that_the_manifest_does_not_name_do_not_count(
    store: TableStore, folder: Path
) -> None:
    make(store, folder)
    (folder / "~lock.table.csv#").write_text("x")
    (folder / "notes").mkdir()
    assert make(store, folder).reused == ("arms_trial",)


def _bytes(folder: Path, store: TableStore) -> dict[str, Any]:
    (folder / "table.csv").write_bytes((folder / "table.csv").read_bytes() + b"\n")
    return {}


def _manifest(folder: Path, store: TableStore) -> dict[str, Any]:
    (folder / "trial.yaml").write_text((folder / "trial.yaml").read_text() + "# a word\n")
    return {}


def _settings(folder: Path, store: TableStore) -> dict[str, Any]:
    return {"assumed_correlation": 0.3}


def _damaged(folder: Path, store: TableStore) -> dict[str, Any]:
    path = only_file(store)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return {}


def _missing(folder: Path, store: TableStore) -> dict[str, Any]:
    only_file(store).unlink()
    return {}


def _ledger(folder: Path, store: TableStore) -> dict[str, Any]:
    (store.room(ROOM) / LEDGER).write_text('{"arms_trial": ')
    return {}


def _no_ledger(folder: Path, store: TableStore) -> dict[str, Any]:
    (store.room(ROOM) / LEDGER).unlink()
    return {}


CHANGES = [_bytes, _manifest, _settings, _damaged, _missing, _ledger, _no_ledger]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_or_was_damaged_is_made_again(
    store: TableStore, folder: Path, change: Callable[[Path, TableStore], dict[str, Any]]
) -> None:
    other = effects_trial().write(folder.parent)
    make(store, folder)
    whole = kept(store).frame("effects")
    settings = change(folder, store)
    made = make(store, folder, other, **settings)
    assert set(made.made) == {"arms_trial", "effects_trial"}
    effects = kept(store).frame("effects")
    own = effects[effects["trial_id"] == "arms_trial"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, whole)
    assert make(store, folder, other, **settings).reused == ("arms_trial", "effects_trial")


@pytest.mark.usefixtures("plain")
def test_folders_that_are_gone_leave_the_store(store: TableStore, folder: Path) -> None:
    other = effects_trial().write(folder.parent)
    first = make(store, folder, other)
    assert kept(store).trials == ["arms_trial", "effects_trial"]
    second = make(store, other)
    assert second.reused == ("effects_trial",) and second.version != first.version
    assert kept(store).trials == ["effects_trial"] and only_file(store).exists()
    assert set(kept(store).frame("effects")["trial_id"]) == {"effects_trial"}
    assert make(store).made == {} and kept(store).trials == []


@pytest.mark.usefixtures("plain")
def test_limits_of_reading_are_part_of_what_is_known(store: TableStore, folder: Path) -> None:
    kept_journeys(store.root, [folder], limits=Limits(rows=3))
    told = findings(store)
    assert ("arms_trial", "file_too_large") in told
    assert kept_journeys(store.root, [folder], limits=Limits(rows=3)).made == {}
    assert list(kept_journeys(store.root, [folder]).made) == ["arms_trial"]
    assert findings(store) == []


@pytest.mark.usefixtures("plain")
def test_other_code_makes_everything_again(
    store: TableStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(store, folder)
    monkeypatch.setattr("assets.journey.keys.journey_code", lambda: "other")
    assert list(make(store, folder).made) == ["arms_trial"]
    assert make(store, folder).made == {}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("file", ["table.csv", "trial.yaml"])
def test_files_that_change_while_they_are_read_are_not_known_for_long(
    store: TableStore, folder: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """A folder is still being copied: its journey is used, and made anew by the next run."""
    whole = module.trial_journey

    def while_it_is_copied(*arguments: Any) -> Journey:
        made = whole(*arguments)
        (folder / file).write_text((folder / file).read_text() + "\n")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(module, "trial_journey", while_it_is_copied)
        make(store, folder)
    assert len(kept(store).frame("effects")) > 0
    entry = KeptResults(store.room(ROOM)).entry("arms_trial")
    assert entry is not None and entry.key == ""
    assert list(make(store, folder).made) == ["arms_trial"]
    assert make(store, folder).reused == ("arms_trial",)


@pytest.mark.usefixtures("plain")
def test_a_file_that_is_missing_and_then_comes_is_read(store: TableStore, folder: Path) -> None:
    table = (folder / "table.csv").read_bytes()
    (folder / "table.csv").unlink()
    make(store, folder)
    assert len(findings(store)) == 1 and kept(store).frame("effects").empty
    assert make(store, folder).reused == ("arms_trial",)
    (folder / "table.csv").write_bytes(table)
    assert list(make(store, folder).made) == ["arms_trial"] and findings(store) == []


def test_fingerprints_know_names_and_bytes(folder: Path) -> None:
    def finger(*names: str) -> str:
        return fingerprint(digests_of(folder, names))

    first = finger("table.csv")
    assert finger("table.csv", "table.csv") == first
    assert finger("missing.csv") != finger()
    (folder / "table.csv").write_text("")
    assert finger("table.csv") != first


def test_fingerprints_stay_inside_the_folder(folder: Path) -> None:
    outside = folder.parent / "secret.csv"
    outside.write_text("a")
    (folder / "link.csv").symlink_to(outside)
    names = ["../secret.csv", "link.csv", str(outside)]
    first = digests_of(folder, names)
    assert [first[name] for name in names] == [""] * 3
    outside.write_text("b")
    assert digests_of(folder, names) == first


# Choices of the analyst: a journey may know some of them, and none of the others.

CHANGED: dict[str, Any] = {
    "tau2_method": "DL", "ci_method": "wald", "pi_method": "t_k_minus_2", "level": 0.8,
    "smd_variance": "UB", "odds_to_smd": "cox", "zero_cells": "all", "assumed_correlation": 0.2,
    "within_construct_correlation": 0.1, "correlation_grid": (0.1, 0.6), "intender_rule": "R3",
    "smallest_worthwhile": 0.4, "seed": 1,
}  # fmt: skip
LATER = {"tau2_method", "ci_method", "pi_method", "smallest_worthwhile", "seed"}
"""Choices that begin after the journeys."""


def test_every_choice_of_the_analyst_is_of_one_kind() -> None:
    names = {f.name for f in fields(AnalysisSettings)}
    assert set(CHANGED) == names and names > LATER
    plain = AnalysisSettings()
    assert all(getattr(plain, name) != value for name, value in CHANGED.items())
    key = MadeWith.of(plain).key("finger")
    moved = {
        name
        for name, value in CHANGED.items()
        if MadeWith.of(replace(plain, **{name: value})).key("finger") != key
    }
    assert moved == names - LATER


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Trials of every kind of data; one with a cell without events, one with two behaviors."""
    root = tmp_path_factory.mktemp("four")
    zero = arm_trial().but("control,visit,48,,,12", "control,visit,48,,,0", "table.csv")
    call = (
        "  - {id: call, construct: behavior, scale: {type: binary}, higher_is_better: true,\n"
        "     timepoint: {weeks: 12}}\nprovenance:"
    )
    more = effects_trial().but("provenance:", call)
    table = str(more.files["printed.csv"]) + "call,OR,1.50,0.80,2.81,60,61\n"
    recipes = (participant_trial(), zero, more.having("printed.csv", table), counts_trial())
    return [recipe.write(root) for recipe in recipes]


def tables_of(folder: Path, settings: AnalysisSettings) -> dict[str, Any]:
    made = trial_journey(folder, settings, checks=False)
    assert not made.traces
    return journey_tables(made, "finger")


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return list(one) == list(two) and all(one[n].equals(two[n]) for n in one)


@pytest.mark.parametrize("name", sorted(LATER))
def test_no_table_of_a_journey_knows_a_later_choice(four: list[Path], name: str) -> None:
    """The choice itself is handed over here, which a refresh does not."""
    changed = replace(AnalysisSettings(), **{name: CHANGED[name]})
    for folder in four:
        assert same(tables_of(folder, changed), tables_of(folder, AnalysisSettings())), folder.name


def test_later_choices_are_not_even_handed_to_a_journey() -> None:
    given = MadeWith.of(AnalysisSettings(**CHANGED)).settings
    default = AnalysisSettings()
    told = {f.name: getattr(given, f.name) for f in fields(AnalysisSettings)}
    assert told == CHANGED | {name: getattr(default, name) for name in LATER}


@pytest.mark.parametrize("name", sorted(set(CHANGED) - LATER - {"level", "intender_rule"}))
def test_choices_that_a_journey_may_know_move_its_tables(four: list[Path], name: str) -> None:
    changed = replace(AnalysisSettings(), **{name: CHANGED[name]})
    assert any(
        not same(tables_of(folder, changed), tables_of(folder, AnalysisSettings()))
        for folder in four
    )


@pytest.mark.usefixtures("plain")
def test_a_later_choice_makes_no_journey_again(store: TableStore, folder: Path) -> None:
    make(store, folder)
    assert make(store, folder, seed=5, tau2_method="DL").reused == ("arms_trial",)
    assert list(make(store, folder, level=0.9).made) == ["arms_trial"]


# Faults of the machine and of the code.

FAULTS = [MemoryError(), OSError(errno.EIO, "x"), OSError(errno.EMFILE, "x")]


@pytest.mark.usefixtures("plain")
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
        make(store, folder, other)
    about = kept(store).frame("journeys").set_index("collection_id")["by_machine"]
    assert about.to_dict() == {"arms_trial": True, "effects_trial": False}
    assert findings(store) == [("arms_trial", "machine_fault")]
    again = make(store, folder, other)
    assert list(again.made) == ["arms_trial"] and again.reused == ("effects_trial",)
    assert not kept(store).frame("journeys")["by_machine"].any()
    assert set(kept(store).frame("effects")["trial_id"]) == {"arms_trial", "effects_trial"}


@pytest.mark.usefixtures("plain")
def test_a_journey_that_cannot_be_written_is_made_again(
    store: TableStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = KeptResults.write

    def full(self: KeptResults, name: str, key: str, tables: Any, files: Any = ()) -> Any:
        if "effects" in tables:
            raise OSError(errno.ENOSPC, "no space")
        return whole(self, name, key, tables, files)

    with monkeypatch.context() as patch:
        patch.setattr(KeptResults, "write", full)
        make(store, folder)
    (message,) = kept(store).frame("findings")["message"]
    assert "the disk is full" in message and kept(store).frame("journeys")["by_machine"][0]
    assert list(make(store, folder).made) == ["arms_trial"] and findings(store) == []


@pytest.mark.usefixtures("plain")
def test_a_file_that_cannot_be_read_when_it_is_asked_for_is_read_again(
    store: TableStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(store, folder)
    room = KeptResults(store.room(ROOM))
    assert is_known(room, folder, MadeWith.of(AnalysisSettings()))

    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "x")

    with monkeypatch.context() as patch:
        patch.setattr("assets.journey.keys.digests_of", fail)
        assert not is_known(room, folder, MadeWith.of(AnalysisSettings()))
        patch.setattr(module, "digests_of", fail)
        made = make(store, folder)
    assert list(made.made) == ["arms_trial"]
    entry = KeptResults(store.room(ROOM)).entry("arms_trial")
    assert entry is not None and entry.key == "", "what was read is not known for good"


@pytest.mark.usefixtures("plain")
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
    assert findings(store) == [("arms_trial", "unforeseen_error")]
    assert "answer 7" not in json.dumps(kept(store).frame("findings").to_dict("records"))
    assert "answer 7" not in repr(made)
    (folder / "trial.yaml").write_text((folder / "trial.yaml").read_text() + "# again\n")
    make(store, folder)
    assert not trace.exists()


def test_traces_of_a_trial_and_of_its_studies(store: TableStore) -> None:
    for name in ("t", "t_x", "tt", "t2_x"):
        store.write_text(f"traces/{name}.txt", "old")
    keep_traces(store, Journey("t", traces={"t/y": "new", "t": "again"}))
    left = {p.name: p.read_text() for p in (store.root / "traces").iterdir()}
    assert left == {"tt.txt": "old", "t2_x.txt": "old", "t_y.txt": "new", "t.txt": "again"}


def test_the_store_is_its_owners_alone(store: TableStore) -> None:
    store.write_text("traces/t.txt", "secret \ud800")
    (store.root / "room").mkdir()
    (store.root / "room" / ".writing-1-x").write_bytes(b"part")
    store.prepare()
    assert store.root.stat().st_mode & 0o777 == 0o700
    assert (store.root / "traces" / "t.txt").stat().st_mode & 0o777 == 0o600
    assert not list(store.root.rglob(".writing-*"))


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


@pytest.mark.usefixtures("plain")
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
    effects = kept(store).frame("effects")
    assert set(effects["trial_id"]) == {"review/alpha_2010", "review/gamma_2014"}
    assert findings(store) == [("review/beta_2012", "unforeseen_error")]
    assert (store.root / "traces" / "review_beta_2012.txt").exists()


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
    assert set(kept(store).frame("effects")["trial_id"]) == {"small_trial"}
    frame = kept(store).frame("findings")
    told = frame[frame["rule_id"] == "judges_disagree"]
    assert told["trial_id"].tolist() == ["arms_trial"]
    assert "value_in_range" in told["message"].iloc[0]


@pytest.mark.usefixtures("plain")
def test_a_journey_is_kept_and_read_back(store: TableStore, tmp_path: Path) -> None:
    recipe = participant_trial(persons=24).but("P001,control", "P001,nobody", "people.csv")
    folder = recipe.write(tmp_path / "trials")
    told = make(store, folder).made["small_trial"]
    journey = trial_journey(folder, AnalysisSettings())
    screened = journey.screened["participant_rows"]
    assert len(screened.accepted) == 46 and journey.manifest is not None
    assert told.rows == 46 + len(screened.rejected) and told.findings == len(journey.findings)
    finger = fingerprint(digests_of(folder, ["people.csv"]))
    tables = journey_tables(journey, finger)
    found = KeptResults(store.room(ROOM)).read("small_trial")
    assert same(found, tables)
    entry = KeptResults(store.room(ROOM)).entry("small_trial")
    assert entry is not None and entry.files == ("people.csv",)
    assert entry.key == MadeWith.of(AnalysisSettings()).key(finger)
    assert told.version == entry.digest


@pytest.mark.usefixtures("plain")
def test_a_folder_without_a_manifest_is_kept_by_its_name(store: TableStore, tmp_path: Path) -> None:
    folder = tmp_path / "trials" / "empty"
    folder.mkdir(parents=True)
    told = make(store, folder).made["empty"]
    assert (told.rows, told.findings, told.blocking) == (0, 1, 1)
    frame = kept(store).frame("trials")
    assert frame[["trial_id", "use"]].to_numpy().tolist() == [["empty", "manifest not usable"]]
    assert make(store, folder).reused == ("empty",)
