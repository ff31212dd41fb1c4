"""Design matrices from columns: numbers, factors and their products."""

from __future__ import annotations

import decimal
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.arrays import Floats, as_label, as_levels, require
from analysis.errors import EstimationError
from analysis.labels import items_of
from ibgap.base.labels import is_missing_label


@dataclass(frozen=True)
class Design:
    """A k x p matrix with the names of its columns; `terms` finds the columns of a term, for a
    test of a whole factor or interaction; `levels` of each factor, the reference first."""

    matrix: Floats
    names: tuple[str, ...]
    terms: dict[str, tuple[int, ...]]
    levels: dict[str, tuple[str, ...]]

    def constraints(self, term: str) -> Floats:
        """Rows that pick the coefficients of a term, for a Wald test that they are all 0."""
        if term not in self.terms:
            raise EstimationError(f"no term {term!r}; there are {', '.join(self.terms)}")
        return np.eye(len(self.names))[list(self.terms[term])]


def make_design(
    table: Mapping[str, Any],
    terms: Sequence[str],
    *,
    intercept: bool = True,
    reference: Mapping[str, str] | None = None,
) -> Design:
    """Design of some terms: a column's name, or names joined by `:` for their product.

    Columns of numbers enter as they are; columns of text are factors with one indicator per level
    but the reference (the first in sorted order, or what `reference` names). Without an intercept
    the first factor keeps all its levels. Products need their parts as terms of their own to be
    read as interactions.
    Raises `EstimationError` for an unknown column, a reference that is no level, a factor of one
    level, and missing values, with the row.
    """
    if not terms and not intercept:
        raise EstimationError("a design needs a term or an intercept")
    used = dict.fromkeys(part for term in terms for part in term.split(":"))
    for part in used:
        if part not in table:
            raise EstimationError(f"no column {part!r}; there are {', '.join(table)}")
    given = reference or {}
    for name in given:
        if name not in used:
            raise EstimationError(f"a reference is given for {name!r}, which is no term")
    first = {name: as_label(one, f"the reference of {name}") for name, one in given.items()}
    sizes = {part: len(table[part]) for part in used}
    if len(set(sizes.values())) > 1:
        raise EstimationError(f"the columns differ in length: {sizes}")
    columns: list[Floats] = []
    names: list[str] = []
    found: dict[str, tuple[int, ...]] = {}
    levels: dict[str, tuple[str, ...]] = {}
    if intercept:
        known = list(sizes.values()) or [len(table[name]) for name in table]
        if not known:
            raise EstimationError("a design needs a table with columns")
        rows = known[0]
        columns.append(np.ones(rows))
        names.append("intercept")
    full = not intercept
    for term in terms:
        parts = term.split(":")
        made = [("", np.ones(len(table[parts[0]])))]
        for part in parts:
            own = _main(table[part], part, first.get(part), levels, full)
            full = full and part not in levels
            made = [(f"{a}:{b}" if a else b, x * y) for a, x in made for b, y in own]
        found[term] = tuple(range(len(names), len(names) + len(made)))
        names += [name for name, _ in made]
        columns += [values for _, values in made]
    return Design(np.column_stack(columns), tuple(names), found, levels)


def _main(
    values: Any, name: str, reference: str | None, levels: dict[str, tuple[str, ...]], full: bool
) -> list[tuple[str, Floats]]:
    """Named columns of one variable."""
    numeric = _numbers(values, name)
    if numeric is not None:
        return [(name, numeric)]
    read = as_levels(values, len(values), name)
    found = read.names
    if len(found) < 2:
        raise EstimationError(f"{name} has one level only; it cannot be compared")
    first = found[0] if reference is None else reference
    if first not in found:
        raise EstimationError(f"{first!r} is no level of {name}; there are {', '.join(found)}")
    ordered = (first, *(one for one in found if one != first))
    levels[name] = ordered
    shown = ordered if full else ordered[1:]
    codes = {one: code for code, one in enumerate(found)}
    return [(f"{name}={one}", (read.codes == codes[one]).astype(np.float64)) for one in shown]


def _numbers(values: Any, name: str) -> Floats | None:
    """A column of numbers, or of true and false as 1 and 0, whatever holds it; None for others."""
    items = items_of(values, name)
    missing = np.array([is_missing_label(one) for one in items], dtype=bool)
    known = [one for one, lost in zip(items, missing, strict=True) if not lost]
    if not known or not all(
        isinstance(one, numbers.Real | decimal.Decimal | np.bool_) for one in known
    ):
        return None
    require(
        ~missing,
        f"{name} holds numbers and blanks, and {name} must be known for every effect",
    )
    out = np.array([float(one) for one in known])
    require(np.isfinite(out), f"{name} must be finite, that is known for every effect")
    return out
