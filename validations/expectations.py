"""The bridge to Great Expectations: a declaration becomes a suite, its result becomes failures.

A second judge beside `validations.judge`: of what was accepted, and of written tables.

The only module that imports Great Expectations, and only inside functions: importing it costs
seconds. Results are reduced to row positions and counts before anything leaves this module;
observed values and tracebacks never do.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import pandas as pd

from validations.judge import CELL_FLAGS, NUMBER_PATTERN, CheckOutcome, Failure
from validations.schema import TableSchema

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


def _suite(schema: TableSchema, present: list[str], *, rows_required: bool) -> Any:
    """Freshly built expectations (an expectation belongs to one suite only)."""
    import great_expectations as gx

    gxe: Any = gx.expectations

    def about(rule: str, column: str) -> dict[str, str]:
        return {"rule_id": rule, "column": column}

    expectations: list[Any] = []
    if rows_required:
        expectations.append(
            gxe.ExpectTableRowCountToBeBetween(min_value=1, meta=about("table_has_rows", ""))
        )
    for column in schema.columns:
        name = column.name
        if f"text:{name}" in present:
            expectations.append(
                gxe.ExpectColumnValuesToMatchRegex(
                    column=f"text:{name}", regex=NUMBER_PATTERN, meta=about("number_readable", name)
                )
            )
        for rule_id in CELL_FLAGS:
            if f"{rule_id}:{name}" in present:
                expectations.append(
                    gxe.ExpectColumnValuesToBeInSet(
                        column=f"{rule_id}:{name}", value_set=["yes"], meta=about(rule_id, name)
                    )
                )
        if name not in present:
            continue
        if column.required:
            required_in = f"text:{name}" if f"text:{name}" in present else name
            expectations.append(
                gxe.ExpectColumnValuesToNotBeNull(
                    column=required_in, meta=about("value_required", name)
                )
            )
        if column.allowed:
            expectations.append(
                gxe.ExpectColumnValuesToBeInSet(
                    column=name, value_set=list(column.allowed), meta=about("value_allowed", name)
                )
            )
        if (column.minimum, column.maximum, column.above, column.below) != (None,) * 4:
            expectations.append(
                gxe.ExpectColumnValuesToBeBetween(
                    column=name,
                    min_value=column.above if column.above is not None else column.minimum,
                    max_value=column.below if column.below is not None else column.maximum,
                    strict_min=column.above is not None,
                    strict_max=column.below is not None,
                    meta=about("value_in_range", name),
                )
            )
    for rule in schema.rules:
        if rule.flag in present:
            expectations.append(
                gxe.ExpectColumnValuesToBeInSet(
                    column=rule.flag,
                    value_set=["yes"],
                    meta=about(rule.id, ", ".join(rule.columns)),
                )
            )
    keys = [f"key:{name}" for name in schema.key if f"key:{name}" in present]
    if len(keys) > 1:
        expectations.append(
            gxe.ExpectCompoundColumnsToBeUnique(
                column_list=keys,
                ignore_row_if="never",
                meta=about("row_unique", ", ".join(schema.key)),
            )
        )
    elif keys:
        expectations.append(
            gxe.ExpectColumnValuesToBeUnique(
                column=keys[0], meta=about("row_unique", schema.key[0])
            )
        )
    return gx.ExpectationSuite(name=schema.name, expectations=expectations)


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

    The frame holds the declared columns (numbers already cast), `text:` copies of numbers,
    `ok:` flags (`yes`/`no`) of row rules, those of `CELL_FLAGS` and `key:` copies of the key. An
    expectation that raises counts as failed for the table and is named in the outcome.
    """
    indexed = frame.reset_index(drop=True)
    definition = _batch_definition()  # makes the context that a suite needs
    suite = _suite(schema, list(indexed.columns), rows_required=rows_required)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = definition.get_batch(batch_parameters={"dataframe": indexed})
        result = batch.validate(suite, result_format={"result_format": "COMPLETE"})
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
        positions = detail.get("unexpected_index_list") or []
        if positions:
            failures.append(
                Failure(meta["rule_id"], meta["column"], tuple(int(p) for p in positions))
            )
    return failures, outcomes
