"""Runs every benchmark: the estimators with ratios to this project, refreshes beside plain passes,
then the dashboard's budgets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import dashboard, estimators, pipeline
from benchmarks.timing import text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few trials, few repeats of the dashboard"
    )
    quick = parser.parse_args().quick
    rows = estimators.rows(quick=quick)
    own = {name: seconds for name, who, seconds in rows if who == "ibgap"}
    width = max(len(name) for name, _, _ in rows)
    print(f"{'what':<{width}}  {'who':<28} {'CPU time':>10}  {'x ibgap':>8}")
    for name, who, seconds in rows:
        print(f"{name:<{width}}  {who:<28} {text(seconds):>10}  {seconds / own[name]:>8.1f}")
    print()
    size = 20 if quick else 100
    databases = [pipeline.measure_database(size, show=pipeline.to_stderr)]
    print(pipeline.table(databases, pipeline.measure_shipped(pipeline.to_stderr)))
    print()
    dashboard.run(quick=quick)


if __name__ == "__main__":
    main()
