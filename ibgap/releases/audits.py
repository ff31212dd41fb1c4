"""What holds of the tables of every release, asked of its files in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ibgap.base.database import connect
from ibgap.releases.tables import DATABASE, FOLDER, quoted, view_tables
from validations.schema import Kind, TableSchema
from validations.tables import SCHEMA_VERSION, TABLES

AUDITS = {
    "no row is both intention and behavior": """
        SELECT count(*) FROM intention_outcomes i
            JOIN behavior_outcomes b USING (outcome_row_id)""",
    "the intention table holds intention only": """
        SELECT count(*) FROM intention_outcomes WHERE construct <> 'intention'""",
    "the behavior table holds behavior only": """
        SELECT count(*) FROM behavior_outcomes WHERE construct <> 'behavior'""",
    "every effect belongs to an outcome row": """
        SELECT count(*) FROM effects e WHERE NOT EXISTS (
            SELECT 1 FROM (SELECT outcome_row_id FROM intention_outcomes
                           UNION ALL SELECT outcome_row_id FROM behavior_outcomes
                           UNION ALL SELECT outcome_row_id FROM upstream_outcomes) o
            WHERE o.outcome_row_id = e.outcome_row_id)""",
    "every effect in the pools has a finite value and a positive variance": """
        SELECT count(*) FROM effects WHERE in_pool AND NOT (isfinite(yi) AND vi > 0)
            AND withheld = ''""",
    "every pair belongs to two effects": """
        SELECT count(*) FROM paired_effects p WHERE NOT EXISTS (
            SELECT 1 FROM effects e WHERE e.effect_id = p.upstream_effect_id)
            OR NOT EXISTS (SELECT 1 FROM effects e WHERE e.effect_id = p.behavior_effect_id)""",
    "every trial of an effect is listed": """
        SELECT count(*) FROM effects e WHERE NOT EXISTS (
            SELECT 1 FROM trials t WHERE t.trial_id = e.trial_id)""",
}
"""Promises across tables, each with the query that counts the rows that break it."""

_KINDS: dict[Kind, str] = {
    "text": "VARCHAR", "number": "DOUBLE", "integer": "BIGINT", "boolean": "BOOLEAN",
}  # fmt: skip


class ReleaseAuditError(Exception):
    """A table that is about to be published breaks a promise; nothing was published."""


def audit(release: Path) -> None:
    """Check declared columns, kinds and keys of every table and the promises across them.

    Raises `ReleaseAuditError` naming what is broken, in counts.
    """
    broken = broken_contracts(release, TABLES) or broken_promises(release)
    if broken:
        raise ReleaseAuditError("nothing was published, because " + "; and ".join(broken))


def broken_promises(release: Path) -> list[str]:
    """The promises across tables that do not hold, as sentences with counts."""
    connection = connect()
    try:
        view_tables(connection, release, TABLES)
        counts = {said: _count(connection, query) for said, query in AUDITS.items()}
    finally:
        connection.close()
    return [f"it does not hold that {said} ({n} rows)" for said, n in counts.items() if n]


def broken_contracts(release: Path, declared: Mapping[str, TableSchema]) -> list[str]:
    """Columns, kinds and keys that are not as declared, as sentences with counts."""
    connection = connect()
    try:
        view_tables(connection, release, declared)
        return [said for table in declared.values() for said in _broken(connection, table)]
    finally:
        connection.close()


def _broken(connection: Any, table: TableSchema) -> list[str]:
    rows = connection.execute(f"DESCRIBE {table.name}").fetchall()
    found = {str(row[0]): str(row[1]) for row in rows}
    wanted = {column.name: _KINDS[column.kind] for column in table.columns}
    if list(found) != list(wanted):
        other = sorted(set(found) ^ set(wanted))
        return [f"the columns of {table.name} are not the declared ones ({', '.join(other)})"]
    said = [
        f"the column {name} of {table.name} is {found[name]} and not {kind}"
        for name, kind in wanted.items()
        if found[name] != kind
    ]
    if table.key:
        key = ", ".join(table.key)
        repeated = _count(
            connection, f"SELECT count(*) - count(DISTINCT ({key})) FROM {table.name}"
        )
        if repeated:
            said.append(f"{repeated} rows of {table.name} repeat the key {key}")
    return said


def other_in_database(release: Path, names: list[str]) -> list[str]:
    """Tables that the DuckDB file does not hold as the Parquet files do, as sentences."""
    connection = connect()
    said = []
    try:
        view_tables(connection, release, names)
        path = quoted(release / DATABASE)
        connection.execute(f"ATTACH '{path}' AS mart (READ_ONLY)")
        for name in names:
            both = ((name, f"mart.{name}"), (f"mart.{name}", name))
            queries = (f"SELECT count(*) FROM (FROM {a} EXCEPT ALL FROM {b})" for a, b in both)
            if any(_count(connection, query) for query in queries):
                said.append(f"{DATABASE} holds another table {name} than {FOLDER} does")
    finally:
        connection.close()
    return said


def _count(connection: Any, query: str) -> int:
    ((count,),) = connection.execute(query).fetchall()
    return int(count)


def is_of_this_schema(record: Mapping[str, Any]) -> bool:
    """Whether a release was made with the tables as they are declared now."""
    return record.get("schema_version") == SCHEMA_VERSION
