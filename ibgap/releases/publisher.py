"""Builds a release beside the others and switches `current` to it in one step.

A release is an immutable folder: Parquet tables, one DuckDB file over the same tables, the
report and release.json. Nothing a reader sees is written in place; a run killed at any point
leaves the last release as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ibgap.base.machine import MACHINE, MachineFaultError, machine_fault_in_words
from ibgap.base.writing import unfinished
from ibgap.releases.audits import AUDITS, audit
from ibgap.releases.content import Content, content_hash, package_versions, release_table
from ibgap.releases.lost_trials import lost_to_the_machine, why_nothing_is_published
from ibgap.releases.shelf import CURRENT, clear, prepare, prune, shelve, show
from ibgap.releases.tables import write_tables
from ibgap.releases.whole import RECORD, in_order, is_whole, list_files, sealed
from validations.tables import SCHEMA_VERSION

REPORT = "report.html"


@dataclass(frozen=True)
class Release:
    """A published release: its id, folder, and whether this run made or showed it."""

    release_id: str
    path: Path
    is_new: bool


def publish(
    releases_dir: Path, content: Content, render_report: Callable[[Path], str], keep: int = 0
) -> Release:
    """Publish a content, unless the current release already holds the same and is whole.

    render_report: gives the report from the folder of a release that has tables and record.
    keep: how many releases stay (0 = all).

    Raises `ReleaseAuditError` where the tables break a promise, `ReleasesFolderError` where the
    folder cannot be used, and `MachineFaultError` where the machine is at fault. Readers then see
    the last release, and nothing half-made stays.
    """
    try:
        prepare(releases_dir)
        return _publish(releases_dir, content, render_report, keep)
    except BaseException as error:
        with contextlib.suppress(OSError):
            clear(releases_dir)
        words = "" if isinstance(error, MachineFaultError) else machine_fault_in_words(error)
        if not words:
            raise
    raise MachineFaultError(
        f"nothing was published: while the release was written, {words}; the last one stays as it "
        "is; make room and run `ibgap refresh` again"
    )


def _publish(
    releases_dir: Path, content: Content, render_report: Callable[[Path], str], keep: int
) -> Release:
    packages = package_versions()
    digest = content_hash(content, packages)
    last = _whole_record(releases_dir / CURRENT)
    _refuse_lost_trials(content.tables["findings"], content.inputs, last.get("inputs", ()))
    if last.get("content_hash") == digest:
        prune(releases_dir, keep)  # a run that was killed may have shown it and removed none
        return Release(last["release_id"], releases_dir / last["release_id"], False)
    created = _now()
    release_id = f"{created:%Y%m%d-%H%M%S}-{digest[:10]}"
    target = releases_dir / release_id
    if _whole_record(target).get("content_hash") == digest:
        show(releases_dir, release_id)
    else:
        made = unfinished(target)
        made.mkdir()
        tables = {**content.tables, "release": release_table(release_id, content, packages)}
        write_tables(made, tables)
        audit(made)
        record = {
            "release_id": release_id,
            "created_at": created.isoformat(timespec="seconds"),
            "schema_version": SCHEMA_VERSION,
            "content_hash": digest,
            "seed": content.settings["seed"],
            "settings": content.settings,
            "packages": packages,
            "inputs": content.inputs,
            "counts": {name: len(frame) for name, frame in sorted(tables.items())},
            "checks": content.checks,
            "audits": sorted(AUDITS),
            "findings": _by_severity(tables["findings"]),
        }
        (made / RECORD).write_text(in_order(record), encoding="utf-8")
        (made / REPORT).write_text(render_report(made), encoding="utf-8")
        (made / RECORD).write_text(sealed(record | {"files": list_files(made)}), encoding="utf-8")
        shelve(releases_dir, made, release_id)
    prune(releases_dir, keep)
    return Release(release_id, target, True)


def _whole_record(folder: Path) -> dict[str, Any]:
    """The record of a release that is as it was published; empty for others."""
    if not is_whole(folder):
        return {}
    record: dict[str, Any] = json.loads((folder / RECORD).read_bytes())
    return record


def _refuse_lost_trials(
    findings: pd.DataFrame, inputs: Iterable[dict[str, Any]], last: Iterable[dict[str, Any]]
) -> None:
    """Raise where the machine could not read a trial that the last release held as it is."""
    lost = lost_to_the_machine(inputs, last)
    if lost:
        own = findings[(findings["rule_id"] == MACHINE) & (findings["trial_id"] == lost[0])]
        reason = str(own["message"].iloc[0]).split(";")[0] if len(own) else "cannot be read"
        raise MachineFaultError(why_nothing_is_published(lost, reason))


def _now() -> datetime:
    """Now, or SOURCE_DATE_EPOCH where a release is to be recomputed bit for bit."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(float(epoch) if epoch else time.time(), tz=UTC)


def _by_severity(findings: pd.DataFrame) -> dict[str, int]:
    named = ("error", "hold", "warning", "info")
    return {s: int((findings["severity"] == s).sum()) for s in named}
