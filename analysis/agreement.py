"""Agreement between coders who put the same units into categories."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.arrays import Floats
from analysis.distributions import critical_value
from analysis.errors import EstimationError, RowError
from analysis.labels import items_of, texts_or_none
from analysis.results import Result

COEFFICIENTS = {
    "percent": "share of agreeing pairs of codings",
    "cohen": "Cohen (1960) for two coders, Conger (1980) for more",
    "fleiss": "Fleiss (1971): chance by the pooled shares of categories",
    "gwet_ac1": "Gwet (2008): chance that does not grow when one category dominates",
    "krippendorff": "Krippendorff (2004), nominal: corrected for few codings",
}


@dataclass(frozen=True)
class RaterAgreement(Result):
    """Coefficients (in the order of `COEFFICIENTS`) for n units and r coders, with jackknife
    standard errors and limits over units (t with n - 1 df, limits cut at 1). nan where a
    coefficient is not defined: everything in one category, or a coder without any coding for
    Cohen's, which else takes each coder's own shares over the units that coder coded."""

    units: int
    coders: int
    coefficient: tuple[str, ...]
    estimate: Floats
    se: Floats
    ci_lb: Floats
    ci_ub: Floats
    categories: tuple[str, ...]
    level: float


def rater_agreement(codings: Iterable[Iterable[Any]], *, level: float = 0.95) -> RaterAgreement:
    """Chance-corrected agreement of r coders on n units (nominal categories).

    codings: n rows of r codes (texts, numbers or dates; what makes two of them one category:
    `analysis.labels`), also as a matrix or frame; a missing label (None, nan, NA, blank) where a
    coder did not code a unit. Units with fewer than two codes say nothing about agreement and are
    left out. Where one category dominates, kappa can be low although coders hardly disagree; AC1 is
    not, so report both (Gwet 2014, Handbook of Inter-Rater Reliability, ch. 2 and 5).
    Raises `EstimationError` with fewer than 2 coders, or 2 units that two of them coded, and for
    codes that are no labels, with their units.
    """
    rows = _codes(codings)
    coders = len(rows[0])
    usable = [row for row in rows if sum(one is not None for one in row) > 1]
    if len(usable) < 2:
        raise EstimationError(f"agreement needs 2 units coded twice, found {len(usable)}")
    names = tuple(sorted({one for row in usable for one in row if one is not None}))
    place = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(usable), coders, len(names)))
    for i, row in enumerate(usable):
        for j, one in enumerate(row):
            if one is not None:
                table[i, j, place[one]] = 1.0
    estimate = _coefficients(table)
    n = len(usable)
    left_out = np.array([_coefficients(np.delete(table, i, axis=0)) for i in range(n)])
    with np.errstate(invalid="ignore"):
        se = np.sqrt((n - 1.0) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    half = critical_value(level, n - 1.0) * se
    return RaterAgreement(
        n, coders, tuple(COEFFICIENTS), estimate, se, np.maximum(estimate - half, -1.0),
        np.minimum(estimate + half, 1.0), names, level,
    )  # fmt: skip


def _codes(codings: Any) -> list[list[str | None]]:
    """The category of each coding, None where there is none, unit by unit."""
    held: Any
    if getattr(codings, "ndim", 1) == 2:
        held = codings if isinstance(codings, np.ndarray) else np.asarray(codings, dtype=object)
    else:
        held = items_of(codings, "codings")
    units = [items_of(row, "codings") for row in held]
    r = len(units[0]) if units else 0
    if r < 2 or any(len(unit) != r for unit in units):
        raise EstimationError("every unit needs a code (or a blank) of each of 2 or more coders")
    try:
        flat = texts_or_none([one for unit in units for one in unit], "codings")
    except RowError as error:
        raise RowError(error.message, sorted({row // r for row in error.rows})) from None
    return [flat[i : i + r] for i in range(0, len(flat), r)]


def _coefficients(table: Floats) -> Floats:
    """The five coefficients of a table units x coders x categories."""
    counts = table.sum(axis=1)
    size = counts.sum(axis=1)
    observed = ((counts * (counts - 1.0)).sum(axis=1) / (size * (size - 1.0))).mean()
    q = counts.shape[1]
    share = (counts / size[:, None]).mean(axis=0)
    gwet = float((share * (1.0 - share)).sum()) / (q - 1.0) if q > 1 else 0.0
    return np.array([
        observed,
        _corrected(observed, _cohen_chance(table)),
        _corrected(observed, float((share**2).sum())),
        _corrected(observed, gwet) if q > 1 else 1.0,
        _krippendorff(counts, size),
    ])  # fmt: skip


def _corrected(observed: float, chance: float) -> float:
    return (observed - chance) / (1.0 - chance) if chance < 1.0 else math.nan


def _cohen_chance(table: Floats) -> float:
    """Mean over pairs of coders of the chance that their own shares agree."""
    each = table.sum(axis=0)
    totals = each.sum(axis=1, keepdims=True)
    if (totals == 0).any():
        return math.nan
    shares = each / totals
    r = shares.shape[0]
    products = shares @ shares.T
    return float((products.sum() - np.trace(products)) / (r * (r - 1.0)))


def _krippendorff(counts: Floats, size: Floats) -> float:
    """1 - observed over expected disagreement, nominal, from coincidences."""
    coincidence = np.einsum("uc,ud,u->cd", counts, counts, 1.0 / (size - 1.0))
    coincidence -= np.diag((counts / (size - 1.0)[:, None]).sum(axis=0))
    total = coincidence.sum(axis=0)
    n = float(total.sum())
    expected = n * n - float((total**2).sum())
    if expected <= 0.0:
        return math.nan
    disagreement = n - float(np.trace(coincidence))
    return 1.0 - (n - 1.0) * disagreement / expected
