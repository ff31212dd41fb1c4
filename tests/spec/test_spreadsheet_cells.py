"""Cells of xlsx files are read as what they are, however a program wrote them."""

from __future__ import annotations

import datetime
import io
import struct
import time
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openpyxl
import pytest
import python_calamine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.staging.columns import NOTHING, Column, Kind
from assets.staging.headers import Grid
from assets.staging.limits import Watch
from assets.staging.spreadsheets import read_spreadsheet
from assets.staging.unreadable import UnreadableError
from validations.manifest.model import FileFormat

TRANSITIONAL = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
)
STRICT = (
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
    "http://purl.oclc.org/ooxml/officeDocument/relationships",
)
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
FORMATS = {
    1: "0%", 2: "0.00%", 3: "yyyy\\-mm\\-dd", 4: "dd/mm/yyyy hh:mm", 5: "hh:mm:ss", 6: "[h]:mm",
    7: '0"%"', 8: '[Red]0.0"d"', 9: "DD.MM.YYYY", 10: "#,##0%;[Red]-#,##0%", 11: "0.0#%",
}  # fmt: skip
HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>'


def rels(found: Mapping[str, tuple[str, str]], space: str) -> str:
    each = "".join(
        f'<Relationship Id="{key}" Type="{space}/{kind}" Target="{target}"/>'
        for key, (kind, target) in found.items()
    )
    return f'<Relationships xmlns="{PACKAGE}">{each}</Relationships>'


def package(
    *sheets: tuple[str, str, str],
    strings: str = "",
    spaces: tuple[str, str] = TRANSITIONAL,
    properties: str = "",
    prefix: str = "",
    root: str = "/",
    kinds: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> bytes:
    """An xlsx file of sheets (name, state, what stands within `worksheet`), as XML."""
    main, links = spaces
    p, x = (f"{prefix}:", f' xmlns:{prefix}="{main}"') if prefix else ("", f' xmlns="{main}"')
    listed = "".join(
        f'<{p}sheet name="{name}" sheetId="{i}" state="{state}" r:id="rId{i}"/>'
        for i, (name, state, _) in enumerate(sheets, start=1)
    )
    targets = {
        f"rId{i}": ((*kinds, *["worksheet"] * len(sheets))[i - 1], f"{root}sheets/s{i}.xml")
        for i in range(1, len(sheets) + 1)
    }
    targets |= {"a": ("styles", f"{root}styles.xml"), "b": ("sharedStrings", f"{root}texts.xml")}
    numbers = "".join(
        f"<{p}numFmt numFmtId='{163 + i}' formatCode='{code}'/>" for i, code in FORMATS.items()
    )
    styles = "".join(f'<{p}xf numFmtId="{163 + i}"/>' for i in FORMATS)
    parts = {
        "_rels/.rels": rels({"r": ("officeDocument", f"{root}book.xml")}, links),
        "book.xml": f'<{p}workbook{x} xmlns:r="{links}">{properties}<{p}sheets>{listed}'
        f"</{p}sheets></{p}workbook>",
        "_rels/book.xml.rels": rels(targets, links),
        "styles.xml": f"<{p}styleSheet{x}><{p}numFmts>{numbers}</{p}numFmts><{p}cellStyleXfs>"
        f'<{p}xf numFmtId="14"/></{p}cellStyleXfs><{p}cellXfs><{p}xf numFmtId="0"/>{styles}'
        f"</{p}cellXfs></{p}styleSheet>",
        "texts.xml": f"<{p}sst{x}>{strings}</{p}sst>",
    }
    for i, (_, _, within) in enumerate(sheets, start=1):
        parts[f"sheets/s{i}.xml"] = f"<{p}worksheet{x}>{within}</{p}worksheet>"
    return zipped(parts | dict(more or {}))


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return written.getvalue()


def data(rows: str, head: str = HEAD) -> str:
    return f"<sheetData>{head}{rows}</sheetData>"


def read(file: bytes, sheet: str | None = None, *, participants: bool = False) -> Grid:
    return read_spreadsheet(file, FileFormat(sheet=sheet), participants, Watch())


def below(cells: str, **options: Any) -> Column:
    """The first column of a sheet with these cells below its name, one a row."""
    rows = "".join(f"<row>{cell}</row>" for cell in cells.split("|"))
    column = read(package(("data", "visible", data(rows)), **options)).columns[0]
    return column.take(slice(1, None))


def seen(column: Column) -> list[tuple[str, str, str]]:
    """Text, kind and look of each row."""
    texts = column.levels()
    return [
        ("", "", "")
        if code == NOTHING
        else (texts[code], Kind(int(column.kinds[code])).name, column.shown.get(int(code), ""))
        for code in column.codes
    ]


def refused(file: bytes, sheet: str | None = None, *, participants: bool = False) -> str:
    with pytest.raises(UnreadableError) as caught:
        read(file, sheet, participants=participants)
    return f"{caught.value.rule}: {caught.value.message}; {caught.value.fix}"


def book(*rows: Sequence[object]) -> openpyxl.Workbook:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(list(row))
    return made


def saved(made: openpyxl.Workbook) -> bytes:
    written = io.BytesIO()
    made.save(written)
    return written.getvalue()


CELLS = {
    "<c><v>3</v></c>": ("3", "NUMBER", ""),
    "<c><v>3.0</v></c>": ("3", "NUMBER", ""),
    "<c><v>-0</v></c>": ("0", "NUMBER", ""),
    "<c t='n'><v>0.28999999999999998</v></c>": ("0.29", "NUMBER", ""),
    "<c><v>1.234567890123E+16</v></c>": ("1.234567890123e+16", "NUMBER", ""),
    "<c><v>12345678901234567890</v></c>": ("12345678901234567890", "NUMBER", ""),
    "<c><v>007</v></c>": ("7", "NUMBER", ""),
    "<c><v>0,5</v></c>": ("0,5", "TEXT", ""),
    "<c><v>1_000</v></c>": ("1_000", "TEXT", ""),
    "<c><v>NaN</v></c>": ("", "", ""),
    "<c s='1'><v>0.45</v></c>": ("0.45", "NUMBER", "45%"),
    "<c s='1'><v>0.285</v></c>": ("0.285", "NUMBER", "29%"),
    "<c s='1'><v>-0.005</v></c>": ("-0.005", "NUMBER", "-1%"),
    "<c s='1'><v>0.28999999999999998</v></c>": ("0.29", "NUMBER", "29%"),
    "<c s='2'><v>0.5</v></c>": ("0.5", "NUMBER", "50.00%"),
    "<c s='10'><v>12.5</v></c>": ("12.5", "NUMBER", "1,250%"),
    "<c s='11'><v>0.5</v></c>": ("0.5", "NUMBER", "50.0%"),
    "<c s='11'><v>0.12345</v></c>": ("0.12345", "NUMBER", "12.35%"),
    "<c s='7'><v>45</v></c>": ("45", "NUMBER", ""),
    "<c s='8'><v>4.5</v></c>": ("4.5", "NUMBER", ""),
    "<c s='99'><v>4.5</v></c>": ("4.5", "NUMBER", ""),
    "<c s='3'><v>45306</v></c>": ("2024-01-15", "DATE", ""),
    "<c s='9'><v>45306</v></c>": ("2024-01-15", "DATE", ""),
    "<c s='3'><v>45306.75</v></c>": ("2024-01-15T18:00:00", "DATE", ""),
    "<c s='4'><v>45306</v></c>": ("2024-01-15", "DATE", ""),
    "<c s='3'><v>1</v></c>": ("1900-01-01", "DATE", ""),
    "<c s='3'><v>61</v></c>": ("1900-03-01", "DATE", ""),
    "<c s='3'><v>0</v></c>": ("0", "NUMBER", ""),
    "<c s='3'><v>-99</v></c>": ("-99", "NUMBER", ""),
    "<c s='3'><v>20240115</v></c>": ("20240115", "NUMBER", ""),
    "<c s='5'><v>0.25</v></c>": ("06:00:00", "DATE", ""),
    "<c s='6'><v>1.5</v></c>": ("36:00:00", "DATE", ""),
    "<c t='d'><v>2024-01-15T00:00:00</v></c>": ("2024-01-15", "DATE", ""),
    "<c t='d'><v>2024-01-15T10:30:00.5Z</v></c>": ("2024-01-15T10:30:00.500", "DATE", ""),
    "<c t='d'><v>soon</v></c>": ("soon", "TEXT", ""),
    "<c t='b'><v>1</v></c>": ("1", "BOOLEAN", ""),
    "<c t='b'><v>false</v></c>": ("0", "BOOLEAN", ""),
    "<c t='e'><v>#N/A</v></c>": ("", "MISSING", "#N/A"),
    "<c t='e'><v>#DIV/0!</v></c>": ("", "MISSING", "#DIV/0!"),
    "<c t='e'><v>#Jane Doe</v></c>": ("", "MISSING", "#ERROR"),
    "<c t='str'><f>A1</f><v> a b </v></c>": ("a b", "TEXT", ""),
    "<c t='str'><v>45%</v></c>": ("45%", "TEXT", ""),
    "<c t='str'><v>#N/A</v></c>": ("#N/A", "TEXT", ""),
    "<c t='str'><v>a_x000D_b_x005F_x000D_</v></c>": ("a\rb_x000D_", "TEXT", ""),
    "<c t='inlineStr'><is><t>a </t></is></c>": ("a", "TEXT", ""),
    "<c t='inlineStr'><is> <r><rPr><b/></rPr> <t>a</t> </r> <r><t>b</t></r> <rPh sb='0' eb='1'>"
    "<t>no</t></rPh> </is></c>": ("ab", "TEXT", ""),
    "<c t='s'><v>0</v></c>": ("one", "TEXT", ""),
    "<c t='s'><v> 1 </v></c>": ("rich text", "TEXT", ""),
    "<c t='s'><v>2</v></c>": ("", "", ""),
    "<c t='s'><v>3</v></c>": ("😀", "TEXT", ""),
    "<c s='1'/>": ("", "", ""),
    "<c><v/></c>": ("", "", ""),
    "<c t='s'><v/> </c>": ("", "", ""),
    "<c t='e'><v> </v> </c>": ("", "", ""),
    "<c t='inlineStr'><v>1.0</v> <is><t>1.</t></is></c>": ("1.", "TEXT", ""),
}
STRINGS = (
    "<si><t>one</t></si><si> <r><rPr><i/></rPr><t>rich </t></r> <r><t>text</t></r>"
    "<rPh sb='0' eb='1'><t>spoken</t></rPh><phoneticPr fontId='1'/> </si><si><t> </t></si>"
    "<si><t>_xD83D__xDE00_</t></si>"
)


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_read_as_what_it_is(cell: str) -> None:
    column = below("|".join([cell, "<c><v>1</v></c>", cell]), strings=STRINGS)
    one = ("1", "NUMBER", "")
    what = CELLS[cell]
    assert seen(column) == ([one] if what == ("", "", "") else [what, one, what])


def test_all_kinds_stand_in_one_column() -> None:
    cells = [cell for cell, what in CELLS.items() if what != ("", "", "")]
    column = below("|".join(cells), strings=STRINGS)
    assert seen(column) == [CELLS[cell] for cell in cells]
    percents = {i for i, cell in enumerate(cells) if CELLS[cell][2].endswith("%")}
    assert {i for i, code in enumerate(column.codes) if code in column.percents} == percents
    assert len(set(seen(column))) == len(column.texts)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<c s='3'><v>43844</v></c>", "2024-01-15"),
        ("<c s='3'><v>0</v></c>", "1904-01-01"),
        ("<c s='4'><v>43844.5</v></c>", "2024-01-15T12:00:00"),
    ],
)
def test_dates_that_count_from_1904(cell: str, text: str) -> None:
    for stated in ("1", "true"):
        made = below(cell, properties=f'<workbookPr date1904="{stated}"/>')
        assert seen(made) == [(text, "DATE", "")]


TABLE = (
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
    '<row r="2"><c r="A2"><v>1</v></c><c r="B2" s="1"><v>0.5</v></c></row>'
    '<row r="4"><c r="A4"><v>2</v></c><c r="B4" t="b"><v>1</v></c></row>'
)
NAMED = "<si><t>id</t></si><si><t>x</t></si>"
READ = [["id", "1", "2"], ["x", "0.5", "1"]]


def rows_of(grid: Grid) -> list[list[str]]:
    return [column.rows() for column in grid.columns]


def prefixed(xml: str, prefix: str) -> str:
    return (
        xml.replace("</", f"<~{prefix}:")
        .replace("<~", "</")
        .replace("<", f"<{prefix}:")
        .replace(f"<{prefix}:/", "</")
    )


@pytest.mark.parametrize("spaces", [TRANSITIONAL, STRICT], ids=["transitional", "strict"])
@pytest.mark.parametrize("prefix", ["", "x", "spreadsheet"])
@pytest.mark.parametrize("root", ["/", ""], ids=["absolute", "relative"])
def test_namespaces_prefixes_and_paths(spaces: tuple[str, str], prefix: str, root: str) -> None:
    table, strings = data(TABLE, ""), NAMED
    if prefix:
        table, strings = prefixed(table, prefix), prefixed(strings, prefix)
    made = package(
        ("data", "visible", table), strings=strings, spaces=spaces, prefix=prefix, root=root
    )
    grid = read(made)
    assert rows_of(grid) == READ
    assert grid.numbers.tolist() == [1, 2, 4]
    assert (grid.last, grid.account.blank_rows) == (4, 1)
    assert grid.columns[1].shown and grid.columns[1].percents


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.replace(' r="A', ' q="A').replace(' r="B', ' q="B'),
        lambda rows: "".join(f"<row {row}" for row in reversed(rows.split("<row ")[1:])),
        lambda rows: rows.replace('<row r="', '<row q="'),
        lambda rows: rows.replace(">", ">\n  ").replace("<c", "\n<c"),
        lambda rows: rows.replace("<c ", '<c xmlns:z="urn:z" z:r="Q9" '),
        lambda rows: "<row/>".join(["", *[f"<row {row}" for row in rows.split("<row ")[1:]]]),
        lambda rows: rows.replace('<c r="B2"', '<c r="$B$2"').replace('"A4"', '"a4"'),
    ],
    ids=["no places", "upside down", "no numbers", "spaced", "foreign", "empty rows", "absolute"],
)  # fmt: skip
def test_rows_however_they_are_written(change: Any) -> None:
    grid = read(package(("data", "visible", data(change(TABLE), "")), strings=NAMED))
    assert rows_of(grid) == READ
    assert grid.numbers.tolist() == [1, 2, 4]


def test_cells_under_another_row_stand_where_they_say() -> None:
    cells = "".join(f'<c r="A{i}"><v>{i}</v></c>' for i in (1, 11, 2, 21, 112))
    grid = read(package(("data", "visible", data(f'<row r="1">{cells}</row>', ""))))
    assert grid.numbers.tolist() == [1, 2, 11, 21, 112]
    assert rows_of(grid) == [["1", "2", "11", "21", "112"]]


def test_parts_by_other_names() -> None:
    made = package(("data", "visible", data(TABLE, "")), strings=NAMED)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    renamed = {name.replace("sheets/s1", "Sheets\\S1"): text for name, text in parts.items()}
    assert rows_of(read(zipped(renamed))) == READ


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_parts_in_other_encodings(encoding: str) -> None:
    xml = f'<worksheet xmlns="{TRANSITIONAL[0]}">{data(TABLE, "")}</worksheet>'
    more = {"sheets/s1.xml": xml.encode(encoding)}
    made = package(("data", "visible", ""), strings=NAMED, more=more)
    assert rows_of(read(made)) == READ


def one(name: str) -> str:
    return data(f'<row r="2"><c r="A2" t="str"><v>{name}</v></c></row>')


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_read_only_when_it_is_named(state: str) -> None:
    made = package(("a", state, one("a")), ("empty", "visible", data("", "")),
                   ("b", "visible", one("b")))  # fmt: skip
    grid = read(made)
    assert rows_of(grid) == [["x", "b"]]
    assert (grid.account.table, grid.account.table_state, grid.account.tables) == (
        "b", "visible", 3,
    )  # fmt: skip
    assert grid.notes == []
    named = read(made, "a")
    assert rows_of(named) == [["x", "a"]]
    assert (named.account.table, named.account.table_state) == ("a", state)


@pytest.mark.parametrize("kind", ["chartsheet", "dialogsheet", "xlMacrosheet"])
def test_sheets_without_cells_are_none(kind: str) -> None:
    made = package(("figure", "visible", one("no")), ("b", "visible", one("b")), kinds=[kind])
    grid = read(made)
    assert (grid.account.table, grid.account.tables, grid.notes) == ("b", 1, [])
    assert "the sheet 'figure' is a chart, a dialog or macros" in refused(made, "figure")


def test_every_sheet_hidden() -> None:
    made = package(("SECRET", "hidden", one("a")), ("SECRETS", "veryHidden", one("b")))
    said = refused(made, participants=True)
    assert said.startswith("sheet_missing: every sheet of the spreadsheet is hidden")
    assert "2 sheets" in said and "SECRET" not in said
    assert "sheets: SECRET, SECRETS" in refused(made)


def test_several_sheets_with_content_are_said() -> None:
    made = package(("a", "visible", one("a")), ("SECRET", "visible", one("b")),
                   ("no", "hidden", one("c")), ("empty", "visible", data("<row><c/></row>", "")),
                   ("SECRETS", "visible", one("d")))  # fmt: skip
    for participants in (True, False):
        grid = read(made, participants=participants)
        assert rows_of(grid) == [["x", "a"]]
        ((rule, message, _),) = grid.notes
        assert rule == "sheets_several"
        assert message.startswith("2 other sheets hold cells, too")
        assert ("SECRET" in message) is not participants
        assert read(made, "a", participants=participants).notes == []


def test_no_sheet_with_cells() -> None:
    empty = ("a", "visible", data("", ""))
    assert refused(package(empty)).startswith("file_empty: the sheet is empty")
    assert refused(package(empty, empty)).startswith("file_empty: the visible sheets are empty")
    assert refused(package(empty, kinds=["chartsheet"])).startswith("sheet_missing: ")


ERRORS = (
    '<row r="2"><c r="A2" t="e"><v>#N/A</v></c><c r="D2" t="e"><v>#REF!</v></c></row>'
    '<row r="3"><c r="A3"><v>1</v></c></row>'
    '<row r="5"><c r="A5" t="e"><v>#N/A</v></c><c r="B5" t="e"><v>#NUM!</v></c></row>'
)


def test_errors_are_missing_and_said() -> None:
    head = HEAD.replace("</row>", '<c r="B1" t="str"><v>y</v></c></row>')
    grid = read(package(("a", "visible", data(ERRORS, head))))
    ((rule, message, fix),) = grid.notes
    assert rule == "error_values"
    assert message == (
        "rows 2 and 5 hold errors instead of values (#N/A: 2, #NUM!: 1); they read as missing"
    )
    assert fix
    assert grid.account.missing_reasons == (("#N/A", 2), ("#NUM!", 1))
    assert grid.columns[0].filled().tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("cell", "missing"),
    [
        ("<f>1+1</f>", True),
        ("<f>1+1</f><v></v>", True),
        ("<f>1+1</f> <v></v> ", True),
        ("<f t='shared' si='0'/>", True),
        ("<f>1+1</f><v>2</v>", False),
        ("<f>1+1</f><v>0</v>", False),
    ],
)
def test_formulas_without_a_result(cell: str, missing: bool) -> None:
    for kind, empty in (("n", False), ("str", "<v></v>" in cell)):
        rows = f'<row r="2"><c r="A2" t="{kind}">{cell}</c></row><row r="3"><c><v>1</v></c></row>'
        grid = read(package(("a", "visible", data(rows))))
        rules = [note[0] for note in grid.notes]
        assert rules == ["formula_without_value"] * (missing and not empty)


def hidden(after: str = "", before: str = "", more: Mapping[str, str] | None = None) -> Grid:
    rows = "".join(
        f'<row r="{i}" hidden="{int(i in (3, 4, 9))}"><c><v>{i}</v></c></row>' for i in range(2, 6)
    )
    blank = '<row r="9" hidden="1"/>'
    within = before + data(rows + blank) + after
    return read(package(("a", "visible", within), more=more))


FILTER = '<autoFilter ref="A1:A5"><filterColumn colId="0"/></autoFilter>'


def test_rows_that_a_filter_hides_are_read_and_said() -> None:
    main, links = TRANSITIONAL
    table = {
        "sheets/_rels/s1.xml.rels": rels({"t": ("table", "../t.xml")}, links),
        "t.xml": f'<table xmlns="{main}">{FILTER}</table>',
    }
    said = [hidden(FILTER), hidden(before='<sheetPr filterMode="1"/>'), hidden(more=table)]
    for grid in said:
        assert grid.columns[0].rows() == ["x", "2", "3", "4", "5"]
        ((rule, message, _),) = grid.notes
        assert rule == "rows_hidden"
        assert message == "a filter of the sheet hides rows 3 and 4; they are read, too"
    by_hand = hidden('<autoFilter ref="A1:A5"/>')
    assert (by_hand.columns[0].rows(), by_hand.notes) == (["x", "2", "3", "4", "5"], [])


def test_of_merged_cells_the_first_holds_the_text() -> None:
    made = book(["arm", "n"], ["web", 1], [None, 2])
    made.active.merge_cells("A2:A3")
    assert rows_of(read(saved(made))) == [["arm", "web", ""], ["n", "1", "2"]]


# What libraries read of the same file, cell by cell.

FORMATS_OF_NUMBERS = ["General", "0.00", "0%", "0.0%", "#,##0", "@"]
MOMENTS = st.datetimes(
    datetime.datetime(1900, 3, 1), datetime.datetime(9999, 12, 31, 23, 59, 59)
).map(lambda moment: moment.replace(microsecond=0))
WORDS = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cn")), max_size=12)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(-1e300, 1e300, allow_subnormal=False).map(
        lambda number: float(f"{number:.16g}")  # as many digits as are written
    ),
    MOMENTS,
    MOMENTS.map(datetime.datetime.date),
    MOMENTS.map(datetime.datetime.time),
    WORDS.filter(lambda text: not text.startswith(("=", "#"))),
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=12)
)


def same(value: object, text: str, kind: str) -> bool:
    """Whether a cell that was read is the value that was written."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return (text, kind) == ("", "")
    if isinstance(value, bool):
        return (text, kind) == (str(int(value)), "BOOLEAN")
    if isinstance(value, int):
        return kind == "NUMBER" and int(text) == value
    if isinstance(value, float):
        return kind == "NUMBER" and float(text) == value
    if isinstance(value, str):
        return (text, kind) == (value.strip(), "TEXT")
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    assert isinstance(value, datetime.date | datetime.time)
    return (text, kind) == (value.isoformat(), "DATE")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TABLES)
def test_what_openpyxl_writes_reads_back(table: list[list[object]]) -> None:
    names = [f"c{i}" for i in range(len(table[0]) if table else 1)]
    grid = read(saved(book(names, *table)))
    cells = [seen(column) for column in grid.columns]
    of_row = dict(zip(grid.numbers.tolist(), zip(*cells, strict=True), strict=True))
    assert [text for text, _, _ in of_row.pop(1)] == names
    nothing = [("", "", "")] * len(names)
    for number, row in enumerate(table, start=2):
        found = of_row.pop(number, nothing)
        assert all(same(v, text, kind) for v, (text, kind, _) in zip(row, found, strict=True))
    assert not of_row


def mixed(rows: int = 400) -> openpyxl.Workbook:
    """A table of all kinds of cells with formats, gaps and a blank row."""
    chosen = np.random.default_rng(5)
    made = book(["id", "arm", "share", "score", "day", "hour", "yes", "mixed"])
    for i in range(2, rows + 2):
        moment = datetime.datetime(2024, 1, 1) + datetime.timedelta(minutes=37 * i)
        cells = [f"P{i:03d}", ("web", "Müller & <co>", " padded ")[i % 3], i / rows,
                 float(chosen.normal()), moment, moment.time(), i % 2 == 0,
                 (i, f"t{i % 5}", None, 0.1 * i)[i % 4]]  # fmt: skip
        if i == 57:
            continue
        for column, cell in enumerate(cells, start=1):
            if (i + column) % 11:
                made.active.cell(i, column, cell)
        made.active.cell(i, 3).number_format = FORMATS_OF_NUMBERS[i % 6]
    return made


def table_of(grid: Grid) -> dict[tuple[int, int], tuple[str, str, str]]:
    return {
        (number, at): cell
        for at, column in enumerate(grid.columns, start=1)
        for number, cell in zip(grid.numbers.tolist(), seen(column), strict=True)
        if cell != ("", "", "")
    }


def test_openpyxl_reads_the_same() -> None:
    file = saved(mixed())
    sheet = openpyxl.load_workbook(io.BytesIO(file)).active
    cells = {
        (cell.row, cell.column): cell.value
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    }
    found = table_of(read(file))
    assert found.keys() == cells.keys()
    assert len(cells) > 2500
    wrong = [at for at, (text, kind, _) in found.items() if not same(cells[at], text, kind)]
    assert wrong == []
    percents = {at for at in cells if "%" in sheet.cell(*at).number_format}
    assert {at for at, (_, _, shown) in found.items() if shown.endswith("%")} == percents


def test_calamine_reads_the_same() -> None:
    file = saved(mixed())
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_index(0)
    cells = {
        (number, at): value
        for number, row in enumerate(sheet.to_python(), start=1)
        for at, value in enumerate(row, start=1)
        if value != ""
    }
    found = table_of(read(file))
    assert found.keys() == cells.keys()
    for at, (text, kind, _) in found.items():
        value = cells[at]
        if kind == "NUMBER":
            assert float(text) == value
        elif kind == "BOOLEAN":
            assert bool(int(text)) is value
        else:
            assert same(value, text, kind)


# Files that are none, or want too much.


def bomb(name: str, begin: str, piece: str, end: str, megabytes: int) -> dict[str, bytes]:
    times = megabytes * 1_000_000 // len(piece)
    return {name: f"{begin}{piece * times}{end}".encode()}


SPACE = f'<worksheet xmlns="{TRANSITIONAL[0]}"><sheetData>'
BOMBS = {
    "blanks": (bomb("sheets/s1.xml", SPACE, " ", "", 250), "times its size"),
    "empty cells": (bomb("sheets/s1.xml", SPACE + "<row>", "<c/>", "", 250), "times its size"),
    "texts": (bomb("texts.xml", f'<sst xmlns="{TRANSITIONAL[0]}">', "<si/>", "", 250), "times"),
    "endless tag": (bomb("sheets/s1.xml", SPACE + "<row ", "r", "", 60), "a tag without end"),
    "endless text": (
        bomb("sheets/s1.xml", SPACE + "<row><c t='str'><v>", "text ", "", 60),
        "a cell of more characters",
    ),
    "endless shared text": (
        bomb("texts.xml", f'<sst xmlns="{TRANSITIONAL[0]}"><si><t>', "text ", "", 60),
        "a cell of more characters",
    ),
    "endless name": (bomb("styles.xml", "<styleSheet a='", "n", "", 60), "a tag without end"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_at_once(kind: str) -> None:
    parts, said = BOMBS[kind]
    made = package(("a", "visible", one("a")), more=parts)
    assert len(made) < 2_000_000
    began = time.process_time()
    assert said in refused(made)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("part", ["sheets/s1.xml", "texts.xml", "styles.xml", "book.xml"])
def test_entities_are_not_expanded(part: str) -> None:
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    xml = f'<!DOCTYPE a [<!ENTITY e0 "ten">{entities}]><a>&e9;</a>'
    said = refused(package(("a", "visible", one("a")), more={part: xml}))
    assert said.startswith("file_truncated: ") and "declares a document type" in said


def test_a_part_is_not_read_beyond_its_stated_size() -> None:
    made = bytearray(package(("a", "visible", one("a")), more=bomb("texts.xml", "", " ", "", 50)))
    stated = struct.pack("<I", 50_000_000)
    assert made.count(stated) >= 2
    began = time.process_time()
    assert refused(bytes(made.replace(stated, struct.pack("<I", 100)))).startswith("file_truncated")
    assert time.process_time() - began < 1


def test_a_small_file_of_many_cells_is_fine() -> None:
    cells = "<c t='s'><v>0</v></c>" * 10
    rows = "".join(f'<row r="{i}">{cells}</row>' for i in range(1, 20_001))
    made = package(("a", "visible", data(rows, "")), strings="<si><t>word</t></si>")
    assert len(made) < 150_000
    grid = read(made)
    assert [column.levels() for column in grid.columns] == [["word"]] * 10
    assert all(np.array_equal(column.codes, np.zeros(20_000)) for column in grid.columns)


CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000)
OTHERS = {
    "encrypted with a password": CFB + "EncryptedPackage".encode("utf-16-le"),
    "an older spreadsheet (xls), not xlsx": CFB + "Workbook".encode("utf-16-le"),
    "an older Office file, not xlsx": CFB,
    "a binary spreadsheet (xlsb), not xlsx": zipped(
        {
            "_rels/.rels": rels({"r": ("officeDocument", "xl/workbook.bin")}, TRANSITIONAL[1]),
            "xl/workbook.bin": b"\x83",
        }
    ),
    "an OpenDocument file (ods), not xlsx": zipped(
        {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<a/>"}
    ),
    "a text document (docx), not xlsx": zipped({"word/document.xml": "<a/>"}),
    "an archive without a workbook, not xlsx": zipped({"a.csv": "a,b"}),
    "a web page (HTML), not xlsx": b"\xef\xbb\xbf <HTML><table>",
    "XML, not xlsx": b"<?xml version='1.0'?><?mso-application progid='Excel.Sheet'?>",
    "damaged, truncated or another kind of file, not xlsx": b"id,arm\nCANARY,web\n",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_xlsx_is_named(kind: str) -> None:
    said = refused(OTHERS[kind])
    assert said.startswith(f"file_truncated: the spreadsheet cannot be opened: it is {kind}; ")
    assert "CANARY" not in said


def test_parts_that_are_missing_or_hold_no_such_text() -> None:
    made = package(("a", "visible", data('<row><c t="s"><v>7</v></c></row>')))
    assert "refers to a text that the file does not hold" in refused(made)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        kept = {n: archive.read(n) for n in archive.namelist() if n != "sheets/s1.xml"}
    assert "a part of it is missing" in refused(zipped(kept))
    whole = saved(mixed(50))
    for size in (10, len(whole) // 2, len(whole) - 30):
        assert refused(whole[:size]).startswith("file_truncated: the spreadsheet cannot be opened")


def test_a_part_that_is_packed_oddly_or_protected() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("_rels/.rels", "<a/>")
    assert "packed in a way" in refused(written.getvalue())
    made = bytearray(package(("a", "visible", one("a"))))
    place = made.index(b"PK\x01\x02")
    while place >= 0:
        made[place + 8] |= 1
        place = made.find(b"PK\x01\x02", place + 1)
    assert "protected with a password" in refused(bytes(made))
