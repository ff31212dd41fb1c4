"""Shared input checks: every public function of this package begins with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import EstimationError, RowError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def as_vector(values: ArrayLike, name: str) -> Floats:
    """Return `values` as a one-dimensional float array; `name` is used in the error."""
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if array.ndim != 1:
        raise EstimationError(f"{name} must be one-dimensional, found {array.ndim} dimensions")
    return array


def as_vectors(**columns: ArrayLike) -> list[Floats]:
    """Return the named columns as vectors of one common length (scalars are repeated)."""
    vectors = {name: as_vector(values, name) for name, values in columns.items()}
    length = max(vector.size for vector in vectors.values())
    for name, vector in vectors.items():
        if vector.size not in (1, length):
            raise EstimationError(f"{name} has {vector.size} values where others have {length}")
    return [v.copy() if v.size == length else np.full(length, v[0]) for v in vectors.values()]


def require(valid: NDArray[np.bool_], message: str) -> None:
    """Raise `RowError` naming the rows (0-based) where `valid` is false."""
    if valid.all():
        return
    raise RowError(message, [int(row) for row in np.flatnonzero(~valid)])


def check_estimates(yi: ArrayLike, vi: ArrayLike) -> tuple[Floats, Floats]:
    """Return effects and sampling variances, refusing missing, infinite or non-positive ones."""
    effects, variances = as_vectors(yi=yi, vi=vi)
    require(np.isfinite(effects), "yi must be finite")
    require(np.isfinite(variances), "vi must be finite")
    require(variances > 0, "vi must be greater than 0")
    return effects, variances


def check_design(design: ArrayLike | None, rows: int) -> Floats:
    """Return a `rows` x p design matrix (a column of ones when none is given) of full rank."""
    if design is None:
        return np.ones((rows, 1))
    matrix = np.asarray(design, dtype=np.float64)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise EstimationError(f"a design is a matrix with columns, found shape {matrix.shape}")
    if matrix.shape[0] != rows:
        raise EstimationError(f"the design has {matrix.shape[0]} rows, the effects have {rows}")
    require(np.asarray(np.isfinite(matrix).all(axis=1)), "the design matrix must be finite")
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise EstimationError(
            f"the {matrix.shape[1]} columns of the design are not independent; "
            "drop the ones that the others determine"
        )
    return matrix


def is_constant(values: Floats) -> bool:
    """Whether values differ by rounding alone."""
    return float(np.ptp(values)) <= 1e-12 * max(1e-300, float(np.abs(values).max()))


def coefficient_names(names: Sequence[str] | None, p: int) -> list[str]:
    """Names of p coefficients, x0, x1 ... when none are given. Raises `EstimationError` when there
    are not p."""
    if names is not None and len(names) != p:
        raise EstimationError(f"{len(names)} names for {p} coefficients")
    return list(names) if names is not None else [f"x{i}" for i in range(p)]


def as_labels(labels: Sequence[Any] | NDArray[Any], rows: int, name: str) -> Integers:
    """Return integer codes 0..m-1 of `labels` in order of first appearance."""
    if len(labels) != rows:
        raise EstimationError(f"{name} has {len(labels)} values, the effects have {rows}")
    codes: dict[Any, int] = {}
    return np.array([codes.setdefault(label, len(codes)) for label in labels], dtype=np.int64)


def named(choice: str, choices: Mapping[str, Any] | tuple[str, ...], what: str) -> Any:
    """Look up `choice` (or return it, from a tuple), refusing an unknown one with the list of known
    ones."""
    if choice not in choices:
        raise EstimationError(f"unknown {what} {choice!r}; known: {', '.join(choices)}")
    return choices[choice] if isinstance(choices, Mapping) else choice


def is_missing(value: Any) -> bool:
    """None, nan and whatever cannot be compared with itself."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        return True
