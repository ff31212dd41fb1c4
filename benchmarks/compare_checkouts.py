"""Do two checkouts of the project publish the same numbers of the same trials?

`compare_checkouts.py OLD NEW [--trials DIR]` runs the refresh of both on the same trials, each in a
project folder of its own, and compares all published tables column by column: numbers within
1e-9, texts exactly. It prints one line per difference and exits 1 where there is any.
`--releases` compares two releases (folders with `tables`) that are there already.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from benchmarks.processes import ACCEPTED, run

RELATIVE, ABSOLUTE = 1e-9, 1e-12
COMMAND_LINES = ("ibgap.cli.command_line", "pipelines.command_line")
PASSED_OVER = ("release", "codebook")
"""Tables of the program, not of the trials."""
NOT_COMPARED = ("release_id", "created_at", "seconds", "trace")
"""Columns of a run: its name, its time."""
_LONGEST = 60
_KEYS = (
    "trial_id", "collection_id", "synthesis", "construct", "subset", "estimand", "measure", "model",
    "method", "check", "moderator", "effect_id", "effect_id_1", "effect_id_2", "outcome_row_id",
    "pair_id", "rule_id", "file", "row", "column", "source_id", "arm_id", "outcome_id",
)  # fmt: skip


def command_line(checkout: Path) -> str:
    """The module of a checkout's command line. Raises `SystemExit` where it has none."""
    for module in COMMAND_LINES:
        if (checkout / (module.replace(".", "/") + ".py")).is_file():
            return module
    raise SystemExit(f"{checkout} is no checkout of this project: it has no command line")


def refreshed(checkout: Path, trials: Path, home: Path) -> Path:
    """The release that a checkout's code makes of these trials, in a project folder of its own."""
    checkout = checkout.resolve()
    home.mkdir()
    (home / "trials").symlink_to(trials.resolve())
    command = [sys.executable, "-m", command_line(checkout), "refresh", "--json"]
    run(command, expected=ACCEPTED, folder=checkout, PYTHONPATH=str(checkout), IBGAP_HOME=str(home))
    return (home / "releases" / "current").resolve()


def differences(old: Path, new: Path) -> Iterator[str]:
    """One line per difference between the tables of two releases."""
    ones, others = (
        {f.stem: f for f in sorted((folder / "tables").glob("*.parquet"))} for folder in (old, new)
    )
    for name in sorted(ones.keys() | others.keys()):
        if name in PASSED_OVER:
            continue
        if name not in others or name not in ones:
            yield f"{name}: only in the {'old' if name in ones else 'new'} release"
            continue
        yield from table_differences(
            name, pd.read_parquet(ones[name]), pd.read_parquet(others[name])
        )


def table_differences(name: str, old: pd.DataFrame, new: pd.DataFrame) -> Iterator[str]:
    """One line per column that differs. Rows are matched by position; where their number or order
    differs, by what identifies them."""
    for column in [c for c in [*old, *new] if (c in old) != (c in new)]:
        yield f"{name}.{column}: only in the {'old' if column in old else 'new'} release"
    columns = [c for c in old if c in new and c not in NOT_COMPARED]
    keys = [c for c in _KEYS if c in columns]
    if len(old) != len(new):
        yield f"{name}: {len(old)} rows before, {len(new)} now{_told(old, new, keys)}"
        return
    a, b = old[columns].reset_index(drop=True), new[columns].reset_index(drop=True)
    if keys and not _texts(a[keys]).equals(_texts(b[keys])):
        ordered = [
            f.assign(**{c: _texts(f[[c]])[c] for c in keys})
            .sort_values(keys, kind="stable").reset_index(drop=True)
            for f in (a, b)
        ]  # fmt: skip
        if ordered[0][keys].equals(ordered[1][keys]):
            yield f"{name}: the rows stand in another order"
            a, b = ordered
    for column in columns:
        unlike = ~_alike(a[column], b[column])
        if not unlike.any():
            continue
        first = int(np.flatnonzero(unlike)[0])
        where = ", ".join(f"{k}={a[k].iloc[first]}" for k in keys if pd.notna(a[k].iloc[first]))
        before, now = (_short(f[column].iloc[first]) for f in (a, b))
        yield (
            f"{name}.{column}: {int(unlike.sum())} of {len(a)} rows, first {before} before, {now} "
            f"now (row {first}{': ' + where[:200] if where else ''})"
        )


def _alike(one: pd.Series, other: pd.Series) -> np.ndarray:
    if all(_is_number(s) for s in (one, other)):
        x, y = (s.astype("Float64").to_numpy(dtype=float, na_value=np.nan) for s in (one, other))
        return np.isclose(x, y, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    same = one.astype(object).where(one.notna(), None) == other.astype(object).where(
        other.notna(), None
    )
    return (same | (one.isna() & other.isna())).to_numpy(dtype=bool)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame.notna(), "").astype(str)


def _told(old: pd.DataFrame, new: pd.DataFrame, keys: list[str]) -> str:
    """Which rows are in one only, by what identifies them."""
    if not keys:
        return ""
    before, now = ({tuple(r) for r in _texts(f[keys]).to_numpy().tolist()} for f in (old, new))
    said = []
    for word, only in (("gone", before - now), ("new", now - before)):
        if only:
            first = "/".join(text for text in sorted(only)[0] if text)
            said.append(f"{len(only)} {word}, first {first[:200]}")
    return f" ({'; '.join(said)})" if said else ""


def _short(value: object) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--trials", type=Path, help="trial folders (else those of NEW)")
    parser.add_argument("--releases", action="store_true", help="OLD and NEW are releases")
    given = parser.parse_args()
    if given.releases:
        found = list(differences(given.old, given.new))
    else:
        trials = given.trials or given.new / "trials"
        with TemporaryDirectory(prefix="ibgap_compare_") as temporary:
            old, new = (
                refreshed(checkout, trials, Path(temporary) / name)
                for name, checkout in (("old", given.old), ("new", given.new))
            )
            found = list(differences(old, new))
    for line in found:
        print(line)
    print(f"{len(found)} differences" if found else "no differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
