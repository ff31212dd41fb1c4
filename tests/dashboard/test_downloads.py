"""What a reader takes along: figures, tables and an archive that computes itself again."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pandas as pd
import pytest

from dashboard.api import ENDPOINTS
from dashboard.pages import FIGURES
from tests.conftest import ROOT
from tests.dashboard.conftest import Site
from tests.dashboard.made import Client

PRINTED = ("forest", "gap")
SELECTION = "topic=help_seeking&topic=vaccination&tau=DL&r=0.8"
BUNDLES = {
    "registered": "", "filtered": "topic=help_seeking&topic=vaccination",
    "model": "tau=DL&ci=wald&r=0.8", "effects": "by=record&by=observed&weeks_max=12",
    "other": "syn=screening_uptake",
    "one": "syn=screening_uptake&excl=other_0&excl=other_1&excl=other_2",
    "only behavior": "excl=" + "&excl=".join(f"trial_{i:02d}" for i in range(11) if i != 5),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_a_file_of_its_own(client: Client, name: str) -> None:
    answers = [client.get(f"/figure/{name}.svg{q}") for q in ("", "", f"?{SELECTION}")]
    assert answers[0].content == answers[1].content
    for answer in answers:
        if answer.status_code == 404:
            assert name in ("action", "bubble"), "this release has neither"
            continue
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("image/svg+xml")
        root = ElementTree.fromstring(answer.content)
        text = answer.text
        tags = {e.tag.split("}")[1] for e in root.iter()}
        assert "style" in tags and not tags & {"script", "a", "image", "use", "foreignObject"}
        assert (
            "href" not in text
            and "@import" not in text
            and "http" not in text.replace("http://www.w3.org/2000/svg", "")
        )


def test_a_number_against_effects_is_a_figure(client: Client) -> None:
    assert client.get("/figure/bubble.svg?mod=mean_age").status_code == 200
    assert client.get("/figure/levels.svg?mod=barrier_dimension").status_code == 200


def png_size(data: bytes) -> tuple[int, int]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


@pytest.mark.parametrize("name", PRINTED)
def test_a_figure_prints(site: Site, name: str) -> None:
    files = {form: site.client.get(f"/figure/{name}.{form}") for form in ("pdf", "png")}
    pdf, png = files["pdf"].content, files["png"].content
    assert pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf, "text is text, in TrueType fonts"
    assert b"/CreationDate" not in pdf and b"/Subtype /Image" not in pdf
    assert min(png_size(png)) > 600
    assert files["pdf"].headers["content-type"] == "application/pdf"
    assert files["png"].headers["content-disposition"].endswith(f'-{site.new.id}.png"')
    fresh = Client(site.folder)
    assert fresh.get(f"/figure/{name}.png").content == png
    assert fresh.get(f"/figure/{name}.pdf").content == pdf


def test_a_selection_prints_its_own_numbers(client: Client) -> None:
    whole = client.get("/figure/forest.pdf").content
    assert client.get("/figure/forest.pdf?topic=vaccination").content != whole


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_form_of_an_endpoint_has_the_same_rows(client: Client, endpoint: str) -> None:
    for query in ("", f"?{SELECTION}"):
        rows = client.data(f"/api/v1/{endpoint}.json{query}")["data"]
        answers = {f: client.get(f"/api/v1/{endpoint}.{f}{query}")
                   for f in ("csv", "xlsx", "parquet")}  # fmt: skip
        assert {a.status_code for a in answers.values()} == {200}
        found = pd.read_parquet(io.BytesIO(answers["parquet"].content))
        assert len(found) == len(rows)
        book = openpyxl.load_workbook(io.BytesIO(answers["xlsx"].content))
        assert book.active.max_row == (len(rows) + 1 if rows else 1)
        if rows:
            assert set(found.columns) == set().union(*rows)
            read = pd.read_csv(io.BytesIO(answers["csv"].content), float_precision="round_trip")
            assert len(read) == len(rows)
            for column in ("mu", "estimate", "yi"):
                if column in found:
                    values = pd.to_numeric(found[column], errors="coerce").to_numpy()
                    shown = pd.to_numeric(read[column], errors="coerce").to_numpy()
                    assert ((values == shown) | (values != values)).all(), "unrounded"


def test_an_endpoint_without_rows_keeps_its_columns(client: Client) -> None:
    """A program that reads an empty selection must not fail for want of a column."""
    for endpoint in ("pool", "gap", "effects", "influence", "studies"):
        full = pd.read_parquet(io.BytesIO(client.get(f"/api/v1/{endpoint}.parquet").content))
        empty = client.get(f"/api/v1/{endpoint}.parquet?year_min=2100").content
        assert set(pd.read_parquet(io.BytesIO(empty)).columns) == set(full.columns), endpoint


def unpacked(body: bytes, target: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert not name.startswith("/") and ".." not in name
        archive.extractall(target)
    (folder,) = target.iterdir()
    return folder


def run_script(folder: Path) -> subprocess.CompletedProcess[str]:
    (script,) = folder.glob("*.py")
    assert script.name in (folder / "README.txt").read_text()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, script.name], cwd=folder, capture_output=True,
                          text=True, timeout=120, check=False, env=environment)  # fmt: skip


@pytest.mark.parametrize("state", BUNDLES)
def test_an_archive_computes_its_results_again(site: Site, tmp_path: Path, state: str) -> None:
    query = BUNDLES[state]
    body = site.client.get(f"/bundle.zip?{query}").content
    assert Client(site.folder).get(f"/bundle.zip?{query}").content == body
    folder = unpacked(body, tmp_path)
    done = run_script(folder)
    assert done.returncode == 0, done.stderr
    found = re.search(r"largest difference from the results in this folder: (\S+)", done.stdout)
    assert found and float(found[1]) < 1e-9, done.stdout
    pooled = pd.read_csv(folder / "pooled.csv")
    compared = [line for line in done.stdout.splitlines() if "[" in line]
    assert len(compared) >= len(pooled[(pooled["measure"] == "SMD") & pooled["is_primary"]])


def test_an_archive_says_what_it_is(site: Site, tmp_path: Path) -> None:
    folder = unpacked(site.client.get(f"/bundle.zip?{SELECTION}").content, tmp_path)
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert names >= {"README.txt", "effects.csv", "covariances.csv", "pairs.csv", "pooled.csv",
                     "gap.csv", "settings.json", "codebook.csv", "citation.bib",
                     "figures/forest.svg", "figures/gap.svg"}  # fmt: skip
    about = json.loads((folder / "settings.json").read_text())
    assert about["release"] == site.new.id and about["settings"]["tau2_method"] == "DL"
    assert site.new.id in (folder / "README.txt").read_text()
    assert "exploratory" in (folder / "README.txt").read_text()
    rows = site.client.data(f"/api/v1/pool.json?{SELECTION}")["data"]
    pooled = pd.read_csv(folder / "pooled.csv", float_precision="round_trip")
    assert list(pooled["mu"]) == [r["mu"] for r in rows if r["subset"] == "all"]
    effects = pd.read_csv(folder / "effects.csv")
    assert set(effects["effect_id"]) == {
        r["effect_id"] for r in site.client.data(f"/api/v1/effects.json?{SELECTION}")["data"]
    }


def test_an_archive_of_nothing(client: Client, tmp_path: Path) -> None:
    answer = client.get("/bundle.zip?year_min=2100")
    assert answer.status_code == 200
    done = run_script(unpacked(answer.content, tmp_path))
    assert done.returncode == 0, done.stderr[-300:]


def test_the_permalink_of_an_answer_gives_it_again(client: Client) -> None:
    answer = client.data(f"/api/v1/pool.json?{SELECTION}")
    again = client.data(f"/api/v1/pool.json{answer['meta']['permalink']}")
    assert again["data"] == answer["data"]
