"""The folder that holds the releases: every change of it is one step that a kill cannot halve.

`current` is a link to the release that readers see. `published.jsonl` says in which order releases
were shown. A mark (`.publishing-ID`) stands beside a release from before it gets its name until
it is shown, so that one that never was can be told from the others.
"""

from __future__ import annotations

import json
from pathlib import Path

from ibgap.base.writing import (
    link_whole,
    name_whole,
    remove,
    remove_named,
    remove_unfinished,
    write_whole,
)
from ibgap.releases.whole import RECORD

CURRENT = "current"
HISTORY = "published.jsonl"
MARK = ".publishing-"


class ReleasesFolderError(Exception):
    """The folder of the releases is not as it has to be; the text says what to do."""


def current_id(releases_dir: Path) -> str:
    """The id of the release that readers see; empty where there is none."""
    current = releases_dir / CURRENT
    return current.resolve().name if (current / RECORD).is_file() else ""


def prepare(releases_dir: Path) -> None:
    """Make the folder and remove what killed runs left there. Only for who alone publishes.

    Raises `ReleasesFolderError` where `current` is a folder of its own.
    """
    releases_dir.mkdir(parents=True, exist_ok=True)
    current = releases_dir / CURRENT
    if current.is_dir() and not current.is_symlink():
        raise ReleasesFolderError(
            f"nothing was published: {CURRENT!r} in the folder of the releases is a folder, and it "
            "has to be a link to the release that readers see; give it the release id of its "
            f"{RECORD} as name, or delete it, then run `ibgap refresh` again"
        )
    clear(releases_dir)


def clear(releases_dir: Path) -> None:
    """Remove what was not finished, also releases that were named and never shown."""
    remove_unfinished(releases_dir, deep=False)
    for release_id in never_shown(releases_dir):
        if (releases_dir / release_id).is_dir():
            remove_named(releases_dir / release_id)
    for mark in releases_dir.glob(f"{MARK}*"):
        remove(mark)


def never_shown(releases_dir: Path) -> list[str]:
    """Releases that a killed run named and did not show."""
    marked = {p.name.removeprefix(MARK) for p in releases_dir.glob(f"{MARK}*")}
    return sorted(marked - {current_id(releases_dir)})


def shelve(releases_dir: Path, made: Path, release_id: str) -> Path:
    """Give a finished folder its name among the releases and show it to readers.

    A damaged release of the same id is replaced.
    """
    mark = releases_dir / f"{MARK}{release_id}"
    target = releases_dir / release_id
    write_whole(mark, b"")
    if target.is_dir():
        remove_named(target)
    name_whole(made, target)
    show(releases_dir, release_id)
    remove(mark)
    return target


def show(releases_dir: Path, release_id: str) -> None:
    """Let readers see a release that is there, whole."""
    shown = history(releases_dir)
    if not shown or shown[-1] != release_id:
        lines = [json.dumps({"release_id": one}) + "\n" for one in (*shown, release_id)]
        write_whole(releases_dir / HISTORY, "".join(lines).encode())
    link_whole(releases_dir / CURRENT, release_id)


def history(releases_dir: Path) -> list[str]:
    """Ids of the releases in the order in which they were shown; one may stand there again."""
    try:
        lines = (releases_dir / HISTORY).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [name for line in lines if (name := _id_in(line))]


def _id_in(line: str) -> str:
    try:
        return str(json.loads(line)["release_id"])
    except (ValueError, KeyError, TypeError):
        return ""


def in_order(releases_dir: Path, made_at: dict[str, str]) -> list[str]:
    """Ids of releases in the order in which they were shown last, whatever the clock said.

    made_at: when each was made, by id; those of which no order is known come first, by this.
    """
    place = {name: i for i, name in enumerate(history(releases_dir))}
    return sorted(made_at, key=lambda one: (place.get(one, -1), made_at[one], one))


def kept_ids(releases_dir: Path) -> list[str]:
    """Ids of the releases that are there, the one shown last at the end."""
    made_at = {}
    unfinished = set(never_shown(releases_dir))
    for folder in releases_dir.iterdir() if releases_dir.is_dir() else ():
        if folder.name.startswith(".") or folder.is_symlink() or folder.name in unfinished:
            continue
        if (folder / RECORD).is_file():
            made_at[folder.name] = _made_at(folder)
    return in_order(releases_dir, made_at)


def _made_at(folder: Path) -> str:
    try:
        return str(json.loads((folder / RECORD).read_bytes()).get("created_at", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def prune(releases_dir: Path, keep: int) -> None:
    """Remove the releases shown longest ago until `keep` are left (0 keeps all); never the one
    that readers see."""
    if keep < 1:
        return
    old = [one for one in kept_ids(releases_dir) if one != current_id(releases_dir)]
    for release_id in old[: max(0, len(old) + 1 - keep)]:
        remove_named(releases_dir / release_id)
