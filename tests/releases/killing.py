"""Kills a publishing process before one of its file operations, then looks at what is left.

Run as a program: `python -m tests.releases.killing SCENARIO FOLDER FIRST STEP` prints one JSON line
for each operation FIRST, FIRST + STEP, ... until publishing ends before it. Every publish and
every look is a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ibgap.releases.publisher import REPORT
from ibgap.releases.reader import open_release
from ibgap.releases.shelf import CURRENT
from ibgap.releases.tables import DATABASE
from ibgap.releases.verify import verify_folder, verify_release
from ibgap.releases.whole import RECORD, differences_from_record, is_whole

from .made import EPOCH, content, folders, published

KEEP = 2
_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink")


def _two(releases: Path) -> None:
    """A first release and a second one, which is current."""
    published(releases, content("one"), at=EPOCH)
    published(releases, content("two"), at=EPOCH)


def _damaged(releases: Path) -> None:
    """The same, and a file of the first was changed."""
    _two(releases)
    (one,) = (p for p in releases.glob("2*") if p != (releases / CURRENT).resolve())
    (one / REPORT).write_text("x")


SCENARIOS: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "first": (lambda _: None, "one", 0),
    "new": (_two, "three", 120),
    "again": (_two, "one", 0),
    "damaged": (_damaged, "one", 0),
}
"""What is there before, which content is then published, and how many seconds later."""


def _die_before(number: int) -> None:
    """Kill this process before its file operation of this number (from 1)."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            count()

    def counted(whole: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            count()
            return whole(*arguments, **options)

        return wrapped

    sys.addaudithook(hook)
    os.fsync = counted(os.fsync)  # it tells no hook; nor do files that libraries write
    pd.DataFrame.to_parquet = counted(pd.DataFrame.to_parquet)  # type: ignore[method-assign]


def _apart(work: Callable[[], Any]) -> int:
    """Do work in a process of its own: 0, 1 if it failed, or minus the signal that ended it."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _looks_whole(releases: Path, states: set[str]) -> None:
    """Readers see one whole release, one of those that they may see."""
    if not (releases / CURRENT).is_symlink() and "" in states:
        return
    release = open_release(releases)
    assert release.release_id in states, release.release_id
    assert not differences_from_record(release.folder), differences_from_record(release.folder)
    assert (release.folder / DATABASE).is_file() and len(release.table("effects")) == 1


def _looks_clean(releases: Path, release_id: str) -> None:
    _looks_whole(releases, {release_id})
    folder = verify_folder(releases)
    assert not folder.faults and not folder.left, folder
    assert verify_release(releases / release_id).is_whole
    assert all(is_whole(p.parent) for p in releases.glob(f"2*/{RECORD}"))
    names = folders(releases)
    assert not [n for n in names if n.startswith(".")], names
    assert len([n for n in names if n.startswith("2")]) <= KEEP, names


def kill_at(scenario: str, releases: Path, number: int) -> dict[str, Any]:
    """One kill in a fresh folder, the look after it, the next publish, and the look after that."""
    shutil.rmtree(releases, ignore_errors=True)
    shutil.copytree(releases.with_name(f"{scenario}-before"), releases, symlinks=True)
    before = (releases / CURRENT).resolve().name if (releases / CURRENT).exists() else ""
    work = _work_of(scenario, releases)

    def killed() -> None:
        _die_before(number)
        work()

    ended = _apart(killed)
    reached = ended == -signal.SIGKILL
    after = _id_after(scenario)
    whole = _apart(lambda: _looks_whole(releases, {before, after}))
    again = _apart(lambda: _must_give(work(), after))
    clean = _apart(lambda: _looks_clean(releases, after))
    return {"number": number, "reached": reached, "ended": ended, "whole": whole, "again": again,
            "clean": clean}  # fmt: skip


def _work_of(scenario: str, releases: Path) -> Callable[[], Any]:
    _, name, later = SCENARIOS[scenario]
    return lambda: published(releases, content(name), at=str(int(EPOCH) + later), keep=KEEP)


def _id_after(scenario: str) -> str:
    return Path(sys.argv[2], f"id-{scenario}").read_text()


def _must_give(release: Any, release_id: str) -> None:
    assert release.release_id == release_id, release


def _must_work(code: int) -> None:
    assert code == 0


def main(scenario: str, folder: Path, first: int, step: int) -> None:
    releases, before = folder / scenario, folder / f"{scenario}-before"
    before.mkdir()

    def prepare() -> None:
        SCENARIOS[scenario][0](before)
        made = _work_of(scenario, folder / f"{scenario}-done")()
        (folder / f"id-{scenario}").write_text(made.release_id)

    _must_work(_apart(prepare))
    number = first
    while True:
        found = kill_at(scenario, releases, number)
        print(json.dumps(found), flush=True)
        if not found["reached"]:
            return
        number += step


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
