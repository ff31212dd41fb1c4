"""Files that went wrong on their way: read, refused or doubted, never silently other numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.files.cases import cases
from tests.files.judged import effects, unchanged, wrong
from tests.files.kinds import DAMAGES, KEEPS, MAY_CHANGE, MUTATIONS, Mutant
from tests.files.mutations import mutant

ROOT = Path(__file__).resolve().parents[2]
NAMES = [one.name for one in MUTATIONS]
_BLOCK, _SMALL = 100, 30_000


def _faults(made: Mutant) -> list[str]:
    about = f"{made.mutation} ({made.does}) of {made.whole.name}/{made.whole.file}"
    return [f"{about}: {fault}" for fault in wrong(made)[0]]


@pytest.mark.parametrize("name", NAMES)
def test_each_way_in_which_files_go_wrong(name: str) -> None:
    assert _faults(mutant(1, ROOT, name, _SMALL)) == []


@pytest.mark.parametrize("seed", range(60 - len(NAMES)))
def test_some_that_go_wrong_in_any_way(seed: int) -> None:
    assert _faults(mutant(seed, ROOT, largest=_SMALL)) == []


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10, 40))
def test_many_that_go_wrong_in_any_way(block: int) -> None:
    faults = {}
    for seed in range(block * _BLOCK, (block + 1) * _BLOCK):
        if found := _faults(mutant(seed, ROOT)):
            faults[seed] = found
    assert faults == {}


def test_what_is_compared_has_effects() -> None:
    """Trials without any would agree whatever happens."""
    with_effects = [case for case in cases(ROOT) if effects(unchanged(case))]
    assert len(with_effects) > 25
    assert {case.kind for case in with_effects} == {
        ".csv", ".tsv", ".xlsx", ".sav", ".zsav", ".dta", ".xpt", ".parquet",
    }  # fmt: skip


def test_mutants_are_the_same_for_a_seed_and_of_every_sort() -> None:
    sorts: Counter[str] = Counter()
    for seed in range(40):
        one, two = mutant(seed, ROOT, "", _SMALL), mutant(seed, ROOT, "", _SMALL)
        assert (one.mutation, one.case.manifest) == (two.mutation, two.case.manifest)
        assert one.case.kind == ".xlsx" or one.case.data == two.case.data
        assert one.case != one.whole or one.does != KEEPS
        sorts[one.does] += 1
    assert {KEEPS, DAMAGES, MAY_CHANGE} <= set(sorts)


def test_a_change_without_a_word_is_caught() -> None:
    """The judgment itself: another number in a cell, declared as damage, is a fault."""
    whole = next(case for case in cases(ROOT) if case.name == "sweeney2015_self_affirmation")
    changed = whole.with_text(whole.text().replace("0.737", "0.738"))
    assert "nothing is told" in wrong(Mutant("x", DAMAGES, changed, whole))[0][0]
    assert "effects differ" in wrong(Mutant("x", KEEPS, changed, whole))[0][0]
    assert wrong(Mutant("x", MAY_CHANGE, changed, whole))[0] == []
