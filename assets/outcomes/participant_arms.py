"""Numbers per arm and outcome from participant rows, added up in one pass over them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from assets.outcomes.arms import ARM_STATISTICS, Manifests, row_weeks
from assets.outcomes.person_table import typed_rows
from validations.manifest.model import TrialManifest
from validations.manifest.vocabulary import ScaleType

_KEYS = ["trial_id", "collection_id", "study_label", "source_id", "file", "outcome", "arm"]
_BLOCK = 1 << 18
"""Rows that are added up together."""
_MOST_GROUPS = 2**62


def arms_from_participants(rows: pd.DataFrame, manifests: Manifests) -> pd.DataFrame:
    """n, mean, SD or events per arm and outcome, and which file rows they rest on (as a range)."""
    if rows.empty:
        return pd.DataFrame(columns=ARM_STATISTICS)
    typed = typed_rows(rows)
    starts = range(0, len(typed), _BLOCK)
    out = _joined(pd.concat([_sums(typed.iloc[i : i + _BLOCK]) for i in starts]))
    for name in _KEYS:
        labels = typed[name].cat.categories
        out[name] = [str(labels[code]) for code in out[name]]
    binary = [
        _is_binary(manifests[c], o)
        for c, o in zip(out["collection_id"], out["outcome"], strict=True)
    ]
    out["rows"] = out["first"].astype(str) + "-" + out["last"].astype(str)
    out["basis"] = "participant_rows"
    out["comparison"] = out["instrument"] = out["timepoint"] = ""
    out["weeks"] = row_weeks(out, manifests)
    out.loc[binary, ["mean", "sd"]] = np.nan
    out.loc[~np.array(binary, dtype=bool), "events"] = np.nan
    return out[ARM_STATISTICS]


def _sums(rows: pd.DataFrame) -> pd.DataFrame:
    """Of a block of rows, per group in order of appearance: codes of its labels, n, sum (`events`),
    sum of squares about the mean, first and last row."""
    codes = [rows[name].cat.codes.to_numpy() for name in _KEYS]
    group = _numbered(codes)
    count = int(group.max()) + 1
    at = np.zeros(count, dtype=np.int64)
    at[group[::-1]] = np.arange(len(group))[::-1]
    value, row = rows["value"].to_numpy(dtype=float), rows["row"].to_numpy(dtype=np.int64)
    n = np.bincount(group, minlength=count).astype(float)
    total = np.bincount(group, value, count)
    squares = np.bincount(group, (value - (total / n)[group]) ** 2, count)
    first, last = np.full(count, row.max()), np.full(count, row.min())
    np.minimum.at(first, group, row)
    np.maximum.at(last, group, row)
    labels = {name: own[at] for name, own in zip(_KEYS, codes, strict=True)}
    numbers = {"n": n, "events": total, "squares": squares, "first": first, "last": last}
    return pd.DataFrame(labels | numbers)


def _numbered(codes: list[np.ndarray]) -> np.ndarray:
    """Number of the group of each row, by what all codes of the row say together."""
    groups, many = np.zeros(len(codes[0]), dtype=np.int64), 1
    for own in codes:
        more = int(own.max()) + 2
        if many * more > _MOST_GROUPS:
            groups, many = pd.factorize(groups)[0], len(groups)
        groups, many = groups * more + own + 1, many * more
    return np.asarray(pd.factorize(groups)[0])


def _joined(parts: pd.DataFrame) -> pd.DataFrame:
    """Sums of blocks as numbers of whole groups, in order of appearance: n, mean and SD."""
    parts = parts.assign(shift=parts["events"] / parts["n"])
    by_group = parts.groupby(_KEYS, sort=False)
    out = by_group.agg(
        n=("n", "sum"), events=("events", "sum"), squares=("squares", "sum"),
        first=("first", "min"), last=("last", "max"),
    )  # fmt: skip
    out["mean"] = out["events"] / out["n"]
    moved = parts["shift"] - by_group["events"].transform("sum") / by_group["n"].transform("sum")
    between = (parts["n"] * moved**2).groupby([parts[key] for key in _KEYS], sort=False).sum()
    out["sd"] = np.sqrt((out["squares"] + between) / (out["n"] - 1.0).where(out["n"] > 1.0))
    return out.reset_index()


def _is_binary(manifest: TrialManifest, outcome_id: str) -> bool:
    outcome = manifest.outcome(outcome_id)
    return outcome is not None and outcome.scale.type is ScaleType.BINARY
