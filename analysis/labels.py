"""What a label is, whatever holds it: the text that a person reads.

Labels come in lists, arrays of numpy and of pyarrow, columns, indexes and categories of pandas,
views of dictionaries. Only their order counts, never an index, nor the order of categories.
1, 1.0 and "1" are one label, also when one column mixes them as spreadsheets do; texts pass
`clean_label`; true and false are labels, yet not beside numbers, since numpy takes them for 1
and 0.
"""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import EstimationError, RowError
from ibgap.base.labels import clean_label, is_missing_label, is_text_of_numpy, missing_labels

_NO_SEQUENCE = (bytes, bytearray, Mapping, set, frozenset)


@dataclass(frozen=True)
class Labels:
    """Labels of k rows: `codes` (k, 0..m-1) and the text of each of the m labels in `names`;
    `numeric` when all of them came as numbers."""

    codes: NDArray[np.int64]
    names: tuple[str, ...]
    numeric: bool = False

    def __len__(self) -> int:
        return self.codes.size

    @property
    def texts(self) -> list[str]:
        """The label of each row."""
        return [self.names[code] for code in self.codes.tolist()]

    def ordered(self) -> Labels:
        """The same with codes in the order of the labels: numbers by size, others by text."""
        places = sorted(range(len(self.names)), key=self._rank)
        rank = np.empty(len(places), dtype=np.int64)
        rank[places] = np.arange(len(places))
        return Labels(rank[self.codes], tuple(self.names[i] for i in places), self.numeric)

    def _rank(self, code: int) -> Any:
        name = self.names[code]
        return (float(name), name) if self.numeric else name


@dataclass(frozen=True)
class _Read:
    """One label: what it has in common with the `same` label elsewhere, and its text."""

    same: Hashable
    text: str


def read_labels(labels: Any, name: str, of: str = "effect") -> Labels:
    """Labels of any container, numbered in order of first appearance; `of`: what has a label.

    Raises `EstimationError` for what is no column of labels, and `RowError` naming the rows of
    labels that are missing, of values that are no label (a list, an array), and of true and false
    beside numbers.
    """
    items = items_of(labels, name)
    keys, read = _distinct(items, name)
    if None in read.values():
        raise RowError(
            _missing(labels, name, of), [i for i, key in enumerate(keys) if read[key] is None]
        )
    names: dict[Hashable, str] = {}
    for one in read.values():
        if one is not None:
            names.setdefault(one.same, one.text)
    places = {same: code for code, same in enumerate(names)}
    codes = {key: places[one.same] for key, one in read.items() if one is not None}
    numeric = {_kind(kind) for kind in set(map(type, items))} == {"number"}
    made = np.fromiter(map(codes.__getitem__, keys), dtype=np.int64, count=len(keys))
    return Labels(made, tuple(names.values()), numeric)


def texts_or_none(labels: Any, name: str) -> list[str | None]:
    """The text of each label, None for a missing one: for what may be unknown, such as the
    code of a coder who did not see a unit. Else as `read_labels`."""
    keys, read = _distinct(items_of(labels, name), name)
    texts = {key: None if one is None else one.text for key, one in read.items()}
    return [texts[key] for key in keys]


def _distinct(items: list[Any], name: str) -> tuple[list[Any], dict[Any, _Read | None]]:
    """A key for every value and the label behind each key, read once."""
    # 1 and True are one key of a dictionary, so values of several types are told apart by it.
    several = len(set(map(type, items))) > 1
    keys = list(zip(map(type, items), items, strict=True)) if several else items
    try:
        read = {key: _read(key[1] if several else key) for key in dict.fromkeys(keys)}
    except (TypeError, UnicodeDecodeError):
        if any(one is np.ma.masked for one in items):
            return _distinct([None if one is np.ma.masked else one for one in items], name)
        rows = [i for i, one in enumerate(items) if not _is_readable(one)]
        raise RowError(f"{name} must hold texts, numbers or dates as labels", rows) from None
    known = [key for key, one in read.items() if several and one is not None]
    if {"truth", "number"} <= {_kind(kind) for kind, _ in known}:
        rows = [i for i, one in enumerate(items) if _kind(type(one)) == "truth"]
        raise RowError(f"{name} mixes true or false with numbers; write them alike", rows)
    return keys, read


def _missing(labels: Any, name: str, of: str) -> str:
    hint = " (numpy makes 'nan' or 'None' of it in an array of texts)"
    hint = hint if is_text_of_numpy(labels) else ""
    return (
        f"a missing label{hint} is no group; label these rows or leave them out: {name} must be "
        f"known for every {of}"
    )


def items_of(labels: Any, name: str) -> list[Any]:
    """The values of a one-dimensional container in order, None where it says that one is missing.

    Raises `EstimationError` for a mapping, a set, bytes, a table and a single value.
    """
    if isinstance(labels, _NO_SEQUENCE):
        raise EstimationError(
            f"{name} must hold one label per row in their order, found a {type(labels).__name__}"
        )
    if getattr(labels, "ndim", 1) != 1:
        raise EstimationError(f"{name} must be one-dimensional, found {labels.ndim} dimensions")
    if isinstance(labels, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(labels)
        return [None if lost else one for one, lost in zip(labels.data, mask, strict=True)]
    try:
        items = list(labels.to_pylist() if hasattr(labels, "to_pylist") else labels)
    except TypeError:
        raise EstimationError(
            f"{name} must hold one label per row, found a single {type(labels).__name__}"
        ) from None
    if is_text_of_numpy(labels):
        for i in missing_labels(labels):
            items[i] = None
    return items


def _read(value: Any) -> _Read | None:
    """The label of one value, None when it is missing. Raises `TypeError` when it is none."""
    if hasattr(value, "as_py"):  # a scalar of pyarrow
        value = value.as_py()
    if is_missing_label(value):
        return None
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, tuple):
        parts = [_read(one) for one in value]
        if not parts or any(one is None for one in parts):
            return None
        known = [one for one in parts if one is not None]
        text = f"({', '.join(one.text for one in known)})"
        return _Read(tuple(one.same for one in known), text)
    found = _text(value)
    if found is not None:
        return _Read(found, found)
    hash(value)
    return _Read(value, clean_label(str(value)))


def _text(value: Any) -> str | None:
    """What a person reads of a text, a number or a date; None for other values."""
    if isinstance(value, str):
        return clean_label(value)
    if isinstance(value, np.datetime64):
        return _moment(str(np.datetime_as_string(value)))
    if isinstance(value, np.generic) and not isinstance(value, np.timedelta64):
        value = value.item()
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, numbers.Real | decimal.Decimal):
        return _number(value)
    if isinstance(value, datetime.date | datetime.time):
        return _moment(value.isoformat())
    return None


def _number(value: Any) -> str:
    """1 for 1, 1.0 and Fraction(1), 0.5 for all halves."""
    if isinstance(value, int):
        return str(int(value))
    if not math.isfinite(value):
        return str(float(value))
    if value == int(value):
        return str(int(value))
    return str(value.normalize() if isinstance(value, decimal.Decimal) else value)


def _moment(text: str) -> str:
    """A date or time in ISO format, without midnight and zeros of fractions of seconds."""
    text = re.sub(r"(\.\d*?)0+(?!\d)", r"\1", text)
    text = re.sub(r"\.(?!\d)", "", text)
    return re.sub(r"T00(:00)*$", "", text).replace("T", " ", 1)


def _kind(kind: type) -> str:
    if issubclass(kind, bool | np.bool_):
        return "truth"
    return "number" if issubclass(kind, numbers.Real | decimal.Decimal) else "other"


def _is_readable(value: Any) -> bool:
    try:
        hash(value)
        _read(value)
    except (TypeError, UnicodeDecodeError):
        return False
    return True
