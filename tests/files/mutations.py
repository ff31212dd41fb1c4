"""Files of trials, changed in every way that files are changed on their way: by seed.

A mutation says what it does to a file: `keeps` its meaning (the effects stay what they are to the
last digit), `reorders` it (sums of rows in another order are rounded otherwise), `damages` it (what
changes must be told), or `may_change` it into other data.
"""

from __future__ import annotations

import csv
import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import yaml

from tests.files.dialects import ALL, with_parts

KEEPS, REORDERS, DAMAGES, MAY_CHANGE = "keeps", "reorders", "damages", "may_change"
TEXT = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Case:
    """A trial with one data file: the name of its folder, its manifest as text, the file."""

    name: str
    manifest: str
    file: str
    data: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        return Path(self.file).suffix

    @property
    def given(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self.manifest)["sources"][0].get("format", {}))

    @property
    def of_persons(self) -> bool:
        return "kind: participant_rows" in self.manifest

    def write(self, room: Path) -> Path:
        folder = room / self.name
        folder.mkdir(parents=True)
        (folder / "trial.yaml").write_text(self.manifest, encoding="utf-8")
        (folder / self.file).write_bytes(self.data)
        return folder

    def having(self, data: bytes, **given: Any) -> Case:
        """With other bytes, and more said of the format."""
        if not given:
            return replace(self, data=data)
        manifest = yaml.safe_load(self.manifest)
        for source in manifest["sources"]:
            if source["file"] == self.file:
                source["format"] = source.get("format", {}) | given
        return replace(self, data=data, manifest=yaml.safe_dump(manifest, allow_unicode=True))

    # Text as rows; what cannot be split is not changed by rows.

    @property
    def delimiter(self) -> str:
        return str(self.given.get("delimiter", "\t" if self.kind == ".tsv" else ","))

    @property
    def encoding(self) -> str:
        return str(self.given.get("encoding", "utf-8"))

    def text(self) -> str:
        return self.data.decode(self.encoding)

    def rows(self) -> list[list[str]]:
        lines = io.StringIO(self.text(), newline="")
        return list(csv.reader(lines, delimiter=self.delimiter))

    def with_text(self, text: str) -> Case:
        return self.having(text.encode(self.encoding))

    def with_rows(self, rows: Iterable[list[str]], end: str = "\n", **how: Any) -> Case:
        written = io.StringIO(newline="")
        csv.writer(
            written, **({"delimiter": self.delimiter, "lineterminator": end} | how)
        ).writerows(rows)
        return self.with_text(written.getvalue())


@dataclass(frozen=True)
class Mutation:
    """does: `keeps`, `reorders`, `damages` or `may_change`. kinds: endings of files it is for.

    change: returns None where it cannot be done to a file; it may say what else it does.
    """

    name: str
    does: str
    kinds: tuple[str, ...]
    change: Callable[[Random, Case], Case | tuple[Case, str] | None]


@dataclass(frozen=True)
class Mutant:
    """A case as changed, what it was, and what was done to it."""

    mutation: str
    does: str
    case: Case
    whole: Case


MUTATIONS: list[Mutation] = []
_Change = Callable[[Random, Case], Case | tuple[Case, str] | None]


def _for(does: str, *kinds: str) -> Callable[[_Change], _Change]:
    def taken(change: _Change) -> _Change:
        name = change.__name__.lstrip("_")
        MUTATIONS.append(Mutation(name, does, kinds, change))
        return change

    return taken


_BINARY = (".sav", ".zsav", ".dta", ".xpt", ".xlsx", ".parquet")
_ALL = (*TEXT, *_BINARY)


@cache
def cases(root: Path) -> tuple[Case, ...]:
    """The shipped trials, and one trial in every kind of file."""
    found = []
    for folder in sorted((root / "trials").iterdir()):
        manifest = (folder / "trial.yaml").read_text(encoding="utf-8")
        (file,) = {source["file"] for source in yaml.safe_load(manifest)["sources"]}
        found.append(Case(folder.name, manifest, file, (folder / file).read_bytes()))
    for kind in (
        "csv of R", "csv2 of R", "tsv", "xlsx", "xlsx as LibreOffice writes it", "sav",
        "sav, packed", "zsav", "dta of doubles", "dta of single precision", "dta of 2007",
        "xpt, version 5", "xpt, version 8", "parquet", "parquet of pandas",
    ):  # fmt: skip
        written = ALL[kind]()
        found.append(Case("one_trial", written.manifest(), written.name, written.data))
    return tuple(found)


def mutant(seed: int, root: Path, name: str = "", largest: int = 10**9) -> Mutant:
    """The mutant of a seed: a mutation (any, or the one of this name) of any case it is for.

    largest: bytes of the largest file that is taken.
    """
    random = Random(seed)
    known = [one for one in MUTATIONS if name in ("", one.name)]
    while True:
        mutation = random.choice(known)
        fitting = [case for case in cases(root) if case.kind in mutation.kinds]
        whole = random.choice([case for case in fitting if len(case.data) <= largest])
        changed = mutation.change(random, whole)
        if changed is None:
            continue
        case, does = changed if isinstance(changed, tuple) else (changed, mutation.does)
        return Mutant(mutation.name, does, case, whole)


# What keeps the meaning of a text.


@_for(KEEPS, *TEXT)
def _mark_added(_: Random, case: Case) -> Case | None:
    return case.with_text("\ufeff" + case.text()) if case.encoding == "utf-8" else None


@_for(KEEPS, *TEXT)
def _ends_of_lines(random: Random, case: Case) -> Case:
    end = random.choice(["\r", "\r\n", "\n"])
    return case.with_rows(case.rows(), end)


@_for(KEEPS, *TEXT)
def _mixed_ends_of_lines(random: Random, case: Case) -> Case | None:
    lines = case.text().split("\n")
    if any(line.count('"') % 2 for line in lines):
        return None
    ends = ["\n", "\r\n", "\r"]
    return case.with_text("".join(line + random.choice(ends) for line in lines if line))


@_for(KEEPS, *TEXT)
def _encoded_as_declared(random: Random, case: Case) -> Case | None:
    encoding = random.choice(
        ["cp1252", "latin-1", "utf-16", "utf-32", "utf-16-le", "gb18030", "utf-8-sig", "mac-roman"]
    )
    try:
        data = case.text().encode(encoding)
    except UnicodeEncodeError:
        return None
    return case.having(data, encoding=encoding)


@_for(KEEPS, *TEXT)
def _encoded_with_a_mark(random: Random, case: Case) -> Case:
    encoding = random.choice(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
    plain = case.text().lstrip("\ufeff")
    given = {k: v for k, v in case.given.items() if k != "encoding"}
    manifest = yaml.safe_load(case.manifest)
    for source in manifest["sources"]:
        source["format"] = given
    marked = ("\ufeff" + plain).encode(encoding)
    return replace(case, data=marked, manifest=yaml.safe_dump(manifest, allow_unicode=True))


@_for(KEEPS, *TEXT)
def _columns_in_another_order(random: Random, case: Case) -> Case:
    rows = case.rows()
    order = random.sample(range(len(rows[0])), len(rows[0]))
    return case.with_rows([row[i] for i in order] for row in rows)


@_for(REORDERS, *TEXT)
def _rows_in_another_order(random: Random, case: Case) -> Case | None:
    if "fill_down" in case.manifest:
        return None
    head, *rows = case.rows()
    random.shuffle(rows)
    return case.with_rows([head, *rows])


@_for(KEEPS, *TEXT)
def _other_quotes(random: Random, case: Case) -> Case:
    how = random.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
    return case.with_rows(case.rows(), quoting=how)


@_for(KEEPS, *TEXT)
def _another_delimiter_as_declared(random: Random, case: Case) -> Case:
    sign = random.choice([";", "|", "\t", ","])
    return case.having(case.with_rows(case.rows(), delimiter=sign).data, delimiter=sign)


@_for(KEEPS, *TEXT)
def _ten_thousand_columns_more(random: Random, case: Case) -> Case:
    head, *rows = case.rows()
    more = [f"extra_{i}" for i in range(10_000)]
    cells = [random.choice(["", "1", "x"])] * len(more)
    return case.with_rows([[*head, *more], *([*row, *cells] for row in rows)])


@_for(KEEPS, *TEXT)
def _blank_lines(random: Random, case: Case) -> Case:
    rows = case.rows()
    for _ in range(random.randint(1, 5)):
        rows.insert(random.randint(1, len(rows)), random.choice([[], [""] * len(rows[0])]))
    return case.with_rows(rows)


@_for(KEEPS, *TEXT)
def _blanks_around_cells(random: Random, case: Case) -> Case:
    def padded(cell: str) -> str:
        blanks = ["", " ", "  ", "\xa0"]
        return random.choice(blanks) + cell + random.choice(blanks)

    head, *rows = case.rows()
    return case.with_rows([head, *([padded(c) for c in row] for row in rows)])


@_for(KEEPS, *TEXT)
def _an_end_mark(random: Random, case: Case) -> Case:
    return case.with_text(case.text() + random.choice(["\x1a", "\r\n\x1a", "\x1a\r\n"]))


# What damages a text.


@_for(DAMAGES, *TEXT)
def _cut(random: Random, case: Case) -> tuple[Case, str]:
    at = random.randrange(len(case.data))
    cut = case.having(case.data[:at])
    try:
        rows = cut.rows()
    except (csv.Error, UnicodeDecodeError):
        return cut, DAMAGES
    # A row that ends in its last cell, or is whole, cannot be told from one that was so.
    is_ragged = rows and len(rows[-1]) not in (0, len(rows[0]))
    return cut, DAMAGES if is_ragged or len(rows) < 2 else MAY_CHANGE


@_for(DAMAGES, *TEXT)
def _encoded_otherwise(random: Random, case: Case) -> Case | None:
    encoding = random.choice(["utf-16-le", "utf-16-be", "utf-32-le", "cp037", "cp1252", "gb18030"])
    try:
        return case.having(case.text().encode(encoding))
    except UnicodeEncodeError:
        return None


@_for(DAMAGES, *TEXT)
def _another_delimiter(random: Random, case: Case) -> Case:
    signs = [sign for sign in ";|\t," if sign != case.delimiter]
    return case.with_rows(case.rows(), delimiter=random.choice(signs))


@_for(DAMAGES, *TEXT)
def _delimiters_in_cells(random: Random, case: Case) -> Case:
    lines = case.text().splitlines(keepends=True)
    at = random.randrange(1, len(lines))
    place = random.randrange(len(lines[at]))
    lines[at] = lines[at][:place] + case.delimiter + lines[at][place:]
    return case.with_text("".join(lines))


@_for(DAMAGES, *TEXT)
def _a_quote_inserted(random: Random, case: Case) -> tuple[Case, str]:
    text = case.text()
    at = random.randrange(len(text))
    # A quote within a cell without quotes is a character like others: part of a label.
    return case.with_text(text[:at] + '"' + text[at:]), DAMAGES


@_for(DAMAGES, *TEXT)
def _nuls(random: Random, case: Case) -> Case:
    data = bytearray(case.data)
    for _ in range(random.randint(1, 4)):
        data.insert(random.randrange(len(data)), 0)
    return case.having(bytes(data))


@_for(DAMAGES, *TEXT)
def _header_removed(_: Random, case: Case) -> Case:
    return case.with_rows(case.rows()[1:])


@_for(DAMAGES, *TEXT)
def _a_name_twice(random: Random, case: Case) -> Case | None:
    head, *rows = case.rows()
    if len(head) < 2:
        return None
    one, two = random.sample(range(len(head)), 2)
    head[one] = head[two]
    return case.with_rows([head, *rows])


@_for(DAMAGES, *TEXT)
def _a_cell_less(random: Random, case: Case) -> Case | None:
    rows = case.rows()
    row = rows[random.randrange(1, len(rows))]
    if len(row) < 2:
        return None
    del row[random.randrange(len(row))]
    return case.with_rows(rows)


@_for(DAMAGES, *TEXT)
def _numbers_as_words(random: Random, case: Case) -> Case | None:
    """A letter behind a number, as with l for 1 and O for 0."""
    rows = case.rows()
    numbers = [
        (i, j) for i, row in enumerate(rows[1:], 1) for j, cell in enumerate(row)
        if re.fullmatch(r"-?\d+(\.\d+)?", cell)
    ]  # fmt: skip
    if not numbers:
        return None
    i, j = random.choice(numbers)
    rows[i][j] += random.choice(["l", "O", " kg", "?", "*", "..", "''"])
    return case.with_rows(rows)


# What makes other data of a text, or may.


@_for(MAY_CHANGE, *TEXT)
def _rows_deleted(random: Random, case: Case) -> Case:
    rows = case.rows()
    for _ in range(random.randint(1, 20)):
        if len(rows) > 1:
            del rows[random.randrange(1, len(rows))]
    return case.with_rows(rows)


@_for(MAY_CHANGE, *TEXT)
def _rows_doubled(random: Random, case: Case) -> tuple[Case, str]:
    rows = case.rows()
    for _ in range(random.randint(1, 5)):
        row = rows[random.randrange(1, len(rows))]
        rows.insert(random.randint(1, len(rows)), row)
    # A person is there once; a row of a table may stand for several contrasts that are alike.
    return case.with_rows(rows), DAMAGES if case.of_persons else MAY_CHANGE


@_for(MAY_CHANGE, *TEXT)
def _header_doubled(random: Random, case: Case) -> Case:
    rows = case.rows()
    rows.insert(random.randint(0, len(rows)), rows[0])
    return case.with_rows(rows)


@_for(MAY_CHANGE, *TEXT)
def _a_huge_cell(random: Random, case: Case) -> Case:
    rows = case.rows()
    row = rows[random.randrange(len(rows))]
    row[random.randrange(len(row))] = random.choice(["x", "1", "é", '"', "\n"]) * 1_000_000
    return case.with_rows(rows)


@_for(MAY_CHANGE, *TEXT)
def _names_in_another_order(random: Random, case: Case) -> Case:
    head, *rows = case.rows()
    return case.with_rows([random.sample(head, len(head)), *rows])


# Any file.


@_for(MAY_CHANGE, *_ALL)
def _flipped(random: Random, case: Case) -> tuple[Case, str]:
    data = bytearray(case.data)
    for _ in range(random.choice([1, 1, 2, 8, 64])):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return case.having(bytes(data)), DAMAGES if case.kind == ".xlsx" else MAY_CHANGE


@_for(MAY_CHANGE, *_ALL)
def _inserted(random: Random, case: Case) -> tuple[Case, str]:
    piece = random.choice([b"\0", b"\0" * 8, b"\n", b"\r\n\r\n", b'"', b",", b"\xff", b"\xe9"])
    at = random.randrange(len(case.data))
    does = DAMAGES if case.kind == ".xlsx" else MAY_CHANGE
    return case.having(case.data[:at] + piece + case.data[at:]), does


@_for(MAY_CHANGE, *_ALL)
def _a_piece_overwritten(random: Random, case: Case) -> tuple[Case, str]:
    at, length = random.randrange(len(case.data)), random.choice([4, 8, 80, 500])
    filling = random.choice([b"\0", b"\xff", b" ", b"9"]) * length
    data = case.data[:at] + filling + case.data[at + length :]
    return case.having(data), DAMAGES if case.kind == ".xlsx" else MAY_CHANGE


@_for(MAY_CHANGE, *_ALL)
def _another_kind_of_file(random: Random, case: Case) -> tuple[Case, str] | None:
    kind = random.choice(_ALL)
    if kind == case.kind or {kind, case.kind} <= {".sav", ".zsav", ".csv", ".txt"}:
        return None
    file = Path(case.file).with_suffix(kind).name
    manifest = case.manifest.replace(case.file, file)
    # Names of text files say nothing but the usual delimiter.
    does = MAY_CHANGE if {kind, case.kind} <= set(TEXT) else DAMAGES
    return replace(case, file=file, manifest=manifest), does


# Files that are no text.


@_for(DAMAGES, *_BINARY)
def _cut_off(random: Random, case: Case) -> Case:
    return case.having(case.data[: random.randrange(len(case.data))])


@_for(DAMAGES, *_BINARY)
def _cut_at_its_end(random: Random, case: Case) -> Case | None:
    if case.kind == ".xpt":
        return None  # records of blanks end it: it has no end that is known
    return case.having(case.data[: -random.randint(1, min(200, len(case.data) - 1))])


@_for(DAMAGES, ".sav", ".zsav")
def _rows_lied_of_by_spss(random: Random, case: Case) -> Case:
    stated = random.choice([0, 1, 59, 61, 70, 10_000, 2**31 - 1])
    return case.having(case.data[:80] + struct.pack("<i", stated) + case.data[84:])


@_for(KEEPS, ".sav", ".zsav")
def _rows_unknown_to_spss(_: Random, case: Case) -> Case:
    return case.having(case.data[:80] + struct.pack("<i", -1) + case.data[84:])


@_for(DAMAGES, ".dta")
def _rows_lied_of_by_stata(random: Random, case: Case) -> Case:
    stated = random.choice([0, 1, 59, 61, 70, 10_000, 2**31 - 1])
    if case.data.startswith(b"<stata_dta>"):
        at = case.data.index(b"<N>") + 3
        return case.having(case.data[:at] + struct.pack("<q", stated) + case.data[at + 8 :])
    return case.having(case.data[:6] + struct.pack("<i", stated) + case.data[10:])


@_for(DAMAGES, ".xpt")
def _columns_lied_of_by_sas(random: Random, case: Case) -> Case:
    kind = b"NAMSTV8" if b"NAMSTV8" in case.data else b"NAMESTR"
    at = case.data.index(b"HEADER RECORD*******" + kind) + 48
    stated = random.choice([0, 1, 5, 7, 100, 9999])
    return case.having(case.data[:at] + b"%010d" % stated + case.data[at + 10 :])


@_for(KEEPS, ".xlsx")
def _extent_lied_of(random: Random, case: Case) -> Case:
    extent = random.choice(["A1", "A1:B2", "A1:XFD1048576", "C5:D9", "A1:F9999", "nonsense", ""])

    def changed(name: str, text: str) -> str:
        return re.sub(r'<dimension ref="[^"]*"', f'<dimension ref="{extent}"', text)

    return case.having(with_parts(case.data, changed))


@_for(MAY_CHANGE, ".xlsx")
def _a_part_flipped(random: Random, case: Case) -> Case:
    """Damage that the archive's own checksums do not see."""
    names = zipfile.ZipFile(io.BytesIO(case.data)).namelist()
    chosen = random.choice([*names, *["xl/worksheets/sheet1.xml"] * len(names)])

    def changed(name: str, text: str) -> str:
        if name != chosen or not text:
            return text
        at, what = random.randrange(len(text)), random.choice(["flip", "cut", "double", "digits"])
        if what == "cut":
            return text[:at] + text[at + random.randint(1, 40) :]
        if what == "double":
            return text[:at] + text[max(0, at - 200) :]
        if what == "digits":
            return re.sub(r'r="([A-Z]*)\d+"', f'r="\\g<1>{random.choice([0, 7, 2_000_000])}"', text)
        return text[:at] + chr(random.randrange(32, 127)) + text[at + 1 :]

    return case.having(with_parts(case.data, changed))


@_for(DAMAGES, ".xlsx")
def _a_bomb(random: Random, case: Case) -> Case:
    part = random.choice(["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/other.bin"])
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(case.data)) as old,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
    return case.having(_with_bomb(written.getvalue(), part))


def _with_bomb(book: bytes, part: str) -> bytes:
    written = io.BytesIO(book)
    with zipfile.ZipFile(written, "a", zipfile.ZIP_DEFLATED) as new, new.open(part, "w") as opened:
        for _ in range(300):
            opened.write(b" " * 1_000_000)
    return written.getvalue()


@_for(KEEPS, ".parquet")
def _written_in_another_way(random: Random, case: Case) -> Case:
    table = pq.read_table(io.BytesIO(case.data))
    table = table.select(random.sample(table.column_names, table.num_columns))
    written = io.BytesIO()
    pq.write_table(
        table,
        written,
        row_group_size=random.choice([1, 7, 1000]),
        compression=random.choice(["none", "gzip", "zstd", "snappy"]),
        use_dictionary=random.random() < 0.5,
        version=random.choice(["1.0", "2.4", "2.6"]),
        data_page_version=random.choice(["1.0", "2.0"]),
        store_schema=random.random() < 0.5,
    )
    return case.having(written.getvalue())
