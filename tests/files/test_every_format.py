"""One trial gives the same numbers, to the last digit, in whatever format it is written."""

from __future__ import annotations

import datetime as dt
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_journey import Journey, trial_journey
from assets.staging.header_evidence import Declared
from assets.staging.reading import RawTable, read_table
from tests.files.dialects import ALL, Written
from tests.files.sheets import NAMES, people
from validations.findings import Severity
from validations.manifest import load_manifest

NUMBERS = ["yi", "vi", "n1", "n2"]


def journey_of(written: Written) -> Journey:
    with tempfile.TemporaryDirectory() as room:
        return trial_journey(written.write(Path(room)), AnalysisSettings())


def numbers(journey: Journey) -> dict[str, list[str]]:
    """The effects by their id, each number with all its digits."""
    effects = journey.tables["effects"]
    return {
        row["effect_id"]: [float(row[name]).hex() for name in NUMBERS]
        for row in effects.to_dict("records")
    }


@cache
def plain() -> Journey:
    return journey_of(ALL["csv"]())


def test_the_trial_has_effects_that_can_be_worked_out_by_hand() -> None:
    effects = plain().tables["effects"].set_index("measure")
    arms = [[p[2] for p in people() if p[1].startswith(a) and p[2] is not None] for a in "BÜ"]
    one, two = (np.array(arm) for arm in arms)
    assert (len(one), len(two)) == (28, 29)
    difference = one.mean() - two.mean()
    assert effects.loc["MD", "yi"] == pytest.approx(difference, rel=1e-14)
    assert (effects.loc["MD", "n1"], effects.loc["MD", "n2"]) == (28, 29)
    assert effects.loc["OR", "n1"] + effects.loc["OR", "n2"] == 58


@pytest.mark.parametrize("kind", ALL)
def test_effects_are_the_same_to_the_last_digit(kind: str) -> None:
    journey = journey_of(ALL[kind]())
    told = [f.text() for f in journey.findings if f.severity is not Severity.INFO]
    assert told == []
    assert numbers(journey) == numbers(plain())


@pytest.mark.parametrize("kind", ALL)
def test_cells_are_the_same(kind: str, tmp_path: Path) -> None:
    """Ids with their zeros, labels with their accents, remarks with their quotes, dates."""
    raw = _raw(ALL[kind](), tmp_path)
    rows = list(zip(*(raw.columns[name].rows() for name in NAMES), strict=True))
    assert len(rows) == 60
    for row, (person, arm, score, acted, day, said) in zip(rows, people(), strict=True):
        assert row[0] == person
        assert row[1] == arm
        numbers_of_row = [float(text) if text not in ("", "NA") else None for text in
                          (row[2].replace(",", "."), row[3])]  # fmt: skip
        assert numbers_of_row == [score, acted]
        days = (day - dt.date(1899, 12, 30)).days
        assert row[4] in (day.isoformat(), str(days))  # a number without the format of a date
        assert row[5] == said or (kind == "dta of 2007" and row[5] == "naïve")


def _raw(written: Written, room: Path) -> RawTable:
    folder = written.write(room)
    manifest = load_manifest(folder)
    declared = Declared(("id", "grp", "score", "visited"), participants=True)
    return read_table("one_trial", folder, written.name, manifest.sources[0].format, declared)


def test_utf_8_in_old_files_of_stata_is_doubted() -> None:
    """They do not state their encoding; a file that is read wrongly says so."""
    written = ALL["dta, version 13"]()
    journey = journey_of(Written(written.name, written.data))
    assert "encoding_doubtful" in {f.rule_id for f in journey.findings}
    (told,) = [f for f in journey.findings if f.rule_id == "encoding_doubtful"]
    assert "encoding: utf-8" in told.fix and "berweisung" not in told.text()
    rightly = journey_of(ALL["dta of 2007"]())
    assert "encoding_doubtful" not in {f.rule_id for f in rightly.findings}
