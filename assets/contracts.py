"""The check that a written table keeps what is declared for it, the same for every table."""

from collections.abc import Iterable

import dagster as dg
import pandas as pd

from assets.guard import guarded


def counts_table(rows: Iterable[tuple[str, str, int, int]]) -> dg.MetadataValue:
    """Broken rules for people: rule, column, how many rows were checked and how many failed."""
    names = ("rule", "column", "checked", "failed")
    records = [dg.TableRecord(dict(zip(names, row, strict=True))) for row in rows]
    kinds = dict.fromkeys(names[2:], "int")
    columns = [dg.TableColumn(name, kinds.get(name, "string")) for name in names]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def contract_check(key: dg.AssetKey) -> dg.AssetChecksDefinition:
    """The blocking check of one table; the asset's name is the table's."""
    table = key.path[-1]

    @dg.asset_check(
        asset=key,
        name="keeps_its_contract",
        blocking=True,
        description=f"The table keeps what is declared for {table}.",
    )
    @guarded
    def check(frame: pd.DataFrame) -> dg.AssetCheckResult:
        from validations.judge import judge_table
        from validations.tables import TABLES, conform

        outcomes = judge_table(conform(frame, table), TABLES[table])
        failed = [
            (o.rule_id, o.column, o.evaluated, o.unexpected) for o in outcomes if not o.success
        ]
        return dg.AssetCheckResult(
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "rows": len(frame),
                "checks": len(outcomes),
                "failed_rules": counts_table(failed),
            },
        )

    return check
