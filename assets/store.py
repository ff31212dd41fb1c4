"""The working store: one Parquet or JSON file per table, written in one step.

Restricted: it may hold participant rows (under pseudonyms). Nothing outside a run reads it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
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

    def secret(self) -> bytes:
        """Key of the pseudonyms, made once per store."""
        path = self.root / "pseudonym.key"
        if not path.exists():
            self._replace(path, secrets.token_bytes(32))
            path.chmod(0o600)
        return path.read_bytes()

    def write(self, name: str, frame: pd.DataFrame) -> Path:
        """Write a table; readers see the old one or the new one, never a part."""
        import io

        buffer = io.BytesIO()
        _storable(frame).to_parquet(buffer, index=False)
        return self._replace(self.root / f"{name}.parquet", buffer.getvalue())

    def read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.root / f"{name}.parquet")

    def write_json(self, name: str, data: Any) -> Path:
        text = json.dumps(data, sort_keys=True, indent=1, allow_nan=True)
        return self._replace(self.root / f"{name}.json", text.encode())

    def read_json(self, name: str) -> Any:
        return json.loads((self.root / f"{name}.json").read_text(encoding="utf-8"))

    def has(self, name: str) -> bool:
        return any((self.root / f"{name}{suffix}").exists() for suffix in (".parquet", ".json"))

    def digest(self, name: str) -> str:
        """SHA-256 of a table as it lies on the disk; empty when it cannot be read."""
        try:
            return hashlib.sha256((self.root / f"{name}.parquet").read_bytes()).hexdigest()
        except OSError:
            return ""

    def write_text(self, name: str, text: str) -> None:
        """Write a text that only the owner may read."""
        self._replace(self.root / name, text.encode("utf-8", "replace")).chmod(0o600)

    def remove_file(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def remove_folder(self, name: str) -> None:
        """Delete a folder of tables, such as those of a trial that is gone."""
        import shutil

        shutil.rmtree(self.root / name, ignore_errors=True)

    def _replace(self, path: Path, data: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".writing-{path.name}"
        temporary.write_bytes(data)
        temporary.replace(path)
        return path


def _storable(frame: pd.DataFrame) -> pd.DataFrame:
    """Object columns with one plain kind each, so that Parquet keeps them."""
    out = frame.copy()
    for name in out.columns:
        if out[name].dtype == object:
            kinds = {type(value) for value in out[name] if not pd.isna(value)}
            if not kinds:
                out[name] = out[name].astype("string").astype(object)
            elif kinds <= {bool}:
                out[name] = out[name].astype("boolean")
            elif kinds <= {int, float}:
                out[name] = pd.to_numeric(out[name], errors="coerce")
            elif kinds != {str}:
                out[name] = out[name].map(lambda v: None if pd.isna(v) else str(v))
    return out
