"""What a process costs: processor seconds of it and of its children, and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ACCEPTED = (0, 4)
"""Exit codes of a refresh that made a release."""


@dataclass(frozen=True)
class Cost:
    """processor: seconds (user and system) of the process and of all that it started. clock:
    seconds by the clock until it ended. memory: peak resident MB of the largest of them.
    together: most MB of all of them at one time, as looked at every tenth of a second."""

    processor: float
    clock: float
    memory: float
    together: float = 0.0


def run(
    command: Sequence[str], *, expected: tuple[int, ...] = (0,), folder: Path = ROOT,
    **environment: str,
) -> tuple[Cost, str]:  # fmt: skip
    """Run a command and measure it; returns its cost and what it printed.

    Settings of the person who measures (`IBGAP_...`) do not reach it; the code of this project is
    on the path. Raises `RuntimeError` where it ends with another code than expected.
    """
    own = {n: v for n, v in os.environ.items() if not n.startswith(("IBGAP_", "DAGSTER"))}
    with tempfile.NamedTemporaryFile(suffix=".json") as found:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(ROOT / "benchmarks" / "measure.py"), found.name,
             *command],
            capture_output=True, text=True, cwd=folder, check=True,
            env=own | {"PYTHONPATH": str(ROOT)} | environment,
        )  # fmt: skip
        cost = json.loads(Path(found.name).read_text(encoding="utf-8"))
    code = cost.pop("code")
    if code not in expected:
        raise RuntimeError(
            f"a measured process ended with code {code}: {' '.join(command[:4])} ...\n"
            + done.stderr[-2000:]
        )
    return Cost(**cost), done.stdout


def run_code(
    code: str, *arguments: str, expected: tuple[int, ...] = (0,), **environment: str
) -> Cost:
    """Run Python code in a fresh process and measure it."""
    command = [sys.executable, "-c", code, *arguments]
    return run(command, expected=expected, **environment)[0]


def best_cost(command: Sequence[str], repeats: int = 5) -> Cost:
    """The run with the fewest processor seconds."""
    return min((run(command)[0] for _ in range(repeats)), key=lambda cost: cost.processor)
