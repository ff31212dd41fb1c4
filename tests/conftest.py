"""Makes `tests.builders` importable however pytest is started, and keeps the settings of the
person who runs the tests out of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("IBGAP_") or n == "DAGSTER_HOME"]:
        monkeypatch.delenv(name)
