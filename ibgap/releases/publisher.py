"""Builds a release beside the others and switches `current` to it in one step.

A release is an immutable folder: Parquet tables, one DuckDB file over the same tables, the
report and release.json. Nothing a reader sees is written in place; a run killed at any point
leaves the last release as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from ibgap.base.machine import MACHINE, MachineFaultError
from ibgap.releases.lost_trials import lost_to_the_machine, why_nothing_is_published
from ibgap.releases.visible import visible
from validations.tables import SCHEMA_VERSION, TABLES, conform

CURRENT = "current"
_BUILDING = ".building-"
_PACKAGES = (
    "ibgap",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "duckdb",
    "dagster",
    "great-expectations",
    "pingouin",
)
# Readers with an older DuckDB can open the file.
_STORAGE_VERSION = "v1.2.0"


class ReleaseAuditError(Exception):
    """A table that is about to be published breaks a promise; nothing was published."""


@dataclass(frozen=True)
class Release:
    """A published release: its id, folder, and whether this run made it."""

    release_id: str
    path: Path
    is_new: bool


class Publisher:
    """Publishes into one releases folder.

    render_report: makes report.html from the folder of a release.
    """

    def __init__(self, releases_dir: Path, render_report: Any) -> None:
        self.releases_dir = releases_dir
        self._render_report = render_report

    def publish(
        self,
        tables: dict[str, pd.DataFrame],
        inputs: Any,
        settings: dict[str, Any],
        checks: dict[str, Any],
        keep: int = 0,
    ) -> Release:
        """Publish the tables, unless the current release already holds the same.

        tables: every published one but `release`. inputs: files of every trial with hashes.
        settings: what the release carries of them. checks: what screening counted. keep: how many
        releases stay (0 = all).
        """
        tables = dict(tables)
        packages = _package_versions()
        self.releases_dir.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        content = _content_hash(tables, inputs, settings, packages)
        present = self._current()
        _refuse_lost_trials(tables["findings"], inputs, present[1] if present else {})
        if present is not None and present[1].get("content_hash") == content:
            return Release(present[1]["release_id"], present[0], False)
        created = _now()
        release_id = f"{created:%Y%m%d-%H%M%S}-{content[:10]}"
        building = self.releases_dir / f"{_BUILDING}{release_id}-{os.getpid()}"
        building.mkdir()
        try:
            tables["release"] = _release_table(release_id, inputs, settings, packages)
            _write_parquet(building / "tables", tables)
            _write_duckdb(building / "ibgap.duckdb", building / "tables", sorted(tables))
            audit(building / "tables")
            record = _record(
                release_id, created, content, tables, inputs, settings, packages, checks
            )
            (building / "release.json").write_text(_json(record), encoding="utf-8")
            (building / "report.html").write_text(self._render_report(building), encoding="utf-8")
            sizes = {"files": _sizes(building)}
            (building / "release.json").write_text(_json(record | sizes), encoding="utf-8")
            target = self.releases_dir / release_id
            building.replace(target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        self._switch(release_id)
        self._prune(keep, release_id)
        return Release(release_id, target, True)

    def _current(self) -> tuple[Path, dict[str, Any]] | None:
        """The current release with its record, if every file is as it was published."""
        path = self.releases_dir / CURRENT
        try:
            record = json.loads((path / "release.json").read_text(encoding="utf-8"))
            intact = record["files"] == _sizes(path)
            return (path.resolve(), record) if intact else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _switch(self, release_id: str) -> None:
        link = self.releases_dir / f".{CURRENT}-{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(release_id)
        link.replace(self.releases_dir / CURRENT)

    def _remove_leftovers(self) -> None:
        for leftover in self.releases_dir.glob(f"{_BUILDING}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for link in self.releases_dir.glob(f".{CURRENT}-*"):
            link.unlink(missing_ok=True)

    def _prune(self, keep: int, newest: str) -> None:
        if keep < 1:
            return
        old = sorted(
            p.name
            for p in self.releases_dir.iterdir()
            if (p / "release.json").exists() and not p.is_symlink()
        )
        for name in [n for n in old if n != newest][: max(0, len(old) - keep)]:
            shutil.rmtree(self.releases_dir / name, ignore_errors=True)


def _refuse_lost_trials(findings: pd.DataFrame, inputs: Any, last: dict[str, Any]) -> None:
    """Raise where the machine could not read a trial that the last release held as it is."""
    lost = lost_to_the_machine(inputs, last.get("inputs", ()))
    if lost:
        own = findings[(findings["rule_id"] == MACHINE) & (findings["trial_id"] == lost[0])]
        reason = str(own["message"].iloc[0]).split(";")[0] if len(own) else "cannot be read"
        raise MachineFaultError(why_nothing_is_published(lost, reason))


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file of a release but its record."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != "release.json"]
    return {str(p.relative_to(folder)): p.stat().st_size for p in sorted(files)}


def _now() -> datetime:
    """Now, or SOURCE_DATE_EPOCH where a release is to be recomputed bit for bit."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(float(epoch) if epoch else time.time(), tz=UTC)


def _package_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _content_hash(
    tables: dict[str, pd.DataFrame], inputs: Any, settings: Any, packages: Any
) -> str:
    digest = hashlib.sha256(_json([SCHEMA_VERSION, inputs, settings, packages]).encode())
    for name in sorted(tables):
        digest.update(name.encode())
        digest.update(tables[name].to_csv(index=False, float_format="%.17g").encode())
    return digest.hexdigest()


def _release_table(
    release_id: str, inputs: Any, settings: Any, packages: dict[str, str]
) -> pd.DataFrame:
    rows = {"schema_version": SCHEMA_VERSION}
    rows |= {f"package.{name}": number for name, number in packages.items()}
    rows |= {f"setting.{name}": _json_line(value) for name, value in settings.items()}
    for one in inputs:
        rows |= {f"input.{one['trial']}/{f['file']}": f["sha256"] for f in one["files"]}
    frame = pd.DataFrame({"key": list(rows), "value": list(rows.values())})
    return visible(conform(frame.assign(release_id=release_id), "release"))


def _write_parquet(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    folder.mkdir()
    for name, frame in tables.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)


def _connect(path: str) -> Any:
    import duckdb

    return duckdb.connect(
        path, config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )


def _write_duckdb(path: Path, folder: Path, names: list[str]) -> None:
    """One DuckDB file with the same tables, in a storage version that 1.x readers open."""
    connection = _connect(":memory:")
    try:
        connection.execute(
            f"ATTACH '{_quoted(path)}' AS mart (STORAGE_VERSION '{_STORAGE_VERSION}')"
        )
        for name in names:
            source = _quoted(folder / f"{name}.parquet")
            connection.execute(
                f"CREATE TABLE mart.{name} AS SELECT * FROM read_parquet('{source}')"
            )
        connection.execute("DETACH mart")
    finally:
        connection.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


_AUDITS = {
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


def audit(folder: Path) -> None:
    """Check promises across tables in SQL; raises `ReleaseAuditError` naming the broken ones."""
    connection = _connect(":memory:")
    try:
        for name in TABLES:
            source = _quoted(folder / f"{name}.parquet")
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{source}')")
        broken = []
        for promise, query in _AUDITS.items():
            (count,) = connection.execute(query).fetchone()
            if count:
                broken.append(f"{promise} ({count} rows)")
    finally:
        connection.close()
    if broken:
        raise ReleaseAuditError(
            "nothing was published, because it does not hold that " + "; that ".join(broken)
        )


def _record(
    release_id: str,
    created: datetime,
    content: str,
    tables: dict[str, pd.DataFrame],
    inputs: Any,
    settings: Any,
    packages: dict[str, str],
    checks: dict[str, Any],
) -> dict[str, Any]:
    findings = tables["findings"]
    return {
        "release_id": release_id,
        "created_at": created.isoformat(timespec="seconds"),
        "schema_version": SCHEMA_VERSION,
        "content_hash": content,
        "seed": settings["seed"],
        "settings": settings,
        "packages": packages,
        "inputs": inputs,
        "counts": {name: len(frame) for name, frame in sorted(tables.items())},
        "checks": checks,
        "audits": sorted(_AUDITS),
        "findings": {
            s: int((findings["severity"] == s).sum()) for s in ("error", "hold", "warning", "info")
        },
    }


def _json(data: Any) -> str:
    return json.dumps(data, sort_keys=True, indent=1) + "\n"


def _json_line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
