"""Reads one published release: files only, never the working store."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ibgap.releases.shelf import CURRENT, kept_ids
from ibgap.releases.whole import RECORD

__all__ = ["CURRENT", "NoReleaseError", "ReleaseFiles", "open_release"]


class NoReleaseError(Exception):
    """There is no release to read."""


class ReleaseFiles:
    """The tables and the record of one release folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def record(self) -> dict[str, Any]:
        """release.json, or what is known while the release is being built."""
        path = self.folder / RECORD
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            data["release_id"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoReleaseError(
                f"the record of release {self.folder.name} cannot be read "
                f"({type(error).__name__}); run `ibgap refresh` to make a new release"
            ) from None
        return data

    @property
    def release_id(self) -> str:
        return str(self.record["release_id"])

    def table(self, name: str) -> pd.DataFrame:
        """One published table; a damaged file raises `NoReleaseError` naming it."""
        path = self.folder / "tables" / f"{name}.parquet"
        try:
            return pd.read_parquet(path)
        except Exception as error:
            raise NoReleaseError(
                f"the table {name} of release {self.folder.name} cannot be read "
                f"({type(error).__name__}); run `ibgap refresh` to make a new release"
            ) from None


def open_release(releases_dir: Path, release_id: str = CURRENT) -> ReleaseFiles:
    """The release with this id, by default the current one.

    Raises `NoReleaseError` with the command that makes one, or the ids that exist.
    """
    folder = releases_dir / release_id
    if not (folder / RECORD).is_file():
        known = kept_ids(releases_dir)
        if release_id != CURRENT and known:
            raise NoReleaseError(f"there is no release {release_id!r}; known: {', '.join(known)}")
        raise NoReleaseError("there is no release yet; run `ibgap refresh` to make one")
    release = ReleaseFiles(folder.resolve())
    _ = release.record  # a damaged record is told before anything is shown
    return release
