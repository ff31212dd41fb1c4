"""Findings as data: their texts, their order, and the waivers of named persons."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from validations.findings import (
    FINDING_COLUMNS,
    Finding,
    Severity,
    apply_waivers,
    blocking_rows,
    findings_frame,
    findings_from_frame,
    name_rows,
    unused_waivers,
)

SUBJECT = "t:letter-control:visit.item@4#2"
HOLD = Finding("t", "too_large", Severity.HOLD, "it is large", "check it", "a.csv", 7, "n", SUBJECT)


@pytest.mark.parametrize(
    ("status", "severity", "blocks"),
    [
        ("open", "error", True), ("open", "hold", True), ("open", "warning", False),
        ("open", "info", False), ("waived", "hold", False), ("waived", "error", False),
    ],
)  # fmt: skip
def test_open_errors_and_holds_block(status: str, severity: str, blocks: bool) -> None:
    one = replace(HOLD, status=status, severity=Severity(severity))
    assert one.blocks is blocks
    assert blocking_rows(findings_frame([one])).tolist() == [blocks]


@pytest.mark.parametrize(
    ("file", "row", "column", "place"),
    [
        ("a.csv", 7, "n", "a.csv, row 7, column n"), ("trial.yaml", 7, "", "trial.yaml, line 7"),
        ("trial.yml", 7, "", "trial.yml, line 7"), ("", 0, "", "row 0"),
        ("a.csv", None, "", "a.csv"),
        ("", None, "n", "column n"), ("", None, "", ""),
    ],
)  # fmt: skip
def test_places(file: str, row: int | None, column: str, place: str) -> None:
    assert replace(HOLD, file=file, row=row, column=column).place == place


def test_texts() -> None:
    assert HOLD.text() == ("HOLD    t [a.csv, row 7, column n]: it is large\n        -> check it")
    assert Finding("t", "r", Severity.INFO, "so it is", "").text() == "INFO    t: so it is"
    waived = replace(HOLD, fix="", status="waived", waived_by="A. B.", waiver_reason="checked")
    assert waived.text().splitlines()[1:] == ["        waived by A. B.: checked"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([7], "row 7"), ([7, 9], "rows 7 and 9"), ([7, 9, 12], "rows 7, 9 and 12"),
        ([1, 2, 3, 4, 5], "rows 1, 2, 3, 4 and 5"),
        ([1, 2, 3, 4, 5, 6], "rows 1, 2, 3, 4, 5 and 1 more"),
        (list(range(7, 42)), "rows 7, 8, 9, 10, 11 and 30 more"),
    ],
)  # fmt: skip
def test_rows_by_name(rows: list[int], words: str) -> None:
    assert name_rows(rows) == words


def test_a_frame_of_findings_has_the_most_severe_first_within_a_trial() -> None:
    one = Finding("a", "r", Severity.INFO, "", "")
    given = [
        Finding("b", "r", Severity.ERROR, "", ""), one,
        replace(one, severity=Severity.WARNING), replace(one, severity=Severity.ERROR, rule_id="z"),
        replace(one, severity=Severity.HOLD, file="b"), replace(one, severity=Severity.HOLD, row=3),
        replace(one, severity=Severity.HOLD, row=2),
        replace(one, severity=Severity.HOLD, rule_id="q", file="c"),
    ]  # fmt: skip
    frame = findings_frame(given)
    assert list(frame) == FINDING_COLUMNS and str(frame["row"].dtype) == "Int64"
    found = [(f.trial_id, str(f.severity), f.rule_id, f.file, f.row)
             for f in findings_from_frame(frame)]  # fmt: skip
    assert found == [
        ("a", "error", "z", "", None), ("a", "hold", "q", "c", None), ("a", "hold", "r", "", 2),
        ("a", "hold", "r", "", 3), ("a", "hold", "r", "b", None), ("a", "warning", "r", "", None),
        ("a", "info", "r", "", None), ("b", "error", "r", "", None),
    ]  # fmt: skip


def test_findings_come_back_from_their_frame() -> None:
    waived = replace(HOLD, status="waived", waived_by="A. B.", waiver_reason="checked", count=3)
    other = Finding("u", "r", Severity.INFO, "m", "f")
    assert findings_from_frame(findings_frame([other, waived])) == [waived, other]
    empty = findings_frame([])
    assert list(empty) == FINDING_COLUMNS and findings_from_frame(empty) == []
    assert isinstance(findings_from_frame(findings_frame([HOLD]))[0].row, int)
    assert list(findings_frame([replace(HOLD, row=None)])["row"]) == [pd.NA]


@pytest.mark.parametrize(
    ("trial", "rule", "subject", "covers"),
    [
        ("t", "too_large", "", True), ("t", "too_large", SUBJECT, True),
        ("t", "too_large", "visit", True), ("t", "too_large", "visi", False),
        ("t", "too_large", "item", False), ("t", "other", "", False), ("u", "too_large", "", False),
        ("t", "too_large", "letter-control", False),
    ],
)  # fmt: skip
def test_what_a_waiver_covers(trial: str, rule: str, subject: str, covers: bool) -> None:
    waiver = (trial, rule, subject, "A. B.", "checked")
    (found,) = apply_waivers([HOLD], [waiver])
    expected = replace(HOLD, status="waived", waived_by="A. B.", waiver_reason="checked")
    assert found == (expected if covers else HOLD)
    assert (unused_waivers([HOLD], [waiver]) == []) is covers


@pytest.mark.parametrize(
    ("trial", "covers"), [("t", True), ("t/one", True), ("tu", False), ("u/t", False)]
)
def test_a_waiver_of_a_review_covers_its_studies(trial: str, covers: bool) -> None:
    (found,) = apply_waivers([replace(HOLD, trial_id=trial)], [("t", "too_large", "", "A", "b")])
    assert (found.status == "waived") is covers


@pytest.mark.parametrize("subject", ["t:c:visit@4", "t:c:visit#2", "t:c:visit.x", "visit"])
def test_the_outcome_of_any_subject(subject: str) -> None:
    finding = replace(HOLD, subject=subject)
    (found,) = apply_waivers([finding], [("t", "too_large", "visit", "A", "b")])
    assert found.status == "waived"


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_only_holds_are_waived(severity: str) -> None:
    finding = replace(HOLD, severity=Severity(severity))
    waivers = [("t", "too_large", "", "A", "b")]
    assert apply_waivers([finding], waivers) == [finding]
    assert unused_waivers([finding], waivers) == [], "it names a finding, if not one to waive"


def test_the_last_of_several_waivers_speaks() -> None:
    waivers = iter([("t", "too_large", "", "A", "a"), ("t", "too_large", "visit", "B", "b")])
    found = apply_waivers([HOLD, HOLD], waivers)
    assert {(one.waived_by, one.waiver_reason) for one in found} == {("B", "b")}


def test_unused_waivers_are_told() -> None:
    waivers = [("t", "too_large", "", "A", "a"), ("t", "gone", "visit", "B", "b"),
               ("t", "lost", "", "C", "c")]  # fmt: skip
    one, two = unused_waivers(iter([HOLD]), waivers)
    assert one == Finding(
        "t", "waiver_unused", Severity.WARNING,
        "the waiver of gone on visit by B covers no finding",
        "remove it, or correct its rule and subject", "trial.yaml",
    )  # fmt: skip
    assert two.message == "the waiver of lost by C covers no finding"
