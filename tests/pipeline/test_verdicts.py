"""From folders to sentences: no verdict from nothing, on the command line and in every table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dashboard.pages import VIEWS
from tests.builders import PROVENANCE, Recipe
from tests.dashboard.made import Client

from .conftest import Home

SAYS = ("raised intention more than", "raised behavior more than", "settle whether intention")


def recipe(name: str, effects: Sequence[tuple[str, float, float]], synthesis: str = "") -> Recipe:
    """Printed g with its variance, of intention, behavior or both; correlated at .5."""
    outcomes = "".join(
        f"  - {{id: {kind}, construct: {kind}, scale: {{type: continuous}}, "
        f"higher_is_better: true, timepoint: {{weeks: {0 if kind == 'intention' else 12}}}, "
        "measured_by: self_report}\n"
        for kind, _, _ in effects
    )
    rows = "".join(f"{kind},g,{value},{v},67,67\n" for kind, value, v in effects)
    own = f"synthesis: {synthesis}\n" if synthesis else ""
    manifest = (
        f"ibgap: 1\nid: {name}\nlabel: {name}\ntopic: t\n{own}design: {{type: parallel}}\n"
        "arms: [{id: a, role: experimental}, {id: c, role: usual_care}]\n"
        "sources:\n  - id: r\n    kind: reported_effects\n    file: e.csv\n    blocks: "
        "[{outcome: outcome, statistic: s, value: v, variance: w, n1: n1, n2: n2}]\n"
        f"outcomes:\n{outcomes}{PROVENANCE}"
    )
    return Recipe(name, manifest, {"e.csv": f"outcome,s,v,w,n1,n2\n{rows}"})


def alone(kind: str, values: Sequence[float], v: float, more: str = "") -> list[Recipe]:
    """One trial per value of one outcome."""
    return [recipe(f"{more}{kind[0]}{i}", [(kind, y, v)], more) for i, y in enumerate(values)]


def read(home: Home, *arguments: str) -> list[dict[str, Any]]:
    answer = home.command(*arguments, "--json")
    assert answer.exit_code == 0, answer.output
    found: list[dict[str, Any]] = json.loads(answer.output)
    return found


def primary(home: Home, synthesis: str = "main") -> dict[str, Any]:
    (row,) = [
        r for r in read(home, "gap", "--synthesis", synthesis)
        if r["estimand"] == "difference" and r["is_primary"] and r["subset"] == "all"
    ]  # fmt: skip
    return row


def test_trials_that_are_not_paired(make_home: Callable[..., Home]) -> None:
    """Main: 3 and 3. A synthesis of its own: 6 of intention and 1 of behavior. Level .8."""
    home = make_home(
        *alone("intention", (0.3, 0.35, 0.4), 0.03), *alone("behavior", (0.1, 0.15, 0.2), 0.03),
        *alone("intention", (-0.6, -0.1, 0.2, 0.5, 1.1, 1.6), 0.01, "own"),
        *alone("behavior", (0.9,), 0.01, "own"),
    )  # fmt: skip
    home.refresh(level=0.8)
    main, own = primary(home), primary(home, "own")
    assert main["status"] == own["status"] == "indirect"
    assert main["se"] == pytest.approx(math.sqrt(0.02), abs=1e-4)
    assert own["tau2_upstream"] == pytest.approx(0.633, abs=1e-3) and own["pvalue"] is None
    for synthesis in ("main", "own"):
        for row in read(home, "gap", "--synthesis", synthesis):
            assert row["status"] != "ok" and row["verdict"] == "none" and row["verdict_reason"]
        printed = home.command("gap", "--synthesis", synthesis).output
        assert not [text for text in SAYS if text in printed]
        assert "There is no gap estimate: no trial has effects on both" in printed
        assert "80% CI" in printed and "95%" not in printed
    assert "80% CI" in home.command("pool").output
    assert "80% CI" in home.command("effects").output
    assert "80% interval" in home.command("gap", "--subset", "all").output
    for name in ("sensitivity", "specifications", "surrogacy"):
        table = home.release().table(name)
        assert len(table) and not (table["status"] == "ok").any(), name
        assert set(table["verdict"]) == {"none"}, name
    client = Client(home.releases)
    for view in (*VIEWS, "report"):
        for query in ("", "?syn=own", "?excl=i0"):
            answer = client.get(("/" if view == "overview" else f"/{view}") + query)
            assert answer.status_code == 200
            assert not [text for text in SAYS if text in answer.text], (view, query)


def test_two_equal_effects(make_home: Callable[..., Home]) -> None:
    home = make_home(*alone("intention", (0.2, 0.2), 0.03))
    home.refresh()
    for command in (("gap",), ("pool",)):
        printed = home.command(*command).output
        assert "[0.20, 0.20] (narrow)" in printed
        assert printed.count("[0.20, 0.20]") == printed.count("[0.20, 0.20] (narrow)")
    assert "common-effect interval is wider" in home.command("gap").output
    (row,) = read(home, "pool")
    assert "narrower_than_common_effect" in row["notes"] and row["verdict"] == "none"


def test_one_pair_and_a_release_that_says_it_the_other_way(make_home: Callable[..., Home]) -> None:
    """One pair beside others: the pair says +, all trials say -; then the release after with a
    second pair, and what is printed between the two."""
    pair = recipe("p0", [("intention", 0.6, 0.02), ("behavior", 0.1, 0.02)])
    home = make_home(
        pair, *alone("intention", (-0.9, -0.8), 0.02), *alone("behavior", (0.9, 1.0), 0.02)
    )
    home.refresh(level=0.9)
    row = primary(home)
    assert (row["status"], row["k_paired"]) == ("ok", 1)
    printed = home.command("gap").output
    assert "The 1 trial with both outcomes alone points the other way" in printed
    assert "difference +0.50 SD, against -" in printed
    home.add(recipe("p1", [("intention", 0.5, 0.02), ("behavior", 0.2, 0.02)]))
    home.refresh(level=0.9)
    assert primary(home)["k_paired"] == 2
    assert "90% CI" in home.command("diff").output
    alone_rows = [
        r for r in read(home, "gap", "--subset", "paired trials") if r["estimand"] == "difference"
    ]  # fmt: skip
    assert {r["verdict"] for r in alone_rows} == {"none"}
