"""Checks on participant rows with pingouin, behind input guards.

pingouin is imported inside the functions (it takes seconds) and never supplies a stored yi or
vi: it checks ours, gives scale reliability, and tests assumptions. Every function refuses what
pingouin would accept silently: groups passed as values, missing values, constant columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_levels, as_vector, is_constant, require
from analysis.errors import EstimationError

_MOST_FOR_SHAPIRO = 5000


@dataclass(frozen=True)
class ParticipantCheck:
    """One number with its meaning: check name, estimate, and test where there is one (nan
    otherwise)."""

    check: str
    estimate: float
    statistic: float
    pvalue: float
    n: int


def _two_groups(values: ArrayLike, treated: ArrayLike) -> tuple[Floats, Floats]:
    """The values of both groups, checked: numbers, no missing ones, at least 3 a group."""
    x = as_vector(values, "values")
    mask = np.asarray(treated)
    if mask.dtype != np.bool_ or mask.shape != x.shape:
        raise EstimationError("`treated` must be one true/false per value, not values of its own")
    require(np.isfinite(x), "values must be finite")
    one, two = x[mask], x[~mask]
    if min(one.size, two.size) < 3:
        raise EstimationError("each group needs at least 3 participants")
    if is_constant(one) and is_constant(two):
        raise EstimationError("the values do not vary within the groups")
    return one, two


def _pingouin(function: str, *arguments: Any, **options: Any) -> Any:
    """The result of a function of pingouin; `EstimationError` where it refuses, since a check that
    cannot be made says nothing about the data. Memory errors pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pingouin

        try:
            return getattr(pingouin, function)(*arguments, **options)
        except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
            name = type(error).__name__
    raise EstimationError(f"pingouin cannot make this check of such values ({name})")


def cross_check_g(values: ArrayLike, treated: ArrayLike, g: float) -> ParticipantCheck:
    """pingouin's Hedges g of two independent groups minus ours (it uses the approximate J).

    values: n scores; treated: n booleans; g: our effect. The estimate is the difference.
    """
    one, two = _two_groups(values, treated)
    theirs = float(_pingouin("compute_effsize", one, two, paired=False, eftype="hedges"))
    return ParticipantCheck(
        "g_pingouin_minus_ours", theirs - g, theirs, float("nan"), one.size + two.size
    )


def equal_variances(values: ArrayLike, treated: ArrayLike) -> ParticipantCheck:
    """Levene's test (Brown-Forsythe, median-centered); the estimate is the ratio of the SDs."""
    one, two = _two_groups(values, treated)
    result = _pingouin("homoscedasticity", [one, two], method="levene")
    ratio = float(one.std(ddof=1) / two.std(ddof=1)) if two.std() > 0 else float("inf")
    return ParticipantCheck(
        "sd_ratio_levene",
        ratio,
        float(result["W"].iloc[0]),
        float(result[_p_column(result)].iloc[0]),
        one.size + two.size,
    )


def normal_residuals(values: ArrayLike, treated: ArrayLike) -> ParticipantCheck:
    """Shapiro-Wilk test of the values about their group means (first 5,000); W is the estimate."""
    one, two = _two_groups(values, treated)
    residuals = np.concatenate([one - one.mean(), two - two.mean()])[:_MOST_FOR_SHAPIRO]
    result = _pingouin("normality", residuals)
    w = float(result["W"].iloc[0])
    return ParticipantCheck(
        "normality_shapiro", w, w, float(result[_p_column(result)].iloc[0]), residuals.size
    )


def adjusted_difference_p(
    values: ArrayLike, treated: ArrayLike, covariate: ArrayLike
) -> ParticipantCheck:
    """pingouin's linear regression of the values on the group and a baseline; the estimate is the F
    of the group (its t squared), which is that of the ANCOVA."""
    _two_groups(values, treated)
    baseline = as_vector(covariate, "covariate")
    require(np.isfinite(baseline), "the covariate must be finite")
    y = as_vector(values, "values")
    t, pvalue, _ = _first_slope(np.column_stack([np.asarray(treated, dtype=float), baseline]), y)
    return ParticipantCheck("ancova_group", t**2, t**2, pvalue, y.size)


def _first_slope(x: Floats, y: Floats) -> tuple[float, float, float]:
    """t and p of the first of several regressors in pingouin's linear regression, and the df of
    its residuals."""
    result = _pingouin("linear_regression", x, y, add_intercept=True, as_dataframe=False)
    return (
        float(result["T"][1]),
        float(result[_p_column(result)][1]),
        float(result["df_resid"]),
    )


def cronbach_alpha(items: ArrayLike) -> ParticipantCheck:
    """Cronbach's alpha of an n x items matrix (rows with a missing item are left out)."""
    import pandas as pd

    matrix = np.asarray(items, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        raise EstimationError("reliability needs at least two items per participant")
    complete = matrix[np.isfinite(matrix).all(axis=1)]
    if complete.shape[0] < 3 or any(is_constant(item) for item in complete.T):
        raise EstimationError("reliability needs 3 complete participants and items that vary")
    alpha, _ = _pingouin("cronbach_alpha", data=pd.DataFrame(complete))
    return ParticipantCheck(
        "cronbach_alpha", float(alpha), float("nan"), float("nan"), complete.shape[0]
    )


def correlation_check(first: ArrayLike, second: ArrayLike, arm: Iterable[Any]) -> ParticipantCheck:
    """The partial correlation of two outcomes given arm indicators (a check of the pooled
    within-arm correlation), from pingouin's linear regression of one on the other and the arms:
    r = t / sqrt(t^2 + df), with the p-value of t. Persons with both outcomes only, every person
    with an arm."""
    x, y = as_vector(first, "first"), as_vector(second, "second")
    both = np.isfinite(x) & np.isfinite(y)
    labels = as_levels(arm, x.size, "arm", "participant").codes[both]
    names = np.unique(labels)
    if both.sum() < len(names) + 4 or not (_varies(x[both], labels) and _varies(y[both], labels)):
        raise EstimationError("too few participants with both outcomes varying within arms")
    one, two = _about_arms(x[both], labels), _about_arms(y[both], labels)
    arms = [labels == name for name in names[1:]]
    t, pvalue, df = _first_slope(np.column_stack([one, *arms]).astype(float), two)
    r = float(np.sign(t) / np.sqrt(1.0 + df / t**2)) if t else 0.0
    return ParticipantCheck(
        "partial_correlation_given_arm", r, float("nan"), pvalue, int(both.sum())
    )


def _about_arms(values: Floats, labels: Any) -> Floats:
    """Values about the means of their arms, in units of their spread: t stays the same, and
    outliers of any size leave the regression well conditioned."""
    _, arm = np.unique(labels, return_inverse=True)
    about = values - (np.bincount(arm, values) / np.bincount(arm))[arm]
    return np.asarray(about / np.abs(about).max())


def _varies(values: Floats, labels: Any) -> bool:
    """Whether values vary within at least one group beyond rounding."""
    return any(not is_constant(values[labels == name]) for name in np.unique(labels))


def _p_column(result: Any) -> str:
    """The p-value column, whose name differs between pingouin's functions."""
    return next(name for name in ("p_val", "pval", "p-val", "p_unc", "p-unc") if name in result)
