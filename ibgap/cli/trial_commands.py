"""`ibgap trial`: draft and check the manifest of a trial."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ibgap.cli import exits
from ibgap.cli.common import fail, project_settings, relative
from ibgap.cli.terminal import echo, echo_json


@click.group()
def trial() -> None:
    """Draft and check trial manifests."""


@trial.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    default=None,
    help="Trials folder (default: the trials folder of the settings).",
)
@click.option("--sheet", default=None, help="Sheet of a spreadsheet (default: looked for).")
@click.option(
    "--header-row",
    type=click.IntRange(min=1),
    default=None,
    help="Row with the names of the columns, from 1 (default: looked for in spreadsheets).",
)
def trial_new(file: Path, target: Path | None, sheet: str | None, header_row: int | None) -> None:
    """Draft a manifest from a data file.

    \b
    Makes TRIALS/NAME/ with a copy of the file and a trial.yaml to complete. A file that lies in
    a trial folder without trial.yaml stays there and gets one beside it.
    Example:  ibgap trial new ~/data/my_trial.sav
    Example:  ibgap trial new ~/data/my_trial.xlsx --sheet Data --header-row 3
    """
    from ibgap.cli.draft import DraftError, draft_trial, find_file

    try:
        settings = project_settings()
        trials_dir = target or settings.trials_dir
        named = find_file(file, trials_dir)
        folder = draft_trial(named, trials_dir, sheet, header_row, settings.reading)
    except DraftError as error:
        fail(str(error), exits.USAGE)
    echo(f"Drafted {relative(folder / 'trial.yaml')}.")
    echo("Complete the lines marked CHECK, then run:")
    echo(f"  ibgap trial check {relative(folder)}")


@trial.command("check")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print findings and files read as JSON.")
def trial_check(folder: Path, as_json: bool) -> None:
    """List all faults of a trial folder at once, with file, row, column and the fix; and how each
    file was read.

    \b
    Example:  ibgap trial check trials/my_trial
    Exit codes: 0 nothing wrong, 4 something would be set aside.
    """
    from ibgap.cli.check import check_folder, report_json, report_text

    if not folder.is_dir():
        fail(
            f"there is no folder {str(folder)!r} (for a file: `ibgap trial new FILE`)", exits.USAGE
        )
    found = check_folder(folder, project_settings())
    if as_json:
        echo_json(report_json(found))
    else:
        echo(report_text(found))
    sys.exit(exits.SET_ASIDE if found.sets_aside else exits.OK)


@trial.command("schema")
def trial_schema() -> None:
    """Print the JSON Schema of trial.yaml, for editors that complete it.

    \b
    Example:  ibgap trial schema > trial.schema.json
    """
    from validations.manifest.schema import manifest_json_schema_text

    echo(manifest_json_schema_text(), nl=False)
