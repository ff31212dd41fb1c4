"""The plan of the synthesis layer: which table is made from what, and by which function.

Pipeline and dashboard run the same plan: a refresh makes every table of every synthesis, a page
makes those of one selection. Tables of one synthesis share its fits (`Group`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from analysis.synthesis.bias_checks import bias_checks
from analysis.synthesis.gap_tables import gap_rows, surrogacy_rows
from analysis.synthesis.group import Group
from analysis.synthesis.influence import influence_rows
from analysis.synthesis.inputs import GroupInputs
from analysis.synthesis.moderator_effects import moderator_effects
from analysis.synthesis.pooled_effects import pooled_effects
from analysis.synthesis.sensitivity import sensitivity
from analysis.synthesis.specifications import specifications
from analysis.synthesis.stack import Record

SOURCES = {
    "effects": "effects on the common scale with their covariances at the primary correlation",
    "grid": "their covariances at the other assumed correlations",
    "natural_effects": "effects of the same outcomes on natural scales",
    "pairs": "paired effects",
    "moderators": "declared moderators",
}


@dataclass(frozen=True)
class Table:
    """How one table is made.

    made_from: of `SOURCES`; whatever else changes, its rows stay. rows: of one synthesis.
    in_selections: whether it is made for a selection of trials too, on a page that waits for it.
    """

    name: str
    made_from: tuple[str, ...]
    rows: Callable[[Group], list[Record]]
    in_selections: bool = True


PLAN: tuple[Table, ...] = (
    Table("pooled_effects", ("effects", "natural_effects"), pooled_effects),
    Table("gap_estimates", ("effects", "pairs"), gap_rows),
    Table("surrogacy", ("effects",), surrogacy_rows),
    Table("sensitivity", ("effects", "grid"), sensitivity),
    Table("specifications", ("effects", "grid"), specifications, in_selections=False),
    Table("influence", ("effects",), influence_rows),
    Table("moderator_effects", ("effects", "moderators"), moderator_effects),
    Table("bias_checks", ("effects",), bias_checks),
)
"""Every table of the syntheses of trials, in the order in which they are published."""


def table_named(name: str) -> Table:
    """The entry of one table."""
    return next(table for table in PLAN if table.name == name)


def group_parts(group: Group) -> dict[str, Callable[[], list[Record]]]:
    """The rows of each table, as work that can be fenced on its own.

    A fit that several parts need is made by the first that asks. A part that fails takes no other
    with it, unless that other needs what failed; nothing is remembered of a failure.
    """
    return {
        table.name: partial(table.rows, group)
        for table in PLAN
        if table.in_selections or not group.selection
    }


def synthesize_group(inputs: GroupInputs, *, selection: bool = False) -> dict[str, list[Record]]:
    """The rows of every table of one synthesis: a function of the inputs and of nothing else.

    selection: as in `Group`.
    """
    parts = group_parts(Group(inputs, selection=selection))
    return {name: make() for name, make in parts.items()}
