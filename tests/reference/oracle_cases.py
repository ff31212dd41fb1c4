"""Reading the reference results and comparing with them, so that nothing is skipped in silence.

A topic module says what `analysis/` gives for a case (`offered`), and lists what it does not
give with the reason. `compare` fails for a quantity that is neither; `check_grid` fails for a
core case or quantity that is neither, and for a listed reason that no longer applies to anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.arrays import Floats

ORACLE = Path(__file__).parent / "oracle"

CLOSED_FORM = 1e-10
"""Relative tolerance of results without iteration: rounding in both programs, nothing else."""
ITERATIVE = 1e-8
"""Relative tolerance of results of an iteration, both programs at the exact solution. 1e-6 is
what two programs owe each other; two digits more hold here, with room for another machine."""
NEAR_ZERO = 1e-12
"""Absolute part, for values that are zero up to rounding."""

Case = dict[str, Any]
Reasons = Mapping[str, str]


@cache
def _topic(topic: str) -> tuple[Case, ...]:
    return tuple(json.loads((ORACLE / f"{topic}.json").read_text(encoding="utf-8"))["cases"])


def cases(topic: str, pattern: str = "*") -> list[Any]:
    """The copied cases of a topic as pytest parameters named by their ids."""
    found = [case for case in _topic(topic) if fnmatchcase(case["id"], pattern)]
    assert found, f"no case of {topic} matches {pattern}"
    return [pytest.param(case, id=case["id"]) for case in found]


def case_named(topic: str, name: str) -> Case:
    return next(case for case in _topic(topic) if case["id"] == name)


@cache
def _table(path: str) -> pd.DataFrame:
    return pd.read_csv(ORACLE / path)


def data(case: Case) -> pd.DataFrame:
    """The data of a case; callers must not change it."""
    return _table(case["data"])


def effects(case: Case) -> tuple[Floats, Floats]:
    """Effects and sampling variances of a case."""
    return data(case)["yi"].to_numpy(), data(case)["vi"].to_numpy()


def known(case: Case, found: dict[str, Any]) -> dict[str, Any]:
    """What was found and is expected by the case."""
    return {name: value for name, value in found.items() if name in case["expect"]}


def listed_for(case: Case, by_pattern: Mapping[str, Reasons]) -> dict[str, str]:
    """The reasons whose pattern of ids matches the case."""
    listed: dict[str, str] = {}
    for pattern, reasons in by_pattern.items():
        if fnmatchcase(case["id"], pattern):
            listed |= reasons
    return listed


def matrix(path: str) -> np.ndarray:
    return _table(path).to_numpy(dtype=float)


def design(case: Case) -> np.ndarray | None:
    return matrix(case["args"]["X_file"]) if "X_file" in case["args"] else None


def numbers(value: Any) -> np.ndarray:
    """An expected value as floats: null becomes nan, "Inf" infinite."""
    if isinstance(value, list):
        return np.array([numbers(one) for one in value], dtype=float)
    return np.array(np.nan if value is None else float(value))


def reason_for(name: str, reasons: Reasons) -> str | None:
    """The reason listed for a name; keys may be patterns such as `HTZ_*`."""
    return next((why for key, why in reasons.items() if fnmatchcase(name, key)), None)


def compare(
    case: Case,
    offered: Mapping[str, Any],
    not_offered: Reasons,
    *,
    rtol: float,
    atol: float = NEAR_ZERO,
    tolerances: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Compare every expected quantity of a case; `tolerances` are (rtol, atol) by quantity."""
    unknown = set(offered) - set(case["expect"])
    assert not unknown, f"{case['id']}: not in the reference: {sorted(unknown)}"
    wrong, compared = [], 0
    for name, expected in case["expect"].items():
        if name not in offered:
            if reason_for(name, not_offered) is None:
                wrong.append(f"{name}: neither compared nor listed as not offered")
            continue
        relative, absolute = (tolerances or {}).get(name, (rtol, atol))
        ours, theirs = np.asarray(offered[name], dtype=float), numbers(expected)
        compared += 1
        if theirs.size == ours.size:
            ours = ours.reshape(theirs.shape)
        if ours.shape != theirs.shape:
            wrong.append(f"{name}: shape {ours.shape}, expected {theirs.shape}")
        elif not np.allclose(ours, theirs, rtol=relative, atol=absolute, equal_nan=True):
            off = np.abs(ours - theirs) / np.maximum(np.abs(theirs), NEAR_ZERO)
            largest = np.max(off, initial=0.0, where=~np.isnan(off))
            wrong.append(f"{name}: {ours} expected {theirs} (relative {largest:.1e})")
    assert not wrong, f"{case['id']}:\n" + "\n".join(wrong)
    assert compared, f"{case['id']}: nothing was compared"


def check_grid(topic: str, cases_not_offered: Reasons, quantities_not_offered: Reasons) -> None:
    """Every core case is copied (and so compared) or listed, and no listed reason is stale."""
    grid = json.loads((ORACLE / "core_grid.json").read_text(encoding="utf-8"))[topic]
    core = {case for row in grid for case in row["cases"]}
    copied = {case["id"]: case for case in _topic(topic)}
    listed = {case for case in core if reason_for(case, cases_not_offered) is not None}
    assert core == (set(copied) & core) | listed, "a core case is neither compared nor listed"
    both = set(copied) & listed
    assert not both, f"compared and listed as not offered: {sorted(both)}"
    for row in grid:
        for name in set(row["cases"]) & set(copied):
            expected = set(copied[name]["expect"])
            assert expected == set(row["quantities"]), f"{name}: the copy lost quantities"
    quantities = {name for case in copied.values() for name in case["expect"]}
    for key in cases_not_offered:
        assert any(fnmatchcase(case, key) for case in core), f"no core case matches {key}"
    for key in quantities_not_offered:
        assert any(fnmatchcase(name, key) for name in quantities), f"no quantity matches {key}"


def check_extra_grid(topic: str, cases_not_offered: Reasons) -> None:
    """Every case beyond the core is copied (and so compared) or listed, and no reason is stale."""
    grid = json.loads((ORACLE / "extra_grid.json").read_text(encoding="utf-8"))[topic]
    beyond = {case: set(row["quantities"]) for row in grid for case in row["cases"]}
    copied = {case["id"]: set(case["expect"]) for case in _topic(topic) if case["id"] in beyond}
    listed = {case for case in beyond if reason_for(case, cases_not_offered) is not None}
    missing = set(beyond) - set(copied) - listed
    assert not missing, f"neither compared nor listed: {sorted(missing)}"
    both = set(copied) & listed
    assert not both, f"compared and listed as not offered: {sorted(both)}"
    for name, quantities in copied.items():
        assert quantities == beyond[name], f"{name}: the copy lost quantities"
    for key in cases_not_offered:
        assert any(fnmatchcase(case, key) for case in beyond), f"no extra case matches {key}"
