"""Results that are kept until what they were made of changes.

A result is a set of tables in one file, known by a content key. The ledger of a room says of each
result its key and the hash of its file, so that what is missing, damaged or made of something
else is known without opening it, and is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ibgap.base.writing import remove, write_whole

if TYPE_CHECKING:
    import pyarrow as pa

LEDGER = "ledger.json"
_SUFFIX = ".tables"
_TIME = (1980, 1, 1, 0, 0, 0)
"""Same tables, same bytes: no file carries the time of its making."""


def _every(table: str) -> bool:
    return True


@dataclass(frozen=True)
class Entry:
    """What the ledger says of a result.

    key: what it was made of; empty for one that may not be used again. digest: SHA-256 of its
    file. files: names of the files that it was made of, so that the key can be told anew.
    """

    key: str
    digest: str
    files: tuple[str, ...] = ()


class KeptResults:
    """The results in one folder, by name."""

    def __init__(self, room: Path) -> None:
        self.room = room
        self._entries = _read_ledger(room / LEDGER)

    @property
    def names(self) -> list[str]:
        """Names of the results that are kept."""
        return list(self._entries)

    @property
    def version(self) -> str:
        """One hash of all results that are kept."""
        digests = [[name, entry.digest] for name, entry in sorted(self._entries.items())]
        return hashlib.sha256(json.dumps(digests).encode()).hexdigest()

    def entry(self, name: str) -> Entry | None:
        """What is known of a result; None for one that is not kept."""
        return self._entries.get(name)

    def stands(self, name: str, key: str) -> bool:
        """Whether a result with this key is kept and its file is as it was written."""
        entry = self.entry(name)
        return entry is not None and entry.key == key != "" and entry.digest == self._digest(name)

    def write(
        self, name: str, key: str, tables: Mapping[str, pa.Table], files: Iterable[str] = ()
    ) -> Entry:
        """Write the file of a result and return its entry, which counts once it is `enter`ed."""
        data = _packed(tables)
        write_whole(self._path(name), data)
        return Entry(key, hashlib.sha256(data).hexdigest(), tuple(sorted(set(files))))

    def enter(self, entries: Mapping[str, Entry]) -> None:
        """Put entries of written results into the ledger."""
        self._entries |= entries
        self._save()

    def retain(self, names: Iterable[str]) -> None:
        """Remove every result but these, and files that no entry names."""
        wanted = set(names)
        if set(self._entries) - wanted:
            self._entries = {n: entry for n, entry in self._entries.items() if n in wanted}
            self._save()
        known = {self._path(name).name for name in self._entries} | {LEDGER}
        for path in self.room.iterdir() if self.room.is_dir() else ():
            if path.name not in known:
                remove(path)

    def read(self, name: str, chosen: Callable[[str], bool] = _every) -> dict[str, pa.Table]:
        """The tables of a result. chosen: which of them, by name."""
        import pyarrow as pa  # what is kept and whole is known without it

        from assets.typed import schema_of

        with zipfile.ZipFile(self._path(name)) as file:
            return {
                table: pa.Table.from_batches(
                    [pa.ipc.read_record_batch(pa.py_buffer(file.read(table)), schema_of(table))]
                )
                for table in file.namelist()
                if chosen(table)
            }

    def _path(self, name: str) -> Path:
        """Names of trials may be longer than a name of a file with an ending may be."""
        return self.room / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}{_SUFFIX}"

    def _digest(self, name: str) -> str:
        try:
            return hashlib.sha256(self._path(name).read_bytes()).hexdigest()
        except OSError:
            return ""

    def _save(self) -> None:
        data = {name: asdict(entry) for name, entry in sorted(self._entries.items())}
        write_whole(self.room / LEDGER, json.dumps(data, indent=0).encode())


def _packed(tables: Mapping[str, pa.Table]) -> bytes:
    """The rows of each table; its columns are those that are declared for its name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, table in tables.items():
            rows = table.combine_chunks().to_batches()
            if rows:
                file.writestr(zipfile.ZipInfo(name, _TIME), rows[0].serialize().to_pybytes())
    return buffer.getvalue()


def _read_ledger(path: Path) -> dict[str, Entry]:
    """What the ledger holds; nothing where it is missing or damaged."""
    try:
        data = json.loads(path.read_bytes())
        return {
            str(name): Entry(str(one["key"]), str(one["digest"]), tuple(one["files"]))
            for name, one in data.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
