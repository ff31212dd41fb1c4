"""Trials, arms, instruments, moderators and risk of bias as they are published."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from assets.effects.moderators import moderator_values
from assets.queries import CardinalityError
from assets.release.over_trials import trials_of_all
from assets.release.trial_rows import (
    arm_rows,
    instrument_rows,
    labels_of,
    risk_of_bias_rows,
    trial_rows,
    unusable_row,
)
from assets.typed import from_rows, kinds_of, to_arrow, to_frame
from tests.journey.frames import NAN, assert_row
from tests.journey.manifests import manifest, outcome
from validations.manifest.model import TrialManifest

ARMS = {"a": "experimental", "b": "active_comparator", "c": "waitlist"}
RISK = {"tool": "ROBINS-I", "overall": "high",
        "domains": {"deviations": "low", "missing": "some_concerns"}}  # fmt: skip
ABOUT: dict[str, Any] = {
    "year": 2020, "country": "DEU", "topic": "vaccination", "synthesis": "second",
    "design": {"type": "cluster", "randomized": False}, "risk_of_bias": RISK, "notes": "a note",
    "provenance": {"citation": "cite", "doi": "10.1/x", "source": "src", "license": "CC0"},
}  # fmt: skip
Row = tuple[str, str, bool, float, float, str]


def table(declared: list[dict[str, Any]], *rows: Row) -> list[dict[str, Any]]:
    """Rows of trials after (trial, construct, in_pool, n1, n2, measure) of their effects."""
    names = ["trial_id", "construct", "in_pool", "n1", "n2", "measure"]
    effects = to_arrow(pd.DataFrame(rows, columns=names).astype({"in_pool": bool}), "effects")
    return to_frame(trials_of_all(from_rows(declared, "trials"), effects)).to_dict("records")


def trial(*rows: Row, **about: Any) -> dict[str, Any]:
    (row,) = table(trial_rows(manifest(ARMS, **about), {"t": "T 2020"}), *rows)
    return row


def test_everything_of_a_trial() -> None:
    declared = [*trial_rows(manifest(ARMS, **ABOUT), {"t/x": "X 2019"}), unusable_row("bad")]
    first, second = table(
        declared,
        ("t/x", "intention", True, 10, 12, "SMD"), ("t/x", "intention", False, 20, 12, "SMD"),
        ("t/x", "intention", True, 90, 92, "MD"), ("other", "behavior", True, 80, 82, "SMD"),
    )  # fmt: skip
    expected = {
        "trial_id": "t/x", "collection_id": "t", "label": "X 2019", "year": 2020.0,
        "country": "DEU", "topic": "vaccination", "synthesis": "second", "design": "cluster",
        "randomized": False, "n_analyzed": 32.0, "has_intention": True, "has_behavior": False,
        "has_upstream": False, "k_effects": 2, "k_in_pool": 1, "use": "intention only",
        "risk_of_bias": "high", "risk_of_bias_tool": "ROBINS-I", "citation": "cite",
        "doi": "10.1/x", "source": "src", "license": "CC0", "notes": "a note",
    }  # fmt: skip
    assert set(first) == set(expected) == set(second)
    assert list(first) == list(kinds_of("trials"))
    assert_row(first, **expected)
    assert_row(
        second, trial_id="bad", collection_id="bad", label="bad", use="manifest not usable",
        k_effects=0, k_in_pool=0, has_intention=False, has_behavior=False, has_upstream=False,
    )  # fmt: skip
    assert pd.isna(second["year"]) and pd.isna(second["n_analyzed"])


def test_what_is_not_known_of_a_trial() -> None:
    row = trial(("t", "intention", True, NAN, NAN, "SMD"))
    assert_row(row, n_analyzed=NAN, risk_of_bias="", risk_of_bias_tool="")


@pytest.mark.parametrize(
    ("pooled", "use", "has"),
    [
        (["intention", "behavior"], "both outcomes", (True, True, False)),
        (["intention", "behavior", "attitude"], "both outcomes", (True, True, True)),
        (["intention"], "intention only", (True, False, False)),
        (["behavior"], "behavior only", (False, True, False)),
        (["behavior", "attitude"], "upstream and behavior", (False, True, True)),
        (["attitude"], "upstream only", (False, False, True)),
        (["intention", "attitude"], "upstream only", (True, False, True)),
    ],
)
def test_the_use_of_a_trial(pooled: list[str], use: str, has: tuple[bool, ...]) -> None:
    row = trial(*[("t", c, True, 10, 10, "SMD") for c in pooled])
    assert row["use"] == use
    assert (row["has_intention"], row["has_behavior"], row["has_upstream"]) == has


def test_trials_without_an_effect_in_the_pools() -> None:
    row = trial(("t", "intention", False, 10, 10, "SMD"))
    assert_row(row, use="no usable effect", k_effects=1, k_in_pool=0, has_intention=False)
    row = trial(("t", "intention", True, 10, 10, "OR"))
    assert_row(row, use="no between-arm effect", k_effects=0, n_analyzed=NAN)


def test_trials_keep_their_order_and_stand_once() -> None:
    declared = [trial_rows(manifest(name=name), {})[0] for name in ("u", "s", "t")]
    assert [row["trial_id"] for row in table(declared)] == ["u", "s", "t"]
    with pytest.raises(CardinalityError, match="1 rows of trials repeat a trial_id"):
        table([*declared, declared[0]])


def test_the_name_of_a_trial_is_that_of_its_rows_or_of_its_manifest() -> None:
    one = pd.DataFrame({"trial_id": ["t/x", "t/x", "t/y"], "study_label": ["X", "no", "Y"]})
    labels = labels_of([one, pd.DataFrame(), one.head(1)])
    assert labels == {"t/x": "X", "t/y": "Y"} and labels_of([]) == {}
    assert [(r["trial_id"], r["label"]) for r in trial_rows(manifest(), labels)] == [
        ("t/x", "X"), ("t/y", "Y")
    ]  # fmt: skip
    assert [(r["trial_id"], r["label"]) for r in trial_rows(manifest(), {})] == [("t", "T 2020")]


def test_arms_with_the_most_persons_of_any_outcome() -> None:
    arms = [
        {"id": "a", "role": "experimental", "label": "Letter", "n_randomized": 60},
        {"id": "b", "role": "active_comparator"}, {"id": "c", "role": "waitlist"},
    ]  # fmt: skip
    numbers = pd.DataFrame({"arm": ["a", "a", "c", "b"], "n": [40, 50, 30, NAN]})
    own = manifest(ARMS).model_validate(manifest(ARMS).model_dump() | {"arms": arms})
    rows = to_frame(from_rows(arm_rows(own, numbers), "arms")).to_dict("records")
    assert_row(rows[0], trial_id="t", arm_id="a", label="Letter", role="experimental",
               is_comparator=False, n_randomized=60.0, n_analyzed=50.0)  # fmt: skip
    assert_row(rows[1], arm_id="b", label="b", role="active_comparator", is_comparator=False,
               n_randomized=NAN, n_analyzed=NAN)  # fmt: skip
    assert_row(rows[2], arm_id="c", is_comparator=True, n_analyzed=30.0)
    assert list(rows[0]) == ["trial_id", "arm_id", "label", "role", "is_comparator",
                             "n_randomized", "n_analyzed"]  # fmt: skip
    assert {row["n_analyzed"] for row in arm_rows(own, None)} == {None}


def test_instruments() -> None:
    first = outcome(
        "i", "intention", label="Wants", instrument="items", target="clinic", action="visit",
        context="city", time="month", timepoint={"weeks": 2}, measured_by="self_report",
        analysis_set="completers", primary=False,
    ) | {"scale": {"type": "ordinal", "min": 1, "max": 7}, "higher_is_better": False}  # fmt: skip
    own = manifest(ARMS, outcomes=[first, outcome("went_there", "behavior")])
    made = to_frame(from_rows(instrument_rows(own), "instruments"))
    one, two = made.to_dict("records")
    expected = {
        "collection_id": "t", "outcome_id": "i", "construct": "intention", "label": "Wants",
        "instrument": "items", "scale_type": "ordinal", "scale_min": 1.0, "scale_max": 7.0,
        "higher_is_better": False, "target": "clinic", "action": "visit", "context": "city",
        "time": "month", "weeks": 2.0, "measured_by": "self_report", "analysis_set": "completers",
        "primary": False,
    }  # fmt: skip
    assert list(one) == list(expected)
    assert_row(one, **expected)
    assert_row(two, label="went there", scale_min=NAN, weeks=NAN, primary=True)


def test_risk_of_bias() -> None:
    assert risk_of_bias_rows(manifest(ARMS, **ABOUT)) == [
        {"trial_id": "t", "domain": "deviations", "judgment": "low"},
        {"trial_id": "t", "domain": "missing", "judgment": "some_concerns"},
    ]
    assert risk_of_bias_rows(manifest(ARMS)) == []
    assert list(kinds_of("risk_of_bias")) == ["trial_id", "domain", "judgment"]


def values(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["trial_id", "column", "value"])


def moderated(own: TrialManifest, *rows: tuple[str, str, str]) -> list[tuple[Any, ...]]:
    made = to_frame(from_rows(moderator_values(own, values(*rows)), "moderators"))
    assert list(made.columns) == ["trial_id", "moderator", "kind", "value", "barrier_dimension",
                                  "framework_layer"]  # fmt: skip
    return [tuple(row) for row in made.to_numpy()]


def test_moderators_of_trials_and_of_studies() -> None:
    review = manifest(
        moderators=[
            {"name": "age", "column": "mean_age", "kind": "number"},
            {"name": "setting", "value": "clinic", "barrier_dimension": "structural",
             "framework_layer": "moderating"},
            {"name": "both", "value": "fixed", "column": "mean_age"},
        ]
    )  # fmt: skip
    made = moderated(
        review,
        ("t/x", "mean_age", "40"), ("t/x", "mean_age", ""), ("t/x", "mean_age", "40"),
        ("t/y", "mean_age", "20"), ("t/y", "mean_age", "21"), ("t/z", "mean_age", ""),
        ("t/z", "other", "5"),
    )  # fmt: skip
    assert made == [
        ("t/x", "age", "number", "40", "", ""),
        ("t/y", "age", "number", "several", "", ""),
        ("t", "setting", "category", "clinic", "structural", "moderating"),
        ("t", "both", "category", "fixed", "", ""),
        ("t/x", "both", "category", "40", "", ""),
        ("t/y", "both", "category", "several", "", ""),
    ]
    own = manifest(name="u", moderators=[{"name": "age", "value": "31"}])
    assert moderated(own, ("u", "mean_age", "99")) == [("u", "age", "category", "31", "", "")]


def test_no_moderators() -> None:
    own = manifest(moderators=[{"name": "age", "column": "mean_age"}])
    assert moderator_values(own, pd.DataFrame()) == []
