"""SAS transport files: datasets, padding and reasons for missing values."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from assets.staging.sas_transport import datasets
from tests.spec.stored import column, read, refused, written

ONE = pd.DataFrame({"ID": ["a", "b", "c"], "X": [1.5, -2.0, 0.0]})
TWO = pd.DataFrame({"K": ["x", "y"]})


def dataset(frame: pd.DataFrame, name: str, version: int = 5) -> bytes:
    return written("xpt", frame, file_format_version=version, table_name=name)


def library(*parts: bytes) -> bytes:
    """Files of one dataset as one file: the library's head stands once."""
    first, *others = parts
    member = first.index(b"HEADER RECORD*******MEMB")
    return first + b"".join(one[member:] for one in others)


@pytest.mark.parametrize("version", [5, 8])
def test_several_datasets_are_refused_by_name(version: int) -> None:
    both = library(dataset(ONE, "DM", version), dataset(TWO, "QS", version))
    problem = refused("xpt", both)
    assert problem.rule == "datasets_several"
    assert "holds 2 datasets (DM, QS)" in problem.message
    # pandas and the project agree on each of them.
    for name, frame in (("DM", ONE), ("QS", TWO)):
        table = read("xpt", dataset(frame, name, version))
        assert table.account.table == name
        assert [called for called, _ in table.columns] == list(frame)
        if version == 5:
            # Where rows are shorter than a record, pandas takes padding for rows.
            there = pd.read_sas(io.BytesIO(dataset(frame, name)), format="xport", encoding="utf-8")
            there = there.head(len(frame))
            assert column(table, frame.columns[0]).rows() == there.iloc[:, 0].tolist()


def test_names_of_datasets_are_printable_and_few() -> None:
    many = library(*(dataset(TWO, f"D{i}") for i in range(13)))
    many = many.replace(b"SAS     D0      ", b"SAS     D\x1b      ")
    message = refused("xpt", many).message
    assert "13 datasets (D\\x1b, D1," in message
    assert "D9 and 3 more)" in message


def test_what_reads_like_a_header_within_a_row_is_none() -> None:
    text = "HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!" + "0" * 32
    frame = pd.DataFrame({"T": [text] * 5})
    data = dataset(frame, "T")
    assert len(datasets(data)) == 1
    assert column(read("xpt", data), "T").rows() == [text] * 5


@pytest.mark.parametrize("count", range(1, 12))
def test_padding_is_no_row(count: int) -> None:
    frame = pd.DataFrame({"K": [f"k{i:02d}" for i in range(count)]})
    table = read("xpt", dataset(frame, "P"))
    assert column(table, "K").rows() == frame["K"].tolist()
    assert table.account.blank_rows == 0


def test_a_blank_row_between_others_is_counted() -> None:
    frame = pd.DataFrame({"K": ["a", "", "c"], "L": ["x", "", "z"]})
    table = read("xpt", dataset(frame, "P"))
    assert table.rows.tolist() == [1, 3]
    assert table.account.blank_rows == 1


def test_reasons_of_sas() -> None:
    data = dataset(pd.DataFrame({"X": [1.0, 2.0, 3.0, 4.0, 5.0]}), "R")
    at = len(data.rstrip(b" ")) // 80 * 80
    rows = [b"A", b"_", b".", b"Z"]
    changed = data[: at + 8] + b"".join(tag + bytes(7) for tag in rows) + data[at + 40 :]
    found = column(table := read("xpt", changed), "X")
    assert found.rows() == ["1", "", "", ""]
    assert list(found.shown.values()) == [".A", ".Z", "._"]
    assert table.rows.tolist() == [1, 2, 3, 5]
    assert dict(table.account.missing_reasons) == {".A": 1, "._": 1, ".Z": 1}


def test_a_dataset_without_columns_has_no_rows() -> None:
    data = dataset(TWO, "E")
    at = data.index(b"NAMESTR HEADER RECORD!!!!!!!") + len(b"NAMESTR HEADER RECORD!!!!!!!")
    empty = data[:at] + b"0" * 30 + b"  " + data[data.index(b"HEADER RECORD*******OBS") :][:80]
    table = read("xpt", empty)
    assert (list(table.columns), len(table.rows)) == ([], 0)


def test_numbers_of_short_widths_agree_with_pandas() -> None:
    values = np.random.default_rng(5).normal(size=200) * 10.0 ** np.arange(-20, 20).repeat(5)
    data = dataset(pd.DataFrame({"X": values}), "N")
    there = pd.read_sas(io.BytesIO(data), format="xport")["X"].to_numpy()
    here = np.array(column(read("xpt", data), "X").rows(), float)
    np.testing.assert_array_equal(here, there)


def test_what_is_no_transport_file_is_refused() -> None:
    assert refused("xpt", b"id,x\n1,2\n").rule == "file_truncated"
    assert refused("xpt", dataset(ONE, "A")[:400]).rule == "file_truncated"
