"""The server of the dashboard: the report, the tables, and nothing else, to this machine only."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import httpx
import pandas as pd
import pytest

from dashboard.app import make_app
from validations.tables import TABLES

from .conftest import Home


class Client:
    """Asks the application without a socket."""

    def __init__(self, releases: Path) -> None:
        self.transport = httpx.ASGITransport(app=make_app(releases))

    def request(self, method: str, path: str, **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            base = "http://localhost"
            async with httpx.AsyncClient(transport=self.transport, base_url=base) as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(ask())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, **headers)


@pytest.fixture(scope="module")
def client(small: Home) -> Client:
    return Client(small.releases)


def test_the_report_is_served_with_its_headers(client: Client, small: Home) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.text == (small.releases / "current" / "report.html").read_text()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy.replace(
        "script-src 'sha256-", ""
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8377", "127.0.0.1.evil.example"])
def test_another_host_is_refused(client: Client, host: str) -> None:
    assert client.get("/", host=host).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8377"])
def test_this_machine_is_served(client: Client, host: str) -> None:
    assert client.get("/", host=host).status_code == 200


def test_tables_can_be_downloaded(client: Client, small: Home) -> None:
    answer = client.get("/tables/effects.parquet")
    assert answer.status_code == 200
    assert len(pd.read_parquet(io.BytesIO(answer.content))) == len(small.release().table("effects"))


def test_an_unknown_table_lists_the_known_ones(client: Client) -> None:
    answer = client.get("/tables/participants.parquet")
    assert answer.status_code == 404
    assert all(name in answer.text for name in TABLES)


@pytest.mark.parametrize(
    "path",
    ["/tables/..%2Frelease.parquet", "/tables/%2e%2e/release.json", "/release.json", "/store",
     "/tables/", "/docs"],
)  # fmt: skip
def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(client: Client, method: str) -> None:
    assert client.request(method, "/").status_code == 405


def test_no_release_yet(tmp_path: Path) -> None:
    client = Client(tmp_path / "nothing")
    answer = client.get("/")
    assert answer.status_code == 503
    assert "There is no release yet" in answer.text and "ibgap refresh" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    missing = client.get("/tables/effects.parquet")
    assert missing.status_code == 404 and "known: none" in missing.text


def test_a_new_release_is_seen_without_a_restart(copy_of_small: Home) -> None:
    client = Client(copy_of_small.releases)
    before = client.get("/").text
    (copy_of_small.releases / "current" / "report.html").unlink()
    assert client.get("/").status_code == 503
    copy_of_small.publish()
    assert client.get("/").text != before
