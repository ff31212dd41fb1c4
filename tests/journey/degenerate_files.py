"""A trial folder before it is written, and how its files are written."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import openpyxl
import yaml

Manifest = dict[str, Any]
Row = dict[str, str]


@dataclass(frozen=True)
class Folder:
    """A trial before it is written: its manifest, and the rows of each file by column."""

    manifest: Manifest
    files: dict[str, list[Row]]

    @property
    def name(self) -> str:
        return str(self.manifest["id"])

    def write(self, trials: Path) -> Path:
        folder = trials / self.name
        folder.mkdir(parents=True)
        text = yaml.safe_dump(self.manifest, allow_unicode=True, sort_keys=False)
        (folder / "trial.yaml").write_text(text, encoding="utf-8")
        for source in self.manifest["sources"]:
            rows, path = self.files[source["file"]], folder / source["file"]
            if path.suffix == ".xlsx":
                _write_book(path, rows)
            else:
                path.write_bytes(_csv(rows, source.get("format", {})))
        return folder

    def reordered(self, random: Random) -> Folder:
        """The same trial with rows, arms, outcomes and comparisons in another order."""

        def shuffled(of: list[Any]) -> list[Any]:
            return random.sample(of, len(of))

        lists = {
            name: shuffled(self.manifest[name])
            for name in ("arms", "outcomes", "comparisons", "pairs")
            if name in self.manifest
        }
        filled = {s["file"] for s in self.manifest["sources"] if s.get("fill_down")}
        files = {
            name: rows if name in filled else shuffled(rows) for name, rows in self.files.items()
        }
        return replace(self, manifest=self.manifest | lists, files=files)


def columns_of(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _csv(rows: list[Row], form: Manifest) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=form.get("delimiter", ","))
    comma = form.get("decimal") == ","
    for row in [dict(zip(columns_of(rows), columns_of(rows), strict=True)), *rows]:
        cells = [row.get(name, "") for name in columns_of(rows)]
        writer.writerow([_with_comma(cell) if comma else cell for cell in cells])
    return out.getvalue().encode(form.get("encoding", "utf-8"), "replace")


def _with_comma(cell: str) -> str:
    try:
        float(cell)
    except ValueError:
        return cell
    return cell.replace(".", ",")


def _write_book(path: Path, rows: list[Row]) -> None:
    book = openpyxl.Workbook()
    names = columns_of(rows)
    book.active.append(names)
    for row in rows:
        book.active.append([_typed(row.get(name, "")) for name in names])
    book.save(path)


def _typed(cell: str) -> object:
    try:
        number = float(cell)
    except ValueError:
        clean = "".join(c for c in cell if c >= " " or c in "\n\t")
        return f"'{clean}" if clean.startswith("=") else clean or None
    return number if np.isfinite(number) else cell
