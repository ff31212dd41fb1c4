"""What a mutation of a file is, and what it says that it does to it.

It `keeps` the meaning of the file (the effects stay what they are to the last digit), `reorders` it
(sums of rows in another order are rounded otherwise), `damages` it (what changes must be told), or
`may_change` it into other data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.files.cases import Case

KEEPS, REORDERS, DAMAGES, MAY_CHANGE = "keeps", "reorders", "damages", "may_change"


@dataclass(frozen=True)
class Mutation:
    """does: `keeps`, `reorders`, `damages` or `may_change`. kinds: endings of files it is for.

    change: returns None where it cannot be done to a file; it may say what else it does.
    """

    name: str
    does: str
    kinds: tuple[str, ...]
    change: Callable[[Random, Case], Case | tuple[Case, str] | None]


@dataclass(frozen=True)
class Mutant:
    """A case as changed, what it was, and what was done to it."""

    mutation: str
    does: str
    case: Case
    whole: Case


MUTATIONS: list[Mutation] = []
Change = Callable[[Random, Case], Case | tuple[Case, str] | None]


def mutates(does: str, *kinds: str) -> Callable[[Change], Change]:
    def taken(change: Change) -> Change:
        name = change.__name__.lstrip("_")
        MUTATIONS.append(Mutation(name, does, kinds, change))
        return change

    return taken
