"""What of the pooled results is told with every run, so that its history can be drawn."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

Numbers = dict[str, float | int]


def history_of(table: str, rows: pa.Table) -> Numbers:
    """Estimate, limits and number of trials of the primary results of a table, by a name that
    stays the same from run to run.

    table: `pooled_effects` or `gap_estimates`; others have no history.
    """
    if table not in _RESULTS:
        return {}
    out: Numbers = {}
    for row in rows.to_pylist():
        if _is_primary(row):
            name, numbers = _RESULTS[table](row)
            out |= {f"{name}: {what}": n for what, n in numbers.items() if _known(n)}
    return out


def _is_primary(row: dict[str, Any]) -> bool:
    return bool(row["is_primary"]) and row["subset"] == "all"


def _known(number: float | None) -> bool:
    return number is not None and math.isfinite(number)


def _pool(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    numbers = {"estimate": row["mu"], "lower limit": row["ci_lb"], "upper limit": row["ci_ub"]}
    return f"{row['synthesis']}, {row['construct']}", numbers | {"trials": row["k_trials"]}


def _gap(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    numbers = {
        "estimate": row["estimate"], "lower limit": row["ci_lb"], "upper limit": row["ci_ub"],
        "trials with both": row["k_paired"],
    }  # fmt: skip
    return f"{row['synthesis']}, {row['estimand'].replace('_', ' ')}", numbers


_RESULTS = {"pooled_effects": _pool, "gap_estimates": _gap}
