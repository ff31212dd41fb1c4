"""The benchmark of a large trial, on a small one: it measures all it says, and DuckDB agrees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.large_trial import COLUMNS, generate


def test_trials_are_generated_alike(tmp_path: Path) -> None:
    one, two = (generate(tmp_path / name, 300) for name in "ab")
    lines = one.read_text().splitlines()
    assert one.read_bytes() == two.read_bytes() and len(lines) == 301
    assert tuple(lines[0].split(",")) == COLUMNS
    assert len({line.split(",")[0] for line in lines[1:]}) == 300
    assert generate(tmp_path / "c", 300, seed=2).read_bytes() != one.read_bytes()


@pytest.mark.slow
def test_the_refresh_is_set_beside_duckdb() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "large_trial.py"
    done = subprocess.run(
        [sys.executable, str(script), "--persons", "2000", "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["persons"] == 2000 and found["agree"] is True
    costs = found["costs"]
    assert list(costs) == ["refresh", "loading its packages", "pass of DuckDB"]
    assert all(number > 0 for cost in costs.values() for number in cost.values())
    assert costs["refresh"]["processor"] > costs["loading its packages"]["processor"]
    assert found["ratio_of_work"] == pytest.approx(
        found["work_of_the_refresh"] / costs["pass of DuckDB"]["processor"]
    )
