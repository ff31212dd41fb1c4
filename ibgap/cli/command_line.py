"""The `ibgap` command. Heavy imports stay inside its commands, so that help is instant."""

from __future__ import annotations

import click

from ibgap.cli.evidence import diff, explain, findings
from ibgap.cli.outward import dashboard, export
from ibgap.cli.refresh_command import refresh
from ibgap.cli.results import effects, gap, pool
from ibgap.cli.simulate import simulate
from ibgap.cli.trial_commands import trial
from ibgap.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ibgap")
def main() -> None:
    """Quantify the intention-behavior gap across intervention trials.

    \b
    Begin with:
      ibgap refresh              read the trials folder and publish a release
      ibgap gap                  the gap of the current release
      ibgap trial new FILE       draft a manifest for your own data file
    """


for command in (
    refresh, gap, pool, effects, findings, explain, diff, export, dashboard, trial, verify, simulate
):  # fmt: skip
    main.add_command(command)

if __name__ == "__main__":
    main()
