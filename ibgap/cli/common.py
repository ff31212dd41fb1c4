"""What commands share: settings, the chosen release, how a command fails."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ibgap.cli import exits
from ibgap.cli.terminal import echo, echo_json


def project_settings() -> Any:
    """The project's settings; a wrong one ends the command."""
    from pipelines.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        fail(str(error), exits.USAGE)


def fail(message: str, code: int) -> None:
    echo(f"ibgap: {message}", err=True)
    sys.exit(code)


def reads_release(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command the chosen release; say plainly when there is none."""

    @click.option("--release", "release_id", default="current", help="Release id.")
    @wraps(command)
    def wrapped(release_id: str, **options: Any) -> None:
        from ibgap.releases.reader import NoReleaseError, open_release

        try:
            command(open_release(project_settings().releases_dir, release_id), **options)
        except NoReleaseError as error:
            fail(str(error), exits.NO_RELEASE)

    return wrapped


def print_rows(frame: Any, as_json: bool, text: Callable[[], str]) -> None:
    if as_json:
        echo_json(frame.to_json(orient="records", double_precision=15, indent=1))
    else:
        echo(text())


def relative(path: Path) -> str:
    """The path from here, where it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
