"""Columns of a file, typed: every different cell once, and which of them stands in each row.

What a cell is (a number, a text, a date, a truth value, missing for a reason), how it was written
and how the file shows it is settled here, by the reader of its format. What comes later looks at
each different cell once, however many rows repeat it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NOTHING = -1
"""Code of a row in which nothing stands."""


class Kind(IntEnum):
    """What a cell is. Text may still read as a number: a number is what the file stores as one."""

    TEXT = 0
    NUMBER = 1
    DATE = 2
    BOOLEAN = 3
    MISSING = 4


@dataclass(frozen=True)
class Column:
    """One column of a file.

    codes: int32 per row, the position of its cell among the different ones (`NOTHING` for none).
    texts: the different cells as a person would type them: numbers that the file stores with a
    decimal point and the fewest digits that tell them apart, dates as ISO 8601, `1` and `0` for
    truth values, and no blanks around; the empty text for a cell that is missing for a reason.
    kinds: `Kind` per different cell. shown: what the file shows for a different cell where that
    is not its text (`45%`, `.a`, `#N/A`). percents: different cells that the file shows as
    percents; their texts are the stored numbers (0.45). labels: code -> value label.
    """

    codes: np.ndarray
    texts: pa.StringArray
    kinds: np.ndarray
    shown: Mapping[int, str] = field(default_factory=dict)
    percents: frozenset[int] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.codes)

    def levels(self) -> list[str]:
        """The different texts."""
        return list(self.texts.to_pylist())

    def filled(self) -> np.ndarray:
        """Rows in which something stands that is not missing."""
        return self.by_row(pc.not_equal(self.texts, "").to_numpy(zero_copy_only=False), False)

    def by_row(self, of_levels: np.ndarray, nothing: object) -> np.ndarray:
        """What is known of each different cell, per row; `nothing` where nothing stands.

        >>> column_of_texts(["a", "", "b", "a"]).by_row(np.array([1.5, 2.5]), 0.0).tolist()
        [1.5, 0.0, 2.5, 1.5]
        """
        return np.asarray(np.append(of_levels, np.asarray(nothing, of_levels.dtype))[self.codes])

    def without(self, levels: np.ndarray) -> Column:
        """The column with nothing where some of the different cells (a mask) stand."""
        if not levels.any():
            return self
        return self.with_codes(np.where(self.by_row(levels, True), NOTHING, self.codes))

    def rows(self) -> list[str]:
        """The text of every row, empty where nothing stands."""
        levels = [*self.levels(), ""]
        return [levels[code] for code in self.codes]

    def take(self, rows: np.ndarray | slice) -> Column:
        """Some of the rows (a mask, positions or a slice), with the different cells in them."""
        return replace(self, codes=self.codes[rows])._compact()

    def with_codes(self, codes: np.ndarray) -> Column:
        """The column with other codes for its rows, and the different cells left in them."""
        return replace(self, codes=codes.astype(np.int32, copy=False))._compact()

    def retexted(self, texts: Sequence[str] | pa.StringArray) -> Column:
        """The column with another text per different cell; equal ones of a kind become one."""
        array = texts if isinstance(texts, pa.Array) else pa.array(list(texts), pa.string())
        return self if array.equals(self.texts) else _merged(replace(self, texts=array))

    def as_text(self) -> Column:
        """The column with all different cells as plain text, none twice."""
        kinds = _all(Kind.TEXT, len(self.texts))
        alike = not self.shown and not self.percents and len(np.unique(self.kinds)) <= 1
        return _merged(Column(self.codes, self.texts, kinds), distinct=alike)

    def as_other_text(self, texts: pa.StringArray) -> Column:
        """The column as plain text, with these texts for its different cells, none twice."""
        if texts.equals(self.texts):
            return self.as_text()
        return _merged(Column(self.codes, texts, _all(Kind.TEXT, len(texts))))

    def _compact(self) -> Column:
        used = np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts)) > 0
        if used.all():
            return self
        moved = np.append(np.where(used, np.cumsum(used) - 1, NOTHING), NOTHING).astype(np.int32)
        return replace(
            self,
            codes=moved[self.codes],
            texts=self.texts.filter(pa.array(used)),
            kinds=self.kinds[used],
            shown={int(moved[i]): text for i, text in self.shown.items() if used[i]},
            percents=frozenset(int(moved[i]) for i in self.percents if used[i]),
        )


def standing_rows(columns: Iterable[Column], rows: int) -> np.ndarray:
    """Which of so many rows hold something in some column.

    >>> standing_rows([column_of_texts(["a", "", ""]), column_of_texts(["", "", "b"])], 3).tolist()
    [True, False, True]
    """
    stands = np.zeros(rows, dtype=bool)
    for column in columns:
        stands |= column.codes >= 0
        if stands.all():
            break
    return stands


def column_of_texts(cells: pa.ChunkedArray | pa.Array | Iterable[str | None]) -> Column:
    """A column of plain text: blanks around a cell go, and an empty cell is none.

    >>> column = column_of_texts([" a", "", "b", "a "])
    >>> column.levels(), column.codes.tolist()
    (['a', 'b'], [0, -1, 1, 0])
    """
    if not isinstance(cells, pa.Array | pa.ChunkedArray):
        cells = pa.array(list(cells), pa.string())
    codes, levels = encoded(cells.cast(pa.string()))
    trimmed = pc.utf8_trim_whitespace(levels)
    column = Column(codes, trimmed, _all(Kind.TEXT, len(levels)))
    return _merged(column, distinct=trimmed.equals(levels))


def column_of_numbers(cells: pa.ChunkedArray | pa.Array) -> Column:
    """A column of stored numbers (integers, floats of any precision, decimals); nulls and nan are
    nothing. A number of single precision has the digits of single precision.

    >>> column_of_numbers(pa.array([3.0, None, -9.9], pa.float32())).levels()
    ['3', '-9.9']
    """
    if pa.types.is_float16(cells.type):
        cells = cells.cast(pa.float32())
    if pa.types.is_floating(cells.type):
        cells = pc.add(cells, pa.scalar(0.0, cells.type))  # one zero, not two
    codes, levels = encoded(cells)
    column = Column(codes, number_texts(levels), _all(Kind.NUMBER, len(levels)))
    return _merged(column, distinct=True)


def column_of_cells(
    texts: Sequence[str],
    kinds: Sequence[int],
    shown: Sequence[str] | None = None,
    percents: Sequence[bool] | None = None,
) -> Column:
    """A column of cells of several kinds, one entry per row.

    A row with an empty text and no `shown` holds nothing; the empty text with one is missing for
    that reason.

    >>> cells = ["1", "", "x", "", "1"], [1, 4, 0, 0, 1], ["", ".a", "", "", ""]
    >>> column = column_of_cells(*cells)
    >>> column.rows(), column.shown, column.filled().tolist()
    (['1', '', 'x', '', '1'], {1: '.a'}, [True, False, True, False, True])
    """
    found: dict[tuple[str, int, str, bool], int] = {}
    codes = np.full(len(texts), NOTHING, dtype=np.int32)
    seen = shown or [""] * len(texts)
    per_cent = percents or [False] * len(texts)
    for row, (text, kind, show, percent) in enumerate(
        zip(texts, kinds, seen, per_cent, strict=True)
    ):
        text = text.strip()
        if text or show:
            key = (text, int(kind), "" if show == text else show, bool(percent))
            codes[row] = found.setdefault(key, len(found))
    cells = list(found)
    return Column(
        codes,
        pa.array([cell[0] for cell in cells], pa.string()),
        np.array([cell[1] for cell in cells], dtype=np.uint8),
        {i: cell[2] for i, cell in enumerate(cells) if cell[2]},
        frozenset(i for i, cell in enumerate(cells) if cell[3]),
    )


def joined(columns: Sequence[Column]) -> Column:
    """Columns one below the other, with the value labels of the first.

    >>> both = joined([column_of_texts(["a", "b"]), column_of_texts(["b"])])
    >>> both.levels(), both.codes.tolist()
    (['a', 'b'], [0, 1, 1])
    """
    begins = [0, *np.cumsum([len(column.texts) for column in columns]).tolist()]
    pairs = list(zip(columns, begins, strict=False))
    return _merged(
        Column(
            np.concatenate(
                [np.where(c.codes == NOTHING, NOTHING, c.codes + at) for c, at in pairs]
            ).astype(np.int32),
            pa.concat_arrays([column.texts for column in columns]),
            np.concatenate([column.kinds for column in columns]),
            {i + at: text for c, at in pairs for i, text in c.shown.items()},
            frozenset(i + at for c, at in pairs for i in c.percents),
            columns[0].labels,
        )
    )


def number_texts(numbers: pa.Array) -> pa.StringArray:
    """Numbers as a person would type them, without empty decimals; nan as the empty text.

    >>> number_texts(pa.array([0.45, 20.0, float("nan"), -0.0])).to_pylist()
    ['0.45', '20', '', '0']
    """
    if pa.types.is_decimal(numbers.type):
        plain = [None if one is None else f"{one:f}" for one in numbers.to_pylist()]
        texts = pc.replace_substring_regex(pa.array(plain, pa.string()), r"\.0+$", "")
    elif pa.types.is_floating(numbers.type):
        whole = pc.and_(
            pc.equal(numbers, pc.trunc(numbers)), pc.less(pc.abs(numbers), 1e15)
        ).fill_null(False)
        rounded = pc.cast(pc.if_else(whole, numbers, 0.0), pa.int64())
        texts = pc.if_else(whole, pc.cast(rounded, pa.string()), pc.cast(numbers, pa.string()))
        texts = pc.if_else(pc.is_nan(numbers), "", texts)
    else:
        texts = pc.cast(numbers, pa.string())
    return pc.fill_null(texts, "")


def _all(kind: Kind, count: int) -> np.ndarray:
    return np.full(count, int(kind), dtype=np.uint8)


def encoded(cells: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Codes and different cells in order of appearance; nulls are nothing.

    >>> codes, levels = encoded(pa.chunked_array([[7, None], [5, 7]]))
    >>> codes.tolist(), levels.to_pylist()
    ([0, -1, 1, 0], [7, 5])
    """
    chunked = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
    if not len(chunked):
        kind = chunked.type.value_type if pa.types.is_dictionary(chunked.type) else chunked.type
        return np.empty(0, np.int32), pa.array([], kind)
    found = chunked.dictionary_encode()  # one dictionary, unless the chunks came with their own
    if pa.types.is_dictionary(chunked.type) and chunked.num_chunks > 1:
        found = found.unify_dictionaries()
    codes = np.concatenate(
        [pc.fill_null(chunk.indices.cast(pa.int32()), NOTHING).to_numpy() for chunk in found.chunks]
    )
    return codes, found.chunk(0).dictionary


def _merged(column: Column, *, distinct: bool = False) -> Column:
    """Levels of the same text, kind and look as one; an empty text that shows nothing as none.

    distinct: whether the texts are known to differ from each other.
    """
    texts = column.texts
    if not column.shown and not column.percents and len(np.unique(column.kinds)) <= 1:
        filled = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
        if distinct and not filled.null_count:
            return column
        encoded = filled.dictionary_encode()
        moved = pc.fill_null(encoded.indices, NOTHING).to_numpy()
        kept = encoded.dictionary
        moved = np.append(moved, NOTHING).astype(np.int32)
        return replace(
            column, codes=moved[column.codes], texts=kept, kinds=column.kinds[: len(kept)]
        )
    kept, moved = _different(column)
    return replace(
        column,
        codes=moved[column.codes],
        texts=texts.take(pa.array(kept)),
        kinds=column.kinds[kept],
        shown={int(moved[i]): text for i, text in column.shown.items()},
        percents=frozenset(int(moved[i]) for i in column.percents if moved[i] != NOTHING),
    )


def _different(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """First of the levels that agree in everything, and where each level went among them.

    The second has one more entry, for the rows in which nothing stands.
    """
    count = len(column.texts)
    looks: dict[str, int] = {"": 0}
    shown = np.zeros(count, dtype=np.int64)
    for i, text in column.shown.items():
        shown[i] = looks.setdefault(text, len(looks))
    per_cent = np.zeros(count, dtype=np.int64)
    per_cent[list(column.percents)] = 1
    texts = column.texts.dictionary_encode().indices.to_numpy().astype(np.int64)
    keys = ((texts * len(Kind) + column.kinds) * len(looks) + shown) * 2 + per_cent
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    is_empty = pc.equal(column.texts, "").to_numpy(zero_copy_only=False) & (shown == 0)
    kept = np.sort(first[~is_empty[first]])
    moved = np.full(count + 1, NOTHING, dtype=np.int32)
    moved[:count] = np.where(is_empty, NOTHING, np.searchsorted(kept, first[group]))
    return kept, moved
