"""A page's address says everything about it, in one way, and nothing else is taken."""

from __future__ import annotations

import random
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.pages import VIEWS
from dashboard.query import (
    COLUMNS,
    LONGEST_QUERY,
    LONGEST_VALUE,
    MOST_VALUES,
    ROB_LEVELS,
    SORTS,
    QueryError,
    State,
    parse,
    to_query,
)
from tests.dashboard.made import Client
from tests.dashboard.states import states

PROFILE = settings.get_profile("dashboard")


@settings(PROFILE, max_examples=300)
@given(states)
def test_an_address_gives_its_state_back(state: State) -> None:
    query = to_query(state)
    if len(query) <= LONGEST_QUERY:
        assert parse(query) == state
        assert to_query(parse(query)) == query


@settings(PROFILE, max_examples=200)
@given(states, st.randoms(use_true_random=False))
def test_equal_states_have_one_address(state: State, shuffle: random.Random) -> None:
    pairs = parse_qsl(to_query(state), keep_blank_values=True)
    shuffle.shuffle(pairs)
    spaced = "&".join(f"{quote(k)}={quote(v)}" for k, v in [*pairs, *pairs[:1]])
    assert to_query(parse(urlencode(pairs))) == to_query(state)
    if all(k in ("topic", "country", "by", "rob", "excl", "cols") or k.startswith("m.")
           for k, _ in pairs[:1]):  # fmt: skip
        assert to_query(parse(spaced)) == to_query(state)


@settings(PROFILE)
@given(states, st.sampled_from(["_", "a b", "ü/<&", "x" * 40]))
def test_a_trial_is_left_out_and_taken_back(state: State, trial: str) -> None:
    assert state.toggled(trial).toggled(trial) == state
    assert (trial in state.toggled(trial).excluded) != (trial in state.excluded)


@settings(PROFILE)
@given(states)
def test_the_numbers_do_not_depend_on_how_they_are_shown(state: State) -> None:
    shown = replace(state, sort="label", group="topic", columns=(), outcome="behavior",
                    moderator="x", search="y", other="r1", second="topic=a")  # fmt: skip
    assert shown.analysis_key == state.analysis_key
    assert replace(state, both=not state.both).analysis_key != state.analysis_key
    assert state.without_filters().is_filtered is False


@pytest.mark.parametrize(
    ("given_query", "canonical"),
    [("sort=upstream", ""), ("syn=main", ""), ("topic=", ""), ("both=0", ""), ("both=", ""),
     ("randomized=1&both=1", "both=1&randomized=1"), ("year_min=2010.0", "year_min=2010"),
     ("year_min=2.01e3", "year_min=2010"), ("weeks_min=-0", "weeks_min=0"), ("r=.5", "r=0.5"),
     ("topic=b&topic=a&topic=b", "topic=a&topic=b"), ("m.x=&m.y=1", "m.y=1"),
     ("cols=rob&cols=weight", "cols=weight&cols=rob"), ("cols=none", "cols=none"),
     ("&".join(f"cols={c}" for c in COLUMNS), ""), ("q=a%20b", "q=a+b"), ("q=%C3%BC", "q=%C3%BC"),
     ("tau=&ci=&out=&sort=", ""), ("excl=a%2Cb", "excl=a%2Cb"), ("&&", "")],
)  # fmt: skip
def test_the_canonical_address(given_query: str, canonical: str) -> None:
    found = to_query(parse(given_query))
    assert sorted(found.split("&")) == sorted(canonical.split("&"))
    assert to_query(parse(found)) == found


def test_every_view_leads_to_the_canonical_address_in_one_step(client: Client) -> None:
    for name in VIEWS:
        path = "/" if name == "overview" else f"/{name}"
        answer = client.get(f"{path}?topic=b&topic=&both=0&topic=a&year_min=2010.0")
        assert answer.status_code == 302
        target = answer.headers["location"]
        assert target.startswith("./"), "relative, so that it works under any prefix"
        assert target.endswith("?topic=a&topic=b&year_min=2010")
        again = client.get("/" + target.removeprefix("./"))
        assert again.status_code == 200


@settings(PROFILE, max_examples=25)
@given(states, st.sampled_from(["overview", "forest", "studies"]))
def test_the_server_never_sends_a_reader_in_circles(
    client: Client, state: State, view: str
) -> None:
    kept = replace(state, release="", other="", second="")
    path = "/" if view == "overview" else f"/{view}"
    for query in (to_query(kept), to_query(kept).replace("+", "%20") + "&both="):
        answer = client.get(f"{path}?{query}")
        if answer.status_code == 302:
            answer = client.get("/" + answer.headers["location"].removeprefix("./"))
        assert answer.status_code == 200


IMPOSSIBLE = [
    ("colour=red", "`colour`"), ("year_min=nan", "`year_min`"), ("year_min=inf", "1800 to 2200"),
    ("n_max=1e999", "`n_max`"), ("n_min=-1", "0 to 1e+09"), ("weeks_min=soon", "`weeks_min`"),
    ("r=1.5", "-1 to 1"), ("tau=XX", "REML"), ("ci=exact", "knapp_hartung"),
    ("sort=size", "difference"), ("out=both", "behavior"), ("rob=unclear", "some_concerns"),
    ("cols=all", "prediction"), ("both=yes", "`both`"), ("randomized=2", "`randomized`"),
    ("release=../x", "`release`"), ("with=a%20b", "`with`"), ("m.=x", "`m.`"),
    (f"q={'x' * (LONGEST_VALUE + 1)}", "`q`"), ("__proto__=1", "`__proto__`"),
    ("year_min=2020&year_min=nan", "`year_min`"), ("%FF=1", "`\ufffd`"), ("%00=1", "`\x00`"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "said"), IMPOSSIBLE)
def test_an_impossible_parameter_is_named(client: Client, query: str, said: str) -> None:
    with pytest.raises(QueryError):
        parse(query)
    page = client.get(f"/forest?{query}")
    assert page.status_code == 400 and page.headers["content-type"].startswith("text/html")
    data = client.get(f"/api/v1/pool.json?{query}")
    assert data.status_code == 400 and data.headers["content-type"] == "application/json"
    assert said in " ".join(data.json()["details"])
    for path in ("/figure/forest.svg", "/bundle.zip", "/report", "/study", "/compare"):
        assert client.get(f"{path}?{query}").status_code == 400


def test_every_offending_parameter_is_listed_at_once(client: Client) -> None:
    query = "&".join(text for text, _ in IMPOSSIBLE if "release" not in text and "m." not in text)
    details = client.get(f"/api/v1/gap.json?{query}").json()["details"]
    page = client.get(f"/gap?{query}").text
    for name in ("colour", "n_max", "weeks_min", "r", "tau", "ci", "sort", "out", "rob", "cols",
                 "both", "randomized", "with", "q", "__proto__"):  # fmt: skip
        assert any(f"`{name}`" in text for text in details), name
        assert f"`{name}`" in page
    for values in (SORTS, ROB_LEVELS, COLUMNS):
        assert any(all(v in text for v in values) for text in details)


def test_too_long_and_too_many(client: Client) -> None:
    many = "&".join(f"excl={i}" for i in range(MOST_VALUES + 1))
    for query, said in ((many, f"more than {MOST_VALUES} values"),
                        (f"b={'x' * LONGEST_QUERY}", f"longer than {LONGEST_QUERY}")):  # fmt: skip
        answer = client.get(f"/?{query}")
        assert answer.status_code == 400 and said in answer.text
        assert said in " ".join(client.get(f"/api/v1/pool.json?{query}").json()["details"])
    fine = "&".join(f"excl={i:03d}" for i in range(MOST_VALUES))
    assert client.get(f"/?{fine}").status_code == 200


def test_a_broken_second_selection_is_said_on_the_page(client: Client) -> None:
    answer = client.get("/compare?" + urlencode({"b": "colour=red&tau=XX"}))
    assert answer.status_code == 200
    assert "The second selection cannot be read" in answer.text and "colour" in answer.text
    gone = client.get("/compare?" + urlencode({"b": "release=20000101-000000-abc"}))
    assert gone.status_code == 200 and "is not kept any more" in gone.text
