"""A trial folder before it is written: its manifest as a value and its tables."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from re import sub
from tempfile import TemporaryDirectory
from typing import Any

import yaml

Cell = str | int | float | None
_STAMP = (2024, 1, 1, 0, 0, 0)
_STAMP_TEXT = "2024-01-01T00:00:00Z"
_SAV_DATE = slice(92, 109)
_SAV_STAMP = b"01 Jan 2400:00:00"


@dataclass(frozen=True)
class Table:
    """Columns of equal length by name. delimiter, encoding: of a text file."""

    columns: Mapping[str, list[Cell]]
    delimiter: str = ","
    encoding: str = "utf-8"

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        return list(zip(*self.columns.values(), strict=True))

    def with_cell(self, column: str, row: int, value: Cell) -> Table:
        """The table with one cell changed."""
        cells = list(self.columns[column])
        cells[row] = value
        return self.having({**self.columns, column: cells})

    def having(self, columns: Mapping[str, list[Cell]]) -> Table:
        return replace(self, columns=columns)


@dataclass(frozen=True)
class Draft:
    """manifest: as YAML will hold it. tables: by file name, whose ending says the format."""

    manifest: Mapping[str, Any]
    tables: Mapping[str, Table] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Kind of its source."""
        return str(self.manifest["sources"][0]["kind"])

    @property
    def file(self) -> str:
        """Name of its data file."""
        return next(iter(self.tables))

    @property
    def table(self) -> Table:
        return self.tables[self.file]

    @property
    def is_text(self) -> bool:
        return self.file.endswith((".csv", ".tsv"))

    def with_table(self, table: Table) -> Draft:
        return replace(self, tables={self.file: table})

    def with_cell(self, column: str, row: int, value: Cell) -> Draft:
        return self.with_table(self.table.with_cell(column, row, value))

    def with_manifest(self, **changed: Any) -> Draft:
        return replace(self, manifest={**self.manifest, **changed})

    def files(self) -> dict[str, bytes]:
        """Content of every file of the folder; the same draft always gives the same bytes."""
        data = {name: table_bytes(table, name) for name, table in self.tables.items()}
        return {"trial.yaml": manifest_bytes(self.manifest)} | data


class _Plain(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Without anchors, which manifests do not have."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    text = yaml.dump(
        dict(manifest), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100,
        default_flow_style=None,
    )  # fmt: skip
    return str(text).encode()


def table_bytes(table: Table, name: str) -> bytes:
    """The table as a file of the kind that the name ends in."""
    write = {".xlsx": _workbook, ".sav": _statistics_file, ".parquet": _parquet}
    return write.get(Path(name).suffix, _text)(table)


def _text(table: Table) -> bytes:
    lines = [table.delimiter.join(table.columns)]
    texts = [["" if c is None else str(c) for c in cells] for cells in table.columns.values()]
    lines += [table.delimiter.join(row) for row in zip(*texts, strict=True)]
    return ("\n".join(lines) + "\n").encode(table.encoding)


def _workbook(table: Table) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("data")
    sheet.append(list(table.columns))
    for row in table.rows:
        sheet.append(row)
    made, out = io.BytesIO(), io.BytesIO()
    book.save(made)
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                text = sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", _STAMP_TEXT, content.decode())
                content = text.encode()
            target.writestr(zipfile.ZipInfo(name, _STAMP), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _parquet(table: Table) -> bytes:
    import pandas as pd

    out = io.BytesIO()
    pd.DataFrame(dict(table.columns)).to_parquet(out, index=False)
    return out.getvalue()


def _statistics_file(table: Table) -> bytes:
    """SPSS; the date and time of writing in its header are set to fixed ones."""
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame(dict(table.columns))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.sav"
        pyreadstat.write_sav(frame, str(path))
        content = bytearray(path.read_bytes())
    content[_SAV_DATE] = _SAV_STAMP
    return bytes(content)
