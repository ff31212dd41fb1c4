"""What is answered with which status, and that nothing a reader does is an error of the server."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dashboard.pages import FIGURES, VIEWS
from ibgap.releases.opened import GoneError, Releases
from ibgap.releases.reader import NoReleaseError
from tests.dashboard.conftest import Site
from tests.dashboard.made import Client, copy_release, main_trials, make_release, switch
from validations.tables import TABLES

PATHS = ["/", "/forest", "/study?trial=trial_00", "/report", "/health", "/bundle.zip", "/api",
         "/api/v1/openapi.json", "/api/v1/study.json?trial=trial_00",
         "/api/v1/tables/effects.csv", "/api/v1/pool.json", "/figure/forest.svg",
         "/tables/effects.parquet", "/static/app.css"]  # fmt: skip
FROM_RELEASE = [p for p in PATHS if p not in ("/api", "/api/v1/openapi.json", "/static/app.css")]
COMMAND = "ibgap refresh"


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_and_the_same_answer_again(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200 and answer.content
    tag = answer.headers["etag"]
    again = client.get(path, if_none_match=tag)
    assert again.status_code == 304 and not again.content
    assert again.headers["etag"] == tag
    assert again.headers["content-security-policy"] == answer.headers["content-security-policy"]
    assert client.get(path, if_none_match='"other"').status_code == 200
    assert client.get(path).content == answer.content


def test_a_tag_is_known_among_others(client: Client) -> None:
    """If-None-Match may list several tags, weak ones (as after compression), or any."""
    tag = client.get("/forest").headers["etag"]
    for sent in (f'"a", {tag}', f"W/{tag}", "*"):
        assert client.get("/forest", if_none_match=sent).status_code == 304, sent


def test_another_state_has_another_tag(client: Client) -> None:
    tags = {client.get(p).headers["etag"] for p in
            ("/forest", "/forest?topic=vaccination", "/forest?tau=DL", "/gap")}  # fmt: skip
    assert len(tags) == 4


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(client: Client, path: str, method: str) -> None:
    assert client.request(method, path).status_code == 405


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    answer = client.request("HEAD", path)
    assert answer.status_code == 200 and not answer.content


@pytest.mark.parametrize(
    ("path", "said"),
    [("/no-such-view", VIEWS["forest"].title), ("/study?trial=no_such", "no trial of this id"),
     ("/study", "no trial of this id"), ("/figure/pie.svg", "forest"),
     ("/figure/forest.gif", "svg, png, pdf"), ("/api/v1/no-such.json", "sensitivity"),
     ("/api/v1/pool.xml", "parquet"), ("/api/v1/study.json?trial=no_such", "studies.json"),
     ("/api/v1/study.json", "studies.json"), ("/api/v1/tables/participants.csv", "effects"),
     ("/api/v1/tables/effects.json", "csv, xlsx, parquet"),
     ("/tables/participants.parquet", "effects"), ("/static/app.py", "no such file"),
     ("/figure/bubble.svg?year_min=2100", "nothing to draw")],
)  # fmt: skip
def test_what_is_not_there(client: Client, path: str, said: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert said in answer.text
    if path.startswith("/api/"):
        assert set(answer.json()) == {"error", "details"}
    else:
        assert answer.headers["content-type"].startswith("text/html")


def test_an_unknown_table_lists_the_known_ones(client: Client) -> None:
    text = client.get("/tables/participants.parquet").text
    assert all(name in text for name in TABLES)


@pytest.mark.parametrize(
    "path",
    [
        "/a/b",
        "/figure/",
        "/static/",
        "/tables/",
        "/api/v1/",
        "/api/v2/pool.json",
        "/docs",
        "/store",
        "/release.json",
    ],
)
def test_an_unknown_path_is_not_found(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


TRAVERSALS = [
    "..",
    "../release",
    "..%2Frelease",
    "%2e%2e/release",
    "..%2f..%2fetc%2fpasswd",
    "%252e%252e%252frelease",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "..%5c..%5crelease",
    "effects%00",
    "....//release",
    "current/release",
    "effects%2F..%2Feffects",
]


@pytest.mark.parametrize("attempt", TRAVERSALS)
@pytest.mark.parametrize(
    "place", ["/tables/{}.parquet", "/api/v1/tables/{}.csv", "/api/v1/{}.json", "/static/{}",
              "/figure/{}.svg", "/{}", "/api/v1/tables/effects.{}", "/figure/forest.{}"]
)  # fmt: skip
def test_no_path_leads_out_of_the_release(client: Client, place: str, attempt: str) -> None:
    answer = client.get(place.format(attempt))
    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        # The client itself shortens `/x/../` to another page of the dashboard.
        assert str(answer.url.path) in ("/", "/static/", "/tables/") or "etc" not in place
    assert "root:" not in answer.text and '"content_hash"' not in answer.text


@pytest.mark.parametrize("name", ["..", "../x", "..%2Fx", "%2Fetc", ".writing-1", "a%2Fb", "%00"])
@pytest.mark.parametrize("parameter", ["release", "with"])
def test_no_release_id_leads_out_of_the_folder(client: Client, parameter: str, name: str) -> None:
    assert client.get(f"/changes?{parameter}={name}").status_code == 400


@pytest.mark.parametrize("name", ["last_refresh.json", "Current", "tables"])
def test_only_a_release_is_a_release(client: Client, name: str) -> None:
    assert client.get(f"/?release={name}").status_code == 410


def test_current_is_a_place_and_no_id(site: Site) -> None:
    """What an answer is pinned to is the release that `current` is at the moment."""
    meta = site.client.data("/api/v1/pool.json?release=current")["meta"]
    assert meta["release"] == site.new.id and site.new.id in meta["permalink"]


@pytest.mark.parametrize("trial", ["../../etc/passwd", "trial_00/../trial_01", "%00", "ü" * 400])
def test_any_text_may_be_asked_for_as_a_trial(client: Client, trial: str) -> None:
    for path in ("/study", "/api/v1/study.json"):
        assert client.ask([("GET", f"{path}?trial={trial}", {})])[0].status_code == 404


# releases that are gone, missing or damaged ------------------------------------


def test_a_pruned_release_names_the_nearest_kept_one(site: Site) -> None:
    for asked, nearest in (("20240601-000000-aaaaaaaaaa", site.new.id),
                           ("20240415-000000-aaaaaaaaaa", site.old.id),
                           ("20230101-000000-aaaaaaaaaa", site.old.id)):  # fmt: skip
        for path in ("/", "/forest", "/report", "/bundle.zip", "/figure/forest.svg", "/health",
                     "/tables/effects.parquet", "/api/v1/pool.json", "/study"):  # fmt: skip
            answer = site.client.get(f"{path}?release={asked}")
            assert answer.status_code == 410, path
            assert asked in answer.text
        assert f"./?release={nearest}" in site.client.get(f"/?release={asked}").text


def test_a_program_is_told_the_nearest_kept_release(site: Site) -> None:
    answer = site.client.get("/api/v1/pool.json?release=20240601-000000-aaaaaaaaaa")
    assert site.new.id in json.dumps(answer.json())


def test_comparing_with_a_pruned_release_is_said_on_the_page(client: Client) -> None:
    answer = client.get("/changes?with=20200101-000000-aaaaaaaaaa")
    assert answer.status_code == 200 and "is not kept any more" in answer.text
    data = client.get("/api/v1/changes.json?with=20200101-000000-aaaaaaaaaa")
    assert data.status_code == 410


def check_unavailable(client: Client, paths: list[str] = FROM_RELEASE) -> None:
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 503, (path, answer.status_code)
        assert COMMAND in answer.text, path
        assert answer.headers["retry-after"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "Traceback" not in answer.text


def test_no_release_yet(tmp_path: Path) -> None:
    for folder in (tmp_path / "nothing", tmp_path):
        client = Client(folder)
        check_unavailable(client)
        assert "There is no release yet" in client.get("/").text
        assert client.get("/static/app.css").status_code == 200
        assert client.get("/api").status_code == 200


def test_a_half_written_folder_is_no_release(small_site: Site) -> None:
    half = small_site.folder / "20250101-000000-bbbbbbbbbb"
    (half / "tables").mkdir(parents=True)
    building = small_site.folder / ".writing-1-20250101-000000-cccccccccc"
    building.mkdir()
    client = Client(small_site.folder)
    assert client.get("/").status_code == 200
    ids = [r["release_id"] for r in client.data("/api/v1/releases.json")["data"]]
    assert ids == [small_site.new.id, small_site.old.id]
    assert client.get(f"/?release={half.name}").status_code in (410, 503)
    switch(small_site.folder, half.name)
    check_unavailable(client)


def test_a_release_that_is_being_built_is_not_listed(small_site: Site) -> None:
    """A refresh writes release.json before it moves the folder to its place."""
    building = small_site.folder / ".writing-1-20250101-000000-cccccccccc"
    shutil.copytree(small_site.new.folder, building)
    client = Client(small_site.folder)
    ids = [r["release_id"] for r in client.data("/api/v1/releases.json")["data"]]
    assert ids == [small_site.new.id, small_site.old.id]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"release_id": 1', "\x00\xff", "{}"])
def test_a_damaged_record(small_site: Site, content: str) -> None:
    path = small_site.new.folder / "release.json"
    path.write_bytes(content.encode("latin-1"))
    client = Client(small_site.folder)
    check_unavailable(client)
    answer = client.get("/")
    assert "This release cannot be read" in answer.text
    assert f"./?release={small_site.old.id}" in answer.text
    assert client.get(f"/?release={small_site.old.id}").status_code == 200


@pytest.mark.parametrize("table", ["effects", "trials", "pooled_effects", "codebook"])
@pytest.mark.parametrize("how", ["truncated", "empty", "missing", "another table"])
def test_a_damaged_table(small_site: Site, table: str, how: str) -> None:
    path = small_site.new.folder / "tables" / f"{table}.parquet"
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "another table":
        pd.DataFrame({"x": [1]}).to_parquet(path)
    else:
        path.write_bytes(whole[: len(whole) // 2] if how == "truncated" else b"")
    client = Client(small_site.folder)
    if how == "another table":
        for asked in ("/", "/forest", "/api/v1/pool.json", "/studies", "/methods"):
            assert client.get(asked).status_code in (200, 503), asked
    else:
        check_unavailable(client, ["/", "/forest", "/api/v1/pool.json", "/studies", "/methods"])
        assert table in client.get("/").text
    path.write_bytes(whole)
    assert client.get("/").status_code == 200, "a mended release is read again"


@pytest.mark.parametrize(
    "field",
    [
        "settings",
        "packages",
        "counts",
        "checks",
        "findings",
        "inputs",
        "audits",
        "created_at",
        "schema_version",
    ],
)
def test_a_record_that_lacks_a_field(small_site: Site, field: str) -> None:
    path = small_site.new.folder / "release.json"
    record = json.loads(path.read_text())
    for value in (None, "left out"):
        record.pop(field, None)
        path.write_text(json.dumps(record if value else record | {field: None}))
        client = Client(small_site.folder)
        for asked in ("/", "/quality", "/changes", "/api/v1/pool.json", "/api/v1/quality.json"):
            assert client.get(asked).status_code in (200, 503), (asked, value)


def test_a_damaged_older_release_does_not_take_the_new_one_along(small_site: Site) -> None:
    effects = small_site.old.folder / "tables" / "effects.parquet"
    effects.write_bytes(effects.read_bytes()[:100])
    pooled = small_site.old.folder / "tables" / "pooled_effects.parquet"
    pooled.write_bytes(b"")
    client = Client(small_site.folder)
    for view in VIEWS:
        path = "/" if view == "overview" else f"/{view}"
        assert client.get(path).status_code == 200, view
    assert client.get("/api/v1/trend.json").status_code == 200
    assert client.get("/api/v1/changes.json").status_code == 503


def test_a_damaged_older_record_does_not_take_the_new_one_along(small_site: Site) -> None:
    (small_site.old.folder / "release.json").write_text("{")
    client = Client(small_site.folder)
    for view in VIEWS:
        path = "/" if view == "overview" else f"/{view}"
        assert client.get(path).status_code == 200, view
    assert "first release" in client.get("/").text


def test_a_release_that_is_deleted_while_it_is_read(small_site: Site) -> None:
    client, name = small_site.client, small_site.old.id
    assert client.get(f"/?release={name}").status_code == 200
    shutil.rmtree(small_site.old.folder)
    fresh = [f"/{view}?release={name}" for view in VIEWS if view != "overview"]
    fresh += [f"{p}{'&' if '?' in p else '?'}release={name}" for p in FROM_RELEASE]
    fresh += [f"/forest?release={name}&topic=vaccination", f"/bundle.zip?release={name}&tau=DL"]
    for path in fresh:
        answer = client.get(path)
        assert answer.status_code in (200, 410, 503), (path, answer.status_code)
        if "/report" not in path:
            assert answer.status_code in (200, 410), (path, answer.status_code)
    assert client.get("/").status_code == 200
    again = Client(small_site.folder)
    assert again.get(f"/?release={name}").status_code == 410


def test_the_current_release_deleted_is_no_release(small_site: Site) -> None:
    shutil.rmtree(small_site.new.folder)
    client = Client(small_site.folder)
    answer = client.get("/")
    assert answer.status_code == 503 and f"./?release={small_site.old.id}" in answer.text


def test_a_new_release_is_seen_without_a_restart(small_site: Site) -> None:
    client = small_site.client
    tags = {p: client.get(p).headers["etag"] for p in ("/", "/api/v1/pool.json", "/forest")}
    made = make_release(small_site.folder, main_trials()[:3], whole=False,
                        made_at="2024-06-01T12:00:00+00:00")  # fmt: skip
    for path, tag in tags.items():
        answer = client.get(path, if_none_match=tag)
        assert answer.status_code == 200 and answer.headers["etag"] != tag
    assert client.data("/health")["release"] == made.id
    assert client.data(f"/health?release={small_site.old.id}")["release"] == small_site.old.id


def test_many_releases_are_opened_in_turn(small_site: Site, tmp_path: Path) -> None:
    ids = [f"20240{i}01-000000-aaaaaaaaa{i}" for i in range(1, 7)]
    for i, name in enumerate(ids, start=1):
        copy_release(small_site.new, name, f"2024-0{i}-01T00:00:00+00:00", tmp_path / "many")
    switch(tmp_path / "many", ids[-1])
    client = Client(tmp_path / "many")
    for name in [*ids, *reversed(ids)]:
        assert client.data(f"/api/v1/pool.json?release={name}")["meta"]["release"] == name


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"status": 3}', '{"at": null}', "\x00"])
def test_a_damaged_last_refresh_is_passed_over(small_site: Site, text: str) -> None:
    (small_site.folder / "last_refresh.json").write_text(text)
    assert small_site.client.get("/").status_code == 200


def test_a_failed_refresh_is_said_on_every_page(small_site: Site) -> None:
    said = {"at": "2024-05-02T01:02:03+00:00", "status": "failed", "message": "disk <full>"}
    (small_site.folder / "last_refresh.json").write_text(json.dumps(said))
    for view in ("/", "/forest", "/quality"):
        text = small_site.client.get(view).text
        assert "The refresh of 2024-05-02 01:02 UTC failed (disk &lt;full&gt;)" in text
        assert "shown is the release of 2024-05-01 12:00 UTC" in text
    (small_site.folder / "last_refresh.json").write_text(json.dumps(said | {"status": "done"}))
    assert "failed" not in small_site.client.get("/").text.split("</header>")[0]


def test_tables_are_served_as_they_are(site: Site) -> None:
    for name in TABLES:
        answer = site.client.get(f"/tables/{name}.parquet")
        found = pd.read_parquet(io.BytesIO(answer.content))
        pd.testing.assert_frame_equal(
            found, pd.read_parquet(site.new.folder / "tables" / f"{name}.parquet")
        )


def test_the_report_is_served(site: Site) -> None:
    assert site.client.get("/report").text == (site.new.folder / "report.html").read_text()
    old = site.client.get(f"/report?release={site.old.id}")
    assert site.old.id in old.text
    (site.old.folder / "report.html").rename(site.old.folder / "kept.html")
    try:
        missing = site.client.get(f"/report?release={site.old.id}")
        assert missing.status_code == 503 and COMMAND in missing.text
    finally:
        (site.old.folder / "kept.html").rename(site.old.folder / "report.html")


def test_every_figure_of_the_list_is_answered(client: Client) -> None:
    for name in FIGURES:
        for query in ("", "?topic=vaccination", "?year_min=2100", "?syn=screening_uptake"):
            assert client.get(f"/figure/{name}.svg{query}").status_code in (200, 404)


def test_releases_by_the_library(small_site: Site) -> None:
    releases = Releases(small_site.folder)
    assert releases.current_id == small_site.new.id
    assert [h.release_id for h in releases.heads] == [small_site.new.id, small_site.old.id]
    assert releases.previous(small_site.new.id) == small_site.old.id
    assert releases.previous(small_site.old.id) == ""
    with pytest.raises(GoneError) as gone:
        releases.open("20300101-000000-aaaaaaaaaa")
    assert gone.value.nearest == small_site.new.id
    with pytest.raises(NoReleaseError, match="ibgap refresh"):
        Releases(small_site.folder / "nothing").open()
