"""Forests byte by byte: the same numbers draw the same figure until somebody renews the files.

After a deliberate change of the drawing run `UPDATE_GOLDEN=1 pytest tests/report -k golden` and
look at what changed in tests/report/golden before committing it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dashboard.forest_figure import ForestOptions, forest_figure
from dashboard.pages.forest import FULL_ROWS
from dashboard.report_synthesis import Synthesis
from ibgap.releases.view import ReleaseView

from .pages import SVG
from .releases import Trial, make_release

GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("UPDATE_GOLDEN", "") not in ("", "0")


def _trials(count: int) -> list[Trial]:
    """Trials by formula, so that no generator of random numbers can change them."""
    out = []
    for i in range(count):
        vi, vb = 0.02 + 0.011 * (i % 5), 0.03 + 0.007 * (i % 7)
        yi = 0.4 + 0.5 * math.sin(1.7 * i)
        yb = 0.5 * yi + 0.15 * math.cos(2.3 * i)
        name = f"Study {i + 1:03d} {1990 + i % 30}"
        out.append(Trial(name, (yi, vi), (yb, vb), 0.5 * math.sqrt(vi * vb)))
    return out


def _one_outcome_missing() -> list[Trial]:
    first, second, third, fourth = _trials(4)
    return [
        Trial("Only intention", first.upstream), Trial("Only behavior", None, second.behavior),
        third, fourth, Trial("Neither"),
    ]  # fmt: skip


def _extreme() -> list[Trial]:
    return [
        *_trials(3),
        Trial("Far to the right", (48.0, 0.04), (0.2, 0.05), 0.0),
        Trial("Far to the left", (-37.5, 0.1), (-41.0, 0.2), 0.05),
        Trial("As wide as can be", (0.1, 900.0), (0.2, 400.0), 0.0),
        Trial("As narrow as can be", (0.3, 1e-7), (0.1, 1e-7), 0.0),
        Trial("<b>\"Quoted\" & 'marked'</b> \u202egnp.exe", (0.0, 0.05), (-0.0, 0.05), 0.01),
        Trial("A name that is much longer than its column, " * 4, (0.2, 0.04), (0.1, 0.04), 0.01),
    ]


def _everything(trials: list[Trial]) -> ForestOptions:
    """Links, judgments and groups, as a page shows them."""
    signs = ("low", "some_concerns", "high", "no_information", "not_judged")
    return ForestOptions(
        columns=("weight", "difference", "rob", "prediction"),
        judgments={t.id: signs[i % 5] for i, t in enumerate(trials)},
        groups={t.id: ("vaccination", "alcohol_use")[i % 2] for i, t in enumerate(trials)},
        href=lambda trial: f"./study?trial={len(trial)}",
        toggle=lambda trial: f"./forest?excl={len(trial)}",
    )


CASES: dict[str, tuple[Callable[[], list[Trial]], Callable[[list[Trial]], ForestOptions]]] = {
    "k0": (lambda: [Trial("Neither")], lambda trials: ForestOptions()),
    "k1": (lambda: _trials(1), lambda trials: ForestOptions()),
    "k2": (lambda: _trials(2), lambda trials: ForestOptions()),
    "k5": (lambda: _trials(5), _everything),
    "k60": (lambda: _trials(60), lambda trials: ForestOptions(sort="label")),
    "k400": (lambda: _trials(400), lambda trials: ForestOptions(pooled_only=FULL_ROWS < 400)),
    "one_outcome_missing": (_one_outcome_missing, lambda trials: ForestOptions()),
    "extreme": (_extreme, lambda trials: ForestOptions()),
}


@pytest.mark.parametrize("name", CASES)
def test_forest_is_the_golden_one(name: str, tmp_path: Path) -> None:
    make_trials, make_options = CASES[name]
    trials = make_trials()
    made = make_release(tmp_path / "release", trials)
    one = Synthesis(ReleaseView(made.folder), "main")
    figure = forest_figure(
        one.effects, one.pooled, one.primary_gap(), "Main synthesis", name, make_options(trials)
    )
    drawn = str(figure.svg)
    assert ElementTree.fromstring(drawn).tag == f"{SVG}svg"
    # One element a line, so that a difference can be read.
    text = drawn.replace("><", ">\n<") + "\n"
    path = GOLDEN / f"forest_{name}.svg"
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_bytes() == text.encode(), f"{path.name}: see the first lines of this file"


def test_no_golden_file_is_left_over() -> None:
    assert {p.name for p in GOLDEN.iterdir()} == {f"forest_{name}.svg" for name in CASES}
