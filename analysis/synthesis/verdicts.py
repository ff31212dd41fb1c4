"""What may be said of a row of results: the guard between a model and a sentence.

Tables, command line, report, pages and interface print words from the columns `verdict` and
`verdict_reason` that are made here, and from nowhere else; none of them compares limits itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.univariate.pooling import NARROW, narrow_note

__all__ = [
    "ABOVE", "BELOW", "FEWEST_DF", "NARROW", "NARROW_GAP", "NONE", "NO_GAP", "UNSETTLED",
    "VERDICTS", "PairedAlone", "Verdict", "gap_verdict", "holds", "narrow_note", "paired_alone",
    "pooled_verdict", "slope_verdict", "with_note",
]  # fmt: skip

ABOVE, BELOW, UNSETTLED, NONE = "above", "below", "unsettled", "none"
VERDICTS = {
    ABOVE: "the whole interval lies above the value that means no effect or no gap",
    BELOW: "the whole interval lies below that value",
    UNSETTLED: "the interval holds that value",
    NONE: "nothing may be said; the reason says why",
}
NARROW_GAP = "narrower_than_model_based"
_EMPTY_PRECISION = {
    NARROW: "the interval is narrower than the common-effect one, which sampling error alone makes",
    NARROW_GAP: "the interval is narrower than the model-based one, which sampling error and the "
    "fitted variances alone make; the primary row has the wider one",
}
"""Notes on which no verdict rests."""
FEWEST_DF = 4.0
"""Below it a Satterthwaite approximation is too poor for a verdict."""
NO_GAP = {"difference": 0.0, "transmission_ratio": 1.0, "mediation_shortfall": 0.0}
"""Estimands a verdict is drawn from, with the value that means no gap."""
_BOUNDED = ("confidence", "interval")
_SATTERTHWAITE = ("CR2", "kenward_roger")
_ON_ONE_TRIAL = (
    "one of the outcomes rests on a single trial, so how much its effects vary between trials is "
    "not known"
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """One of `VERDICTS`; reason: why there is none, in words, empty where there is one."""

    verdict: str
    reason: str = ""

    def columns(self) -> dict[str, str]:
        """The published columns."""
        return {"verdict": self.verdict, "verdict_reason": self.reason}


def gap_verdict(row: Row, satterthwaite: float | None = None) -> Verdict:
    """The verdict of one estimate of the gap.

    row: estimand, status, reason, df, ci_lb, ci_ub, k_paired, and interval_kind and notes if it
    has any. satterthwaite: df of the robust variance at this estimand when the row's own are others
    (infinite, for normal limits), nan where a single trial leaves none; by default the row's.
    """
    estimand = str(row["estimand"])
    if estimand not in NO_GAP:
        return Verdict(NONE, "no verdict is drawn from this quantity")
    if obstacle := _state(row) or _pairs(row["k_paired"]):
        return Verdict(NONE, obstacle)
    obstacle = _precision(str(row.get("notes") or ""))
    if not obstacle and satterthwaite is not None:
        obstacle = _df(satterthwaite) if satterthwaite == satterthwaite else _ON_ONE_TRIAL
    obstacle = obstacle or _df(float(row["df"])) or _limits(row)
    return Verdict(NONE, obstacle) if obstacle else Verdict(_side(row, NO_GAP[estimand]))


def pooled_verdict(row: Row) -> Verdict:
    """The verdict of one pooled effect on a scale on which 0 is no effect.

    row: status, df, ci_method, ci_lb, ci_ub, notes. Satterthwaite's df count where the interval
    has them; those of the other methods are exact under the model.
    """
    obstacle = _state(row) or _precision(str(row.get("notes") or ""))
    if not obstacle and row["ci_method"] in _SATTERTHWAITE:
        obstacle = _df(float(row["df"]))
    obstacle = obstacle or _limits(row)
    return Verdict(NONE, obstacle) if obstacle else Verdict(_side(row, 0.0))


def slope_verdict(row: Row) -> Verdict:
    """The verdict of a trial-level line. row: status, reason, slope_ci_lb, slope_ci_ub."""
    limits = {"ci_lb": row["slope_ci_lb"], "ci_ub": row["slope_ci_ub"]}
    obstacle = _state(row) or _limits(limits)
    return Verdict(NONE, obstacle) if obstacle else Verdict(_side(limits, 0.0))


def _state(row: Row) -> str:
    status = str(row["status"])
    if status == "ok":
        return ""
    if status == "single_study":
        return "one trial is not pooled"
    return str(row.get("reason") or f"the status is {status.replace('_', ' ')}")


def _pairs(k_paired: float) -> str:
    return "" if k_paired >= 1 else "no trial has both outcomes"


def _precision(notes: str) -> str:
    held = set(notes.split("; "))
    return next((why for note, why in _EMPTY_PRECISION.items() if note in held), "")


def _df(df: float) -> str:
    if math.isnan(df):
        return "the degrees of freedom of the interval are not known"
    if df < FEWEST_DF:
        return (
            f"{df:.1f} degrees of freedom (Satterthwaite) are too few for a verdict; it takes "
            f"{FEWEST_DF:g}"
        )
    return ""


def _limits(row: Row) -> str:
    if row.get("interval_kind", "confidence") not in _BOUNDED:
        return "the confidence set has no two ends"
    known = math.isfinite(row["ci_lb"]) and math.isfinite(row["ci_ub"])
    return "" if known else "there is no interval"


def _side(row: Row, value: float) -> str:
    if holds(row["ci_lb"], row["ci_ub"], value):
        return UNSETTLED
    return ABOVE if row["ci_lb"] > value else BELOW


def holds(lower: float, upper: float, value: float = 0.0) -> bool:
    """Whether an interval holds the value; the only place where limits are set against it."""
    return lower <= value <= upper


def with_note(notes: str, *more: str) -> str:
    """The text of notes with others added."""
    return "; ".join([*(one for one in notes.split("; ") if one), *more])


@dataclass(frozen=True)
class PairedAlone:
    """The difference over all trials and over those with both outcomes, of opposite sign."""

    everything: float
    paired: float
    k_paired: int


def paired_alone(everything: Row | None, paired: Row | None) -> PairedAlone | None:
    """What the trials with both outcomes alone say when it is the opposite of what all trials say;
    None when both agree or one of them has no estimate. Rows of the difference."""
    if everything is None or paired is None or paired["status"] != "ok":
        return None
    values = float(everything["estimate"]), float(paired["estimate"])
    if not values[0] * values[1] < 0.0:
        return None
    return PairedAlone(*values, int(paired["k_paired"]))
