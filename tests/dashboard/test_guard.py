"""What pages, figures and the interface say of results that allow no verdict."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dashboard.pages import VIEWS
from dashboard.report import render_report
from tests.dashboard.made import SETTINGS, Client, Effect, Trial, make_release

Read = Callable[[str], str]
VERDICTS = ("raised intention more than", "raised behavior more than", "settle whether intention")


def plain(page: str) -> str:
    """The text of a page, without its marks."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def one(name: str, *effects: tuple[str, float, float], by: str = "record") -> Trial:
    made = [Effect(kind, y, v, by) if kind == "behavior" else Effect(kind, y, v)
            for kind, y, v in effects]  # fmt: skip
    return Trial(name, tuple(made), name.capitalize(), topic="walking")


def sides(first: Sequence[float], second: Sequence[float], v: float = 0.03) -> list[Trial]:
    """Trials of intention and other trials of behavior."""
    return [one(f"i{i}", ("intention", y, v)) for i, y in enumerate(first)] + [
        one(f"b{i}", ("behavior", y, v)) for i, y in enumerate(second)
    ]


UNPAIRED = {
    "three and three": sides((0.3, 0.35, 0.4), (0.1, 0.15, 0.2)),
    "six and one": sides((-0.6, -0.1, 0.2, 0.5, 1.1, 1.6), (0.9,), 0.01),
    "fourteen and one": sides([0.4 * (-1) ** i + i / 20 for i in range(14)], (1.0,), 0.01),
}


@pytest.mark.parametrize("trials", UNPAIRED.values(), ids=UNPAIRED)
def test_no_page_says_a_verdict_on_trials_that_are_not_paired(
    trials: list[Trial], tmp_path: Path
) -> None:
    made = make_release(tmp_path, trials)
    client = Client(tmp_path)
    pages = {view: client.get("/" if view == "overview" else f"/{view}") for view in VIEWS}
    pages["report"] = client.get("/report")
    for name, answer in pages.items():
        assert answer.status_code == 200, name
        shown = plain(answer.text)
        assert not [text for text in VERDICTS if text in shown], name
    assert "There is no gap estimate: no trial has effects on both" in plain(pages["overview"].text)
    assert not [t for t in VERDICTS if t in plain(render_report(made.folder))]
    for endpoint in ("gap", "sensitivity", "specs"):
        rows = client.data(f"/api/v1/{endpoint}.json")["data"]
        assert rows
        for row in rows:
            assert row["status"] != "ok" and row["verdict"] == "none" and row["verdict_reason"]
            if row["estimand"] == "difference" and endpoint == "gap":
                assert row["status"] == "indirect" and row["pvalue"] is None


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """Five trials with both outcomes (behavior by self-report), three of intention, two of behavior
    by record; trials of one outcome turn the sign of the difference."""
    folder = tmp_path_factory.mktemp("mixed")
    trials = [
        one(f"p{i}", ("intention", 0.3 + i / 20, 0.02), ("behavior", 0.2 - 0.1 * (-1) ** i, 0.02),
            by="self_report")
        for i in range(5)
    ]  # fmt: skip
    trials += sides((-0.9, -0.8, -0.85), (1.3, 1.2), 0.01)
    make_release(folder, trials, whole=False)
    return Client(folder)


def test_a_filter_that_leaves_no_pair_says_so(mixed: Client) -> None:
    rows = mixed.data("/api/v1/gap.json?by=record")["data"]
    difference = rows[0]
    assert (difference["estimand"], difference["status"]) == ("difference", "indirect")
    assert difference["reason"].startswith("in this selection no trial has effects on both")
    assert {r["status"] for r in rows[1:]} == {"not_estimable"}
    shown = plain(mixed.get("/?by=record").text)
    assert "There is no gap estimate: in this selection no trial has effects on both" in shown
    assert not [text for text in VERDICTS if text in shown]


def test_what_a_selection_leaves_out_is_not_missing(mixed: Client) -> None:
    whole, part = (plain(mixed.get(f"/forest{query}").text) for query in ("", "?by=record"))
    assert "left out by the selection" not in whole and "not reported" in whole
    assert "left out by the selection" in part
    figure = mixed.get("/figure/forest.svg?by=record").text
    rows = re.findall(r"P\d[^<]*behavior[^<]*", figure, re.I) + re.findall(r"(?s)P0.*?P1", figure)
    assert rows and "not reported" not in "".join(rows)
    assert "left out" in plain(mixed.get("/studies?by=record").text)


def test_a_selection_without_behavior_is_not_a_release_without_behavior(mixed: Client) -> None:
    (row,) = mixed.data("/api/v1/gap.json?weeks_min=900")["data"]
    assert row["status"] == "not_estimable"
    assert "the selection leaves out every effect on behavior" in row["reason"]
    shown = plain(mixed.get("/?weeks_min=900").text)
    assert "no trial has a usable effect on behavior in the selection" in shown


def test_the_first_screen_says_when_paired_trials_point_the_other_way(mixed: Client) -> None:
    rows = mixed.data("/api/v1/gap.json")["data"]
    found = {
        r["subset"]: r["estimate"] for r in rows
        if r["estimand"] == "difference" and r["is_primary"] and r["subset"] in (
            "all", "paired trials")
    }  # fmt: skip
    assert found["all"] < 0.0 < found["paired trials"]
    says = (
        f"The 5 trials with both outcomes alone point the other way: difference "
        f"+{found['paired trials']:.2f} SD, against \u2212{-found['all']:.2f} SD over all trials."
    )
    assert says in plain(mixed.get("/").text)
    # One trial left out by hand: the live numbers say it with theirs.
    assert "The 4 trials with both outcomes alone point the other way" in plain(
        mixed.get("/?excl=p0").text
    )
    assert "point the other way" not in plain(mixed.get("/?both=1").text)


def test_two_equal_effects_carry_the_word(tmp_path: Path) -> None:
    make_release(tmp_path, sides((0.2, 0.2), ()), whole=False)
    client = Client(tmp_path)
    for view in ("/", "/forest", "/report"):
        shown = plain(client.get(view).text)
        assert not re.search(r"\[0\.20, 0\.20\](?! ?\(narrow\))[^\d]{0,4}(?=Prediction)", shown)
    overview = plain(client.get("/").text)
    assert "[0.20, 0.20] (narrow)" in overview
    assert "the interval is narrower than the common-effect one" in overview
    assert "On average the interventions raised" not in overview
    (row,) = client.data("/api/v1/pool.json")["data"]
    assert "narrower_than_common_effect" in row["notes"] and row["verdict"] == "none"


@pytest.mark.parametrize("protocol", ["", "PROSPERO CRD42024000001"])
def test_registered_is_said_only_with_a_protocol(protocol: str, tmp_path: Path) -> None:
    trials = [one(f"p{i}", ("intention", 0.3 + i / 9, 0.02), ("behavior", i / 15, 0.02))
              for i in range(4)]  # fmt: skip
    make_release(tmp_path, trials, whole=True, protocol=protocol)
    client = Client(tmp_path)
    for query in ("", "?excl=p0", "?tau=DL"):
        for view in VIEWS:
            shown = plain(client.get(("/" if view == "overview" else f"/{view}") + query).text)
            if not protocol:
                assert "egistered" not in shown, (view, query)
        status = plain(client.get("/" + query).text)
        named = f"registered primary analysis ({protocol})" if protocol else (
            "primary analysis of this release"
        )  # fmt: skip
        assert named.casefold() in status.casefold()
    ghost = client.get("/figure/forest.svg?excl=p0").text
    assert ("Registered analysis" in ghost) == bool(protocol)
    assert ("Primary analysis" in ghost) != bool(protocol)
    grid = client.get("/figure/grid.svg").text
    assert ("registered value" if protocol else "primary value") in grid


def test_every_level_is_that_of_the_release(tmp_path: Path) -> None:
    from dataclasses import replace

    trials = [one(f"p{i}", ("intention", 0.3 + i / 9, 0.02), ("behavior", i / 15, 0.02))
              for i in range(4)]  # fmt: skip
    make_release(tmp_path, trials, replace(SETTINGS, level=0.8), whole=False)
    client = Client(tmp_path)
    for view in ("/", "/forest", "/gap", "/heterogeneity", "/report"):
        assert "95%" not in plain(client.get(view).text), view
