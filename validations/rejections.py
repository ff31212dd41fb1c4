"""Rejected rows: the faults that a person has to mend, with reason, place and what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from validations.findings import Finding, Severity, name_rows
from validations.judge import Failure
from validations.numbers import (
    LARGEST_COUNT,
    LARGEST_MEASUREMENT,
    SMALLEST_MEASUREMENT,
    Reading,
)
from validations.schema import Column, TableSchema
from validations.typed_frames import as_category, constant, joined_frames, numbered

REJECTED_COLUMNS = [
    "trial_id",
    "kind",
    "source_id",
    "file",
    "row",
    "column",
    "rule_id",
    "reason",
]

_CORRECT = "correct the cell, or list its text under `missing_codes:`"
_FILL = (
    "fill the cell; where empty cells repeat the one above, as merged cells do, list the column "
    "under `fill_down:`"
)


def _reason(schema: TableSchema, rule_id: str, column: str) -> tuple[str, str]:
    """What does not hold, and what to do."""
    for rule in schema.rules:
        if rule.id == rule_id:
            return rule.failure, rule.fix
    declared = schema.column(column) if column in schema.names else None
    fix = declared.fix if declared else ""
    if rule_id == "number_readable":
        return f"{column} is not a number", _CORRECT
    if rule_id == "number_plausible":
        counted = declared is not None and declared.whole
        return (
            f"{column} is more than can be counted (above {LARGEST_COUNT:g})"
            if counted
            else f"{column} is no number of a measurement: infinite, above "
            f"{LARGEST_MEASUREMENT:g}, or not 0 and nearer to it than {SMALLEST_MEASUREMENT:g}",
            _CORRECT,
        )
    if rule_id == "count_whole":
        return (
            f"{column} is not a whole number",
            "give the number that was counted (the whole comparator group, also where several "
            "comparisons share it); effective sample sizes of a cluster trial need "
            "`clustering_already_adjusted: true` under `design:`",
        )
    if rule_id == "value_required":
        return f"{column} is empty", fix or _FILL
    if rule_id == "row_unique":
        return schema.duplicate, "keep one of the rows, or tell them apart"
    if rule_id == "value_allowed":
        return f"{column} is not one of the known words", fix
    if rule_id == "value_in_range" and declared is not None:
        return f"{column} is not {_range_text(declared)}", fix or _CORRECT
    return rule_id.replace("_", " "), fix


def _range_text(column: Column) -> str:
    """`greater than 0`, `at least 2`, `between 0 and 1`."""
    low = column.above if column.above is not None else column.minimum
    high = column.below if column.below is not None else column.maximum
    if low is not None and high is not None:
        strictly = "strictly " if column.above is not None else ""
        return f"{strictly}between {low:g} and {high:g}"
    if column.above is not None:
        return f"greater than {low:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}"


_OF_ONE_OUTCOME = ("value", "baseline")
"""Cells of participant rows that belong to one outcome; others concern the whole row."""
_KEY_LENGTH = 4
_UNREADABLE = ("number_readable", "number_plausible", "value_required")


def leading_failures(failures: Sequence[Failure], schema: TableSchema) -> list[Failure]:
    """The faults a person has to mend: a rule over several cells is dropped where one of them is
    empty or unreadable, the text of a yes/no outcome is one fault, and so are swapped limits."""
    count = max((int(one.positions[-1]) + 1 for one in failures), default=0)
    at: dict[str, np.ndarray] = {}
    cells: dict[str, np.ndarray] = {}
    for failure in failures:
        _marked(at, failure.rule_id, count)[failure.positions] = True
        if failure.rule_id in _UNREADABLE:
            _marked(cells, failure.column, count)[failure.positions] = True
    rules = {rule.id: rule for rule in schema.rules}
    out = []
    for failure in failures:
        gone: list[np.ndarray | None] = []
        if failure.rule_id in _UNREADABLE[:2] and failure.column == "value":
            gone = [at.get("value_yes_or_no")]
        elif failure.rule_id in rules and failure.rule_id != "value_yes_or_no":
            gone = [cells.get(c) for c in rules[failure.rule_id].columns]
            if failure.rule_id == "value_within_limits":
                gone.append(at.get("limits_in_order"))
        kept = failure.positions
        for marks in gone:
            kept = kept if marks is None else kept[~marks[kept]]
        if len(kept):
            out.append(Failure(failure.rule_id, failure.column, kept))
    return out


def _marked(marks: dict[str, np.ndarray], name: str, count: int) -> np.ndarray:
    """The marks of a name, one per row; none is marked before its first use."""
    return marks.setdefault(name, np.zeros(count, dtype=bool))


def _columns_of_file(found_in: str, fields: str) -> str:
    """The file's own names of `mean, sd`; fields that come from the manifest keep theirs."""
    known = json.loads(found_in) if found_in else {}
    names = fields.split(", ")
    if len(names) >= _KEY_LENGTH:  # a key over many fields: only those that are columns
        return ", ".join(known[name] for name in names if known.get(name))
    return ", ".join(known.get(name) or name for name in names)


def rejected_rows(
    frame: pd.DataFrame, schema: TableSchema, failures: Sequence[Failure]
) -> pd.DataFrame | None:
    """One row per row of the frame and fault, with the columns of `REJECTED_COLUMNS`, what to do
    (`fix`) and the outcome that it concerns alone; None without faults.

    frame: records as cast, with `found_in` where their columns have other names in the file.
    Texts are categories.
    """
    parts = [_of_failure(frame, schema, failure) for failure in failures]
    return joined_frames(parts) if parts else None


def _of_failure(frame: pd.DataFrame, schema: TableSchema, failure: Failure) -> pd.DataFrame:
    at, column = failure.positions, failure.column
    reason, fix = _reason(schema, failure.rule_id, column)
    if failure.rule_id == "number_readable":
        readings = frame[f"read:{column}"].to_numpy()[at]
        if (readings == Reading.COMMA).all():
            fix = 'if the comma is the decimal sign, set `format.decimal: ","`'
    names = ["trial_id", "source_id", "file", "row"]
    taken = {name: frame[name].iloc[at].reset_index(drop=True) for name in names}
    rows = {name: as_category(taken[name]) for name in names[:3]}
    rows["row"] = taken["row"].astype("int64")
    rows["column"] = _in_file(frame, failure)
    one_outcome = column in _OF_ONE_OUTCOME and "outcome" in frame
    if one_outcome:
        rows["outcome"] = as_category(frame["outcome"].iloc[at].reset_index(drop=True))
    texts = {"kind": schema.name, "rule_id": failure.rule_id, "reason": reason, "fix": fix}
    texts |= {} if one_outcome else {"outcome": ""}
    for name, text in texts.items():
        rows[name] = pd.Series(constant(text, len(at)))
    return pd.DataFrame(rows)[[*REJECTED_COLUMNS, "fix", "outcome"]]


def _in_file(frame: pd.DataFrame, failure: Failure) -> pd.Series:
    """Names that the columns of a failure have in the file, per row."""
    if "found_in" not in frame:
        text = _columns_of_file("", failure.column)
        return pd.Series(constant(text, len(failure.positions)))
    found = as_category(frame["found_in"].iloc[failure.positions].reset_index(drop=True))
    names = {text: _columns_of_file(str(text), failure.column) for text in found.cat.categories}
    return as_category(found.map(names))


def rejected_together(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rejected rows of all frames of a kind, each fault once and in order."""
    if not parts:
        names = [*REJECTED_COLUMNS, "fix", "outcome"]
        return pd.DataFrame(np.empty((0, len(names)), dtype=object), columns=names)
    out = joined_frames(parts)
    varying = [name for name in out if name == "row" or len(out[name].cat.categories) > 1]
    order = [n for n in ("trial_id", "file", "row", "rule_id", "column") if n in varying]
    return numbered(out[~out.duplicated(varying)].sort_values(order, kind="stable"))


def summaries(rejected: pd.DataFrame) -> list[Finding]:
    """One finding per trial, file, rule, column and outcome."""
    findings: list[Finding] = []
    if rejected.empty:
        return findings
    keys = ["trial_id", "file", "rule_id", "column", "reason", "fix", "outcome"]
    for key, rows in rejected.groupby(keys, sort=True, observed=True)["row"]:
        trial, file, rule_id, column, reason, fix, _ = (str(part) for part in key)
        numbers = np.sort(rows.unique())
        findings.append(
            Finding(
                trial,
                rule_id,
                Severity.ERROR,
                (f"{name_rows(numbers.tolist())}: " if len(numbers) > 1 else "") + reason,
                fix,
                file,
                int(numbers[0]),
                column,
                count=len(numbers),
            )
        )
    return findings
