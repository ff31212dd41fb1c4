"""Texts that manifests declare, and cells with types of their own."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa

from assets.staging.columns import Column, Kind, column_of_cells, column_of_numbers, column_of_texts
from assets.staging.declared_texts import matched, translated, without
from assets.staging.limits import Watch
from assets.staging.parquet_files import read_parquet


def told(*cells: str, decimal: str = ".", **mapping: str) -> list[str]:
    own = {k.removeprefix("_").replace("m", "-"): v for k, v in mapping.items()}
    return translated(column_of_texts(cells), own, decimal).rows()


def labeled(column: Column, **labels: str) -> Column:
    own = {code.removeprefix("_"): label for code, label in labels.items()}
    return Column(column.codes, column.texts, column.kinds, column.shown, column.percents, own)


def test_whole_numbers_with_empty_decimals() -> None:
    cells = ("1", "1.0", "1.00", "-9.0", "+1.0", "1.5", "10", "1.", "x1.0", "1,0")
    assert told(*cells, _1="a", _m9="b") == [
        "a", "a", "a", "b", "+1.0", "1.5", "10", "1.", "x1.0", "1,0"
    ]  # fmt: skip
    assert told("1,0", "1.0", "1,5", decimal=",", _1="a") == ["a", "1.0", "1,5"]


def test_declared_texts_with_empty_decimals() -> None:
    mapping = {"2.0": "two", "3": "three", "3.0": "other", "0.50": "half"}
    cells = ["2", "2.0", "2.00", "3", "3.0", "0.5", "0.50"]
    made = translated(column_of_texts(cells), mapping).rows()
    assert made == ["two", "two", "two", "three", "other", "0.5", "half"]


def test_nothing_declared_changes_nothing() -> None:
    cells = column_of_texts(["1.0", ""])
    assert translated(cells, {}) is cells
    assert translated(cells, {"2": "two"}) is cells
    assert without(cells, ["2"]) is cells


def test_rows_in_which_nothing_stands_are_never_declared() -> None:
    assert told("1", "", "1", _1="a") == ["a", "", "a"]
    assert without(column_of_texts(["-9", "", "-9.0", "1"]), ["-9"]).rows() == ["", "", "", "1"]


def test_what_the_file_shows_and_its_value_labels_are_declared_texts() -> None:
    cells = column_of_cells(
        ["1", "", "2", "3"], [Kind.NUMBER, Kind.MISSING, Kind.NUMBER, Kind.NUMBER],
        ["", ".a", "", ""],
    )  # fmt: skip
    column = labeled(cells, _2="Web site ", _3="1")
    # A cell that is the text goes before one that is labeled so: both mean it.
    assert matched(column, [".a", "Web site", "1"]).tolist() == [2, 0, 1, 2]
    assert translated(column, {".a": "refused", "Web site": "web"}).rows() == [
        "1", "refused", "web", "3"
    ]  # fmt: skip
    assert matched(labeled(column_of_texts(["1"]), _1="2"), ["2", "1"]).tolist() == [1]


def test_translated_cells_are_plain_text() -> None:
    """A share that the file shows as a percent is none once it means something else."""
    cells = column_of_cells(["0.45", "0.5"], [Kind.NUMBER] * 2, ["45%", "50%"], [True, True])
    made = translated(cells, {"0.5": "half"})
    assert made.rows() == ["0.45", "half"]
    assert [made.shown.get(i) for i in range(2)] == ["45%", None]
    assert made.percents == {0} and made.kinds.tolist() == [Kind.NUMBER, Kind.TEXT]


def test_truth_values_go_by_their_words_too() -> None:
    truths = column_of_cells(["1", "0", "1"], [Kind.BOOLEAN, Kind.BOOLEAN, Kind.TEXT])
    assert translated(truths, {"TRUE": "acted", "False": "not"}).rows() == ["acted", "not", "1"]


def test_cells_become_as_people_type_them() -> None:
    def rows(*cells: object, kind: pa.DataType) -> list[str]:
        return column_of_numbers(pa.array(cells, kind)).rows()

    large = [1e15, -1e15, 999999999999999.0]
    assert rows(None, float("nan"), 3.0, -2.0, 2.5, kind=pa.float64()) == ["", "", "3", "-2", "2.5"]
    assert [float(text) for text in rows(*large, kind=pa.float64())] == large
    assert rows(large[2], kind=pa.float64()) == ["999999999999999"]
    assert rows(float("nan"), 3.0, kind=pa.float32()) == ["", "3"]
    assert rows(4, None, 7, kind=pa.int64()) == ["4", "", "7"]
    assert column_of_texts(["  a b ", None, " "]).rows() == ["a b", "", ""]


def test_missing_cells_of_parquet_files_are_empty() -> None:
    """Also of the columns of pandas that know a missing value of their own."""
    frame = pd.DataFrame({
        "n": pd.array([1, None, 2], dtype="Int64"), "label": pd.array(["x", None, "y"], "string"),
        "yes": pd.array([True, None, False], dtype="boolean"), "mean": [1.5, 7.0, 2.0],
    })  # fmt: skip
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    found = read_parquet(buffer.getvalue(), Watch())
    assert {name: column.rows() for name, column in found.columns} == {
        "n": ["1", "", "2"], "label": ["x", "", "y"], "yes": ["1", "", "0"],
        "mean": ["1.5", "7", "2"],
    }  # fmt: skip
