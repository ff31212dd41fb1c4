"""`ibgap refresh`: from the trial folders to a release, and the answer in a terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ibgap.cli import exits
from ibgap.cli.common import fail, project_settings, relative
from ibgap.cli.terminal import echo, echo_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def refresh(as_json: bool) -> None:
    """Read all trial folders and publish a release.

    \b
    Example:  ibgap refresh
    Exit codes: 0 nothing set aside by an error or hold, 4 something was, 3 no release made,
    5 another refresh runs.
    """
    from assets.staging.trial_folders import NoTrialsError
    from ibgap.cli.progress import ProgressLine
    from pipelines.refresh import BusyError, RefreshFailedError
    from pipelines.refresh import refresh as run

    progress = ProgressLine()
    settings = project_settings()
    try:
        result = run(settings, progress)
    except NoTrialsError as error:
        fail(str(error), exits.NO_RELEASE)
    except BusyError as error:
        fail(str(error), exits.BUSY)
    except RefreshFailedError as error:
        progress.close()
        fail(f"no release was made: {error}. The last release stays.", exits.NO_RELEASE)
    progress.close()
    _say_result(result, settings, as_json)
    sys.exit(exits.SET_ASIDE if result.set_aside else exits.OK)


def _say_result(result: Any, settings: Any, as_json: bool) -> None:
    from ibgap.cli.answer import answer, others, side_note
    from ibgap.releases.reader import open_release

    if as_json:
        echo_json(
            json.dumps(
                {
                    "release_id": result.release_id,
                    "path": str(result.path),
                    "is_new": result.is_new,
                    "set_aside": result.set_aside,
                    "failed_checks": result.failed_checks,
                    "processor_seconds": result.processor_seconds,
                },
                indent=1,
            )
        )
        return
    release = open_release(settings.releases_dir, result.release_id)
    echo(answer(release))
    note, more = side_note(release), others(release)
    if note:
        echo(f"Note: {note}. See `ibgap findings`.")
    if more:
        echo(f"Analyzed apart: {', '.join(more)}. See `ibgap pool`.")
    word = "new release" if result.is_new else "nothing changed since release"
    echo(f"\nReport: {relative(result.path / 'report.html')}  ({word} {result.release_id})")
