"""`ibgap findings`, `diff` and `explain`: what results rest on and what changed."""

from __future__ import annotations

from typing import Any

import click

from ibgap.cli import exits
from ibgap.cli.common import fail, print_rows, project_settings, reads_release
from ibgap.cli.terminal import echo, echo_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all columns as JSON.")
@reads_release
def findings(release: Any, as_json: bool) -> None:
    """List everything wrong or doubtful, with what to do.

    \b
    Example:  ibgap findings
    """
    table = release.table("findings")

    def text() -> str:
        lines = []
        for row in table.to_dict("records"):
            place = ", ".join(
                part
                for part in (
                    row["file"],
                    f"row {row['row']}"
                    if row["row"] == row["row"]
                    and row["row"] is not None
                    and str(row["row"]) != "<NA>"
                    else "",
                    row["column"],
                )
                if part
            )
            status = "" if row["status"] == "open" else f" ({row['status']} by {row['waived_by']})"
            lines.append(
                f"{row['severity'].upper():7} {row['trial_id']} [{place}]{status}: {row['message']}"
            )
            if row["fix"]:
                lines.append(f"        -> {row['fix']}")
        return "\n".join(lines) or "No findings."

    print_rows(table, as_json, text)


@click.command()
@click.argument("old", required=False, default="")
@click.argument("new", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def diff(old: str, new: str, as_json: bool) -> None:
    """Say what changed between two releases, and what moved the results.

    OLD is by default the release before NEW, NEW the current one.

    \b
    Example:  ibgap diff
    """
    from dashboard.files import to_json
    from ibgap.cli.diff import as_data, as_text, find_changes
    from ibgap.releases.reader import NoReleaseError

    try:
        found = find_changes(project_settings().releases_dir, old, new)
    except NoReleaseError as error:
        fail(str(error), exits.NO_RELEASE)
    if as_json:
        echo_json(to_json(as_data(found)).decode())
    else:
        echo(as_text(found))


@click.command()
@click.argument("effect_id")
@reads_release
def explain(release: Any, effect_id: str) -> None:
    """Trace an effect to its formula, numbers, file rows, rules and pools.

    \b
    Example:  ibgap explain burger2022_vaccination:benefits_vs_control:vaccinated@15w:SMD
    """
    from ibgap.cli.explain import UnknownEffectError
    from ibgap.cli.explain import explain as trace

    try:
        echo(trace(release, effect_id))
    except UnknownEffectError as error:
        fail(str(error), exits.USAGE)
