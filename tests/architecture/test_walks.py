"""The handbook's walks of a row name functions that stand where it says, and are short."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(\w+)` in `([\w/]+\.py)`", TEXT)


def _walk(title: str) -> list[str]:
    part = TEXT.split(f"## {title}")[1].split("\n## ")[0]
    return re.findall(r"^\| \d+ \| .*$", part, flags=re.M)


@pytest.mark.parametrize(("name", "file"), sorted(set(NAMED)))
def test_what_is_named_stands_there(name: str, file: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def test_a_row_of_an_arm_takes_fifteen_functions_and_three_disk_trips() -> None:
    steps = _walk("The walk of a row of an arm")
    assert 10 <= len(steps) <= 15
    assert sum("**disk" in step for step in steps) == 3


def test_paths_that_are_named_exist() -> None:
    for path in re.findall(r"`((?:assets|ibgap|pipelines|dashboard|analysis)/[\w/]+\.py)`", TEXT):
        assert (ROOT / path).is_file(), path
