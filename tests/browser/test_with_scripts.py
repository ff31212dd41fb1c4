"""With scripts the page re-pools in place: address, status, history, focus and clipboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ibgap.figures.text import clean

from .pages import FOREST, STUDY, Watched
from .sample import MARKUP, NEW_ID, OLD_ID, REVERSED, point_current
from .server import serving

Visit = Callable[..., Watched]
_MARK = "window.marker = 1"
_IS_SAME = "window.marker === 1"


def test_a_box_pools_again_without_a_page_load(visit: Visit) -> None:
    one = visit()
    before, title = one.numbers(), one.page.title()
    one.page.evaluate(_MARK)
    one.box("topic", "vaccination").check()
    one.wait_for_query("topic=vaccination")
    assert one.page.evaluate(_IS_SAME) and one.loads == 1
    one.page.get_by_role("status").filter(has_text="Exploratory selection: 5 of 14").wait_for()
    assert one.numbers() != before
    focused = one.page.evaluate("[document.activeElement.name, document.activeElement.value]")
    assert focused == ["topic", "vaccination"]
    assert one.page.title() == title
    assert one.complaints == []


def test_numbers_are_those_of_a_page_load(visit: Visit) -> None:
    one = visit("forest")
    one.box("topic", "vaccination").check()
    one.wait_for_query("topic=vaccination")
    in_place = one.page.locator("main").inner_text()
    one.page.reload()
    assert one.page.locator("main").inner_text() == in_place


def test_the_open_facet_stays_open_and_boxes_add_up(visit: Visit) -> None:
    one = visit()
    one.box("topic", "vaccination").check()
    one.wait_for_query("topic=vaccination")
    one.box("topic", "alcohol use").check()
    one.wait_for_query("topic=alcohol_use&topic=vaccination")
    assert one.page.locator("input[name=topic]:checked").count() == 2
    one.box("topic", "vaccination").uncheck()
    one.page.wait_for_function("() => !location.search.includes('vaccination')")
    assert one.query == "topic=alcohol_use"


def test_back_and_forward(visit: Visit) -> None:
    one = visit()
    before = one.numbers()
    one.page.evaluate(_MARK)
    one.box("topic", "vaccination").check()
    one.wait_for_query("topic=vaccination")
    after = one.numbers()
    one.page.go_back()
    one.page.get_by_role("status").filter(has_text=re.compile("^Primary analysis")).wait_for()
    assert one.query == "" and one.numbers() == before
    assert one.page.locator("input[name=topic]:checked").count() == 0
    one.page.go_forward()
    one.page.get_by_role("status").filter(has_text="Exploratory").wait_for()
    assert one.query == "topic=vaccination" and one.numbers() == after
    assert one.page.evaluate(_IS_SAME)


def test_links_change_the_view_in_place(visit: Visit) -> None:
    one = visit("?topic=vaccination")
    one.page.evaluate(_MARK)
    for title, path in (("Gap", "/gap"), ("Moderators", "/moderators"), ("Overview", "/")):
        one.page.locator("nav").get_by_role("link", name=title, exact=True).click()
        one.page.locator("h1", has_text=title).wait_for()
        assert urlsplit(one.page.url).path == path
        assert one.query == "topic=vaccination"
    assert one.page.evaluate(_IS_SAME)
    assert one.page.evaluate("document.activeElement.id") == "main"
    assert one.page.title().startswith("Overview")
    assert one.complaints == []


def test_quick_clicks_end_at_the_last(visit: Visit) -> None:
    """An answer that is overtaken by a later wish does not come back."""
    one = visit()
    one.page.evaluate(
        """() => { for (const value of ["vaccination", "alcohol_use", "help_seeking"]) {
             const box = document.querySelector(`input[name=topic][value=${value}]`);
             box.click(); box.click(); box.click(); } }"""
    )
    one.wait_for_query("topic=alcohol_use&topic=help_seeking&topic=vaccination")
    one.page.get_by_role("status").filter(has_text="14 of 14").wait_for()
    assert one.page.locator("input[name=topic]:checked").count() == 3


@pytest.mark.parametrize("key", ["Adams 2003", MARKUP, REVERSED])
def test_forest_by_keyboard(visit: Visit, key: str) -> None:
    one = visit("forest?sort=label")
    one.page.evaluate(_MARK)
    rows = one.page.locator(f"{FOREST} g.row").evaluate_all("rows => rows.map(r => r.dataset.key)")
    assert len(rows) == 14
    first = one.page.locator(f"{FOREST} a.open").first
    first.focus()
    key = clean(key)
    for _ in range(rows.index(key)):
        one.page.keyboard.press("ArrowDown")
    here = "document.activeElement.closest('[data-key]')?.dataset.key"
    assert one.page.evaluate(here) == key
    one.page.keyboard.press("Space")
    one.page.get_by_role("status").filter(has_text="13 of 14").wait_for()
    one.wait_until_done()
    assert one.page.evaluate(here) == key
    assert one.page.evaluate("document.activeElement.getAttribute('class')") == "open"
    assert "left-out" in one.page.evaluate(
        "document.activeElement.closest('[data-key]').getAttribute('class')"
    )
    one.page.keyboard.press("Space")
    one.page.get_by_role("status").filter(has_text="Primary analysis").wait_for()
    one.wait_until_done()
    assert one.page.evaluate(here) == key
    assert one.page.evaluate(_IS_SAME)
    one.page.keyboard.press("Enter")
    one.page.wait_for_function("() => location.pathname === '/study'")
    one.page.locator("#study").wait_for()
    assert one.page.evaluate(_IS_SAME)
    assert one.complaints == []


def test_arrows_go_on_from_the_row_that_was_left_out(visit: Visit) -> None:
    """The figure keeps one stop of the tab key, at the row where the reader is."""
    one = visit("forest?sort=label")
    one.page.locator(f"{FOREST} a.open").first.focus()
    for _ in range(3):
        one.page.keyboard.press("ArrowDown")
    one.page.keyboard.press("Space")
    one.page.get_by_role("status").filter(has_text="13 of 14").wait_for()
    one.wait_until_done()
    place = (
        "svg => [...svg.querySelectorAll('g.row')]"
        ".findIndex((row) => row.contains(document.activeElement))"
    )
    stops = f"{FOREST} a[tabindex='0']"
    assert one.page.locator(FOREST).evaluate(place) == 13
    one.page.keyboard.press("ArrowUp")
    assert one.page.locator(FOREST).evaluate(place) == 12
    assert one.page.locator(stops).count() == 1
    one.page.keyboard.press("Home")
    assert one.page.locator(FOREST).evaluate(place) == 0
    one.page.keyboard.press("End")
    assert one.page.locator(FOREST).evaluate(place) == 13
    assert one.page.locator(stops).count() == 1


def test_a_click_leaves_a_trial_out_in_place(visit: Visit) -> None:
    one = visit("forest")
    one.page.evaluate(_MARK)
    one.page.locator(FOREST).get_by_label("Leave out: Adams 2003").click()
    one.page.get_by_role("status").filter(has_text="13 of 14").wait_for()
    one.page.locator(FOREST).get_by_label("Take back: Adams 2003").wait_for()
    assert one.page.evaluate(_IS_SAME)
    assert one.complaints == []


@pytest.mark.parametrize("path", ["forest", "gap", "heterogeneity", STUDY, "studies"])
def test_hostile_names_are_text(visit: Visit, path: str) -> None:
    one = visit(path)
    dialogs: list[str] = []
    one.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    injected = "document.querySelectorAll('img:not([src^=\"./figure/\"]), iframe, object, embed')"
    assert one.page.evaluate(f"{injected}.length") == 0
    assert one.page.evaluate("document.scripts.length") == 1
    assert MARKUP in str(one.page.evaluate("document.body.textContent"))
    if path == STUDY:
        assert one.page.locator("h1").inner_text() == MARKUP
        assert one.page.title() == f"{MARKUP} - ibgap"
    first = one.page.locator("nav a").first
    first.click()
    one.page.locator("h1", has_text="Overview").wait_for()
    one.page.go_back()
    one.page.wait_for_function("text => document.body.textContent.includes(text)", arg=MARKUP)
    assert one.page.evaluate(f"{injected}.length") == 0
    assert dialogs == [] and one.complaints == []


def test_permalink_gives_the_same_numbers_later(
    visit: Visit, releases: Path, tmp_path: Path
) -> None:
    """What was copied while a release was current still shows it after the next refresh."""
    folder = tmp_path / "releases"
    shutil.copytree(releases, folder, symlinks=True)
    point_current(folder, OLD_ID)
    with serving(folder) as own:
        one = visit(permissions=["clipboard-read", "clipboard-write"])
        one.page.goto(f"{own.url}/?topic=vaccination")
        before, link = one.numbers(), one.page.url
        one.page.get_by_role("link", name="Permalink (this release)").click()
        one.page.get_by_role("status").filter(has_text="Permalink copied").wait_for()
        copied = one.page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(f"{own.url}/?") and f"release={OLD_ID}" in copied
        assert "topic=vaccination" in copied
        assert one.page.url == link
        one.page.get_by_role("link", name="Link to this page").click()
        one.page.get_by_role("status").filter(has_text="Link copied").wait_for()
        assert one.page.evaluate("navigator.clipboard.readText()") == link
        point_current(folder, NEW_ID)
        one.page.goto(link)
        assert one.numbers() != before
        one.page.goto(copied)
        assert one.numbers() == before
        assert one.page.locator("#release").input_value() == OLD_ID


def test_without_a_server_the_page_says_so_and_stays(visit: Visit, releases: Path) -> None:
    with serving(releases) as own:
        one = visit()
        one.page.goto(own.url)
        before = one.numbers()
        one.box("topic", "vaccination")
        own.stop()
        one.box("topic", "vaccination").check()
        one.page.get_by_role("status").filter(has_text="The server cannot be reached").wait_for()
        assert one.numbers() == before
        assert one.page.url == f"{own.url}/"
        assert not one.page.evaluate("document.body.classList.contains('busy')")


def test_downloads_and_pages_without_a_frame_leave_the_page(visit: Visit) -> None:
    one = visit("forest")
    with one.page.expect_download() as bundle:
        one.page.get_by_role("link", name="Data, figures and script (zip)").click()
    assert bundle.value.suggested_filename == f"ibgap-{NEW_ID}.zip"
    with one.page.expect_download() as figure:
        one.page.locator(".downloads").first.get_by_role("link", name="SVG").click()
    assert figure.value.suggested_filename.endswith(".svg")
    one.page.get_by_role("link", name="HTTP interface").click()
    one.page.locator("h1", has_text="HTTP interface").wait_for()
    one.page.go_back()
    one.page.get_by_role("link", name="Report of the release").click()
    one.page.locator("h1", has_text="intention-behavior gap").wait_for()
