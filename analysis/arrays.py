"""Shared input checks: every public function of this package begins with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import EstimationError, RowError
from analysis.labels import Labels, read_labels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def as_vector(values: ArrayLike, name: str) -> Floats:
    """Return `values` as a one-dimensional float array, nan where an array says that a value is
    masked; `name` is used in the error."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
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


def coefficient_names(
    names: Iterable[Any] | None, p: int, name: str = "names", letter: str = "x"
) -> list[str]:
    """Names of p coefficients, x0, x1 ... when none are given. Raises `EstimationError` when there
    are not p, and `RowError` for a missing one."""
    if names is None:
        return [f"{letter}{i}" for i in range(p)]
    known = as_names(names, name, "coefficient")
    if len(known) != p:
        raise EstimationError(f"{len(known)} {name} for {p} coefficients")
    return known


def read_column(labels: Any, rows: int, name: str, of: str = "effect") -> Labels:
    """The labels of `rows` rows from any container, codes in order of first appearance.

    `name` and `of` (what has the labels, in the singular) are used in the errors. What a label is
    and what is none: `analysis.labels`.
    Raises `EstimationError` for another number of labels and what holds no labels in an order,
    `RowError` with the rows of labels that are missing.
    """
    read = read_labels(labels, name, of)
    if len(read) != rows:
        raise EstimationError(f"{name} has {len(read)} values, the {of}s have {rows}")
    return read


def as_labels(labels: Any, rows: int, name: str, of: str = "effect") -> Integers:
    """Return integer codes 0..m-1 of `labels` in order of first appearance; as `read_column`."""
    return read_column(labels, rows, name, of).codes


def as_levels(labels: Any, rows: int, name: str, of: str = "effect") -> Labels:
    """Labels as levels that are compared: codes and names in order, numbers by size and others
    by text; as `read_column`."""
    return read_column(labels, rows, name, of).ordered()


def as_texts(labels: Any, rows: int, name: str, of: str = "effect") -> list[str]:
    """The text of each label; as `read_column`."""
    return read_column(labels, rows, name, of).texts


def as_names(names: Any, name: str, of: str) -> list[str]:
    """The texts of any number of names. Raises as `read_column`."""
    return read_labels(names, name, of).texts


def as_label(label: Any, name: str) -> str:
    """The text of a single label. Raises `EstimationError` when it is missing or none."""
    try:
        return read_labels([label], name).texts[0]
    except RowError:
        raise EstimationError(
            f"{name} must be a label: a text, a number or a date that is not blank"
        ) from None


def named(choice: str, choices: Mapping[str, Any] | tuple[str, ...], what: str) -> Any:
    """Look up `choice` (or return it, from a tuple), refusing an unknown one with the list of known
    ones."""
    if choice not in choices:
        raise EstimationError(f"unknown {what} {choice!r}; known: {', '.join(choices)}")
    return choices[choice] if isinstance(choices, Mapping) else choice
