"""Numbers per arm and outcome from participant rows, added up in one pass over them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.synthesis.stack import Record
from assets.outcomes.arms import ARM_STATISTICS, Manifests, weeks_of
from assets.outcomes.person_table import typed_rows
from assets.rows import empty_table
from validations.manifest.model import TrialManifest
from validations.manifest.vocabulary import ScaleType

_KEYS = ["trial_id", "collection_id", "study_label", "source_id", "file", "outcome", "arm"]
_BLOCK = 1 << 18
"""Rows that are added up together."""
_MOST_GROUPS = 2**62


def arms_from_participants(rows: pd.DataFrame, manifests: Manifests) -> pd.DataFrame:
    """n, mean, SD or events per arm and outcome, and which file rows they rest on (as a range)."""
    if rows.empty:
        return empty_table(ARM_STATISTICS)
    typed = typed_rows(rows)
    starts = range(0, len(typed), _BLOCK)
    sums = _joined([_sums(typed.iloc[i : i + _BLOCK]) for i in starts])
    labels = {name: list(typed[name].cat.categories) for name in _KEYS}
    columns = {name: own.tolist() for name, own in sums.items()}
    groups = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    out = [_arm(one | {k: str(labels[k][one[k]]) for k in _KEYS}, manifests) for one in groups]
    return pd.DataFrame(out, columns=ARM_STATISTICS)


def _arm(group: Record, manifests: Manifests) -> Record:
    """The row of one arm and outcome, from its labels and sums."""
    manifest = manifests[group["collection_id"]]
    binary = _is_binary(manifest, group["outcome"])
    return group | {
        "rows": f"{group['first']}-{group['last']}",
        "basis": "participant_rows",
        "comparison": "",
        "instrument": "",
        "timepoint": "",
        "weeks": weeks_of(group, manifest),
        "mean": math.nan if binary else group["mean"],
        "sd": math.nan if binary else group["sd"],
        "events": group["events"] if binary else math.nan,
    }


_Sums = dict[str, np.ndarray]
"""Column -> one entry per group: codes of its labels, and numbers."""


def _sums(rows: pd.DataFrame) -> _Sums:
    """Of a block of rows, per group in order of appearance: codes of its labels, n, sum (`events`),
    sum of squares about the mean, first and last row."""
    codes = [rows[name].cat.codes.to_numpy() for name in _KEYS]
    group = _numbered(codes)
    count = int(group.max()) + 1
    value, row = rows["value"].to_numpy(dtype=float), rows["row"].to_numpy(dtype=np.int64)
    n = np.bincount(group, minlength=count).astype(float)
    total = np.bincount(group, value, count)
    squares = np.bincount(group, (value - (total / n)[group]) ** 2, count)
    first, last = _extremes(group, count, row, row)
    numbers = {"n": n, "events": total, "squares": squares, "first": first, "last": last}
    return _labels(codes, group, count) | numbers


def _labels(codes: list[np.ndarray], group: np.ndarray, count: int) -> _Sums:
    """The labels of each group, from the first row that has them."""
    at = np.zeros(count, dtype=np.int64)
    at[group[::-1]] = np.arange(len(group))[::-1]
    return {name: own[at] for name, own in zip(_KEYS, codes, strict=True)}


def _extremes(
    group: np.ndarray, count: int, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest of low and the largest of high in each group."""
    first, last = np.full(count, low.max()), np.full(count, high.min())
    np.minimum.at(first, group, low)
    np.maximum.at(last, group, high)
    return first, last


def _numbered(codes: list[np.ndarray]) -> np.ndarray:
    """Number of the group of each row, by what all codes of the row say together."""
    groups, many = np.zeros(len(codes[0]), dtype=np.int64), 1
    for own in codes:
        more = int(own.max()) + 2
        if many * more > _MOST_GROUPS:
            groups, many = pd.factorize(groups)[0], len(groups)
        groups, many = groups * more + own + 1, many * more
    return np.asarray(pd.factorize(groups)[0])


def _joined(blocks: list[_Sums]) -> _Sums:
    """Sums of blocks as numbers of whole groups, in order of appearance: n, mean and SD."""
    parts = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    codes = [parts[name] for name in _KEYS]
    group = _numbered(codes)
    count = int(group.max()) + 1
    n, total, squares = (
        np.bincount(group, parts[name], count) for name in ("n", "events", "squares")
    )
    moved = parts["events"] / parts["n"] - (total / n)[group]
    between = np.bincount(group, parts["n"] * moved**2, count)
    first, last = _extremes(group, count, parts["first"], parts["last"])
    sd = np.sqrt((squares + between) / np.where(n > 1.0, n - 1.0, np.nan))
    numbers = {"n": n, "events": total, "first": first, "last": last, "mean": total / n, "sd": sd}
    return _labels(codes, group, count) | numbers


def _is_binary(manifest: TrialManifest, outcome_id: str) -> bool:
    outcome = manifest.outcome(outcome_id)
    return outcome is not None and outcome.scale.type is ScaleType.BINARY
