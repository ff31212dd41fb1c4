"""Texts of tables, changed in every way that they are changed on their way."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from random import Random

import yaml

from tests.files.cases import TEXT, Case
from tests.files.kinds import DAMAGES, KEEPS, MAY_CHANGE, REORDERS, mutates

# What keeps the meaning of a text.


@mutates(KEEPS, *TEXT)
def _mark_added(_: Random, case: Case) -> Case | None:
    return case.with_text("\ufeff" + case.text()) if case.encoding == "utf-8" else None


@mutates(KEEPS, *TEXT)
def _ends_of_lines(random: Random, case: Case) -> Case:
    end = random.choice(["\r", "\r\n", "\n"])
    return case.with_rows(case.rows(), end)


@mutates(KEEPS, *TEXT)
def _mixed_ends_of_lines(random: Random, case: Case) -> Case | None:
    lines = case.text().split("\n")
    if any(line.count('"') % 2 for line in lines):
        return None
    ends = ["\n", "\r\n", "\r"]
    return case.with_text("".join(line + random.choice(ends) for line in lines if line))


@mutates(KEEPS, *TEXT)
def _encoded_as_declared(random: Random, case: Case) -> Case | None:
    encoding = random.choice(
        ["cp1252", "latin-1", "utf-16", "utf-32", "utf-16-le", "gb18030", "utf-8-sig", "mac-roman"]
    )
    try:
        data = case.text().encode(encoding)
    except UnicodeEncodeError:
        return None
    return case.having(data, encoding=encoding)


@mutates(KEEPS, *TEXT)
def _encoded_with_a_mark(random: Random, case: Case) -> Case:
    encoding = random.choice(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
    plain = case.text().lstrip("\ufeff")
    given = {k: v for k, v in case.given.items() if k != "encoding"}
    manifest = yaml.safe_load(case.manifest)
    for source in manifest["sources"]:
        source["format"] = given
    marked = ("\ufeff" + plain).encode(encoding)
    return replace(case, data=marked, manifest=yaml.safe_dump(manifest, allow_unicode=True))


@mutates(KEEPS, *TEXT)
def _columns_in_another_order(random: Random, case: Case) -> Case:
    rows = case.rows()
    order = random.sample(range(len(rows[0])), len(rows[0]))
    return case.with_rows([row[i] for i in order] for row in rows)


@mutates(REORDERS, *TEXT)
def _rows_in_another_order(random: Random, case: Case) -> Case | None:
    if "fill_down" in case.manifest:
        return None
    head, *rows = case.rows()
    random.shuffle(rows)
    return case.with_rows([head, *rows])


@mutates(KEEPS, *TEXT)
def _other_quotes(random: Random, case: Case) -> Case:
    how = random.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
    return case.with_rows(case.rows(), quoting=how)


@mutates(KEEPS, *TEXT)
def _another_delimiter_as_declared(random: Random, case: Case) -> Case:
    sign = random.choice([";", "|", "\t", ","])
    return case.having(case.with_rows(case.rows(), delimiter=sign).data, delimiter=sign)


@mutates(KEEPS, *TEXT)
def _ten_thousand_columns_more(random: Random, case: Case) -> Case:
    head, *rows = case.rows()
    more = [f"extra_{i}" for i in range(10_000)]
    cells = [random.choice(["", "1", "x"])] * len(more)
    return case.with_rows([[*head, *more], *([*row, *cells] for row in rows)])


@mutates(KEEPS, *TEXT)
def _blank_lines(random: Random, case: Case) -> Case:
    rows = case.rows()
    for _ in range(random.randint(1, 5)):
        rows.insert(random.randint(1, len(rows)), random.choice([[], [""] * len(rows[0])]))
    return case.with_rows(rows)


@mutates(KEEPS, *TEXT)
def _blanks_around_cells(random: Random, case: Case) -> Case:
    def padded(cell: str) -> str:
        blanks = ["", " ", "  ", "\xa0"]
        return random.choice(blanks) + cell + random.choice(blanks)

    head, *rows = case.rows()
    return case.with_rows([head, *([padded(c) for c in row] for row in rows)])


@mutates(KEEPS, *TEXT)
def _an_end_mark(random: Random, case: Case) -> Case:
    return case.with_text(case.text() + random.choice(["\x1a", "\r\n\x1a", "\x1a\r\n"]))


# What damages a text.


@mutates(DAMAGES, *TEXT)
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


@mutates(DAMAGES, *TEXT)
def _encoded_otherwise(random: Random, case: Case) -> Case | None:
    encoding = random.choice(["utf-16-le", "utf-16-be", "utf-32-le", "cp037", "cp1252", "gb18030"])
    try:
        return case.having(case.text().encode(encoding))
    except UnicodeEncodeError:
        return None


@mutates(DAMAGES, *TEXT)
def _another_delimiter(random: Random, case: Case) -> Case:
    signs = [sign for sign in ";|\t," if sign != case.delimiter]
    return case.with_rows(case.rows(), delimiter=random.choice(signs))


@mutates(DAMAGES, *TEXT)
def _delimiters_in_cells(random: Random, case: Case) -> Case:
    lines = case.text().splitlines(keepends=True)
    at = random.randrange(1, len(lines))
    place = random.randrange(len(lines[at]))
    lines[at] = lines[at][:place] + case.delimiter + lines[at][place:]
    return case.with_text("".join(lines))


@mutates(DAMAGES, *TEXT)
def _a_quote_inserted(random: Random, case: Case) -> tuple[Case, str]:
    text = case.text()
    at = random.randrange(len(text))
    # A quote within a cell without quotes is a character like others: part of a label.
    return case.with_text(text[:at] + '"' + text[at:]), DAMAGES


@mutates(DAMAGES, *TEXT)
def _nuls(random: Random, case: Case) -> Case:
    data = bytearray(case.data)
    for _ in range(random.randint(1, 4)):
        data.insert(random.randrange(len(data)), 0)
    return case.having(bytes(data))


@mutates(DAMAGES, *TEXT)
def _header_removed(_: Random, case: Case) -> Case:
    return case.with_rows(case.rows()[1:])


@mutates(DAMAGES, *TEXT)
def _a_name_twice(random: Random, case: Case) -> Case | None:
    head, *rows = case.rows()
    if len(head) < 2:
        return None
    one, two = random.sample(range(len(head)), 2)
    head[one] = head[two]
    return case.with_rows([head, *rows])


@mutates(DAMAGES, *TEXT)
def _a_cell_less(random: Random, case: Case) -> Case | None:
    rows = case.rows()
    row = rows[random.randrange(1, len(rows))]
    if len(row) < 2:
        return None
    del row[random.randrange(len(row))]
    return case.with_rows(rows)


@mutates(DAMAGES, *TEXT)
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


@mutates(MAY_CHANGE, *TEXT)
def _rows_deleted(random: Random, case: Case) -> Case:
    rows = case.rows()
    for _ in range(random.randint(1, 20)):
        if len(rows) > 1:
            del rows[random.randrange(1, len(rows))]
    return case.with_rows(rows)


@mutates(MAY_CHANGE, *TEXT)
def _rows_doubled(random: Random, case: Case) -> tuple[Case, str]:
    rows = case.rows()
    for _ in range(random.randint(1, 5)):
        row = rows[random.randrange(1, len(rows))]
        rows.insert(random.randint(1, len(rows)), row)
    # A person is there once; a row of a table may stand for several contrasts that are alike.
    return case.with_rows(rows), DAMAGES if case.of_persons else MAY_CHANGE


@mutates(MAY_CHANGE, *TEXT)
def _header_doubled(random: Random, case: Case) -> Case:
    rows = case.rows()
    rows.insert(random.randint(0, len(rows)), rows[0])
    return case.with_rows(rows)


@mutates(MAY_CHANGE, *TEXT)
def _a_huge_cell(random: Random, case: Case) -> Case:
    rows = case.rows()
    row = rows[random.randrange(len(rows))]
    row[random.randrange(len(row))] = random.choice(["x", "1", "é", '"', "\n"]) * 1_000_000
    return case.with_rows(rows)


@mutates(MAY_CHANGE, *TEXT)
def _names_in_another_order(random: Random, case: Case) -> Case:
    head, *rows = case.rows()
    return case.with_rows([random.sample(head, len(head)), *rows])
