"""Results that rest on one confidential trial as they may be published."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assets.disclosure.counts import (
    GROUPED,
    NATURAL,
    ONE_TRIAL,
    POOL_DECIMALS,
    TOO_SMALL,
    confidential,
    keep_digits,
)
from validations.manifest.vocabulary import DisclosureProfile

_LEFT_OUT = 2
"""With so many trials or fewer, a result without one of them is the other's."""
INSIDE_DIGITS = 3
_KEPT = ("level", "assumed_correlation", "q_df")


def protect_pools(
    frame: pd.DataFrame, profiles: Mapping[str, DisclosureProfile], effects: pd.DataFrame
) -> pd.DataFrame:
    """Results that rest on one trial are that trial's effect: treat them as such.

    effects: the published effects. In syntheses with confidential trials, pools and gaps of one
    trial and results without a confidential one are rounded to two decimals (small ones to two
    digits). Those of one trial are withheld where the trial's own effect is made from grouped
    counts or withheld; so is a pool of one trial on a natural scale. Other results that such an
    effect enters keep three digits: with all of them, trying the members of its group would find
    the true counts.
    """
    known = confidential(profiles)
    own = effects[effects["trial_id"].isin(known) & effects["in_pool"].fillna(False).astype(bool)]
    if own.empty or frame.empty:
        return frame
    out = frame.copy()
    alone = _rests_on_one_trial(out, effects) & _touched(out, own)
    hidden = own[own["withheld"].isin([GROUPED, TOO_SMALL])]
    gone = alone & _touched(out, hidden)
    without = _without_one_of(out, set(known))
    inside = _touched(out, hidden)
    numbers = [c for c in out.columns if pd.api.types.is_float_dtype(out[c]) and c not in _KEPT]
    for column in numbers:
        exact = out[column].to_numpy(dtype=float)
        exact = np.where(inside, keep_digits(exact, INSIDE_DIGITS, INSIDE_DIGITS), exact)
        out[column] = np.where(alone | without, keep_digits(exact, POOL_DECIMALS), exact)
    if "measure" in out:
        gone |= alone & out["measure"].isin(NATURAL).to_numpy()
    out.loc[gone, [c for c in numbers if not c.startswith("k_")]] = np.nan
    if "status" in out:
        out.loc[gone, "status"] = "withheld"
    if "interval_kind" in out:
        out.loc[gone, "interval_kind"] = "none"
    for column in ("reason", "notes"):
        if column in out:
            out.loc[gone, column] = ONE_TRIAL
            break
    return out


def _rests_on_one_trial(frame: pd.DataFrame, effects: pd.DataFrame) -> np.ndarray:
    """Rows of one trial; of tables that leave trials out, those of syntheses so small that one
    is left."""
    if "k_trials" in frame:
        return np.asarray(_count(frame, "k_trials") == 1)
    if "k_upstream" in frame:
        return np.asarray((_count(frame, "k_upstream") <= 1) | (_count(frame, "k_behavior") <= 1))
    pooled = effects[effects["in_pool"].fillna(False).astype(bool)]
    trials = pooled.groupby("synthesis")["trial_id"].nunique()
    return np.asarray(frame["synthesis"].map(trials).fillna(0) <= _LEFT_OUT)


def _count(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    return np.asarray(pd.to_numeric(frame[name]).astype("Float64").to_numpy(float, na_value=np.nan))


def _without_one_of(frame: pd.DataFrame, trials: set[str]) -> np.ndarray:
    """Rows of results without one of these trials: set against the whole they give it away."""
    column = next((c for c in ("trial_id", "value") if c in frame), None)
    if column is None:
        return np.zeros(len(frame), dtype=bool)
    return np.asarray(frame[column].isin(trials))


def _touched(frame: pd.DataFrame, effects: pd.DataFrame) -> np.ndarray:
    """Rows of a synthesis, and where they have one of a construct, that these effects enter."""
    synthesis = frame["synthesis"].isin(set(effects["synthesis"])).to_numpy()
    if "construct" not in frame:
        return np.asarray(synthesis)
    known = set(zip(effects["synthesis"], effects["construct"], strict=True))
    pairs = zip(frame["synthesis"], frame["construct"], strict=True)
    return np.array([pair in known for pair in pairs], dtype=bool)
