"""Releases of two checkouts are compared to the last digits; every difference is one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import compare_checkouts
from benchmarks.compare_checkouts import command_line, differences

POOLS = pd.DataFrame(
    {"synthesis": ["main", "main", "apart"], "construct": ["intention", "behavior", "behavior"],
     "mu": [0.4, 0.2, float("nan")], "k": pd.array([3, 4, None], dtype="Int64"),
     "status": ["ok", "ok", None], "primary": [True, False, True]}
)  # fmt: skip


def release(folder: Path, **tables: pd.DataFrame) -> Path:
    (folder / "tables").mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    return folder


def compared(tmp_path: Path, new: pd.DataFrame, old: pd.DataFrame = POOLS) -> list[str]:
    return list(differences(release(tmp_path / "old", pools=old), release(tmp_path / "new",
                                                                          pools=new)))  # fmt: skip


def test_the_same_numbers_are_no_difference(tmp_path: Path) -> None:
    near = POOLS.assign(mu=POOLS["mu"] * (1 + 1e-11), k=POOLS["k"].astype("float64"))
    assert compared(tmp_path, near) == []


@pytest.mark.parametrize(
    ("new", "line"),
    [(POOLS.assign(mu=[0.4, 0.2000001, float("nan")]),
      "pools.mu: 1 of 3 rows, first 0.2 before, 0.2000001 now "
      "(row 1: synthesis=main, construct=behavior)"),
     (POOLS.assign(mu=[0.4, 0.2, 0.0]), "pools.mu: 1 of 3 rows, first nan before, 0.0 now"),
     (POOLS.assign(k=pd.array([3, 5, None], dtype="Int64")), "pools.k: 1 of 3 rows"),
     (POOLS.assign(status=["ok", "OK", None]), "pools.status: 1 of 3 rows, first 'ok' before, "
      "'OK' now"),
     (POOLS.assign(status=["ok", "ok", "ok"]), "pools.status: 1 of 3 rows, first None before"),
     (POOLS.assign(primary=[True, True, True]), "pools.primary: 1 of 3 rows, first False before"),
     (POOLS.assign(se=0.1), "pools.se: only in the new release"),
     (POOLS.drop(columns="k"), "pools.k: only in the old release"),
     (POOLS.iloc[:2], "pools: 3 rows before, 2 now (1 gone, first apart/behavior)"),
     (POOLS.iloc[[1, 0, 2]], "pools: the rows stand in another order")],
    ids=["number", "missing", "count", "text", "missing text", "flag", "column", "no column",
         "row", "order"],
)  # fmt: skip
def test_a_difference_is_one_line(tmp_path: Path, new: pd.DataFrame, line: str) -> None:
    found = compared(tmp_path, new)
    assert len(found) == 1 and found[0].startswith(line)


def test_names_and_times_of_runs_are_passed_over(tmp_path: Path) -> None:
    old = release(tmp_path / "old", release=pd.DataFrame({"value": ["a"]}),
                  files=pd.DataFrame({"file": ["a"], "seconds": [1.0]}))  # fmt: skip
    new = release(tmp_path / "new", release=pd.DataFrame({"value": ["b"]}),
                  files=pd.DataFrame({"file": ["a"], "seconds": [2.0]}))  # fmt: skip
    assert list(differences(old, new)) == []


def test_a_table_of_one_release_only_is_told(tmp_path: Path) -> None:
    old, new = release(tmp_path / "old", pools=POOLS), release(tmp_path / "new", gaps=POOLS)
    assert list(differences(old, new)) == [
        "gaps: only in the new release", "pools: only in the old release"
    ]  # fmt: skip


def test_the_exit_code_says_whether_there_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = release(tmp_path / "old", pools=POOLS)
    new = release(tmp_path / "new", pools=POOLS.assign(mu=0.0))
    for other, code in ((old, 0), (new, 1)):
        monkeypatch.setattr("sys.argv", ["compare", str(old), str(other), "--releases"])
        assert compare_checkouts.main() == code
    assert "no differences" in capsys.readouterr().out


def test_a_checkout_is_run_by_the_command_line_it_has(tmp_path: Path) -> None:
    for name in compare_checkouts.COMMAND_LINES:
        root = tmp_path / name
        (root / name.replace(".", "/")).parent.mkdir(parents=True)
        (root / (name.replace(".", "/") + ".py")).touch()
        assert command_line(root) == name
    with pytest.raises(SystemExit, match="is no checkout"):
        command_line(tmp_path)
