"""Numbers per arm in one shape, from arm summaries and intended-by-acted counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.effect_sizes.quantiles import EstimatedMoments, moments_from_quantiles
from validations.manifest.model import TrialManifest
from validations.numbers import LARGEST_MEASUREMENT, decimals_of, whole_events
from validations.records import ROW_CHECKS

ARM_STATISTICS = [
    "trial_id",
    "collection_id",
    "study_label",
    "source_id",
    "file",
    "rows",
    "basis",
    "comparison",
    "instrument",
    "arm",
    "outcome",
    "weeks",
    "timepoint",
    "n",
    "mean",
    "sd",
    "events",
]

BASIS_OF_QUANTILES = "arm_quantiles"

Manifests = Mapping[str, TrialManifest]


def _weeks(frame: pd.DataFrame, manifests: Manifests) -> pd.Series:
    """Weeks of the row, else its days, else those of the declared outcome."""
    declared = [
        _declared_weeks(manifests[c], o)
        for c, o in zip(frame["collection_id"], frame["outcome"], strict=True)
    ]
    weeks = frame["weeks"] if "weeks" in frame else pd.Series(np.nan, index=frame.index)
    days = frame["days"] / 7.0 if "days" in frame else pd.Series(np.nan, index=frame.index)
    return weeks.fillna(days).fillna(pd.Series(declared, index=frame.index, dtype=float))


def _declared_weeks(manifest: TrialManifest, outcome_id: str) -> float:
    outcome = manifest.outcome(outcome_id)
    weeks = outcome.timepoint.weeks if outcome else None
    return float("nan") if weeks is None else weeks


def row_weeks(frame: pd.DataFrame, manifests: Manifests) -> pd.Series:
    """Public form of the rule for weeks, for tables with an `outcome` column."""
    return _weeks(frame, manifests)


def _text(frame: pd.DataFrame, column: str) -> pd.Series:
    if column not in frame:
        return pd.Series("", index=frame.index)
    return frame[column].fillna("").astype(str)


QUANTILES = ("median", "n", "q1", "q3", "minimum", "maximum")
FEWEST_FOR_QUANTILES = 2
"""Quantiles of no more persons than this tell no SD."""


def lopsided_quantiles(records: pd.DataFrame) -> pd.Series:
    """Rows of arm summaries that rest on quantiles which are no normal sample's; records may still
    hold text, and what is no number or out of order is the business of other rules."""
    columns = ["mean", "sd", "se", *QUANTILES]
    numbers = records.reindex(columns=columns).apply(pd.to_numeric, errors="coerce")
    numbers = numbers.where(numbers.abs() <= LARGEST_MEASUREMENT)
    usable = (numbers["n"] > FEWEST_FOR_QUANTILES) & ROW_CHECKS["quantiles_in_order"](numbers)
    own = numbers[_rests_on_quantiles(numbers) & usable]
    found = pd.Series(False, index=records.index)
    if len(own):
        found.loc[own.index] = _moments(own).skewed
    return found


def _rests_on_quantiles(numbers: pd.DataFrame) -> pd.Series:
    """Rows with a median and without a mean that has its SD or SE."""
    without = numbers["mean"].isna() | (numbers["sd"].isna() & numbers["se"].isna())
    return without & numbers["median"].notna()


def _moments(records: pd.DataFrame) -> EstimatedMoments:
    median, n, q1, q3, low, high = (records[name].to_numpy(float) for name in QUANTILES)
    return moments_from_quantiles(median, n, q1=q1, q3=q3, minimum=low, maximum=high)


def arms_from_summaries(records: pd.DataFrame, manifests: Manifests) -> pd.DataFrame:
    """Accepted arm summaries in the common shape; SD from SE, the whole number of events that a
    percent stands for, and mean and SD from a median with quartiles or range where there is no
    mean (`basis` says so for both arms of a comparison)."""
    if records.empty:
        return pd.DataFrame(columns=ARM_STATISTICS)
    out = pd.DataFrame(
        {
            name: records[name]
            for name in ("trial_id", "collection_id", "study_label", "source_id", "file")
        }
    )
    out["rows"] = records["row"].astype(int).astype(str)
    for name in ("comparison", "instrument", "arm", "outcome", "timepoint"):
        out[name] = _text(records, name)
    out["weeks"] = _weeks(records, manifests)
    out["n"] = records["n"]
    out["mean"] = records["mean"]
    out["sd"] = records["sd"].fillna(records["se"] * np.sqrt(records["n"]))
    made = _rests_on_quantiles(records) & (records["n"] > FEWEST_FOR_QUANTILES)
    if made.any():
        moments = _moments(records[made])
        out.loc[made, "mean"], out.loc[made, "sd"] = moments.mean, moments.sd
    keys = ["trial_id", "comparison", "instrument", "outcome", "weeks", "timepoint"]
    together = made.groupby([out[key] for key in keys], dropna=False).transform("any")
    out["basis"] = np.where(together, BASIS_OF_QUANTILES, "arm_summaries")
    out["events"] = records["events"].fillna(_events_of_percents(records, manifests))
    return out[ARM_STATISTICS]


def _events_of_percents(records: pd.DataFrame, manifests: Manifests) -> pd.Series:
    """Whole events, by the decimals the percent is printed with (`percent_decimals`); a share of
    the n where numbers are effective sample sizes."""
    adjusted = [manifests[c].design.clustering_already_adjusted for c in records["collection_id"]]
    printed = records.get("percent_decimals")
    if printed is None:
        printed = records["percent"].map(lambda p: decimals_of(repr(float(p))), na_action="ignore")
    whole = [
        whole_events(*numbers)
        for numbers in zip(records["percent"], printed, records["n"], strict=True)
    ]
    shares = records["percent"] / 100.0 * records["n"]
    return shares.where(pd.Series(adjusted, index=records.index), pd.Series(whole, records.index))


def arms_from_counts(records: pd.DataFrame, manifests: Manifests) -> pd.DataFrame:
    """Two binary outcomes per arm from intended-by-acted counts."""
    parts = []
    for role, positive in (
        ("intention", ["inclined_actors", "inclined_abstainers"]),
        ("behavior", ["inclined_actors", "disinclined_actors"]),
    ):
        if records.empty:
            break
        cells = [
            "inclined_actors",
            "inclined_abstainers",
            "disinclined_actors",
            "disinclined_abstainers",
        ]
        part = records[["trial_id", "collection_id", "study_label", "source_id", "file"]].copy()
        part["rows"] = records["row"].astype(int).astype(str)
        part["basis"] = "intention_by_action"
        part["comparison"] = part["instrument"] = part["timepoint"] = ""
        part["arm"], part["outcome"] = records["arm"], records[role]
        part["weeks"] = _weeks(part, manifests)
        part["n"] = records[cells].sum(axis=1)
        part["mean"] = part["sd"] = np.nan
        part["events"] = records[positive].sum(axis=1)
        parts.append(part[ARM_STATISTICS])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=ARM_STATISTICS)
