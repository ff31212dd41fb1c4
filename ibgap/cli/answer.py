"""The answer in words and numbers, from the tables of a release."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.gap.estimands import INDIRECT
from analysis.synthesis.stack import PAIRED
from analysis.synthesis.verdicts import paired_alone
from dashboard.wording import (
    difference_words,
    gap_basis,
    is_narrow,
    narrow_words,
    paired_alone_words,
    unforeseen_words,
    verdict_words,
)
from ibgap.cli.text_tables import MISSING, align, interval, level_name, number, p_value, whole
from ibgap.releases.reader import ReleaseFiles

_GAP_NAMES = {
    "difference": "difference",
    "transmission_ratio": "transmission ratio",
    "mediation_shortfall": "behavior beyond mediation",
    "predictive_gap": "difference in a new setting",
    "probability_upstream_rises_behavior_does_not": "P({upstream} rises, behavior does not)",
}


def primary_rows(frame: pd.DataFrame, **where: str) -> pd.DataFrame:
    """Rows of the primary analysis with these values."""
    keep = frame["is_primary"].fillna(False).astype(bool)
    for column, value in where.items():
        keep &= frame[column] == value
    return frame[keep]


def answer(release: ReleaseFiles, synthesis: str = "main") -> str:
    """A table with the pooled effects and the gap of one synthesis, and what may be said of it."""
    pooled = release.table("pooled_effects")
    gap = release.table("gap_estimates")
    own = primary_rows(pooled, synthesis=synthesis, subset="all", measure="SMD")
    estimates = primary_rows(gap, synthesis=synthesis, subset="all")
    upstream = str(estimates["upstream_construct"].iloc[0]) if len(estimates) else "intention"
    lines = [_title(release, synthesis, own), ""]
    sides = own[own["construct"].isin([upstream, "behavior"])]
    rows = [_pooled_line(row) for row in sides.to_dict("records")]
    rows += [_gap_line(row, upstream) for row in estimates.to_dict("records")]
    level = release_level(release)
    head = ["", "estimate", f"{level} CI", f"{level} prediction", "p", "tau2", "I2", "trials"]
    lines.append(align(head, rows))
    lines += ["", sentence(estimates, upstream), *_cautions(sides, gap, synthesis)]
    return "\n".join(lines)


def release_level(release: ReleaseFiles) -> str:
    """The level of the intervals of a release, such as `95%`."""
    return level_name((release.record.get("settings") or {}).get("level", 0.95))


def ci_of(row: dict[str, Any], lower: str = "ci_lb", upper: str = "ci_ub") -> str:
    """Limits of a pooled effect, with the word `narrow` where sampling error makes them wider."""
    shown = interval(row[lower], row[upper])
    return f"{shown} (narrow)" if is_narrow(row) and shown != MISSING else shown


def _cautions(sides: pd.DataFrame, gap: pd.DataFrame, synthesis: str) -> list[str]:
    """Narrow intervals in words, and trials with both outcomes that say the opposite."""
    lines = [
        f"{_named(row)}: {narrow_words(row)}" for row in sides.to_dict("records") if is_narrow(row)
    ]
    found = [
        primary_rows(gap, synthesis=synthesis, subset=subset, estimand="difference")
        for subset in ("all", PAIRED)
    ]
    rows = [one.to_dict("records")[0] if len(one) else None for one in found]
    opposite = paired_alone(*rows)
    if opposite is not None:
        lines.append(paired_alone_words(opposite, "{:+.2f}".format))
    return lines


def _title(release: ReleaseFiles, synthesis: str, own: pd.DataFrame) -> str:
    trials = release.table("trials")
    used = trials[(trials["synthesis"] == synthesis) & (trials["k_in_pool"] > 0)]
    count = "1 trial" if len(used) == 1 else f"{len(used)} trials"
    return f"{synthesis}: {count} with usable effects, standardized mean differences (g)"


def _pooled_line(row: dict[str, Any]) -> list[str]:
    return [
        _named(row),
        number(row["mu"]),
        ci_of(row),
        ci_of(row, "pi_lb", "pi_ub"),
        p_value(row["pvalue"]),
        number(row["tau2"], 3),
        "-" if row["i2"] != row["i2"] else f"{row['i2']:.0f}%",
        whole(row["k_trials"]),
    ]


def _named(row: dict[str, Any]) -> str:
    return str(row["construct"]).replace("_", " ")


def _gap_line(row: dict[str, Any], upstream: str) -> list[str]:
    name = _GAP_NAMES.get(row["estimand"], row["estimand"]).format(upstream=upstream)
    if row["estimand"] == "difference":
        name = f"{upstream} - behavior"
    if row["estimand"] == "transmission_ratio":
        name = f"behavior / {upstream}"
    prediction = row["interval_kind"] == "prediction"
    limits = interval(row["ci_lb"], row["ci_ub"], str(row["interval_kind"]))
    if row["status"] == INDIRECT:
        name += " (indirect)"
    return [
        name,
        number(row["estimate"]),
        "-" if prediction else limits,
        limits if prediction else "-",
        p_value(row["pvalue"]),
        "-",
        "-",
        whole(row["k_paired"]),
    ]


def sentence(estimates: pd.DataFrame, upstream: str) -> str:
    """The difference in words, or why there is none."""
    found = estimates[estimates["estimand"] == "difference"]
    if found.empty:
        return "There is no gap estimate: no trial has usable effects."
    row = found.iloc[0]
    if row["status"] not in ("ok", INDIRECT):
        return f"There is no gap estimate: {row['reason']}."
    found_here = f"{number(row['estimate'])} SD {interval(row['ci_lb'], row['ci_ub'])}"
    if row["status"] == INDIRECT:
        return (
            f"There is no gap estimate: {row['reason']}. Set against each other they differ by "
            f"{found_here}, and all that differs between those trials is in it."
        )
    verdict = verdict_words(row.to_dict(), difference_words(upstream))
    return f"{verdict}: difference {found_here} ({gap_basis(row.to_dict(), upstream)})."


def side_note(release: ReleaseFiles) -> str:
    """What is missing from the answer: trials without use, findings, assumed correlations."""
    trials, findings = release.table("trials"), release.table("findings")
    notes = []
    unused = trials[trials["k_in_pool"].fillna(0) == 0]
    unused = unused[~unused["design"].isin(["correlational", "coding"])]
    if len(unused):
        names = ", ".join(unused["label"].head(4))
        more = f" and {len(unused) - 4} more" if len(unused) > 4 else ""
        gives = "trial gives" if len(unused) == 1 else "trials give"
        notes.append(f"{len(unused)} {gives} no usable effect ({names}{more})")
    counts = findings[findings["status"] == "open"]["severity"].value_counts()
    parts = [
        f"{counts[s]} {s}{'s' if counts[s] != 1 and s != 'info' else ''}"
        for s in ("error", "hold", "warning")
        if s in counts
    ]
    if parts:
        notes.append(f"findings: {', '.join(parts)}")
    if unforeseen := unforeseen_words(findings["rule_id"]):
        notes.insert(0, unforeseen)
    return "; ".join(notes)


def others(release: ReleaseFiles) -> list[str]:
    """What is analyzed apart: other syntheses, correlational sets, other constructs of main."""
    pooled = release.table("pooled_effects")
    names = sorted(
        (set(pooled["synthesis"]) - {"main"})
        | set(release.table("pooled_correlations")["synthesis"])
    )
    apart = set(pooled[pooled["synthesis"] == "main"]["construct"]) - {"intention", "behavior"}
    return names + sorted(apart)
