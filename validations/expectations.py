"""The bridge to Great Expectations: a declaration becomes a suite, its result becomes failures.

A second judge beside `validations.judge`: of the same typed records, and of written tables.

The only module that imports Great Expectations, and only inside functions: importing it costs
seconds. Results are reduced to row positions and counts before anything leaves this module;
observed values and tracebacks never do.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from validations.judge import (
    CELL_FLAGS,
    UNREADABLE,
    CheckOutcome,
    Failure,
    has_range,
    judged_columns,
)
from validations.numbers import Reading
from validations.schema import Column, RowRule, TableSchema
from validations.typed_frames import numbered, some_columns

__all__ = ["CheckOutcome", "Failure", "validate"]


@cache
def _batch_definition() -> Any:
    """One ephemeral context per process with a whole-frame batch; progress bars are off."""
    import os

    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_pandas("frames")
        asset = source.add_dataframe_asset("frame")
        return asset.add_batch_definition_whole_dataframe("all")


def _about(rule: str, column: str) -> dict[str, Any]:
    return {"meta": {"rule_id": rule, "column": column}}


def _suite(schema: TableSchema, present: list[str], *, rows_required: bool) -> Any:
    """Freshly built expectations (an expectation belongs to one suite only)."""
    import great_expectations as gx

    gxe: Any = gx.expectations
    expectations: list[Any] = []
    if rows_required:
        about = _about("table_has_rows", "")
        expectations.append(gxe.ExpectTableRowCountToBeBetween(min_value=1, **about))
    for column in schema.columns:
        expectations += _of_column(gxe, column, present)
    expectations += [_of_rule(gxe, rule) for rule in schema.rules if rule.flag in present]
    keys = [f"key:{name}" for name in schema.key if f"key:{name}" in present]
    about = _about("row_unique", ", ".join(schema.key))
    if len(keys) > 1:
        expectations.append(
            gxe.ExpectCompoundColumnsToBeUnique(column_list=keys, ignore_row_if="never", **about)
        )
    elif keys:
        expectations.append(gxe.ExpectColumnValuesToBeUnique(column=keys[0], **about))
    return gx.ExpectationSuite(name=schema.name, expectations=expectations)


def _of_column(gxe: Any, column: Column, present: list[str]) -> list[Any]:
    """What is expected of the cells of one column."""
    name, read = column.name, f"read:{column.name}"
    out: list[Any] = []

    def never(values: Sequence[int], rule: str) -> Any:
        return gxe.ExpectColumnValuesToNotBeInSet(
            column=read, value_set=[int(one) for one in values], **_about(rule, name)
        )

    if read in present:
        out.append(never(UNREADABLE, "number_readable"))
    for rule_id in CELL_FLAGS:
        flag = f"{rule_id}:{name}"
        if flag in present:
            about = _about(rule_id, name)
            out.append(gxe.ExpectColumnValuesToBeInSet(column=flag, value_set=[True], **about))
    if column.required and read in present:
        out.append(never([Reading.EMPTY], "value_required"))
    if name not in present:
        return out
    if column.required and read not in present:
        about = _about("value_required", name)
        out.append(gxe.ExpectColumnValuesToNotBeNull(column=name, **about))
    if column.allowed:
        about = _about("value_allowed", name)
        words = list(column.allowed)
        out.append(gxe.ExpectColumnValuesToBeInSet(column=name, value_set=words, **about))
    if has_range(column):
        out.append(
            gxe.ExpectColumnValuesToBeBetween(
                column=name,
                min_value=column.above if column.above is not None else column.minimum,
                max_value=column.below if column.below is not None else column.maximum,
                strict_min=column.above is not None,
                strict_max=column.below is not None,
                **_about("value_in_range", name),
            )
        )
    return out


def _of_rule(gxe: Any, rule: RowRule) -> Any:
    about = _about(rule.id, ", ".join(rule.columns))
    return gxe.ExpectColumnValuesToBeInSet(column=rule.flag, value_set=[True], **about)


def _exception_name(result: Any) -> str:
    """Class of the exception an expectation raised, from either shape GX stores it in."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    for entry in entries:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return str(entry.get("exception_message", "error")).split(":")[0].split("(")[0][:60]
    return ""


def validate(
    frame: pd.DataFrame, schema: TableSchema, *, rows_required: bool = False
) -> tuple[list[Failure], list[CheckOutcome]]:
    """Validate a frame with Great Expectations and name the failing rows by position.

    The frame is the one that `validations.judge.judge` takes. An expectation that raises counts
    as failed for the table and is named in the outcome.
    """
    indexed = _typed(frame, schema)
    definition = _batch_definition()  # makes the context that a suite needs
    suite = _suite(schema, list(indexed.columns), rows_required=rows_required)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = definition.get_batch(batch_parameters={"dataframe": indexed})
        result = batch.validate(suite, result_format=_POSITIONS)
    failures, outcomes = [], []
    for one in result.results:
        meta = one.expectation_config.meta or {}
        detail = one.result or {}
        raised = _exception_name(one)
        outcomes.append(
            CheckOutcome(
                meta["rule_id"],
                meta["column"],
                bool(one.success),
                int(detail.get("element_count", len(indexed)) or 0),
                int(detail.get("unexpected_count", 0 if one.success else 1) or 0),
                raised,
            )
        )
        positions = np.sort(np.array(detail.get("unexpected_index_list") or [], dtype=np.int64))
        if len(positions):
            failures.append(Failure(meta["rule_id"], meta["column"], positions))
    return failures, outcomes


_POSITIONS = {
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}
"""A result names all rows, and no value."""


def _typed(frame: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    """The columns that rules look at, texts as categories: objects are hashed one by one."""
    out = numbered(some_columns(frame, judged_columns(frame, schema)))
    for column in schema.columns:
        if not column.is_number and column.name in out and out[column.name].dtype == object:
            out[column.name] = out[column.name].astype("category")
    return out
