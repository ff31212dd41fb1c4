"""Tables in the store: what comes back, and what a write that fails leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from assets.store import TableStore


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    made = TableStore(tmp_path / "store")
    made.prepare()
    return made


def test_columns_of_one_kind_come_back(store: TableStore) -> None:
    frame = pd.DataFrame(
        {
            "number": [1.5, np.nan, 2.0],
            "person": np.array([0, 1, 2], dtype=np.int32),
            "text": ["a", None, ""],
            "arm": pd.Categorical(["c", None, "a"], categories=["c", "none", "a"]),
            "mixed_numbers": np.array([1, 2.5, None], dtype=object),
            "truth": np.array([True, None, False], dtype=object),
            "nothing": np.array([None, np.nan, None], dtype=object),
            "mixed": np.array(["x", 3, None], dtype=object),
        },
        index=[5, 7, 7],
    )
    before = frame.copy()
    store.write("room/t", frame)
    pd.testing.assert_frame_equal(frame, before)
    found = store.read("room/t")
    assert list(found.index) == [0, 1, 2] and list(found) == list(frame)
    same = ["number", "person", "text", "arm"]
    pd.testing.assert_frame_equal(found[same], frame[same].reset_index(drop=True))
    assert found["mixed_numbers"].dtype == np.float64 and found["mixed_numbers"].sum() == 3.5
    assert found["truth"].dropna().tolist() == [True, False] and found["truth"].isna()[1]
    assert found["nothing"].isna().all()
    assert found["mixed"].tolist() == ["x", "3", None]


def test_categories_are_numbers_in_the_file(store: TableStore) -> None:
    arms = pd.DataFrame({"arm": pd.Categorical(["a", "c"] * 5000)})
    path = store.write("t", arms)
    assert str(pq.read_schema(path).field("arm").type).startswith("dictionary<")
    assert path.stat().st_size < 3000


def test_a_write_that_fails_leaves_the_old_table(
    store: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("t", pd.DataFrame({"x": [1]}))
    digest = store.digest("t")

    def fail(table: object, path: Path, **options: object) -> None:
        path.write_bytes(b"part")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", fail)
        with pytest.raises(OSError, match="space"):
            store.write("t", pd.DataFrame({"x": [2]}))
    assert store.digest("t") == digest and store.read("t")["x"].tolist() == [1]
    assert list(store.root.glob(".writing-*"))
    store.prepare()
    assert not list(store.root.glob(".writing-*"))


def test_digests_are_those_of_the_bytes(store: TableStore) -> None:
    path = store.write("t", pd.DataFrame({"x": [1]}))
    assert store.digest("t") == hashlib.sha256(path.read_bytes()).hexdigest()
    assert store.digest("none") == ""
