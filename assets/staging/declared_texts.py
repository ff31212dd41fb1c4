"""Texts a manifest declares, found among the cells: recoding, missing codes, words for yes and no.

A declared text may be the cell's own, what the file shows for it (`.a`), or its value label. A
whole number may stand in a file with empty decimals ("-99.0", or "-99,0"), because software that
keeps numbers as floats writes it so; it means the same as the number without them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.staging.columns import Column, Kind
from ibgap.base.labels import clean_label

UNMET = -1


def matched(column: Column, declared: Sequence[str], decimal: str = ".") -> np.ndarray:
    """Position in `declared` of the text that each different cell is (`UNMET`: of none).

    The cell's own text comes first, then what the file shows, then its value label, then the
    same whole number without empty decimals; truth values also go by the words true and false.

    >>> from assets.staging.columns import column_of_texts
    >>> matched(column_of_texts(["-99.0", "3", "-99"]), ["-99"]).tolist()
    [0, -1, 0]
    """
    if not declared:
        return np.full(len(column.texts), UNMET, dtype=np.int64)
    keys = list(declared)
    found = _positions(column.texts, keys)
    at = {text: i for i, text in reversed(list(enumerate(keys)))}
    for level, shown in column.shown.items():
        if found[level] == UNMET:
            found[level] = at.get(clean_label(shown), UNMET)
    if column.labels:
        known = _positions(column.texts, list(column.labels))
        told = [at.get(clean_label(label), UNMET) for label in column.labels.values()]
        by_label = np.append(np.array(told, dtype=np.int64), UNMET)[known]
        found = np.where(found == UNMET, by_label, found)
    if (column.kinds == Kind.BOOLEAN).any():
        found = np.where(found == UNMET, _of_truth(column, keys), found)
    return np.where(found == UNMET, _whole(column.texts, keys, decimal), found)


def translated(
    column: Column, mapping: Mapping[str, str], decimal: str = ".", meant_as: Kind = Kind.TEXT
) -> Column:
    """The column with cells whose text is declared as what that is declared to mean; meant_as:
    what that is (a number of a manifest has a decimal point, whatever the file has)."""
    if not mapping:
        return column
    found = matched(column, list(mapping), decimal)
    if (found == UNMET).all():
        return column
    meant = pa.array([*mapping.values()], pa.string())
    met = pa.array(found != UNMET)
    new = pc.if_else(met, meant.take(pa.array(np.where(found == UNMET, 0, found))), column.texts)
    return _plain(column, found != UNMET, meant_as).retexted(new)


def without(column: Column, missing: Sequence[str], decimal: str = ".") -> Column:
    """The column with nothing where one of the texts that mean missing stands."""
    return column.without(matched(column, missing, decimal) != UNMET)


def _plain(column: Column, which: np.ndarray, kind: Kind) -> Column:
    """The column, with some of its different cells of one kind and showing nothing else."""
    return Column(
        column.codes,
        column.texts,
        np.where(which, int(kind), column.kinds).astype(np.uint8),
        {i: text for i, text in column.shown.items() if not which[i]},
        frozenset(i for i in column.percents if not which[i]),
        column.labels,
    )


def _positions(texts: pa.StringArray, keys: Sequence[str]) -> np.ndarray:
    """Of each text among the keys, `UNMET` for none."""
    found = pc.index_in(texts, pa.array(keys, pa.string()))
    return np.asarray(pc.fill_null(found, UNMET).to_numpy(zero_copy_only=False), dtype=np.int64)


def _whole(texts: pa.StringArray, keys: Sequence[str], decimal: str) -> np.ndarray:
    """Positions of whole numbers that differ from their key in empty decimals alone."""
    bare = [re.sub(r"^([+-]?\d+)\.0+$", r"\1", key) for key in keys]
    if not any(_WHOLE.fullmatch(key) for key in bare):
        return np.full(len(texts), UNMET, dtype=np.int64)
    empty = rf"^([+-]?[0-9]+){re.escape(decimal)}0+$"
    return _positions(pc.replace_substring_regex(texts, empty, r"\1"), bare)


_WHOLE = re.compile(r"[+-]?\d+")


def _of_truth(column: Column, keys: Sequence[str]) -> np.ndarray:
    words = {"true": "1", "false": "0"}
    truths = [words.get(key.casefold(), "\x00") for key in keys]
    found = _positions(column.texts, truths)
    return np.where(column.kinds == Kind.BOOLEAN, found, UNMET)
