"""Contrasts in the pools: against control, with one comparator, in any order."""

from __future__ import annotations

import itertools
import random

import pandas as pd
import pytest

from assets.effects.contrasts import choose_contrasts
from tests.journey.manifests import manifest
from validations.findings import Severity

Contrast = tuple[str, str]


def effects(*contrasts: tuple[str, str, str, str]) -> pd.DataFrame:
    """Effects in the pools: (intervention, comparator, outcome, construct)."""
    rows = [
        {"trial_id": "t", "intervention_arm": a, "comparator_arm": c, "outcome_id": o,
         "construct": k, "in_pool": True, "reason": ""}
        for a, c, o, k in contrasts
    ]  # fmt: skip
    return pd.DataFrame(rows)


def kept(frame: pd.DataFrame, **arms: str) -> set[tuple[str, str, str]]:
    out, _ = choose_contrasts(frame, manifest(arms))
    chosen = out[out["in_pool"]]
    columns = ("intervention_arm", "comparator_arm", "outcome_id")
    return set(zip(*(chosen[c] for c in columns), strict=True))


LOOP = [("a", "c", "i", "intention"), ("b", "c", "i", "intention"), ("a", "b", "i", "intention")]


@pytest.mark.parametrize("seed", range(6))
def test_a_contrast_of_two_interventions_stays_out_in_any_order(seed: int) -> None:
    rows = LOOP.copy()
    random.Random(seed).shuffle(rows)
    found = kept(effects(*rows), a="experimental", b="experimental", c="control")
    assert found == {("a", "c", "i"), ("b", "c", "i")}


def test_without_declared_arms_the_contrasts_themselves_say_what_is_tested() -> None:
    assert kept(effects(*LOOP)) == {("a", "c", "i"), ("b", "c", "i")}


def test_an_active_comparator_is_no_control() -> None:
    frame = effects(("a", "b", "i", "intention"))
    out, findings = choose_contrasts(
        frame, manifest({"a": "experimental", "b": "active_comparator"})
    )
    assert not out["in_pool"].any() and "two interventions" in out["reason"][0]
    assert [f.severity for f in findings] == [Severity.WARNING]
    assert findings[0].message == (
        "a against b stays out of the pools: it compares two interventions (b is tested too); "
        "the trial has no other effect on intention"
    )


TWO_CONTROLS = [
    ("a", "u", "i", "intention"), ("a", "w", "i", "intention"), ("a", "w", "b", "behavior"),
    ("a", "u", "b", "behavior"),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_one_comparator_the_preferred_one(seed: int) -> None:
    rows = TWO_CONTROLS.copy()
    random.Random(seed).shuffle(rows)
    found = kept(effects(*rows), a="experimental", w="waitlist", u="usual_care")
    assert found == {("a", "u", "i"), ("a", "u", "b")}


def test_the_comparator_with_effects_on_more_outcomes_comes_first() -> None:
    found = kept(effects(*TWO_CONTROLS[:3]), a="experimental", w="waitlist", u="usual_care")
    assert found == {("a", "w", "i"), ("a", "w", "b")}


def test_a_construct_that_the_chosen_comparator_lacks_keeps_its_own() -> None:
    rows = [
        ("a", "u", "i", "intention"),
        ("a", "u", "i2", "intention"),
        ("a", "w", "b", "behavior"),
    ]
    found = kept(effects(*rows), a="experimental", w="waitlist", u="usual_care")
    assert found == {("a", "u", "i"), ("a", "u", "i2"), ("a", "w", "b")}


def test_the_order_of_comparators_from_practice_to_waiting() -> None:
    roles = ["usual_care", "control", "attention_control", "no_intervention", "waitlist"]
    for better, worse in itertools.combinations(roles, 2):
        frame = effects(("a", "x", "i", "intention"), ("a", "y", "i", "intention"))
        assert kept(frame, a="experimental", x=worse, y=better) == {("a", "y", "i")}


def test_two_controls_are_no_contrast_of_an_intervention() -> None:
    frame = effects(("a", "u", "i", "intention"), ("w", "u", "i", "intention"))
    assert kept(frame, a="experimental", w="waitlist", u="usual_care") == {("a", "u", "i")}


def test_a_comparison_that_is_not_primary_leaves_without_a_word() -> None:
    frame = effects(("a", "u", "i", "intention"), ("b", "u", "i", "intention"))
    own = manifest(
        {"a": "experimental", "b": "experimental", "u": "usual_care"},
        comparisons=[
            {"intervention": "a", "comparator": "u"},
            {"intervention": "b", "comparator": "u", "primary": False},
        ],
    )
    out, findings = choose_contrasts(frame, own)
    assert list(out["in_pool"]) == [True, False] and findings == []
    assert out["reason"][1] == "the comparison is declared as not primary"


def test_what_is_out_of_the_pools_already_decides_nothing() -> None:
    frame = effects(*TWO_CONTROLS)
    frame["in_pool"] = [False, True, True, False]
    found = kept(frame, a="experimental", w="waitlist", u="usual_care")
    assert found == {("a", "w", "i"), ("a", "w", "b")}


def test_comparators_of_reviews_without_arms_are_left_as_they_are() -> None:
    frame = effects(
        ("intervention_x", "comparator_x", "i", "intention"),
        ("intervention_y", "comparator_y", "i", "intention"),
    )
    assert len(kept(frame)) == 2
