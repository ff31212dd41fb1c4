"""What changed between two releases: all of it, nothing else, and what moved the results."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibgap.releases.differences import Changes, compare_releases
from ibgap.releases.opened import GoneError, Releases
from ibgap.releases.view import ReleaseView
from tests.dashboard.made import (
    SETTINGS,
    Client,
    Made,
    Trial,
    copy_release,
    main_trials,
    make_release,
    switch,
)

PROFILE = settings.get_profile("dashboard")
TRIALS = main_trials(7)


def published(row: dict[str, object]) -> float:
    value = row["mu"] if "mu" in row else row["estimate"]
    assert isinstance(value, float)
    return value


def check_steps(found: Changes) -> None:
    """Every result: the steps begin at the old value, end at the new one and add up."""
    assert found.results
    for result in found.results:
        if result.old is None or result.new is None:
            assert result.steps == ()
            continue
        before, after = published(result.old), published(result.new)
        assert [s.name for s in result.steps] == [
            "trials removed", "values corrected", "trials added", "settings and software",
        ]  # fmt: skip
        assert sum(s.shift for s in result.steps) == pytest.approx(after - before, abs=1e-9)
        assert result.steps[-1].estimate == pytest.approx(after, abs=1e-12)
        at = before
        for step in result.steps:
            at += step.shift
            assert step.estimate == pytest.approx(at, abs=1e-9)


_KEPT = tempfile.TemporaryDirectory()


@cache
def _first() -> Made:
    """The older release, made once."""
    return make_release(Path(_KEPT.name), TRIALS, made_at="2024-01-01T00:00:00+00:00",
                        whole=False)  # fmt: skip


def _registered(folder: Path) -> Made:
    copied = copy_release(_first(), _first().id, "2024-01-01T00:00:00+00:00", folder)
    return replace(_first(), folder=copied)


class Pair:
    """Two releases in a folder of their own."""

    def __init__(self, folder: Path, new: list[Trial], **options: object) -> None:
        self.folder = folder
        model = options.pop("settings", SETTINGS)
        self.old = _registered(folder)
        self.new = make_release(folder, new, model, made_at="2024-02-01T00:00:00+00:00",  # type: ignore[arg-type]
                                whole=False, **options)  # type: ignore[arg-type]  # fmt: skip

    @property
    def found(self) -> Changes:
        return compare_releases(ReleaseView(self.old.folder), ReleaseView(self.new.folder))


def moved(found: Changes, result: str) -> dict[str, float]:
    row = next(r for r in found.results if r.result == result and r.synthesis == "main")
    return {s.name: s.shift for s in row.steps}


def test_everything_at_once(tmp_path: Path) -> None:
    added = replace(main_trials(9)[8], id="added_trial", label="Added 2024")
    corrected = replace(TRIALS[1].with_effect(0, yi=0.95), country="FRA")
    new = [TRIALS[0], corrected, *TRIALS[3:], added]
    model = replace(SETTINGS, tau2_method="DL")
    pair = Pair(tmp_path, new, settings=model, packages={"scipy": "9.9"})
    found = pair.found
    assert [r["trial_id"] for r in found.added] == ["added_trial"]
    assert [r["trial_id"] for r in found.removed] == [TRIALS[2].id]
    assert {(c.trial_id, c.kind, c.field, c.new) for c in found.fields} == {
        (TRIALS[1].id, "trial", "country", "FRA"), (TRIALS[1].id, "effect", "yi", "0.95"),
    }  # fmt: skip
    assert found.settings == (("tau2_method", "REML", "DL"),)
    assert ("scipy", "", "9.9") in found.packages
    assert not found.is_empty
    check_steps(found)
    text = Client(tmp_path).get("/changes").text
    assert "1 trial added, 1 removed, 1 trial with other values; 1 setting changed." in text
    for said in ("Added 2024", TRIALS[2].label, TRIALS[1].label, "FRA", "REML", "9.9"):
        assert said in text
    rows = Client(tmp_path).data("/api/v1/changes.json")["data"]
    assert {(r["kind"], r["key"]) for r in rows if r["kind"] in ("added", "removed")} == {
        ("added", "added_trial"), ("removed", TRIALS[2].id),
    }  # fmt: skip
    assert any(r["field"] == "country" and r["new"] == "FRA" for r in rows)


def test_one_kind_of_change_moves_the_results_by_its_own_step(tmp_path: Path) -> None:
    cases = {
        "trials removed": Pair(tmp_path / "removed", TRIALS[1:]),
        "values corrected": Pair(tmp_path / "corrected",
                                 [TRIALS[0].with_effect(0, yi=0.9), *TRIALS[1:]]),
        "trials added": Pair(tmp_path / "added", [*TRIALS, main_trials(9)[8]]),
        "settings and software": Pair(tmp_path / "settings", TRIALS,
                                      settings=replace(SETTINGS, tau2_method="SJ")),
    }  # fmt: skip
    for name, pair in cases.items():
        check_steps(pair.found)
        shifts = moved(pair.found, "effect on intention")
        assert abs(shifts.pop(name)) > 1e-6, name
        assert max(map(abs, shifts.values())) < 1e-9, (name, shifts)


def test_nothing_changed(tmp_path: Path) -> None:
    pair = Pair(tmp_path, TRIALS)
    assert pair.found.is_empty
    check_steps(pair.found)
    client = Client(tmp_path)
    text = client.get("/changes").text
    assert "Nothing changed: the same trials, values, settings and results." in text
    assert "No trial was added or removed." in text and "No value changed." in text
    assert "difference unchanged" in client.get("/").text
    rows = client.data("/api/v1/changes.json")["data"]
    assert {r["kind"] for r in rows} <= {"result"}
    assert all(abs(r["pooled_shift"]) < 1e-12 for r in rows)


def test_other_software_alone_is_said(tmp_path: Path) -> None:
    found = Pair(tmp_path, TRIALS, packages={"numpy": "9"}).found
    assert found.packages == (("numpy", "", "9"),) and not found.settings
    text = Client(tmp_path).get("/changes").text
    assert "numpy" in text


def test_an_assumed_correlation_is_a_setting(tmp_path: Path) -> None:
    found = Pair(tmp_path, TRIALS, settings=replace(SETTINGS, assumed_correlation=0.0)).found
    assert found.settings == (("assumed_correlation", "0.5", "0"),)
    assert not found.fields and not found.added and not found.removed
    assert not found.is_empty
    check_steps(found)
    before, after = (
        next(r for r in found.results if r.result == "intention minus behavior").__getattribute__(n)
        for n in ("old", "new")
    )
    shifts = moved(found, "intention minus behavior")
    assert before["estimate"] != after["estimate"]
    assert shifts["values corrected"] == pytest.approx(0.0, abs=1e-9), "no value was corrected"
    assert abs(shifts["settings and software"]) > 1e-6


@settings(PROFILE, max_examples=4)
@given(st.data())
def test_any_two_releases_are_told_apart_exactly(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    ids = [t.id for t in TRIALS]
    gone = data.draw(st.sets(st.sampled_from(ids), max_size=3), "gone")
    fixed = data.draw(st.sets(st.sampled_from(ids), max_size=2), "fixed") - gone
    more = data.draw(st.integers(0, 2), "more")
    new = [t.with_effect(0, yi=t.effects[0].yi + 0.1) if t.id in fixed else t
           for t in TRIALS if t.id not in gone]  # fmt: skip
    new += main_trials(9)[7 : 7 + more]
    found = Pair(tmp_path_factory.mktemp("pair"), new).found
    assert {r["trial_id"] for r in found.removed} == gone
    assert {c.trial_id for c in found.fields} == fixed
    assert {c.field for c in found.fields} <= {"yi"}
    assert len(found.added) == more
    check_steps(found)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("three")
    made: list[Made] = [
        make_release(folder, TRIALS[: 4 + i], made_at=f"2024-0{i + 1}-01T00:00:00+00:00",
                     whole=False) for i in range(3)
    ]  # fmt: skip
    return folder, [m.id for m in made]


def test_releases_are_compared_with_the_one_before_or_any(
    three: tuple[Path, list[str]],
) -> None:
    folder, ids = three
    client = Client(folder)
    assert f"From {ids[1]} to {ids[2]}" in client.get("/changes").text
    assert f"From {ids[0]} to {ids[2]}" in client.get(f"/changes?with={ids[0]}").text
    back = client.get(f"/changes?release={ids[0]}&with={ids[2]}").text
    assert "0 trials added, 2 removed" in back
    first = client.get(f"/changes?release={ids[0]}")
    assert "This is the first release" in first.text
    assert client.data(f"/api/v1/changes.json?release={ids[0]}")["data"] == []
    assert "Nothing changed" in client.get(f"/changes?with={ids[2]}").text


def test_the_library_remembers_a_comparison(three: tuple[Path, list[str]]) -> None:
    folder, ids = three
    releases = Releases(folder)
    found = releases.changes(ids[0], ids[2])
    assert releases.changes(ids[0], ids[2]) is found
    assert (found.old_id, found.new_id) == (ids[0], ids[2]) and len(found.added) == 2
    check_steps(found)
    with pytest.raises(GoneError):
        releases.changes("20200101-000000-aaaaaaaaaa", ids[2])


def test_the_trend_has_a_point_per_release(three: tuple[Path, list[str]]) -> None:
    folder, ids = three
    client = Client(folder)
    rows = client.data("/api/v1/trend.json")["data"]
    for name in ids:
        own = {r["result"]: r["estimate"] for r in rows if r["release_id"] == name}
        pooled = client.data(f"/api/v1/pool.json?release={name}")["data"]
        for row in pooled:
            if row["is_primary"] and row["subset"] == "all" and row["construct"] in own:
                assert own[row["construct"]] == row["mu"]
    assert client.get("/figure/trend.svg").status_code == 200


def test_releases_of_one_day_are_told_apart(tmp_path: Path) -> None:
    made = make_release(tmp_path, TRIALS[:4], whole=False)
    for clock in ("130000", "130000", "140000"):
        name = f"20240501-{clock}-{len(list(tmp_path.iterdir())):010d}"
        copy_release(made, name, f"2024-05-01T{clock[:2]}:00:00+00:00")
    switch(tmp_path, name)
    client = Client(tmp_path)
    assert client.get("/").status_code == 200
    assert client.data("/api/v1/releases.json")["meta"]["rows"] == 4
