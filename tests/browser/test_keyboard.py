"""Every page by keyboard alone: each control is reached once, in order, and is seen to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .pages import FOREST, PAGES, WITH_FRAME, Watched

Visit = Callable[..., Watched]
FAST = ("overview", "forest", "compare", "study")

# Notes every element that gets the focus; answers the elements that should, in their order.
_WATCH = """() => {
  const wanted = "a[href], button, input:not([type=hidden]), select, summary, [tabindex]";
  const all = [...document.querySelectorAll(wanted)].filter((one) =>
    (one.tabIndex >= 0) && one.checkVisibility({ visibilityProperty: true }));
  window.stops = [];
  document.addEventListener("focusin", (event) => {
    const style = getComputedStyle(event.target), box = event.target.getBoundingClientRect();
    window.stops.push({
      place: all.indexOf(event.target), html: event.target.outerHTML.slice(0, 120),
      seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1
        && box.width > 1 && box.height > 1 && box.right > 0,
    });
  });
  return all.map((one) => one.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in PAGES]
)
def test_every_control_is_reached_and_seen(visit: Visit, name: str) -> None:
    page = visit(PAGES[name]).page
    wanted = page.evaluate(_WATCH)
    for _ in wanted:
        page.keyboard.press("Tab")
    stops = page.evaluate("window.stops")
    assert [wanted[i] for i in range(len(wanted)) if i not in {s["place"] for s in stops}] == []
    assert [stop["place"] for stop in stops] == list(range(len(wanted)))
    assert [stop["html"] for stop in stops if not stop["seen"]] == []


@pytest.mark.parametrize("name", WITH_FRAME)
def test_skip_link_leads_to_the_results(visit: Visit, name: str) -> None:
    page = visit(PAGES[name]).page
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("e => e === document.activeElement")
    box: Any = skip.bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.locator("main").evaluate("e => e.contains(document.activeElement)")
    assert not page.locator("main").evaluate("e => e === document.activeElement")


def test_tab_enters_the_forest_once(visit: Visit) -> None:
    """14 rows with two links each are one stop."""
    page = visit("forest").page
    page.locator("#forest .wide-only").focus()
    page.keyboard.press("Tab")
    assert page.locator(f"{FOREST} a.open").first.evaluate("e => e === document.activeElement")
    page.keyboard.press("Tab")
    assert not page.locator(FOREST).evaluate("e => e.contains(document.activeElement)")
    page.keyboard.press("Shift+Tab")
    assert page.locator(FOREST).evaluate("e => e.contains(document.activeElement)")


def test_facets_by_keyboard(visit: Visit) -> None:
    """A facet opens by Enter, a box is changed by Space, and the focus stays on it."""
    one = visit("forest")
    summary = one.page.locator("details.facet summary", has_text="Planning")
    summary.focus()
    one.page.keyboard.press("Enter")
    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.name") == "m.planning"
    one.page.keyboard.press("Space")
    one.page.get_by_role("status").filter(has_text="Exploratory").wait_for()
    one.wait_until_done()
    assert one.page.evaluate("document.activeElement.name") == "m.planning"
    assert one.page.evaluate("document.activeElement.checked")
    assert one.complaints == []


def test_numbers_and_selects_keep_the_focus(visit: Visit) -> None:
    one = visit("forest")
    field = one.page.locator("input[name=year_min]")
    field.focus()
    one.page.keyboard.type("2010")
    one.page.keyboard.press("Enter")
    one.wait_for_query("year_min=2010")
    assert one.page.evaluate("document.activeElement.name") == "year_min"
    one.page.locator("details.facet summary", has_text="Model").click()
    one.page.locator("#tau").select_option("DL")
    one.wait_for_query("tau=DL")
    assert one.query == "tau=DL&year_min=2010"
