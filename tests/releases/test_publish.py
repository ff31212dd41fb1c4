"""Publishing makes one whole release, shows it in one step, and takes back what is unfinished."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ibgap.base.machine import MachineFaultError
from ibgap.releases import publisher, shelf
from ibgap.releases.audits import ReleaseAuditError, other_in_database
from ibgap.releases.content import content_hash
from ibgap.releases.opened import Releases
from ibgap.releases.reader import open_release
from ibgap.releases.shelf import CURRENT, HISTORY, ReleasesFolderError, current_id
from ibgap.releases.tables import DATABASE
from ibgap.releases.verify import verify_folder, verify_release
from ibgap.releases.whole import is_whole
from validations.tables import TABLES, conform

from .made import EPOCH, content, folders, published, report

LATER = str(int(EPOCH) + 60)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the releases one and two, of which two is current; not to be changed."""
    folder = tmp_path_factory.mktemp("two")
    published(folder, content("one"), at=EPOCH)
    published(folder, content("two"), at=EPOCH)
    return folder


@pytest.fixture
def releases(two: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(two, tmp_path / "releases", symlinks=True))


def test_the_same_content_is_published_once(releases: Path) -> None:
    before = folders(releases)
    again = published(releases, content("two"), at=LATER)
    assert not again.is_new and again.release_id == current_id(releases)
    assert folders(releases) == before


def test_a_release_that_is_there_is_shown_again(releases: Path) -> None:
    """With the time given by SOURCE_DATE_EPOCH a content has the same id each time."""
    two = current_id(releases)
    again = published(releases, content("one"), at=EPOCH)
    assert again.is_new and again.release_id == current_id(releases) != two
    assert verify_release(again.path).is_whole
    assert published(releases, content("two"), at=EPOCH).release_id == two == current_id(releases)
    assert len([n for n in folders(releases) if n.startswith("2")]) == 2


@pytest.mark.parametrize("shown", [True, False])
def test_a_damaged_release_is_made_anew(releases: Path, shown: bool) -> None:
    name = "two" if shown else "one"
    (path,) = (p.parent for p in releases.glob("2*/release.json")
               if (p.parent.name == current_id(releases)) is shown)  # fmt: skip
    damage = path / "tables" / "effects.parquet"
    damage.write_bytes(damage.read_bytes()[:-1] + b"x")  # of the same size
    made = published(releases, content(name), at=EPOCH)
    assert made.path == path and made.is_new and is_whole(path)
    assert current_id(releases) == path.name
    assert not verify_folder(releases).left


def test_a_damaged_current_release_is_followed_by_a_whole_one(releases: Path) -> None:
    (releases / CURRENT / "report.html").write_text("x")
    made = published(releases, content("two"), at=LATER)
    assert made.is_new and current_id(releases) == made.release_id
    assert verify_release(made.path).is_whole


def test_the_order_is_that_of_publication_whatever_the_clock_said(releases: Path) -> None:
    two = current_id(releases)
    (one,) = (n for n in folders(releases) if n.startswith("2") and n != two)
    back = published(releases, content("three"), at=str(int(EPOCH) - 86400)).release_id
    known = Releases(releases)
    assert [head.release_id for head in known.heads] == [back, two, one]
    assert known.previous(back) == two and known.previous(two) == one
    published(releases, content("one"), at=EPOCH)
    assert [head.release_id for head in Releases(releases).heads] == [one, back, two]


def test_pruning_keeps_what_was_shown_last(releases: Path) -> None:
    two = current_id(releases)
    back = published(releases, content("three"), at=str(int(EPOCH) - 86400), keep=2)
    assert [n for n in folders(releases) if n.startswith("2")] == sorted([back.release_id, two])


@pytest.mark.parametrize("history", [None, "", "{\n\x00", '{"release_id": "gone"}\n'])
def test_a_lost_history_leaves_the_order_of_making(releases: Path, history: str | None) -> None:
    (releases / HISTORY).unlink()
    if history is not None:
        (releases / HISTORY).write_text(history)
    made = published(releases, content("three"), at=LATER)
    heads = Releases(releases).heads
    assert len(heads) == 3 and heads[0].release_id == made.release_id


def test_a_folder_named_current_is_told(releases: Path) -> None:
    (releases / CURRENT).unlink()
    (releases / CURRENT).mkdir()
    with pytest.raises(ReleasesFolderError, match=r"is a folder.*release id.*ibgap refresh"):
        published(releases, content("three"), at=LATER)
    assert len([n for n in folders(releases) if n.startswith("2")]) == 2


@pytest.mark.parametrize("target", ["nowhere", "file"])
def test_a_link_to_nowhere_is_mended(releases: Path, target: str) -> None:
    (releases / CURRENT).unlink()
    if target == "nowhere":
        (releases / CURRENT).symlink_to("nowhere")
    else:
        (releases / CURRENT).write_text("")
    made = published(releases, content("two"), at=EPOCH)
    assert current_id(releases) == made.release_id and made.is_new


def test_what_killed_runs_left_is_removed_and_told_before(releases: Path) -> None:
    (releases / ".writing-1-current").symlink_to("nowhere")
    (releases / ".writing-1-20200101-000000-aaaaaaaaaa" / "tables").mkdir(parents=True)
    one, two = (n for n in folders(releases) if n.startswith("2"))
    orphan = one if two == current_id(releases) else two
    (releases / f".publishing-{orphan}").touch()
    left = verify_folder(releases).left
    assert len(left) == 3 and f"{orphan} is whole and was never shown" in left
    assert [head.release_id for head in Releases(releases).heads] == [current_id(releases)]
    made = published(releases, content("three"), at=LATER)
    assert not verify_folder(releases).left and not (releases / orphan).exists()
    assert current_id(releases) == made.release_id


def _disk_full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "x")


def _full(place: object, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patched: patched.setattr(place, name, _disk_full)


def _database_full(patched: pytest.MonkeyPatch) -> None:
    import duckdb

    def fails(*_: object, **__: object) -> None:
        raise duckdb.IOException("IO Error: could not write: No space left on device")

    patched.setattr("ibgap.releases.tables._write_database", fails)


@pytest.mark.parametrize(
    "fault",
    [
        _full(pd.DataFrame, "to_parquet"),
        _database_full,
        _full(publisher, "list_files"),
        _full(shelf, "name_whole"),
        _full(shelf, "link_whole"),
        _full(shelf, "show"),
    ],
    ids=["tables", "database", "hashes", "name", "link", "history"],
)
def test_a_full_disk_is_told_and_leaves_nothing(
    releases: Path, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    before, shown = folders(releases), current_id(releases)
    with pytest.MonkeyPatch.context() as patched:
        fault(patched)
        with pytest.raises(MachineFaultError, match=r"nothing was published.*disk is full.*room"):
            published(releases, content("three"), at=LATER)
    assert folders(releases) == before and current_id(releases) == shown
    assert published(releases, content("three"), at=LATER).is_new


def test_a_broken_promise_leaves_the_last_release(releases: Path) -> None:
    before, shown = folders(releases), current_id(releases)
    whole = content("three")
    double = pd.concat([whole.tables["effects"]] * 2, ignore_index=True)
    lost = conform(pd.DataFrame(), "trials")
    for table, frame, said in (("effects", double, "repeat the key"), ("trials", lost, "listed")):
        with pytest.raises(ReleaseAuditError, match=said):
            broken = replace(whole, tables={**whole.tables, table: frame})
            published(releases, broken, at=LATER)
    assert folders(releases) == before and current_id(releases) == shown


def test_the_database_holds_the_tables_and_is_small(releases: Path) -> None:
    import duckdb

    release = (releases / CURRENT).resolve()
    assert (release / DATABASE).stat().st_size < 1_500_000  # 6 MB with blocks of 256 KB
    assert other_in_database(release, sorted(TABLES)) == []
    connection = duckdb.connect(str(release / DATABASE), read_only=True)
    try:
        for name in TABLES:
            table = open_release(releases).table(name)
            columns = [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
            assert columns == list(table.columns)
            ((rows,),) = connection.execute(f"SELECT count(*) FROM {name}").fetchall()
            assert rows == len(table)
    finally:
        connection.close()


CHANGES = {
    "a number": lambda f: f.assign(yi=np.nextafter(0.25, 1)),
    "a missing number": lambda f: f.assign(yi=np.nan),
    "a text": lambda f: f.assign(effect_id=f["effect_id"] + "x"),
    "a flag": lambda f: f.assign(in_pool=pd.array([False], dtype="boolean")),
    "a missing flag": lambda f: f.assign(in_pool=pd.array([pd.NA], dtype="boolean")),
    "a cell of its neighbor": lambda f: f.assign(trial_id="on", label="ee"),
    "another name": lambda f: f.rename(columns={"yi": "xi"}),
    "a row more": lambda f: pd.concat([f, f], ignore_index=True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_content_has_another_hash(change: str) -> None:
    whole = content()
    changed = {**whole.tables, "effects": CHANGES[change](whole.tables["effects"])}
    assert content_hash(whole, {}) == content_hash(content(), {})
    assert content_hash(replace(whole, tables=changed), {}) != content_hash(whole, {})


def test_missing_numbers_are_alike_and_inputs_count() -> None:
    whole = content()
    gone = whole.tables["effects"].assign(yi=np.nan)
    turned = whole.tables["effects"].assign(yi=-np.float64(np.nan))
    one, two = (replace(whole, tables={"effects": f}) for f in (gone, turned))
    assert content_hash(one, {}) == content_hash(two, {})
    assert content_hash(whole, {"numpy": "1"}) != content_hash(whole, {"numpy": "2"})
    assert content_hash(replace(whole, inputs=[]), {}) != content_hash(whole, {})


def test_a_release_made_again_has_the_same_bytes(two: Path, tmp_path: Path) -> None:
    """But for DuckDB's file, which carries a random number and holds the same tables."""
    first = (two / CURRENT).resolve()
    again = published(tmp_path, content("two"), at=EPOCH).path
    names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    differ = [str(n) for n in names if (first / n).read_bytes() != (again / n).read_bytes()]
    assert set(differ) <= {DATABASE, f"{DATABASE}.sha256"}
    assert first.name == again.name and other_in_database(again, sorted(TABLES)) == []


def test_the_record_says_what_is_in_the_release(releases: Path) -> None:
    release = open_release(releases)
    files = release.record["files"]
    assert {f"tables/{name}.parquet" for name in TABLES} < set(files)
    for name, said in files.items():
        assert said["bytes"] == (release.folder / name).stat().st_size
    assert release.record["counts"]["effects"] == 1
    assert json.loads((release.folder / "release.json").read_text())["record_sha256"]
    assert (release.folder / "report.html").read_text().startswith("<!doctype html>")
    assert callable(report)
