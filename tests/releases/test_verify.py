"""`ibgap verify` finds what is not as it was published, and says nothing of what is."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from ibgap.cli import exits
from ibgap.cli.command_line import main
from ibgap.releases.shelf import CURRENT, current_id
from ibgap.releases.verify import verify_folder, verify_release
from ibgap.releases.whole import RECORD, list_files, sealed

from .made import EPOCH, content, folders, published


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "releases"
    published(folder, content("one"), at=EPOCH)
    return folder


@pytest.fixture
def releases(one: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(one, tmp_path / "releases", symlinks=True))


def verify(releases: Path, *arguments: str) -> Result:
    environment = {"IBGAP_HOME": str(releases.parent), "IBGAP_RELEASES_DIR": str(releases)}
    return CliRunner().invoke(main, ["verify", *arguments], env=environment)


def test_a_release_as_published_is_said_to_be(releases: Path) -> None:
    said = verify(releases)
    assert said.exit_code == exits.OK and "is as it was published" in said.output
    found = json.loads(verify(releases, "--all", "--json").output)
    assert [one["whole"] for one in found["releases"]] == [True]
    assert found["releases"][0]["held_by"] == "hashes"
    assert found["folder"] == {"faults": [], "left": []}


def test_a_flipped_bit_in_any_file_is_found(releases: Path) -> None:
    """One bit at a place that differs from file to file, by a fixed seed."""
    release = (releases / CURRENT).resolve()
    drawn = random.Random(20261201)
    files = [p for p in sorted(release.rglob("*")) if p.is_file()]
    assert {p.name for p in files} > {RECORD, "ibgap.duckdb", "report.html", "effects.parquet"}
    for path in files:
        whole = path.read_bytes()
        for at in {0, len(whole) - 1, *(drawn.randrange(len(whole)) for _ in range(3))}:
            changed = bytearray(whole)
            changed[at] ^= 1 << drawn.randrange(8)
            path.write_bytes(bytes(changed))
            (fault, *_) = verify_release(release).faults
            assert path.name in fault, (path.name, at)
        path.write_bytes(whole)
    assert verify_release(release).is_whole


def test_missing_and_added_files_are_named(releases: Path) -> None:
    release = (releases / CURRENT).resolve()
    (release / "tables" / "arms.parquet").unlink()
    (release / "tables" / "more.parquet").write_bytes(b"x")
    (release / "loop").symlink_to("loop")
    said = verify(releases)
    assert said.exit_code == exits.DAMAGED and "is damaged" in said.output
    for line in ("tables/arms.parquet is missing", "tables/more.parquet was added",
                 "loop was added", "ibgap refresh"):  # fmt: skip
        assert line in said.output


def reseal(release: Path, **changes: object) -> None:
    """Write a record that lists the files as they are now."""
    record = json.loads((release / RECORD).read_text()) | {"files": list_files(release)} | changes
    (release / RECORD).write_text(sealed(record))


def test_tables_are_held_against_their_declaration(releases: Path) -> None:
    release = (releases / CURRENT).resolve()
    path = release / "tables" / "effects.parquet"
    whole = pd.read_parquet(path)
    for changed, said in (
        (whole.drop(columns="vi"), "the columns of effects are not the declared ones (vi)"),
        (whole.assign(vi="x"), "the column vi of effects is VARCHAR and not DOUBLE"),
        (pd.concat([whole, whole]), "1 rows of effects repeat the key"),
        (whole.assign(vi=-1.0), "positive variance (1 rows)"),
        (whole.assign(yi=0.3), "ibgap.duckdb holds another table effects"),
    ):
        changed.to_parquet(path, index=False)
        reseal(release)
        assert any(said in fault for fault in verify_release(release).faults), said


def test_a_table_that_cannot_be_read_is_told(releases: Path) -> None:
    release = (releases / CURRENT).resolve()
    (release / "tables" / "effects.parquet").write_bytes(b"PAR1")
    reseal(release)
    (fault,) = verify_release(release).faults
    assert fault.startswith("its tables cannot be read")


def test_an_older_release_is_held_by_its_sizes(releases: Path) -> None:
    release = (releases / CURRENT).resolve()
    record = json.loads((release / RECORD).read_text())
    sizes = {name: said["bytes"] for name, said in record["files"].items()}
    del record["record_sha256"]
    (release / RECORD).write_text(json.dumps(record | {"files": sizes}))
    said = verify(releases)
    assert said.exit_code == exits.OK and "by sizes" in said.output
    (release / "report.html").write_text("longer than it was, by much more than a little")
    said = verify(releases)
    assert said.exit_code == exits.DAMAGED and "report.html has another size" in said.output


def test_another_id_in_the_record_is_told(releases: Path) -> None:
    old = (releases / CURRENT).resolve()
    old.rename(releases / "20200101-000000-aaaaaaaaaa")
    assert verify_release(releases / "20200101-000000-aaaaaaaaaa").faults == (
        f"its record is of release {old.name}",
    )
    assert verify_folder(releases).faults == (f"{CURRENT} leads to no release",)
    assert verify(releases).exit_code == exits.DAMAGED


def test_the_folder_of_the_releases_is_looked_at(releases: Path) -> None:
    (releases / "half" / "tables").mkdir(parents=True)
    assert verify_folder(releases).left == (
        f"half has no {RECORD} and is no release; delete it by hand",
    )
    assert verify(releases).exit_code == exits.OK
    shown = current_id(releases)
    (releases / CURRENT).unlink()
    assert "no current" in verify(releases, shown).output
    (releases / CURRENT).mkdir()
    assert verify(releases, shown).exit_code == exits.DAMAGED


def test_a_release_that_is_not_there(releases: Path, tmp_path: Path) -> None:
    said = verify(releases, "2020")
    assert said.exit_code == exits.NO_RELEASE and current_id(releases) in said.output
    said = verify(tmp_path / "none")
    assert said.exit_code == exits.NO_RELEASE and "ibgap refresh" in said.output


def test_looking_changes_nothing(releases: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in releases.rglob("*")}
    verify(releases, "--all")
    assert {p: p.stat().st_mtime_ns for p in releases.rglob("*")} == before
    assert len(folders(releases)) == 3
