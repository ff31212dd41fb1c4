"""Small contents to publish: every table, few rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

from ibgap.releases.content import Content
from ibgap.releases.publisher import Release, publish
from validations.tables import TABLES, codebook, conform

EPOCH = "1760000000"


def content(name: str = "one", **changed: Any) -> Content:
    """One trial of this name with one effect on intention; changed: frames by table."""
    row = {"trial_id": name, "collection_id": name, "outcome_row_id": f"{name}:1",
           "effect_id": f"{name}:1:SMD", "construct": "intention", "synthesis": "main",
           "measure": "SMD", "yi": 0.25, "vi": 0.01, "in_pool": True, "n1": 40.0,
           "n2": 41.0, "label": name}  # fmt: skip
    rows = {"trials": [row], "intention_outcomes": [row], "effects": [row]}
    frames = {n: conform(pd.DataFrame(rows.get(n, [])), n) for n in TABLES if n != "release"}
    frames["codebook"] = conform(codebook(), "codebook")
    files = [{"file": "rows.csv", "sha256": "a" * 64}]
    inputs = [{"trial": name, "fingerprint": name, "files": files}]
    return Content(frames | changed, inputs, {"seed": 1, "level": 0.95}, {})


def published(releases: Path, what: Content, at: str = "", keep: int = 0) -> Release:
    """Publish at a time (seconds since 1970; by default now)."""
    given = {"SOURCE_DATE_EPOCH": at} if at else {}
    with patch.dict(os.environ, given):
        if not at:
            os.environ.pop("SOURCE_DATE_EPOCH", None)
        return publish(releases, what, report, keep)


def report(folder: Path) -> str:
    return f"<!doctype html><title>{(folder / 'release.json').stat().st_size}</title>"


def folders(releases: Path) -> list[str]:
    """Every name in the folder of the releases."""
    return sorted(p.name for p in releases.iterdir())
