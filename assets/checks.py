"""Asset checks: one definition per asset, counts only in the metadata.

Screening checks report rows that were set aside (a warning: the split has already happened).
Contract checks validate a written table against its declaration and stop what follows.
"""

from typing import Any

import dagster as dg

from assets.core import (
    behavior_outcomes,
    effects,
    files_read,
    intention_outcomes,
    paired_effects,
    screened_records,
    upstream_outcomes,
)
from assets.guard import guarded
from assets.out import synthesis_tables
from validations.records import RECORD_SCHEMAS


def _counts_table(rows: list[tuple[str, str, int, int]]) -> dg.MetadataValue:
    records = [
        dg.TableRecord({"rule": rule, "column": column, "checked": checked, "failed": failed})
        for rule, column, checked, failed in rows
    ]
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("rule"),
            dg.TableColumn("column"),
            dg.TableColumn("checked", "int"),
            dg.TableColumn("failed", "int"),
        ]
    )
    return dg.MetadataValue.table(records, schema)


def _screening_check(kind: str, asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="rows_accepted",
        required_resource_keys={"store"},
        description="Every row met its declared rules.",
    )
    @guarded
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        report: dict[str, Any] = context.resources.store.read_json(f"screened/{kind}_report")
        failed = [
            (c["rule_id"], c["column"], c["evaluated"], c["unexpected"])
            for c in report["checks"]
            if not c["success"]
        ]
        raised = [c["rule_id"] for c in report["checks"] if c["raised"]]
        return dg.AssetCheckResult(
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR if raised else dg.AssetCheckSeverity.WARN,
            metadata={
                "accepted": report["accepted"],
                "rejected": report["rejected"],
                "failed_rules": _counts_table(failed),
            },
        )

    return check


def _contract_check(
    asset: dg.AssetsDefinition, stored: str, table: str, rows_required: bool
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="keeps_its_contract",
        blocking=True,
        required_resource_keys={"store"},
        description=f"The table keeps what is declared for {table}.",
    )
    @guarded
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from validations.expectations import validate
        from validations.judge import with_keys
        from validations.tables import TABLES, conform

        frame = conform(context.resources.store.read(stored), table)
        schema = TABLES[table]
        keyed = with_keys(frame, schema)
        plain = keyed.astype(object).where(keyed.notna(), None)
        plain = plain.replace({"": None}) if len(plain) else plain
        _, outcomes = validate(plain, schema, rows_required=rows_required)
        failed = [
            (o.rule_id, o.column, o.evaluated, o.unexpected) for o in outcomes if not o.success
        ]
        return dg.AssetCheckResult(
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "rows": len(frame),
                "checks": len(outcomes),
                "failed_rules": _counts_table(failed),
            },
        )

    return check


_STORED = [
    (files_read, "context/files_read", "files_read"),
    (intention_outcomes, "outcomes/intention_outcomes", "intention_outcomes"),
    (behavior_outcomes, "outcomes/behavior_outcomes", "behavior_outcomes"),
    (upstream_outcomes, "outcomes/upstream_outcomes", "upstream_outcomes"),
    (effects, "effects/effects", "effects"),
    (paired_effects, "pairs/paired_effects", "paired_effects"),
    *[(asset, f"synthesis/{asset.key.path[-1]}", asset.key.path[-1]) for asset in synthesis_tables],
]

CHECKS = [
    *[
        _screening_check(kind, asset)
        for kind, asset in zip(RECORD_SCHEMAS, screened_records, strict=True)
    ],
    *[
        _contract_check(asset, stored, table, rows_required=False)
        for asset, stored, table in _STORED
    ],
]
