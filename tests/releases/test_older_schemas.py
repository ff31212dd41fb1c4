"""Releases of older schema versions stay readable: pages, interface, changes, one effect explained,
tables taken elsewhere.

The folders of `old` were published by the code of their schema version from four shipped trials;
they hold what was published then but the report and the DuckDB file.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dashboard.api import ENDPOINTS
from dashboard.pages import FIGURES, VIEWS
from dashboard.uncomputed import NOT_COMPUTED
from dashboard.wording import UNRECORDED
from ibgap.cli.diff import as_data, as_text, find_changes
from ibgap.cli.explain import explain
from ibgap.cli.export import export_release
from ibgap.releases.opened import Releases
from ibgap.releases.reader import open_release
from ibgap.releases.view import ReleaseView
from tests.dashboard.made import Client, Effect, Trial, make_release
from validations.tables import SCHEMA_VERSION, TABLES

OLD = Path(__file__).parent / "old"
VERSIONS = ("1.1", "1.2", "1.3")
WITHOUT_VERDICTS = ("1.1", "1.2")
BOTH, APART = "burger2022_vaccination", "self_determination"
"""A trial with both outcomes, also in the newer release; a synthesis of its own."""


@dataclass(frozen=True)
class Shelf:
    """A folder with the older releases and a current one of today's schema."""

    folder: Path
    current: str
    ids: dict[str, str]

    def open(self, version: str) -> ReleaseView:
        return Releases(self.folder).open(self.ids[version])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("older") / "releases"
    shutil.copytree(OLD, folder)
    ids = {
        json.loads(path.read_text(encoding="utf-8"))["schema_version"]: path.parent.name
        for path in folder.glob("*/release.json")
    }
    trials = (
        Trial(BOTH, (Effect("intention", 0.2, 0.01), Effect("behavior", 0.1, 0.01))),
        Trial("later", (Effect("intention", 0.4, 0.02), Effect("behavior", 0.1, 0.02))),
        Trial("last", (Effect("intention", 0.3, 0.03), Effect("behavior", 0.2, 0.03))),
    )
    made = make_release(folder, trials, made_at="2027-01-01T00:00:00+00:00", whole=False)
    return Shelf(folder, made.folder.name, ids)


@pytest.fixture(scope="module")
def client(shelf: Shelf) -> Client:
    return Client(shelf.folder)


def test_there_is_one_of_each_older_schema_and_they_are_small(shelf: Shelf) -> None:
    assert set(shelf.ids) == set(VERSIONS)
    assert SCHEMA_VERSION not in VERSIONS
    assert sum(p.stat().st_size for p in OLD.rglob("*") if p.is_file()) < 1_500_000
    heads = [head.release_id for head in Releases(shelf.folder).heads]
    assert heads == [shelf.current, *(shelf.ids[v] for v in reversed(VERSIONS))]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_page_opens(client: Client, shelf: Shelf, version: str, view: str) -> None:
    release = shelf.ids[version]
    path = "/" if view == "overview" else f"/{view}"
    queries = ["", f"&syn={APART}", f"&excl={BOTH}"]
    queries += [f"&with={shelf.current}"] * (view in ("changes", "compare"))
    for query in queries:
        answer = client.follow(f"{path}?release={release}{query}")
        assert answer.status_code == 200, query
        assert f"<h1>{VIEWS[view].title}" in answer.text
        assert f"Release {release}" in answer.text and NOT_COMPUTED not in answer.text


@pytest.mark.parametrize("version", VERSIONS)
def test_trials_endpoints_tables_and_figures_answer(
    client: Client, shelf: Shelf, version: str
) -> None:
    release = shelf.ids[version]
    empty = {
        name for name in ENDPOINTS
        if not client.data(f"/api/v1/{name}.json?release={release}")["data"]
    }  # fmt: skip
    assert empty == {"barriers"} | ({"changes"} if version == VERSIONS[0] else set())
    trials = list(shelf.open(version).table("trials")["trial_id"])
    for trial in (trials[0], BOTH, trials[-1]):
        assert client.follow(f"/study?trial={trial}&release={release}").status_code == 200
    drawn = {f for f in FIGURES if client.get(f"/figure/{f}.svg?release={release}").is_success}
    assert drawn >= {"forest", "gap", "grid", "funnel", "influence", "specifications", "flow"}
    assert client.get(f"/bundle.zip?release={release}").status_code == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_later_columns_are_missing_in_rows_and_tables_stay_as_published(
    shelf: Shelf, version: str
) -> None:
    view = shelf.open(version)
    later = 0
    for name in view.record["counts"]:
        published = pd.read_parquet(OLD / view.release_id / "tables" / f"{name}.parquet")
        pd.testing.assert_frame_equal(view.table(name), published)
        for row in view.rows(name):
            assert set(TABLES[name].names) <= set(row), name
            for column in set(TABLES[name].names) - set(published.columns):
                text = TABLES[name].column(column).kind == "text"
                assert row[column] == "" if text else row[column] != row[column]
                later += 1
    assert later or version not in WITHOUT_VERDICTS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_release_without_verdicts_says_so_and_counts_none(
    client: Client, shelf: Shelf, version: str
) -> None:
    text = client.follow(f"/sensitivity?release={shelf.ids[version]}").text
    assert (UNRECORDED in text) == (version in WITHOUT_VERDICTS)
    assert ("the interval lies above 0 in" in text) == (version not in WITHOUT_VERDICTS)


def _explained(found: dict[str, Any]) -> int:
    """How many changes of results are shared out, each wholly, over its steps."""
    results = [r for r in found["results"] if r["steps"]]
    for one in results:
        moved = sum(step["shift"] for step in one["steps"])
        assert moved == pytest.approx(one["new"] - one["old"], abs=1e-9)
    return len(results)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_changed_since_an_older_schema(shelf: Shelf, version: str) -> None:
    found = find_changes(shelf.folder, shelf.ids[version], "current")
    data = as_data(found)
    trials = set(shelf.open(version).table("trials")["trial_id"])
    assert set(data["added"]) == {"later", "last"}
    assert set(data["removed"]) == trials - {BOTH}
    assert {value["trial_id"] for value in data["values"]} == {BOTH}
    assert _explained(data) == 3, "intention, behavior, difference"
    assert f"From {shelf.ids[version]} to {shelf.current}" in as_text(found)


def test_what_changed_between_older_schemas(shelf: Shelf) -> None:
    found = find_changes(shelf.folder, shelf.ids["1.1"], shelf.ids["1.3"])
    assert not found.added and not found.removed
    assert _explained(as_data(found)) > 3


@pytest.mark.parametrize("version", VERSIONS)
def test_an_effect_is_explained(shelf: Shelf, version: str) -> None:
    release = open_release(shelf.folder, shelf.ids[version])
    effects = release.table("effects")
    own = effects[(effects["trial_id"] == BOTH) & effects["in_pool"].astype(bool)]
    effect = own[own["construct"] == "behavior"].iloc[0]
    text = explain(release, effect["effect_id"])
    assert text.startswith(effect["effect_id"]) and f"{effect['yi']:.4f}" in text
    assert f"From {effect['file']}, rows {effect['rows']}" in text
    assert "In the pools of synthesis main" in text and "behavior, all:" in text
    assert "paired with" in text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["csv", "parquet", "metapsy", "metafor"])
def test_tables_are_taken_elsewhere(shelf: Shelf, version: str, form: str, tmp_path: Path) -> None:
    release = open_release(shelf.folder, shelf.ids[version])
    written = export_release(release, form, tmp_path / form)
    assert all(path.stat().st_size for path in written)
    if form in ("csv", "parquet"):
        assert {path.stem for path in written} == set(release.record["counts"])
