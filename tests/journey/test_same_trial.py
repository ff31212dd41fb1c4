"""One trial counts once: what makes two trials one, and what a manifest may say of it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from assets.effects.same_trial import (
    SameTrials,
    identities,
    identity_rows,
    label_key,
    same_trials,
)
from assets.typed import from_rows, to_frame
from tests.journey.manifests import manifest
from validations.findings import Severity


def effect(trial: str, construct: str = "intention", **more: Any) -> dict[str, Any]:
    collection = trial.split("/")[0]
    return {
        "trial_id": trial, "collection_id": collection, "study_label": "Harris 2014",
        "synthesis": "main", "construct": construct, "measure": "SMD", "in_pool": True,
        "basis": "arm_summaries", "n1": 80.0, "n2": 82.0, "yi": 0.24, "sei": 0.158,
        "outcome_row_id": f"{trial}:{construct}", "outcome_label": construct, "file": "a.csv",
    } | more  # fmt: skip


def judged(
    *rows: dict[str, Any], files: dict[str, frozenset[str]] | None = None, **manifests: Any
) -> SameTrials:
    names = {str(row["collection_id"]) for row in rows}
    told = [
        row
        for name in sorted(names)
        for row in identity_rows(
            manifest(name=name, **manifests.get(name, {})), (files or {}).get(name, ())
        )
    ]
    known = identities(to_frame(from_rows(told, "identities")))
    return same_trials(pd.DataFrame(rows), known)


def provenance(**about: Any) -> dict[str, Any]:
    return {"provenance": {"citation": "c", "source": "s", "license": "l"} | about}


OTHER = {"study_label": "Other 1999", "yi": 0.9, "n1": 30.0}


def held(found: SameTrials) -> set[str]:
    return {f.trial_id for f in found.findings if f.severity is Severity.HOLD}


def test_label_and_numbers_hold_both_trials() -> None:
    found = judged(effect("one"), effect("two"))
    assert held(found) == {"one", "two"}
    assert found.left_out == {
        "one:intention": "held: same_trial_twice", "two:intention": "held: same_trial_twice"
    }  # fmt: skip
    assert "the same label and the same numbers" in found.findings[0].message
    assert "same_as" in found.findings[0].fix and "distinct_from" in found.findings[0].fix


@pytest.mark.parametrize(
    "label", ["Harris 2014", "HARRIS (2014)", "Harris et al. 2014", "harris, p. & low, k. 2014"]
)
def test_labels_of_one_trial_as_people_write_them(label: str) -> None:
    assert held(judged(effect("one"), effect("two", study_label=label))) == {"one", "two"}


@pytest.mark.parametrize(
    "change",
    [
        {"study_label": "Harris 2015"}, {"study_label": "Harris 2014b"},
        {"study_label": "Harris 2014, trial 2"}, {"study_label": "Barris 2014"},
        {"yi": 0.2511}, {"n1": 81.0}, {"n2": 81.0}, {"sei": 0.167}, {"synthesis": "apart"},
        {"in_pool": False}, {"measure": "OR"},
    ],
)  # fmt: skip
def test_what_makes_them_two(change: dict[str, Any]) -> None:
    assert judged(effect("one"), effect("two", **change)) == SameTrials([], {})


@pytest.mark.parametrize(
    "change", [{"yi": 0.25}, {"sei": 0.152}, {"n1": float("nan")}, {"n2": float("nan")}]
)
def test_rounding_and_unknown_sizes_do_not_make_them_two(change: dict[str, Any]) -> None:
    assert held(judged(effect("one"), effect("two", **change))) == {"one", "two"}


def test_every_construct_they_share_must_agree() -> None:
    both = [effect("one"), effect("one", "behavior"), effect("two")]
    assert held(judged(*both)) == {"one", "two"}
    assert held(judged(*both, effect("two", "behavior"))) == {"one", "two"}
    assert not held(judged(*both, effect("two", "behavior", yi=0.7)))
    assert not held(judged(effect("one"), effect("two", "behavior")))


def test_within_a_review_and_between_review_and_folder() -> None:
    review = {"design": {"type": "review"}}
    rows = [effect("rev/harris_2014"), effect("rev/harris_2014_a", study_label="Harris, 2014")]
    assert held(judged(*rows, rev=review)) == {"rev/harris_2014", "rev/harris_2014_a"}
    found = judged(effect("rev/harris_2014"), effect("solo"), rev=review)
    assert held(found) == {"rev/harris_2014", "solo"}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"doi": "10.1000/abc"}, {"doi": "https://doi.org/10.1000/ABC"}),
        ({"doi": "doi: 10.1000/abc"}, {"doi": "http://dx.doi.org/10.1000/abc."}),
        ({"registry_ids": ["NCT 0123"]}, {"registry_ids": ["ISRCTN9", "nct0123"]}),
    ],
)
def test_identifiers_as_people_write_them(one: dict[str, Any], two: dict[str, Any]) -> None:
    rows = effect("one"), effect("two", **OTHER)
    found = judged(*rows, one=provenance(**one), two=provenance(**two))
    assert held(found) == {"one", "two"}
    assert "both have the" in found.findings[0].message


def test_other_and_missing_identifiers_say_nothing() -> None:
    rows = effect("one"), effect("two", **OTHER)
    for one, two in (("10.1/a", "10.1/b"), ("", ""), ("10.1/a", "")):
        assert not held(judged(*rows, one=provenance(doi=one), two=provenance(doi=two)))


def test_the_doi_of_a_review_is_no_trials_doi() -> None:
    about = provenance(doi="10.1/a") | {"design": {"type": "review"}}
    rows = effect("one/x"), effect("two/y", **OTHER)
    assert not held(judged(*rows, one=about, two=about))


def persons(trial: str, **more: Any) -> dict[str, Any]:
    return effect(trial, basis="participant_rows", **more)


def test_participants_are_one_trial_by_their_file_and_else_only_told() -> None:
    same = {"one": frozenset({"h"}), "two": frozenset({"h", "g"})}
    found = judged(persons("one"), persons("two", **OTHER), files=same)
    assert held(found) == {"one", "two"} and "same file" in found.findings[0].message
    told = judged(persons("one"), persons("two"), files={"one": frozenset("h"), "two": frozenset()})
    assert {(f.rule_id, f.severity) for f in told.findings} == {
        ("same_label_and_numbers", Severity.INFO)
    }
    assert told.left_out == {} and [f.trial_id for f in told.findings] == ["one", "two"]
    assert held(judged(persons("one"), effect("two"))) == {"one", "two"}


def entry(trial: str, **more: str) -> dict[str, str]:
    return {"trial": trial, "reason": "the authors say so"} | more


def test_distinct_trials_both_count() -> None:
    for said in ({"one": {"distinct_from": [entry("two")]}},
                 {"two": {"distinct_from": [entry("one")]}}):  # fmt: skip
        assert judged(effect("one"), effect("two"), **said) == SameTrials([], {})


def test_the_same_trial_counts_once() -> None:
    found = judged(effect("one"), effect("two", **OTHER), two={"same_as": [entry("one")]})
    assert found.left_out == {"two:intention": "the same trial as one, which counts"}
    assert [(f.trial_id, f.severity) for f in found.findings] == [("two", Severity.INFO)]
    assert "the authors say so" in found.findings[0].message


def test_studies_of_a_review_are_named_by_their_label() -> None:
    review = {"design": {"type": "review"}, "same_as": [entry("solo", study="Harris  2014")]}
    found = judged(effect("rev/harris_2014"), effect("solo"), rev=review)
    assert list(found.left_out) == ["rev/harris_2014:intention"]


@pytest.mark.parametrize("word", ["same_as", "distinct_from"])
def test_manifests_that_contradict_each_other_hold_both(word: str) -> None:
    said = {"one": {"same_as": [entry("two")]}, "two": {word: [entry("one")]}}
    found = judged(effect("one"), effect("two"), **said)
    assert held(found) == {"one", "two"} and len(found.left_out) == 2
    assert "contradict" in found.findings[0].message


def test_entries_that_name_nothing_are_told() -> None:
    found = judged(effect("one"), one={"same_as": [entry("elsewhere")]})
    assert [(f.rule_id, f.severity) for f in found.findings] == [
        ("identity_unknown", Severity.WARNING)
    ]
    assert "'elsewhere'" in found.findings[0].message and found.left_out == {}


def test_keys_of_labels() -> None:
    assert label_key("Reports") == label_key("reports!") != label_key("Report")
    assert label_key("van Dam 2009b") == "van 2009b "
    assert label_key("abrams 1992 113") != label_key("abrams 1992 114")
