"""Faults of the machine (memory, disk, handles), which are nobody's data's fault.

What fails because memory ran out or a disk is full succeeds another time with the same bytes; it
must never be remembered as a property of the data.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

MACHINE = "machine_fault"
"""Rule of the findings that tell of such a fault."""
OUT_OF_MEMORY = "memory ran out"
_FULL, _HANDLES = "the disk is full", "too many open files"
_DISK, _THREADS = "a disk could not be read", "no further thread or process could be started"

_BY_NUMBER = {
    errno.ENOMEM: OUT_OF_MEMORY,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EMFILE: _HANDLES,
    errno.ENFILE: _HANDLES,
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.ETIMEDOUT: _DISK,
    errno.EROFS: "the disk cannot be written",
}
_BY_WORDS = {
    "unable to allocate memory": OUT_OF_MEMORY,
    "cannot allocate memory": OUT_OF_MEMORY,
    "out of memory": OUT_OF_MEMORY,
    "no space left on device": _FULL,
    "disk quota exceeded": _FULL,
    "too many open files": _HANDLES,
    "input/output error": _DISK,
    "stale file handle": _DISK,
    "can't start new thread": _THREADS,
}
"""What libraries say that tell of the machine in an error of their own."""

_OF_LIBRARIES = frozenset({"ReadstatError", "IOException", "ArrowException"})
"""Errors of pyreadstat, DuckDB and Arrow that tell of files and memory, not of values."""


class MachineFaultError(Exception):
    """The machine cannot do what a step needs; its text is made for people and names no value."""


def is_machine_fault(error: BaseException) -> bool:
    """Whether an error, its cause or what it arose from is the machine's and not the data's.

    Memory (also numpy's and Arrow's classes and what C libraries say of it), a full, failing or
    stale disk, and used-up file handles. A file that may not be read, or that is a folder, is not
    the machine's fault.

    >>> is_machine_fault(OSError(errno.ENOSPC, "x")), is_machine_fault(PermissionError(13, "x"))
    (True, False)
    """
    return any(_fault(one) for one in _chain(error))


def machine_fault_in_words(error: BaseException) -> str:
    """`memory ran out`, `the disk is full`, `too many open files`, `a disk could not be read`.

    The empty text for an error that is not the machine's.
    """
    return next((words for one in _chain(error) if (words := _fault(one))), "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, its causes, the errors it arose from and the members of groups, each once."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__context__, one.__cause__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _fault(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno is not None:
        return _BY_NUMBER.get(error.errno, "")
    kind = type(error)
    if kind.__name__ == "OutOfMemoryException":
        return OUT_OF_MEMORY
    if not (isinstance(error, OSError | RuntimeError) or kind.__name__ in _OF_LIBRARIES):
        return ""
    text = str(error).lower()
    return next((words for said, words in _BY_WORDS.items() if said in text), "")
