"""The published releases of a folder: which there are, the last ones kept open in memory.

A release never changes, so a page reads all of its numbers from one release however often
`current` moves meanwhile.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibgap.releases.differences import Changes, compare_releases
from ibgap.releases.last_refresh import FILE
from ibgap.releases.reader import CURRENT, NoReleaseError, ReleaseFiles
from ibgap.releases.shelf import current_id, in_order, never_shown
from ibgap.releases.view import ReleaseView

_KEPT_OPEN = 3
_KEPT_HEADS = 64


class GoneError(Exception):
    """A release that is not kept any more. nearest: the id of the closest one that is."""

    def __init__(self, release_id: str, nearest: str) -> None:
        super().__init__(f"release {release_id} is not kept any more")
        self.release_id, self.nearest = release_id, nearest


@dataclass(frozen=True)
class ReleaseHead:
    """What the list of releases shows of one."""

    release_id: str
    created_at: str

    @property
    def day(self) -> str:
        return self.created_at[:10]


class Releases:
    """Reads a folder of releases. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._open: OrderedDict[str, ReleaseView] = OrderedDict()
        self._heads: dict[str, ReleaseHead] = {}
        self._headlines: dict[str, Any] = {}
        self._changes: dict[tuple[str, str], Changes] = {}

    @property
    def current_id(self) -> str:
        """The id `current` points to now. Raises `NoReleaseError` when there is none."""
        found = current_id(self.folder)
        if not found:
            raise NoReleaseError("there is no release yet; run `ibgap refresh` to make one")
        return found

    @property
    def heads(self) -> list[ReleaseHead]:
        """Readable releases, the one published last first, whatever the clock said then."""
        try:
            names = [p.name for p in self.folder.iterdir() if p.is_dir() and not p.is_symlink()]
        except OSError:
            return []
        unseen = set(never_shown(self.folder))
        for name in names:
            if name not in self._heads and not name.startswith("."):
                head = _read_head(self.folder / name)
                if head is not None:
                    self._heads[name] = head
        known = {n: self._heads[n] for n in names if n in self._heads and n not in unseen}
        ids = in_order(self.folder, {name: head.created_at for name, head in known.items()})
        return [known[name] for name in reversed(ids)]

    def open(self, release_id: str = "") -> ReleaseView:
        """A release with all of its tables in memory, by default the current one.

        Raises `NoReleaseError` when there is none or it is damaged, `GoneError` when a release
        with this id is not there but others are.
        """
        name = self.current_id if release_id in ("", CURRENT) else release_id
        with self._lock:
            if name in self._open:
                self._open.move_to_end(name)
                return self._open[name]
        folder = self.folder / name
        if not (folder / "release.json").is_file():
            raise GoneError(name, self._nearest(name))
        view = ReleaseView(folder)
        _check(view)
        with self._lock:
            self._open[name] = view
            while len(self._open) > _KEPT_OPEN:
                self._open.popitem(last=False)
        return view

    def _nearest(self, release_id: str) -> str:
        """The kept release made last before this one (ids begin with the time), else the first."""
        ids = sorted(head.release_id for head in self.heads)
        before = [one for one in ids if one < release_id]
        return before[-1] if before else ids[0] if ids else ""

    def previous(self, release_id: str) -> str:
        """The release made before this one; '' when it is the first."""
        ids = [head.release_id for head in self.heads]
        place = ids.index(release_id) + 1 if release_id in ids else len(ids)
        return ids[place] if place < len(ids) else ""

    def headline(self, release_id: str) -> Any:
        """The primary pooled and gap rows of a release, for trends; None when it is damaged."""
        if release_id not in self._headlines:
            if len(self._headlines) > _KEPT_HEADS:
                self._headlines.clear()
            self._headlines[release_id] = _read_headline(self.folder / release_id)
        return self._headlines[release_id]

    def changes(self, old_id: str, new_id: str) -> Changes:
        """What differs between two kept releases; raises as `open` does."""
        key = (old_id, new_id)
        if key not in self._changes:
            if len(self._changes) > _KEPT_HEADS:
                self._changes.clear()
            self._changes[key] = compare_releases(self.open(old_id), self.open(new_id))
        return self._changes[key]

    def last_refresh(self) -> dict[str, Any]:
        """What the last run said of itself; empty when nothing is known."""
        try:
            data = json.loads((self.folder / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}


def _check(view: ReleaseView) -> None:
    """Load every table and hold its columns against the release's own codebook.

    Raises `NoReleaseError` naming the first table that is not what it should be.
    """
    names = list(view.record.get("counts") or {})
    for name in names:
        view.table(name)
    if "codebook" not in names:
        return
    book = view.table("codebook")
    if not {"table_name", "column_name"} <= set(book.columns):
        raise NoReleaseError(f"the table codebook of release {view.release_id} is damaged")
    for key, own in book.groupby("table_name"):
        name = str(key)
        if name in names and not set(own["column_name"]) <= set(view.table(name).columns):
            raise NoReleaseError(f"the table {name} of release {view.release_id} is damaged")


def _read_head(folder: Path) -> ReleaseHead | None:
    try:
        record = ReleaseFiles(folder).record
    except NoReleaseError:
        return None
    return ReleaseHead(str(record["release_id"]), str(record.get("created_at") or ""))


def _read_headline(folder: Path) -> Any:
    view = ReleaseView(folder)
    try:
        pooled = view.primary("pooled_effects", subset="all", measure="SMD")
        gaps = view.primary("gap_estimates", subset="all", estimand="difference")
    except (NoReleaseError, KeyError):
        return None
    return {"pooled_effects": pooled, "gap_estimates": gaps}
