"""Sections on one synthesis: the answer in words, the forest, the pooled effects."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

from analysis.gap.many_gaps import SMALLEST_NUMBER_OF_PAIRS
from analysis.synthesis.verdicts import PairedAlone, paired_alone
from dashboard.blocks import (
    Accent,
    Block,
    Card,
    Cards,
    Cell,
    Details,
    Paragraph,
    Section,
    Table,
    columns,
)
from dashboard.forest_figure import ForestOptions, forest_figure
from dashboard.trial_effects import SynthesisEffects
from dashboard.wording import (
    ci_name,
    ci_of,
    gap_basis,
    gap_sentence,
    is_gap,
    is_indirect,
    is_ok,
    paired_alone_words,
    pooled_sentence,
    set_of,
    unforeseen_words,
)
from ibgap.figures.text import interval, number, p_value, percent, whole
from ibgap.releases.view import MAIN, ReleaseView, Row, capital, words

FULL_FOREST = 100
_MODELS = {
    "one_composite_per_trial": "one composite per trial",
    "one_effect_per_trial": "one effect per trial",
    "correlated_hierarchical_effects": "all effects, hierarchical, CR2",
}
_MEASURES = {"OR": "odds ratio", "RR": "risk ratio", "RD": "risk difference"}


class Synthesis:
    """Rows of one synthesis, each table read when it is asked for."""

    def __init__(self, view: ReleaseView, name: str) -> None:
        self.view, self.name = view, name
        self.upstream = view.upstream(name)
        self.effects = SynthesisEffects(view, name)

    @cached_property
    def pooled_rows(self) -> list[Row]:
        return self.view.rows("pooled_effects", synthesis=self.name)

    @cached_property
    def gap_rows(self) -> list[Row]:
        return self.view.rows("gap_estimates", synthesis=self.name)

    @cached_property
    def sensitivity(self) -> list[Row]:
        return self.view.rows("sensitivity", synthesis=self.name)

    @cached_property
    def surrogacy(self) -> Row | None:
        found = self.view.rows("surrogacy", synthesis=self.name, subset="all")
        return found[0] if found else None

    @property
    def pooled(self) -> dict[str, Row]:
        """Primary pooled rows of all trials on the common scale, by construct."""
        return {
            str(r["construct"]): r
            for r in self.pooled_rows
            if r["is_primary"] is True and r["subset"] == "all" and r["measure"] == "SMD"
        }

    def primary_gap(self, estimand: str = "difference") -> Row | None:
        rows = [r for r in self.gap_rows if r["is_primary"] is True and r["subset"] == "all"]
        return next((r for r in rows if r["estimand"] == estimand), None)

    @property
    def paired_alone(self) -> PairedAlone | None:
        """What the trials with both outcomes alone say when it is the opposite."""
        return paired_alone(self.primary_gap(), self.view.paired_difference(self.name))


def answer_section(one: Synthesis) -> Section:
    """Three headline results with a plain sentence each."""
    difference = one.primary_gap()
    cards = [_pooled_card(one, one.upstream), _pooled_card(one, "behavior"), _gap_card(one)]
    blocks: list[Block] = [Cards(tuple(cards)), *_notes(difference, one)]
    return Section("answer", "The answer", tuple(blocks))


def _notes(difference: Row | None, one: Synthesis) -> list[Block]:
    blocks: list[Block] = []
    lacks = unforeseen_words(str(row["rule_id"]) for row in one.view.rows("findings"))
    if lacks:
        blocks.append(Paragraph(f"The answer lacks: {lacks}. See the findings.", "warning"))
    opposite = one.paired_alone
    if opposite is not None:
        blocks.append(Paragraph(paired_alone_words(opposite), "warning"))
    if difference is not None and is_gap(difference):
        blocks.append(Paragraph(_joint_note(difference, one), "note"))
        if difference["share_of_pairs_assumed"] > 0:
            blocks.append(Paragraph(_assumed_note(difference), "note"))
    return blocks


def _joint_note(row: Row, one: Synthesis) -> str:
    upstream = one.upstream
    text = (
        f"{gap_basis(row, upstream, one.view.is_selection)}. The difference comes from a joint "
        f"model of both outcomes, whose means are {number(row['mu_upstream'])} ({words(upstream)}) "
        f"and {number(row['mu_behavior'])} (behavior)"
    )
    if row["k_paired"] < SMALLEST_NUMBER_OF_PAIRS:
        return f"{text}."
    return (
        f"{text}; trials with one outcome borrow from the others, so these can differ from the "
        "means pooled separately."
    )


def _assumed_note(row: Row) -> str:
    return (
        f"For {percent(row['share_of_pairs_assumed'])} of the pairs the within-arm correlation of "
        f"the two outcomes is not known and is assumed to be "
        f"{number(row['assumed_correlation'], 1)}; see the sensitivity section."
    )


def _pooled_card(one: Synthesis, construct: str) -> Card:
    tone: Accent = "behavior" if construct == "behavior" else "intention"
    row = one.pooled.get(construct)
    title = f"Effect on {words(construct)}"
    if row is None:
        here = " in the selection" if one.view.is_selection else ""
        text = f"Not estimable: no trial has a usable effect on {words(construct)}{here}."
        return Card(title, tone, "\u2013", "", (), text)
    single = row["status"] == "single_study"
    facts = [(ci_name(row["level"]), ci_of(row))]
    if single:
        facts.append(("Trials", "1, not pooled"))
    else:
        facts += [
            ("Prediction", interval(row["pi_lb"], row["pi_ub"])),
            ("\u03c4\u00b2", number(row["tau2"], 3)),
            ("I\u00b2", "\u2013" if math.isnan(row["i2"]) else f"{row['i2']:.0f}%"),
            ("Trials", whole(row["k_trials"])),
        ]
    return Card(title, tone, number(row["mu"]), "g, SD units", tuple(facts),
                pooled_sentence(row, construct, one.view.is_selection))  # fmt: skip


def _gap_card(one: Synthesis) -> Card:
    title = f"Gap: {words(one.upstream)} minus behavior"
    row, future = one.primary_gap(), one.primary_gap("predictive_gap")
    if row is None or not is_ok(row):
        return Card(title, "gap", "\u2013", "", (), gap_sentence(row, one.upstream))
    wide = set_of(future) if future is not None and is_ok(future) else "not estimable"
    facts = (
        (ci_name(row["level"]), interval(row["ci_lb"], row["ci_ub"])),
        ("Prediction", wide),
        ("p", p_value(row["pvalue"])),
        ("Trials with both", whole(row["k_paired"])),
    )
    unit = "indirect difference, SD units" if is_indirect(row) else "difference, SD units"
    return Card(title, "gap", number(row["estimate"]), unit, facts,
                gap_sentence(row, one.upstream))  # fmt: skip


def synthesis_title(one: Synthesis) -> str:
    """What a figure calls the synthesis."""
    return "Main synthesis" if one.name == MAIN else capital(words(one.name))


def forest_section(one: Synthesis) -> Section:
    """Side-by-side forest with the trials' own differences, and the pooled tables."""
    count = len(one.effects.trials)
    many = count > FULL_FOREST
    name = synthesis_title(one)
    anchor = f"forest-{one.view.anchor(one.name)}"
    whole_figure = forest_figure(
        one.effects, one.pooled, one.primary_gap(), name, anchor, ForestOptions(pooled_only=many)
    )
    narrow = tuple(
        forest_figure(one.effects, one.pooled, None, name, f"{anchor}-narrow-{i}",
                      ForestOptions(pooled_only=many, narrow=construct))
        for i, construct in enumerate((one.upstream, "behavior"))
    )  # fmt: skip
    figure = replace(whole_figure, narrow=narrow)
    blocks: list[Block] = []
    if many:
        blocks.append(Paragraph(
            f"{count} trials are more than a forest of rows can show; they are grouped and only "
            "the pooled rows are drawn. Every effect is in the table `effects` of the release.",
            "note"))  # fmt: skip
    blocks += [figure, *pooled_blocks(one)]
    return Section("forest", "Intention and behavior, trial by trial", tuple(blocks))


def pooled_blocks(one: Synthesis) -> list[Block]:
    """Pooled effects: all trials, subsets, natural scales."""
    common = [r for r in one.pooled_rows if r["measure"] == "SMD"]
    own = [r for r in common if r["subset"] == "all"]
    blocks: list[Block] = [_pooled_table(f"Pooled effects, {words(one.name)}", own, one.view.level)]
    others = [r for r in common if r["subset"] != "all"]
    if others:
        table = _pooled_table("Pooled effects by subset of trials", others, one.view.level)
        blocks.append(Details("Pooled effects by subset of trials", (table,)))
    natural = [r for r in one.pooled_rows if r["measure"] in _MEASURES]
    if natural:
        table = _natural_table(natural, one.view.level)
        blocks.append(Details("Binary outcomes on their natural scales", (table,)))
    return blocks


def _pooled_table(caption: str, rows: list[Row], level: float) -> Table:
    head = columns(
        f"Outcome | g | {ci_name(level)} | Prediction | p | \u03c4\u00b2 | I\u00b2 | Trials "
        "| Effects"
    )
    return Table(caption, head, tuple(_pooled_cells(r) for r in rows),
                 "No trial has a usable effect.")  # fmt: skip


def _pooled_cells(row: Row) -> tuple[str | Cell, ...]:
    model = _MODELS.get(row["model"], words(row["model"]))
    subset = "" if row["subset"] == "all" else f"{words(row['subset'])}; "
    single = row["status"] == "single_study"
    note = f"{subset}{'1 trial, not pooled' if single else model}"
    i2 = "\u2013" if math.isnan(row["i2"]) else f"{row['i2']:.0f}%"
    return (
        Cell(capital(words(row["construct"])), note), number(row["mu"]),
        ci_of(row), interval(row["pi_lb"], row["pi_ub"]),
        p_value(row["pvalue"]), number(row["tau2"], 3), i2, whole(row["k_trials"]),
        whole(row["k_effects"]),
    )  # fmt: skip


def _natural_table(rows: list[Row], level: float) -> Table:
    """Ratios are pooled as logs and shown as ratios."""
    out = []
    for row in rows:
        log = row["measure"] != "RD"
        mu, low, high = (math.exp(row[c]) if log else row[c] for c in ("mu", "ci_lb", "ci_ub"))
        outcome = Cell(capital(words(row["construct"])), _MEASURES[row["measure"]])
        limits = ci_of(row | {"ci_lb": low, "ci_ub": high})
        out.append((outcome, number(mu), limits, whole(row["k_trials"]),
                    "not pooled" if row["status"] == "single_study" else "pooled"))  # fmt: skip
    head = columns(f"Outcome | Estimate | {ci_name(level)} | Trials | State", texts=("State",))
    return Table("Pooled effects of binary outcomes on their natural scales", head, tuple(out))
