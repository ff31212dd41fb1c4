"""Sections on the trials and the findings of the checks."""

from __future__ import annotations

from collections import Counter

from dashboard.blocks import (
    Block,
    Cell,
    Column,
    Details,
    Heading,
    Paragraph,
    Section,
    Table,
    columns,
)
from ibgap.figures.text import whole
from ibgap.releases.view import MAIN, ReleaseView, Row, capital, counted, plural, words

_SEVERITIES = ("error", "hold", "warning", "info")
_SHOWN_FINDINGS, _OPEN_FINDINGS = 300, 10


def trials_section(view: ReleaseView) -> Section:
    """How every trial is used, and why some are not."""
    trials = view.rows("trials")
    names = sorted({t["synthesis"] for t in trials}, key=lambda n: (n != MAIN, n))
    blocks: list[Block] = [_flow_table(trials, names)]
    unused = [t for t in trials if counted(t["k_in_pool"]) == 0]
    experimental = [t for t in unused if t["design"] not in ("correlational", "coding")]
    if experimental:
        blocks += [Heading("Not used in any pool"), _unused_table(view, experimental)]
    for name in names:
        own = [t for t in trials if t["synthesis"] == name]
        table = _trial_table(f"Trials, {words(name) or 'no synthesis'}", own)
        blocks.append(
            Details(
                f"{capital(words(name)) or 'No synthesis'}: {plural(len(own), 'trial')}", (table,)
            )
        )
    return Section("trials", "Trials: used, used on one side, not used", tuple(blocks))


def _flow_table(trials: list[Row], names: list[str]) -> Table:
    """Trials by synthesis and use."""
    counts = Counter((t["synthesis"], t["use"]) for t in trials)
    uses = sorted({t["use"] for t in trials}, key=_use_order)
    head = (
        Column("Use", "text"),
        *(Column(capital(words(n)) or "No synthesis") for n in names),
        Column("All"),
    )
    rows = [
        (
            capital(use),
            *(whole(counts[n, use]) for n in names),
            whole(sum(counts[n, use] for n in names)),
        )
        for use in uses
    ]
    totals = [sum(counts[n, use] for use in uses) for n in names]
    rows.append(("All trials", *map(whole, totals), whole(sum(totals))))
    return Table("Flow of trials", head, tuple(rows), "No trial was found.")


def _use_order(use: str) -> tuple[int, str]:
    known = (
        "both outcomes",
        "upstream and behavior",
        "intention only",
        "upstream only",
        "behavior only",
        "no usable effect",
        "no between-arm effect",
    )
    return (known.index(use) if use in known else len(known), use)


def _unused_table(view: ReleaseView, trials: list[Row]) -> Table:
    reasons: dict[str, list[str]] = {}
    for effect in view.rows("effects"):
        if effect["reason"]:
            reasons.setdefault(effect["trial_id"], []).append(effect["reason"])
    for finding in view.rows("findings"):
        if finding["severity"] in ("error", "hold"):
            reasons.setdefault(finding["trial_id"], []).append(finding["message"])
    rows = []
    for trial in trials:
        found = list(dict.fromkeys(reasons.get(trial["trial_id"], [])))
        why = "; ".join(found[:3]) or trial["notes"] or trial["use"]
        rows.append(
            (Cell(trial["label"], words(trial["synthesis"])), capital(trial["use"]), capital(why))
        )
    head = columns("Trial | State | Reason", wide=("Reason",), texts=("State",))
    return Table("Trials without an effect in the pools", head, tuple(rows))


def _trial_table(caption: str, trials: list[Row]) -> Table:
    head = columns(
        "Trial | Year | Country | Topic | Design | Persons | Effects | In pools | Use "
        "| Risk of bias",
        texts=("Country", "Topic", "Design", "Use", "Risk of bias"),
    )
    return Table(
        caption,
        head,
        tuple(
            (
                t["label"] or t["trial_id"],
                f"{t['year']:.0f}" if counted(t["year"]) else "\u2013",
                t["country"],
                words(t["topic"]),
                _design(t),
                whole(t["n_analyzed"]),
                whole(t["k_effects"]),
                whole(t["k_in_pool"]),
                t["use"],
                words(t["risk_of_bias"]) or "not judged",
            )
            for t in trials
        ),
    )


def _design(trial: Row) -> str:
    plain = words(trial["design"])
    return f"{plain}, not randomized" if trial["randomized"] is False else plain


def findings_section(view: ReleaseView) -> Section:
    """Everything wrong or doubtful, and the rows that were set aside."""
    rows = view.rows("findings")
    rows.sort(key=lambda r: _SEVERITIES.index(r["severity"]) if r["severity"] in _SEVERITIES else 9)
    counts = Counter(r["severity"] for r in rows)
    said = ", ".join(
        plural(counts[s], s) if s != "info" else f"{counts[s]} info"
        for s in _SEVERITIES
        if counts[s]
    )
    blocks: list[Block] = [
        Paragraph(
            f"The checks found {said}. A hold keeps the effect out of the pools until somebody "
            "waives it by name and reason."
            if said
            else "The checks found nothing."
        )
    ]
    severe = [r for r in rows if r["severity"] in ("error", "hold")]
    mild = [r for r in rows if r["severity"] not in ("error", "hold")]
    if severe:
        blocks.append(_findings_table(view, "Errors and holds", severe))
    if mild:
        inner = _findings_table(view, f"Warnings and notes ({len(mild)})", mild)
        blocks += [inner] if len(mild) <= _OPEN_FINDINGS else [Details(inner.caption, (inner,))]
    blocks += [Heading("Rejected rows"), _rejected_block(view)]
    return Section("findings", "Findings of the checks", tuple(blocks))


def _findings_table(view: ReleaseView, caption: str, rows: list[Row]) -> Table:
    head = columns(
        "Trial | Severity | Place | Found | What to do | Waived by",
        wide=("Found", "What to do"),
        texts=("Severity", "Place", "Waived by"),
    )
    if len(rows) > _SHOWN_FINDINGS:
        caption += f", the first {_SHOWN_FINDINGS}; all are in the table `findings`"
    shown = tuple(_finding_cells(view, r) for r in rows[:_SHOWN_FINDINGS])
    return Table(caption, head, shown)


def _finding_cells(view: ReleaseView, row: Row) -> tuple[str | Cell, ...]:
    places = [row["file"], f"row {row['row']:.0f}" if counted(row["row"]) else "", row["column"]]
    place = ", ".join(p for p in places if p) or row["subject"] or "\u2013"
    found = row["message"]
    if counted(row["count"]) > 1 and row["rule_id"] != "rows_filtered":
        found += f" ({plural(row['count'], 'row')})"
    waived = Cell(row["waived_by"], row["waiver_reason"]) if row["waived_by"] else "\u2013"
    state = row["severity"] if row["status"] == "open" else f"{row['severity']}, {row['status']}"
    trial = Cell(view.trial_label(row["trial_id"]), words(row["rule_id"]))
    return (trial, state, place, found, row["fix"] or "\u2013", waived)


def _rejected_block(view: ReleaseView) -> Block:
    rows = view.rows("rejected_rows")
    if not rows:
        return Paragraph("No row was rejected.")
    counts = Counter((r["rule_id"], r["kind"]) for r in rows)
    trials: dict[tuple[str, str], set[str]] = {}
    for r in rows:
        trials.setdefault((r["rule_id"], r["kind"]), set()).add(r["trial_id"])
    head = columns("Rule | Kind | Rows | Trials", texts=("Kind",))
    return Table(
        "Rejected rows by rule",
        head,
        tuple(
            (rule, words(kind), whole(n), whole(len(trials[rule, kind])))
            for (rule, kind), n in counts.most_common()
        ),
    )
