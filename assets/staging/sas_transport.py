"""SAS transport files (.xpt): the datasets in one, and where their rows begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assets.staging.unreadable import UnreadableError
from ibgap.base.printable import printable

_RECORD = 80
_HEADER = b"HEADER RECORD*******"
_MEMBERS = {b"MEMBER": (b"DSCRPTR", 8), b"MEMBV8": (b"DSCPTV8", 32)}
_MOST_NAMED = 10


@dataclass(frozen=True)
class Dataset:
    """One dataset: its name, its columns, and the byte at which its rows begin."""

    name: str
    columns: int
    begins: int


def datasets(data: bytes) -> list[Dataset]:
    """The datasets of a SAS transport file, of version 5 or 8.

    Raises `UnreadableError` (`file_truncated`) when the bytes are none.
    """
    if not re.match(rb"HEADER RECORD\*{7}(LIBRARY|LIBV8  ) HEADER RECORD!{7}", data):
        raise _damaged("the file does not begin as a SAS transport file does")
    starts = list(_members(data))
    ends = [*(start for start, _ in starts[1:]), len(data)]
    return [
        Dataset(name, _columns_of(data, start, end), _begins(data, start, end))
        for (start, name), end in zip(starts, ends, strict=True)
    ]


def only_dataset(data: bytes) -> Dataset:
    """The one dataset of a SAS transport file.

    Raises `UnreadableError`: `datasets_several`, `file_truncated`.
    """
    found = datasets(data)
    if len(found) == 1:
        return found[0]
    if not found:
        raise _damaged("the SAS transport file has no dataset")
    names = [printable(one.name) or "unnamed" for one in found[:_MOST_NAMED]]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise UnreadableError(
        "datasets_several",
        f"the SAS transport file holds {len(found)} datasets ({', '.join(names)}{more}); one file "
        "is read as one dataset",
        "export the dataset that the manifest names into a file of its own",
    )


def rows_of(data: bytes, dataset: Dataset, width: int) -> int:
    """Rows of a dataset that ends the file; blank ones at its end are padding, not rows.

    width: bytes of a row. Raises `UnreadableError` (`file_truncated`) when the last row is cut.
    """
    filled = len(data.rstrip(b" ")) - dataset.begins
    if filled <= 0 or not width:
        return 0
    rows = -(-filled // width)
    if dataset.begins + rows * width > len(data):
        raise _damaged("the last row of the file is cut off")
    return rows


def _records(data: bytes, what: bytes, start: int, end: int) -> Iterator[int]:
    """Where records begin that are headers of a kind."""
    at = data.find(what, start, end)
    while at >= 0:
        if at % _RECORD == 0:
            yield at
        at = data.find(what, at + 1, end)


def _members(data: bytes) -> Iterator[tuple[int, str]]:
    """Where datasets begin, with their names: both header records must stand there."""
    for at in _records(data, _HEADER + b"MEMB", 0, len(data)):
        kind = data[at + len(_HEADER) :][:6]
        second, length = _MEMBERS.get(kind, (b"", 0))
        described = at + _RECORD
        if second and data.startswith(_HEADER + second, described):
            name = data[described + _RECORD + 8 :][:length]
            yield at, name.decode("latin-1").strip("\0 ")


def _columns_of(data: bytes, start: int, end: int) -> int:
    found = next(_records(data, _HEADER + b"NAMEST", start, end), None)
    found = next(_records(data, _HEADER + b"NAMSTV", start, end), None) if found is None else found
    stated = b"" if found is None else data[found + 48 :][:10]
    if not stated.isdigit():
        raise _damaged("the SAS transport file does not say how many columns it has")
    return int(stated)


def _begins(data: bytes, start: int, end: int) -> int:
    found = next(_records(data, _HEADER + b"OBS", start, end), None)
    if found is None:
        raise _damaged("the SAS transport file ends before its rows begin")
    return found + _RECORD


def _damaged(found: str) -> UnreadableError:
    return UnreadableError(
        "file_truncated",
        f"{found}; it is damaged or truncated",
        "export it again from its source",
    )
