"""Files that R and LibreOffice wrote hold the same cells and give the same effects."""

from __future__ import annotations

import csv
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_journey import Journey, trial_journey
from assets.staging.columns import Column, Kind
from assets.staging.header_evidence import Declared
from assets.staging.reading import read_table
from tests.builders import PROVENANCE
from validations.findings import Severity
from validations.manifest.model import FileFormat

WRITTEN = Path(__file__).parent / "written"
PLAIN = "write_csv.csv"
FORMATS = {
    "write_csv2.csv": '{delimiter: ";", decimal: ","}',
    "write_csv2_latin1.csv": '{delimiter: ";", decimal: ",", encoding: latin-1}',
    "libreoffice_semicolons.csv": '{delimiter: ";"}',
    "haven_labelled_13.dta": "{encoding: utf-8}",
    "haven_5.xpt": "{encoding: utf-8}",
    "haven_8.xpt": "{encoding: utf-8}",
}
FILES = sorted(p.name for p in WRITTEN.iterdir() if p.suffix not in (".R", ".md"))
MANIFEST = """\
ibgap: 1
id: elsewhere
label: Elsewhere 2024
topic: help_seeking
design: {type: parallel}
arms: [{id: web, role: experimental}, {id: control, role: usual_care}]
sources:
  - {id: people, kind: participant_rows, file: FILE, columns: {participant: id, arm: arm}, format: FORMAT}
outcomes:
  - {id: intention, construct: intention, scale: {type: continuous}, higher_is_better: true, column: score}
  - {id: visit, construct: behavior, scale: {type: binary}, higher_is_better: true, column: acted}
"""  # noqa: E501


@cache
def rows() -> list[dict[str, str]]:
    with (WRITTEN / PLAIN).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def shown(column: Column) -> list[str]:
    """Cells as a person sees them: value labels for codes, the decimal point for the sign."""
    labeled = [column.labels.get(text, text) for text in column.rows()]
    return [text.replace(",", ".") if text[:1].isdigit() else text for text in labeled]


@pytest.mark.parametrize("name", FILES)
def test_cells_are_those_that_were_written(name: str) -> None:
    form = FileFormat(**yaml.safe_load(FORMATS.get(name, "{}")))
    raw = read_table("t", WRITTEN, name, form, Declared(("id", "arm", "score", "acted"), True))
    assert len(raw.rows) == 40
    for column in ("id", "arm", "label"):
        if column in raw.columns:
            assert shown(raw.columns[column]) == [row[column] for row in rows()], column
    for column in ("score", "acted"):
        cells = raw.columns[column]
        filled = [
            float(text.replace(",", ".")) if text not in ("", "NA") else None
            for text in cells.rows()
        ]
        known = [None if row[column] == "NA" else float(row[column]) for row in rows()]
        assert filled == known, column


def test_the_reasons_of_missing_numbers_are_counted() -> None:
    raw = read_table("t", WRITTEN, "haven_tagged.dta", FileFormat(), Declared())
    assert raw.account.missing_reasons == ((".a", 1), (".z", 1))
    score = raw.columns["score"]
    assert sorted(score.shown.values()) == [".a", ".z"]
    assert (score.kinds == Kind.MISSING).sum() == 2


def journey_of(name: str) -> Journey:
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room) / "elsewhere"
        folder.mkdir()
        text = MANIFEST.replace("FILE", name).replace("FORMAT", FORMATS.get(name, "{}"))
        (folder / "trial.yaml").write_text(text + PROVENANCE, encoding="utf-8")
        (folder / name).write_bytes((WRITTEN / name).read_bytes())
        return trial_journey(folder, AnalysisSettings(), checks=False)


def numbers(journey: Journey) -> dict[str, list[str]]:
    effects = journey.tables["effects"]
    return {
        row["effect_id"]: [float(row[name]).hex() for name in ("yi", "vi", "n1", "n2")]
        for row in effects.to_dict("records")
    }


@pytest.mark.parametrize("name", FILES)
def test_effects_are_the_same_to_the_last_digit(name: str) -> None:
    journey = journey_of(name)
    assert [f.text() for f in journey.findings if f.severity is not Severity.INFO] == []
    assert numbers(journey) == numbers(journey_of(PLAIN)) != {}
