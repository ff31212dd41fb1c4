"""What other tools need for the same files: read every data file, group by arm, and take count,
mean and SD of every number. `plain_passes.py pandas|duckdb TRIALS OUT` writes what it found.

Neither checks anything, reads a manifest or writes a table: they are the lower bound that a
refresh is set against.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

_TEXT = {".csv": ",", ".tsv": "\t"}
_NAMES = ("arm", "filename", "person", "gender", "site", "outcome")
Found = dict[str, int]


def data_files(trials: Path) -> Iterator[Path]:
    for folder in sorted(trials.iterdir()):
        yield from (file for file in sorted(folder.iterdir()) if file.name != "trial.yaml")


def by_pandas(trials: Path) -> Found:
    import pandas as pd

    found = {"files": 0, "rows": 0, "groups": 0}
    for file in data_files(trials):
        if file.suffix in _TEXT:
            frame = pd.read_csv(file, sep=_TEXT[file.suffix])
        elif file.suffix == ".parquet":
            frame = pd.read_parquet(file)
        else:
            frame = _other(file)
        found["files"] += 1
        found["rows"] += len(frame)
        if "arm" in frame:
            numbers = frame.select_dtypes("number").columns.difference(["arm"])
            found["groups"] += len(
                frame.groupby("arm")[list(numbers)].agg(["count", "mean", "std"])
            )
    return found


def _other(file: Path):  # type: ignore[no-untyped-def]
    """A spreadsheet or an SPSS file as a frame."""
    import pandas as pd

    if file.suffix == ".xlsx":
        return pd.read_excel(file)
    import pyreadstat

    return pyreadstat.read_sav(str(file))[0]


def by_duckdb(trials: Path) -> Found:
    """DuckDB on all files with the same columns at once; it gets frames of those that it does not
    open."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    found = {"files": 0, "rows": 0, "groups": 0}
    alike: dict[tuple[str, bytes], list[str]] = {}
    for file in data_files(trials):
        found["files"] += 1
        with file.open("rb") as handle:
            head = handle.readline() if file.suffix in _TEXT else str(file).encode()
        alike.setdefault((file.suffix, head), []).append(str(file))
    for (suffix, _), files in alike.items():
        if suffix in _TEXT:
            table = (f"read_csv({files}, delim = '{_TEXT[suffix]}', header = true, "
                     "all_varchar = true, filename = true)")  # fmt: skip
        elif suffix == ".parquet":
            table = f"read_parquet({files}, filename = true)"
        else:
            connection.register("frame", _other(Path(files[0])))
            table = f"(SELECT '{files[0]}' AS filename, * FROM frame)"
        rows, groups = _grouped(connection.execute, table)
        found["rows"] += rows
        found["groups"] += groups
    return found


def _grouped(run, table: str) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """Rows of a table, and its arms with count, mean and SD of every number."""
    run(f"CREATE OR REPLACE TEMP TABLE cells AS FROM {table}")
    columns = [name for name, *_ in run("DESCRIBE cells").fetchall()]
    if "arm" not in columns:
        return run("SELECT count(*) FROM cells").fetchall()[0][0], 0
    asked = "".join(
        f", count({number}), avg({number}), stddev_samp({number})"
        for number in (f'TRY_CAST("{name}" AS DOUBLE)' for name in columns if name not in _NAMES)
    )
    rows = run(f"SELECT arm, filename, count(*){asked} FROM cells GROUP BY ALL").fetchall()
    return sum(row[2] for row in rows), sum(row[0] is not None for row in rows)


def main() -> None:
    how, trials, out = sys.argv[1:]
    passes = {"pandas": by_pandas, "duckdb": by_duckdb}
    Path(out).write_text(json.dumps(passes[how](Path(trials))), encoding="utf-8")


if __name__ == "__main__":
    main()
