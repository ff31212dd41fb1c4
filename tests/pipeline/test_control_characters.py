"""What files, folders and labels are called never steers a terminal, a page or a spreadsheet."""

from __future__ import annotations

import io
import json
import shutil
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from ibgap.base.printable import printable
from ibgap.cli.export import export_release
from ibgap.cli.terminal import echo, echo_json
from ibgap.releases.reader import ReleaseFiles
from tests.builders import arm_trial, effects_trial, participant_trial
from tests.dashboard.made import Client

from .conftest import Home, run_steps

RED, TITLE, TURN, HIDDEN, ONE = "\x1b[31m", "\x1b]0;pwn\x07", "\u202e", "\u200b", "\x01"
"""Colors, the title of a window with a bell, the direction of text, nothing to see, no sheet."""
FOLDER = f"dir{RED}{TITLE}{TURN}"
FILE = f"peo{RED}{HIDDEN}ple.csv"
WORDS = r"\e[31mred\e]0;pwn\a \u202E \u200B \x01 \x9B end"


def quoted(words: str = WORDS) -> str:
    return f'"{words}"'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Labels, citation, notes, names of folders and files and a header with such characters;
    two releases."""
    home = Home(tmp_path_factory.mktemp("control"))
    home.trials.mkdir()
    people = participant_trial()
    csv = people.files["people.csv"]
    assert isinstance(csv, str)
    header = f"person,group,si{RED}te{TITLE},intend,visited"
    home.add(
        people.but("label: Small 2024", f"label: {quoted()}")
        .but("  citation: Invented for a test.", f"  citation: {quoted()}")
        .but("id: control, role: usual_care", f"id: control, role: usual_care, label: {quoted()}")
        .but("file: people.csv", f"file: {quoted(FILE.encode('unicode_escape').decode())}")
        .without("people.csv")
        .having(FILE, csv.replace("person,group,site,intend,visited", header))
        .but("topic: help_seeking\n", f"topic: help_seeking\nnotes: {quoted()}\n"),
        effects_trial(),
        arm_trial().called(FOLDER),
    )
    run_steps(home)
    (home.trials / "another").mkdir()
    (home.trials / "another" / f"trial{RED}.yaml").write_text("no")
    home.add(arm_trial("arms_two"))
    run_steps(home)
    return home


def raw_in(text: str) -> set[str]:
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c not in "\t\n\r"}


COMMANDS = (
    ["findings"], ["effects"], ["effects", "--all-scales"], ["gap"], ["pool"], ["diff"],
    ["findings", "--json"], ["effects", "--json"], ["gap", "--json"], ["diff", "--json"],
    ["explain", "small_trial:letter_vs_control:visit@12w:SMD"], ["explain", f"a{RED}"],
    ["pool", "--construct", f"a{TITLE}"], ["gap", "--synthesis", f"a{ONE}"],
)  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS)
def test_no_line_of_a_command_holds_them(home: Home, arguments: list[str]) -> None:
    result = home.command(*arguments)
    assert not raw_in(result.output)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if "--json" in arguments:
        json.loads(result.output)


def test_the_characters_are_shown_and_not_lost(home: Home) -> None:
    trials = home.release().table("trials").set_index("trial_id")
    assert "\\x1b[31mred\\x1b]0;pwn\\x07" in trials.loc["small_trial", "citation"]
    assert "\\u202e" in trials.loc["small_trial", "notes"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_check_of_such_a_folder(home: Home, form: list[str], tmp_path: Path) -> None:
    for folder in (*home.trials.iterdir(), tmp_path / f"gone{RED}"):
        result = home.command("trial", "check", folder, *form)
        assert not raw_in(result.output)
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_no_table_holds_them(home: Home) -> None:
    tables = home.releases / "current" / "tables"
    for path in sorted(tables.iterdir()):
        frame = home.release().table(path.stem)
        for column in frame.columns:
            for value in frame[column]:
                assert not (isinstance(value, str) and raw_in(value)), (path.stem, column)
    assert not raw_in((home.releases / "current" / "release.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", ["csv", "xlsx", "metapsy", "metafor", "parquet"])
def test_no_export_holds_them(home: Home, form: str, tmp_path: Path) -> None:
    result = home.command("export", "--format", form, "--to", tmp_path / f"x{RED}")
    assert result.exit_code == 0, result.output
    assert not raw_in(result.output)
    for path in (tmp_path / f"x{RED}").iterdir():
        if form == "xlsx":
            assert openpyxl.load_workbook(path).sheetnames
        elif form != "parquet":
            assert not raw_in(path.read_text(encoding="utf-8"))


def test_a_workbook_of_a_release_that_still_holds_them(home: Home, tmp_path: Path) -> None:
    release = home.release()
    path = tmp_path / "release" / "tables"
    path.mkdir(parents=True)
    for table in (release.folder / "tables").iterdir():
        frame = release.table(table.stem)
        text = next((c for c in frame.columns if frame[c].dtype == "string"), None)
        if text and len(frame):
            frame[text] = frame[text] + ONE
        frame.to_parquet(path / table.name)
    shutil.copy(release.folder / "release.json", path.parent)
    (made,) = export_release(ReleaseFiles(path.parent), "xlsx", tmp_path / "out")
    assert openpyxl.load_workbook(made, read_only=True).sheetnames


@pytest.fixture(scope="module")
def client(home: Home) -> Iterator[Client]:
    yield Client(home.releases)


@pytest.mark.parametrize(
    "path",
    ["/", "/forest", "/studies", "/quality", "/study?trial=small_trial", "/changes", "/report",
     "/figure/forest.svg", "/api/v1/findings.csv", "/api/v1/studies.json",
     "/api/v1/tables/trials.csv"],
)  # fmt: skip
def test_no_page_or_file_of_the_dashboard_holds_them(client: Client, path: str) -> None:
    answer = client.follow(path)
    assert answer.status_code == 200
    assert not raw_in(answer.text)


def test_the_bundle_and_a_printed_figure(client: Client) -> None:
    with zipfile.ZipFile(io.BytesIO(client.get("/bundle.zip").content)) as bundle:
        for name in bundle.namelist():
            if name.endswith((".csv", ".bib", ".json", ".md", ".py", ".R", ".html", ".svg")):
                assert not raw_in(bundle.read(name).decode()), name
    assert client.get("/figure/forest.pdf").content.startswith(b"%PDF")


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    echo(f"a{RED}b\tc\nd{TURN}")
    assert capsys.readouterr().out == "a\\x1b[31mb\tc\nd\\u202e\n"
    value = {"a": f"{RED}\x7f{TURN}\U000e0001é"}
    echo_json(json.dumps(value, ensure_ascii=False))
    said = capsys.readouterr().out
    assert json.loads(said) == value
    assert printable(said) == said and "é" in said
