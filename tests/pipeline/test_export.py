"""A release taken elsewhere: every format opens, and nothing in it runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from ibgap.cli import exits
from ibgap.cli.export import guard_text
from validations.tables import TABLES

from .conftest import Home


def export(home: Home, form: str, target: Path) -> Path:
    result = home.command("export", "--format", form, "--to", target)
    assert result.exit_code == exits.OK, result.output
    return target


def test_csv_and_parquet_have_every_table(small: Home, tmp_path: Path) -> None:
    release = small.release()
    csv, parquet = (export(small, form, tmp_path / form) for form in ("csv", "parquet"))
    for name, schema in TABLES.items():
        whole = release.table(name)
        pd.testing.assert_frame_equal(pd.read_parquet(parquet / f"{name}.parquet"), whole)
        text = pd.read_csv(csv / f"{name}.csv", dtype=str, keep_default_na=False)
        assert list(text.columns) == schema.names and len(text) == len(whole)
    effects = pd.read_csv(csv / "effects.csv", float_precision="round_trip")
    np.testing.assert_array_equal(effects["yi"], release.table("effects")["yi"])


def test_the_workbook_opens(small: Home, tmp_path: Path) -> None:
    (path,) = export(small, "xlsx", tmp_path / "x").iterdir()
    book = openpyxl.load_workbook(path, read_only=True)
    assert book.sheetnames == [name[:31] for name in TABLES]
    rows = list(book["effects"].iter_rows(values_only=True))
    assert list(rows[0]) == TABLES["effects"].names
    assert len(rows) - 1 == len(small.release().table("effects"))
    book.close()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "=cmd|'/c x'!A1"])
def test_text_that_a_spreadsheet_would_run_is_guarded(text: str) -> None:
    frame = pd.DataFrame({"a": [text, "plain"], "n": [-1.0, 2.0]})
    guarded = guard_text(frame)
    assert list(guarded["a"]) == ["'" + text, "plain"]
    assert list(guarded["n"]) == [-1.0, 2.0]
    assert list(guard_text(frame.astype({"a": "string"}))["a"]) == ["'" + text, "plain"]


def test_metapsy_columns(small: Home, tmp_path: Path) -> None:
    table = pd.read_csv(export(small, "metapsy", tmp_path / "m") / "metapsy.csv")
    assert {"study", "condition_arm1", "condition_arm2", "multi_arm1", "multi_arm2",
            "outcome_type", "instrument", "time", "time_weeks", "rating", "mean_arm1", "mean_arm2",
            "sd_arm1", "sd_arm2", "n_arm1", "n_arm2", "event_arm1", "event_arm2", "totaln_arm1",
            "totaln_arm2", "precalc_g", "precalc_g_se"} <= set(table.columns)  # fmt: skip
    by = table.set_index(["study", "construct"])
    assert by.loc[("Arms 2023", "intention"), "mean_arm1"] == 4.4
    assert by.loc[("Arms 2023", "behavior"), "event_arm1"] == 18
    assert by.loc[("Arms 2023", "behavior"), "totaln_arm2"] == 48
    printed = by.loc[("Printed 2022", "intention")]
    assert printed["precalc_g"] == pytest.approx(0.4173, abs=5e-4)
    msd = table[table["outcome_type"] == "msd"]
    assert msd[["mean_arm1", "sd_arm1", "n_arm1"]].notna().all(axis=None)


def test_metafor_table_and_script(small: Home, tmp_path: Path) -> None:
    folder = export(small, "metafor", tmp_path / "r")
    effects = pd.read_csv(folder / "effects.csv")
    covariances = pd.read_csv(folder / "covariances.csv")
    assert set(covariances["effect_id_1"]) | set(covariances["effect_id_2"]) <= set(
        effects["effect_id"]
    )
    diagonal = covariances[covariances["effect_id_1"] == covariances["effect_id_2"]]
    vi = effects.set_index("effect_id")["vi"]
    assert diagonal["covariance"].to_numpy() == pytest.approx(vi[diagonal["effect_id_1"]], abs=6e-4)
    script = (folder / "analysis.R").read_text()
    assert small.release().release_id in script
    for call in ("library(metafor)", 'read.csv("effects.csv"', "rma.mv(yi, V", "aggregate(escalc"):
        assert call in script
    assert script.count("{") == script.count("}") and "{{" not in script


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="there is no Rscript here")
def test_the_script_runs_in_r(small: Home, tmp_path: Path) -> None:
    folder = export(small, "metafor", tmp_path / "r")
    if subprocess.run(["Rscript", "-e", "library(metafor)"], check=False).returncode:
        pytest.skip("R has no metafor")
    ran = subprocess.run(
        ["Rscript", "analysis.R"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    pooled = small.release().table("pooled_effects")
    for construct in ("intention", "behavior"):
        own = (pooled["construct"] == construct) & (pooled["subset"] == "all")
        row = pooled[own & pooled["is_primary"]]
        assert f"{row['mu'].iloc[0]:.3f}" in ran.stdout


def test_a_folder_that_is_not_empty_is_refused(small: Home, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    result = small.command("export", "--format", "csv", "--to", tmp_path / "full")
    assert result.exit_code == exits.USAGE
    assert "not an empty folder" in result.output
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]
