"""Results that are kept: which of them stand, and what is made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from assets.kept import LEDGER, Entry, KeptResults
from assets.typed import from_rows

TABLES = {
    "screened_counts": from_rows([{"collection_id": "t", "accepted": 3}], "screened_counts"),
    "findings": from_rows([{"trial_id": "t", "rule_id": "r"}] * 500, "findings"),
}


def keep(room: Path, name: str = "t", key: str = "key", **tables: pa.Table) -> Path:
    """Keep a result; returns its file."""
    kept = KeptResults(room)
    before = set(room.glob("*"))
    kept.enter({name: kept.write(name, key, tables or TABLES, ["b.csv", "a.csv", "b.csv"])})
    (path,) = {p for p in room.glob("*") if p.name != LEDGER} - before or [None]
    assert path is not None
    return path


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    path = keep(tmp_path / "room")
    kept = KeptResults(tmp_path / "room")
    assert kept.names == ["t"] and kept.stands("t", "key")
    found = kept.read("t")
    assert list(found) == list(TABLES) and all(found[n].equals(TABLES[n]) for n in TABLES)
    assert list(kept.read("t", lambda name: name == "findings")) == ["findings"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert kept.entry("t") == Entry("key", digest, ("a.csv", "b.csv"))
    assert kept.entry("u") is None and not kept.stands("u", "key")


def test_a_result_counts_once_it_is_entered(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path)
    entry = kept.write("t", "key", TABLES)
    assert not kept.stands("t", "key") and KeptResults(tmp_path).names == []
    kept.enter({"t": entry})
    assert kept.stands("t", "key") and KeptResults(tmp_path).stands("t", "key")


def test_equal_tables_are_equal_bytes(tmp_path: Path) -> None:
    one, two = (keep(tmp_path / room).read_bytes() for room in ("one", "two"))
    assert one == two
    other = keep(tmp_path / "three", findings=TABLES["findings"].slice(1)).read_bytes()
    assert other != one
    first = KeptResults(tmp_path / "one")
    assert first.version == KeptResults(tmp_path / "two").version
    assert first.version != KeptResults(tmp_path / "three").version


def test_another_key_and_no_key_do_not_stand(tmp_path: Path) -> None:
    keep(tmp_path, "t")
    keep(tmp_path, "once", "")
    kept = KeptResults(tmp_path)
    assert not kept.stands("t", "other") and not kept.stands("t", "")
    assert not kept.stands("once", "") and not kept.stands("once", "key")
    assert len(kept.read("once")["findings"]) == 500


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_flip, _cut, Path.unlink, _folder])
def test_what_is_damaged_or_missing_does_not_stand(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = keep(tmp_path)
    keep(tmp_path, "u")
    damage(path)
    kept = KeptResults(tmp_path)
    assert not kept.stands("t", "key") and kept.stands("u", "key")


@pytest.mark.parametrize(
    "ledger",
    [b"", b"{", b"\xff\xfe", b"[]", b"3", b"null", b'{"t": 3}', b'{"t": {"key": "key"}}',
     b'{"t": {"key": "key", "digest": "", "files": 3}}'],
)  # fmt: skip
def test_a_damaged_ledger_knows_nothing(tmp_path: Path, ledger: bytes) -> None:
    keep(tmp_path)
    (tmp_path / LEDGER).write_bytes(ledger)
    kept = KeptResults(tmp_path)
    assert kept.names == [] and not kept.stands("t", "key")
    kept.retain(["t"])
    assert [p.name for p in tmp_path.iterdir()] == [LEDGER]
    keep(tmp_path)
    assert KeptResults(tmp_path).stands("t", "key")


def test_only_what_is_wanted_stays(tmp_path: Path) -> None:
    for name in ("t", "u", "v"):
        keep(tmp_path, name)
    (tmp_path / "stray.tables").write_bytes(b"x")
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "file").write_bytes(b"x")
    KeptResults(tmp_path).retain(["u", "w"])
    kept = KeptResults(tmp_path)
    assert kept.names == ["u"] and kept.stands("u", "key")
    assert len(list(tmp_path.iterdir())) == 2
    KeptResults(tmp_path / "nowhere").retain(["u"])


def test_names_may_be_long_and_odd(tmp_path: Path) -> None:
    names = ["t" * 255, "t" * 254, "\u00e4/..", "ledger.json", "a b", ""]
    for name in names:
        keep(tmp_path, name, f"key of {name}")
    kept = KeptResults(tmp_path)
    assert sorted(kept.names) == sorted(names)
    assert all(kept.stands(name, f"key of {name}") for name in names)
    assert len(list(tmp_path.iterdir())) == len(names) + 1


def test_the_ledger_holds_no_table(tmp_path: Path) -> None:
    keep(tmp_path, findings=from_rows([{"trial_id": "t", "message": "secret"}], "findings"))
    assert "secret" not in (tmp_path / LEDGER).read_text()
    assert set(json.loads((tmp_path / LEDGER).read_text())["t"]) == {"key", "digest", "files"}
