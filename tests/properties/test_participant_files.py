"""Whatever is wrong with a file of participants, no text of it stands in a finding."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.staging.stage import StagedTrial, stage_trial
from tests.participant_files import CANARY, WRONG, Written, people
from validations.findings import Severity

KINDS = sorted(WRONG)


def staged(written: Written) -> StagedTrial:
    with tempfile.TemporaryDirectory() as folder:
        return stage_trial(written.recipe().write(Path(folder)))


def _said(trial: StagedTrial) -> str:
    return "\n".join(f"{one!r}\n{one.text()}" for one in trial.findings)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_file_is_an_error_that_speaks_of_header_or_column(kind: str) -> None:
    trial = staged(WRONG[kind](people()))
    said = _said(trial)
    assert CANARY not in said
    assert trial.records == {} and trial.persons == []
    assert {one.severity for one in trial.findings} == {Severity.ERROR}
    assert "unreadable" not in said
    if "encoding" not in kind:
        assert "header" in said or "column" in said


_CELL = st.one_of(
    st.sampled_from(["control", "letter", "yes", "no", "", "3", "1960-03-01", "x@y.example"]),
    st.text("abc é-_.7", max_size=9),
)
_ROW = st.lists(_CELL, min_size=5, max_size=5)


@given(st.lists(_ROW, min_size=1, max_size=7), st.sampled_from(KINDS))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_cell_of_any_row_is_said(rows: list[list[str]], kind: str) -> None:
    marked = [
        [f"{CANARY}{i}", *(f"{cell}{CANARY}" if i % 2 else cell for cell in row)]
        for i, row in enumerate(rows)
    ]
    unlike = [row for row in marked if len({*row}) == len(row)] or people(1)
    trial = staged(WRONG[kind](unlike))
    assert CANARY not in _said(trial)
    assert trial.records == {} and trial.persons == []
