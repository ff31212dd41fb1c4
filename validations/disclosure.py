"""Disclosure rules for everything derived from participant rows, before it is published.

Profiles: `rounded` (default) redacts counts of 7 or fewer and rounds the others to the nearest
5; `basic` redacts counts below 5; `none` and `published` leave counts as they are; a
manifest that asks for any profile gives its reason. Effects of trials under a rounding
profile are published with three decimals, so that exact counts cannot be solved from them;
pooled numbers are not rounded.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from validations.manifest.vocabulary import DisclosureProfile

REDACT_UP_TO = {DisclosureProfile.ROUNDED: 7, DisclosureProfile.BASIC: 4}
ROUND_TO = {DisclosureProfile.ROUNDED: 5, DisclosureProfile.BASIC: 1}
EFFECT_DECIMALS, COARSE_DECIMALS = 3, 2
_NATURAL = ("OR", "RR", "RD")

_COUNTS = {
    "trials": ["n_analyzed"],
    "arms": ["n_analyzed"],
    "intention_outcomes": ["n1", "n2"],
    "behavior_outcomes": ["n1", "n2"],
    "upstream_outcomes": ["n1", "n2"],
    "effects": ["n1", "n2"],
    "paired_effects": ["rho_n"],
    "participant_checks": ["n"],
}
_EVENTS = ("events1", "events2")
_EFFECT_NUMBERS = {
    "effects": ["yi", "vi", "sei", "ci_lb", "ci_ub"],
    "effect_covariances": ["covariance", "correlation"],
    "assumed_covariances": ["covariance"],
    "participant_checks": ["estimate", "statistic", "pvalue"],
    "paired_effects": [
        "upstream_yi",
        "upstream_vi",
        "behavior_yi",
        "behavior_vi",
        "covariance",
        "rho_within_arm",
        "rho_latent",
        "rho_variance",
        "correlation_of_estimates",
        "difference",
        "difference_vi",
    ],
    "intention_outcomes": [
        "m1",
        "sd1",
        "m2",
        "sd2",
        "adjusted_difference",
        "sd_pooled",
        "covariate_r",
    ],
}
_EFFECT_NUMBERS["behavior_outcomes"] = _EFFECT_NUMBERS["intention_outcomes"]
_EFFECT_NUMBERS["upstream_outcomes"] = _EFFECT_NUMBERS["intention_outcomes"]
_REPEATING = ("paired_effects", "effect_covariances", "assumed_covariances")
_CELLS = ["inclined_actors", "inclined_abstainers", "disinclined_actors", "disinclined_abstainers"]


def protect_count(count: float, profile: DisclosureProfile) -> float:
    """A count as it may be published; NaN when it is redacted."""
    if profile not in REDACT_UP_TO or np.isnan(count):
        return count
    if count <= REDACT_UP_TO[profile]:
        return float("nan")
    base = ROUND_TO[profile]
    return float(base * round(count / base))


def protect_table(
    frame: pd.DataFrame, name: str, profiles: Mapping[str, DisclosureProfile]
) -> pd.DataFrame:
    """Apply the profile of each trial to the rows that rest on participant rows.

    profiles: trial_id -> profile, only for trials with participant rows. The column `withheld`
    says what was changed.
    """
    out = frame.copy()
    if "withheld" not in out:
        out["withheld"] = ""
    if out.empty or not profiles:
        return out
    for trial, profile in profiles.items():
        if profile not in REDACT_UP_TO:
            continue
        rows = (out["trial_id"] == trial).to_numpy()
        if not rows.any():
            continue
        _protect_rows(out, rows, name, profile)
    return out


def protect_pools(frame: pd.DataFrame, profiles: Mapping[str, DisclosureProfile]) -> pd.DataFrame:
    """Results that rest on one trial are that trial's effect: treat them as such where a profile
    rounds. Pools and gaps of one trial and results with one trial left out are rounded; a pool
    of one trial on a natural scale is withheld, whosever trial it is."""
    if not any(profile in REDACT_UP_TO for profile in profiles.values()):
        return frame
    out = frame.copy()
    alone = _rests_on_one_trial(out)
    numbers = [c for c in out.columns if pd.api.types.is_float_dtype(out[c])]
    out.loc[alone, numbers] = out.loc[alone, numbers].round(COARSE_DECIMALS)
    if "measure" in out:
        natural = alone & out["measure"].isin(_NATURAL).to_numpy()
        out.loc[natural, numbers] = np.nan
        out.loc[natural, "status"] = "withheld"
    return out


def _rests_on_one_trial(frame: pd.DataFrame) -> np.ndarray:
    if "k_trials" in frame:
        return np.asarray(frame["k_trials"] == 1)
    if "k_upstream" in frame:
        return np.asarray((frame["k_upstream"] <= 1) | (frame["k_behavior"] <= 1))
    return np.ones(len(frame), dtype=bool)


def _protect_rows(
    out: pd.DataFrame, rows: np.ndarray, name: str, profile: DisclosureProfile
) -> None:
    def protected(column: str) -> np.ndarray:
        values = pd.to_numeric(out.loc[rows, column]).to_numpy(dtype=float)
        return np.array([protect_count(value, profile) for value in values])

    if "events1" in out:
        _protect_events(out, rows, profile)
    for column in _COUNTS.get(name, []):
        out.loc[rows, column] = protected(column)
    for column in _EFFECT_NUMBERS.get(name, []):
        # A mean of whole scores with three decimals can be turned back into a sum and an n.
        # Pairs and covariances repeat the effects of binary outcomes, which are coarser.
        coarse = column[:-1] in ("m", "sd") or name in _REPEATING
        decimals = COARSE_DECIMALS if coarse else EFFECT_DECIMALS
        out.loc[rows, column] = pd.to_numeric(out.loc[rows, column]).round(decimals)
    if name == "effects":
        _protect_binary_effects(out, rows)
    out.loc[rows, "withheld"] = f"counts and effects {profile.value} for disclosure"


def _protect_binary_effects(out: pd.DataFrame, rows: np.ndarray) -> None:
    """Effects of binary outcomes and their variances together give the counts back: the natural
    scales are withheld, the common scale is coarsened."""
    natural = rows & out["measure"].isin(_NATURAL).to_numpy()
    binary = set(out.loc[natural, "outcome_row_id"])
    out.loc[natural, ["yi", "vi", "sei", "ci_lb", "ci_ub"]] = np.nan
    out.loc[natural, "reason"] = "withheld: with its variance it would give counts away"
    common = rows & out["outcome_row_id"].isin(binary).to_numpy() & ~natural
    numbers = ["yi", "vi", "sei", "ci_lb", "ci_ub"]
    out.loc[common, numbers] = out.loc[common, numbers].round(COARSE_DECIMALS)


def _protect_events(out: pd.DataFrame, rows: np.ndarray, profile: DisclosureProfile) -> None:
    """Events and non-events: when one of the four cells is small, all events are withheld
    (the others would give it away by subtraction)."""
    columns = ["events1", "n1", "events2", "n2"]
    numbers = out.loc[rows, columns].to_numpy(dtype=float)
    safe = []
    for events1, n1, events2, n2 in numbers:
        cells = [events1, n1 - events1, events2, n2 - events2]
        protected = [protect_count(cell, profile) for cell in cells]
        hidden = bool(np.isnan(protected).any())
        safe.append([np.nan, np.nan] if hidden else [protected[0], protected[2]])
    out.loc[rows, list(_EVENTS)] = np.array(safe, dtype=float).reshape(-1, 2)


def protect_action_counts(
    counts: pd.DataFrame, profiles: Mapping[str, DisclosureProfile]
) -> pd.DataFrame:
    """Intended-by-acted counts as they may be published; shares are then made from them.

    A row with a cell that is too small loses all four counts, since each would follow from the
    others and the totals.
    """
    out = counts.copy()
    out[_CELLS] = out[_CELLS].astype(float)
    out["withheld"] = ""
    for position, record in enumerate(counts.to_dict("records")):
        profile = profiles.get(record["trial_id"])
        if profile not in REDACT_UP_TO or record["basis"] != "participant_rows":
            continue
        safe = [protect_count(float(record[cell]), profile) for cell in _CELLS]
        hidden = any(np.isnan(safe))
        out.loc[out.index[position], _CELLS] = [np.nan] * 4 if hidden else safe
        out.loc[out.index[position], "withheld"] = (
            "a cell is too small to publish" if hidden else "made from rounded counts"
        )
    return out
