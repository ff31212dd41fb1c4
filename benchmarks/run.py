"""Runs every benchmark and prints one table with ratios to this project."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import estimators, journey
from benchmarks.timing import text


def main() -> None:
    rows = [*estimators.one_pool(), *estimators.joint_model(), *journey.refreshes()]
    own = {name: seconds for name, who, seconds in rows if who == "ibgap"}
    width = max(len(name) for name, _, _ in rows)
    print(f"{'what':<{width}}  {'who':<28} {'time':>10}  {'x ibgap':>8}")
    for name, who, seconds in rows:
        print(f"{name:<{width}}  {who:<28} {text(seconds):>10}  {seconds / own[name]:>8.1f}")


if __name__ == "__main__":
    main()
