"""Section on action control: who of those who intend acts."""

from __future__ import annotations

import math

from analysis.univariate.pooling import NARROW
from dashboard.blocks import Block, Cell, Details, Figure, Paragraph, Section, Table, columns
from dashboard.report_figures import action_figure
from dashboard.wording import ci_name, reason_of
from ibgap.figures.model import ActionBar, ActionBars, ActionGroup, ActionShares
from ibgap.figures.text import number, percent, whole
from ibgap.releases.view import ReleaseView, Row, capital, plural, words

_SHARES = (
    "share_inclined_actors",
    "share_inclined_abstainers",
    "share_disinclined_actors",
    "share_disinclined_abstainers",
)


def action_section(view: ReleaseView) -> Section:
    """Who of those who intend acts; only where trials give counts."""
    rows = view.rows("action_control")
    arms = [r for r in rows if r["row_kind"] == "arm"]
    pooled = [r for r in rows if r["row_kind"] == "pooled"]
    title = "Who of those who intend acts"
    if not arms and not pooled:
        text = "No trial gives counts of who intended and who acted, so this cannot be said."
        return Section("action", title, (Paragraph(text),))
    first, rest = _first_pairs(_in_order(view, arms))
    blocks: list[Block] = [
        Paragraph(_action_sentence(r, view.level)) for r in pooled if _has_share(r)
    ]
    shown = _bars(view, pooled, first)
    blocks.append(action_figure(shown, _action_table(view, pooled + first), "action-bars"))
    if rest:
        blocks.append(
            Paragraph(
                "Trials with several pairs of outcomes are drawn by the first; the pooled rows "
                "rest on the mean over the pairs of a trial.",
                "note",
            )
        )
        table = _action_table(view, rest)
        blocks.append(Details("Other intentions and behaviors of these trials", (table,)))
    splits = [r for r in rows if r["row_kind"] == "split"]
    if splits:
        blocks.append(
            Details(
                "Split of the effect on behavior between arms",
                (_split_table(view, _in_order(view, splits)),),
            )
        )
    return Section("action", title, tuple(blocks))


def action_bars(view: ReleaseView) -> Figure | None:
    """The bars alone; None when no trial gives counts."""
    section = action_section(view)
    return next((block for block in section.blocks if isinstance(block, Figure)), None)


def _has_share(row: Row) -> bool:
    return math.isfinite(row["p_act_given_intend"])


def _action_sentence(row: Row, level: float) -> str:
    low, high = (row[f"p_act_given_intend_ci_{end}"] for end in ("lb", "ub"))
    narrow = ", narrow" if f"intend_{NARROW}" in str(row.get("notes") or "").split("; ") else ""
    vague = " The interval says next to nothing: the trials are few and differ."
    return (
        f"Pooled over {plural(row['k_used'], 'trial')}, {percent(row['p_act_given_intend'])} of "
        f"those in {row['arm_group']} arms who intended to act did act ({ci_name(level)} "
        f"{percent(low)} to {percent(high)}{narrow}): an action-control gap of "
        f"{percent(row['action_control_gap'])}. Of those who did not intend, "
        f"{percent(row['p_act_given_no_intend'])} acted.{vague if high - low > 0.9 else ''}"
    )


def _in_order(view: ReleaseView, arms: list[Row]) -> list[Row]:
    """Rows by trial, pair of outcomes (primary and earlier declared ones first), comparators
    first, name of the arm."""
    declared = view.rows("instruments")
    rank = {
        (r["collection_id"], r["outcome_id"]): (r["primary"] is not True, i)
        for i, r in enumerate(declared)
    }

    def outcome(row: Row, column: str) -> tuple[bool, int]:
        return rank.get((row["trial_id"].split("/")[0], row[column]), (True, len(declared)))

    return sorted(
        arms,
        key=lambda r: (
            view.trial_label(r["trial_id"]),
            *(outcome(r, column) for column in ("intention", "behavior")),
            r["intention"],
            r["behavior"],
            r["arm_group"] != "comparator",
            _arm_name(view, r),
        ),
    )


def _first_pairs(arms: list[Row]) -> tuple[list[Row], list[Row]]:
    """Rows of the first pair of outcomes of each trial, and the other rows."""
    chosen: dict[str, tuple[str, str]] = {}
    first: list[Row] = []
    rest: list[Row] = []
    for row in arms:
        pair = (row["intention"], row["behavior"])
        same = chosen.setdefault(row["trial_id"], pair) == pair
        (first if same else rest).append(row)
    return first, rest


def _arm_name(view: ReleaseView, row: Row) -> str:
    if row["row_kind"] == "pooled":
        return f"{capital(row['arm_group'])} arms"
    arm = view.arm_labels.get((row["trial_id"], row["arm_id"]), words(row["arm_id"]))
    return f"{arm} (comparator)" if row["arm_group"] == "comparator" else arm


def _pair_name(view: ReleaseView, row: Row) -> str:
    if row["row_kind"] == "pooled":
        return f"Pooled over {plural(row['k_used'], 'trial')}"
    trial = row["trial_id"]
    intended, acted = (view.outcome_label(trial, row[c]) for c in ("intention", "behavior"))
    return f"{view.trial_label(trial)}: {intended} \u2192 {acted}"


def _bars(view: ReleaseView, pooled: list[Row], arms: list[Row]) -> ActionBars:
    groups: dict[str, list[ActionBar]] = {}
    for row in pooled + arms:
        shares: ActionShares | str = row["reason"] or row["withheld"] or "not published"
        if all(math.isfinite(row[s]) for s in _SHARES):
            shares = ActionShares(*(row[s] for s in _SHARES))
        persons = whole(row["n"]) if math.isfinite(row["n"]) else ""
        bar = ActionBar(_arm_name(view, row), shares, persons)
        groups.setdefault(_pair_name(view, row), []).append(bar)
    hidden = sum(isinstance(b.shares, str) for bars in groups.values() for b in bars)
    text = "Shares of persons who intended and acted, intended only, acted only, and did neither."
    if hidden:
        text += f" {plural(hidden, 'row is', 'rows are')} withheld to protect participants."
    return ActionBars(
        "Intending and acting, by group of persons",
        text,
        tuple(ActionGroup(name, tuple(bars)) for name, bars in groups.items()),
    )


def _action_table(view: ReleaseView, rows: list[Row]) -> Table:
    head = columns(
        "Persons | n | Intend | Act | Act, of those who intend | Act, of those who do not "
        "| Action-control gap"
    )
    return Table(
        "Action control by group of persons", head, tuple(_action_cells(view, r) for r in rows)
    )


def _action_cells(view: ReleaseView, row: Row) -> tuple[str | Cell, ...]:
    name = Cell(_arm_name(view, row), _pair_name(view, row))
    if not _has_share(row):
        why = row["reason"] or row["withheld"] or "not published"
        return (name, "withheld", "", "", Cell("withheld", why), "", "")
    own, other = "p_act_given_intend", "p_act_given_no_intend"
    return (
        name,
        whole(row["n"]),
        percent(row["p_intend"]),
        percent(row["p_act"]),
        Cell(percent(row[own]), _percents(row, own)),
        Cell(percent(row[other]), _percents(row, other)),
        percent(row["action_control_gap"]),
    )


def _percents(row: Row, name: str) -> str:
    return f"[{percent(row[f'{name}_ci_lb'])}, {percent(row[f'{name}_ci_ub'])}]"


def _split_table(view: ReleaseView, rows: list[Row]) -> Table:
    head = columns(
        "Comparison | More act | because more intend | because more intenders act "
        "| because more others act"
    )
    parts = ("risk_difference", "more_intend", "intenders_act", "others_act")
    out: list[tuple[str | Cell, ...]] = []
    for row in rows:
        name = Cell(words(row["arm_id"]), _pair_name(view, row))
        if row["status"] == "ok":
            out.append((name, *(f"{number(100 * row[p], 1)}" for p in parts)))
        else:
            out.append((name, Cell("withheld", reason_of(row)), "", "", ""))
    return Table(
        "Difference in the share who act, intervention minus comparator, in percentage points; "
        "its parts add up exactly, the last two are descriptive",
        head,
        tuple(out),
    )
