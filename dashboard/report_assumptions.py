"""The gap and the trial-level line under other assumptions, as published."""

from __future__ import annotations

import math

from dashboard.blocks import Block, Cell, Paragraph, Table, columns
from dashboard.wording import ci_name, estimand_name, is_ok, reason_of
from ibgap.figures.text import interval, number, whole
from ibgap.releases.view import Row, capital, words

_MISSING, _OTHERS = "missing_behavior", ("few_trials", "parametric_bootstrap")
_LINE = "trial_level_line"


def assumption_blocks(rows: list[Row], upstream: str, level: float) -> list[Block]:
    """Missing behavior results, other intervals, and other ways to draw the trial-level line.

    rows: of `sensitivity` of one synthesis. Empty when no analysis could be made.
    """
    made = (_missing(rows, upstream, level), _intervals(rows, level), _line(rows, upstream, level))
    return [block for part in made for block in part]


def _of(rows: list[Row], *analyses: str) -> list[Row]:
    return [r for r in rows if r["analysis"] in analyses]


def _missing(rows: list[Row], upstream: str, level: float) -> list[Block]:
    found = _of(rows, _MISSING)
    if not found:
        return []
    head = columns(
        f"Missing behavior effects off prediction by (SD) | Difference | {ci_name(level)}", texts=()
    )
    table = Table("If missing behavior results were worse", head, tuple(
        (number(float(r["value"])), number(r["estimate"]), interval(r["ci_lb"], r["ci_ub"]))
        for r in found))  # fmt: skip
    text = (
        f"{capital(str(found[0]['reason']))}. The joint model of one composite effect per trial "
        f"and outcome takes their behavior effects to be what their {words(upstream)} effects "
        "foretell; the table shows the difference if they were worse than that on average."
    )
    return [table, Paragraph(text, "note")]


def _intervals(rows: list[Row], level: float) -> list[Block]:
    found = _of(rows, *_OTHERS)
    if not found:
        return []
    head = columns(f"Quantity | Estimate | {ci_name(level)} | By", texts=("By",))
    return [Table("Intervals by resampling", head, tuple(
        (estimand_name(r["estimand"]), number(r["estimate"]) if is_ok(r) else Cell(
            "\u2013", reason_of(r)), interval(r["ci_lb"], r["ci_ub"]),
         f"{words(r['analysis'])}, {r['value']}" if r["analysis"] != "few_trials" else r["value"])
        for r in found))]  # fmt: skip


def _line(rows: list[Row], upstream: str, level: float) -> list[Block]:
    found = _of(rows, _LINE)
    if not found:
        return []
    head = columns(f"What | Value | {ci_name(level)}", wide=("What",))
    table = Table("The trial-level line by other means", head, tuple(
        (Cell(capital(r["value"]), str(r["reason"])), number(r["estimate"]),
         interval(r["ci_lb"], r["ci_ub"]) if math.isfinite(r["ci_lb"]) else "")
        for r in found))  # fmt: skip
    text = (
        f"Regressing observed behavior effects on observed {words(upstream)} effects finds a slope "
        "even where none is, because both were measured on the same people; it is shown to say how "
        f"large that slope would be in these {whole(found[0]['k_paired'])} trials."
    )
    return [table, Paragraph(text, "note")]
