"""Numbers per arm in one shape, from arm summaries and intended-by-acted counts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.effect_sizes.quantiles import EstimatedMoments, moments_from_quantiles
from analysis.synthesis.stack import Record
from assets.rows import empty_table, records_of
from validations.manifest.model import TrialManifest
from validations.numbers import LARGEST_MEASUREMENT, decimals_of, whole_events
from validations.records import ROW_CHECKS
from validations.typed_frames import cells_of

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


def weeks_of(row: Record, manifest: TrialManifest) -> float:
    """Weeks of a row with an `outcome`, else its days, else the weeks of the declared outcome."""
    weeks, days = row.get("weeks"), row.get("days")
    if not pd.isna(weeks):
        return float(weeks)
    if not pd.isna(days):
        return float(days) / 7.0
    outcome = manifest.outcome(row["outcome"])
    declared = outcome.timepoint.weeks if outcome else None
    return math.nan if declared is None else declared


def text_of(row: Record, name: str) -> str:
    """A text of a row; empty where it is missing or the row has no such column."""
    value = row.get(name)
    return "" if pd.isna(value) else str(value)


QUANTILES = ("median", "n", "q1", "q3", "minimum", "maximum")
FEWEST_FOR_QUANTILES = 2
"""Quantiles of no more persons than this tell no SD."""


def lopsided_quantiles(records: pd.DataFrame) -> pd.Series:
    """Rows of arm summaries that rest on quantiles which are no normal sample's; records may still
    hold text, and what is no number or out of order is the business of other rules."""
    found = pd.Series(False, index=records.index)
    if "median" not in records or pd.to_numeric(records["median"], errors="coerce").isna().all():
        return found
    columns = ["mean", "sd", "se", *QUANTILES]
    numbers = records.reindex(columns=columns).apply(pd.to_numeric, errors="coerce")
    numbers = numbers.where(numbers.abs() <= LARGEST_MEASUREMENT)
    usable = (numbers["n"] > FEWEST_FOR_QUANTILES) & ROW_CHECKS["quantiles_in_order"](
        cells_of(numbers)
    )
    own = [row for row in records_of(numbers[usable].reset_index()) if _rests_on_quantiles(row)]
    if own:
        found.loc[[row["index"] for row in own]] = _moments(own).skewed
    return found


def _rests_on_quantiles(row: Record) -> bool:
    """Whether a row has a median and no mean that has its SD or SE."""
    without = pd.isna(row["mean"]) or (pd.isna(row["sd"]) and pd.isna(row["se"]))
    return without and not pd.isna(row["median"])


def _moments(rows: list[Record]) -> EstimatedMoments:
    median, n, q1, q3, low, high = (
        np.array([row[name] for row in rows], dtype=float) for name in QUANTILES
    )
    return moments_from_quantiles(median, n, q1=q1, q3=q3, minimum=low, maximum=high)


def arms_from_summaries(records: pd.DataFrame, manifests: Manifests) -> pd.DataFrame:
    """Accepted arm summaries in the common shape; SD from SE, the whole number of events that a
    percent stands for, and mean and SD from a median with quartiles or range where there is no
    mean (`basis` says so for both arms of a comparison)."""
    if records.empty:
        return empty_table(ARM_STATISTICS)
    rows = records_of(records)
    out = [_from_summary(row, manifests[row["collection_id"]]) for row in rows]
    made = [
        i
        for i, row in enumerate(rows)
        if _rests_on_quantiles(row) and row["n"] > FEWEST_FOR_QUANTILES
    ]
    if made:
        moments = _moments([rows[i] for i in made])
        for i, mean, sd in zip(made, moments.mean.tolist(), moments.sd.tolist(), strict=True):
            out[i] |= {"mean": mean, "sd": sd}
    together = {_comparison(out[i]) for i in made}
    for row in out:
        row["basis"] = BASIS_OF_QUANTILES if _comparison(row) in together else "arm_summaries"
    return pd.DataFrame(out, columns=ARM_STATISTICS)


_KEPT = ("trial_id", "collection_id", "study_label", "source_id", "file")


def _from_summary(row: Record, manifest: TrialManifest) -> Record:
    """The row of one arm, without its basis."""
    n, sd, events = row["n"], row["sd"], row["events"]
    if pd.isna(sd):
        sd = row["se"] * math.sqrt(n) if n >= 0 else math.nan
    return {
        **{name: row[name] for name in _KEPT},
        "rows": str(int(row["row"])),
        **{name: text_of(row, name) for name in _TEXTS},
        "weeks": weeks_of(row, manifest),
        "n": n,
        "mean": row["mean"],
        "sd": sd,
        "events": _events_of_percent(row, manifest) if pd.isna(events) else events,
    }


_TEXTS = ("comparison", "instrument", "arm", "outcome", "timepoint")


def _comparison(row: Record) -> tuple[object, ...]:
    """What the arms of one comparison have in common."""
    weeks = None if math.isnan(row["weeks"]) else row["weeks"]
    names = ("trial_id", "comparison", "instrument", "outcome", "timepoint")
    return (weeks, *(row[name] for name in names))


def _events_of_percent(row: Record, manifest: TrialManifest) -> float:
    """Whole events, by the decimals the percent is printed with (`percent_decimals`); a share of
    the n where numbers are effective sample sizes; nan without a percent."""
    percent, n = row["percent"], row["n"]
    if pd.isna(percent):
        return math.nan
    if manifest.design.clustering_already_adjusted:
        return float(percent / 100.0 * n)
    if "percent_decimals" in row:
        return whole_events(percent, row["percent_decimals"], n)
    return whole_events(percent, decimals_of(repr(float(percent))), n)


def arms_from_counts(records: pd.DataFrame, manifests: Manifests) -> pd.DataFrame:
    """Two binary outcomes per arm from intended-by-acted counts."""
    rows = records_of(records) if len(records) else []
    out = [
        _from_counts(row, role, acted_on, manifests[row["collection_id"]])
        for role, acted_on in _COUNTED
        for row in rows
    ]
    return pd.DataFrame(out, columns=ARM_STATISTICS) if out else empty_table(ARM_STATISTICS)


_CELLS = ("inclined_actors", "inclined_abstainers", "disinclined_actors", "disinclined_abstainers")
_COUNTED = (
    ("intention", ("inclined_actors", "inclined_abstainers")),
    ("behavior", ("inclined_actors", "disinclined_actors")),
)
"""Outcomes of the four counts, and the cells of those who have the event."""


def _from_counts(
    row: Record, role: str, with_event: tuple[str, ...], manifest: TrialManifest
) -> Record:
    outcome = {"outcome": row[role]}
    return {
        **{name: row[name] for name in _KEPT},
        **outcome,
        "rows": str(int(row["row"])),
        "basis": "intention_by_action",
        "comparison": "",
        "instrument": "",
        "timepoint": "",
        "arm": row["arm"],
        "weeks": weeks_of(outcome, manifest),
        "n": _sum(row, _CELLS),
        "mean": math.nan,
        "sd": math.nan,
        "events": _sum(row, with_event),
    }


def _sum(row: Record, names: tuple[str, ...]) -> float:
    """The sum of the counts that are not missing."""
    return sum((float(row[name]) for name in names if not pd.isna(row[name])), 0.0)
