"""Sections beside the main synthesis: the other syntheses, constructs, correlations, barriers."""

from __future__ import annotations

import math

from dashboard.blocks import Block, Details, Paragraph, Section, Table, columns
from dashboard.forest_figure import ForestOptions, forest_figure
from dashboard.report_context import bias_blocks, moderator_blocks
from dashboard.report_gap import gap_blocks, grid_blocks, leave_one_out_blocks
from dashboard.report_synthesis import FULL_FOREST, Synthesis, pooled_blocks
from dashboard.wording import ci_name, ci_of, gap_basis, gap_sentence, is_ok, pooled_sentence
from ibgap.figures.text import interval, number, whole
from ibgap.releases.view import ReleaseView, capital, plural, words


def other_section(view: ReleaseView, name: str) -> Section:
    """A synthesis besides main, under its own name; its upstream construct is never intention."""
    one = Synthesis(view, name)
    row, up = one.primary_gap(), words(one.upstream)
    text = f"The upstream construct here is {up}." + (
        ""
        if one.upstream == "intention"
        else f" It is not intention and is never read as it; the gap is between {up} and behavior."
    )
    blocks: list[Block] = [Paragraph(text)]
    blocks += [
        Paragraph(pooled_sentence(one.pooled[c], c))
        for c in (one.upstream, "behavior")
        if c in one.pooled
    ]
    basis = f" {gap_basis(row, one.upstream)}." if row is not None and is_ok(row) else ""
    blocks.append(Paragraph(gap_sentence(row, one.upstream) + basis))
    blocks += [*pooled_blocks(one), *gap_blocks(one), *_other_forest(one)]
    more: list[tuple[str, list[Block]]] = [
        ("How much rests on the assumed correlation", grid_blocks(one)),
        ("Leaving one trial out", leave_one_out_blocks(one)),
        ("Moderators", moderator_blocks(view, name)),
        ("Small-study checks", bias_blocks(view, name)),
    ]
    blocks += [Details(title, tuple(inner)) for title, inner in more]
    title = f"{capital(words(name))}: {up} and behavior"
    return Section(f"synthesis-{view.anchor(name)}", title, tuple(blocks))


def _other_forest(one: Synthesis) -> list[Block]:
    count = len(one.effects.trials)
    many = count > FULL_FOREST
    figure = forest_figure(
        one.effects,
        one.pooled,
        one.primary_gap(),
        capital(words(one.name)),
        f"forest-{one.view.anchor(one.name)}",
        options=ForestOptions(pooled_only=many),
    )
    if not many:
        return [Details(f"Forest of {plural(count, 'trial')}", (figure,))]
    note = (
        f"{count} trials are more than a forest of rows can show: they are grouped here and "
        "only the pooled rows are drawn."
    )
    return [Details("Forest, pooled rows only", (Paragraph(note, "note"), figure))]


def constructs_section(one: Synthesis) -> Section | None:
    """Other constructs pooled in main, each under its own name."""
    others = {c: r for c, r in one.pooled.items() if c not in (one.upstream, "behavior")}
    if not others:
        return None
    blocks: list[Block] = [
        Paragraph(
            f"These constructs are neither {words(one.upstream)} nor behavior. They are pooled "
            "under their own names and enter no gap."
        )
    ]
    blocks += [Paragraph(pooled_sentence(r, c)) for c, r in others.items()]
    return Section("constructs", "Other constructs", tuple(blocks))


def correlations_section(view: ReleaseView) -> Section | None:
    """Correlational sets, never mixed with trials."""
    rows = view.rows("pooled_correlations")
    if not rows:
        return None
    blocks: list[Block] = [
        Paragraph(
            "These are correlations between persons, not effects of interventions; "
            "they enter no gap."
        )
    ]
    for name in dict.fromkeys(r["synthesis"] for r in rows):
        head = columns(
            f"Pair | r | {ci_name(view.level)} | Prediction | I\u00b2 | Samples | Persons"
        )
        out = tuple(
            (
                f"{words(r['variable_1'])}, {words(r['variable_2'])}",
                number(r["r"]),
                ci_of(r | {"ci_lb": r["r_ci_lb"], "ci_ub": r["r_ci_ub"]}),
                interval(r["r_pi_lb"], r["r_pi_ub"]),
                "\u2013" if math.isnan(r["i2"]) else f"{r['i2']:.0f}%",
                whole(r["k_trials"]),
                whole(r["n_total"]),
            )
            for r in rows
            if r["synthesis"] == name
        )
        blocks.append(Table(f"Pooled correlations, {words(name)}", head, out))
    return Section("correlations", "Correlational sets", tuple(blocks))


def barriers_section(view: ReleaseView) -> Section | None:
    """Coding tables of barriers."""
    rows = view.rows("barrier_codings")
    if not rows:
        return None
    blocks: list[Block] = []
    for name in dict.fromkeys(r["collection_id"] for r in rows):
        head = columns(
            "Dimension | Layer | Publications | Passages | Share | Per publication",
            texts=("Layer",),
        )
        out = tuple(
            (
                capital(words(r["dimension"])),
                words(r["layer"]),
                whole(r["n_sources"]),
                whole(r["n_reference_points"]),
                f"{number(r['percent'], 1)}%",
                number(r["points_per_source"]),
            )
            for r in rows
            if r["collection_id"] == name
        )
        caption = f"Barriers to acting as coded in {view.trial_label(name)}"
        blocks.append(Table(caption, head, out))
    return Section("barriers", "Barrier codings", tuple(blocks))
