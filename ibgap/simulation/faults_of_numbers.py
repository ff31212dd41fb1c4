"""Faults of rows, and of what a trial's numbers say about each other. Each function gives the files
of a draft with the fault in them, or None where the draft has nothing that could have it."""

from __future__ import annotations

import math
from typing import Any

from ibgap.simulation.draft import Draft, Table
from ibgap.simulation.manifests import UPSTREAM
from ibgap.simulation.one_trial import MISSING_CODE

Files = dict[str, bytes]

_SURELY_HELD = 3.3
"""Size of a standardized difference that a refresh keeps out of the pools."""
_WITH_INTERVAL = ("g", "OR", "RR", "RD")


def _first_filled(table: Table, column: str) -> int | None:
    cells = table.columns.get(column, [])
    return next((i for i, cell in enumerate(cells) if cell not in (None, MISSING_CODE)), None)


def _person(draft: Draft, column: str = UPSTREAM) -> int | None:
    """The first person with a value; None where the rows are no persons."""
    return _first_filled(draft.table, column) if draft.kind == "participant_rows" else None


def _number(draft: Draft, column: str, row: int) -> float:
    return float(draft.table.columns[column][row] or 0)


def _outcome(draft: Draft, name: str) -> dict[str, Any]:
    return next(dict(o) for o in draft.manifest["outcomes"] if o["id"] == name)


# --- participants --------------------------------------------------------------------------------


def arm_unknown(draft: Draft) -> Files | None:
    if draft.kind not in ("participant_rows", "arm_summaries") or not draft.is_text:
        return None
    return draft.with_cell("arm", 0, "group Z").files()


def value_out_of_scale(draft: Draft) -> Files | None:
    person = _person(draft)
    if person is None:
        return None
    top = _outcome(draft, UPSTREAM)["scale"]["max"]
    return draft.with_cell(UPSTREAM, person, 10 * top + 5).files()


def person_twice(draft: Draft) -> Files | None:
    person = _person(draft)
    if person is None:
        return None
    doubled = {n: [*cells, cells[person]] for n, cells in draft.table.columns.items()}
    return draft.with_table(draft.table.having(doubled)).files()


def number_unreadable(draft: Draft) -> Files | None:
    person = _person(draft)
    if person is None or not draft.is_text:
        return None
    return draft.with_cell(UPSTREAM, person, "4l").files()


def neither_yes_nor_no(draft: Draft) -> Files | None:
    if not draft.is_text:
        return None
    for outcome in draft.manifest.get("outcomes", []):
        person = _person(draft, outcome["id"])
        if outcome["scale"]["type"] == "binary" and person is not None:
            return draft.with_cell(outcome["id"], person, "perhaps").files()
    return None


# --- numbers of arms -----------------------------------------------------------------------------


def _of_upstream(draft: Draft, field: str) -> tuple[str, int] | None:
    """Column and first row of a number of the upstream outcome, in a long or a wide table."""
    if draft.kind != "arm_summaries":
        return None
    if f"{UPSTREAM}_{field}" in draft.table.columns:
        return f"{UPSTREAM}_{field}", 0
    row = _first_filled(draft.table, field)
    named = draft.table.columns.get("outcome", [])
    return (field, row) if row is not None and named[row] == UPSTREAM else None


def events_above_n(draft: Draft) -> Files | None:
    for column in draft.table.columns:
        row = _first_filled(draft.table, column)
        if column.endswith("events") and row is not None:
            n = int(_number(draft, column.removesuffix("events") + "n", row))
            return draft.with_cell(column, row, n + 3).files()
    return None


def sd_impossible(draft: Draft) -> Files | None:
    at = _of_upstream(draft, "sd")
    return at and draft.with_cell(*at, round(10 * _number(draft, *at), 2)).files()


def mean_outside(draft: Draft) -> Files | None:
    at = _of_upstream(draft, "mean")
    top = _outcome(draft, UPSTREAM)["scale"]["max"] if at else 0
    return at and draft.with_cell(*at, 2 * top).files()


def error_as_sd(draft: Draft) -> Files | None:
    """Where every intervention's effect becomes so large that it is held."""
    at = _of_upstream(draft, "sd")
    if at is None:
        return None
    column, first = at
    roles = [arm["role"] for arm in draft.manifest["arms"]]
    rows = range(first, first + len(roles))
    n, mean = (column.removesuffix("sd") + field for field in ("n", "mean"))
    errors = [_number(draft, column, r) / math.sqrt(_number(draft, n, r)) for r in rows]
    means = [_number(draft, mean, r) for r in rows]
    controls = [m for m, role in zip(means, roles, strict=True) if role != "experimental"]
    sizes = [
        min(abs(m - control) for control in controls) / max(errors)
        for m, role in zip(means, roles, strict=True)
        if role == "experimental"
    ]
    if min(sizes) < _SURELY_HELD:
        return None
    for row, error in zip(rows, errors, strict=True):
        draft = draft.with_cell(column, row, round(error, 4))
    return draft.files()


# --- printed effects -----------------------------------------------------------------------------


def _printed(draft: Draft, *statistics: str) -> int | None:
    """The first row with one of these statistics and an interval."""
    columns = draft.table.columns
    if draft.kind != "reported_effects" or not {"ci_lb", "statistic"} <= set(columns):
        return None
    rows = enumerate(zip(columns["statistic"], columns["ci_lb"], strict=True))
    return next((i for i, (s, low) in rows if s in statistics and low is not None), None)


def limits_swapped(draft: Draft) -> Files | None:
    row = _printed(draft, *_WITH_INTERVAL)
    if row is None:
        return None
    low, high = (draft.table.columns[f][row] for f in ("ci_lb", "ci_ub"))
    return draft.with_cell("ci_lb", row, high).with_cell("ci_ub", row, low).files()


def value_outside_limits(draft: Draft) -> Files | None:
    row = _printed(draft, *_WITH_INTERVAL)
    if row is None:
        return None
    return draft.with_cell("value", row, round(_number(draft, "ci_ub", row) + 0.2, 3)).files()


def ratio_as_logarithm(draft: Draft) -> Files | None:
    """Where a logarithm is below zero, which no ratio is."""
    row = _printed(draft, "OR", "RR")
    if row is None:
        return None
    logs = {f: round(math.log(_number(draft, f, row)), 3) for f in ("value", "ci_lb", "ci_ub")}
    if min(logs.values()) >= 0:
        return None
    for field, value in logs.items():
        draft = draft.with_cell(field, row, value)
    return draft.files()


# --- across numbers ------------------------------------------------------------------------------


def _turned(draft: Draft, name: str) -> Files:
    outcomes = [
        {**o, "higher_is_better": not o["higher_is_better"]} if o["id"] == name else o
        for o in draft.manifest["outcomes"]
    ]
    return draft.with_manifest(outcomes=outcomes).files()


def direction_reversed(draft: Draft) -> Files | None:
    return _turned(draft, UPSTREAM) if draft.kind == "participant_rows" else None


def direction_contradicted(draft: Draft) -> Files | None:
    columns = draft.table.columns
    if draft.kind != "reported_effects" or "favors" not in columns:
        return None
    for row, (statistic, favors) in enumerate(
        zip(columns["statistic"], columns["favors"], strict=True)
    ):
        if favors and statistic not in ("F", "p") and columns["value"][row]:
            return _turned(draft, str(columns["outcome"][row]))
    return None


def clusters_untold(draft: Draft) -> Files | None:
    design = draft.manifest.get("design", {})
    if "icc" not in design:
        return None
    kept = {k: v for k, v in design.items() if k not in ("icc", "mean_cluster_size")}
    return draft.with_manifest(design=kept).files()


def more_analyzed(draft: Draft) -> Files | None:
    arms = draft.manifest.get("arms", [])
    if draft.kind not in ("participant_rows", "arm_summaries"):
        return None
    if not all("n_randomized" in arm for arm in arms):
        return None
    halved = [{**arm, "n_randomized": arm["n_randomized"] // 2} for arm in arms]
    return draft.with_manifest(arms=halved).files()
