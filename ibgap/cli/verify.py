"""`ibgap verify`: whether releases are as they were published."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ibgap.cli import exits
from ibgap.cli.common import fail, project_settings
from ibgap.cli.terminal import echo, echo_json

if TYPE_CHECKING:
    from ibgap.releases.verify import Verified, VerifiedFolder


@click.command()
@click.argument("release_id", default="current")
@click.option("--all", "all_of_them", is_flag=True, help="Every release that is kept.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(release_id: str, all_of_them: bool, as_json: bool) -> None:
    """Check that a release is as it was published.

    Hashes of all files, missing and added files, declared columns, kinds and keys, promises across
    tables, the DuckDB file against the tables, and what killed runs left. Changes nothing.

    \b
    Example:  ibgap verify --all
    Exit codes: 0 as published, 3 there is no such release, 6 a release or its link is damaged.
    """
    from ibgap.base.machine import machine_fault_in_words
    from ibgap.releases.verify import verify_folder, verify_release

    releases_dir = project_settings().releases_dir
    try:
        chosen = _chosen(releases_dir, release_id, all_of_them)
        found = [verify_release(releases_dir / one) for one in chosen]
    except LookupError as error:
        fail(str(error.args[0]), exits.NO_RELEASE)
    except Exception as error:
        words = machine_fault_in_words(error)
        if not words:
            raise
        fail(f"while the releases were read, {words}; nothing is known of them", exits.NO_RELEASE)
    folder = verify_folder(releases_dir)
    if as_json:
        echo_json(json.dumps(as_data(found, folder), indent=1))
    else:
        echo(as_text(found, folder))
    damaged = bool(folder.faults) or not all(one.is_whole for one in found)
    sys.exit(exits.DAMAGED if damaged else exits.OK)


def _chosen(releases_dir: Path, release_id: str, all_of_them: bool) -> list[str]:
    """Ids of the releases to check; raises `LookupError` where there is none of them."""
    from ibgap.releases.shelf import CURRENT, current_id, kept_ids

    kept = kept_ids(releases_dir)
    if all_of_them and kept:
        return kept[::-1]
    if not kept:
        raise LookupError("there is no release yet; run `ibgap refresh` to make one")
    if release_id in kept:
        return [release_id]
    if release_id != CURRENT:
        raise LookupError(f"there is no release {release_id!r}; known: {', '.join(kept)}")
    shown = current_id(releases_dir)
    return [shown] if shown else []


def as_text(found: list[Verified], folder: VerifiedFolder) -> str:
    """What was found, for a terminal, with what to do next."""
    lines = []
    for one in found:
        older = "" if one.held_by == "hashes" else " (by sizes: it is older than hashes)"
        state = "is as it was published" if one.is_whole else "is damaged"
        lines.append(f"{one.release_id} {state}{older}")
        lines += [f"  {fault}" for fault in one.faults]
    lines += [f"damaged: {fault}" for fault in folder.faults]
    lines += [f"left over: {left}" for left in folder.left]
    if folder.faults or not all(one.is_whole for one in found):
        lines.append("Next: `ibgap refresh` makes a whole release; older ones come from a backup.")
    elif folder.left:
        lines.append("Next: the next `ibgap refresh` that publishes removes what was not finished.")
    return "\n".join(lines)


def as_data(found: list[Verified], folder: VerifiedFolder) -> dict[str, Any]:
    """What was found, for programs."""
    return {
        "releases": [
            {
                "release_id": one.release_id,
                "whole": one.is_whole,
                "held_by": one.held_by,
                "faults": list(one.faults),
            }
            for one in found
        ],
        "folder": {"faults": list(folder.faults), "left": list(folder.left)},
    }
