"""What the command line says about settings, folders and arguments that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from assets.staging.limits import Limits, Watch
from ibgap.cli import exits
from ibgap.cli.draft_sheets import upper_rows
from pipelines.settings import SettingsError, load_settings
from tests.builders import arm_trial, participant_trial

from .conftest import Answer

Command = Callable[..., Answer]

WRONG = [
    ("unknown", 'tau_method = "REML"', ["no setting 'tau_method'", "tau2_method"]),
    ("median split", 'intender_rule = "median"', ["intender_rule is 'median'", "R2, R3, R4"]),
    ("method", 'tau2_method = "EM"', ["tau2_method is 'EM'", "REML"]),
    ("profile", 'disclosure = "off"', ["disclosure is 'off'", "rounded, basic, none"]),
    ("executor", 'executor = "threads"', ["executor is 'threads'", "in_process"]),
    ("not a number", 'keep_releases = "all"', ["keep_releases is 'all'", "something like 0"]),
    ("correlation", "assumed_correlation = 1.5", ["a correlation of 1.5 is impossible"]),
    ("correlation of one", "correlation_grid = [0.5, 1.0]", ["a correlation of 1 is impossible"]),
    ("level", "level = 95", ["the level 95 is impossible", "0.95"]),
    ("protocol of no text", "protocol = 5", ["protocol is 5", "CRD42024000000"]),
    ("blank protocol", 'protocol = " \\u200b"', ["protocol is blank", "leave it out"]),
    ("long protocol", f'protocol = "{201 * "x"}"', ["protocol has 201 characters", "200"]),
    ("limit of nothing", "[reading]\nrows = 0", ["rows under [reading] is 0", "50000000"]),
    ("negative limit", "[reading]\nseconds = -1", ["seconds under [reading] is -1", "positive"]),
    ("limit without end", "[reading]\nseconds = inf", ["seconds under [reading] is inf"]),
    ("limit that is none", "[reading]\nunpacked_megabytes = nan", ["is nan", "2000"]),
    ("part of a row", "[reading]\nrows = 2.5", ["rows under [reading] is 2.5", "whole number"]),
    ("limit in words", '[reading]\ncells = "many"', ["cells under [reading] is 'many'"]),
    ("limit that is true", "[reading]\ncolumns = true", ["columns under [reading] is True"]),
    ("unknown limit", "[reading]\nsheets = 3", ["no setting 'reading_sheets'", "reading_rows"]),
    ("a heading as a setting", "reading = 3", ["reading in ibgap.toml is 3", "[reading]"]),
    ("another heading", "analysis = 3", ["analysis in ibgap.toml is 3", "[analysis]"]),
    ("not TOML", "level = ", ["ibgap.toml cannot be read"]),
]


@pytest.mark.parametrize(("line", "words"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_a_setting_that_cannot_be(tmp_path: Path, line: str, words: list[str]) -> None:
    (tmp_path / "ibgap.toml").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, {})
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("rule", ["R1", "R5"])
def test_an_intender_rule_that_no_score_has(tmp_path: Path, rule: str) -> None:
    with pytest.raises(SettingsError):
        load_settings(tmp_path, {"IBGAP_INTENDER_RULE": rule})


def test_the_environment_wins_and_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "ibgap.toml").write_text("[analysis]\nlevel = 0.9\n", encoding="utf-8")
    assert load_settings(tmp_path, {}).analysis.level == 0.9
    assert load_settings(tmp_path, {"IBGAP_LEVEL": "0.99"}).analysis.level == 0.99
    with pytest.raises(SettingsError, match="there is no setting 'colour'"):
        load_settings(tmp_path, {"IBGAP_COLOUR": "red"})


def test_limits_of_reading(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {}).reading == Limits()
    (tmp_path / "ibgap.toml").write_text("[reading]\nrows = 70\nseconds = 2\n", encoding="utf-8")
    environment = {
        "IBGAP_READING_UNPACKED_MEGABYTES": "0.5", "IBGAP_READING_ROWS": "80",
        "IBGAP_READING_COLUMNS": "9", "IBGAP_READING_CELLS": "1e3",
        "IBGAP_READING_CELL_LENGTH": "11",
    }  # fmt: skip
    assert load_settings(tmp_path, {}).reading == replace(Limits(), rows=70, seconds=2.0)
    found = load_settings(tmp_path, environment).reading
    assert found == Limits(0.5, 80, 9, 1000, 11, 2.0)
    assert type(found.cells) is int and type(found.seconds) is float
    with pytest.raises(SettingsError, match=r"rows under \[reading\] is '0'"):
        load_settings(tmp_path, {"IBGAP_READING_ROWS": "0"})


def test_a_check_holds_the_limits(home: Path, command: Command) -> None:
    folder = arm_trial().write(home / "trials")
    (home / "ibgap.toml").write_text("[reading]\nrows = 4\n", encoding="utf-8")
    answer = command("trial", "check", folder)
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("table.csv", "5 rows; at most 4 are read", "[reading] in ibgap.toml")
    (home / "ibgap.toml").write_text("[reading]\nrows = 5\n", encoding="utf-8")
    assert command("trial", "check", folder).exit_code == exits.OK


def test_a_refresh_holds_the_limits_and_reads_again_when_they_are_raised(
    home: Path, command: Command
) -> None:
    arm_trial().write(home / "trials")
    (home / "ibgap.toml").write_text("[reading]\ncolumns = 5\n", encoding="utf-8")
    assert command("refresh").exit_code == exits.SET_ASIDE
    command("findings").says("6 columns; at most 5 are read")
    (home / "ibgap.toml").write_text("[reading]\ncolumns = 6\n", encoding="utf-8")
    assert command("refresh").exit_code == exits.OK
    command("findings").does_not_say("at most")


def test_a_draft_holds_the_limits(home: Path, command: Command) -> None:
    (home / "people.csv").write_text(str(participant_trial().files["people.csv"]))
    (home / "ibgap.toml").write_text("[reading]\ncolumns = 3\n", encoding="utf-8")
    answer = command("trial", "new", home / "people.csv")
    assert answer.exit_code == exits.USAGE
    answer.says("people.csv", "5 columns; at most 3 are read")
    assert not (home / "trials").exists()


def _book(path: Path, rows: list[list[object]], *, others: int = 0) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "About this file"
    for i in range(others):
        book.create_sheet(f"Notes {i}")["A1"] = "x" * 50
    made = book.create_sheet("Data")
    for row in rows:
        made.append(row)
    book.save(path)


ROWS: list[list[object]] = [[], ["Figures"], ["person", "group", "intend"],
                            *([f"P{i}", "ab"[i % 2], i % 7] for i in range(12))]  # fmt: skip


def test_a_draft_finds_the_table_among_the_sheets(home: Path, command: Command) -> None:
    _book(home / "study.xlsx", ROWS)
    assert command("trial", "new", home / "study.xlsx").exit_code == exits.OK
    text = (home / "trials" / "study" / "trial.yaml").read_text(encoding="utf-8")
    assert 'sheet: "Data"' in text and "header_row: 3" in text and "intend" in text


def test_a_draft_looks_at_sheets_within_the_limits(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sheets there are, looking at them takes no longer than reading one file."""
    import ibgap.cli.draft_sheets as module

    _book(home / "study.xlsx", ROWS, others=3)
    data, limits = (home / "study.xlsx").read_bytes(), Limits(cell_length=49)
    assert list(upper_rows(data, Limits())) == ["Sheet", *(f"Notes {i}" for i in range(3)), "Data"]
    assert upper_rows(data, limits) == {}
    watches = []
    monkeypatch.setattr(module, "Watch", lambda given: watches.append(given) or Watch(given))
    upper_rows(data, limits)
    assert watches == [limits]
    (home / "ibgap.toml").write_text("[reading]\ncell_length = 20\n", encoding="utf-8")
    answer = command("trial", "new", home / "study.xlsx")
    assert answer.exit_code == exits.USAGE
    answer.says("20 characters of a cell", "[reading]")


def test_a_protocol_is_one_clean_line_that_the_release_carries(tmp_path: Path) -> None:
    (tmp_path / "ibgap.toml").write_text('protocol = " CRD42\\u202e 1\\n"\n', encoding="utf-8")
    found = load_settings(tmp_path, {})
    assert found.protocol == "CRD42 1" == found.as_record()["protocol"]
    assert load_settings(tmp_path, {"IBGAP_PROTOCOL": "10.1/x"}).protocol == "10.1/x"
    assert load_settings(tmp_path, {"IBGAP_PROTOCOL": ""}).as_record()["protocol"] == ""


def test_paths_are_taken_from_the_folder_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "ibgap.toml").write_text('trials_dir = "mine"\n', encoding="utf-8")
    assert load_settings(environment={"IBGAP_HOME": str(tmp_path)}).trials_dir == tmp_path / "mine"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IBGAP_HOME", str(tmp_path))
    return tmp_path


def test_a_wrong_setting_on_the_command_line(home: Path, command: Command) -> None:
    (home / "ibgap.toml").write_text('intender_rule = "median"\n', encoding="utf-8")
    answer = command("refresh")
    assert answer.exit_code == exits.USAGE
    answer.says("ibgap: ", "intender_rule", "'median'", "possible")


def test_no_trials_folder(home: Path, command: Command) -> None:
    answer = command("refresh")
    assert answer.exit_code == exits.NO_RELEASE
    answer.says("no trials folder 'trials'", "trial.yaml", "trials_dir")
    assert not (home / "releases").exists()


def test_zero_trials(home: Path, command: Command) -> None:
    (home / "trials" / "_drafts").mkdir(parents=True)
    (home / "trials" / ".hidden").mkdir()
    answer = command("refresh")
    assert answer.exit_code == exits.NO_RELEASE
    answer.says("holds no trial", "ibgap trial new FILE")


@pytest.mark.parametrize(
    "arguments",
    [("gap",), ("pool",), ("effects",), ("findings",), ("explain", "x"),
     ("export", "--to", "there")],
    ids=lambda a: a[0],
)  # fmt: skip
def test_no_release_yet(home: Path, command: Command, arguments: tuple[str, ...]) -> None:
    answer = command(*arguments)
    assert answer.exit_code == exits.NO_RELEASE
    answer.says("there is no release yet", "run `ibgap refresh`")
    assert not Path("there").exists()


def test_a_draft_of_a_file_that_cannot_be_read(home: Path, command: Command) -> None:
    (home / "empty.csv").write_bytes(b"")
    answer = command("trial", "new", home / "empty.csv")
    assert answer.exit_code == exits.USAGE
    answer.says("empty.csv: the file is empty")
    assert not (home / "trials").exists()


def test_a_draft_where_a_folder_is(home: Path, command: Command) -> None:
    (home / "people.csv").write_text(str(participant_trial().files["people.csv"]))
    assert command("trial", "new", home / "people.csv").exit_code == exits.OK
    answer = command("trial", "new", home / "people.csv")
    assert answer.exit_code == exits.USAGE
    answer.says("exists already", "rename")


def test_the_advice_for_a_folder_without_manifest_works(home: Path, command: Command) -> None:
    folder = arm_trial().write(home / "trials")
    (folder / "trial.yaml").unlink()
    command("trial", "check", folder).says(f"ibgap trial new {folder.name}/table.csv")
    # The advice names the file from the trials folder.
    assert command("trial", "new", f"{folder.name}/table.csv").exit_code == exits.OK
    assert (folder / "trial.yaml").is_file()
    assert [path.name for path in (home / "trials").iterdir()] == [folder.name]
    command("trial", "check", folder).says("1 of 1 effects usable")


def test_the_advice_for_a_folder_that_cannot_be_a_trial(home: Path, command: Command) -> None:
    folder = home / "trials" / "Smith 2020"
    folder.mkdir(parents=True)
    (folder / "table.csv").write_text(str(arm_trial().files["table.csv"]))
    answer = command("trial", "new", folder / "table.csv")
    assert answer.exit_code == exits.USAGE
    answer.says("'Smith 2020'", "rename it", "ibgap trial new smith_2020/table.csv")
    assert not (folder / "trial.yaml").exists()


def test_help_has_an_example_for_every_command(command: Command) -> None:
    for name in ("refresh", "gap", "pool", "effects", "findings", "explain", "export", "dashboard"):
        command(name, "--help").says("Example:", f"ibgap {name}")
    for name in ("new", "check", "schema"):
        command("trial", name, "--help").says("Example:", f"ibgap trial {name}")
