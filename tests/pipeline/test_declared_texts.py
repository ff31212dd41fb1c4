"""Declared texts mean the same in a file whose numbers were saved as floats."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from assets.staging.columns import column_of_texts
from assets.staging.declared_texts import translated
from assets.staging.stage import stage_trial
from tests.builders import Recipe, participant_trial

CODED = (
    participant_trial()
    .but(
        "    columns:\n      participant: person",
        '    missing_codes: ["-99"]\n    where: {wave: ["2"]}\n'
        '    recode: {group: {"1": letter, "0": control}}\n'
        "    columns:\n      participant: person",
    )
    .but("scale: {type: binary}", 'scale: {type: binary, acted_values: ["2"], '
         'not_acted_values: ["1"]}')
)  # fmt: skip


def coded(zeros: str, separator: str = ",", decimal: str = ".") -> Recipe:
    """Persons with numbers for words; `zeros` follow each code, as floats are written."""
    persons = str(participant_trial().files["people.csv"]).splitlines()[1:]
    lines = [separator.join(["person", "group", "wave", "intend", "visited"])]
    for at, line in enumerate(persons):
        person, arm, _, intention, acted = line.split(",")
        cells = [int(arm == "letter"), 3 if at % 7 == 0 else 2,
                 -99 if at % 5 == 0 else intention, int(acted) + 1]  # fmt: skip
        lines.append(separator.join([person, *(f"{cell}{zeros}" for cell in cells)]))
    recipe = CODED.having("people.csv", "\n".join(lines) + "\n")
    if separator == ",":
        return recipe
    layout = f'    format: {{delimiter: "{separator}", decimal: "{decimal}"}}\n'
    return recipe.but("    file: people.csv\n", f"    file: people.csv\n{layout}")


def staged_values(recipe: Recipe, root: Path) -> pd.DataFrame:
    rows = pd.concat(stage_trial(recipe.write(root)).persons, ignore_index=True)
    return rows[["participant", "arm", "outcome", "value"]].astype({"arm": str, "outcome": str})


@pytest.mark.parametrize("layout", [(".0",), (".00", ";"), (",0", ";", ",")])
def test_empty_decimals_change_nothing(tmp_path: Path, layout: tuple[str, ...]) -> None:
    plain = staged_values(coded(""), tmp_path / "plain")
    floats = staged_values(coded(*layout), tmp_path / "floats")
    pd.testing.assert_frame_equal(floats, plain)
    assert set(plain["arm"]) == {"letter", "control"} and plain["value"].min() >= 0
    assert len(plain[plain["outcome"] == "intention"]) < len(plain[plain["outcome"] == "visit"])


def test_the_text_as_found_comes_first() -> None:
    cells = column_of_texts(["1", "1.0", "1.5", "10", "one", ""])
    mapping = {"1": "a", "1.0": "b", "one": "c"}
    assert translated(cells, mapping).rows() == ["a", "b", "1.5", "10", "c", ""]
    assert translated(cells, {}) is cells
    assert translated(column_of_texts(["2", "-99"]), {"-99.0": ""}).rows() == ["2", ""]
