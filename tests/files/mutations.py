"""Files of every kind, changed in every way that they are changed on their way: by seed."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from tests.files import mutations_of_text  # noqa: F401
from tests.files.cases import TEXT, Case, cases
from tests.files.kinds import DAMAGES, KEEPS, MAY_CHANGE, MUTATIONS, Mutant, mutates
from tests.files.sheets import with_parts

_BINARY = (".sav", ".zsav", ".dta", ".xpt", ".xlsx", ".parquet")
_ALL = (*TEXT, *_BINARY)


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


# Any file.


@mutates(MAY_CHANGE, *_ALL)
def _flipped(random: Random, case: Case) -> tuple[Case, str]:
    data = bytearray(case.data)
    for _ in range(random.choice([1, 1, 2, 8, 64])):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return case.having(bytes(data)), DAMAGES if case.kind == ".xlsx" else MAY_CHANGE


@mutates(MAY_CHANGE, *_ALL)
def _inserted(random: Random, case: Case) -> tuple[Case, str]:
    piece = random.choice([b"\0", b"\0" * 8, b"\n", b"\r\n\r\n", b'"', b",", b"\xff", b"\xe9"])
    at = random.randrange(len(case.data))
    does = DAMAGES if case.kind == ".xlsx" else MAY_CHANGE
    return case.having(case.data[:at] + piece + case.data[at:]), does


@mutates(MAY_CHANGE, *_ALL)
def _a_piece_overwritten(random: Random, case: Case) -> tuple[Case, str]:
    at, length = random.randrange(len(case.data)), random.choice([4, 8, 80, 500])
    filling = random.choice([b"\0", b"\xff", b" ", b"9"]) * length
    data = case.data[:at] + filling + case.data[at + length :]
    return case.having(data), DAMAGES if case.kind == ".xlsx" else MAY_CHANGE


@mutates(MAY_CHANGE, *_ALL)
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


@mutates(DAMAGES, *_BINARY)
def _cut_off(random: Random, case: Case) -> Case:
    return case.having(case.data[: random.randrange(len(case.data))])


@mutates(DAMAGES, *_BINARY)
def _cut_at_its_end(random: Random, case: Case) -> Case | None:
    if case.kind == ".xpt":
        return None  # records of blanks end it: it has no end that is known
    return case.having(case.data[: -random.randint(1, min(200, len(case.data) - 1))])


@mutates(DAMAGES, ".sav", ".zsav")
def _rows_lied_of_by_spss(random: Random, case: Case) -> Case:
    stated = random.choice([0, 1, 59, 61, 70, 10_000, 2**31 - 1])
    return case.having(case.data[:80] + struct.pack("<i", stated) + case.data[84:])


@mutates(KEEPS, ".sav", ".zsav")
def _rows_unknown_to_spss(_: Random, case: Case) -> Case:
    return case.having(case.data[:80] + struct.pack("<i", -1) + case.data[84:])


@mutates(DAMAGES, ".dta")
def _rows_lied_of_by_stata(random: Random, case: Case) -> Case:
    stated = random.choice([0, 1, 59, 61, 70, 10_000, 2**31 - 1])
    if case.data.startswith(b"<stata_dta>"):
        at = case.data.index(b"<N>") + 3
        return case.having(case.data[:at] + struct.pack("<q", stated) + case.data[at + 8 :])
    return case.having(case.data[:6] + struct.pack("<i", stated) + case.data[10:])


@mutates(DAMAGES, ".xpt")
def _columns_lied_of_by_sas(random: Random, case: Case) -> Case:
    kind = b"NAMSTV8" if b"NAMSTV8" in case.data else b"NAMESTR"
    at = case.data.index(b"HEADER RECORD*******" + kind) + 48
    stated = random.choice([0, 1, 5, 7, 100, 9999])
    return case.having(case.data[:at] + b"%010d" % stated + case.data[at + 10 :])


@mutates(KEEPS, ".xlsx")
def _extent_lied_of(random: Random, case: Case) -> Case:
    extent = random.choice(["A1", "A1:B2", "A1:XFD1048576", "C5:D9", "A1:F9999", "nonsense", ""])

    def changed(name: str, text: str) -> str:
        return re.sub(r'<dimension ref="[^"]*"', f'<dimension ref="{extent}"', text)

    return case.having(with_parts(case.data, changed))


@mutates(MAY_CHANGE, ".xlsx")
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


@mutates(DAMAGES, ".xlsx")
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


@mutates(KEEPS, ".parquet")
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
