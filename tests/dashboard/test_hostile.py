"""Text of data is text everywhere: never markup, never a formula, never part of a header."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import openpyxl
import pandas as pd
import pytest

from dashboard.citation import sources_bibtex
from dashboard.files import FORMULA_STARTS, guard_text, plain, to_csv, to_json, to_xlsx
from dashboard.pages import FIGURES, VIEWS
from ibgap.base.printable import printable
from ibgap.releases.view import ReleaseView
from tests.dashboard.made import Client, Made, Trial, main_trials, make_release
from tests.dashboard.test_views import check_page, path_of

HOSTILE = (
    "<script>alert(1)</script>", "a & b < c > d", "\"quoted\" 'single'", "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd", "+1-2", "-2+3", "\u202eright to left", "line\nbreak\ttab",
    "</svg></style><img src=x onerror=alert(1)>", "{{ 7*7 }}{% x %}", "%s%n../..\\",
    "\x85nel\u2028",
    "${jndi:x} #{} ~^_", "javascript:alert(1)", "]]>--><!--",
)  # fmt: skip
MARKUP = re.compile(r"<(script(?! type=\"module\")|img(?! class=\"narrow-only\")|b|iframe)[ >]")


def hostile_trials() -> list[Trial]:
    out = []
    for i, trial in enumerate(main_trials(8)):
        text = HOSTILE[i]
        other = HOSTILE[i + 8]
        out.append(Trial(
            f"id {i} {printable(text)}", tuple(trial.effects), label=f"{text} {other}", topic=other,
            country=text, judgment=trial.judgment, year=trial.year, n=trial.n,
            citation=f"{text}. {other}", moderators=(
                ("mod <b>&\"'", "category", (text, other)[i % 2]),
                ("barrier_dimension", "category", HOSTILE[i % 3])),
        ))  # fmt: skip
    out.append(Trial("=trial", tuple(main_trials(3)[2].effects), label="=1+1"))
    return out


FINDINGS = [{"trial_id": "=trial", "rule_id": "<b>", "severity": "warning", "status": "open",
             "message": text, "fix": text} for text in HOSTILE]  # fmt: skip


FILES = [{"collection_id": "=trial", "source_id": f"s{i}", "source_kind": "arm_summaries",
          "file": text, "container": "xlsx", "table_read": text, "table_state": "hidden",
          "tables_held": 2, "rows_read": 4, "rows_kept": 4, "columns_read": 3, "columns_used": 2,
          "columns_unused": text, "encoding": text, "encoding_reason": "declared",
          "delimiter": text} for i, text in enumerate(HOSTILE)]  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("hostile")
    made = make_release(folder, hostile_trials()[1:], made_at="2024-01-01T00:00:00+00:00",
                        whole=False)  # fmt: skip
    assert made.folder.exists()
    return make_release(folder, hostile_trials(), findings=FINDINGS, files=FILES)


@pytest.fixture(scope="module")
def shown(hostile: Made) -> Client:
    return Client(hostile.folder.parent)


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_text_is_text_on_every_view(shown: Client, view: str) -> None:
    topic, moderator = quote(HOSTILE[8]), quote("mod <b>&\"'")
    for query in ("", f"topic={topic}", f"group={moderator}&mod={moderator}", "out=behavior",
                  f"m.{moderator}={quote(HOSTILE[0])}", f"q={quote(HOSTILE[0])}",
                  f"excl={quote('id 0 ' + HOSTILE[0])}", f"topic={quote('<script>x</script>')}",
                  f"syn={quote('<script>x</script>')}"):  # fmt: skip
        answer = shown.follow(path_of(view, query))
        assert answer.status_code == 200
        check_page(answer.text)
        assert not MARKUP.search(answer.text)


def test_hostile_trials_have_pages(shown: Client) -> None:
    for trial in hostile_trials():
        answer = shown.get(f"/study?trial={quote(trial.id)}")
        assert answer.status_code == 200
        page = check_page(answer.text)
        assert not MARKUP.search(answer.text)
        assert page.tags["h2"]
        found = shown.get(f"/api/v1/study.json?trial={quote(trial.id)}").json()
        assert found["data"]["label"] == trial.label


def test_errors_show_what_was_asked_as_text(shown: Client) -> None:
    bad = "<script>alert(1)</script>"
    for path in (f"/forest?{quote(bad)}=1", f"/{quote(bad, safe='')}", f"/study?trial={quote(bad)}",
                 f"/compare?b={quote(bad)}%3D1", f"/?with={quote(bad)}"):  # fmt: skip
        answer = shown.get(path)
        assert bad not in answer.text


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_well_formed(shown: Client, name: str) -> None:
    answer = shown.get(f"/figure/{name}.svg?group={quote('barrier_dimension')}")
    if answer.status_code == 404:
        assert "nothing to draw" in answer.text
        return
    root = ElementTree.fromstring(answer.content)
    tags = {e.tag.split("}")[1] for e in root.iter()}
    assert not tags & {"script", "a", "image", "foreignObject", "use", "iframe"}
    for element in root.iter():
        assert not any(key.startswith("on") or key.endswith("href") for key in element.keys())  # noqa: SIM118


def test_json_gives_the_text_as_it_is(shown: Client) -> None:
    rows = shown.data("/api/v1/studies.json")["data"]
    by_id = {t.id: t for t in hostile_trials()}
    assert {r["trial_id"] for r in rows} == set(by_id)
    for row in rows:
        trial = by_id[row["trial_id"]]
        assert (row["label"], row["topic"], row["country"]) == (
            trial.label, trial.topic, trial.country)  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/api/v1/studies", "/api/v1/tables/trials", "/api/v1/findings",
             "/api/v1/tables/moderators", "/api/v1/effects"]
)  # fmt: skip
def test_no_cell_of_a_spreadsheet_is_a_formula(shown: Client, path: str) -> None:
    text = shown.get(f"{path}.csv").content.decode()
    cells = [c for row in csv.reader(io.StringIO(text)) for c in row]
    assert len(cells) > 10
    for cell in cells:
        if cell.startswith(FORMULA_STARTS):
            float(cell)
    book = openpyxl.load_workbook(io.BytesIO(shown.get(f"{path}.xlsx").content))
    for line in book.active.iter_rows():
        for found in line:
            assert found.data_type != "f"
            assert not (isinstance(found.value, str) and found.value.startswith(FORMULA_STARTS))


def test_names_of_columns_are_guarded_as_well() -> None:
    frame = pd.DataFrame({"=1+1": [1.0], "@x": ["a"]})
    header = to_csv(frame).decode().splitlines()[0]
    assert not any(name.startswith(FORMULA_STARTS) for name in header.split(","))


@pytest.mark.parametrize("start", [*FORMULA_STARTS, "\n", " =", "\ufeff="])
def test_a_risky_start_gets_an_apostrophe(start: str) -> None:
    frame = pd.DataFrame({"text": [f"{start}1+1", "plain", None], "number": [-1.5, 2.0, 3.0]})
    out = guard_text(frame)
    risky = start in FORMULA_STARTS
    assert out["text"][0] == (f"'{start}1+1" if risky else f"{start}1+1")
    assert out["text"][1] == "plain" and list(out["number"]) == [-1.5, 2.0, 3.0]
    assert frame["text"][0] == f"{start}1+1", "the frame itself is not changed"


def test_an_id_of_a_trial_does_not_reach_a_header(shown: Client, hostile: Made) -> None:
    for path in ("/api/v1/pool.csv", "/figure/forest.svg", "/bundle.zip", "/tables/trials.parquet"):
        for query in ("", f"?topic={quote(HOSTILE[8])}", f"?excl={quote(HOSTILE[0])}"):
            said = shown.get(path + query).headers["content-disposition"]
            assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', said)
            assert hostile.id in said
    answer = shown.get(f"/forest?both=0&q={quote('a' + chr(13) + chr(10) + 'Set-Cookie: x=1')}")
    assert answer.status_code == 302 and "set-cookie" not in answer.headers
    assert "\n" not in answer.headers["location"]


def test_bibtex_is_balanced_and_literal(hostile: Made) -> None:
    text = sources_bibtex(ReleaseView(hostile.folder))
    entries = text.split("\n\n")
    assert len(entries) == len(hostile_trials())
    keys = [re.match(r"@misc\{([A-Za-z0-9_]+),", e) for e in entries]
    assert all(keys)
    named = [k[1] for k in keys if k]
    assert len(set(named)) == len(named), "each source has a key of its own"
    for entry in entries:
        plain_text = entry.replace("\\{", "").replace("\\}", "")
        assert plain_text.count("{") == plain_text.count("}")
        title = re.search(r"title = \{(.*)\}", entry)
        assert title and not re.search(r"(?<!\\)[&%$#_]", title[1])


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_control_characters_can_be_written(form: str) -> None:
    """An XLSX file cannot hold most control characters; data must not make a download fail."""
    frame = pd.DataFrame({"text": ["a\x00b", "c\x08d", "\x0be"]})
    body = to_csv(frame) if form == "csv" else to_xlsx(frame, "sheet")
    assert body


def test_json_says_what_numbers_cannot() -> None:
    data = {"a": float("nan"), "b": [float("inf"), -float("inf")], "c": (pd.NA, pd.NaT, None)}
    assert json.loads(to_json(data)) == {
        "a": None, "b": ["Infinity", "-Infinity"], "c": [None, None, None],
    }  # fmt: skip
    assert plain(pd.Series([1.5])[0]) == 1.5
    assert "<" in json.loads(to_json({"x": "<b>"}))["x"]


def test_labels_that_are_not_there(tmp_path: Path) -> None:
    trials = [Trial(f"t{i}", t.effects, label=" ", topic="", country="", citation="")
              for i, t in enumerate(main_trials(4))]  # fmt: skip
    make_release(tmp_path, trials, whole=False)
    client = Client(tmp_path)
    for view in VIEWS:
        assert client.get(path_of(view)).status_code == 200
