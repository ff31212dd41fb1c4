"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ibgap.base.writing import UNFINISHED, remove, remove_unfinished, write_whole


def test_what_is_written_is_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    assert write_whole(path, b"one") == path and path.read_bytes() == b"one"
    write_whole(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two" and path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("step", ["fsync", "fchmod", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "x"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = write_whole(tmp_path / "a.txt", b"old")

    def fail(*arguments: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*((Path, step) if step == "replace" else (os, step)), fail)
        with pytest.raises(type(error)):
            write_whole(path, b"new", mode=0o600)
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_name_as_long_as_a_name_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    assert write_whole(path, b"x").read_bytes() == b"x"


def test_a_folder_in_the_place_of_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match=r".") as told:
        write_whole(tmp_path / "a", b"x")
    assert told.value.errno in (errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"old")
    (tmp_path / "link").symlink_to(outside)
    write_whole(tmp_path / "link", b"new")
    assert outside.read_bytes() == b"old" and not (tmp_path / "link").is_symlink()


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    room = tmp_path / "deep" / "room"
    room.mkdir(parents=True)
    (room / f"{UNFINISHED}7-a").write_bytes(b"part")
    (room / f"{UNFINISHED}8-b").mkdir()
    (room / "kept").write_bytes(b"x")
    remove_unfinished(tmp_path)
    assert [p.name for p in room.iterdir()] == ["kept"]
    remove_unfinished(tmp_path / "nowhere")


def test_removing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    assert (tmp_path / "folder" / "a").exists() and not (tmp_path / "link").is_symlink()
    remove(tmp_path / "folder")
    remove(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
