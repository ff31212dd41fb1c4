"""`ibgap simulate`: a database of simulated trials whose truth is known."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from ibgap.cli import exits
from ibgap.cli.terminal import echo, echo_json

_MIXES = ("everything", "load")
_SHARE = click.FloatRange(0, 1)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--trials", default=100, show_default=True, help="Number of trial folders.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same bytes.")
@click.option("--mix", type=click.Choice(_MIXES), default="everything", show_default=True,
              help="Kinds of data: all of them, or the three of load tests (60 % participant rows, "
              "25 % arm summaries, 15 % printed effects).")  # fmt: skip
@click.option("--defects", type=_SHARE, default=0.03, show_default=True,
              help="Share of folders with one planted fault.")  # fmt: skip
@click.option("--public", type=_SHARE, default=0.25, show_default=True,
              help="Share of trials with participants that are published as they are.")  # fmt: skip
@click.option("--persons", nargs=2, type=int, default=(200, 500), show_default=True,
              help="Fewest and most persons of a trial.")  # fmt: skip
@click.option("--dropout", nargs=2, type=float, default=(0.05, 0.12), show_default=True,
              help="Smallest and largest share lost before the follow-up.")  # fmt: skip
@click.option("--mean-intention", default=0.40, show_default=True, help="Mean effect, in SDs.")
@click.option("--mean-behavior", default=0.22, show_default=True, help="Mean effect, in SDs.")
@click.option("--tau-intention", default=0.20, show_default=True, help="SD of effects over trials.")
@click.option("--tau-behavior", default=0.15, show_default=True, help="SD of effects over trials.")
@click.option("--tau-correlation", default=0.60, show_default=True,
              help="Correlation of the two effects over trials.")  # fmt: skip
@click.option("--within-arm-correlation", default=0.40, show_default=True,
              help="Correlation of intention and behavior of persons in one arm.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def simulate(out: Path, mix: str, as_json: bool, **given: Any) -> None:
    """Write a database of simulated trials into the new folder OUT.

    OUT/trials holds the trial folders, OUT/truth.json the true effects of every trial and the
    planted faults with the rules that report them. Folder i depends on the seed and on i alone:
    100 trials are the first 100 of 1,000.

    \b
    Example:  ibgap simulate made --trials 200 --seed 7
              IBGAP_HOME=made ibgap refresh
    Exit codes: 0 written, 2 OUT is not empty or a number is impossible.
    """
    from ibgap.simulation import EVERY_KIND, LOAD_SHARES, NotEmptyError, Plan, PlanError
    from ibgap.simulation import simulate as run

    try:
        plan = Plan(**given, shares=EVERY_KIND if mix == "everything" else LOAD_SHARES)
        truth = run(out, plan)
    except (NotEmptyError, PlanError) as error:
        echo(f"ibgap: nothing was written: {error}", err=True)
        sys.exit(exits.USAGE)
    except OSError as error:
        echo(f"ibgap: {out.name!r} could not be written: {error.strerror}", err=True)
        sys.exit(exits.USAGE)
    kinds = Counter(one.kind for one in truth.trials)
    if as_json:
        echo_json(json.dumps(
            {"trials": plan.trials, "seed": plan.seed, "kinds": dict(kinds),
             "defects": len(truth.defects)}, indent=1))  # fmt: skip
        return
    told = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in kinds.most_common())
    echo(f"{plan.trials} trial folders: {told}")
    echo(f"Planted faults: {len(truth.defects)}. What is true: {out / 'truth.json'}")
    echo(f"Next:  IBGAP_HOME={out} ibgap refresh")
