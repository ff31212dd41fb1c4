"""Tables between the stations: declared columns, one kind each, in memory and in every file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assets.journey.contents import TABLES as OF_JOURNEYS
from assets.kept import KeptResults
from assets.outcomes.arms import ARM_STATISTICS
from assets.resources import TypedTables
from assets.staging.extraction import IDENTITY
from assets.typed import from_rows, kinds_of, schema_of, stacked, to_arrow, to_frame
from validations.findings import FINDING_COLUMNS
from validations.records import RECORD_SCHEMAS
from validations.screening import REJECTED_COLUMNS
from validations.tables import TABLES, made_columns

EVERY = sorted({*OF_JOURNEYS, *TABLES, "synthesis_findings"})
COLUMNS = {
    "accepted_correlations": [*IDENTITY, "synthesis", "row", "block",
                              *RECORD_SCHEMAS["correlations"].names],
    "accepted_codings": [*IDENTITY, "synthesis", "row", "block",
                         *RECORD_SCHEMAS["barrier_codings"].names],
    "rejected_rows": [*REJECTED_COLUMNS, "fix", "outcome", "row"],
    "arm_statistics": ARM_STATISTICS,
    "findings": FINDING_COLUMNS,
    "outcome_rows": made_columns("intention_outcomes"),
}  # fmt: skip
COLUMNS = {name: made_columns(name) for name in TABLES} | COLUMNS
NUMBERS = {
    "accepted_correlations": {"row", "block", "r", "n"},
    "accepted_codings": {"row", "block", "n_sources", "n_reference_points"},
    "rejected_rows": {"row"},
    "arm_statistics": {"weeks", "n", "mean", "sd", "events"},
    "findings": {"row", "count"},
    "assumed_covariances": {"assumed_correlation", "covariance"},
}


def rows_of(table: str) -> list[dict[str, Any]]:
    """Two rows of every kind of value, and one without any."""
    kinds = kinds_of(table)
    one: dict[str, dict[str, Any]] = {
        "text": {"first": "a", "second": "ä,\n\"'; \u2028\U0001f600"},
        "number": {"first": 0.1 + 0.2, "second": -1.7976931348623157e308},
        "integer": {"first": 2.0**53 - 1, "second": 0.0},
        "boolean": {"first": True, "second": False},
    }
    filled = [{name: one[kind][which] for name, kind in kinds.items()}
              for which in ("first", "second")]  # fmt: skip
    return [filled[0], dict.fromkeys(kinds), filled[1]]


def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None for what is missing."""
    return [
        {str(k): None if v is None or v != v else v for k, v in row.items()}
        for row in frame.to_dict("records")
    ]


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_a_table_without_rows_has_its_columns(table: str) -> None:
    made = to_frame(stacked(table, []))
    assert set(made.columns) == set(COLUMNS[table]) and len(made) == 0
    assert list(made.columns) == list(kinds_of(table))
    if table in NUMBERS:
        assert {c for c in made if made[c].dtype == np.float64} == NUMBERS[table]


@pytest.mark.parametrize("table", EVERY)
def test_a_table_comes_back_from_frames_files_and_rooms(table: str, tmp_path: Path) -> None:
    rows = rows_of(table)
    made = from_rows(rows, table)
    assert made.schema == schema_of(table)
    frame = to_frame(made)
    assert plain(frame) == rows
    assert to_arrow(frame, table).equals(made)
    through_objects = frame.astype(object).where(frame.notna(), None)
    assert to_arrow(through_objects, table).equals(made)

    kept = KeptResults(tmp_path / "room")
    kept.write("t", "key", {table: made})
    assert kept.read("t")[table].equals(made)

    tables = TypedTables(root=str(tmp_path))
    key = dg.AssetKey(["core", table])
    version = tables.write(key, frame)
    assert tables.table(key).equals(made) and plain(tables.frame(key)) == rows
    assert tables.write(key, frame) == version != tables.write(key, made.slice(0, 0))


def test_nothing_is_known_of_other_tables() -> None:
    with pytest.raises(KeyError):
        kinds_of("no_such_table")


def test_what_a_frame_lacks_is_missing_and_what_is_not_declared_left_out() -> None:
    one = pd.DataFrame({"trial_id": ["t"], "n": [3], "weeks": ["2"], "more": ["x"]})
    two = pd.DataFrame({"trial_id": ["u", "v"], "n": [4.5, None], "arm": [None, "a"]})
    parts = [to_arrow(part, "arm_statistics") for part in (one, one.head(0), two)]
    made = to_frame(stacked("arm_statistics", parts))
    assert list(made.columns) == ARM_STATISTICS
    assert list(made.index) == [0, 1, 2] and list(made["trial_id"]) == ["t", "u", "v"]
    assert list(made["n"][:2]) == [3.0, 4.5] and np.isnan(made["n"][2])
    assert made["n"].dtype == made["weeks"].dtype == made["sd"].dtype == np.float64
    assert made["weeks"][0] == 2.0 and made["sd"].isna().all()
    assert made["file"].isna().all() and made["file"].dtype == object
    assert made["arm"][0] is None and made["arm"][2] == "a"


def test_yes_no_and_unknown() -> None:
    frame = pd.DataFrame({"in_pool": [True, False], "turned": [False, None]})
    made = to_frame(to_arrow(frame, "effects"))
    assert made["in_pool"].dtype == bool and made["in_pool"].tolist() == [True, False]
    assert made["turned"].tolist() == [False, None]


@pytest.mark.parametrize("odd", ["", "x", "1,5", None, float("nan")])
def test_a_number_that_is_none_is_missing(odd: object) -> None:
    made = to_frame(to_arrow(pd.DataFrame({"n": [1, odd, "2.5"]}, dtype=object), "arm_statistics"))
    assert made["n"].dtype == np.float64
    assert made["n"][0] == 1.0 and math.isnan(made["n"][1]) and made["n"][2] == 2.5


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("effects", "in_pool", ["yes", "no"]),
        ("effects", "in_pool", [1.5, 0.0]),
        ("effects", "trial_id", [1, 2]),
        ("findings", "message", [3.5, "x"]),
        ("findings", "message", [True, False]),
    ],
)
def test_values_of_another_kind_are_refused(table: str, column: str, values: list[Any]) -> None:
    frame = pd.DataFrame({column: pd.Series(values, dtype=object)})
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        to_arrow(frame, table)


def test_parts_are_stacked_in_their_order_and_of_one_kind_only() -> None:
    parts = [from_rows([{"trial_id": name, "n": i}], "arm_statistics")
             for i, name in enumerate("uts")]  # fmt: skip
    assert stacked("arm_statistics", parts)["trial_id"].to_pylist() == list("uts")
    with pytest.raises(pa.ArrowInvalid):
        stacked("findings", parts)
