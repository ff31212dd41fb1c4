"""Every view in every state: an answer, HTML that reads, and the words a reader needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings

from dashboard.pages import VIEWS
from dashboard.query import COLUMNS, SORTS, State, to_query
from tests.dashboard.conftest import Site
from tests.dashboard.made import Client, Effect, Trial, all_trials, main_trials, make_release
from tests.dashboard.states import states
from tests.report.pages import Page

PROFILE = settings.get_profile("dashboard")
IDS = [t.id for t in main_trials()] + ["norms_only"]
ALL = "&".join(f"excl={i}" for i in IDS)


def without(*kept: str) -> str:
    return "&".join(f"excl={i}" for i in IDS if i not in kept)


STATES = {
    "registered": "",
    "no trial": without(),
    "one trial": without("trial_00"),
    "two trials": without("trial_00", "trial_01"),
    "three trials": without("trial_00", "trial_01", "trial_02"),
    "no behavior": without("trial_09"),
    "no intention": without("trial_05"),
    "another construct only": without("norms_only"),
    "a year to come": "year_min=2100",
    "limits crossed": "n_max=10&n_min=1000",
    "another model": "tau=DL&ci=wald",
    "fixed effect": "tau=EE&ci=t",
    "correlation 0": "r=0",
    "correlation 0.8": "r=0.8",
    "another synthesis": "syn=screening_uptake",
    "two of another synthesis": "syn=screening_uptake&excl=other_0&excl=other_1",
    "none of another synthesis": "syn=screening_uptake&year_min=2100",
    "grouped": "group=topic&sort=year&cols=none",
    "grouped by a moderator": "group=barrier_dimension&cols=rob",
    "grouped by what is not there": "group=no_such&mod=no_such&sort=weight",
    "a number as moderator": "mod=mean_age&out=behavior",
    "behavior": "out=behavior&by=observed",
    "second selection": "b=topic%3Dvaccination%26tau%3DDL",
    "second selection empty": "b=year_min%3D2100",
    "searched": "q=author+c",
    "searched in vain": "q=zzzz",
}


def path_of(view: str, query: str = "") -> str:
    path = "/" if view == "overview" else f"/{view}"
    return f"{path}?{query}" if query else path


def check_page(text: str) -> Page:
    """HTML that is balanced, loads nothing foreign and can be shown under a strict policy."""
    assert text.startswith("<!doctype html>")
    page = Page(text)
    assert page.problems == []
    assert [i for i, n in page.ids.items() if n > 1] == []
    assert set(page.references) <= set(page.ids)
    assert page.tags["style"] == 0 and page.tags["iframe"] == 0 and page.tags["object"] == 0
    assert page.tags["script"] <= 1 and not re.search(r"<[a-z][^>]* style=", text)
    for tag, name, value in page.loads:
        if tag == "a" and value.startswith("https://doi.org/"):
            continue
        fine = value.startswith(("./", "#", "?")) or value == "data:,"
        assert fine, (tag, name, value)
        assert not value.startswith("./") or tag in ("a", "link", "script", "form", "img")
    assert page.tags["main"] == 1 and page.tags["h1"] == 1 and page.tags["title"] >= 1
    for bad in (">nan<", ">inf<", "nan [", " nan", "None", "NaN"):
        assert bad not in text, bad
    return page


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_in_a_state(client: Client, view: str, state: str) -> None:
    answer = client.follow(path_of(view, STATES[state]))
    assert answer.status_code == 200
    page = check_page(answer.text)
    assert f"Release {'2024'}" in page.text
    empty = state in ("no trial", "a year to come", "limits crossed", "none of another synthesis",
                      "another construct only")  # fmt: skip
    if empty and view in ("overview", "forest", "gap", "small-studies", "heterogeneity"):
        assert "No trial is left" in page.text
    if state == "one trial" and view in ("overview", "forest"):
        assert "not pooled" in page.text
    if state in ("two trials", "two of another synthesis") and view in (
        "overview", "forest", "small-studies", "heterogeneity",
    ):  # fmt: skip
        assert "unstable" in page.text
    if state == "registered":
        assert "Primary analysis of this release" in page.text
    if state in ("another model", "fixed effect", "correlation 0", "correlation 0.8"):
        assert "Another model" in page.text
    if empty or state in ("one trial", "two trials", "no behavior", "no intention"):
        assert "Exploratory selection" in page.text


@pytest.mark.parametrize(("state", "lacking"), [("no behavior", "behavior"),
                                                ("no intention", "intention")])  # fmt: skip
def test_an_outcome_no_trial_has_is_said(client: Client, state: str, lacking: str) -> None:
    overview = Page(client.follow(path_of("overview", STATES[state])).text).text
    assert f"no trial has a usable effect on {lacking}" in overview
    forest = Page(client.follow(path_of("forest", STATES[state])).text).text
    assert "not reported" in forest and "no trial has a usable effect" in forest
    gap = Page(client.follow(path_of("gap", STATES[state])).text).text
    assert "No trial has both outcomes" in gap


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("column", [*COLUMNS, "none"])
def test_every_order_and_column(client: Client, sort: str, column: str) -> None:
    answer = client.follow(f"/forest?sort={sort}&cols={column}&group=topic")
    assert answer.status_code == 200
    check_page(answer.text)


@settings(PROFILE, max_examples=40)
@given(states)
def test_any_state_has_a_page(client: Client, state: State) -> None:
    query = to_query(State(**{**vars(state), "release": "", "other": ""}))
    for number, view in enumerate(VIEWS):
        if (len(query) + number) % 4 == 0:
            answer = client.follow(path_of(view, query))
            assert answer.status_code == 200
            check_page(answer.text)


def test_a_trial_has_a_page(site: Site) -> None:
    for trial in all_trials():
        for query in ("", "&topic=vaccination", f"&excl={trial.id}"):
            answer = site.client.get(f"/study?trial={trial.id}{query}")
            assert answer.status_code == 200
            page = check_page(answer.text)
            assert trial.label in page.text
            for effect in trial.effects:
                assert f"{effect.yi:.3f}".replace("-", "\u2212") in page.text


def test_the_page_of_a_trial_says_how_to_leave_it_out(client: Client) -> None:
    assert 'href="./forest?excl=trial_00"' in client.get("/study?trial=trial_00").text
    back = client.get("/study?excl=trial_00&trial=trial_00").text
    assert "Take back into the pools" in back and 'href="./forest"' in back


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_release_of_few_trials(tmp_path: Path, kept: int) -> None:
    make_release(tmp_path, main_trials()[:kept])
    client = Client(tmp_path)
    for view in VIEWS:
        answer = client.get(path_of(view))
        assert answer.status_code == 200
        page = check_page(answer.text)
        if view in ("overview", "forest"):
            said = {0: "No trial is left", 1: "not pooled", 2: "unstable"}[kept]
            assert said in page.text


def test_many_trials_are_pooled_without_a_row_each(tmp_path: Path) -> None:
    trials = [
        Trial(f"t{i}", (Effect("intention", 0.01 * (i % 50), 0.05),
                        Effect("behavior", 0.005 * (i % 40), 0.04)), f"Trial {i}")
        for i in range(230)
    ]  # fmt: skip
    make_release(tmp_path, trials, whole=False)
    client = Client(tmp_path)
    page = check_page(client.get("/forest").text)
    assert "230 trials are more than 200 rows can show" in page.text
    for view in VIEWS:
        assert client.get(path_of(view)).status_code == 200
    fewer = check_page(client.follow("/forest?" + "&".join(f"excl=t{i}" for i in range(40))).text)
    assert "more than 200 rows" not in fewer.text


def test_every_link_of_a_page_leads_somewhere(client: Client) -> None:
    """From the overview of a selection, every relative address answers 200 or redirects to it."""
    for start in ("/", "/forest?topic=vaccination", "/studies", "/quality", "/compare", "/api"):
        page = Page(client.get(start).text)
        targets = {v for tag, _, v in page.loads if tag == "a" and v.startswith("./")}
        assert targets
        requests: list[tuple[str, str, dict[str, str]]] = [
            ("GET", "/" + t.removeprefix("./"), {}) for t in sorted(targets)
            if not t.split("?")[0].endswith((".png", ".pdf"))
        ]  # fmt: skip
        for (_, path, _), answer in zip(requests, client.ask(requests), strict=True):
            assert answer.status_code == 200, (start, path, answer.status_code)


def test_the_form_keeps_what_it_does_not_show(client: Client) -> None:
    query = "cols=rob&excl=trial_00&group=topic&sort=year"
    text = client.get(f"/forest?{query}").text
    for name, value in (("cols", "rob"), ("excl", "trial_00"), ("group", "topic"),
                        ("sort", "year")):  # fmt: skip
        assert f'<input type="hidden" name="{name}" value="{value}">' in text


def test_the_page_is_pinned_where_it_says_so(site: Site) -> None:
    page = Page(site.client.get("/forest?topic=vaccination").text)
    links: list[Any] = [v for tag, _, v in page.loads if tag == "a"]
    assert f"./forest?release={site.new.id}&topic=vaccination" in links
    assert any(v.startswith("./bundle.zip?") and site.new.id in v for v in links)
    old = site.client.get(f"/?release={site.old.id}")
    assert old.status_code == 200 and f"Release {site.old.id}" in old.text


def test_the_page_of_a_trial_keeps_its_trial_in_form_and_links(client: Client, site: Site) -> None:
    from html import unescape

    trial = client.get("/api/v1/studies.json").json()["data"][0]["trial_id"]
    page = client.get(f"/study?{urlencode({'trial': trial, 'both': '1'})}")
    assert f'<input type="hidden" name="trial" value="{trial}">' in unescape(page.text)
    found = re.findall(r'class="(?:copy|button)" href="(\./study[^"]*)"', page.text)
    assert len(found) == 3, "link, permalink, reset"
    for href in found:
        assert client.get(unescape(href).removeprefix(".")).status_code == 200, href
