"""Every page works as plain links and forms: nothing needs a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dashboard.pages import VIEWS
from ibgap.figures.text import clean

from .pages import FOREST, PAGES, Watched


@pytest.fixture
def plain(visit: Callable[..., Watched]) -> Iterator[Callable[[str], Watched]]:
    """Opens pages in a browser that runs no script."""
    yield lambda path="": visit(path, java_script_enabled=False)


def test_form_filters_the_trials(plain: Callable[..., Watched]) -> None:
    one = plain()
    before = one.numbers()
    assert one.status.startswith("Primary analysis of this release: 14 trials")
    one.box("topic", "vaccination").check()
    assert one.numbers() == before
    one.page.get_by_role("button", name="Apply").click()
    assert one.query == "topic=vaccination"
    assert one.status.startswith("Exploratory selection: 5 of 14 trials")
    assert one.numbers() != before
    one.page.get_by_role("link", name="Reset").click()
    assert one.query == ""
    assert one.numbers() == before
    assert one.faults == []


def test_trials_are_left_out_and_taken_back_in_the_forest(plain: Callable[..., Watched]) -> None:
    one = plain("forest")
    one.page.locator(FOREST).get_by_label("Leave out: Adams 2003").click()
    assert one.query == "excl=Adams+2003"
    assert one.status.startswith("Exploratory selection: 13 of 14 trials")
    assert one.page.locator("ul.left-out").get_by_text("Adams 2003").is_visible()
    one.page.locator(FOREST).get_by_label("Leave out: Brown 2005").click()
    assert one.status.startswith("Exploratory selection: 12 of 14 trials")
    one.page.locator(FOREST).get_by_label("Take back: Adams 2003").click()
    assert one.query == "excl=Brown+2005"
    one.page.get_by_role("link", name="Reset").click()
    assert one.query == "" and one.status.startswith("Primary analysis of this release")
    assert one.faults == []


def test_a_trial_with_a_hostile_name_can_be_left_out(plain: Callable[..., Watched]) -> None:
    from .sample import HOSTILE

    one = plain("forest")
    for count, name in enumerate(HOSTILE, 1):
        key = one.page.locator(f"{FOREST} g.row").evaluate_all(
            "(rows, name) => rows.findIndex((row) => row.dataset.key === name)", clean(name)
        )
        one.page.locator(f"{FOREST} g.row").nth(key).locator("a.toggle").click()
        left = "trials" if count > 1 else "trial"
        assert one.page.get_by_role("link", name=f"{count} {left} left out").is_visible()
    assert one.status.startswith("Exploratory selection: 10 of 14 trials")
    assert one.page.locator(".warning").count() == 0
    assert one.faults == []


def test_model_and_filter_live_together(plain: Callable[..., Watched]) -> None:
    """The form keeps what the page shows: filters, trials left out, the sorting of the view."""
    one = plain("forest?excl=Adams+2003&sort=year&topic=vaccination")
    one.page.locator("details.facet summary", has_text="Model").click()
    one.page.get_by_label("Estimator of").select_option("DL")
    one.page.get_by_role("button", name="Apply").click()
    assert one.query == "excl=Adams+2003&sort=year&tau=DL&topic=vaccination"
    assert "and another model" in one.status
    one.page.get_by_role("link", name="Remove the filter topic: vaccination").click()
    assert one.query == "excl=Adams+2003&sort=year&tau=DL"


def test_navigation_keeps_the_selection(plain: Callable[..., Watched]) -> None:
    one = plain("?topic=vaccination")
    for name, view in VIEWS.items():
        one.page.locator("nav").get_by_role("link", name=view.title, exact=True).click()
        assert one.page.locator("h1").inner_text() == view.title
        assert one.page.locator("nav a[aria-current=page]").inner_text() == view.title
        assert one.query == "topic=vaccination"
        assert one.page.url.split("?")[0] == f"{one.base}/{PAGES[name]}"
    assert one.faults == []


def test_search_finds_trials(plain: Callable[..., Watched]) -> None:
    one = plain("studies")
    one.page.get_by_label("Search trials").fill("adams")
    one.page.get_by_label("Search trials").press("Enter")
    assert one.query == "q=adams"
    assert one.page.locator("#studies tbody tr").count() == 1
    one.page.get_by_role("link", name="Adams 2003").first.click()
    assert one.page.locator("h1").inner_text() == "Adams 2003"


def test_another_synthesis_and_release_are_chosen_by_the_form(
    plain: Callable[..., Watched],
) -> None:
    from .sample import OLD_ID

    one = plain("forest")
    one.page.get_by_label("Synthesis", exact=True).select_option("students")
    one.page.get_by_role("button", name="Apply").click()
    assert one.query == "syn=students"
    assert one.page.locator("h1").inner_text() == "Forest: Students"
    one.page.get_by_label("Synthesis", exact=True).select_option("main")
    one.page.get_by_label("Release", exact=True).select_option(OLD_ID)
    one.page.get_by_role("button", name="Apply").click()
    assert f"release={OLD_ID}" in one.query
    assert one.status.startswith("Primary analysis of this release: 12 trials")
