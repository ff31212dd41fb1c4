"""A fault of the machine leaves the readers as what it is; a file that is none is a finding."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyreadstat
import pytest
from pyarrow import csv, parquet

from assets.staging.reading import read_table
from ibgap.base.machine import is_machine_fault
from tests.builders import participant_trial
from tests.participant_files import as_parquet, as_sheets, as_statistics_file
from validations.errors import TrialFileError
from validations.findings import Finding
from validations.manifest import load_manifest
from validations.manifest.model import FileFormat

ROWS = [["id", "arm"], ["P1", "web"]]
FAULTS = [
    MemoryError(),
    pa.lib.ArrowMemoryError("malloc of size 64 failed"),
    pyreadstat.ReadstatError("Unable to allocate memory"),
    *(
        OSError(number, os.strerror(number))
        for number in (
            errno.ENOSPC, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EDQUOT,
            errno.ESTALE,
        )
    ),
]  # fmt: skip
LIBRARIES: list[tuple[str, Callable[[], bytes], Any, str]] = [
    ("csv", lambda: b"id,arm\nP1,web\n", Path, "read_bytes"),
    ("csv split by arrow", lambda: b"id,arm\nP1,web\n", csv, "read_csv"),
    ("xlsx", lambda: as_sheets(ROWS), zipfile, "ZipFile"),
    ("xlsx, a part of it", lambda: as_sheets(ROWS), zipfile.ZipFile, "open"),
    ("parquet", lambda: as_parquet(ROWS), parquet, "ParquetFile"),
    ("parquet, its rows", lambda: as_parquet(ROWS), parquet.ParquetFile, "iter_batches"),
    ("sav", lambda: as_statistics_file("sav", ROWS), pyreadstat, "read_sav"),
]


def _raising(error: BaseException, *, wrapped: bool) -> Callable[..., Any]:
    def fail(*arguments: object, **options: object) -> None:
        if not wrapped:
            raise error
        try:
            raise error
        except type(error):
            raise ValueError("the workbook cannot be parsed") from None

    return fail


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("error", FAULTS, ids=repr)
@pytest.mark.parametrize(
    ("kind", "made", "place", "name"),
    [(case.split()[0].strip(","), *rest) for case, *rest in LIBRARIES],
    ids=[case for case, *_ in LIBRARIES],
)
def test_a_fault_of_the_machine_is_never_the_files(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    made: Callable[[], bytes],
    place: Any,
    name: str,
    error: BaseException,
    wrapped: bool,
) -> None:
    (tmp_path / f"a.{kind}").write_bytes(made())
    monkeypatch.setattr(place, name, _raising(error, wrapped=wrapped))
    with pytest.raises(Exception) as caught:
        read_table("t", tmp_path, f"a.{kind}", FileFormat())
    assert not isinstance(caught.value, TrialFileError)
    assert is_machine_fault(caught.value)


def test_the_manifest_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = participant_trial().write(tmp_path)
    monkeypatch.setattr(Path, "read_bytes", _raising(OSError(errno.EIO, "x"), wrapped=False))
    with pytest.raises(OSError):
        load_manifest(folder)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


PLACES: list[tuple[Callable[[Path], object], str, str]] = [
    (Path.mkdir, "unreadable", "is a folder, not a file"),
    (_pipe, "unreadable", "is a pipe, not a file"),
    (_loop, "unreadable", "is a link that leads back to itself"),
    (_device, "outside", "leads outside the trial folder"),
]


def _finding(read: Callable[[], object]) -> Finding:
    with pytest.raises(TrialFileError) as caught:
        read()
    (finding,) = caught.value.findings
    assert finding.fix
    return finding


@pytest.mark.parametrize(("make", "reason", "words"), PLACES)
def test_what_is_no_file_is_a_finding(
    tmp_path: Path, make: Callable[[Path], object], reason: str, words: str
) -> None:
    rule = {"unreadable": "file_unreadable", "outside": "manifest_path_outside"}[reason]
    make(tmp_path / "a.csv")
    finding = _finding(lambda: read_table("t", tmp_path, "a.csv", FileFormat()))
    assert (finding.rule_id, finding.file) == (rule, "a.csv")
    assert f"'a.csv' {words}" in finding.message


@pytest.mark.parametrize(("make", "reason", "words"), PLACES)
def test_so_is_a_manifest_that_is_none(
    tmp_path: Path, make: Callable[[Path], object], reason: str, words: str
) -> None:
    rule = {"unreadable": "manifest_unreadable", "outside": "manifest_path_outside"}[reason]
    make(tmp_path / "trial.yaml")
    finding = _finding(lambda: load_manifest(tmp_path))
    assert finding.rule_id == rule
    assert finding.message == f"the manifest {words}"


def test_files_without_the_right_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "trial.yaml").write_text("ibgap: 1\n")
    denied = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(Path, "read_bytes", _raising(denied, wrapped=False))
    finding = _finding(lambda: read_table("t", tmp_path, "a.csv", FileFormat()))
    assert finding.rule_id == "file_unreadable"
    assert "may not be read" in finding.message and "right to read" in finding.fix
    assert _finding(lambda: load_manifest(tmp_path)).rule_id == "manifest_unreadable"


@pytest.mark.parametrize("name", ["a" * 300 + ".csv", "a\0.csv"])
def test_paths_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    finding = _finding(lambda: read_table("t", tmp_path, name, FileFormat()))
    assert finding.rule_id == "file_unreadable"
    assert len(finding.text()) < 900
