"""The dashboard on releases of a real refresh; every other test of it is in tests/dashboard."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from dashboard.pages import FIGURES, VIEWS
from tests.dashboard.made import Client
from validations.tables import TABLES

from .conftest import Home, run_steps


@pytest.fixture(scope="module")
def client(small: Home) -> Client:
    return Client(small.releases)


def test_the_first_page_is_the_overview_and_the_report_has_its_own(
    client: Client, small: Home
) -> None:
    assert "<h1>Overview</h1>" in client.get("/").text
    answer = client.get("/report")
    assert answer.status_code == 200
    assert answer.text == (small.releases / "current" / "report.html").read_text()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_a_refreshed_release(client: Client, view: str) -> None:
    for query in ("", "?excl=small_trial", "?tau=DL"):
        answer = client.get(("/" if view == "overview" else f"/{view}") + query)
        assert answer.status_code == 200
        assert f"<title>{VIEWS[view].title} - ibgap</title>" in answer.text


def test_tables_can_be_downloaded(client: Client, small: Home) -> None:
    for name in TABLES:
        answer = client.get(f"/tables/{name}.parquet")
        assert answer.status_code == 200
        found = pd.read_parquet(io.BytesIO(answer.content))
        pd.testing.assert_frame_equal(found, small.release().table(name))


def test_every_figure_of_a_refreshed_release(client: Client) -> None:
    drawn = {name for name in FIGURES if client.get(f"/figure/{name}.svg").status_code == 200}
    assert drawn >= {"forest", "gap", "grid", "action", "specifications", "flow", "influence"}


def test_a_trial_leads_to_its_file_and_rows(client: Client, small: Home) -> None:
    for trial in small.release().table("trials")["trial_id"]:
        text = client.get(f"/study?trial={trial}").text
        own = small.release().table("effects")
        for file in set(own[own["trial_id"] == trial]["file"]):
            assert file in text


def test_a_new_release_is_seen_without_a_restart(copy_of_small: Home) -> None:
    client = Client(copy_of_small.releases)
    before = client.get("/report").text
    (copy_of_small.releases / "current" / "report.html").unlink()
    assert client.get("/report").status_code == 503
    run_steps(copy_of_small)
    assert client.get("/report").text != before
    assert client.get("/").status_code == 200


def test_a_trial_with_participants_is_told_as_it_is_published(client: Client, small: Home) -> None:
    effects = small.release().table("effects").set_index("effect_id")
    for query in ("", "?excl=arms_trial", "?tau=DL", "?scope=full"):
        for row in client.data(f"/api/v1/effects.json{query}")["data"]:
            like = effects.loc[row["effect_id"]]
            for column in ("yi", "vi", "n1", "n2"):
                assert row[column] == (None if pd.isna(like[column]) else like[column])
    others = "excl=arms_trial&excl=effects_trial&excl=counts_trial"
    own = effects[(effects["trial_id"] == "small_trial") & (effects["measure"] == "SMD")]
    for row in client.data(f"/api/v1/pool.json?{others}")["data"]:
        assert row["measure"] == "SMD", "no natural scale of a protected trial alone"
        published = own.loc[own["construct"] == row["construct"], "yi"]
        assert row["mu"] == pytest.approx(float(published.iloc[0]), abs=1e-12)
    record = client.data("/api/v1/study.json?trial=small_trial")["data"]
    counts = [r[c] for r in record["behavior_outcomes"] for c in ("n1", "n2", "events1", "events2")]
    assert counts and all(n is None or n % 5 == 0 for n in counts)
