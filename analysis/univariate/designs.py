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
from analysis.labels import Labels, items_of
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
    reference: Mapping[str, Any] | None = None,
    categories: Sequence[str] = (),
) -> Design:
    """Design of some terms: a column's name, or names joined by `:` for their product.

    Columns of numbers enter as they are. Columns of text, pandas Categoricals (also of numbers)
    and those that `categories` names (codes 1, 2, 3, say) are factors with one indicator per level
    but the reference: the first one (of a Categorical as declared, of numbers the smallest, of
    texts in sorted order) or what `reference` names. Without an intercept the first factor keeps
    all its levels. Products need their parts as terms of their own to be read as interactions.
    Raises `EstimationError` for an unknown column, a reference that is no level or of no factor, a
    factor of one level, and missing values, with the row.
    """
    if not terms and not intercept:
        raise EstimationError("a design needs a term or an intercept")
    if isinstance(categories, str):
        raise EstimationError(f"categories are a list of columns, such as [{categories!r}]")
    used = dict.fromkeys(part for term in terms for part in term.split(":"))
    for part in used:
        if part not in table:
            raise EstimationError(f"no column {part!r}; there are {', '.join(table)}")
    first = {n: as_label(one, f"the reference of {n}") for n, one in (reference or {}).items()}
    _check_factors(table, used, first, categories)
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
            own = _main(table[part], part, first.get(part), levels,
                        full=full, category=part in categories)  # fmt: skip
            full = full and part not in levels
            made = [(f"{a}:{b}" if a else b, x * y) for a, x in made for b, y in own]
        found[term] = tuple(range(len(names), len(names) + len(made)))
        names += [name for name, _ in made]
        columns += [values for _, values in made]
    return Design(np.column_stack(columns), tuple(names), found, levels)


def _check_factors(
    table: Mapping[str, Any],
    used: Mapping[str, None],
    reference: Mapping[str, Any],
    categories: Sequence[str],
) -> None:
    """References and declared categories must be about factors of the design."""
    for name in categories:
        if name not in used:
            raise EstimationError(f"categories names {name!r}, which is no term")
    factors = [name for name in used if name in categories or is_category(table[name])]
    for name in reference:
        if name not in used:
            raise EstimationError(
                f"a reference is given for {name!r}, which is no term; "
                f"factors: {', '.join(factors) or 'none'}"
            )
        if name not in factors:
            raise EstimationError(
                f"a reference is given for {name!r}, a column of numbers; factors: "
                f"{', '.join(factors) or 'none'} (`categories` makes numbers a factor)"
            )


def _main(
    values: Any, name: str, reference: Any, levels: dict[str, tuple[str, ...]], *,
    full: bool, category: bool,
) -> list[tuple[str, Floats]]:  # fmt: skip
    """Named columns of one variable."""
    if not category and not is_category(values):
        return [(name, _numbers(values, name))]
    read = read_factor(values, name)
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


def is_category(values: Any) -> bool:
    """Whether a column holds categories: a pandas Categorical of whatever, or texts, also those
    that spell numbers. Numbers, truth values and missing ones alone are numbers."""
    if _declared_categories(values) is not None:
        return True
    known = [one for one in items_of(values, "values") if not is_missing_label(one)]
    return bool(known) and not all(_is_number(one) for one in known)


def read_factor(values: Any, name: str) -> Labels:
    """The level of each row, and the levels that occur: in the order that a pandas Categorical
    declares, numbers by size, texts sorted.

    Raises `RowError` for rows without a level, whatever holds them.
    """
    read = as_levels(values, len(values), name)
    declared = _declared_categories(values)
    if declared is None:
        return read
    known = [as_label(one, f"a category of {name}") for one in declared]
    present = [one for one in dict.fromkeys(known) if one in read.names]
    places = np.array([present.index(one) for one in read.names], dtype=np.int64)
    return Labels(places[read.codes], tuple(present), read.numeric)


def _declared_categories(values: Any) -> list[Any] | None:
    """Categories of a pandas Categorical (or a column of one), None for anything else."""
    categories = getattr(getattr(values, "dtype", None), "categories", None)
    return None if categories is None else list(categories)


def _is_number(one: Any) -> bool:
    return isinstance(one, numbers.Real | decimal.Decimal | np.bool_)


def _numbers(values: Any, name: str) -> Floats:
    """A column of numbers, or of true and false as 1 and 0; one that is missing or infinite is
    refused with its row."""
    items = items_of(values, name)
    known = np.array([not is_missing_label(one) for one in items], dtype=bool)
    require(known, f"{name} holds numbers and blanks, and {name} must be known for every effect")
    out = np.array([float(one) for one in items])
    require(np.isfinite(out), f"{name} must be known for every effect")
    return out
