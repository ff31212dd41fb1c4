"""Which errors are the machine's: told as what they are and never remembered of the data."""

from __future__ import annotations

import errno
import zipfile
from collections.abc import Callable

import duckdb
import numpy as np
import pyarrow as pa
import pyreadstat
import pytest

from ibgap.base.machine import is_machine_fault, machine_fault_in_words

MEMORY, FULL = "memory ran out", "the disk is full"
OPEN, DISK = "too many open files", "a disk could not be read"


def _numpy_error() -> BaseException:
    with pytest.raises(MemoryError) as caught:
        np.empty(2**59, dtype=np.int8)
    return caught.value


MACHINE = [
    (MemoryError(), MEMORY),
    (_numpy_error(), MEMORY),
    (pa.lib.ArrowMemoryError("malloc of size 64 failed"), MEMORY),
    (duckdb.OutOfMemoryException("failed to allocate"), MEMORY),
    (pyreadstat.ReadstatError("Unable to allocate memory"), MEMORY),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), MEMORY),
    (OSError(errno.ENOSPC, "No space left on device"), FULL),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL),
    (duckdb.IOException("IO Error: Could not write file: No space left on device"), FULL),
    (OSError(errno.EMFILE, "Too many open files"), OPEN),
    (OSError(errno.ENFILE, "Too many open files in system"), OPEN),
    (OSError(errno.EIO, "Input/output error"), DISK),
    (OSError(errno.ESTALE, "Stale file handle"), DISK),
    (RuntimeError("can't start new thread"), "no further thread or process could be started"),
]
OTHERS = [
    PermissionError(errno.EACCES, "Permission denied"),
    IsADirectoryError(errno.EISDIR, "Is a directory"),
    FileNotFoundError(errno.ENOENT, "No such file"),
    OSError(errno.ELOOP, "Too many levels of symbolic links"),
    OSError(errno.ENAMETOOLONG, "File name too long"),
    OSError("Not a valid file"),
    pyreadstat.ReadstatError("Invalid file, or file has unsupported features"),
    pa.lib.ArrowInvalid("Parquet magic bytes not found"),
    ValueError("the cell says: out of memory"),
    KeyError("unable to allocate memory"),
    zipfile.BadZipFile("File is not a zip file"),
]


@pytest.mark.parametrize(("error", "words"), MACHINE, ids=lambda one: repr(one)[:40])
def test_a_fault_of_the_machine_is_told(error: BaseException, words: str) -> None:
    assert is_machine_fault(error)
    assert machine_fault_in_words(error) == words


@pytest.mark.parametrize("error", OTHERS, ids=lambda one: repr(one)[:40])
def test_a_fault_of_data_or_of_a_file_is_not_the_machines(error: BaseException) -> None:
    assert not is_machine_fault(error)
    assert machine_fault_in_words(error) == ""


def _caused() -> None:
    try:
        raise MemoryError
    except MemoryError as error:
        raise ValueError("worksheet cannot be parsed") from error


def _in_the_middle() -> None:
    try:
        raise OSError(errno.EIO, "Input/output error")
    except OSError:
        raise KeyError("sheet1.xml") from None


def _grouped() -> None:
    raise ExceptionGroup("two at once", [ValueError("x"), MemoryError()])


@pytest.mark.parametrize(
    ("fail", "words"), [(_caused, MEMORY), (_in_the_middle, DISK), (_grouped, MEMORY)]
)
def test_the_fault_is_found_below_other_errors(fail: Callable[[], None], words: str) -> None:
    with pytest.raises(Exception) as caught:
        fail()
    assert machine_fault_in_words(caught.value) == words


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_machine_fault(first)
