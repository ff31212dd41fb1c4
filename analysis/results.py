"""What every result can do: become a tidy frame and a stable text.

Results are frozen dataclasses with unrounded numbers; the same object feeds tables, figures and
pages. `frame` has a row per estimate and a column per field, `str` the same rounded for reading.
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 6
_MOST_ROWS = 60
_OF_THE_WHOLE = ("notes", "categories")
"""Lists that are about the result as a whole, whatever the length of its arrays."""


class Result:
    """Base of result classes; all of them are frozen dataclasses."""

    def frame(self) -> pd.DataFrame:
        """A tidy frame: a row per element of the result's arrays (one row when it has none).

        Numbers and texts of the whole result are repeated in every row, those of a nested result
        are prefixed with its field's name, and a field that holds several results gives their rows
        below each other. Matrices and fits kept for further computation are left out.
        """
        import pandas as pd

        return pd.DataFrame(_rows(self))

    def __str__(self) -> str:
        """Name of the result, its single values one a line and its arrays as a table, rounded to 6
        significant digits; missing numbers are `missing`."""
        rows = _rows(self)
        shared = [name for name in rows[0] if len(rows) == 1 or _same(rows, name)]
        varying = [name for name in rows[0] if name not in shared]
        width = max((len(name) for name in shared), default=0)
        lines = [type(self).__name__]
        lines += [f"  {name:<{width}}  {_shown(rows[0][name])}" for name in shared]
        if varying:
            lines += ["", *_table(rows[:_MOST_ROWS], varying)]
            if len(rows) > _MOST_ROWS:
                lines.append(f"  ... and {len(rows) - _MOST_ROWS} more rows")
        return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return "; ".join(_shown(one) for one in value)
    if isinstance(value, float | np.floating):
        return "missing" if math.isnan(value) else f"{value:.{_DIGITS}g}"
    return str(value)


def _same(rows: list[dict[str, Any]], name: str) -> bool:
    return len({_shown(row[name]) for row in rows}) == 1


def _table(rows: list[dict[str, Any]], columns: list[str]) -> list[str]:
    cells = [columns, *([_shown(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return [
        "  " + "  ".join(f"{c:>{w}}" for c, w in zip(line, widths, strict=True)) for line in cells
    ]


def _rows(result: Any) -> list[dict[str, Any]]:
    single: dict[str, Any] = {}
    columns: dict[str, Any] = {}
    several: list[dict[str, Any]] = []
    tables: dict[str, list[dict[str, Any]]] = {}
    for field in fields(result):
        value = getattr(result, field.name)
        if field.name.startswith("_") or not field.repr or _holds_matrices(value):
            continue
        if _is_list_of_results(value):
            several += [row for one in value for row in _rows(one)]
        elif is_dataclass(value):
            nested = _rows(value)
            if len(nested) > 1:
                tables[field.name] = nested
            else:
                single |= {f"{field.name}.{name}": one for name, one in nested[0].items()}
        elif isinstance(value, dict):
            single |= _flat(field.name, value)
        elif field.name in _OF_THE_WHOLE:
            single[field.name] = tuple(value) if len(value) else ""
        elif isinstance(value, np.ndarray | tuple | list):
            columns[field.name] = value
        else:
            single[field.name] = value
    if len(tables) == 1:
        nested = next(iter(tables.values()))
        columns |= {name: np.array([row[name] for row in nested]) for name in nested[0]}
    for name, nested in tables.items() if len(tables) > 1 else ():
        several += [{"part": name} | row for row in nested]
    return _combine(single, columns, several)


def _flat(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """A dictionary as single values; pairs of numbers get a number of their own."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, tuple):
            out |= {f"{name}.{key}.{i}": one for i, one in enumerate(value)}
        else:
            out[f"{name}.{key}"] = value
    return out


def _holds_matrices(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim != 1
    return isinstance(value, tuple | list) and any(isinstance(one, np.ndarray) for one in value)


def _is_list_of_results(value: Any) -> bool:
    return isinstance(value, tuple | list) and bool(value) and all(is_dataclass(v) for v in value)


def _combine(
    single: dict[str, Any], columns: dict[str, Any], several: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """One row per element of the arrays of the commonest length; other columns stay together in one
    cell. With several results, their rows below each other, what is about the whole repeated (and
    prefixed with `whole.` where a part has a number of that name)."""
    lengths = [len(c) for c in columns.values() if isinstance(c, np.ndarray) and len(c)]
    length = max(set(lengths), key=lambda n: (lengths.count(n), n)) if lengths else 1
    tables = {name: c for name, c in columns.items() if lengths and len(c) == length}
    whole = single | {
        name: tuple(c) if len(c) else "" for name, c in columns.items() if name not in tables
    }
    rows = [{name: _cell(c[i]) for name, c in tables.items()} | whole for i in range(length)]
    if not several:
        return rows
    for name, c in columns.items():
        if len(c) == len(several):
            several = [row | {name: _cell(c[i])} for i, row in enumerate(several)]
    outer = rows[0] if len(rows) == 1 else whole
    return [
        row | {
            f"whole.{name}" if name in row and row[name] != one else name: one
            for name, one in outer.items()
        }
        for row in _alike(several)
    ]  # fmt: skip


def _alike(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the columns of all of them, nan where one has no such number."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name, math.nan) for name in names} for row in rows]


def _cell(value: Any) -> Any:
    return " ~ ".join(map(str, value)) if isinstance(value, tuple) else value
