"""Random states of a page, over all fields and over what a release has."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from analysis.univariate.meta_regression import CI_METHODS
from analysis.univariate.tau2 import TAU2_METHODS
from dashboard.query import COLUMNS, OUTCOMES, ROB_LEVELS, SORTS, State

AWKWARD = ("a,b", "a&b=c", "50%", "a+b", "naïve ü 中文", "a/b/../c", "<b>", "'\"", "x y", ";", "#",
           "none", "0", "\u202eabc", "tab\tline\nbreak", "%2F", "\U0001f600")  # fmt: skip
names = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12),
)
releases = st.one_of(st.just(""), st.from_regex(r"[0-9A-Za-z][0-9A-Za-z._-]{0,20}", fullmatch=True))


def lists(values: st.SearchStrategy[str] = names, most: int = 4) -> st.SearchStrategy[Any]:
    return st.lists(values, unique=True, max_size=most).map(lambda v: tuple(sorted(v)))


def numbers(low: float, high: float) -> st.SearchStrategy[float | None]:
    return st.one_of(
        st.none(), st.floats(low, high).map(lambda v: v + 0.0),
        st.integers(int(low), int(high)).map(float),
    )  # fmt: skip


_COLUMN_SETS = st.one_of(
    st.just(tuple(COLUMNS)),
    st.just(("none",)).map(lambda _: ()),
    st.sets(st.sampled_from(list(COLUMNS)), min_size=1).map(
        lambda chosen: tuple(c for c in COLUMNS if c in chosen)
    ),
)
states = st.builds(
    State,
    release=releases, synthesis=st.one_of(st.just("main"), names), topic=lists(),
    country=lists(), measured_by=lists(), risk_of_bias=lists(st.sampled_from(ROB_LEVELS)),
    randomized=st.booleans(), both=st.booleans(),
    year_min=numbers(1800, 2200), year_max=numbers(1800, 2200),
    weeks_min=numbers(-1000, 100_000), weeks_max=numbers(-1000, 100_000),
    n_min=numbers(0, 1e9), n_max=numbers(0, 1e9),
    moderators=st.dictionaries(names, lists().filter(bool), max_size=3).map(
        lambda found: tuple(sorted(found.items()))
    ),
    excluded=lists(), tau2_method=st.sampled_from(["", *TAU2_METHODS]),
    ci_method=st.sampled_from(["", *CI_METHODS]), assumed_correlation=numbers(-1, 1),
    sort=st.sampled_from(list(SORTS)), group=st.one_of(st.just(""), names),
    columns=_COLUMN_SETS, outcome=st.sampled_from(OUTCOMES),
    moderator=st.one_of(st.just(""), names), search=st.one_of(st.just(""), names),
    other=releases, second=st.one_of(st.just(""), names),
)  # fmt: skip
"""Any state that an address can say."""


def some(values: list[str]) -> st.SearchStrategy[Any]:
    """Mostly nothing, else some of these values."""
    return st.one_of(st.just(()), lists(st.sampled_from(values), 3))


def known_states(facets: Any) -> st.SearchStrategy[State]:
    """States over what a release has, with filters only."""
    return st.builds(
        State,
        topic=some(sorted(set(facets.topics))), country=some(sorted(set(facets.countries) - {""})),
        measured_by=some(sorted(set().union(*facets.measured_by))),
        risk_of_bias=some(list(ROB_LEVELS)), randomized=st.booleans(), both=st.booleans(),
        year_min=st.sampled_from([None, 2011.0, 2014.0]),
        year_max=st.sampled_from([None, None, 2018.0, 2012.0]),
        weeks_min=st.sampled_from([None, None, 4.0]),
        weeks_max=st.sampled_from([None, None, 12.0]),
        n_min=st.sampled_from([None, 120.0]), n_max=st.sampled_from([None, None, 400.0]),
        moderators=st.one_of(st.just(()), st.tuples(st.tuples(
            st.just("barrier_dimension"),
            lists(st.sampled_from(["cognitive", "structural", "affective"])).filter(bool)))),
        excluded=some(facets.ids),
    )  # fmt: skip
