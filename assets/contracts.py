"""How a table of all trials is declared, written and judged, the same for every table."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from assets.resources import TypedTables

CONTRACT = "keeps_its_contract"


def core(table: str) -> dg.AssetKey:
    """Key of a table between stations."""
    return dg.AssetKey(["core", table])


def out(table: str) -> dg.AssetKey:
    """Key of a table that a release takes as it is."""
    return dg.AssetKey(["out", table])


def table_spec(
    key: dg.AssetKey, description: str, deps: Iterable[Any], kinds: Iterable[str] = ("arrow",)
) -> dg.AssetSpec:
    """The declaration of a table as an asset; its group is the first part of its key."""
    return dg.AssetSpec(
        key, deps=list(deps), description=description, group_name=key.path[0], kinds=set(kinds)
    )


def contract_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The blocking check of one table; the asset's name is the table's."""
    return dg.AssetCheckSpec(
        CONTRACT,
        asset=key,
        blocking=True,
        description=f"The table keeps what is declared for {key.path[-1]}.",
    )


def written(
    tables: TypedTables,
    key: dg.AssetKey,
    rows: pd.DataFrame | pa.Table,
    told: Mapping[str, Any] | None = None,
    *,
    judged: bool = False,
    checks: Iterable[dg.AssetCheckResult] = (),
) -> dg.MaterializeResult:
    """Write a table and say so: number of rows, a version that is the hash of what was written.

    told: what else is said of it, counts and pooled numbers only. judged: whether what was written
    is set against its contract (`contract_spec`). checks: results of other checks of it.
    """
    version = tables.write(key, rows)
    judgments = [_contract_result(key, tables.frame(key))] if judged else []
    return dg.MaterializeResult(
        key,
        metadata={"rows": len(rows), **(told or {})},
        data_version=dg.DataVersion(version),
        check_results=[*judgments, *checks],
    )


def counts_table(rows: Iterable[tuple[str, str, int, int]]) -> dg.MetadataValue:
    """Broken rules for people: rule, column, how many rows were checked and how many failed."""
    names = ("rule", "column", "checked", "failed")
    records = [dg.TableRecord(dict(zip(names, row, strict=True))) for row in rows]
    kinds = dict.fromkeys(names[2:], "int")
    columns = [dg.TableColumn(name, kinds.get(name, "string")) for name in names]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _contract_result(key: dg.AssetKey, frame: pd.DataFrame) -> dg.AssetCheckResult:
    from validations.judge import judge_table
    from validations.tables import TABLES, conform

    table = key.path[-1]
    outcomes = judge_table(conform(frame, table), TABLES[table])
    failed = [(o.rule_id, o.column, o.evaluated, o.unexpected) for o in outcomes if not o.success]
    return dg.AssetCheckResult(
        passed=not failed,
        asset_key=key,
        check_name=CONTRACT,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "rows": len(frame),
            "checks": len(outcomes),
            "failed_rules": counts_table(failed),
        },
    )
