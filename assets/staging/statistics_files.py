"""SPSS, Stata and SAS files, whose columns have names, types and labels of their own."""

from __future__ import annotations

import codecs
import io
import re
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from assets.staging.account import Account
from assets.staging.coded_columns import Part, Variable, column_of_parts, part_of
from assets.staging.columns import Column, Kind
from assets.staging.encodings import doubts_of_texts
from assets.staging.headers import Notes, Table
from assets.staging.limits import Watch
from assets.staging.named_columns import table_of
from assets.staging.old_stata import fills_its_file
from assets.staging.sas_transport import only_dataset, rows_of
from assets.staging.stored_dates import calendar_of
from assets.staging.unreadable import UnreadableError, opening
from ibgap.base.machine import is_machine_fault
from ibgap.base.printable import printable
from validations.manifest.model import FileFormat

_READERS = {
    "sav": "read_sav",
    "zsav": "read_sav",
    "dta": "read_dta",
    "sas7bdat": "read_sas7bdat",
}
_CELLS_AT_ONCE = 4_000_000
_MOST_PASSES = 16
"""Each pass goes through the file from its first row."""
_BEST_COMPRESSION = 1032
"""Bytes that one byte of a deflated stream can stand for."""
_LOSSY = {"windows-1258", "cp1258", "big5-hkscs", "euc-jisx0213", "shift-jisx0213", "tcvn"}
"""Encodings whose decoder holds a character back: the library takes it into the next cell."""
_COUNT_OF_SPSS = slice(80, 84)
_FIX = "export it again from its source"


@dataclass(frozen=True)
class _File:
    """Bytes of a kind of file (`sav`, `dta`, ...), and the encoding that is declared for them."""

    container: str
    data: bytes
    encoding: str

    def read(self, **options: Any) -> tuple[dict[str, list[object]], Any]:
        """Rows by column, and what the file says of itself, without any conversion."""
        # As lists: in arrays of whole numbers the library leaves what is missing uninitialized.
        options |= {"user_missing": True, "disable_datetime_conversion": True}
        options |= {"output_format": "dict"}
        if self.encoding:
            options["encoding"] = _as_iconv(self.encoding)
        source = io.BytesIO(self.data)
        try:
            rows, said = _reader(self.container)(source, **options)
        except Exception as error:
            if not is_machine_fault(error):
                self._refuse_encoding(error)
            raise
        return rows, said

    def _refuse_encoding(self, error: Exception) -> None:
        said = str(error)
        if "unsupported character set" in said:
            raise _unknown(self.encoding) from None
        if isinstance(error, UnicodeDecodeError) or "Unable to convert string" in said:
            if self.encoding or self.container == "xpt":
                name = printable(self.encoding[:40]) or "UTF-8, and it does not state its encoding"
                found = f"texts in the file are not {name}"
            else:
                found = "texts in the file are not in the encoding that it states"
            raise UnreadableError(
                "encoding_wrong",
                found,
                "set format.encoding (for example cp1252), or export it again as UTF-8",
            ) from None


def read_statistics_file(path: Path, data: bytes, file_format: FileFormat, watch: Watch) -> Table:
    """The columns of an SPSS, Stata or SAS file: numbers as stored, value labels beside them.

    path: its extension says what the bytes are. Values that the file declares missing are missing
    for that reason, dates are ISO 8601 text, and `format.encoding` stands above what the file says
    of its texts. Raises `UnreadableError`: `file_truncated`, `file_too_large`, `file_too_slow`,
    `datasets_several`, `encoding_wrong`, `encoding_unknown`.
    """
    declared = file_format.encoding if "encoding" in file_format.model_fields_set else ""
    container = path.suffix.lower()[1:]
    file = _File(container, _uncounted(container, data), declared)
    with opening("the file", _FIX):
        dataset = only_dataset(data) if file.container == "xpt" else None
        if dataset and not dataset.columns:
            empty = Account("xpt", stated_columns=0, table=dataset.name)
            return table_of([], 0, empty, [], watch)
        if container == "dta" and not fills_its_file(data):
            raise _truncated("its rows and labels do not end where the file does")
        said, twice = _said(file)
        most = stated = _stated_rows(container, data, said)
        if (said.file_encoding or "").lower().replace("_", "-") in _LOSSY:
            raise _unknown("")
        if dataset:
            most = rows_of(data, dataset, sum(said.variable_storage_width.values()))
        _refuse_extent(most, len(said.column_names), file, watch)
        columns, count = _columns(file, said, most, watch)
        if stated is not None and count != stated:
            raise _truncated(f"the file says it has {stated:,} rows, and {count:,} are in it")
    encoding, reason = _encoding_of(file, said.file_encoding)
    account = Account(
        file.container,
        stated_rows=stated,
        stated_columns=len(said.column_names),
        table=(said.table_name or "").strip(),
        encoding=encoding,
        encoding_reason=reason,
    )
    named = [(twice.get(name, name).strip(), column) for name, column in columns.items()]
    return table_of(named, count, account, _doubts(columns, account), watch)


def _doubts(columns: Mapping[str, Column], account: Account) -> Notes:
    """What speaks against the encoding of a file that does not state it."""
    if account.encoding != "windows-1252" or account.encoding_reason != "default":
        return []
    parts: list[Iterable[str]] = [column.labels.values() for column in columns.values()]
    parts += [column.levels() for column in columns.values() if (column.kinds == Kind.TEXT).any()]
    return list(doubts_of_texts((text for part in parts for text in part), "windows-1252"))


def _reader(container: str) -> Callable[..., Any]:
    import pyreadstat

    if container != "xpt":
        return getattr(pyreadstat, _READERS[container])  # type: ignore[no-any-return]
    # The public function of transport files gives no reasons for missing values.
    return partial(pyreadstat.pyreadstat.parser_entry_point, parser_format="xport")  # type: ignore[attr-defined]


def _said(file: _File) -> tuple[Any, dict[str, str]]:
    """What the file says of itself, and columns that the library renamed as their names repeat."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        said = file.read(metadataonly=True)[1]
    renamed = (re.search("column '(.*)' is duplicated, renamed to '(.*)'", str(w.message), re.S)
               for w in told)  # fmt: skip
    return said, {found[2]: found[1] for found in renamed if found}


def _uncounted(container: str, data: bytes) -> bytes:
    """The bytes of a file without the number of rows that SPSS states in its head, so that the
    library reads all there are and not as many as are stated."""
    if container not in ("sav", "zsav") or len(data) < _COUNT_OF_SPSS.stop:
        return data
    return data[: _COUNT_OF_SPSS.start] + b"\xff" * 4 + data[_COUNT_OF_SPSS.stop :]


def _stated_rows(container: str, data: bytes, said: Any) -> int | None:
    """Rows that the file says it has."""
    if container not in ("sav", "zsav"):
        return said.number_rows  # type: ignore[no-any-return]
    order = "<" if struct.unpack_from("<i", data, 64)[0] in (2, 3) else ">"
    stated: int = struct.unpack(f"{order}i", data[_COUNT_OF_SPSS])[0]
    return stated if stated >= 0 else None


def _refuse_extent(rows: int | None, columns: int, file: _File, watch: Watch) -> None:
    """Raise when a file says it is larger than its bytes can hold, or than is read."""
    held = len(file.data) * (_BEST_COMPRESSION if file.container == "zsav" else 1)
    if max(rows or 0, columns) > held:
        raise _truncated(f"the file says it has {rows or 0:,} rows, more than its bytes can hold")
    watch.look(rows=rows or 0, columns=columns)
    if file.container == "zsav":
        watch.look(megabytes=_unpacked(file.data) / 1e6)


def _truncated(found: str) -> UnreadableError:
    return UnreadableError("file_truncated", f"{found}; it is damaged or truncated", _FIX)


def _unpacked(data: bytes) -> int:
    """Bytes that the blocks of a compressed SPSS file say they hold; 0 where they do not say it.

    The list of blocks ends the file: a head of 24 bytes, then 24 bytes for each block.
    """
    for order in "<>":
        at = data.rfind(struct.pack(f"{order}qq", -100, 0))
        if at >= 0 and len(data) >= at + 24:
            count = struct.unpack_from(f"{order}i", data, at + 20)[0]
            if len(data) == at + 24 + 24 * count:
                return sum(
                    struct.unpack_from(f"{order}i", data, at + 24 * (i + 1) + 16)[0]
                    for i in range(count)
                )
    return 0


def _columns(
    file: _File, said: Any, most: int | None, watch: Watch
) -> tuple[dict[str, Column], int]:
    """Columns by the library's name, and their rows."""
    variables = {name: _variable(file.container, name, said) for name in said.column_names}
    parts: dict[str, list[Part]] = {name: [] for name in variables}
    count = 0
    for rows in _passes(file, most, len(variables)):
        count += _height(rows)
        watch.look(rows=count, columns=len(variables))
        for name, variable in variables.items():
            parts[name].append(part_of(rows.pop(name), variable))
    columns = {}
    for name, variable in variables.items():
        columns[name] = column_of_parts(parts.pop(name), variable)
        watch.look()
    return columns, count


def _height(rows: dict[str, list[object]]) -> int:
    return len(next(iter(rows.values()), []))


def _passes(file: _File, most: int | None, columns: int) -> Iterator[dict[str, list[object]]]:
    """The rows in turn, so many at once that memory and passes stay few."""
    at_once = max(_CELLS_AT_ONCE // max(columns, 1), -(-(most or 0) // _MOST_PASSES), 1)
    if most is not None and most <= at_once:
        yield file.read()[0]
        return
    done = 0
    while True:
        rows = file.read(row_limit=at_once, row_offset=done)[0]
        found = _height(rows)
        yield rows
        done += found
        if found < at_once:
            return


def _variable(container: str, name: str, said: Any) -> Variable:
    shown_as = said.original_variable_types.get(name) or ""
    ranges = [(one["lo"], one["hi"]) for one in said.missing_ranges.get(name, [])]
    labels = said.variable_value_labels.get(name, {})
    return Variable(
        said.readstat_variable_types[name],
        calendar_of(container, shown_as),
        ranges,
        {value: str(label) for value, label in labels.items()},
        _percent_decimals(container, shown_as),
    )


def _percent_decimals(container: str, shown_as: str) -> int | None:
    """Decimals of SAS's percents, which it stores as fractions (SPSS stores them as percents)."""
    found = re.fullmatch(r"PERCENTN?\d*(?:\.(\d*))?", shown_as.upper())
    return int(found[1] or 0) if found and container in ("sas7bdat", "xpt") else None


def _encoding_of(file: _File, stated: str | None) -> tuple[str, str]:
    """The encoding of the file's texts, and how that is known."""
    if file.encoding:
        return file.encoding, "declared"
    if file.container == "dta":
        release = re.match(rb"<stata_dta><header><release>(\d+)", file.data)
        if release and int(release[1]) >= 118:
            return "utf-8", "stated in the file"
        return "windows-1252", "default"
    return (stated.lower(), "stated in the file") if stated else ("utf-8", "default")


def _as_iconv(encoding: str) -> str:
    """The name of an encoding as iconv knows it."""
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise _unknown(encoding) from None
    name = {"utf-8-sig": "utf-8", "mac-roman": "macintosh"}.get(name, name).replace("_", "-")
    if name in _LOSSY:
        raise _unknown(encoding)
    return name


def _unknown(encoding: str) -> UnreadableError:
    if not encoding:
        return UnreadableError(
            "encoding_unknown",
            "the file states an encoding that cannot be read",
            "export it again as UTF-8, or set format.encoding if it is utf-8, latin-1 or cp1252",
        )
    return UnreadableError(
        "encoding_unknown",
        f"there is no encoding called {printable(encoding[:40])!r} that reads this file",
        "name it as utf-8, latin-1 or cp1252",
    )
