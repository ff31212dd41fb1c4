"""Splits records into accepted and rejected rows, each rejection with its rule and reason."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validations.casting import cast
from validations.findings import Finding, Severity, name_rows
from validations.judge import CheckOutcome, Failure, judge, with_keys
from validations.numbers import LARGEST_COUNT, LARGEST_MEASUREMENT, SMALLEST_MEASUREMENT
from validations.records import EFFECTIVE_SIZES, ROW_CHECKS
from validations.schema import Column, TableSchema

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


@dataclass(frozen=True)
class Screened:
    """Accepted rows with numbers cast, rejected rows with rule and reason, findings that
    summarize them, and what each check counted."""

    accepted: pd.DataFrame
    rejected: pd.DataFrame
    findings: list[Finding]
    outcomes: list[CheckOutcome]


def screen(
    records: pd.DataFrame,
    schema: TableSchema,
    declared: dict[str, pd.Series] | None = None,
    blank: dict[str, pd.Series] | None = None,
) -> Screened:
    """Apply a record schema to text records of one kind, stacked over trials.

    declared: rule id -> boolean per record, for rules about names in the manifest; and
    `effective_sizes`, whether the row's numbers of persons are effective sample sizes (else they
    must be whole). blank: label -> per record, whether the manifest names its column and the cell
    is empty. A row that breaks any rule is rejected once per rule; the others are accepted.
    Nothing raises.
    """
    records = records.reset_index(drop=True)
    effective = (declared or {}).get("effective_sizes", pd.Series(False, index=records.index))
    frame = cast(records, schema, effective.to_numpy(dtype=bool))
    for rule in schema.rules:
        passed = (declared or {}).get(rule.id)
        if passed is None and rule.id in ROW_CHECKS:
            passed = ROW_CHECKS[rule.id](frame)
        if passed is not None:
            frame[rule.flag] = ["yes" if ok else "no" for ok in passed]
    frame = with_keys(frame, schema)
    failures, outcomes = judge(frame, schema)
    for name, empty in (blank or {}).items():
        positions = tuple(int(i) for i in np.flatnonzero(empty.to_numpy()))
        failures += [Failure("value_required", name, positions)] if positions else []
        outcomes.append(
            CheckOutcome("value_required", name, not positions, len(frame), len(positions))
        )
    rejected = _rejected_rows(records, schema, leading_failures(failures, schema))
    bad = sorted({position for failure in failures for position in failure.positions})
    accepted = frame.drop(index=bad)
    findings = _summaries(rejected, schema) + _sizes_told(accepted)
    accepted = accepted[[c for c in accepted.columns if ":" not in c]].reset_index(drop=True)
    return Screened(accepted, rejected, findings, outcomes)


def _sizes_told(accepted: pd.DataFrame) -> list[Finding]:
    """Group sizes that are not whole in accepted rows whose variance does not rest on them."""
    sizes = [name for name in ("n1", "n2") if name in accepted and "statistic" in accepted]
    if not sizes or accepted.empty:
        return []
    broken = (accepted[sizes] % 1 > 0).any(axis=1) & ~accepted[EFFECTIVE_SIZES].astype(bool)
    findings = []
    for (trial, file), rows in accepted[broken].groupby(["collection_id", "file"], sort=True):
        numbers = sorted({int(row) for row in rows["row"]})
        findings.append(
            Finding(
                str(trial),
                "sizes_not_whole",
                Severity.WARNING,
                f"{name_rows(numbers)}: a group size is not a whole number of persons; the "
                "printed error or interval is used, the size only to correct for small samples",
                "give the persons of this comparison, if the report has them",
                str(file),
                numbers[0],
                ", ".join(sizes),
                count=len(numbers),
            )
        )
    return findings


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


def leading_failures(failures: list[Failure], schema: TableSchema) -> list[Failure]:
    """The faults a person has to mend: a rule over several cells is dropped where one of them is
    empty or unreadable, the text of a yes/no outcome is one fault, and so are swapped limits."""
    at: dict[str, set[int]] = {}
    cells: dict[str, set[int]] = {}
    for failure in failures:
        at.setdefault(failure.rule_id, set()).update(failure.positions)
        if failure.rule_id in _UNREADABLE:
            cells.setdefault(failure.column, set()).update(failure.positions)
    rules = {rule.id: rule for rule in schema.rules}
    out = []
    for failure in failures:
        gone: set[int] = set()
        if failure.rule_id in _UNREADABLE[:2] and failure.column == "value":
            gone = at.get("value_yes_or_no", set())
        elif failure.rule_id in rules and failure.rule_id != "value_yes_or_no":
            gone = set().union(*(cells.get(c, set()) for c in rules[failure.rule_id].columns))
            if failure.rule_id == "value_within_limits":
                gone = gone | at.get("limits_in_order", set())
        kept = tuple(p for p in failure.positions if p not in gone)
        if kept:
            out.append(Failure(failure.rule_id, failure.column, kept))
    return out


def _columns_of_file(found_in: str, fields: str) -> str:
    """The file's own names of `mean, sd`; fields that come from the manifest keep theirs."""
    known = json.loads(found_in) if found_in else {}
    names = fields.split(", ")
    if len(names) >= _KEY_LENGTH:  # a key over many fields: only those that are columns
        return ", ".join(known[name] for name in names if known.get(name))
    return ", ".join(known.get(name) or name for name in names)


def _rejected_rows(
    records: pd.DataFrame, schema: TableSchema, failures: list[Failure]
) -> pd.DataFrame:
    parts = []
    for failure in failures:
        rows = records.iloc[list(failure.positions)]
        reason, fix = _reason(schema, failure.rule_id, failure.column)
        if failure.rule_id == "number_readable" and _has_comma(rows[failure.column]):
            fix = 'if the comma is the decimal sign, set `format.decimal: ","`'
        parts.append(
            pd.DataFrame(
                {
                    "trial_id": rows["trial_id"],
                    "kind": schema.name,
                    "source_id": rows["source_id"],
                    "file": rows["file"],
                    "row": rows["row"].astype("int64"),
                    "column": [_columns_of_file(f, failure.column) for f in _found_in(rows)],
                    "rule_id": failure.rule_id,
                    "reason": reason,
                    "fix": fix,
                    "outcome": rows["outcome"] if failure.column in _OF_ONE_OUTCOME else "",
                }
            )
        )
    if not parts:
        return pd.DataFrame(columns=[*REJECTED_COLUMNS, "fix", "outcome"])
    out = pd.concat(parts, ignore_index=True).drop_duplicates()
    return out.sort_values(["trial_id", "file", "row", "rule_id", "column"]).reset_index(drop=True)


def _found_in(rows: pd.DataFrame) -> pd.Series:
    return rows["found_in"] if "found_in" in rows else pd.Series("", index=rows.index)


def _has_comma(texts: pd.Series) -> bool:
    return bool(texts.astype(str).str.match(r"^[+-]?\d+,\d+$").all())


def _summaries(rejected: pd.DataFrame, schema: TableSchema) -> list[Finding]:
    """One finding per trial, file, rule, column and outcome."""
    findings = []
    keys = ["trial_id", "file", "rule_id", "column", "reason", "fix", "outcome"]
    for key, rows in rejected.groupby(keys, sort=True):
        trial, file, rule_id, column, reason, fix, _ = (str(part) for part in key)
        numbers = sorted(set(rows["row"]))
        findings.append(
            Finding(
                trial,
                rule_id,
                Severity.ERROR,
                (f"{name_rows(numbers)}: " if len(numbers) > 1 else "") + reason,
                fix,
                file,
                int(numbers[0]),
                column,
                count=len(numbers),
            )
        )
    return findings
