"""The tables that the articles printed or shared, and comparison to their printed digits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

TRIALS = Path(__file__).parents[2] / "trials"


def trial_table(trial: str, name: str) -> pd.DataFrame:
    return pd.read_csv(TRIALS / trial / name)


def printed(value: float, digits: int) -> object:
    """A number printed with `digits` decimals: right to half a unit of the last one."""
    return pytest.approx(value, abs=0.5 * 10.0**-digits * (1.0 + 1e-9), rel=0.0)


def tabulated(value: float, digits: int, method: str) -> object:
    """A number of the R table made with default settings: exact digits for moment estimators.

    metafor's REML stops when tau2 changes by less than 1e-5, and so these entries have errors of
    that size; tests/reference compares with tightened fits.
    """
    stopping = 3e-5 * (100.0 if digits == 2 else 1.0) if method == "REML" else 0.0
    return pytest.approx(value, abs=0.5 * 10.0**-digits + stopping, rel=0.0)
