"""Bars that the project has to keep: one table of what was measured, and exit code 1 where one is
missed. Ratios are to what was measured in the same run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.pipeline import LARGE, SIZES, Database, Shipped, measure, table, to_stderr

MOST_CLOCK_OF_A_SECOND_RUN = 4.0
MOST_OF_UNCHANGED, MOST_OF_ONE_CHANGED = 2.0, 8.0
MOST_TIMES_PANDAS, MOST_GROWTH = 20.0, 1.25
MOST_MEMORY, MOST_DUCKDB = 700.0, 2.0
TIMES_METAFOR = {
    "pooled mean, k = 13": 4.0, "pooled mean, k = 100": 8.0, "10,000 fits of k = 30": 200.0,
    "each left out, k = 200": 1_000.0, "1,000 permutations, k = 48": 100.0,
    "three levels, 500 effects in 100 trials": 50.0,
    "CHE with CR2, 2,000 effects in 400 trials": 100.0,
}  # fmt: skip
"""How many times less processor time than metafor a task takes at least: about half of what was
measured with both warm, so that a busy machine does not fail."""


@dataclass(frozen=True)
class Bar:
    """One promise. measured: None where it could not be measured, for the reason in `source`.
    at_least: whether the bar is a lower one. source: what was set against what."""

    name: str
    measured: float | None
    bar: float
    source: str
    at_least: bool = False

    @property
    def missed(self) -> bool:
        if self.measured is None:
            return False
        return self.measured < self.bar if self.at_least else not self.measured <= self.bar


def growth(databases: Sequence[Database]) -> float | None:
    """Cost per trial of the largest database over that of the smaller ones, for a first refresh.

    The fixed cost is where the line through the smaller ones (least squares) meets no trials.
    None with fewer than three sizes.
    """
    known = sorted((base.trials, base.cold.cost.processor) for base in databases)
    if len(known) < 3:
        return None
    *smaller, (trials, cost) = known
    slope, fixed = np.polyfit([n for n, _ in smaller], [c for _, c in smaller], 1)
    return float((cost - fixed) / trials / slope)


def pipeline_bars(databases: Sequence[Database], shipped: Shipped) -> list[Bar]:
    """The promises about refreshes."""
    base = next(one for one in databases if one.trials == SIZES[-1])
    cold, n = base.cold.cost, f"{base.trials:,} trials"
    out = [
        Bar("second run of the shipped trials, s by the clock", shipped.second.cost.clock,
            MOST_CLOCK_OF_A_SECOND_RUN, "what a person waits for"),
        Bar("ibgap.duckdb of the shipped release, MB", shipped.duckdb_megabytes, MOST_DUCKDB,
            "size of the file"),
        Bar(f"unchanged, {n}, CPU s",
            base.unchanged.cost.processor if base.unchanged else None, MOST_OF_UNCHANGED,
            "with loading of packages"),
    ]  # fmt: skip
    for name, one in base.changed.items():
        pools = one.synthesis or 0.0
        told = f"less {pools:.1f} s of its group's pools" if pools else "with its group's pools"
        out.append(Bar(f"{name}, {n}, CPU s", one.cost.processor - pools, MOST_OF_ONE_CHANGED,
                       f"with loading of packages, {told}"))  # fmt: skip
    several = "cost per trial of the largest over the smaller ones, without the fixed cost"
    out += [
        Bar(f"first refresh, {n}, times the plain pass", cold.processor / base.pandas.processor,
            MOST_TIMES_PANDAS, f"pandas reads and groups the same files in "
            f"{base.pandas.processor:.1f} CPU s"),
        Bar(f"growth to {max(one.trials for one in databases):,} trials", growth(databases),
            MOST_GROWTH, several),
        Bar(f"peak memory, {n}, MB", max(cold.memory, cold.together), MOST_MEMORY,
            "all processes of the refresh together"),
    ]  # fmt: skip
    return out


def metafor_bars(rows: Sequence[tuple[str, str, float]]) -> list[Bar]:
    """The promises about estimators. rows: task, by whom, processor seconds."""
    own = {task: seconds for task, who, seconds in rows if who == "ibgap"}
    theirs = {task: seconds for task, who, seconds in rows if who.startswith("metafor")}
    out = []
    for task, least in TIMES_METAFOR.items():
        ratio = theirs[task] / own[task] if task in theirs and task in own else None
        source = (
            f"metafor {theirs[task] * 1e3:.2f} ms, ibgap {own[task] * 1e3:.3f} ms, both warm"
            if ratio else "not measured: Rscript with metafor is not there"
        )  # fmt: skip
        out.append(Bar(f"{task}, times faster than metafor", ratio, least, source, at_least=True))
    return out


def bars_text(bars: Sequence[Bar]) -> str:
    """One line per bar."""
    width = max(len(bar.name) for bar in bars)
    lines = [f"{'':<{width}}  {'measured':>10}  {'bar':>12}  {'':<8}source"]
    for bar in bars:
        measured = "-" if bar.measured is None else f"{bar.measured:,.2f}"
        limit = f"{'>=' if bar.at_least else '<='} {bar.bar:,.2f}"
        said = "MISSED" if bar.missed else "-" if bar.measured is None else "kept"
        lines.append(f"{bar.name:<{width}}  {measured:>10}  {limit:>12}  {said:<8}{bar.source}")
    return "\n".join(lines)


def judge(bars: Sequence[Bar]) -> int:
    """Exit code: 1 where a bar is missed."""
    return 1 if any(bar.missed for bar in bars) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help=f"with {LARGE:,} trials, too")
    parser.add_argument("--json", type=Path, help="write the bars to this file, too")
    given = parser.parse_args()
    from benchmarks.estimators import beside_metafor

    databases, shipped = measure(large=given.large, show=to_stderr)
    to_stderr("estimators beside metafor")
    bars = pipeline_bars(databases, shipped) + metafor_bars(beside_metafor())
    print(table(databases, shipped), bars_text(bars), sep="\n\n")
    if given.json:
        given.json.write_text(json.dumps([asdict(bar) for bar in bars], indent=1))
    return judge(bars)


if __name__ == "__main__":
    sys.exit(main())
