"""Splits records into accepted and rejected rows, each rejection with its rule and reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validations.casting import cast
from validations.findings import Finding, Severity, name_rows
from validations.judge import CheckOutcome, Failure, Judged, judge, judged_columns, keys_of
from validations.records import ACCEPTED_COLUMNS, EFFECTIVE_SIZES, ROW_CHECKS
from validations.rejections import (
    REJECTED_COLUMNS,
    leading_failures,
    rejected_rows,
    rejected_together,
    summaries,
)
from validations.schema import TableSchema
from validations.typed_frames import Cells, frame_of, joined_frames, numbered

__all__ = ["REJECTED_COLUMNS", "Screened", "Split", "join", "leading_failures", "screen", "split"]


@dataclass(frozen=True)
class Screened:
    """Accepted rows with numbers cast, rejected rows with rule and reason, findings that
    summarize them, what each check counted, and the frames as they were judged."""

    accepted: pd.DataFrame
    rejected: pd.DataFrame
    findings: list[Finding]
    outcomes: list[CheckOutcome]
    judged: tuple[Judged, ...] = ()


@dataclass(frozen=True)
class Split:
    """One frame of records, split: accepted rows, faults per row (None without any), findings
    about accepted rows, what each check counted, and the frame as it was judged."""

    accepted: pd.DataFrame
    rejected: pd.DataFrame | None
    findings: list[Finding]
    outcomes: list[CheckOutcome]
    judged: Judged


def screen(
    records: pd.DataFrame,
    schema: TableSchema,
    declared: Mapping[str, pd.Series | np.ndarray] | None = None,
    blank: Mapping[str, pd.Series] | None = None,
) -> Screened:
    """Apply a record schema to one frame of records of one kind, text or typed.

    declared: rule id -> boolean per record, for rules about names in the manifest; and
    `effective_sizes`, whether the row's numbers of persons are effective sample sizes (else they
    must be whole). blank: label -> per record, whether the manifest names its column and the cell
    is empty. A row that breaks any rule is rejected once per rule; the others are accepted.
    Nothing raises.
    """
    return join([split(records, schema, declared, blank)])


def split(
    records: pd.DataFrame,
    schema: TableSchema,
    declared: Mapping[str, pd.Series | np.ndarray] | None = None,
    blank: Mapping[str, pd.Series] | None = None,
) -> Split:
    """What `screen` makes of one frame, before frames of the kind are joined."""
    records = numbered(records)
    flags = {name: np.asarray(one, dtype=bool) for name, one in (declared or {}).items()}
    effective = flags.get("effective_sizes", np.zeros(len(records), dtype=bool))
    cells = cast(records, schema, effective)
    cells |= {
        rule.flag: flags[rule.id] if rule.id in flags else ROW_CHECKS[rule.id](cells)
        for rule in schema.rules
        if rule.id in flags or rule.id in ROW_CHECKS
    }
    cells |= keys_of(cells, schema)
    count = len(records)
    judged = frame_of(cells, judged_columns(cells, schema), count)
    failures, outcomes = judge(judged, schema)
    told = list(failures)
    for name, empty in (blank or {}).items():
        positions = np.flatnonzero(empty.to_numpy())
        told += [Failure("value_required", name, positions)] if len(positions) else []
        blanks = len(positions)
        outcomes.append(CheckOutcome("value_required", name, not blanks, count, blanks))
    kept = [name for name in _kept(cells, schema) if name in cells]
    rejected, good = None, np.ones(count, dtype=bool)
    if told:
        whole = frame_of(cells, cells, count)
        rejected = rejected_rows(whole, schema, leading_failures(told, schema))
        for failure in told:
            good[failure.positions] = False
        cells = {name: cells[name][good] for name in [*kept, EFFECTIVE_SIZES]}
    accepted = frame_of(cells, kept, int(good.sum()))
    findings = _sizes_told(accepted, cells[EFFECTIVE_SIZES])
    return Split(accepted, rejected, findings, outcomes, Judged(judged, tuple(failures)))


def _kept(cells: Cells, schema: TableSchema) -> Sequence[str]:
    """Columns of accepted rows: all without what the screening put beside them."""
    return ACCEPTED_COLUMNS.get(schema.name) or [name for name in cells if ":" not in name]


def join(parts: Sequence[Split]) -> Screened:
    """The frames of one kind as one result; at least one."""
    rejected = rejected_together([p.rejected for p in parts if p.rejected is not None])
    findings = summaries(rejected) + [told for part in parts for told in part.findings]
    accepted = joined_frames([part.accepted for part in parts])
    outcomes = _summed([outcome for part in parts for outcome in part.outcomes])
    return Screened(accepted, rejected, findings, outcomes, tuple(p.judged for p in parts))


def _summed(outcomes: Sequence[CheckOutcome]) -> list[CheckOutcome]:
    """What each check counted over all frames."""
    out: dict[tuple[str, str], CheckOutcome] = {}
    for one in outcomes:
        key = (one.rule_id, one.column)
        known = out.get(key, CheckOutcome(*key, True, 0, 0))
        out[key] = CheckOutcome(
            *key,
            known.success and one.success,
            known.evaluated + one.evaluated,
            known.unexpected + one.unexpected,
        )
    return list(out.values())


def _sizes_told(accepted: pd.DataFrame, effective: np.ndarray) -> list[Finding]:
    """Group sizes that are not whole in accepted rows whose variance does not rest on them."""
    sizes = [name for name in ("n1", "n2") if name in accepted and "statistic" in accepted]
    if not sizes or accepted.empty:
        return []
    broken = np.logical_or.reduce([accepted[name].to_numpy(float) % 1 > 0 for name in sizes])
    broken &= ~effective
    findings: list[Finding] = []
    if not broken.any():
        return findings
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
