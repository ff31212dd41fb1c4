"""Sections on the gap of one synthesis: plot, estimates in words, sensitivity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from analysis.synthesis.verdicts import NONE
from dashboard.blocks import (
    Block,
    Cell,
    Details,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
    columns,
)
from dashboard.report_assumptions import assumption_blocks
from dashboard.report_figures import gap_figure, grid_figure
from dashboard.report_synthesis import Synthesis
from dashboard.wording import (
    ESTIMANDS,
    ci_name,
    estimand_meaning,
    estimand_name,
    gap_in_words,
    is_gap,
    is_ok,
    no_gap_value,
    notes_in_words,
    primary_mark,
    reason_of,
    set_of,
    verdict_of,
)
from ibgap.figures.text import number, p_value, percent
from ibgap.releases.view import Row, plural, words


def gap_section(one: Synthesis) -> Section:
    """Gap plot and every estimand in numbers and words."""
    up = words(one.upstream)
    figure = gap_figure(
        one.effects, one.primary_gap(), one.surrogacy, f"gap-{one.view.anchor(one.name)}"
    )
    blocks: list[Block] = [figure, Heading("Estimates of the gap"), *gap_blocks(one)]
    return Section("gap", f"The gap between {up} and behavior", tuple(blocks))


def gap_blocks(one: Synthesis) -> list[Block]:
    """The gap estimates of all trials and, closed, of subsets."""
    own = [r for r in one.gap_rows if r["subset"] == "all"]
    blocks: list[Block] = [_gap_table(f"Gap estimates, {words(one.name)}", own, one)]
    states = notes_in_words("; ".join(dict.fromkeys(
        note for r in own if r["notes"] for note in r["notes"].split("; ")
    )))  # fmt: skip
    if states:
        blocks.append(Paragraph(f"State of the joint model: {states}", "note"))
    others = [r for r in one.gap_rows if r["subset"] != "all"]
    if others:
        table = _gap_table("Gap estimates by subset of trials", others, one)
        blocks.append(Details("Gap estimates by subset of trials", (table,)))
    return blocks


def _gap_table(caption: str, rows: list[Row], one: Synthesis) -> Table:
    head = columns(
        f"Estimand | Estimate | Interval ({100 * one.view.level:.4g}%) | p | No gap | In words",
        wide=("In words",),
    )
    known, subsets = list(ESTIMANDS), list(dict.fromkeys(r["subset"] for r in rows))
    rows = sorted(rows, key=lambda r: (subsets.index(r["subset"]), _position(r, known)))
    return Table(caption, head, tuple(_gap_cells(r, one.upstream) for r in rows),
                 "No trial has usable effects.")  # fmt: skip


def _position(row: Row, known: list[str]) -> int:
    return known.index(row["estimand"]) if row["estimand"] in known else len(known)


def _gap_cells(row: Row, upstream: str) -> tuple[str | Cell, ...]:
    estimand = str(row["estimand"])
    subset = "" if row["subset"] == "all" else f"{words(row['subset'])}; "
    about = f"{subset}{estimand_meaning(estimand, upstream)}"
    share = estimand.startswith("probability")
    value = percent(row["estimate"]) if share else number(row["estimate"])
    kind = {"prediction": "prediction", "none": ""}.get(row["interval_kind"], "confidence")
    how = ", ".join(part for part in (kind, _method_words(str(row["method"]))) if part)
    return (
        Cell(estimand_name(estimand), about), value, Cell(set_of(row), how),
        p_value(row["pvalue"]), no_gap_value(estimand), gap_in_words(row, upstream),
    )  # fmt: skip


def _method_words(method: str) -> str:
    """`CR2/fieller` as `CR2, Fieller`; `model` as `model-based`."""
    known = {"model": "model-based", "fieller": "Fieller", "none": "",
             "model_floor": "not below model-based", "two_pools": "two pools",
             "predictive_normal": "predictive normal"}  # fmt: skip
    parts = [known.get(part, part) for part in method.split("/")]
    return ", ".join(part for part in parts if part)


def sensitivity_section(one: Synthesis) -> Section:
    """The correlation grid, and which trial moves the difference most."""
    return Section("sensitivity", "How much rests on assumptions and on single trials",
                   (*grid_blocks(one), Heading("Leaving one trial out"),
                    *leave_one_out_blocks(one), *_other_assumptions(one)))  # fmt: skip


def _other_assumptions(one: Synthesis) -> list[Block]:
    blocks = assumption_blocks(one.sensitivity, one.upstream, one.view.level)
    return [Heading("Other assumptions"), *blocks] if blocks else []


def _differences(rows: Iterable[Row]) -> list[Row]:
    return [r for r in rows if r["estimand"] == "difference"]


def grid_of(one: Synthesis) -> Figure | None:
    """The difference over the assumed correlation; None without a gap estimate."""
    grid = _grid(one)
    if not grid:
        return None
    primary = float(one.view.settings.get("assumed_correlation", math.nan))
    label = f"{primary_mark(one.view.protocol)} value"
    return grid_figure(_differences(grid), primary, one.view.level,
                       f"grid-{one.view.anchor(one.name)}", label)  # fmt: skip


def _grid(one: Synthesis) -> list[Row]:
    return [r for r in one.sensitivity if r["analysis"] == "assumed_correlation"]


def grid_blocks(one: Synthesis) -> list[Block]:
    """The grid as figure and table."""
    grid, figure = _grid(one), grid_of(one)
    if figure is None:
        return [Paragraph("There is nothing to vary: no gap estimate.", "note")]
    head = columns(f"Estimand | Correlation | Estimate | {ci_name(one.view.level)} | Method",
                   texts=("Method",))  # fmt: skip
    rows = tuple(
        (estimand_name(r["estimand"]), number(r["value"], 1),
         number(r["estimate"]) if is_ok(r) else reason_of(r), set_of(r),
         _method_words(str(r["method"])))
        for r in sorted(grid, key=lambda r: (r["estimand"], str(r["method"]), float(r["value"])))
    )  # fmt: skip
    table = Table("Gap over the assumed within-arm correlation", head, rows)
    return [
        figure, Details("All estimates over the grid", (table,)),
    ]  # fmt: skip


def leave_one_out_blocks(one: Synthesis) -> list[Block]:
    """The trial whose absence moves the difference most, and all of them."""
    rows = _differences(r for r in one.sensitivity if r["analysis"] == "leave_one_trial_out")
    base = one.primary_gap()
    if not rows or base is None or not is_gap(base):
        return [Paragraph(_no_leave_one_out(len(one.effects.trials)), "note")]
    label = one.view.trial_label
    shown = sorted(rows, key=lambda r: -abs(_shift(r, base)) if is_gap(r) else 0.0)
    most = shown[0]
    change = f"from {number(base['estimate'])} to {number(most['estimate'])} SD"
    text = f"Leaving out {label(most['value'])} moves the difference most, {change}. "
    text += _moved_verdicts(rows, base, label)
    head = columns(f"Trial left out | Difference | {ci_name(one.view.level)} | Change")
    table = Table("Difference with each trial left out, largest change first", head, tuple(
        (label(r["value"]), number(r["estimate"]) if is_ok(r) else reason_of(r), set_of(r),
         number(_shift(r, base)))
        for r in shown))  # fmt: skip
    return [Paragraph(text), Details(f"All {plural(len(rows), 'trial')}", (table,))]


def _moved_verdicts(rows: list[Row], base: Row, label: Callable[[object], str]) -> str:
    """Which trials change the verdict on the difference when they are left out."""
    own, reason = verdict_of(base)
    if own == NONE:
        return f"No verdict rests on the difference ({reason})."
    moved = [r for r in rows if verdict_of(r)[0] != own]
    if not moved:
        return "No single trial changes the verdict on the difference."
    names = ", ".join(label(r["value"]) for r in moved[:5])
    return (
        f"Leaving out one of {plural(len(moved), 'trial')} changes the verdict on the difference, "
        f"or leaves none: {names}."
    )


def _no_leave_one_out(trials: int) -> str:
    if trials > 60:
        return f"Not made: with {trials} trials no single one carries the result."
    return "Not made: it needs a gap estimate and at least three trials."


def _shift(row: Row, base: Row) -> float:
    return float(row["estimate"]) - float(base["estimate"])
