"""Disclosure rules for counts derived from participant rows, and for pools of them.

Profiles: `rounded` (default) redacts counts of 7 or fewer and rounds the others to the nearest
5; `basic` redacts counts below 5; `none` and `published` leave counts as they are; a
manifest that asks for any profile gives its reason. What is published of effects is in
`assets.disclosure.effects`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from validations.manifest.vocabulary import DisclosureProfile

REDACT_UP_TO = {DisclosureProfile.ROUNDED: 7, DisclosureProfile.BASIC: 4}
ROUND_TO = {DisclosureProfile.ROUNDED: 5, DisclosureProfile.BASIC: 1}
MEAN_DECIMALS, POOL_DECIMALS = 2, 2
GROUP = 3
"""So many neighboring counts of events are published as one, where one of them is small."""
NATURAL = ("OR", "RR", "RD")
GROUPED = "counts withheld; the effect is made from counts in groups of three"
TOO_SMALL = "an arm is too small to publish"
ONE_TRIAL = "rests on one confidential trial whose counts are withheld"

_COUNTS = {
    "trials": ["n_analyzed"],
    "arms": ["n_analyzed"],
    "intention_outcomes": ["n1", "n2"],
    "behavior_outcomes": ["n1", "n2"],
    "upstream_outcomes": ["n1", "n2"],
}
_EVENTS = ("events1", "events2")
_MEANS = (("m1", "sd1"), ("m2", "sd2"), ("adjusted_difference", "sd_pooled"))
_NUMBERS = [
    "n_analyzed",
    "n1",
    "n2",
    *_EVENTS,
    *(c for pair in _MEANS for c in pair),
    "covariate_r",
]
_CELLS = ["inclined_actors", "inclined_abstainers", "disinclined_actors", "disinclined_abstainers"]


def protect_count(count: float, profile: DisclosureProfile) -> float:
    """A count as it may be published; NaN when it is redacted."""
    if profile not in REDACT_UP_TO or np.isnan(count):
        return count
    if count <= REDACT_UP_TO[profile]:
        return float("nan")
    base = ROUND_TO[profile]
    return float(base * round(count / base))


def protect_counts(counts: ArrayLike, profile: DisclosureProfile) -> NDArray[np.float64]:
    """The same for many counts."""
    given = np.asarray(counts, dtype=float)
    if profile not in REDACT_UP_TO:
        return given
    base = ROUND_TO[profile]
    return np.where(given <= REDACT_UP_TO[profile], np.nan, base * np.rint(given / base))


def hidden_up_to(profile: DisclosureProfile) -> int:
    """Cells of a binary outcome that hide all its events: those of the groups with a redacted
    count, so that a hidden count never stands alone in its group."""
    return GROUP * (REDACT_UP_TO[profile] // GROUP) + GROUP - 1


def confidential(profiles: Mapping[str, DisclosureProfile]) -> dict[str, DisclosureProfile]:
    """The trials whose profile changes what is published."""
    return {trial: one for trial, one in profiles.items() if one in REDACT_UP_TO}


def protect_table(
    frame: pd.DataFrame, name: str, profiles: Mapping[str, DisclosureProfile]
) -> pd.DataFrame:
    """Apply the profile of each trial to rows of counts and means that rest on participant rows.

    profiles: trial_id -> profile, only for trials with participant rows. The column `withheld`
    says what was changed.
    """
    out = frame.copy()
    if "withheld" not in out:
        out["withheld"] = ""
    if out.empty:
        return out
    for column in set(_NUMBERS) & set(out.columns):
        out[column] = pd.to_numeric(out[column]).astype(float)
    for profile, rows in rows_by_profile(out["trial_id"], profiles):
        _protect_rows(out, rows, name, profile)
    return out


def rows_by_profile(
    trials: pd.Series, profiles: Mapping[str, DisclosureProfile]
) -> Iterator[tuple[DisclosureProfile, NDArray[np.bool_]]]:
    """Each profile that changes what is published, with the rows of its trials (where there are
    any). trials: the trial of each row."""
    names = np.array([one.value if one in REDACT_UP_TO else "" for one in profiles.values()] + [""])
    place = {trial: i for i, trial in enumerate(profiles)}
    chosen = names[[place.get(trial, -1) for trial in trials]]
    for profile in REDACT_UP_TO:
        rows = chosen == profile.value
        if rows.any():
            yield profile, rows


def keep_digits(values: ArrayLike, decimals: int, digits: int = 2) -> NDArray[np.float64]:
    """Values with so many decimals, small ones with so many significant digits: never 0 unless
    they are."""
    given = np.asarray(values, dtype=float)
    return round_by(given, given, decimals, digits)


def round_by(
    values: ArrayLike, scale: ArrayLike, decimals: int, digits: int = 2
) -> NDArray[np.float64]:
    """Values with so many decimals, or with more where the first `digits` digits of their scale
    (a standard error, an SD) stand further back."""
    given, size = (np.asarray(x, dtype=float) for x in (values, scale))
    known = np.isfinite(size) & (size != 0)
    back = np.floor(np.log10(np.abs(np.where(known, size, 1.0))))
    places = np.clip(np.maximum(decimals, digits - 1 - back), 0, 323)
    rounded = [
        round(float(v), int(p)) if np.isfinite(v) else float(v)
        for v, p in zip(
            np.atleast_1d(given), np.broadcast_to(places, given.shape or (1,)), strict=True
        )
    ]
    return np.array(rounded).reshape(given.shape)


def _protect_rows(
    out: pd.DataFrame, rows: np.ndarray, name: str, profile: DisclosureProfile
) -> None:
    def numbers(column: str) -> np.ndarray:
        return np.asarray(pd.to_numeric(out.loc[rows, column]).to_numpy(dtype=float))

    said = np.full(int(rows.sum()), f"counts and effects {profile.value} for disclosure", object)
    if "events1" in out:
        _protect_events(out, rows, profile)
    if "m1" in out:
        small = too_small(numbers("n1"), numbers("n2"), profile)
        said[small] = TOO_SMALL
        _protect_means(out, rows, small)
    for column in _COUNTS.get(name, []):
        out.loc[rows, column] = protect_counts(numbers(column), profile)
    out.loc[rows, "withheld"] = said


def too_small(
    n1: NDArray[np.float64], n2: NDArray[np.float64], profile: DisclosureProfile
) -> NDArray[np.bool_]:
    """Rows with an arm of so few persons that its statistics are their answers."""
    return np.asarray(np.fmin(n1, n2) <= REDACT_UP_TO[profile])


def _protect_means(out: pd.DataFrame, rows: np.ndarray, small: NDArray[np.bool_]) -> None:
    """A mean of whole scores with three decimals can be turned back into a sum and an n."""
    for mean, sd in _MEANS:
        scale = pd.to_numeric(out.loc[rows, sd]).to_numpy(dtype=float)
        for column in (mean, sd):
            values = pd.to_numeric(out.loc[rows, column]).to_numpy(dtype=float)
            shown = round_by(values, scale, MEAN_DECIMALS)
            out.loc[rows, column] = np.where(small, np.nan, shown)
    r = pd.to_numeric(out.loc[rows, "covariate_r"]).to_numpy(dtype=float)
    out.loc[rows, "covariate_r"] = np.where(small, np.nan, np.round(r, MEAN_DECIMALS))


def has_small_cell(counts: tuple[float, float, float, float], profile: DisclosureProfile) -> bool:
    """Whether events or non-events of an arm are so few that all events are withheld.

    counts: events and persons of the intervention, then of the comparator arm.
    """
    events1, n1, events2, n2 = counts
    cells = (events1, n1 - events1, events2, n2 - events2)
    return any(cell <= hidden_up_to(profile) for cell in cells)


def _protect_events(out: pd.DataFrame, rows: np.ndarray, profile: DisclosureProfile) -> None:
    """Events and non-events: when one of the four cells is small, all events are withheld
    (the others would give it away by subtraction)."""
    events = out.loc[rows, list(_EVENTS)].to_numpy(dtype=float)
    others = out.loc[rows, ["n1", "n2"]].to_numpy(dtype=float) - events
    small = (np.fmin(events, others) <= hidden_up_to(profile)).any(axis=1)
    safe = protect_counts(events, profile)
    out.loc[rows, list(_EVENTS)] = np.where(small[:, None], np.nan, safe)


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
    of_persons = (out["basis"] == "participant_rows").to_numpy(dtype=bool)
    for profile, of_profile in rows_by_profile(out["trial_id"], profiles):
        rows = of_profile & of_persons
        safe = protect_counts(out.loc[rows, _CELLS], profile)
        hidden = np.isnan(safe).any(axis=1)
        for cell, shown in zip(_CELLS, np.where(hidden, np.nan, safe.T), strict=True):
            out.loc[rows, cell] = shown
        said = np.where(hidden, "a cell is too small to publish", "made from rounded counts")
        out.loc[rows, "withheld"] = said.astype(object)
    return out
