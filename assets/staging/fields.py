"""Columns of one source as the fields of its records: recoded, without missing codes, as labels
or as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.staging.columns import Column, Kind, column_of_texts
from assets.staging.declared_texts import UNMET, matched, translated, without
from assets.staging.number_texts import number_texts_of, percent_texts_of, stands_for_missing
from assets.staging.reading import RawTable
from ibgap.base.labels import clean_label
from validations.manifest.model import Source
from validations.numbers import Reading, read_numbers

_PLAIN_LABEL = r"^[!-~]+( [!-~]+)*$"


def labels_of(column: Column) -> Column:
    """The column with each different cell behind the door of labels."""
    plain = pc.match_substring_regex(column.texts, _PLAIN_LABEL)
    if pc.all(plain).as_py() is not False:
        return column
    return column.retexted([clean_label(text) for text in column.levels()])


def label_field(
    raw: RawTable, source: Source, columns: list[str], ids: Iterable[str] = ()
) -> Column:
    """What one or several joined columns name in each row.

    ids: identifiers of the manifest that the cells should be; a code whose value label is one of
    them is read as that.
    """
    parts = [_label_column(raw, source, name, ids) for name in columns]
    if len(parts) == 1:
        return parts[0]
    joined = [
        " ".join(filter(None, texts)) for texts in zip(*(p.rows() for p in parts), strict=True)
    ]
    return column_of_texts(joined)


def number_field(raw: RawTable, source: Source, name: str, *, percent: bool = False) -> Column:
    """The numbers of a column as texts with a decimal point; what is no number stays as found.

    percent: whether the numbers of the field are percents.
    """
    decimal = source.format.decimal
    recode = source.recode.get(name, {})
    recode = dict(zip(recode, _declared_texts(tuple(recode.values()), decimal), strict=True))
    column = translated(raw.columns[name], recode, decimal, Kind.NUMBER)
    texts = percent_texts_of(column, decimal) if percent else number_texts_of(column, decimal)
    gone = _missing(column, source)
    if gone.any():
        texts = pc.if_else(pa.array(gone), "", texts)
    return column.as_other_text(texts)


def without_missing_numbers(column: Column, source: Source, answers: list[str]) -> Column:
    """A column of answers without what means missing: declared codes, however their number is
    written, and what software writes where a number is missing, unless it is one of the answers."""
    return column.without(_missing(column, source, answers))


def _missing(column: Column, source: Source, answers: list[str] | None = None) -> np.ndarray:
    """Which of the different cells of a column of numbers mean missing."""
    declared = matched_numbers(column, source.missing_codes, source.format.decimal)
    return (declared != UNMET) | undeclared_missing(column, source, answers)


def undeclared_missing(
    column: Column, source: Source, answers: list[str] | None = None
) -> np.ndarray:
    """Which of the different cells are what software writes where a number is missing, and
    neither a missing code nor an answer that the manifest declares."""
    gone = stands_for_missing(column.texts)
    if not gone.any():
        return gone
    declared = [*source.missing_codes, *(answers or [])]
    return gone & (matched(column, declared, source.format.decimal) == UNMET)


def matched_numbers(column: Column, declared: list[str], decimal: str) -> np.ndarray:
    """As `matched`, in a column of numbers: a declared number is met however it is written."""
    found = matched(column, declared, decimal)
    if not declared or not len(column.texts):
        return found
    values, _ = read_numbers(number_texts_of(column, decimal))
    for i, number in enumerate(_declared_numbers(tuple(declared), decimal)):
        found = np.where((found == UNMET) & (values == number), i, found)
    return found


@lru_cache(maxsize=1000)
def _declared_numbers(declared: tuple[str, ...], decimal: str) -> tuple[float, ...]:
    """Numbers of a manifest; nan for words."""
    return tuple(read_numbers(_declared_texts(declared, decimal))[0].tolist())


@lru_cache(maxsize=1000)
def _declared_texts(declared: tuple[str, ...], decimal: str) -> tuple[str, ...]:
    """Numbers of a manifest, written as in the file or with a decimal point, with a point; words
    as they are."""
    column = Column(
        np.arange(len(declared), dtype=np.int32),
        pa.array(declared, pa.string()),
        np.zeros(len(declared), dtype=np.uint8),
    )
    texts = number_texts_of(column, decimal).to_pylist()
    return tuple(
        text if reading == Reading.NUMBER else as_found
        for text, reading, as_found in zip(texts, read_numbers(texts)[1], declared, strict=True)
    )


def _label_column(raw: RawTable, source: Source, name: str, ids: Iterable[str]) -> Column:
    decimal = source.format.decimal
    column = labels_of(raw.columns[name])
    column = translated(column, source.recode.get(name, {}), decimal)
    if column.labels:
        column = translated(column, {one: one for one in ids}, decimal)
    return without(column, source.missing_codes, decimal)


def filled_down(column: Column) -> Column:
    """Empty cells with the cell above."""
    named = labels_of(column)
    rows = np.where(named.filled(), np.arange(len(named)), -1)
    above = np.maximum.accumulate(rows)
    codes = np.where(above >= 0, named.codes[np.maximum(above, 0)], -1)
    return named.with_codes(codes)
