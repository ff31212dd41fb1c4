"""Summary-of-findings rows in the manner of GRADE: what is found, and what lowers the certainty.

The rows name what the release itself shows on each domain. The judgment of certainty is left to
people: nothing here turns a number into `high` or `low` certainty.
"""

from __future__ import annotations

import math
from collections import Counter

from analysis.natural import extra_per_hundred
from analysis.synthesis.stack import having
from analysis.synthesis.verdicts import NONE, UNSETTLED
from dashboard.blocks import Block, Cell, Paragraph, Section, Table, columns
from dashboard.report_synthesis import Synthesis
from dashboard.wording import ci_name, ci_of, is_indirect, is_ok, verdict_of
from ibgap.figures.text import interval, number, p_value, whole
from ibgap.releases.view import Row, capital, plural, words

BASE_SHARE = 0.3
_LARGE_I2 = 50.0
_ENOUGH_PERSONS = 800


def summary_section(one: Synthesis) -> Section:
    """One row per outcome and one for the gap."""
    head = columns(
        f"Outcome | Effect [{ci_name(one.view.level)}] | Of 100, more act | Trials | "
        "Risk of bias | Inconsistency | Imprecision | Small-study effects",
        texts=("Risk of bias", "Inconsistency", "Imprecision", "Small-study effects"),
    )  # fmt: skip
    rows = [_row(one, construct) for construct in (one.upstream, "behavior")]
    rows.append(_gap_row(one))
    blocks: list[Block] = [
        Table("Summary of findings", head, tuple(r for r in rows if r is not None),
              "No outcome was pooled."),
        Paragraph(
            "Signals from the release on four of the domains of GRADE. Whether the trials answer "
            "the reader's question (indirectness), and how certain the evidence is in all, is for "
            f"people to judge. More act: when {100 * BASE_SHARE:.0f} of 100 act without the "
            "intervention.", "note",
        ),
    ]  # fmt: skip
    return Section("summary-of-findings", "Summary of findings", tuple(blocks))


def _row(one: Synthesis, construct: str) -> tuple[str | Cell, ...] | None:
    row = one.pooled.get(construct)
    if row is None or not is_ok(row):
        return None
    persons = _persons(one, construct)
    more: str | Cell = ""
    if construct == "behavior":
        middle, low, high = (
            float(extra_per_hundred(row[c], BASE_SHARE)[0]) for c in ("mu", "ci_lb", "ci_ub")
        )
        more = Cell(number(middle, 0), interval(low, high, 0))
    saying = sum(math.isfinite(r["n_analyzed"]) for r in _trials(one, construct))
    known = f"{whole(persons)} persons in {saying} of them" if persons else "persons not given"
    return (
        capital(words(construct)),
        Cell(number(row["mu"]), ci_of(row)), more,
        Cell(whole(row["k_trials"]), known), _risk_of_bias(one, construct),
        _inconsistency(row), _imprecision(row, persons), _small_studies(one, construct),
    )  # fmt: skip


def _gap_row(one: Synthesis) -> tuple[str | Cell, ...] | None:
    row = one.primary_gap()
    if row is None or not is_ok(row):
        return None
    future = one.primary_gap("predictive_gap")
    wide = "no prediction" if future is None or not is_ok(future) else (
        f"new setting {interval(future['ci_lb'], future['ci_ub'])}"
    )  # fmt: skip
    held = "the interval holds 0"
    state = _state(row, held) or "no concern"
    kind = " (indirect)" if is_indirect(row) else ""
    return (
        f"{capital(words(one.upstream))} minus behavior{kind}",
        Cell(number(row["estimate"]), interval(row["ci_lb"], row["ci_ub"])), "",
        f"{whole(row['k_paired'])} with both", "as above", wide, state, "as above",
    )  # fmt: skip


def _state(row: Row, held: str) -> str:
    """What lowers the precision by the verdict; empty where there is one."""
    verdict, reason = verdict_of(row)
    if verdict == NONE:
        return f"concern: {reason}"
    return held if verdict == UNSETTLED else ""


def _trials(one: Synthesis, construct: str) -> list[Row]:
    part = one.view.stack(one.name).select(having("construct", construct))
    ids = {str(t["trial_id"]) for t in part.trials}
    return [row for row in one.view.rows("trials") if row["trial_id"] in ids]


def _persons(one: Synthesis, construct: str) -> float:
    """Persons analyzed in the trials that say so."""
    known = [r["n_analyzed"] for r in _trials(one, construct) if math.isfinite(r["n_analyzed"])]
    return float(sum(known))


def _risk_of_bias(one: Synthesis, construct: str) -> str:
    counts = Counter(str(r["risk_of_bias"] or "not judged") for r in _trials(one, construct))
    if set(counts) == {"not judged"}:
        return "not judged"
    order = ("high", "some_concerns", "no_information", "low", "not judged")
    return ", ".join(f"{counts[j]} {words(j)}" for j in order if counts[j])


def _inconsistency(row: Row) -> str:
    if row["k_trials"] < 2 or not math.isfinite(row["i2"]):
        return "one trial"
    wide = math.isfinite(row["pi_lb"]) and row["pi_lb"] < 0 < row["pi_ub"]
    large = row["i2"] > _LARGE_I2
    said = f"I\u00b2 {row['i2']:.0f}%"
    if large and wide:
        return f"concern: {said}, effects of both signs expected"
    return f"concern: {said}" if large else f"no concern: {said}"


def _imprecision(row: Row, persons: float) -> str:
    if concern := _state(row, "concern: the interval holds 0"):
        return concern
    if 0 < persons < _ENOUGH_PERSONS:
        return f"concern: {whole(persons)} persons"
    return "no concern"


def _small_studies(one: Synthesis, construct: str) -> str:
    rows = one.view.rows("bias_checks", synthesis=one.name, construct=construct, check="egger")
    if not rows:
        return "not tested"
    test = rows[0]
    if test["status"] != "ok":
        return f"not tested ({plural(test['k_trials'], 'trial')})"
    p = p_value(test["pvalue"])
    shown = f"p {p if p.startswith('<') else f'= {p}'}"
    return f"concern: {shown}" if test["pvalue"] < 0.1 else f"no sign: {shown}"
