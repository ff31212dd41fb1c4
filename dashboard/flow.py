"""The flow of trial folders, trials and effects into the pools, for report and dashboard."""

from __future__ import annotations

from collections import Counter

from dashboard.blocks import Figure, Table, columns
from ibgap.figures import draw_flow
from ibgap.figures.model import Flow, FlowBox
from ibgap.figures.text import whole
from ibgap.releases.view import ReleaseView, Row, counted, plural, words

_MOST_REASONS = 5


def flow_figure(view: ReleaseView) -> Figure:
    """Stages in the manner of a PRISMA flow: found, readable, with effects, in the pools."""
    trials = view.rows("trials")
    boxes = _boxes(view, trials)
    uses = Counter(t["use"] for t in trials if counted(t["k_in_pool"]) > 0)
    ends = tuple(
        (count, f"{'trial' if count == 1 else 'trials'}: {use}")
        for use, count in uses.most_common()
    )
    first, last = boxes[0], boxes[-1]
    summary = f"{whole(first.count)} {first.text}; {plural(last.count, 'effect')} in the pools."
    flow = Flow("From trial folders to pooled effects", summary, boxes, ends)
    rows = []
    for box in boxes:
        rows.append((box.text.capitalize(), str(box.count), ""))
        rows += [(f"Not carried on: {reason}", "", str(count)) for count, reason in box.left]
    table = Table("Flow of trials and effects", columns("Stage | Carried on | Left out"),
                  tuple(rows))  # fmt: skip
    return Figure(draw_flow, flow, "flow", summary, (table,))


def _boxes(view: ReleaseView, trials: list[Row]) -> tuple[FlowBox, ...]:
    folders = len(view.record.get("inputs") or [])
    experimental = [t for t in trials if t["design"] not in ("correlational", "coding")]
    apart = Counter(
        f"trials of {words(t['design'])} sources, analyzed apart"
        for t in trials if t["design"] in ("correlational", "coding")
    )  # fmt: skip
    checks = view.record.get("checks") or {}
    rejected = sum(c.get("rejected", 0) for c in checks.values())
    used = [t for t in experimental if counted(t["k_in_pool"]) > 0]
    unused = Counter(f"trials: {t['use']}" for t in experimental if counted(t["k_in_pool"]) == 0)
    effects = view.rows("effects", measure="SMD")
    pooled = sum(e["in_pool"] is True for e in effects)
    aside = Counter(
        f"effects: {words(e['reason']) or 'not a primary outcome'}"
        for e in effects if e["in_pool"] is not True
    )  # fmt: skip
    rows = ((rejected, "rows rejected by the checks"),) if rejected else ()
    return (
        FlowBox(folders, "trial folders", rows),
        FlowBox(len(trials), "trials read", _reasons(apart)),
        FlowBox(len(experimental), "trials of interventions", _reasons(unused)),
        FlowBox(len(used), "trials with an effect in the pools"),
        FlowBox(len(effects), "effects computed", _reasons(aside)),
        FlowBox(pooled, "effects in the pools"),
    )


def _reasons(counts: Counter[str]) -> tuple[tuple[int, str], ...]:
    common = [(count, text) for text, count in counts.most_common(_MOST_REASONS)]
    more = sum(counts.values()) - sum(count for count, _ in common)
    return (*common, (more, "for other reasons")) if more else tuple(common)
