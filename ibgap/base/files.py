"""Reads one file of a folder, or says what stands at its path instead and what to do."""

from __future__ import annotations

import errno
import stat
from pathlib import Path, PurePosixPath

from ibgap.base.machine import is_machine_fault

MEGABYTE = 1_000_000
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_CAUSES = {
    errno.EACCES: ("may not be read", "give the account that runs this the right to read it"),
    errno.EPERM: ("may not be read", "give the account that runs this the right to read it"),
    errno.ELOOP: ("is a link that leads back to itself", "put the file itself there"),
    errno.ENAMETOOLONG: ("has a path that is too long", "give it a shorter name"),
}


class UnusableFileError(Exception):
    """Why a file cannot be used.

    reason: `outside` (its path leaves the folder), `missing`, `unreadable` or `too_large`.
    message: follows the name of the file (`is a folder, not a file`). fix: what to do.
    """

    def __init__(self, reason: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.reason, self.message, self.fix = reason, message, fix


def path_is_inside(file: str) -> bool:
    """Whether a path, as written, stays below the folder it is counted from."""
    path = PurePosixPath(file.replace("\\", "/"))
    has_drive = len(file) > 1 and file[1] == ":"
    return not (path.is_absolute() or ".." in path.parts or has_drive or not file.strip())


def read_inside(folder: Path, file: str, most_bytes: int | None = None) -> bytes:
    """The bytes of a file below `folder`; links may not lead out of it.

    Raises `UnusableFileError`; faults of the machine (memory, disk, handles) as they are.
    """
    path = folder / file
    try:
        if not path_is_inside(file) or not path.resolve().is_relative_to(folder.resolve()):
            raise UnusableFileError(
                "outside", "leads outside the trial folder", "copy the file into the folder"
            )
        found = path.stat()
        _must_be_a_file(found.st_mode)
        if most_bytes is not None and found.st_size > most_bytes:
            raise UnusableFileError(
                "too_large", f"is larger than {most_bytes // MEGABYTE} MB", "shorten it"
            )
        return path.read_bytes()
    except (OSError, RuntimeError, ValueError) as error:
        if is_machine_fault(error):
            raise
        raise _unusable(error) from None


def _must_be_a_file(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    what = next((words for is_kind, words in _KINDS if is_kind(mode)), "something else")
    raise UnusableFileError(
        "unreadable", f"is {what}, not a file", "put the file itself into the folder"
    )


def _unusable(error: Exception) -> UnusableFileError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return UnusableFileError("missing", "is not in the trial folder", "copy it there")
    # A loop of links is a RuntimeError of pathlib, a NUL in a path a ValueError.
    if isinstance(error, RuntimeError):
        number = errno.ELOOP
    message, fix = _CAUSES.get(
        number or 0, (f"cannot be opened ({type(error).__name__})", "check its name and place")
    )
    return UnusableFileError("unreadable", message, fix)
