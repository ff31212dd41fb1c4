"""The trials whose files are changed: those that are shipped, and one in every kind of file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.files.dialects import ALL

TEXT = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Case:
    """A trial with one data file: the name of its folder, its manifest as text, the file."""

    name: str
    manifest: str
    file: str
    data: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        return Path(self.file).suffix

    @property
    def given(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self.manifest)["sources"][0].get("format", {}))

    @property
    def of_persons(self) -> bool:
        return "kind: participant_rows" in self.manifest

    def write(self, room: Path) -> Path:
        folder = room / self.name
        folder.mkdir(parents=True)
        (folder / "trial.yaml").write_text(self.manifest, encoding="utf-8")
        (folder / self.file).write_bytes(self.data)
        return folder

    def having(self, data: bytes, **given: Any) -> Case:
        """With other bytes, and more said of the format."""
        if not given:
            return replace(self, data=data)
        manifest = yaml.safe_load(self.manifest)
        for source in manifest["sources"]:
            if source["file"] == self.file:
                source["format"] = source.get("format", {}) | given
        return replace(self, data=data, manifest=yaml.safe_dump(manifest, allow_unicode=True))

    # Text as rows; what cannot be split is not changed by rows.

    @property
    def delimiter(self) -> str:
        return str(self.given.get("delimiter", "\t" if self.kind == ".tsv" else ","))

    @property
    def encoding(self) -> str:
        return str(self.given.get("encoding", "utf-8"))

    def text(self) -> str:
        return self.data.decode(self.encoding)

    def rows(self) -> list[list[str]]:
        lines = io.StringIO(self.text(), newline="")
        return list(csv.reader(lines, delimiter=self.delimiter))

    def with_text(self, text: str) -> Case:
        return self.having(text.encode(self.encoding))

    def with_rows(self, rows: Iterable[list[str]], end: str = "\n", **how: Any) -> Case:
        written = io.StringIO(newline="")
        csv.writer(
            written, **({"delimiter": self.delimiter, "lineterminator": end} | how)
        ).writerows(rows)
        return self.with_text(written.getvalue())


@cache
def cases(root: Path) -> tuple[Case, ...]:
    """The shipped trials, and one trial in every kind of file."""
    found = []
    for folder in sorted((root / "trials").iterdir()):
        manifest = (folder / "trial.yaml").read_text(encoding="utf-8")
        (file,) = {source["file"] for source in yaml.safe_load(manifest)["sources"]}
        found.append(Case(folder.name, manifest, file, (folder / file).read_bytes()))
    for kind in (
        "csv of R", "csv2 of R", "tsv", "xlsx", "xlsx as LibreOffice writes it", "sav",
        "sav, packed", "zsav", "dta of doubles", "dta of single precision", "dta of 2007",
        "xpt, version 5", "xpt, version 8", "parquet", "parquet of pandas",
    ):  # fmt: skip
        written = ALL[kind]()
        found.append(Case("one_trial", written.manifest(), written.name, written.data))
    return tuple(found)
