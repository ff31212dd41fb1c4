"""The working store: one Parquet or JSON file per table, written in one step.

Restricted: it may hold participant rows (with numbers for persons). Nothing outside a run reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd


class TableStore:
    """Tables below one folder, which only its owner may enter."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folder (mode 700) and remove what a killed run left half-written."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for leftover in self.root.rglob(".writing-*"):
            leftover.unlink(missing_ok=True)

    def write(self, name: str, frame: pd.DataFrame) -> Path:
        """Write a table; readers see the old one or the new one, never a part. Categories stay
        categories, numbers and texts go to the file as they lie in memory."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(_storable(frame), preserve_index=False)
        path = self.root / f"{name}.parquet"
        return self._replace(path, lambda new: pq.write_table(table, new, compression="zstd"))

    def read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.root / f"{name}.parquet")

    def write_json(self, name: str, data: Any) -> Path:
        text = json.dumps(data, sort_keys=True, indent=1, allow_nan=True)
        return self._replace(
            self.root / f"{name}.json", lambda new: new.write_text(text, encoding="utf-8")
        )

    def read_json(self, name: str) -> Any:
        return json.loads((self.root / f"{name}.json").read_text(encoding="utf-8"))

    def has(self, name: str) -> bool:
        return any((self.root / f"{name}{suffix}").exists() for suffix in (".parquet", ".json"))

    def digest(self, name: str) -> str:
        """SHA-256 of a table as it lies on the disk; empty when it cannot be read."""
        try:
            with (self.root / f"{name}.parquet").open("rb") as handle:
                return hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError:
            return ""

    def write_text(self, name: str, text: str) -> None:
        """Write a text that only the owner may read."""
        data = text.encode("utf-8", "replace")
        self._replace(self.root / name, lambda new: new.write_bytes(data)).chmod(0o600)

    def remove_file(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def remove_folder(self, name: str) -> None:
        """Delete a folder of tables, such as those of a trial that is gone."""
        import shutil

        shutil.rmtree(self.root / name, ignore_errors=True)

    def _replace(self, path: Path, write: Callable[[Path], object]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".writing-{path.name}"
        write(temporary)
        temporary.replace(path)
        return path


def _storable(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with object columns of one plain kind each, so that Parquet keeps them."""
    if not any(map(pd.api.types.is_object_dtype, frame.dtypes)):
        return frame
    columns = {
        name: _of_one_kind(column) if pd.api.types.is_object_dtype(column) else column
        for name, column in frame.items()
    }
    return pd.DataFrame(columns, index=frame.index, copy=False)


def _of_one_kind(column: pd.Series) -> pd.Series:
    """Truth values, numbers or texts as such, what is mixed as text."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "string":
        return column
    if kind == "empty":
        return column.astype("string").astype(object)
    if kind == "boolean":
        return column.astype("boolean")
    if kind in ("integer", "floating", "mixed-integer-float"):
        return pd.to_numeric(column, errors="coerce")
    return column.map(lambda v: None if pd.isna(v) else str(v))
