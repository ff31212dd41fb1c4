"""Headers of every answer, who is answered, and where the dashboard listens."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from dashboard import app as app_module
from dashboard.app import serve
from dashboard.security import Access, RemoteBindError, check_bind
from ibgap.cli import exits
from ibgap.cli.command_line import main
from tests.dashboard.conftest import Site
from tests.dashboard.made import Client

GONE = "release=20200101-000000-aaaaaaaaaa"
EVERY_KIND = {
    "page": ("GET", "/forest", 200), "redirect": ("GET", "/forest?both=0", 302),
    "report": ("GET", "/report", 200), "data": ("GET", "/api/v1/pool.json", 200),
    "file": ("GET", "/api/v1/pool.csv", 200), "table": ("GET", "/tables/effects.parquet", 200),
    "figure": ("GET", "/figure/forest.svg", 200), "bundle": ("GET", "/bundle.zip", 200),
    "style": ("GET", "/static/app.css", 200), "script": ("GET", "/static/app.js", 200),
    "interface": ("GET", "/api", 200), "description": ("GET", "/api/v1/openapi.json", 200),
    "health": ("GET", "/health", 200), "study": ("GET", "/study?trial=trial_00", 200),
    "refused": ("GET", "/forest?x=1", 400), "refused data": ("GET", "/api/v1/pool.json?x=1", 400),
    "no view": ("GET", "/nothing", 404), "no table": ("GET", "/tables/x.parquet", 404),
    "gone": ("GET", f"/?{GONE}", 410), "gone data": ("GET", f"/api/v1/pool.json?{GONE}", 410),
    "no path": ("GET", "/a/b/c", 404), "method": ("POST", "/forest", 405),
    "slash": ("GET", "/forest/", 404),
}  # fmt: skip


def check_headers(answer: httpx.Response, *, report: bool = False) -> None:
    headers = answer.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy or (report and "script-src" not in policy)
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in headers and "server" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_of_answer_carries_its_headers(client: Client, kind: str) -> None:
    method, path, status = EVERY_KIND[kind]
    answer = client.request(method, path)
    assert answer.status_code == status
    check_headers(answer, report=kind == "report")


def test_a_missing_release_carries_them_too(tmp_path: Path) -> None:
    for path in ("/", "/api/v1/pool.json", "/report"):
        check_headers(Client(tmp_path).get(path))


def test_an_answer_without_change_carries_them_too(client: Client) -> None:
    tag = client.get("/forest").headers["etag"]
    answer = client.get("/forest", if_none_match=tag)
    assert answer.status_code == 304
    check_headers(answer)


def test_only_scripts_and_styles_of_the_dashboard_run(client: Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["connect-src"] == rules["form-action"] == "'self'"
    assert rules["base-uri"] == "'none'"


def test_frames_are_for_the_named_origins_only(site: Site) -> None:
    allowed = Client(site.folder, Access(frames=("https://intranet.example",)))
    for path in ("/", "/report", "/api/v1/pool.json", "/?x=1"):
        answer = allowed.get(path)
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors https://intranet.example" in policy
        assert "x-frame-options" not in answer.headers


# hosts and readers -------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8377",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "evil.example@localhost",
    ],
)
def test_another_host_is_refused(client: Client, host: str) -> None:
    for path in ("/", "/api/v1/pool.json", "/report", "/static/app.js"):
        assert client.get(path, host=host).status_code == 400


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.1:8377", "localhost:8400", "[::1]", "[::1]:8377"]
)
def test_this_machine_is_served(client: Client, host: str) -> None:
    assert client.get("/", host=host).status_code == 200


def test_a_named_host_is_served(site: Site) -> None:
    named = Client(site.folder, Access(hosts=("gap.example",)))
    assert named.get("/", host="gap.example").status_code == 200
    assert named.get("/", host="www.gap.example").status_code == 400
    assert named.get("/", host="localhost").status_code == 200


NAME = '<b>Ann & "Bo"</b>'


def test_a_user_is_shown_only_when_a_trusted_proxy_names_one(site: Site) -> None:
    access = Access(user_header="X-User", trusted_proxies=("10.0.0.5",))
    proxied = Client(site.folder, access, "10.0.0.5")
    text = proxied.get("/", x_user=NAME).text
    assert "&lt;b&gt;Ann &amp; &#34;Bo&#34;&lt;/b&gt;" in text and NAME not in text
    assert '<p class="user">' not in proxied.get("/").text
    assert "x" * 80 in proxied.get("/", x_user="x" * 5000).text
    assert "x" * 81 not in proxied.get("/", x_user="x" * 5000).text
    for address in ("10.0.0.6", "127.0.0.1"):
        direct = Client(site.folder, access, address)
        assert "Ann" not in direct.get("/", x_user=NAME).text
    silent = Client(site.folder, Access(trusted_proxies=("10.0.0.5",)), "10.0.0.5")
    assert "Ann" not in silent.get("/", x_user=NAME).text


def test_one_reader_is_not_shown_the_name_of_another(site: Site) -> None:
    access = Access(user_header="X-User", trusted_proxies=("10.0.0.5",))
    client = Client(site.folder, access, "10.0.0.5")
    for path in ("/forest", "/study?trial=trial_00"):
        first = client.get(path, x_user="Ann")
        second = client.get(path, x_user="Bo")
        assert "Ann" in first.text and "Ann" not in second.text and "Bo" in second.text
        assert first.headers["etag"] != second.headers["etag"]
        assert "Ann" not in client.get(path).text
    assert "private" in client.get("/forest").headers["cache-control"]


# where it listens --------------------------------------------------------------

REMOTE = [
    "0.0.0.0",
    "::",
    "192.168.1.5",
    "10.1.2.3",
    "gap.example",
    "localhost.example",
    "",
    "128.0.0.1",
    "2001:db8::1",
    "::ffff:192.168.1.5",
    "0",
    "*",
]


@pytest.mark.parametrize("host", REMOTE)
def test_an_address_others_reach_needs_the_flag(host: str) -> None:
    with pytest.raises(RemoteBindError, match="--allow-remote"):
        check_bind(host, allow_remote=False)
    check_bind(host, allow_remote=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_this_machine_needs_no_flag(host: str) -> None:
    check_bind(host, allow_remote=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gap.example"])
def test_the_command_refuses_before_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    import uvicorn

    def listens(*args: object, **options: object) -> None:
        raise AssertionError("it listens")

    monkeypatch.setattr(uvicorn, "run", listens)
    monkeypatch.setattr(socket.socket, "bind", listens)
    said = CliRunner().invoke(
        main, ["dashboard", "--host", host], env={"IBGAP_HOME": str(tmp_path)}
    )
    assert said.exit_code == exits.USAGE
    assert host in said.output and "--allow-remote" in said.output and "login" in said.output
    assert "(Ctrl-C stops it)" not in said.output, "nothing is served, so nothing is announced"


def test_the_command_serves_with_what_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn

    given: list[dict[str, object]] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: given.append(options | {"app": app}))
    words = ["dashboard", "--host", "0.0.0.0", "--allow-remote", "--port", "8400",
             "--allowed-host", "gap.example", "--root-path", "/gap"]  # fmt: skip
    said = CliRunner().invoke(main, words, env={"IBGAP_HOME": str(tmp_path)})
    assert said.exit_code == 0, said.output
    (options,) = given
    assert (options["host"], options["port"]) == ("0.0.0.0", 8400)
    assert options["proxy_headers"] is False
    prefixes = [m.kwargs.get("prefix") for m in options["app"].user_middleware]  # type: ignore[attr-defined]
    assert "/gap" in prefixes
    with pytest.raises(RemoteBindError):
        serve(tmp_path, 8400, host="0.0.0.0")
    assert len(given) == 1


def test_answers_wait_their_turn(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many are being made, the next is asked to come again, by page and by JSON."""
    monkeypatch.setattr(app_module, "_LONGEST_WAIT", 0.01)
    monkeypatch.setattr(app_module, "_AT_ONCE", 0)
    busy = Client(site.folder)
    for path in ("/forest", "/api/v1/pool.json", "/figure/forest.svg", "/bundle.zip"):
        answer = busy.get(path)
        assert answer.status_code == 503 and answer.headers["retry-after"]
        check_headers(answer)
    assert "Too many requests" in json.dumps(busy.get("/api/v1/pool.json").json())
    assert busy.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/forest", "/ibgap/forest", "/ibgap/", "/ibgap/static/app.css"])
def test_a_prefix_is_served_whether_the_proxy_took_it_off_or_not(site: Site, path: str) -> None:
    client = Client(site.folder, prefix="/ibgap")
    assert client.get(path).status_code == 200
    assert client.get("/ibgapforest").status_code == 404


def test_the_bare_prefix_leads_to_its_folder(site: Site) -> None:
    """Where relative addresses resolve."""
    answer = Client(site.folder, prefix="/ibgap").get("/ibgap")
    assert (answer.status_code, answer.headers["location"]) == (307, "/ibgap/")
