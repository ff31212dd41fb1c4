"""Files are written whole or not at all: a run that is killed leaves the old one or the new one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

UNFINISHED = ".writing-"
"""How the names of files begin that were not finished; a run removes those of runs before it."""


def write_whole(path: Path, data: bytes, mode: int | None = None) -> Path:
    """Write a file so that readers, also after a power cut, see the old bytes or the new ones.

    The folder is made if it is missing. mode: who may read it (by default as the system says).
    Raises `OSError`; nothing half-made stays then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = unfinished(path)
    try:
        with temporary.open("wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return path


def unfinished(path: Path) -> Path:
    """Where something is made that gets this path once it is finished: beside it, so that the
    name is given in one step."""
    return path.parent / f"{UNFINISHED}{os.getpid()}-{path.name[-200:]}"


def name_whole(made: Path, path: Path) -> Path:
    """Give a finished folder its path, after all of it would survive a power cut.

    made: a folder beside `path` (see `unfinished`). Raises `OSError`, also where `path` is there.
    """
    for folder, _, files in os.walk(made):
        for name in files:
            _sync_file(Path(folder, name))
        sync_folder(Path(folder))
    made.rename(path)
    sync_folder(path.parent)
    return path


def link_whole(path: Path, target: str) -> None:
    """Let a link point to a target in one step; readers see where it led before or leads now.

    target: as written into the link. What else stands at the path (no folder) is replaced.
    """
    temporary = unfinished(path)
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Remove a file, link or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_named(path: Path) -> None:
    """Remove a folder that readers know: first its name, in one step, then what is in it."""
    gone = unfinished(path.with_name(f"removed-{path.name}"))
    path.rename(gone)
    remove(gone)


def remove_unfinished(folder: Path, deep: bool = True) -> None:
    """Remove what killed runs left in a folder; nobody else may be writing there.

    deep: also in the folders below it.
    """
    if not folder.is_dir():
        return
    for leftover in list(folder.rglob(f"{UNFINISHED}*") if deep else folder.glob(f"{UNFINISHED}*")):
        remove(leftover)
