"""The interface describes itself truly, and nothing asked of it is an error of the server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.univariate.meta_regression import CI_METHODS
from analysis.univariate.tau2 import TAU2_METHODS
from dashboard.api import ENDPOINTS, FORMS, SCOPES
from dashboard.pages import FIGURES, VIEWS
from dashboard.query import PARAMETERS
from tests.dashboard.conftest import Site
from tests.dashboard.made import Client
from tests.dashboard.states import names

PROFILE = settings.get_profile("dashboard")


@pytest.fixture(scope="module")
def described(client: Client) -> dict[str, Any]:
    return client.data("/api/v1/openapi.json")


def resolved(described: dict[str, Any], parameter: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in parameter:
        kind, name = parameter["$ref"].removeprefix("#/components/").split("/")
        found: dict[str, Any] = described["components"][kind][name]
        return found
    return parameter


def test_the_description_has_the_form_of_openapi(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    assert {"title", "version"} <= set(described["info"])
    assert described["servers"] and described["paths"]
    for path, item in described["paths"].items():
        assert path.startswith("/") and set(item) == {"get"}
        operation = item["get"]
        assert operation["summary"] and "200" in operation["responses"]
        for status, response in operation["responses"].items():
            assert status.isdigit() and response["description"]
            for media, content in response.get("content", {}).items():
                assert "/" in media and "schema" in content
        given_names = [
            (p["in"], p["name"]) for p in (resolved(described, p) for p in operation["parameters"])
        ]
        assert len(set(given_names)) == len(given_names)
        in_path = {name for where, name in given_names if where == "path"}
        assert all(f"{{{name}}}" in path for name in in_path)
        assert path.count("{") == len(in_path)
    for name, parameter in described["components"]["parameters"].items():
        assert parameter["name"] == name and parameter["in"] == "query"
        assert parameter["description"] and parameter["schema"]["type"]


def test_the_addresses_of_the_description_are_right_from_where_it_lies(
    described: dict[str, Any],
) -> None:
    """A server address is relative to the description, which lies at /api/v1/openapi.json."""
    from urllib.parse import urljoin

    base = "http://localhost/api/v1/openapi.json"
    server = urljoin(base, described["servers"][0]["url"]).rstrip("/")
    assert server + "/api/v1/pool.json" == "http://localhost/api/v1/pool.json"


def test_every_endpoint_and_form_is_described(described: dict[str, Any]) -> None:
    paths = set(described["paths"])
    assert {f"/api/v1/{name}.{form}" for name in ENDPOINTS for form in FORMS} <= paths
    assert {f"/figure/{{name}}.{form}" for form in ("svg", "png", "pdf")} <= paths
    assert {"/bundle.zip", "/health", "/api/v1/study.json"} <= paths
    assert set(described["components"]["parameters"]) == set(PARAMETERS)


def test_every_path_answers_as_described(client: Client, described: dict[str, Any]) -> None:
    for path, item in described["paths"].items():
        if path.endswith((".png", ".pdf")):
            continue
        name = "forest" if path.startswith("/figure") else "effects"
        query = "?trial=trial_00" if path.endswith("study.json") else ""
        answer = client.get(path.format(name=name) + query)
        assert answer.status_code == 200, path
        (media,) = item["get"]["responses"]["200"]["content"]
        assert answer.headers["content-type"].split(";")[0] == media, path


def test_every_value_that_is_described_is_taken(client: Client, described: dict[str, Any]) -> None:
    for name, parameter in described["components"]["parameters"].items():
        schema = parameter["schema"]
        values = schema.get("enum") or schema.get("items", {}).get("enum") or []
        for value in values:
            query = urlencode({name: value})
            assert client.get(f"/api/v1/pool.json?{query}").status_code == 200, query
        if len(values) > 1 and schema["type"] == "array":
            query = urlencode([(name, v) for v in values])
            assert client.get(f"/api/v1/pool.json?{query}").status_code == 200
    enums = {n: p["schema"].get("enum") for n, p in described["components"]["parameters"].items()}
    assert enums["tau"] == list(TAU2_METHODS) and enums["ci"] == list(CI_METHODS)


def test_scopes(client: Client) -> None:
    for scope in SCOPES:
        answer = client.data(f"/api/v1/pool.json?scope={scope}&topic=vaccination")
        assert answer["meta"]["scope"] == scope
    assert client.get("/api/v1/pool.json?scope=all").status_code == 400
    assert client.get("/forest?scope=full").status_code == 400


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_answer_says_what_it_was_made_from(site: Site, endpoint: str) -> None:
    meta = site.client.data(f"/api/v1/{endpoint}.json?tau=DL&excl=trial_01")["meta"]
    assert meta["release"] == site.new.id and meta["rows"] >= 0
    assert meta["settings"]["tau2_method"] == "DL"
    assert meta["state"] == "excl=trial_01&tau=DL"
    assert meta["permalink"] == f"?excl=trial_01&release={site.new.id}&tau=DL"
    assert meta["is_primary_analysis"] is False


def test_the_page_of_the_interface_names_every_parameter(client: Client) -> None:
    text = client.get("/api").text
    assert all(f">{name}<" in text for name in PARAMETERS)
    assert all(f"./api/v1/{name}.json" in text for name in ENDPOINTS)


SOME_VALUES = st.one_of(
    names, st.sampled_from(["", "0", "1", "-1", "nan", "1e999", "2012", "main", "none", "low",
                            "DL", "trial_00", "screening_uptake", "0.8", "vaccination", "record",
                            "barrier_dimension", "\x00", "../..", "[]", "true"]),
)  # fmt: skip
QUERIES = st.lists(
    st.tuples(st.one_of(st.sampled_from([*PARAMETERS, "m.barrier_dimension", "m.x", "scope",
                                         "trial", "nothing"]), names), SOME_VALUES),
    max_size=5,
)  # fmt: skip
PLACES = st.sampled_from(
    [f"/api/v1/{n}.{f}" for n in ENDPOINTS for f in FORMS] + [f"/figure/{n}.svg" for n in FIGURES]
    + [f"/{v}" for v in VIEWS if v != "overview"]
    + ["/", "/study", "/bundle.zip", "/report", "/health", "/api", "/api/v1/openapi.json",
       "/api/v1/study.json", "/api/v1/tables/effects.csv"]
)  # fmt: skip


@settings(PROFILE, max_examples=250)
@given(PLACES, QUERIES)
def test_nothing_asked_is_an_error_of_the_server(
    client: Client, place: str, query: list[tuple[str, str]]
) -> None:
    """An exception would be raised here, since the client passes them on."""
    answer = client.get(f"{place}?{urlencode(query)}")
    assert answer.status_code in (200, 302, 400, 404, 410)


@settings(PROFILE, max_examples=60)
@given(PLACES, st.binary(max_size=20))
def test_any_bytes_may_be_the_query(client: Client, place: str, raw: bytes) -> None:
    import asyncio

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": place, "raw_path": place.encode(),
             "query_string": raw, "headers": [(b"host", b"localhost")], "scheme": "http",
             "server": ("localhost", 80), "client": ("127.0.0.1", 1), "http_version": "1.1",
             "root_path": "", "asgi": {"version": "3.0"}}  # fmt: skip
    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] in (200, 302, 400, 404, 410)
