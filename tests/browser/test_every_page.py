"""Every page in a browser: silent, accessible, asks for nothing elsewhere, fits its window."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .pages import PAGES, WITH_FRAME, Watched, axe_violations, unfold

Visit = Callable[..., Watched]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_silent_and_accessible(visit: Visit, name: str) -> None:
    one = visit(PAGES[name])
    assert one.page.locator("h1").count() == 1
    assert one.page.locator("main").count() == 1
    assert one.complaints == []
    assert axe_violations(one.page) == []


@pytest.mark.parametrize("name", ["overview", "forest", "gap"])
def test_page_is_accessible_in_the_dark(visit: Visit, name: str) -> None:
    one = visit(PAGES[name], color_scheme="dark")
    assert one.complaints == []
    assert axe_violations(one.page) == []


REFUSED = {
    "no such parameter": ("forest?nonsense=1", 400),
    "no such page": ("nothing", 404),
    "no such trial": ("study?trial=nobody", 404),
    "no such release": ("forest?release=20200101-000000-aaaaaa", 410),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_pages_too(visit: Visit, name: str) -> None:
    path, status = REFUSED[name]
    one = visit(path)
    assert [fault for fault in one.faults if "/favicon" in fault or "foreign" in fault] == []
    assert any(fault.startswith(f"{status}:") for fault in one.faults)
    assert axe_violations(one.page) == []
    one.page.locator("main a").first.click()
    one.page.locator("#status").wait_for()


STATES = {
    "trials left out": "forest?excl=Adams+2003&excl=Brown+2005&topic=vaccination&tau=DL",
    "groups": "forest?group=topic",
    "nothing left": "?year_min=2200",
    "a numeric moderator": "moderators?mod=sessions",
    "another synthesis": "forest?syn=students",
    "two selections": "compare?topic=vaccination&b=topic%3Dhelp_seeking",
    "no search result": "studies?q=zzzz",
    "values a release does not have": "?topic=nowhere&m.nothing=1",
}


@pytest.mark.parametrize("name", STATES)
def test_states_are_silent_and_accessible(visit: Visit, name: str) -> None:
    one = visit(STATES[name])
    assert one.complaints == []
    assert axe_violations(one.page) == []


_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll(".top a, .top dt, .top .name span")]
    .flatMap((e) => [...e.getClientRects()].map((r) => [e.textContent.trim(), r]));
  const out = [];
  boxes.forEach(([a, r], i) => boxes.slice(i + 1).forEach(([b, s]) => {
    const wide = Math.min(r.right, s.right) - Math.max(r.left, s.left);
    const high = Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top);
    if (wide > 1 && high > 1) out.push(`${a} / ${b}`);
  }));
  return out;
}"""
# Marks of trials in scatter plots may lie on each other; everything else must be free.
_COVERED = """() => {
  const wanted = "a[href], button, input:not([type=hidden]), select, summary";
  const out = [];
  for (const one of document.querySelectorAll(wanted)) {
    if (one.closest("svg") && !one.matches(".open, .toggle")) continue;
    if (!one.checkVisibility({ visibilityProperty: true }) || one.matches(".skip")) continue;
    one.scrollIntoView({ block: "center", inline: "center" });
    const box = one.getClientRects()[0];
    const hit = box && document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    if (!hit || !one.contains(hit)) {
      out.push(`${one.outerHTML.slice(0, 99)} under ${hit && hit.outerHTML.slice(0, 99)}`);
    }
  }
  scrollTo(0, 0);
  return out;
}"""


@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_pages_fit_their_window(visit: Visit, width: int) -> None:
    one = visit(viewport={"width": width, "height": 900})
    for name in PAGES:
        page = one.open(PAGES[name]).page
        assert page.evaluate(_OVERFLOW) <= 0, name
        assert page.evaluate(_OVERLAPS) == [], name
        assert page.evaluate(_COVERED) == [], name
        unfold(page)
        assert page.evaluate(_OVERFLOW) <= 0, f"{name}, unfolded"
    assert one.complaints == []


@pytest.mark.parametrize("zoom", [2])
def test_text_can_be_twice_as_large(visit: Visit, zoom: int) -> None:
    """A window of 1280 px at 200% is one of 640 px with twice the pixels."""
    size = {"width": 1280 // zoom, "height": 900 // zoom}
    one = visit(viewport=size, device_scale_factor=zoom)
    for name in WITH_FRAME:
        assert one.open(PAGES[name]).page.evaluate(_OVERFLOW) <= 0, name


def test_selection_is_there_after_the_window_was_widened(visit: Visit) -> None:
    one = visit("forest", viewport={"width": 600, "height": 900})
    apply = one.page.get_by_role("button", name="Apply")
    assert not apply.is_visible()
    one.page.set_viewport_size({"width": 1400, "height": 900})
    apply.wait_for(state="visible", timeout=2000)
