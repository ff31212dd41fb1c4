"""Effects, covariances and pairs of confidential trials as they may be published.

First come the effects and their variances: those of scores rounded, those of binary outcomes
with a small cell made from grouped counts, those of an arm too small to count withheld. All
else (standard errors, limits, covariances, differences) is computed from what is published, so
that it agrees with itself and tells nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assets.disclosure.counts import (
    GROUP,
    GROUPED,
    NATURAL,
    TOO_SMALL,
    confidential,
    has_small_cell,
    keep_digits,
    protect_count,
    round_by,
    too_small,
)
from validations.manifest.vocabulary import DisclosureProfile

SCORE_DECIMALS, BINARY_DECIMALS, CHECK_DECIMALS = 3, 2, 3
VARIANCE_DIGITS, GROUPED_VARIANCE_DIGITS = 2, 3
CORRELATION_DECIMALS, GROUPED_CORRELATION_DECIMALS = 2, 1
LARGEST_CORRELATION = 0.99
SMALLEST_EIGENVALUE = 1e-3
_NUMBERS = ["yi", "vi", "sei", "ci_lb", "ci_ub"]
_LOGIT_TO_SMD = math.sqrt(3.0) / math.pi


@dataclass(frozen=True)
class Linked:
    """Tables that repeat the effects of trials; each of them with the column `withheld`."""

    effects: pd.DataFrame
    effect_covariances: pd.DataFrame
    assumed_covariances: pd.DataFrame
    paired_effects: pd.DataFrame
    participant_checks: pd.DataFrame


def protect_linked(
    exact: Linked, outcomes: pd.DataFrame, profiles: Mapping[str, DisclosureProfile]
) -> Linked:
    """The tables as they may be published, all from the same protected effects.

    outcomes: exact outcome rows with their events. profiles: trial_id -> profile, only for
    trials with participant rows.
    """
    tables = {name: _blank(frame) for name, frame in vars(exact).items()}
    known = confidential(profiles)
    if not known:
        return Linked(**tables)
    effects, parts = _protect_effects(tables["effects"], outcomes, known)
    correlations = _Correlations(exact, effects, parts, known)
    return Linked(
        effects,
        correlations.protect(tables["effect_covariances"]),
        correlations.protect(tables["assumed_covariances"]),
        _protect_pairs(tables["paired_effects"], correlations, known),
        _protect_checks(tables["participant_checks"], effects, known),
    )


def _blank(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.copy().reset_index(drop=True)
    if "withheld" not in out:
        out["withheld"] = ""
    return out


def _said(profile: DisclosureProfile) -> str:
    return f"counts and effects {profile.value} for disclosure"


# effects ---------------------------------------------------------------------------------


def _protect_effects(
    effects: pd.DataFrame, outcomes: pd.DataFrame, profiles: Mapping[str, DisclosureProfile]
) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """The effects, and what each arm adds to the variance of those made from grouped counts."""
    out, parts = effects, {}
    for column in [*_NUMBERS, "n1", "n2"]:
        out[column] = pd.to_numeric(out[column]).astype(float)
    natural = out["measure"].isin(NATURAL)
    binary = set(out.loc[natural, "outcome_row_id"])
    events = {
        row["outcome_row_id"]: _counts(row)
        for row in outcomes.to_dict("records")
        if pd.notna(row.get("events1")) and pd.notna(row.get("events2"))
    }
    scales = _scales_of_logits(out)
    places, rows = _rows_of(out, profiles)
    columns = [*_NUMBERS, "n1", "n2", "withheld", "reason"]
    new: dict[str, list[Any]] = {name: [] for name in columns if name in out or name in _NUMBERS}
    for row in rows:
        profile = profiles[row["trial_id"]]
        made = _as_published(row, profile, binary, events, scales)
        wide = row["ci_ub"] - row["ci_lb"]
        half = wide / (2.0 * row["sei"]) * math.sqrt(made.vi) if row["sei"] > 0 else math.nan
        shown = (made.yi, made.vi, math.sqrt(made.vi), made.yi - half, made.yi + half)
        for column, value in zip(_NUMBERS, shown, strict=True):
            new[column].append(value)
        for column in ("n1", "n2"):
            new[column].append(protect_count(float(row[column]), profile))
        new["withheld"].append(made.said)
        if "reason" in new:
            new["reason"].append(made.reason or row["reason"])
        if made.parts is not None:
            arms = (str(row["intervention_arm"]), str(row["comparator_arm"]))
            parts[str(row["effect_id"])] = dict(zip(arms, made.parts, strict=True))
    return _put(out, places, new), parts


def _rows_of(
    frame: pd.DataFrame, profiles: Mapping[str, DisclosureProfile]
) -> tuple[NDArray[np.intp], list[dict[Any, Any]]]:
    """Where the rows of these trials stand, and the rows."""
    places = np.flatnonzero([trial in profiles for trial in frame["trial_id"]])
    return places, frame.iloc[places].to_dict("records")


def _put(
    frame: pd.DataFrame, places: NDArray[np.intp], new: Mapping[str, list[Any]]
) -> pd.DataFrame:
    """The frame with new values in these places; columns that it does not have are added."""
    if len(places):
        for name, values in new.items():
            if name not in frame:
                frame[name] = math.nan
            frame.loc[places, name] = values
    return frame


def _counts(row: Mapping[Any, Any]) -> tuple[float, float, float, float]:
    return float(row["events1"]), float(row["n1"]), float(row["events2"]), float(row["n2"])


def _scales_of_logits(effects: pd.DataFrame) -> dict[str, float]:
    """By outcome row: what a log odds ratio is multiplied by to stand on the common scale."""
    variances = {m: effects[effects["measure"] == m] for m in ("OR", "SMD")}
    by_row = {m: dict(zip(f["outcome_row_id"], f["vi"], strict=True)) for m, f in variances.items()}
    found = {
        row: math.sqrt(by_row["SMD"][row] / odds)
        for row, odds in by_row["OR"].items()
        if row in by_row["SMD"] and odds > 0 and by_row["SMD"][row] > 0
    }
    return found


@dataclass(frozen=True)
class _Published:
    yi: float
    vi: float
    said: str
    reason: str = ""
    parts: tuple[float, float] | None = None


def _as_published(
    row: Mapping[Any, Any],
    profile: DisclosureProfile,
    binary: set[Any],
    events: Mapping[Any, tuple[float, float, float, float]],
    scales: Mapping[Any, float],
) -> _Published:
    """One effect as it may be published."""
    key, yi, vi = row["outcome_row_id"], float(row["yi"]), float(row["vi"])
    if not math.isfinite(yi) or not vi > 0:
        return _Published(math.nan, math.nan, _said(profile))
    if bool(too_small(np.array([row["n1"]]), np.array([row["n2"]]), profile)[0]):
        return _Published(math.nan, math.nan, TOO_SMALL, f"withheld: {TOO_SMALL}")
    if row["measure"] in NATURAL:
        why = "withheld: with its variance it would give counts away"
        return _Published(math.nan, math.nan, _said(profile), why)
    if key not in binary:
        return _Published(_rounded(yi, vi, SCORE_DECIMALS), significant(vi), _said(profile))
    if key not in events or not has_small_cell(events[key], profile):
        return _Published(_rounded(yi, vi, BINARY_DECIMALS), significant(vi), _said(profile))
    grouped, parts = grouped_effect(*events[key], profile, scales.get(key, _LOGIT_TO_SMD))
    inflation = max(1.0, float(np.nan_to_num(row.get("design_effect", 1.0), nan=1.0)))
    vi = inflation * sum(parts)
    shown = _rounded(-grouped if str(row["turned"]) == "True" else grouped, vi, BINARY_DECIMALS)
    own = (inflation * parts[0], inflation * parts[1])
    return _Published(shown, significant(vi, GROUPED_VARIANCE_DIGITS), GROUPED, parts=own)


def _rounded(yi: float, vi: float, decimals: int) -> float:
    return float(round_by(yi, math.sqrt(vi), decimals)[()])


def significant(variance: float, digits: int = VARIANCE_DIGITS) -> float:
    """A variance with so many significant digits: positive whatever its size."""
    return float(f"{variance:.{digits - 1}e}")


def grouped_effect(
    events1: float,
    n1: float,
    events2: float,
    n2: float,
    profile: DisclosureProfile,
    scale: float = _LOGIT_TO_SMD,
) -> tuple[float, tuple[float, float]]:
    """Scaled log odds ratio, and what each arm adds to its variance, from counts in groups of
    three and published numbers of persons."""
    logit1, part1 = _arm(events1, n1, profile)
    logit2, part2 = _arm(events2, n2, profile)
    return scale * (logit1 - logit2), (scale**2 * part1, scale**2 * part2)


def _arm(events: float, n: float, profile: DisclosureProfile) -> tuple[float, float]:
    """Logit of an arm and its variance, from the count that stands for its events."""
    shown = protect_count(n, profile)
    those = stand_in(events, n, shown)
    return math.log(those / (shown - those)), 1.0 / those + 1.0 / (shown - those)


def stand_in(events: float, n: float, shown: float) -> float:
    """The number that stands for a count of events among n persons of whom `shown` are told.

    0 to n are cut into groups of three from both ends, what is left in the middle is a group
    (of one or two: part of the group below). All counts of a group have the same stand-in, and
    the stand-ins of events and of non-events are those of each other.
    """
    cut = GROUP * int((n + 1) // (2 * GROUP))
    middle = n + 1 - 2 * cut
    if events < cut:
        return _of_group(events)
    if events > n - cut:
        return shown - _of_group(n - events)
    return _of_group(cut - 1) if middle < GROUP else shown / 2.0 + 0.25


def _of_group(count: float) -> float:
    """Harmonic mean of the two larger counts of the group: halfway between them for a variance,
    and no whole number, so that whoever tries whole counts does not find one by chance."""
    larger = GROUP * (count // GROUP) + GROUP - 1
    return 2.0 / (1.0 / larger + 1.0 / (larger - 1.0))


# correlations ----------------------------------------------------------------------------


class _Correlations:
    """Published correlations of the effects of each trial, at every assumed correlation.

    Rounding can make correlations contradict each other: all of a trial are then drawn toward 0
    by the same factor, the least that leaves every matrix of the trial positive definite.
    """

    def __init__(
        self,
        exact: Linked,
        effects: pd.DataFrame,
        parts: Mapping[str, dict[str, float]],
        profiles: Mapping[str, DisclosureProfile],
    ) -> None:
        """parts: of effects made from grouped counts, what each arm adds to the variance."""
        self.profiles = profiles
        columns = ["outcome_id", "weeks", "timepoint", "instrument", "intervention_arm",
                   "comparator_arm", "yi", "vi", "withheld", "n1", "n2"]  # fmt: skip
        shown = effects.set_index("effect_id")
        kept = shown[[c for c in columns if c in shown]]
        self.effects: dict[str, dict[str, Any]] = {
            str(k): {str(c): x for c, x in v.items()} for k, v in kept.to_dict("index").items()
        }
        self.parts = parts
        exact_vi = pd.to_numeric(exact.effects["vi"]).astype(float)
        self.exact_vi = dict(zip(exact.effects["effect_id"], exact_vi, strict=True))
        self.at: dict[tuple[str, float], dict[tuple[str, str], float]] = {}
        sets: dict[str, dict[float, dict[tuple[str, str], float]]] = {t: {} for t in profiles}
        for row in _rows_of(exact.effect_covariances, profiles)[1]:
            self._note(sets[row["trial_id"]].setdefault(math.inf, {}), row)
        of_grid: dict[str, dict[float, dict[tuple[str, str], float]]] = {t: {} for t in profiles}
        for row in _rows_of(exact.assumed_covariances, profiles)[1]:
            rho = float(row["assumed_correlation"])
            if not math.isnan(rho):
                self._note(of_grid[row["trial_id"]].setdefault(_key(rho), {}), row)
        for trial, by_rho in sets.items():
            own = by_rho.setdefault(math.inf, {})
            by_rho |= {rho: own | part for rho, part in of_grid[trial].items()}
            for rho, found in zip(by_rho, _consistent(list(by_rho.values())), strict=True):
                self.at[trial, rho] = found

    def _note(self, known: dict[tuple[str, str], float], row: Mapping[Any, Any]) -> None:
        """Add the published correlation of a row, if there is one."""
        one, two = str(row["effect_id_1"]), str(row["effect_id_2"])
        scale = math.sqrt(self.exact_vi[one] * self.exact_vi[two])
        r = float(row["covariance"]) / scale if scale > 0 else math.nan
        published = self._published(one, two, r)
        if math.isfinite(published):
            known[one, two] = published

    def _published(self, one: str, two: str, r: float) -> float:
        first, second = self.effects[one], self.effects[two]
        if not (math.isfinite(first["vi"]) and math.isfinite(second["vi"])):
            return math.nan
        grouped = GROUPED in (first["withheld"], second["withheld"])
        if grouped and _same_outcome(first, second):
            return self._through_arms(one, two, r)
        return _rounded_correlation(r, grouped)

    def _through_arms(self, one: str, two: str, r: float) -> float:
        """Correlation of two comparisons on one binary outcome from the grouped counts of the
        arms that they share: the exact one would give these counts away."""
        first, second = self.effects[one], self.effects[two]
        names = ("intervention_arm", "comparator_arm")
        parts = self.parts.get(one) or self.parts.get(two)
        shared = {first[n] for n in names} & {second[n] for n in names}
        if r == 0.0 or not shared or parts is None:
            return 0.0
        covariance = sum(part for arm, part in parts.items() if arm in shared)
        found = covariance / math.sqrt(first["vi"] * second["vi"])
        found = min(round(found, CORRELATION_DECIMALS), LARGEST_CORRELATION)
        return math.copysign(found, r)

    def of(self, trial: str, one: str, two: str, rho: float = math.nan) -> float:
        """Published correlation of two effects; nan when there is none."""
        found = self.at.get((trial, _key(rho)), {})
        return found.get((one, two), found.get((two, one), math.nan))

    def covariance(self, trial: str, one: str, two: str, rho: float = math.nan) -> float:
        """The same as covariance: correlation and published standard errors multiplied."""
        variances = (self.effects[e]["vi"] for e in (one, two))
        return self.of(trial, one, two, rho) * math.prod(math.sqrt(v) for v in variances)

    def protect(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A table of covariances with the published ones."""
        places, rows = _rows_of(frame, self.profiles)
        names = [n for n in ("covariance", "correlation", "withheld") if n in frame]
        new: dict[str, list[Any]] = {name: [] for name in names}
        for row in rows:
            trial, one, two = row["trial_id"], str(row["effect_id_1"]), str(row["effect_id_2"])
            rho = float(row.get("assumed_correlation", math.nan))
            new["covariance"].append(self.covariance(trial, one, two, rho))
            if "correlation" in new:
                new["correlation"].append(self.of(trial, one, two))
            new["withheld"].append(_said(self.profiles[trial]))
        return _put(frame, places, new)


def _key(rho: float) -> float:
    """Assumed correlations as keys; nan stands for the primary one."""
    return math.inf if math.isnan(rho) else round(rho, 9)


def _rounded_correlation(r: float, grouped: bool) -> float:
    decimals = GROUPED_CORRELATION_DECIMALS if grouped else CORRELATION_DECIMALS
    return float(np.clip(round(r, decimals), -LARGEST_CORRELATION, LARGEST_CORRELATION))


def _same_outcome(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    names = ("outcome_id", "weeks", "timepoint", "instrument")
    return all(str(first.get(n)) == str(second.get(n)) for n in names)


def _consistent(sets: list[dict[tuple[str, str], float]]) -> list[dict[tuple[str, str], float]]:
    """The correlations, drawn toward 0 by one factor until every matrix is positive definite."""
    for percent in range(100, -1, -2):
        drawn = [{pair: percent / 100.0 * r for pair, r in one.items()} for one in sets]
        if percent < 100:
            drawn = [{p: math.floor(abs(r) * 1000) / 1000 * (1 if r > 0 else -1)
                      for p, r in one.items()} for one in drawn]  # fmt: skip
        if all(_smallest_eigenvalue(one) >= SMALLEST_EIGENVALUE for one in drawn):
            return drawn
    return drawn


def _smallest_eigenvalue(correlations: Mapping[tuple[str, str], float]) -> float:
    names = sorted({name for pair in correlations for name in pair})
    place = {name: i for i, name in enumerate(names)}
    matrix: NDArray[np.float64] = np.eye(len(names))
    for (one, two), r in correlations.items():
        matrix[place[one], place[two]] = matrix[place[two], place[one]] = r
    return float(np.linalg.eigvalsh(matrix)[0]) if names else 1.0


# what repeats the effects ------------------------------------------------------------------


def _protect_pairs(
    pairs: pd.DataFrame,
    correlations: _Correlations,
    profiles: Mapping[str, DisclosureProfile],
) -> pd.DataFrame:
    places, rows = _rows_of(pairs, profiles)
    made = [_published_pair(row, correlations, profiles[row["trial_id"]]) for row in rows]
    return _put(pairs, places, {name: [one[name] for one in made] for name in (made or [{}])[0]})


def _published_pair(
    row: Mapping[Any, Any], correlations: _Correlations, profile: DisclosureProfile
) -> dict[str, Any]:
    """What is published of a pair, from its published effects."""
    trial, up, act = (str(row[n]) for n in ("trial_id", "upstream_effect_id", "behavior_effect_id"))
    first, second = correlations.effects[up], correlations.effects[act]
    covariance = correlations.covariance(trial, up, act)
    grouped = GROUPED in (first["withheld"], second["withheld"])
    gone = not (math.isfinite(first["vi"]) and math.isfinite(second["vi"]))
    n = protect_count(float(row.get("rho_n", math.nan)), profile)
    new: dict[str, Any] = {
        "upstream_yi": first["yi"],
        "upstream_vi": first["vi"],
        "behavior_yi": second["yi"],
        "behavior_vi": second["vi"],
        "covariance": covariance,
        "correlation_of_estimates": correlations.of(trial, up, act),
        "difference": first["yi"] - second["yi"],
        "difference_vi": first["vi"] + second["vi"] - 2.0 * covariance,
        "rho_n": math.nan if gone else n,
    }
    for name in ("rho_within_arm", "rho_latent"):
        exact = float(row.get(name, math.nan))
        new[name] = math.nan if gone else _rounded_correlation(exact, grouped)
    variance = float(row.get("rho_variance", math.nan))
    shown = significant(variance, 1 if grouped else 2) if variance > 0 else math.nan
    new["rho_variance"] = math.nan if gone else shown
    new["withheld"] = GROUPED if grouped else _said(profile)
    return new


def _protect_checks(
    checks: pd.DataFrame, effects: pd.DataFrame, profiles: Mapping[str, DisclosureProfile]
) -> pd.DataFrame:
    """Checks repeat g and the correlation of a pair: withheld with their effects."""
    state: dict[tuple[str, str], set[str]] = {}
    told = (effects[name] for name in ("trial_id", "outcome_id", "withheld"))
    for trial, outcome, withheld in zip(*told, strict=True):
        state.setdefault((trial, outcome), set()).add(withheld)
    numbers = ("estimate", "statistic", "pvalue")
    places, rows = _rows_of(checks, profiles)
    new: dict[str, list[Any]] = {name: [] for name in (*numbers, "n", "withheld")}
    for row in rows:
        trial, profile = row["trial_id"], profiles[row["trial_id"]]
        outcomes = str(row["outcome_id"]).split("~")
        said = set().union(*(state.get((trial, one), set()) for one in outcomes))
        hidden = TOO_SMALL in said or GROUPED in said
        for name in numbers:
            value = float(row[name]) if pd.notna(row[name]) else math.nan
            shown = math.nan if hidden else float(keep_digits(value, CHECK_DECIMALS)[()])
            new[name].append(shown)
        n = float(row["n"]) if pd.notna(row["n"]) else math.nan
        new["n"].append(protect_count(n, profile))
        why = TOO_SMALL if TOO_SMALL in said else GROUPED
        new["withheld"].append(why if hidden else _said(profile))
    return _put(checks, places, new)
