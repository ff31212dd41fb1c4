"""Adjusting a comparison of participants for a baseline, and when that cannot be done."""

from __future__ import annotations

import numpy as np

from analysis.arrays import is_constant


def vary_within(values: np.ndarray, treated: np.ndarray) -> bool:
    """Whether the scores of a comparison vary in at least one of its arms beyond rounding."""
    return not (is_constant(values[treated]) and is_constant(values[~treated]))


DETERMINING = 0.99
"""From this within-arm correlation on a baseline is the outcome itself in another form."""


def baseline_fault(values: np.ndarray, treated: np.ndarray, covariate: np.ndarray) -> str:
    """Why a comparison cannot be adjusted for a baseline; empty when it can.

    values, treated, covariate: of the persons of both arms who have a baseline value.
    """
    if values.size < 5 or min(treated.sum(), (~treated).sum()) < 2:
        return "fewer than 2 persons of an arm, or fewer than 5 in all, have a baseline value"
    if not vary_within(values, treated):
        return "the outcome of the persons with a baseline value does not vary"
    if is_constant(covariate[treated]) and is_constant(covariate[~treated]):
        return "the baseline does not vary within the arms"
    if abs(_within_arm_r(values, treated, covariate)) >= DETERMINING:
        return "the baseline determines the outcome within the arms"
    return ""


def _centered(values: np.ndarray, treated: np.ndarray) -> np.ndarray:
    return np.where(treated, values - values[treated].mean(), values - values[~treated].mean())


def _within_arm_r(values: np.ndarray, treated: np.ndarray, covariate: np.ndarray) -> float:
    one, two = _centered(values, treated), _centered(covariate, treated)
    one, two = one / np.abs(one).max(), two / np.abs(two).max()
    return float((one @ two) / np.sqrt((one @ one) * (two @ two)))


def adjusted_difference(
    values: np.ndarray, treated: np.ndarray, covariate: np.ndarray
) -> tuple[float, float, float, int, int]:
    """ANCOVA difference, pooled raw SD, within-arm multiple correlation and both n."""
    x = np.column_stack([np.ones_like(values), treated.astype(float), covariate])
    coefficients, *_ = np.linalg.lstsq(x, values, rcond=None)
    sd = float(np.sqrt((_centered(values, treated) ** 2).sum() / (values.size - 2)))
    r = _within_arm_r(values, treated, covariate)
    return float(coefficients[1]), sd, r, int(treated.sum()), int((~treated).sum())
