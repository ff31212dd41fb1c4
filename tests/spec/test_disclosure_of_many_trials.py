"""Disclosure treats every row by the profile of its trial, however many trials there are."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.disclosure.counts import protect_action_counts, protect_table
from assets.disclosure.effects import Linked, protect_linked
from assets.disclosure.files import protect_files
from validations.manifest.vocabulary import DisclosureProfile as Profile

from .test_protected_effects import binary, effect, linked, outcomes

TRIALS = ("a", "b", "c", "d")
UP_TO, TO = {Profile.ROUNDED: 7, Profile.BASIC: 4}, {Profile.ROUNDED: 5, Profile.BASIC: 1}
HIDDEN = {Profile.ROUNDED: 8, Profile.BASIC: 5}

counts = st.one_of(st.just(math.nan), st.integers(0, 40).map(float))
scores = st.one_of(st.just(math.nan), st.floats(-5, 5), st.sampled_from([0.0, 1e-7, 0.125]))
profiles = st.dictionaries(st.sampled_from(TRIALS), st.sampled_from(list(Profile)))
NUMBERS = {"n1": counts, "n2": counts, "events1": counts, "events2": counts, "m1": scores,
           "sd1": scores, "m2": scores, "sd2": scores, "adjusted_difference": scores,
           "sd_pooled": scores, "covariate_r": scores}  # fmt: skip
rows = st.lists(st.fixed_dictionaries({"trial_id": st.sampled_from(TRIALS), **NUMBERS}), max_size=8)


def told(count: float, profile: Profile) -> float:
    """A count in words of the handbook: small ones redacted, the others to the nearest multiple."""
    if math.isnan(count) or count <= UP_TO[profile]:
        return math.nan
    return float(TO[profile] * round(count / TO[profile]))


def rounded(value: float, scale: float) -> float:
    """Two decimals, or more where the first two digits of the scale stand further back."""
    if math.isnan(value):
        return value
    back = math.floor(math.log10(abs(scale))) if math.isfinite(scale) and scale else 0
    return round(value, max(2, 1 - back))


def one_row(row: dict[str, Any], profile: Profile | None) -> dict[str, Any]:
    """What is published of one row of outcomes, step by step."""
    out = dict(row) | {"withheld": ""}
    if profile not in UP_TO:
        return out
    known = [n for n in (row["n1"], row["n2"]) if not math.isnan(n)]
    small = bool(known) and min(known) <= UP_TO[profile]
    cells = [row["events1"], row["n1"] - row["events1"], row["events2"], row["n2"] - row["events2"]]
    few = any(cell <= HIDDEN[profile] for cell in cells)
    for name in ("events1", "events2"):
        out[name] = math.nan if few else told(row[name], profile)
    for mean, sd in (("m1", "sd1"), ("m2", "sd2"), ("adjusted_difference", "sd_pooled")):
        out[mean] = math.nan if small else rounded(row[mean], row[sd])
        out[sd] = math.nan if small else rounded(row[sd], row[sd])
    r = row["covariate_r"]
    out["covariate_r"] = math.nan if small else float(np.round(r, 2))
    out |= {name: told(row[name], profile) for name in ("n1", "n2")}
    out["withheld"] = ("an arm is too small to publish" if small
                       else f"counts and effects {profile.value} for disclosure")  # fmt: skip
    return out


@settings(deadline=None, max_examples=60)
@given(rows, profiles)
def test_outcome_rows_are_protected_row_by_row(
    given_rows: list[dict[str, Any]], chosen: dict[str, Profile]
) -> None:
    frame = pd.DataFrame(given_rows, columns=["trial_id", *NUMBERS])
    found = protect_table(frame, "behavior_outcomes", chosen)
    expected = [one_row(row, chosen.get(row["trial_id"])) for row in given_rows]
    wanted = pd.DataFrame(expected, columns=[*frame.columns, "withheld"])
    pd.testing.assert_frame_equal(found, wanted, check_exact=True, check_dtype=False)


CELLS = ("inclined_actors", "inclined_abstainers", "disinclined_actors", "disinclined_abstainers")
action_rows = st.lists(
    st.fixed_dictionaries(
        {"trial_id": st.sampled_from(TRIALS), "basis": st.sampled_from(["participant_rows", "x"])}
        | {cell: st.integers(0, 30) for cell in CELLS}
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(action_rows, profiles)
def test_counts_of_acts_are_protected_row_by_row(
    given_rows: list[dict[str, Any]], chosen: dict[str, Profile]
) -> None:
    found = protect_action_counts(pd.DataFrame(given_rows), chosen)
    for row, (_, shown) in zip(given_rows, found.iterrows(), strict=True):
        profile = chosen.get(row["trial_id"])
        if profile not in UP_TO or row["basis"] != "participant_rows":
            assert [shown[c] for c in CELLS] == [row[c] for c in CELLS] and shown["withheld"] == ""
            continue
        safe = [told(row[c], profile) for c in CELLS]
        hidden = any(map(math.isnan, safe))
        np.testing.assert_array_equal([shown[c] for c in CELLS], [math.nan] * 4 if hidden else safe)
        assert ("too small" in shown["withheld"]) is hidden


def _of_trial(name: str, small: int, n: float) -> tuple[Linked, pd.DataFrame]:
    """Two scores, a binary outcome with few events, their correlations and pairs."""
    pooled = [effect("i", 0.2, 0.0412, (n, n), construct="intention"),
              effect("s", 0.14, 0.0433, (n, n)), *binary("b", small, n, small + 3, n)]  # fmt: skip
    grid = {0.2: {(0, 1): 0.2}, 0.5: {(0, 1): 0.5}}
    made = linked(pooled, {(0, 1): 0.61, (0, 2): 0.7, (1, 2): 0.345}, grid)
    named = {f.name: _named(getattr(made, f.name), name) for f in fields(Linked)}
    return Linked(**named), _named(outcomes(b=(small, n, small + 3, n)), name)


def _named(frame: pd.DataFrame, trial: str) -> pd.DataFrame:
    out = frame.assign(trial_id=trial) if "trial_id" in frame else frame.copy()
    for column in {"effect_id", "outcome_row_id", "effect_id_1", "effect_id_2",
                   "upstream_effect_id", "behavior_effect_id"} & set(frame):  # fmt: skip
        out[column] = trial + "/" + frame[column].astype(str)
    return out


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.sampled_from([6.0, 40.0, 55.0])),
             min_size=len(TRIALS), max_size=len(TRIALS)),
    profiles,
)  # fmt: skip
def test_effects_of_trials_together_are_those_of_each_alone(
    sizes: list[tuple[int, float]], chosen: dict[str, Profile]
) -> None:
    parts = [_of_trial(name, small, max(n, small + 4.0)) for name, (small, n) in
             zip(TRIALS, sizes, strict=True)]  # fmt: skip
    alone = [protect_linked(exact, rows, chosen) for exact, rows in parts]
    exact = Linked(**{f.name: pd.concat([getattr(one, f.name) for one, _ in parts])
                      for f in fields(Linked)})  # fmt: skip
    together = protect_linked(exact, pd.concat([rows for _, rows in parts]), chosen)
    for f in fields(Linked):
        if f.name == "participant_checks":
            continue
        wanted = pd.concat([getattr(one, f.name) for one in alone], ignore_index=True)
        pd.testing.assert_frame_equal(
            getattr(together, f.name), wanted, check_exact=True, check_dtype=False, check_like=True
        )


def test_a_file_is_hidden_by_its_bytes_in_its_own_trial_only() -> None:
    row = {"source_kind": "participant_rows", "sha256": "s", "bytes": 100, "stated_rows": 20,
           "rows_read": 20, "rows_kept": 20, "blank_rows": 9, "persons": 13, "shared_persons": 0,
           "missing_reasons": ""}  # fmt: skip
    frame = pd.DataFrame([
        row | {"collection_id": "a"},
        row | {"collection_id": "a", "source_kind": "arm_summary"},
        row | {"collection_id": "b", "source_kind": "arm_summary"},
        row | {"collection_id": "c"},
    ])  # fmt: skip
    found = protect_files(frame, {"a": Profile.ROUNDED, "b": Profile.ROUNDED})
    assert list(found["bytes"].isna()) == [True, True, False, False]
    assert list(found["withheld"] != "") == [True, True, False, False]
    assert list(found["persons"]) == [15.0, 15.0, 13.0, 13.0]
