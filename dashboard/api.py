"""The HTTP interface: the numbers of every view as JSON, CSV, XLSX or Parquet.

An endpoint takes the same parameters as the pages, so the data of any page are one edit of its
address away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd

from dashboard.context import Page
from dashboard.files import to_csv, to_json, to_parquet, to_xlsx
from dashboard.pages.quality import check_state
from dashboard.query import to_query
from dashboard.wording import verdict_of
from ibgap.releases.view import Row

FORMS = ("json", "csv", "xlsx", "parquet")
SCOPES = ("filtered", "full")
MOST_ROWS = 50_000
_EFFECT_TABLES = {"effects": "effects", "pairs": "paired_effects"}
_RESULT_TABLES = {
    "pool": "pooled_effects", "gap": "gap_estimates", "surrogacy": "surrogacy",
    "moderators": "moderator_effects", "influence": "influence", "bias": "bias_checks",
    "sensitivity": "sensitivity",
}  # fmt: skip
_WHOLE_TABLES = {
    "specs": "specifications", "action-control": "action_control", "codebook": "codebook",
    "findings": "findings", "correlations": "pooled_correlations", "barriers": "barrier_codings",
}  # fmt: skip

ENDPOINTS: dict[str, str] = {
    "releases": "kept releases, newest first",
    "studies": "trials with how they are used, and whether the selection has them",
    "effects": "effects of the selected trials",
    "pairs": "upstream and behavior effects that belong together",
    "pool": "pooled effects of the selection",
    "gap": "estimands of the gap",
    "surrogacy": "trial-level line",
    "moderators": "effects by level of each moderator",
    "influence": "what single trials carry",
    "bias": "small-study checks and adjusted means",
    "sensitivity": "the gap over the assumed correlation",
    "specs": "the gap under every combination of choices (all trials of the release)",
    "action-control": "who of those who intend acts",
    "trend": "primary results of the kept releases",
    "changes": "what changed since another release (parameter `with`)",
    "quality": "checks, audits, findings, inputs and software of the release",
    "findings": "everything wrong or doubtful, with what to do",
    "correlations": "pooled correlations of correlational sets",
    "barriers": "barrier dimensions of coding tables",
    "codebook": "every column of every published table",
}


def rows_of(page: Page, endpoint: str, scope: str) -> tuple[list[Row], list[str]]:
    """Rows of an endpoint and notes on what was withheld or is not of the selection."""
    notes = list(page.selected.notes)
    if endpoint in _RESULT_TABLES:
        view = page.base if scope == "full" else page.view
        where = {} if scope == "full" else {"synthesis": page.state.synthesis}
        return view.rows(_RESULT_TABLES[endpoint], **where), notes
    if endpoint in _EFFECT_TABLES:
        return _effect_rows(page, _EFFECT_TABLES[endpoint], scope), notes
    if endpoint in _WHOLE_TABLES:
        if not page.is_primary:
            notes.append("these rows are of the primary analysis, not of the selection")
        return page.base.rows(_WHOLE_TABLES[endpoint]), notes
    return _OTHERS[endpoint](page, scope), notes


def _effect_rows(page: Page, table: str, scope: str) -> list[Row]:
    if scope == "full":
        return page.base.rows(table)
    if table == "paired_effects":
        return page.view.pairs(page.state.synthesis)
    ids = set(page.view.stack(page.state.synthesis).values("effect_id"))
    return [row for row in page.base.rows(table) if row["effect_id"] in ids]


def _studies(page: Page, scope: str) -> list[Row]:
    inside = {str(t["trial_id"]) for t in page.view.stack(page.state.synthesis).trials}
    rows = [row | {"in_selection": row["trial_id"] in inside} for row in page.base.rows("trials")]
    return rows if scope == "full" else [row for row in rows if row["in_selection"]]


def _releases(page: Page, scope: str) -> list[Row]:
    return [
        {"release_id": h.release_id, "created_at": h.created_at,
         "is_current": h.release_id == page.releases.current_id}
        for h in page.releases.heads
    ]  # fmt: skip


def _trend(page: Page, scope: str) -> list[Row]:
    out: list[Row] = []
    for head in page.releases.heads:
        found = page.releases.headline(head.release_id) or {}
        for row in found.get("pooled_effects", []):
            out.append(_trend_row(head.release_id, head.created_at, row, row["construct"], "mu"))
        for row in found.get("gap_estimates", []):
            out.append(_trend_row(head.release_id, head.created_at, row, "difference", "estimate"))
    return out


def _trend_row(release: str, made: str, row: Row, result: str, column: str) -> Row:
    return {
        "release_id": release, "created_at": made, "synthesis": row["synthesis"],
        "result": result, "estimate": row[column], "ci_lb": row["ci_lb"], "ci_ub": row["ci_ub"],
        "status": row["status"], "notes": row.get("notes", ""), "verdict": verdict_of(row)[0],
    }  # fmt: skip


def _changes(page: Page, scope: str) -> list[Row]:
    old_id = page.state.other or page.releases.previous(page.release_id)
    if not old_id:
        return []
    found = page.releases.changes(old_id, page.release_id)
    out: list[Row] = [_change("added", r, found.old_id, found.new_id) for r in found.added]
    out += [_change("removed", r, found.old_id, found.new_id) for r in found.removed]
    out += [
        {"from_id": found.old_id, "to_id": found.new_id, "kind": c.kind, "key": c.trial_id,
         "subject": c.subject, "field": c.field, "old": c.old, "new": c.new}
        for c in found.fields
    ]  # fmt: skip
    for result in found.results:
        out += [
            {"from_id": found.old_id, "to_id": found.new_id, "kind": "result",
             "key": result.synthesis, "subject": result.result, "field": step.name,
             "old": "", "new": "", "pooled_shift": step.shift}
            for step in result.steps
        ]  # fmt: skip
    return out


def _change(kind: str, row: Row, old_id: str, new_id: str) -> Row:
    return {"from_id": old_id, "to_id": new_id, "kind": kind, "key": row["trial_id"],
            "subject": row["label"], "field": "", "old": "", "new": ""}  # fmt: skip


def _quality(page: Page, scope: str) -> list[Row]:
    record = page.base.record
    state, said = check_state(page.base)
    rows: list[Row] = [{"part": "state", "name": state, "value": said}]
    for kind, c in (record.get("checks") or {}).items():
        rows += [{"part": f"screening.{kind}", "name": n, "value": str(c[n])}
                 for n in ("accepted", "rejected", "failed_rules")]  # fmt: skip
    rows += [{"part": "audit", "name": text, "value": "holds"}
             for text in record.get("audits") or []]  # fmt: skip
    for part in ("findings", "counts", "packages", "settings"):
        rows += [{"part": part, "name": str(name), "value": str(value)}
                 for name, value in (record.get(part) or {}).items()]  # fmt: skip
    return rows


_OTHERS: dict[str, Callable[[Page, str], list[Row]]] = {
    "releases": _releases, "studies": _studies, "trend": _trend, "changes": _changes,
    "quality": _quality,
}  # fmt: skip


def study_record(page: Page, trial_id: str) -> dict[str, Any] | None:
    """Everything published of one trial; None when the release does not have it."""
    found = page.base.rows("trials", trial_id=trial_id)
    if not found:
        return None
    tables = (
        "effects", "paired_effects", "intention_outcomes", "behavior_outcomes",
        "upstream_outcomes", "risk_of_bias", "moderators", "influence", "findings",
    )  # fmt: skip
    return found[0] | {name: page.base.rows(name, trial_id=trial_id) for name in tables}


def meta(page: Page, scope: str, rows: int) -> dict[str, Any]:
    """What an answer was made from; the permalink gives the same answer later."""
    pinned = replace(page.state, release=page.release_id)
    return {
        "release": page.release_id,
        "created_at": page.base.record.get("created_at"),
        "schema_version": page.base.record.get("schema_version"),
        "code_version": (page.base.record.get("packages") or {}).get("ibgap"),
        "is_primary_analysis": page.is_primary,
        "scope": scope,
        "state": to_query(page.state),
        "permalink": f"?{to_query(pinned)}",
        "settings": page.view.settings,
        "rows": rows,
    }


def answer(page: Page, endpoint: str, form: str, scope: str) -> bytes:
    """The body of an endpoint in one of the forms."""
    rows, notes = rows_of(page, endpoint, scope)
    if len(rows) > MOST_ROWS:
        notes.append(f"the first {MOST_ROWS} of {len(rows)} rows; the whole table is under tables")
        rows = rows[:MOST_ROWS]
    if form == "json":
        return to_json({"meta": meta(page, scope, len(rows)), "data": rows, "notes": notes})
    return table_file(_frame(page, endpoint, rows), form, endpoint)


def _frame(page: Page, endpoint: str, rows: list[Row]) -> pd.DataFrame:
    """Rows as a table; an empty one keeps the columns of the table it comes from."""
    tables = _RESULT_TABLES | _EFFECT_TABLES | _WHOLE_TABLES | {"studies": "trials"}
    if rows or endpoint not in tables:
        return pd.DataFrame(rows)
    more = ["in_selection"] if endpoint == "studies" else []
    return pd.DataFrame(columns=[*page.base.table(tables[endpoint]).columns, *more])


def table_file(frame: pd.DataFrame, form: str, name: str) -> bytes:
    """A table in one of the file forms."""
    if form == "csv":
        return to_csv(frame)
    if form == "xlsx":
        return to_xlsx(frame, name)
    return to_parquet(frame)


def openapi(version: str) -> dict[str, Any]:
    """The description of the interface by OpenAPI 3.1."""
    from dashboard.openapi import describe

    return describe(ENDPOINTS, FORMS, SCOPES, version)
