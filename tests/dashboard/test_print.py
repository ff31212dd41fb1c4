"""Print versions show what the screen shows, and effects as persons."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.text import Text
from scipy.stats import norm

from analysis.errors import EstimationError
from analysis.natural import extra_per_hundred
from dashboard.pages import FIGURES
from dashboard.printing import print_in_turn
from ibgap import figures
from ibgap.figures.model import ActionBar, ActionBars, ActionGroup, ActionShares
from ibgap.figures.print import DOUBLE_COLUMN, print_figure
from tests.dashboard.made import Client
from tests.dashboard.test_downloads import png_size

SVG = "{http://www.w3.org/2000/svg}"
QUERIES = {"bubble": "?mod=mean_age", "levels": "?mod=barrier_dimension"}
DRAWN = [name for name in FIGURES if name != "action"]


@pytest.fixture(scope="module")
def svgs(client: Client) -> dict[str, str]:
    return {name: client.get(f"/figure/{name}.svg{QUERIES.get(name, '')}").text for name in DRAWN}


def shown_texts(svg: str) -> list[str]:
    """Texts of a figure as they are read."""
    found = []
    for element in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        tail = "".join(child.tail or "" for child in element)
        found.append((element.text or "") + tail)
    return [text for text in found if text]


def printed_texts(svg: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Matplotlib was asked to write."""
    written: list[str] = []
    made: Callable[..., None] = Text.__init__

    def keep(self: Text, x: float = 0, y: float = 0, text: Any = "", **more: Any) -> None:
        if text:
            written.append(str(text).replace(r"\$", "$"))
        made(self, x, y, text, **more)

    monkeypatch.setattr(Text, "__init__", keep)
    print_figure(svg, "png", dpi=20)
    monkeypatch.undo()
    return written


def text_operators(pdf: bytes) -> int:
    """How many texts or parts of texts a PDF shows."""
    count = 0
    for packed in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            data = zlib.decompress(packed)
        except zlib.error:
            continue
        if b" Tf" in data:
            count += data.count(b"Tj") + data.count(b"TJ")
    return count


@pytest.mark.parametrize("name", DRAWN)
def test_print_and_screen_show_the_same_texts(
    svgs: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = shown_texts(svgs[name])
    assert any(re.search(r"\d", text) for text in shown)
    assert sorted(printed_texts(svgs[name], monkeypatch)) == sorted(shown)


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_prints(svgs: dict[str, str], name: str) -> None:
    pdf = print_figure(svgs[name], "pdf")
    assert pdf.startswith(b"%PDF") and b"/FontFile2" in pdf and b"/Type3" not in pdf
    # Those with a halo are written twice, as outline and as text.
    assert text_operators(pdf) >= 0.5 * len(shown_texts(svgs[name])), "texts, not outlines"
    width, height = png_size(print_figure(svgs[name], "png", dpi=100))
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    assert box and float(box[1]) <= DOUBLE_COLUMN / 25.4 * 72 + 1
    root = ElementTree.fromstring(svgs[name])
    ratio = float(root.get("height", "1")) / float(root.get("width", "1"))
    assert height / width == pytest.approx(ratio, rel=0.02)


def test_every_drawing_function_is_among_the_figures() -> None:
    drawing = {name for name in figures.__all__ if name.startswith("draw_")}
    assert drawing == {
        "draw_action_bars", "draw_flow", "draw_forest", "draw_funnel", "draw_gap_plot",
        "draw_grid_ribbon", "draw_scatter", "draw_spec_curve", "draw_trend",
    }, "a new figure needs a print test"  # fmt: skip


def test_bars_of_intention_and_action_print(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = ActionBar("letter", ActionShares(0.35, 0.30, 0.08, 0.27), "n = 100, 53.8% act")
    plot = ActionBars("Bars", "What is drawn", (ActionGroup("Trial", (bar, bar)),))
    svg = figures.draw_action_bars(plot, standalone=True)
    assert print_figure(svg, "pdf").startswith(b"%PDF")
    assert sorted(printed_texts(svg, monkeypatch)) == sorted(shown_texts(svg))


@pytest.mark.parametrize(
    "element", ["<image/>", "<use/>", "<foreignObject/>", "<script/>", "<unknown/>", "<textPath/>"]
)
def test_an_element_that_cannot_be_printed_is_an_error(element: str) -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="50">{element}</svg>'
    with pytest.raises(ValueError, match="cannot print"):
        print_figure(svg, "pdf")


@pytest.mark.parametrize("form", ["svg", "gif", "", "PDF", "eps"])
def test_another_form_is_an_error(form: str) -> None:
    with pytest.raises(ValueError, match="pdf or png"):
        print_figure("<svg/>", form)


@pytest.mark.parametrize(
    "text",
    [
        "$x$",
        "a_b^c",
        "50%",
        "\\alpha",
        "&amp; &lt;b&gt;",
        "$",
        "$$",
        "\u202e\u200f",
        "\u0141 \u00fc \u2212",
        "x" * 500,
    ],
)
def test_any_text_can_be_printed_and_is_no_formula(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" width="300" height="50">'
           f'<text x="1" y="20">{text}</text></svg>')  # fmt: skip
    assert printed_texts(svg, monkeypatch) == shown_texts(svg)
    assert print_figure(svg, "pdf").startswith(b"%PDF")


def test_the_width_can_be_chosen(svgs: dict[str, str]) -> None:
    wide, _ = png_size(print_figure(svgs["gap"], "png", width_mm=183, dpi=100))
    narrow, _ = png_size(print_figure(svgs["gap"], "png", width_mm=89, dpi=100))
    assert wide == pytest.approx(183 / 25.4 * 100, abs=2)
    assert narrow == pytest.approx(89 / 25.4 * 100, abs=2)


def test_a_failed_print_does_not_stop_the_next(svgs: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        print_in_turn("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><x/></svg>",
                      "pdf")  # fmt: skip
    assert print_in_turn(svgs["gap"], "png").startswith(b"\x89PNG")


# persons ---------------------------------------------------------------------------


def test_no_effect_is_no_person() -> None:
    assert np.allclose(extra_per_hundred(0.0, [0.01, 0.2, 0.5, 0.99]), 0.0, atol=1e-12)


def test_persons_by_the_formula() -> None:
    expected = 100 * (norm.cdf(norm.ppf(0.2) + 0.5) - 0.2)
    assert float(extra_per_hundred(0.5, 0.2)[0]) == pytest.approx(expected, abs=1e-12)
    assert float(extra_per_hundred(0.5, 0.2)[0]) == pytest.approx(16.6, abs=0.1)
    assert float(extra_per_hundred(-0.5, 0.8)[0]) == pytest.approx(-expected, abs=1e-9)
    assert float(extra_per_hundred(9.0, 0.3)[0]) == pytest.approx(70.0, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.1, math.nan])
def test_a_share_is_between_0_and_1(share: float) -> None:
    with pytest.raises(EstimationError):
        extra_per_hundred(0.3, share)


def test_the_overview_shows_the_persons(client: Client) -> None:
    pooled = {r["construct"]: r for r in client.data("/api/v1/pool.json")["data"]
              if r["measure"] == "SMD" and r["is_primary"] and r["subset"] == "all"}  # fmt: skip
    text = client.get("/").text
    for share in (0.1, 0.2, 0.3, 0.5):
        more = float(extra_per_hundred(pooled["behavior"]["mu"], share)[0])
        assert f">{more:.1f}<" in text
