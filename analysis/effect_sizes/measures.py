"""Effects of a whole table in one call: a measure per row, its formula beside every number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from analysis.arrays import Floats, as_names, named
from analysis.effect_sizes import association, binary, change, correlation, proportions, ratios
from analysis.effect_sizes.base import EffectSizes
from analysis.effect_sizes.standardized import (
    glass_delta,
    mean_difference,
    standardized_mean_difference,
    standardized_mean_difference_unequal,
)
from analysis.errors import EstimationError, RowError
from analysis.results import Result

Formula = Callable[..., EffectSizes]

MEASURES: dict[str, Formula] = {
    "SMD": standardized_mean_difference,
    "SMDH": standardized_mean_difference_unequal,
    "SMD1": glass_delta,
    "SMD1H": partial(glass_delta, equal_sd=False),
    "MD": mean_difference,
    "ROM": ratios.log_ratio_of_means,
    "CVR": ratios.log_coefficient_of_variation_ratio,
    "VR": ratios.log_variability_ratio,
    "MN": ratios.single_mean,
    "MNLN": ratios.log_mean,
    "SDLN": ratios.log_standard_deviation,
    "CVLN": ratios.log_coefficient_of_variation,
    "MC": change.mean_change,
    "SMCC": partial(change.standardized_change, by="change"),
    "SMCR": partial(change.standardized_change, by="before"),
    "SMCRH": partial(change.standardized_change, by="before_unequal"),
    "ROMC": change.log_ratio_of_change,
    "PPC": change.pre_post_control,
    "OR": binary.log_odds_ratio,
    "RR": binary.log_risk_ratio,
    "RD": binary.risk_difference,
    "AS": binary.arcsine_difference,
    "PETO": binary.peto_log_odds_ratio,
    "PBIT": association.probit_difference,
    "PHI": association.phi_coefficient,
    "YUQ": partial(association.yule, kind="Q"),
    "YUY": partial(association.yule, kind="Y"),
    "RTET": association.tetrachoric,
    "RPB": association.point_biserial,
    "RBIS": association.biserial,
    "COR": correlation.raw_correlation,
    "UCOR": correlation.unbiased_correlation,
    "ZCOR": correlation.fisher_z,
    "ZPCOR": correlation.partial_correlation,
    "PCOR": partial(correlation.partial_correlation, fisher=False),
    "SPCOR": correlation.semipartial_correlation,
    **{s: partial(proportions.proportion, scale=s) for s in proportions.PROPORTION_SCALES},
    **{s: partial(proportions.incidence_rate, scale=s) for s in proportions.RATE_SCALES},
    **{
        s: partial(proportions.incidence_rate_contrast, scale=s) for s in proportions.RATE_CONTRASTS
    },
    **{s: partial(association.reliability, scale=s) for s in association.RELIABILITY_SCALES},
}
"""The function of each measure, by metafor's codes (and PPC for pre-post-control designs)."""


@dataclass(frozen=True)
class EffectTable(Result):
    """Effects of k rows: measure, effect yi, sampling variance vi and the formulas that made
    them. yi and vi are nan where the inputs do not determine an effect."""

    measure: tuple[str, ...]
    yi: Floats
    vi: Floats
    formula: tuple[str, ...]


def inputs_of(measure: str) -> tuple[str, ...]:
    """Columns that a measure needs, in the order of its function."""
    signature = inspect.signature(named(measure, MEASURES, "measure"))
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return tuple(name for name, one in signature.parameters.items() if one.kind is positional)


def compute_effect_sizes(
    table: Mapping[str, Any],
    measure: str | Iterable[str],
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> EffectTable:
    """Effects of every row of a table (a mapping of columns, such as a pandas frame).

    measure: one code of `MEASURES` for all rows or one per row. The columns are named like the
    inputs of the measure's function (`inputs_of`). options: keyword arguments by measure, such
    as `{"OR": {"zero_cells": "none"}}`.
    Raises `EstimationError` for an unknown measure, a column that is missing, or a missing measure
    and values that the measure refuses, with the row.
    """
    if isinstance(measure, str):
        rows = max(np.size(table[name]) for name in _present(table, measure))
        codes = [measure] * rows
    else:
        codes = as_names(measure, "measure", "row")
        rows = max((np.size(table[name]) for name in table), default=0)
    if len(codes) != rows:
        raise EstimationError(f"{len(codes)} measures for a table of {rows} rows")
    yi, vi = np.full(rows, np.nan), np.full(rows, np.nan)
    formula = np.full(rows, "", dtype=object)
    for code in options or {}:
        if code not in codes:
            raise EstimationError(f"options for {code}, which no row of the table has")
    for code in dict.fromkeys(codes):
        own = np.array([one == code for one in codes])
        columns = _columns(table, code, own)
        made = _make(code, columns, dict((options or {}).get(code, {})), np.flatnonzero(own))
        yi[own], vi[own], formula[own] = made.yi, made.vi, made.formula
    return EffectTable(tuple(codes), yi, vi, tuple(str(one) for one in formula))


def _make(
    code: str, columns: dict[str, Floats], options: dict[str, Any], rows: np.ndarray
) -> EffectSizes:
    """Effects of one measure; a refusal names rows of the whole table."""
    known = inspect.signature(MEASURES[code]).parameters
    # What makes the measure this one is not an option of it.
    own = getattr(MEASURES[code], "keywords", {})
    for name in options:
        if name not in known or name in columns or name in own:
            raise EstimationError(f"{code} has no option {name!r}")
    try:
        return MEASURES[code](**columns, **options)
    except RowError as error:
        raise error.of_table(rows.tolist()) from None


def _present(table: Mapping[str, Any], code: str) -> tuple[str, ...]:
    """The columns of a measure, all of which must be there."""
    needed = inputs_of(code)
    missing = [name for name in needed if name not in table]
    if missing:
        raise EstimationError(
            f"{code} needs the columns {', '.join(needed)}; not there: {', '.join(missing)}"
        )
    return needed


def _columns(table: Mapping[str, Any], code: str, own: np.ndarray) -> dict[str, Floats]:
    columns = {}
    for name in _present(table, code):
        try:
            values = np.asarray(table[name], dtype=np.float64)
        except (TypeError, ValueError):
            raise EstimationError(f"{code}: the column {name} must hold numbers") from None
        if values.size not in (1, own.size):
            raise EstimationError(
                f"{code}: the column {name} has {values.size} values for {own.size} rows"
            )
        columns[name] = np.broadcast_to(values, own.shape)[own]
    return columns
