"""One trial of very many persons: a whole refresh beside one pass of DuckDB over the same file.

Every measurement is a process of its own: processor seconds (user and system, with children) and
peak resident memory. What a refresh costs beyond loading its packages is set against a pass of
DuckDB that reads the same columns as text, screens them (numbers, ranges, known arms), looks for
ids that stand twice and adds up each arm.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.processes import ACCEPTED, run_code

_MANIFEST = """ibgap: 1
id: large
label: Large 2024
topic: generated
design: {type: parallel}
arms:
  - {id: letter, role: experimental}
  - {id: control, role: control}
sources:
  - {id: people, kind: participant_rows, file: people.csv, columns: {participant: id, arm: arm}}
outcomes:
  - {id: intention, construct: intention, column: intention, baseline_column: intention_before,
     higher_is_better: true, scale: {type: continuous, min: 1, max: 7}, timepoint: {weeks: 0}}
  - {id: visit, construct: behavior, column: visited, higher_is_better: true,
     scale: {type: binary}, timepoint: {weeks: 12}}
provenance: {citation: generated, source: generated, license: CC0}
"""
COLUMNS = ("id", "arm", "site", "age", "intention_before", "intention", "visited")
_CHUNK = 100_000


def generate(folder: Path, persons: int, seed: int = 11) -> Path:
    """A trial folder with `persons` rows of 7 columns, of which 3 percent have no behavior;
    returns the file of participants."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    (folder / "trial.yaml").write_text(_MANIFEST, encoding="utf-8")
    path = folder / "people.csv"
    with path.open("w", encoding="utf-8") as handle:
        handle.write(",".join(COLUMNS) + "\n")
        for start in range(0, persons, _CHUNK):
            handle.writelines(_lines(rng, start, min(_CHUNK, persons - start)))
    return path


def _lines(rng: np.random.Generator, start: int, count: int) -> list[str]:
    treated = rng.integers(0, 2, count)
    latent = rng.normal(0.0, 1.0, count)
    before, after = (
        np.clip(np.rint(4.0 + 1.2 * latent + shift + rng.normal(0.0, 0.9, count)), 1, 7)
        for shift in (0.0, 0.3 * treated)
    )
    visited = np.where(latent + 0.2 * treated + rng.normal(0.0, 1.0, count) > 0.5, "1", "0")
    visited[rng.random(count) < 0.03] = ""
    arms = np.where(treated, "letter", "control")
    columns = (arms, rng.integers(1, 41, count), rng.integers(18, 90, count), before, after)
    return [
        f"P{number:08d},{arm},S{site:02d},{age},{pre:.0f},{post:.0f},{v}\n"
        for number, arm, site, age, pre, post, v in zip(
            range(start, start + count), *(c.tolist() for c in columns), visited, strict=True
        )
    ]


_REFRESH = """
import atexit, json, sys
modules = sys.argv.pop()
atexit.register(lambda: open(modules, "w").write(json.dumps(list(sys.modules))))
sys.argv = ["ibgap", "refresh"]
from ibgap.cli.command_line import main
main()
"""
_IMPORTS = """
import contextlib, importlib, json, sys, warnings
warnings.simplefilter("ignore")
for name in json.load(open(sys.argv[1])):
    with contextlib.suppress(Exception):
        importlib.import_module(name)
"""
_DUCKDB = """
import json, sys
import duckdb
file, names, out = sys.argv[1:]
columns = dict.fromkeys(names.split(","), "VARCHAR")
run = duckdb.connect().execute
run(f"CREATE TABLE cells AS FROM read_csv('{file}', header = true, columns = {columns})")
run('''
    CREATE TABLE screened AS SELECT id, arm, arm IN ('letter', 'control') AS known,
        TRY_CAST(intention AS DOUBLE) AS i, TRY_CAST(visited AS DOUBLE) AS v,
        TRY_CAST(intention_before AS DOUBLE) AS b,
        intention IS NULL OR coalesce(i BETWEEN 1 AND 7, false) AS i_right,
        visited IS NULL OR coalesce(v IN (0, 1), false) AS v_right,
        intention_before IS NULL OR b IS NOT NULL AS b_right
    FROM cells
''')
twice = run("SELECT count(*) - count(DISTINCT id) FROM screened").fetchall()[0][0]
arms = run('''
    SELECT arm, count(i), avg(i), stddev_samp(i), count(v), sum(v), corr(i, b)
    FROM screened WHERE known AND i_right AND v_right AND b_right GROUP BY arm ORDER BY arm
''').fetchall()
json.dump({"twice": twice, "arms": arms}, open(out, "w"))
"""


def compare(persons: int) -> dict[str, object]:
    """Costs of a refresh, of loading its packages and of DuckDB's pass, and whether the refresh and
    DuckDB found the same persons, means and SDs in the arms."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        file = generate(root / "trials" / "large", persons)
        modules, found = root / "modules.json", root / "duckdb.json"
        where = {
            "IBGAP_TRIALS_DIR": str(root / "trials"),
            "IBGAP_STORE_DIR": str(root / "store"),
            "IBGAP_RELEASES_DIR": str(root / "releases"),
        }
        costs = {
            "refresh": run_code(_REFRESH, str(modules), expected=ACCEPTED, **where),
            "loading its packages": run_code(_IMPORTS, str(modules)),
            "pass of DuckDB": run_code(_DUCKDB, str(file), ",".join(COLUMNS), str(found)),
        }
        agree = _agree(root / "store", json.loads(found.read_text(encoding="utf-8")))
        megabytes = file.stat().st_size / 1e6
    refresh, loading, duckdb = costs.values()
    work = max(refresh.processor - loading.processor, 0.0)
    return {
        "persons": persons,
        "file_mb": megabytes,
        "costs": {name: asdict(cost) for name, cost in costs.items()},
        "work_of_the_refresh": work,
        "ratio_of_work": work / duckdb.processor,
        "ratio_of_memory": refresh.memory / duckdb.memory,
        "agree": agree,
    }


def _agree(store: Path, found: dict[str, list[list[float | str]]]) -> bool:
    """Whether the arms of the refresh are those of DuckDB."""
    import pandas as pd

    table = pd.read_parquet(store / "outcomes" / "arm_statistics.parquet")
    arms = table[table["outcome"] == "intention"].sort_values("arm")
    own = list(zip(arms["arm"], arms["n"], arms["mean"], arms["sd"], strict=True))
    visits = table[table["outcome"] == "visit"].sort_values("arm")
    own_visits = list(zip(visits["n"], visits["events"], strict=True))
    theirs = found["arms"]
    return (
        not found["twice"]
        and len(own) == len(theirs) == len(own_visits)
        and all(
            one[0] == two[0] and all(map(_close, [*one[1:], *more], two[1:6]))
            for one, more, two in zip(own, own_visits, theirs, strict=True)
        )
    )


def _close(one: float, two: float | str) -> bool:
    return math.isclose(one, float(two), rel_tol=1e-9)


def _text(found: dict[str, object]) -> str:
    costs: dict[str, dict[str, float]] = found["costs"]  # type: ignore[assignment]
    reference = costs["pass of DuckDB"]
    lines = [
        f"{found['persons']:,} persons, {found['file_mb']:.0f} MB; ratios to the pass of DuckDB",
        f"{'':<24}{'CPU s':>8}{'ratio':>8}{'clock s':>9}{'MB':>8}{'ratio':>8}",
    ]
    work = found["work_of_the_refresh"]
    for name, cost in costs.items():
        lines.append(
            f"{name:<24}{cost['processor']:>8.2f}{cost['processor'] / reference['processor']:>8.1f}"
            f"{cost['clock']:>9.2f}{cost['memory']:>8.0f}"
            f"{cost['memory'] / reference['memory']:>8.1f}"
        )
    lines.append(f"{'refresh without loading':<24}{work:>8.2f}{found['ratio_of_work']:>8.1f}")
    same = "the same" if found["agree"] else "NOT THE SAME"
    return "\n".join([*lines, f"persons, means and SDs of the arms: {same}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    arguments = parser.parse_args()
    found = compare(arguments.persons)
    print(json.dumps(found, indent=1) if arguments.json else _text(found))
    sys.exit(0 if found["agree"] else 1)


if __name__ == "__main__":
    main()
