"""What one can filter by, how many trials each choice leaves, and what a release lacks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.context import make_facets
from dashboard.query import State, to_query
from ibgap.releases.view import ReleaseView
from tests.dashboard.conftest import Site
from tests.dashboard.made import Client, Trial, all_trials
from tests.dashboard.states import known_states

PROFILE = settings.get_profile("dashboard")
MAIN = [t for t in all_trials() if t.synthesis == "main" and t.effects]
PAIR = {"intention", "behavior"}


@pytest.fixture(scope="module")
def view(site: Site) -> ReleaseView:
    return ReleaseView(site.new.folder)


def kept_by_trial(trial: Trial, state: State) -> bool:
    """Whether the filters of trials (not of effects) keep a trial."""
    levels = {name: value for name, kind, value in trial.moderators if kind == "category"}
    return all((
        not state.topic or trial.topic in state.topic,
        not state.country or trial.country in state.country,
        not state.risk_of_bias or (trial.judgment or "not_judged") in state.risk_of_bias,
        not state.randomized or trial.randomized,
        not state.both or {e.construct for e in trial.effects} >= PAIR,
        state.year_min is None or trial.year >= state.year_min,
        state.year_max is None or trial.year <= state.year_max,
        state.n_min is None or trial.n >= state.n_min,
        state.n_max is None or trial.n <= state.n_max,
        all(levels.get(name) in chosen for name, chosen in state.moderators),
        trial.id not in state.excluded,
    ))  # fmt: skip


def kept_effects(trial: Trial, state: State) -> list[str]:
    out = []
    for e in trial.effects:
        if e.construct == "behavior":
            if state.measured_by and e.measured_by not in state.measured_by:
                continue
            if state.weeks_min is not None and not e.weeks >= state.weeks_min:
                continue
            if state.weeks_max is not None and not e.weeks <= state.weeks_max:
                continue
        out.append(f"{trial.id}:{e.construct}{e.name}")
    return out


@settings(PROFILE, max_examples=150)
@given(st.data())
def test_a_selection_holds_exactly_what_the_filters_leave(
    view: ReleaseView, data: st.DataObject
) -> None:
    facets = make_facets(view, "main")
    state = data.draw(known_states(facets))
    expected = [e for t in MAIN if kept_by_trial(t, state) for e in kept_effects(t, state)]
    assert sorted(facets.select(state).values("effect_id")) == sorted(expected)


@settings(PROFILE, max_examples=150)
@given(st.data())
def test_counts_are_the_trials_each_choice_would_leave(
    view: ReleaseView, data: st.DataObject
) -> None:
    """Counted by applying the choice alone in place of its facet's present choice."""
    facets = make_facets(view, "main")
    state = data.draw(known_states(facets))
    fields = {"topic": "topic", "country": "country", "rob": "risk_of_bias"}
    own = [t for t in MAIN if {e.construct for e in t.effects} & PAIR]
    for facet in facets.facets(state):
        for option in facet.options:
            if facet.parameter in fields:
                alone = replace(state, **{fields[facet.parameter]: (option.value,)})
            elif facet.parameter == "by":
                expected = sum(
                    any(e.measured_by == option.value for e in t.effects
                        if e.construct == "behavior") for t in own if kept_by_trial(t, state)
                )  # fmt: skip
                assert option.count == expected
                continue
            else:
                name = facet.parameter.removeprefix("m.")
                others = tuple(m for m in state.moderators if m[0] != name)
                alone = replace(state, moderators=(*others, (name, (option.value,))))
            assert option.count == sum(kept_by_trial(t, alone) for t in own), option
            assert option.chosen == (option.value in _chosen(state, facet.parameter))
    for option in facets.flags(state).options:
        alone = replace(state, **{option.value: True})
        assert option.count == sum(kept_by_trial(t, alone) for t in own)


def _chosen(state: State, parameter: str) -> tuple[str, ...]:
    if parameter.startswith("m."):
        return state.moderator_levels(parameter.removeprefix("m."))
    fields = {"topic": "topic", "country": "country", "rob": "risk_of_bias", "by": "measured_by"}
    found: tuple[str, ...] = getattr(state, fields[parameter])
    return found


@settings(PROFILE, max_examples=25)
@given(st.data())
def test_pages_and_interface_agree_on_the_trials(
    site: Site, view: ReleaseView, data: st.DataObject
) -> None:
    state = data.draw(known_states(make_facets(view, "main")))
    query = to_query(state)
    rows = site.client.data(f"/api/v1/studies.json?{query}")["data"]
    expected = {t.id for t in MAIN if kept_by_trial(t, state) and kept_effects(t, state)}
    assert {r["trial_id"] for r in rows} == expected
    if expected:
        assert {r["in_selection"] for r in rows} == {True}
    everything = site.client.data(f"/api/v1/studies.json?scope=full&{query}".rstrip("&"))["data"]
    assert len(everything) == len(all_trials())
    assert {r["trial_id"] for r in everything if r["in_selection"]} == expected


def test_ranges_are_what_is_there(view: ReleaseView) -> None:
    ranges = {r.parameter: (r.lowest, r.highest) for r in make_facets(view, "main").ranges(State())}
    years = [t.year for t in MAIN if not math.isnan(t.year)]
    persons = [t.n for t in MAIN]
    weeks = [e.weeks for t in MAIN for e in t.effects if e.construct == "behavior"]
    assert ranges == {
        "year": (min(years), max(years)), "n": (min(persons), max(persons)),
        "weeks": (min(weeks), max(weeks)),
    }  # fmt: skip


def test_a_trial_left_out_is_gone_from_every_result(client: Client) -> None:
    for endpoint in ("effects", "pairs", "studies", "influence"):
        rows = client.data(f"/api/v1/{endpoint}.json?excl=trial_00")["data"]
        assert rows and "trial_00" not in {r["trial_id"] for r in rows}
    before = {r["construct"]: r for r in client.data("/api/v1/influence.json?excl=trial_01")["data"]
              if r["trial_id"] == "trial_02"}  # fmt: skip
    after = {r["construct"]: r for r in client.data("/api/v1/pool.json?excl=trial_01&excl=trial_02")
             ["data"] if r["measure"] == "SMD"}  # fmt: skip
    for construct, row in before.items():
        assert row["mu_without"] == pytest.approx(after[construct]["mu"], abs=1e-8)


def test_a_trial_left_out_is_listed_with_a_way_back(client: Client) -> None:
    text = client.get("/forest?excl=trial_00&excl=trial_02").text
    assert 'aria-label="Take back Author A 2010"' in text
    assert 'href="./forest?excl=trial_02"' in text and 'href="./forest?excl=trial_00"' in text


VANISHED = [
    ("excl=no_such_trial", "no_such_trial"), ("topic=gardening", "gardening"),
    ("country=ATL", "ATL"), ("by=telepathy", "telepathy"), ("syn=gone", "gone"),
    ("r=0.31", "0.31"), ("m.no_such=x", "no_such"), ("m.barrier_dimension=lost", "lost"),
    ("m.mean_age=20", "mean_age"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "named"), VANISHED)
@pytest.mark.parametrize("path", ["/", "/forest", "/gap", "/studies", "/sensitivity"])
def test_what_a_release_lacks_is_left_out_and_said(
    client: Client, path: str, query: str, named: str
) -> None:
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 200
    notices = [part.split("</p>")[0] for part in answer.text.split('<p class="warning">')[1:]]
    assert any(named in text for text in notices), notices
    assert "Primary analysis of this release" in answer.text
    data = client.data(f"/api/v1/pool.json?{query}")
    assert any(named in note for note in data["notes"])
    assert data["meta"]["is_primary_analysis"] is True
    assert data["data"] == client.data("/api/v1/pool.json")["data"]


def test_a_level_that_is_left_is_still_used(client: Client) -> None:
    both = client.data("/api/v1/pool.json?topic=gardening&topic=vaccination")
    assert both["data"] == client.data("/api/v1/pool.json?topic=vaccination")["data"]
    assert any("gardening" in note for note in both["notes"])


def test_a_trial_of_another_synthesis_is_no_trial_of_this_one(client: Client) -> None:
    answer = client.data("/api/v1/pool.json?excl=other_1")
    assert any("other_1" in note for note in answer["notes"])
    other = client.data("/api/v1/pool.json?excl=other_1&syn=screening_uptake")
    assert not other["notes"] and other["meta"]["is_primary_analysis"] is False


def test_a_risk_of_bias_no_trial_has_leaves_nothing(client: Client) -> None:
    answer = client.get("/forest?rob=no_information")
    assert answer.status_code == 200 and "No trial is left" in answer.text
