"""Declarations of tables: columns with types, ranges and meanings, and rules for rows.

One declaration feeds the screening, the checks, the published column list and the data
dictionary, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "number", "integer", "boolean"]


@dataclass(frozen=True)
class Column:
    """A column and what it promises.

    required: every row has a value. allowed: closed vocabulary. minimum, maximum: inclusive
    range; above, below: exclusive. whole: a count, without a fraction. tiny: may lie nearer to 0
    than any measurement (p-values). unit and description are for people.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    required: bool = False
    allowed: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    whole: bool = False
    tiny: bool = False
    fix: str = ""

    @property
    def is_number(self) -> bool:
        return self.kind in ("number", "integer")


@dataclass(frozen=True)
class RowRule:
    """A rule over several columns of one row.

    id: its name in findings. flag: boolean column that the screening computes (`ok:<id>`).
    failure: what is wrong where it is broken, as a sentence; fix: what to do.
    """

    id: str
    failure: str
    fix: str
    columns: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        return f"ok:{self.id}"


@dataclass(frozen=True)
class TableSchema:
    """A table: its columns, its key (unique over rows), its row rules, and what to say of rows that
    share a key."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rules: tuple[RowRule, ...] = field(default=())
    duplicate: str = "the row stands more than once"

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)
