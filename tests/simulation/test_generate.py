"""Simulated databases: the same seed gives the same bytes, more trials begin with the same ones."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ibgap.cli import exits
from ibgap.cli.command_line import main
from ibgap.simulation import (
    EVERY_KIND,
    LOAD_SHARES,
    NotEmptyError,
    Plan,
    PlanError,
    simulate,
    simulate_trial,
)
from ibgap.simulation.plan import KINDS, TOPICS


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }  # fmt: skip


@pytest.fixture(scope="module")
def drawn() -> list[tuple[dict[str, bytes], object]]:
    """The files of 150 folders, in which every kind and format occurs."""
    return [simulate_trial(Plan(seed=3), number) for number in range(1, 151)]


def test_the_same_plan_gives_the_same_bytes_in_every_format(
    drawn: list[tuple[dict[str, bytes], object]],
) -> None:
    again = [simulate_trial(Plan(seed=3), number) for number in range(1, 151)]
    assert again == drawn
    endings = Counter(Path(name).suffix for files, _ in drawn for name in files)
    assert set(endings) == {".yaml", ".csv", ".tsv", ".xlsx", ".sav", ".parquet"}


def test_no_file_tells_when_it_was_written(
    drawn: list[tuple[dict[str, bytes], object]],
) -> None:
    """Seconds would make two runs differ that are one second apart."""
    found = {Path(name).suffix: data for files, _ in drawn for name, data in files.items()}
    assert found[".sav"][92:109] == b"01 Jan 2400:00:00"
    with zipfile.ZipFile(io.BytesIO(found[".xlsx"])) as book:
        assert {info.date_time for info in book.infolist()} == {(2024, 1, 1, 0, 0, 0)}
        texts = b"".join(book.read(name) for name in book.namelist())
    assert set(re.findall(rb"20\d\d-\d\d-\d\dT[\d:]+Z", texts)) == {b"2024-01-01T00:00:00Z"}


def test_few_trials_are_the_first_of_many(tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    truth, longer = simulate(few, Plan(trials=8)), simulate(many, Plan(trials=25))
    written = files_of(many / "trials")
    assert files_of(few / "trials").items() <= written.items()
    assert len({name.split("/")[0] for name in written}) == 25
    assert truth.trials == longer.trials[:8]


def test_another_seed_gives_other_trials() -> None:
    one, other = (simulate_trial(Plan(seed=seed), 1)[1] for seed in (1, 2))
    assert one.studies != other.studies


def test_plans_that_differ_in_one_thing_keep_the_rest() -> None:
    """So that effects of a setting can be seen trial by trial."""
    plan = Plan(seed=5, defects=0.0)
    for number in range(1, 30):
        files, true = simulate_trial(plan, number)
        moved = simulate_trial(replace(plan, mean_behavior=0.3), number)[1]
        for study, other in zip(true.studies, moved.studies, strict=True):
            if study.behavior is not None and other.behavior is not None:
                assert other.behavior - study.behavior == pytest.approx(0.08)
                assert other.upstream == study.upstream
        faulty, named = simulate_trial(replace(plan, defects=1.0), number)
        assert named.studies == true.studies and named.defect is not None
        assert faulty != files


def test_kinds_come_in_their_shares() -> None:
    kinds = Counter(simulate_trial(Plan(shares=LOAD_SHARES), n)[1].kind for n in range(1, 301))
    assert set(kinds) == set(LOAD_SHARES)
    for kind, share in LOAD_SHARES.items():
        assert abs(kinds[kind] - 300 * share) < 4 * (300 * share * (1 - share)) ** 0.5


def test_every_kind_topic_and_group_occurs(drawn: list[tuple[dict[str, bytes], object]]) -> None:
    trials = [true for _, true in drawn]
    assert {one.kind for one in trials} == set(KINDS) == set(EVERY_KIND)
    assert {one.topic for one in trials} == set(TOPICS)
    assert {"main", "students", "attitudes", "correlations", "codings"} <= {
        one.synthesis for one in trials
    }
    rows = [one for one in trials if one.kind == "participant_rows"]
    assert {one.confidential for one in rows} == {True, False}
    assert all(200 <= one.persons <= 500 for one in rows)


def test_what_is_true_stands_beside_the_trials(tmp_path: Path) -> None:
    truth = simulate(tmp_path / "made", Plan(trials=12, defects=0.5))
    said = json.loads((tmp_path / "made" / "truth.json").read_text(encoding="utf-8"))
    assert said == json.loads(json.dumps(truth.as_record()))
    assert said["plan"]["mean_behavior"] == 0.22
    assert said["tau"] == [[pytest.approx(0.04), pytest.approx(0.018)],
                           [pytest.approx(0.018), pytest.approx(0.0225)]]  # fmt: skip
    named = {one["trial"]: one["defect"]["rules"] for one in said["trials"] if one["defect"]}
    assert named == {trial: list(one.rules) for trial, one in truth.defects.items()} != {}
    folders = {p.name for p in (tmp_path / "made" / "trials").iterdir()}
    assert folders == {one["trial"] for one in said["trials"]}
    assert not list((tmp_path / "made" / "trials").rglob("truth.json"))


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(NotEmptyError, match="is not an empty folder"):
        simulate(tmp_path, Plan(trials=1))
    with pytest.raises(NotEmptyError, match="is not an empty folder"):
        simulate(tmp_path / "mine.txt", Plan(trials=1))
    assert files_of(tmp_path) == {"mine.txt": b"mine"}


@pytest.mark.parametrize(
    ("given", "says"),
    [({"trials": 0}, "trials is 0"),
     ({"mean_intention": 3.0}, "an effect between -1 and 1 SD"),
     ({"tau_correlation": 1.0}, "a correlation between -1 and 1"),
     ({"dropout": (0.3, 0.1)}, "the smaller one first"),
     ({"persons": (20, 30)}, "from 60 to 1,000,000"),
     ({"shares": {"diaries": 1.0}}, "known are participant_rows"),
     ({"shares": {"review": 0.0}}, "one of them above 0"),
     ({"planning_effect": 0.5}, "at most 0.240 in size")],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_cannot_be_simulated_is_said(given: dict[str, object], says: str) -> None:
    with pytest.raises(PlanError, match=says):
        Plan(**given)  # type: ignore[arg-type]


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["simulate", *[str(a) for a in arguments]])


def test_the_command_writes_and_says_what_is_next(tmp_path: Path) -> None:
    done = command(tmp_path / "made", "--trials", 5, "--seed", 4, "--mix", "load", "--defects", 1,
                   "--dropout", 0.1, 0.2)  # fmt: skip
    assert done.exit_code == exits.OK, done.output
    assert "5 trial folders" in done.output and "Planted faults: 5" in done.output
    assert "ibgap refresh" in done.output
    plan = Plan(trials=5, seed=4, shares=LOAD_SHARES, defects=1.0, dropout=(0.1, 0.2))
    assert simulate(tmp_path / "same", plan).trials
    assert files_of(tmp_path / "same") == files_of(tmp_path / "made")
    counts = json.loads(command(tmp_path / "json", "--trials", 3, "--json").output)
    assert counts["trials"] == 3 and sum(counts["kinds"].values()) == 3


def test_the_command_refuses_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for arguments, says in (
        ((tmp_path,), "is not an empty folder"),
        ((tmp_path / "new", "--tau-correlation", 2), "tau_correlation is 2.0"),
        ((tmp_path / "mine.txt" / "new",), "could not be written"),
    ):
        done = command(*arguments)
        assert done.exit_code == exits.USAGE
        assert len(done.output.splitlines()) == 1 and says in done.output
    assert not (tmp_path / "new").exists()
