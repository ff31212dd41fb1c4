"""What is said about a data file that cannot be read as the manifest says."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from assets.staging.limits import Limits
from ibgap.cli import exits
from tests.builders import Recipe, arm_trial, participant_trial

from .conftest import Answer

Check = Callable[[Recipe | Path], Answer]
P, A = participant_trial(), arm_trial()
CSV = str(P.files["people.csv"])


def _table() -> pd.DataFrame:
    return pd.read_csv(io.StringIO(CSV))


def _spreadsheet(sheet: str = "Sheet1") -> bytes:
    buffer = io.BytesIO()
    _table().to_excel(buffer, index=False, sheet_name=sheet)
    return buffer.getvalue()


def _boasting() -> bytes:
    """An SPSS file whose number of cases is damaged."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sav"
        pyreadstat.write_sav(_table(), path)
        data = path.read_bytes()
    return data[:80] + (134_217_788).to_bytes(4, "little") + data[84:]


def _headerless() -> bytes:
    buffer = io.BytesIO()
    _table().to_excel(buffer, index=False, header=False)
    return buffer.getvalue()


def _unnamed() -> bytes:
    """As written from a file that was read without its header: the first person names columns."""
    frame = pd.read_csv(io.StringIO(CSV.split("\n", 1)[1]))
    return frame.to_parquet(None)


def _named(name: str, content: bytes, file_format: str = "") -> Recipe:
    given = f"\n    format: {file_format}" if file_format else ""
    recipe = P.but("file: people.csv", f"file: {name}{given}")
    return recipe.without("people.csv").having(name, content)


FILES = [
    ("missing", P.without("people.csv"), ["'people.csv' is not in the trial folder", "none"]),
    (
        "misnamed",
        P.without("people.csv").having("People2.csv", CSV),
        ["is not in the trial folder", "files in the folder: People2.csv"],
    ),
    ("empty", P.having("people.csv", b""), ["the file is empty", "export it again"]),
    ("blank lines", P.having("people.csv", b"\n \n"), ["the file is empty"]),
    (
        "header only",
        P.having("people.csv", CSV.splitlines()[0] + "\n"),
        ["a header but no rows", "with its data"],
    ),
    (
        "cut inside a quote",
        P.having("people.csv", CSV + 'P999,control,S1,"4'),
        ["ends inside a quoted cell", "truncated", "export it again"],
    ),
    (
        "cut inside a row",
        P.having("people.csv", CSV + "P999,cont"),
        ["row 62", "5 cells", "truncated"],
    ),
    (
        "ragged",
        P.having("people.csv", CSV.replace("\nP003,", "\nP003,extra,")),
        ["row 4", "5 cells", "quote cells"],
    ),
    (
        "utf-16 without its mark",
        P.having("people.csv", CSV.replace("S1", "Zürich").encode("utf-16-le")),
        ["set format.encoding", "utf-16-le"],
    ),
    (
        "latin-1",
        P.having("people.csv", CSV.replace("S1", "Zürich").encode("latin-1")),
        ["not utf-8 text (row", "set format.encoding"],
    ),
    (
        "no such encoding",
        P.but("    file: people.csv\n", "    file: people.csv\n    format: {encoding: utf-9}\n"),
        ["no encoding called 'utf-9'", "utf-8, latin-1 or cp1252"],
    ),
    ("binary", P.having("people.csv", bytes(range(9)) * 99), ["binary data", "not text"]),
    (
        "spreadsheet named csv",
        P.having("people.csv", _spreadsheet()),
        ["a spreadsheet or zip archive, not text", "its own extension"],
    ),
    ("PDF named csv", P.having("people.csv", b"%PDF-1.7 x"), ["a PDF, not text"]),
    (
        "blank cells",
        P.having("people.csv", ",,,,\n,,,,\n"),
        ["empty but for blank cells", "export it again"],
    ),
    (
        "quoted cells and semicolons",
        P.having("people.csv", '"person";"group";"intend"\n"P001";"letter";"3"\n'),
        ["separated by semicolons, not by commas", "format.delimiter"],
    ),
    (
        "more rows than bytes",
        _named("people.sav", _boasting()),
        ["134,217,788 rows, more than its bytes can hold", "export it again"],
    ),
    ("kind unknown", _named("people.pdf", b"%PDF-1.7 x"), ["files ending in .pdf", ".csv, .dta"]),
    (
        "cut spreadsheet",
        _named("people.xlsx", _spreadsheet()[:2000]),
        ["spreadsheet cannot be opened", "truncated", "save it again"],
    ),
    ("csv named xlsx", _named("people.xlsx", CSV.encode()), ["spreadsheet cannot be opened"]),
    (
        "no such sheet",
        _named("people.xlsx", _spreadsheet(), "{sheet: Data}"),
        ["no sheet called 'Data'", "the spreadsheet has 1 sheet; set format.sheet"],
    ),
    ("text named sav", _named("people.sav", CSV.encode()), ["cannot be opened", "damaged"]),
    ("cut parquet", _named("people.parquet", b"PAR1 and no more"), ["cannot be opened"]),
    (
        "no such header row",
        A.but("file: table.csv", "file: table.csv\n    format: {header_row: 20}"),
        ["no header in row 20", "header_row"],
    ),
    (
        "no header",
        P.having("people.csv", CSV.split("\n", 1)[1]),
        [
            "[people.csv, row 1]",
            "row 1 is not plausible as the header",
            "none of the 4 columns that the manifest names",
            "add a header row with the names of the columns (person, group, intend, visited)",
            "set format.header_row: N",
        ],
    ),
    (
        "titles above the header",
        P.having("people.csv", "Letters,,,,\nMay 2024,,,,\n" + CSV),
        ["row 3 looks like the header, not row 1", "set format.header_row: 3"],
    ),
    (
        "header row in the data",
        P.but("file: people.csv", "file: people.csv\n    format: {header_row: 4}"),
        ["row 1 looks like the header, not row 4", "set format.header_row: 1"],
    ),
    (
        "header row blank",
        P.but("file: people.csv", "file: people.csv\n    format: {header_row: 2}").having(
            "people.csv", "\n\n" + CSV
        ),
        ["row 2, which format.header_row names, is blank", "set format.header_row: 3"],
    ),
    (
        "spreadsheet without header",
        _named("people.xlsx", _headerless()),
        ["row 1 is not plausible as the header", "add a header row"],
    ),
    (
        "parquet without names",
        _named("people.parquet", _unnamed()),
        ["the names of the columns are not plausible", "write the file again with the names"],
    ),
    (
        "column twice",
        P.but("site,intend,visited", "site,intend,intend", "people.csv"),
        ["the column 'intend' stands twice", "rename one of them"],
    ),
    (
        "semicolons",
        P.having("people.csv", CSV.replace(",", ";")),
        ["separated by semicolons, not by commas", 'format.delimiter: ";"', "decimal"],
    ),
    (
        "tabs",
        A.having("table.csv", str(A.files["table.csv"]).replace(",", "\t")),
        ["separated by tabs, not by commas", "format.delimiter"],
    ),
]


@pytest.mark.parametrize(("recipe", "words"), [c[1:] for c in FILES], ids=[c[0] for c in FILES])
def test_a_file_that_cannot_be_read(read: Check, recipe: Recipe, words: list[str]) -> None:
    answer = read(recipe)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says(f"ERROR   {recipe.name} [", *words)
    answer.does_not_say("P001")


@pytest.mark.parametrize(
    ("keep", "found"), [(300, "cannot be opened"), (-200, "says it has 540 rows, and 535 are in")]
)
def test_a_truncated_spss_file(read: Check, tmp_path: Path, keep: int, found: str) -> None:
    pyreadstat.write_sav(pd.concat([_table()] * 9), tmp_path / "whole.sav")
    answer = read(_named("people.sav", (tmp_path / "whole.sav").read_bytes()[:keep]))
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says("people.sav", found, "truncated", "export it again")


def test_western_text_is_recognized(read: Check) -> None:
    answer = read(P.having("people.csv", CSV.replace("S1", "Zürich").encode("latin-1")))
    assert any(name in answer.text for name in ("cp1252", "latin-1", "iso8859-1"))


def test_a_link_out_of_the_folder(read: Check, tmp_path: Path) -> None:
    folder = P.write(tmp_path)
    outside = tmp_path / "outside.csv"
    (folder / "people.csv").rename(outside)
    (folder / "people.csv").symlink_to(outside)
    answer = read(folder)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says("'people.csv' leads outside the trial folder", "copy the file into the folder")


def test_a_linked_folder_out_of_the_folder(read: Check, tmp_path: Path) -> None:
    folder = P.but("file: people.csv", "file: data/people.csv").write(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (folder / "people.csv").rename(tmp_path / "elsewhere" / "people.csv")
    (folder / "data").symlink_to(tmp_path / "elsewhere")
    read(folder).says("'data/people.csv' leads outside the trial folder")


BLANK = {
    "one": "\n",
    "several": "\n \n\t\n",
    "of cells": ",,,,\n",
    "of quoted blanks": '" ",,\n',
    "after a byte order mark": "\ufeff\n",
}


@pytest.mark.parametrize("above", BLANK)
def test_blank_lines_above_the_header_are_passed_over(read: Check, above: str) -> None:
    lines = BLANK[above]
    wrong = CSV.replace("P004,letter", "P004,leter")
    healthy = read(P.called("healthy").having("people.csv", lines + CSV))
    assert (healthy.exit_code, healthy.text) == (exits.OK, "")
    # Rows keep their numbers in the file.
    row = 5 + lines.count("\n")
    read(P.having("people.csv", lines + wrong)).says(f"row {row}")


def test_a_byte_order_mark_is_no_part_of_the_first_name(read: Check) -> None:
    recipe = P.but("file: people.csv", "file: people.csv\n    format: {encoding: latin-1}")
    assert read(recipe.having("people.csv", ("\ufeff" + CSV).encode())).text == ""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_how_a_file_is_encoded(read: Check, encoding: str) -> None:
    text = CSV.replace("S1", "Zürich")
    recipe = P.having("people.csv", text.encode(encoding))
    healthy = read(recipe)
    assert (healthy.exit_code, healthy.text) == (exits.OK, "")
    wrong = recipe.called("wrong").having(
        "people.csv", text.replace("P004,letter", "P004,leter").encode(encoding)
    )
    read(wrong).says("row 5")
    latin = "    file: people.csv\n    format: {encoding: latin-1}\n"
    other = read(recipe.called("other").but("    file: people.csv\n", latin))
    assert other.exit_code == exits.OK
    other.says("WARNING", "the first bytes say that the file is utf-", "format.encoding says iso")


@pytest.mark.parametrize(
    ("declared", "encoding", "better"), [("latin-1", "utf-8", "utf-8"), ("latin-1", "cp1252",
                                                                         "cp1252")]
)  # fmt: skip
def test_bytes_that_look_otherwise_than_declared_are_told(
    read: Check, declared: str, encoding: str, better: str
) -> None:
    said = f"    file: people.csv\n    format: {{encoding: {declared}}}\n"
    recipe = P.but("    file: people.csv\n", said)
    recipe = recipe.having("people.csv", CSV.replace("S1", "“Zürich”").encode(encoding))
    answer = read(recipe)
    assert (answer.exit_code, answer.faults) == (exits.OK, 0)
    answer.says("WARNING", "read as iso8859-1, as declared", f"bytes look like {better}",
                f"set format.encoding: {better}")  # fmt: skip
    answer.does_not_say("Zürich")


def test_quotes_within_quotes_may_be_doubled_or_have_a_backslash(read: Check) -> None:
    for name, quote in (("doubled", '""'), ("backslash", '\\"')):
        text = CSV.replace("S1", f'"the {quote}old{quote} clinic, S1"')
        answer = read(P.called(name).having("people.csv", text))
        assert (answer.exit_code, answer.text) == (exits.OK, ""), name


def test_a_tsv_of_commas_is_read_where_the_manifest_says_so(read: Check) -> None:
    assert read(_named("people.tsv", CSV.encode(), '{delimiter: ","}')).text == ""
    assert read(_named("people.tsv", CSV.replace(",", "\t").encode()).called("other")).text == ""


@pytest.mark.parametrize("kind", ["parquet", "sav", "csv", "xlsx"])
def test_files_of_too_many_cells_are_refused(
    read: Callable[..., Answer], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"whole.{kind}"
    write: dict[str, Callable[..., object]] = {
        "parquet": pd.DataFrame.to_parquet, "sav": pyreadstat.write_sav,
        "csv": pd.DataFrame.to_csv, "xlsx": pd.DataFrame.to_excel,
    }  # fmt: skip
    write[kind](_table(), path, **({"index": False} if kind in ("csv", "xlsx") else {}))
    recipe = _named(f"people.{kind}", path.read_bytes())
    cells = 60 * 5 + (5 if kind in ("csv", "xlsx") else 0)
    answer = read(recipe, Limits(cells=cells - 1))
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says("cells; at most", f"at most {cells - 1} are read", "under [reading] in ibgap.toml")
    whole = read(recipe.called("within"), Limits(cells=cells))
    assert (whole.exit_code, whole.faults) == (exits.OK, 0)


def test_a_spreadsheet_may_begin_with_blank_rows(read: Check) -> None:
    buffer = io.BytesIO()
    _table().replace("P004", "P005").to_excel(buffer, index=False, startrow=3)
    answer = read(_named("people.xlsx", buffer.getvalue()))
    answer.says("rows 8 and 9")
    answer.does_not_say("header")


def test_missing_columns_of_a_doubtful_kind_are_counted(read: Check) -> None:
    header, rows = CSV.split("\n", 1)
    odd = header.replace("site,", "1960-03-01,").replace("visited", "mail@x.example")
    answer = read(P.having("people.csv", f"{odd}\n{rows}"))
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says("the column 'visited'", "columns: person, group, intend and 2 more")
    answer.does_not_say("1960", "mail")


def test_all_missing_columns_are_told_at_once_with_the_nearest_name(read: Check) -> None:
    recipe = P.but("arm: group", "arm: grp").but("column: visited", "column: vsited")
    answer = read(recipe)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 2)
    answer.says(
        "[people.csv, column grp]",
        "the column 'grp' (for arm)",
        "did you mean 'group'?",
        "[people.csv, column vsited]",
        "(for outcome visit)",
        "did you mean 'visited'?",
        "columns: person, group, site, intend, visited",
    )


def test_faults_of_several_files_are_told_at_once(read: Check) -> None:
    second = "  - id: more\n    kind: arm_summaries\n    file: more.csv\n    blocks: [{n: n}]\n"
    recipe = P.but("outcomes:\n", second + "outcomes:\n")
    recipe = recipe.but("    column: intend\n", "    column: intend\n    source: people\n")
    recipe = recipe.but("    column: visited\n", "    column: visited\n    source: people\n")
    answer = read(recipe.without("people.csv").having("more.csv", b""))
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 2)
    answer.says("[people.csv]", "is not in the trial folder", "[more.csv]", "the file is empty")
