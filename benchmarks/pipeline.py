"""Refreshes of simulated databases beside plain passes over the same files, in one run.

Every measurement is a process of its own: processor seconds (user and system, with children),
seconds by the clock and peak memory. What a refresh costs includes loading its packages.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import ACCEPTED, ROOT, Cost, run
from ibgap.simulation import LOAD_SHARES, Plan, TrialTruth, simulate

SIZES, LARGE = (100, 400, 1_000), 10_000
"""Trials; a size of its own with `--large`."""
SEED = 20
_REFRESH = [sys.executable, "-m", "ibgap.cli.command_line", "refresh", "--json"]
_PASSES = ROOT / "benchmarks" / "plain_passes.py"
Show = Callable[[str], None]


@dataclass(frozen=True)
class Refreshed:
    """A refresh that was measured. synthesis: processor seconds of the pools and what follows from
    them, where the refresh tells."""

    cost: Cost
    synthesis: float | None = None


@dataclass(frozen=True)
class Database:
    """Measurements on one simulated database. changed: by synthesis and number of its trials."""

    trials: int
    files: int
    megabytes: float
    pandas: Cost
    duckdb: Cost
    cold: Refreshed
    unchanged: Refreshed | None = None
    changed: dict[str, Refreshed] = field(default_factory=dict)


@dataclass(frozen=True)
class Shipped:
    """The trials that the project ships: first and second refresh, and the DuckDB file in MB."""

    cold: Refreshed
    second: Refreshed
    duckdb_megabytes: float


@contextmanager
def project(trials: Path) -> Iterator[Path]:
    """A project folder of its own for these trials, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="ibgap_bench_") as temporary:
        home = Path(temporary)
        (home / "trials").symlink_to(trials)
        yield home


def refresh(home: Path, show: Show = print) -> Refreshed:
    """One `ibgap refresh` of a project; shows what it cost."""
    cost, printed = run(_REFRESH, expected=ACCEPTED, IBGAP_HOME=str(home))
    show(f"  {cost.processor:.1f} CPU s, {cost.clock:.1f} s, {cost.together:.0f} MB")
    return Refreshed(cost, synthesis_seconds(printed))


def synthesis_seconds(printed: str) -> float | None:
    """Processor seconds of the syntheses as `refresh --json` tells them; None where it does not."""
    told = json.loads(printed)
    seconds = told.get("processor_seconds") if isinstance(told, dict) else None
    found = seconds.get("synthesis") if isinstance(seconds, dict) else None
    return float(found) if found is not None else None


def change_one_value(trials: Path, trial: TrialTruth) -> None:
    """Another value in one cell of a trial's participants: the first one that is filled."""
    path = trials / trial.trial / "participants.csv"
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    place = rows[0].index("upstream")
    values = [row[place] for row in rows[1:]]
    here = next(i for i, value in enumerate(values) if value not in ("", "-99"))
    rows[here + 1][place] = next(v for v in values if v not in ("", "-99", values[here]))
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")


def to_change(trials: Path, truth: Sequence[TrialTruth]) -> dict[str, TrialTruth]:
    """One trial with a CSV of participants in the smallest synthesis that has one, and one in the
    largest."""
    sizes = Counter(one.synthesis for one in truth)
    first: dict[str, TrialTruth] = {}
    for one in truth:
        if (trials / one.trial / "participants.csv").is_file():
            first.setdefault(one.synthesis, one)
    ordered = sorted(first, key=lambda group: (sizes[group], group))
    return {
        f"one changed in {group} ({sizes[group]} trials)": first[group]
        for group in dict.fromkeys((ordered[0], ordered[-1]))
    }


def measure_database(size: int, *, whole: bool = True, show: Show = print) -> Database:
    """Plain passes and refreshes of a simulated database. whole: with the refreshes after the
    first."""
    with tempfile.TemporaryDirectory(prefix="ibgap_bench_") as temporary:
        made = Path(temporary) / "made"
        show(f"{size:,} trials: simulating")
        truth = simulate(made, Plan(trials=size, seed=SEED, shares=LOAD_SHARES, defects=0.0))
        trials = made / "trials"
        passes = {}
        for how in ("pandas", "duckdb"):
            show(f"{size:,} trials: plain pass of {how}")
            found = Path(temporary) / f"{how}.json"
            command = [sys.executable, str(_PASSES), how, str(trials), str(found)]
            passes[how], _ = run(command)
        files = json.loads(found.read_text(encoding="utf-8"))["files"]
        total = sum(f.stat().st_size for f in trials.rglob("*") if f.is_file()) / 1e6
        with project(trials) as home:
            show(f"{size:,} trials: first refresh")
            cold = refresh(home, show)
            unchanged, changed = None, {}
            if whole:
                show(f"{size:,} trials: refresh of the unchanged")
                unchanged = refresh(home, show)
                for name, trial in to_change(trials, truth.trials).items():
                    show(f"{size:,} trials: {name}")
                    change_one_value(trials, trial)
                    changed[name] = refresh(home, show)
        return Database(
            size, files, total, passes["pandas"], passes["duckdb"], cold, unchanged, changed
        )


def measure_shipped(show: Show = print) -> Shipped:
    """The shipped trials, refreshed twice."""
    with project(ROOT / "trials") as home:
        show("shipped trials: first refresh")
        cold = refresh(home, show)
        show("shipped trials: second refresh")
        second = refresh(home, show)
        file = home / "releases" / "current" / "ibgap.duckdb"
        return Shipped(cold, second, file.stat().st_size / 1e6)


def table(databases: list[Database], shipped: Shipped) -> str:
    """All measurements with ratios to the plain pass of pandas of the same files."""
    head = (
        f"{'':<44}{'CPU s':>9}{'ms/trial':>10}{'x pandas':>10}{'clock s':>9}{'MB':>7}{'pools':>8}"
    )
    lines = [head]

    def add(name: str, one: Refreshed, trials: int, pandas: Cost | None) -> None:
        ratio = f"{one.cost.processor / pandas.processor:>10.1f}" if pandas else f"{'':>10}"
        told = "" if one.synthesis is None else f"{one.synthesis:.1f}"
        lines.append(
            f"{name:<44}{one.cost.processor:>9.2f}{1e3 * one.cost.processor / trials:>10.1f}{ratio}"
            f"{one.cost.clock:>9.2f}{max(one.cost.memory, one.cost.together):>7.0f}{told:>8}"
        )

    for base in databases:
        lines.append(f"{base.trials:,} trials, {base.files:,} data files, {base.megabytes:.1f} MB")
        add("  plain pass of pandas", Refreshed(base.pandas), base.trials, base.pandas)
        add("  plain pass of DuckDB", Refreshed(base.duckdb), base.trials, base.pandas)
        add("  ibgap refresh, first", base.cold, base.trials, base.pandas)
        if base.unchanged:
            add("  ibgap refresh, unchanged", base.unchanged, base.trials, base.pandas)
        for name, one in base.changed.items():
            add(f"  ibgap refresh, {name}", one, base.trials, base.pandas)
    lines.append("shipped trials")
    count = sum(1 for _ in (ROOT / "trials").iterdir())
    add("  ibgap refresh, first", shipped.cold, count, None)
    add("  ibgap refresh, second", shipped.second, count, None)
    return "\n".join([*lines, f"  ibgap.duckdb: {shipped.duckdb_megabytes:.1f} MB"])


def measure(*, large: bool = False, show: Show = print) -> tuple[list[Database], Shipped]:
    """Every size; refreshes after the first at the smallest, at 1,000 and at the largest size."""
    sizes = (*SIZES, LARGE) if large else SIZES
    whole = {sizes[0], SIZES[-1], sizes[-1]}
    return [measure_database(n, whole=n in whole, show=show) for n in sizes], measure_shipped(show)


def to_stderr(text: str) -> None:
    print(f"  {text} ...", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help=f"with {LARGE:,} trials, too")
    parser.add_argument("--trials", type=int, help="one database of this size only")
    parser.add_argument("--json", type=Path, help="write the numbers to this file, too")
    given = parser.parse_args()
    if given.trials:
        databases, shipped = [measure_database(given.trials, show=to_stderr)], None
    else:
        databases, shipped = measure(large=given.large, show=to_stderr)
    shipped = shipped or measure_shipped(to_stderr)
    print(table(databases, shipped))
    if given.json:
        record = {"databases": [asdict(d) for d in databases], "shipped": asdict(shipped)}
        given.json.write_text(json.dumps(record, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
