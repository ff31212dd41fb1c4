"""A whole refresh on generated trials, and what a command costs before it begins."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.estimators import Row

_MANIFEST = """ibgap: 1
id: {id}
label: Generated {id}
topic: generated
design: {{type: parallel}}
arms:
  - {{id: tested, role: experimental}}
  - {{id: control, role: control}}
sources:
  - {{id: rows, kind: participant_rows, file: rows.csv, columns: {{participant: id, arm: arm}}}}
outcomes:
  - {{id: intention, construct: intention, column: intention, higher_is_better: true,
     scale: {{type: continuous}}, timepoint: {{weeks: 0}}}}
  - {{id: behavior, construct: behavior, column: behavior, higher_is_better: true,
     scale: {{type: binary}}, timepoint: {{weeks: 12}}}}
provenance: {{citation: generated, source: generated, license: CC0}}
"""


def generate(folder: Path, trials: int, persons: int) -> None:
    """Trials with participant rows: a continuous intention and a binary behavior."""
    rng = np.random.default_rng(3)
    for number in range(trials):
        one = folder / f"trial_{number:03d}"
        one.mkdir(parents=True)
        (one / "trial.yaml").write_text(_MANIFEST.format(id=one.name), encoding="utf-8")
        treated = rng.integers(0, 2, persons)
        score = rng.normal(0.4 * treated, 1.0)
        acted = (rng.normal(0.5 * score, 1.0) > 0.4).astype(int)
        lines = ["id,arm,intention,behavior"] + [
            f"p{i},{'tested' if t else 'control'},{s:.3f},{a}"
            for i, (t, s, a) in enumerate(zip(treated, score, acted, strict=True))
        ]
        (one / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _timed(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | environment)
    return time.perf_counter() - start


def refreshes() -> Iterator[Row]:
    ibgap = str(Path(sys.executable).with_name("ibgap"))
    yield "ibgap --help", "ibgap", min(_timed([ibgap, "--help"], {}) for _ in range(3))
    analysis = [sys.executable, "-c", "import analysis.gap.joint, analysis.effect_sizes"]
    yield "import of the estimators", "ibgap", min(_timed(analysis, {}) for _ in range(3))
    for trials, persons in ((20, 200), (80, 200)):
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary)
            generate(root / "trials", trials, persons)
            where = {
                "IBGAP_TRIALS_DIR": str(root / "trials"),
                "IBGAP_STORE_DIR": str(root / "store"),
                "IBGAP_RELEASES_DIR": str(root / "releases"),
            }
            name = f"refresh, {trials} trials of {persons} persons"
            yield f"{name}, first", "ibgap", _timed([ibgap, "refresh"], where)
            yield f"{name}, unchanged", "ibgap", _timed([ibgap, "refresh"], where)
