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
    temporary = path.parent / f"{UNFINISHED}{os.getpid()}-{path.name[-200:]}"
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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file, link or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed runs left below a folder; nobody else may be writing there."""
    for leftover in list(folder.rglob(f"{UNFINISHED}*")) if folder.is_dir() else ():
        remove(leftover)
