"""Dark, printed, in forced colors, on a phone: no figure is cut, and everything can be read."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from .pages import PAGES, WITH_FRAME, Watched, unfold

Visit = Callable[..., Watched]
A4 = {"width": 794, "height": 1123}
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
MEDIA = {
    "light": (DESKTOP, {}),
    "dark": (DESKTOP, {"color_scheme": "dark"}),
    "phone": (PHONE, {}),
    "forced colors": (DESKTOP, {"forced_colors": "active"}),
    "forced colors on a phone": (PHONE, {"forced_colors": "active", "color_scheme": "dark"}),
    "print": (A4, {}),
}

# Texts of figures that leave their figure, and figures that leave the page; figures wider than
# the page lie in a region that scrolls, except in print.
_CUT = """() => {
  const out = [], page = document.documentElement.clientWidth, print = matchMedia("print").matches;
  for (const svg of document.querySelectorAll("svg.figure")) {
    if (!svg.checkVisibility()) continue;
    const frame = svg.getBoundingClientRect(), region = svg.parentElement.getBoundingClientRect();
    if (frame.width < 50 || frame.height < 50) out.push(`${svg.id} is empty`);
    if (region.left < -1 || region.right > page + 1) out.push(`${svg.id} region leaves the page`);
    if (print && frame.right > page + 1) out.push(`${svg.id} leaves the page: ${frame.right}`);
    const free = getComputedStyle(svg).overflow === "visible";
    const right = free ? Math.max(frame.right, region.right) : frame.right;
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (!box.width) continue;
      if (box.left < frame.left - 1.5 || box.right > right + 1.5
          || box.top < frame.top - 1.5 || box.bottom > frame.bottom + 1.5) {
        out.push(`${svg.id} cuts ${text.lastChild.textContent} by ${box.right - right} px`);
      }
    }
  }
  return out;
}"""
_FIGURES = "() => [...document.querySelectorAll('svg.figure')].filter(e => e.checkVisibility())"
_CONTRAST = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[0-9.]+/g).slice(0, 3).map((v) => {
      const c = v / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return [...new Set([...document.querySelectorAll("svg.figure text:not(.on-fill)")]
    .map((one) => getComputedStyle(one).fill))].filter((ink) => {
      const [a, b] = [light(ink), paper].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05) < 4.5;
    });
}"""


# On a phone a figure may be an image of its own; its texts are measured inside the page.
_INLINE = """async () => {
  for (const image of document.querySelectorAll("figure img")) {
    if (!image.checkVisibility()) continue;
    const text = (await (await fetch(image.src)).text()).replace(/<style>[^]*<[/]style>/, "");
    const box = document.createElement("div");
    box.append(new DOMParser().parseFromString(text, "image/svg+xml").documentElement);
    image.replaceWith(box);
  }
}"""


@pytest.mark.parametrize("medium", MEDIA)
def test_no_figure_is_cut(visit: Visit, medium: str) -> None:
    size, given = MEDIA[medium]
    one = visit(viewport=size, **given)
    one.page.emulate_media(media="print" if medium == "print" else "screen")
    figures = 0
    for name in WITH_FRAME:
        page = one.open(PAGES[name]).page
        unfold(page)
        page.evaluate(_INLINE)
        assert page.evaluate(_CUT) == [], name
        assert page.evaluate(_CONTRAST) == [], name
        figures += len(page.evaluate(f"({_FIGURES})().map(e => e.id)"))
    assert figures >= 15
    assert one.complaints == []


def _legible(picture: bytes) -> float:
    """Share of the points of a picture that stand out from its commonest color (4.5 to 1)."""
    colors = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).reshape(-1, 3)
    known, counts = np.unique(colors, axis=0, return_counts=True)
    share = known / 255.0
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    light = linear @ np.array([0.2126, 0.7152, 0.0722]) + 0.05
    ratio = light / light[counts.argmax()]
    return float(counts[np.maximum(ratio, 1 / ratio) >= 4.5].sum() / counts.sum())


@pytest.mark.parametrize("medium", MEDIA)
def test_forest_can_be_drawn(visit: Visit, medium: str) -> None:
    """A picture of the page has the forest in it, in colors that stand out."""
    size, given = MEDIA[medium]
    one = visit("forest", viewport=size, **given)
    one.page.emulate_media(media="print" if medium == "print" else "screen")
    figure = one.page.locator("svg.figure:visible, figure img:visible").first
    figure.scroll_into_view_if_needed()
    one.page.wait_for_function(
        "() => [...document.querySelectorAll('figure img')]"
        ".every((one) => !one.checkVisibility() || one.naturalWidth > 100)"
    )
    assert figure.bounding_box()["width"] > 300
    assert _legible(figure.screenshot()) > 0.015
    assert len(one.page.screenshot(full_page=True)) > 30_000
    assert one.complaints == []


def test_print_leaves_controls_out(visit: Visit) -> None:
    one = visit("forest?excl=Adams+2003", viewport=A4)
    one.page.emulate_media(media="print")
    for hidden in ("aside", ".top nav", ".choices", ".downloads", "a.toggle", ".skip"):
        assert one.page.locator(hidden).first.is_hidden(), hidden
    assert one.page.locator("#status").is_visible()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert one.page.evaluate(overflow) <= 0
    assert len(one.page.pdf(format="A4")) > 20_000


def test_dark_pages_are_dark(visit: Visit) -> None:
    one = visit("forest", color_scheme="dark")
    paper = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(20, 24, 29)"
    one.page.emulate_media(color_scheme="light")
    assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") != paper
