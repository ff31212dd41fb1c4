"""Rules across rows: what a trial's numbers say about each other.

Each rule takes the effects (with their outcome rows' numbers) and the manifests and returns
findings. A hold keeps the effect out of the pools until a named person waives it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from validations.findings import Finding, Severity
from validations.manifest.model import TrialManifest
from validations.manifest.vocabulary import DesignType
from validations.numbers import LARGEST_COUNT

Record = dict[Any, Any]

LARGE_EFFECT, HELD_EFFECT, LARGEST_EFFECT = 2.0, 3.0, 1000.0
SMALLEST_VARIANCE, LARGEST_VARIANCE = 1.0 / LARGEST_COUNT, 1e6
"""Of a standardized difference: no number of people that live gives a smaller variance."""
SMALL_ASYMMETRY, LARGEST_ASYMMETRY = 0.02, 0.10
ROUNDING = 0.005
LARGEST_RATIO_OF_SPREADS = 1000.0
LARGE_LOSS, LARGE_DIFFERENCE_OF_LOSS = 0.20, 0.10


def trial_findings(
    outcomes: pd.DataFrame,
    effects: pd.DataFrame,
    manifests: Mapping[str, TrialManifest],
    cluster_faults: Mapping[tuple[str, str], str] | None = None,
) -> list[Finding]:
    """Every rule of this module. outcomes: outcome rows. effects: one row per outcome row on the
    common scale, with `yi`, `vi`, `turned` and `reason`. cluster_faults: (trial, outcome) -> why
    the participants of a cluster trial give no design effect."""
    faults = cluster_faults or {}
    names = ("outcome_row_id", "yi", "vi", "reason")
    found: dict[str, Record] = {}
    for cells in zip(*(effects[name] for name in names), strict=True):
        found.setdefault(cells[0], dict(zip(names, cells, strict=True)))
    out: list[Finding] = []
    rows = outcomes.to_numpy(dtype=object).tolist()
    for row in (dict(zip(outcomes.columns, one, strict=True)) for one in rows):
        if row["outcome_row_id"] not in found:
            continue
        effect = found[row["outcome_row_id"]]
        manifest = manifests[row["collection_id"]]
        out += _not_computable(row, effect)
        out += _spreads_far_apart(row)
        out += _impossible(row, effect) or _implausibly_large(row, effect)
        out += _asymmetric_interval(row)
        out += _contradicted_direction(row, effect)
        out += _clustering(row, manifest, faults)
        out += _randomized(row, manifest)
    return out


def unused_declarations(
    manifest: TrialManifest,
    arm_outcomes: set[tuple[str, str]],
    with_effect: set[str],
    mentioned: set[str],
) -> list[Finding]:
    """Arms and outcomes of a manifest that no accepted row mentions, and outcomes with rows of
    some arms but without a comparison.

    arm_outcomes: (arm, outcome) of numbers per arm. with_effect: outcomes with an outcome row.
    mentioned: arms and outcomes named elsewhere (printed effects, correlations).
    """
    arms, seen = {a for a, _ in arm_outcomes}, {o for _, o in arm_outcomes} | mentioned
    if not arm_outcomes and not mentioned:
        return []  # nothing could be read; other findings say why

    def told(rule: str, message: str, fix: str, severity: Severity = Severity.WARNING) -> Finding:
        return Finding(manifest.id, rule, severity, message, fix, "trial.yaml")

    out = [
        told(
            "outcome_without_rows",
            f"no accepted row has the outcome {outcome.id!r}",
            "check its column or the texts of the outcome column, or remove the outcome",
        )
        for outcome in manifest.outcomes
        if outcome.id not in seen
    ]
    out += [
        told(
            "arm_without_rows",
            f"no accepted row has the arm {arm.id!r}",
            "check the texts of the arm column (`recode:`), or remove the arm",
            Severity.ERROR,
        )
        for arm in manifest.arms
        if arm_outcomes and arm.id not in arms | mentioned
    ]
    for outcome in sorted({o for _, o in arm_outcomes} - with_effect):
        have = sorted(a for a, o in arm_outcomes if o == outcome)
        missing = sorted({a.id for a in manifest.arms} - set(have))
        out.append(
            told(
                "outcome_of_one_side",
                f"{outcome!r} has rows of {', '.join(have)} only, so there is no comparison",
                f"add the rows of {' or '.join(missing)}, or correct the arms and their roles",
            )
        )
    return out


def _finding(
    row: Record, rule: str, severity: Severity, message: str, fix: str, *, about: bool = True
) -> list[Finding]:
    return [
        Finding(
            str(row["trial_id"]),
            rule,
            severity,
            message,
            fix,
            str(row["file"]),
            _first_row(row["rows"]),
            subject=str(row["outcome_row_id"]) if about else "",
        )
    ]


def _first_row(rows: object) -> int | None:
    digits = str(rows).split(";")[0].split("-")[0].strip()
    return int(digits) if digits.isdigit() else None


def _name(row: Record) -> str:
    return f"{row['outcome_label']} ({row['comparison_id']})"


def _not_computable(row: Record, effect: Record) -> list[Finding]:
    if pd.notna(effect["yi"]):
        return []
    return _finding(
        row,
        "effect_not_computable",
        Severity.WARNING,
        f"no effect on {_name(row)}: {effect['reason']}",
        "add what is missing to the data file if the report has it",
    )


def _impossible(row: Record, effect: Record) -> list[Finding]:
    """Numbers that are no effect of anything; an error, since nobody can vouch for them."""
    size, variance = abs(float(effect["yi"])), float(effect["vi"])
    if not math.isfinite(size):
        return []
    if size <= LARGEST_EFFECT and SMALLEST_VARIANCE <= variance <= LARGEST_VARIANCE:
        return []
    return _finding(
        row,
        "effect_impossible",
        Severity.ERROR,
        f"g = {effect['yi']:.3g} with a variance of {variance:.3g} on {row['outcome_label']} is no "
        f"effect of any trial: g would lie within {LARGEST_EFFECT:g} and its variance between "
        f"{SMALLEST_VARIANCE:g} and {LARGEST_VARIANCE:g}",
        "check the numbers, their decimal signs and exponents, and the units of SDs and errors",
    )


def _implausibly_large(row: Record, effect: Record) -> list[Finding]:
    size = abs(float(effect["yi"]))
    if not size > LARGE_EFFECT:
        return []
    held = size > HELD_EFFECT
    advice = "check the SDs and units"
    return _finding(
        row,
        "effect_implausibly_large",
        Severity.HOLD if held else Severity.WARNING,
        f"g = {effect['yi']:.2f} on {row['outcome_label']} is larger than almost any effect of an "
        "intervention; standard errors entered as SDs look like this",
        f"{advice}; if it is right, add a waiver with name and reason" if held else advice,
    )


def _spreads_far_apart(row: Record) -> list[Finding]:
    """Outcomes of one instrument do not scatter a thousand times as much in one arm."""
    one, two = sorted(float(row[name]) for name in ("sd1", "sd2"))
    if not (one > 0 and two / one > LARGEST_RATIO_OF_SPREADS):
        return []
    return _finding(
        row,
        "spreads_far_apart",
        Severity.WARNING,
        f"the SD of one arm is more than {LARGEST_RATIO_OF_SPREADS:g} times that of the other "
        f"arm on {_name(row)}; SDs of the arms of a trial are of one size",
        "check both SDs (or SEs), their decimal signs and their units",
    )


def _asymmetric_interval(row: Record) -> list[Finding]:
    """The value should lie in the middle of its interval, on the log scale for ratios: a doubt
    beyond what two printed decimals explain, a hold from a tenth of the width on."""
    value, low, high = (row[f"reported_{n}"] for n in ("value", "ci_lb", "ci_ub"))
    if any(pd.isna(x) for x in (value, low, high)) or row["reported_statistic"] == "p":
        return []
    ratio = row["reported_statistic"] in ("OR", "RR")
    if ratio and min(value, low, high) <= 0:
        return []
    rounding = [ROUNDING / x if ratio else ROUNDING for x in (value, low, high)]
    if ratio:
        value, low, high = math.log(value), math.log(low), math.log(high)
    distance, width = abs(value - (low + high) / 2.0), high - low
    if distance <= max(rounding[0] + (rounding[1] + rounding[2]) / 2.0, SMALL_ASYMMETRY * width):
        return []
    return _finding(
        row,
        "interval_not_symmetric",
        Severity.HOLD if distance > LARGEST_ASYMMETRY * width else Severity.WARNING,
        f"the value of {_name(row)} lies {distance / width:.0%} of the interval's width off its "
        "middle" + (" on the log scale" if ratio else ""),
        "check value and limits against the report; one of the three is probably misprinted",
    )


def _contradicted_direction(row: Record, effect: Record) -> list[Finding]:
    """A printed direction must agree with the sign and the declared direction."""
    signed = row["reported_statistic"] not in ("F", "p", "")
    if row["favors"] not in ("intervention", "comparator") or not signed or pd.isna(effect["yi"]):
        return []
    expected = 1.0 if row["favors"] == "intervention" else -1.0
    if effect["yi"] * expected >= 0:
        return []
    return _finding(
        row,
        "direction_contradicted",
        Severity.HOLD,
        f"the report says that {_name(row)} favors the {row['favors']}, but the sign and "
        f"`higher_is_better: {str(bool(row['higher_is_better'])).lower()}` say otherwise",
        "correct higher_is_better, the sign, or favors (`reversed` turns the sign)",
    )


def _clustering(
    row: Record, manifest: TrialManifest, faults: Mapping[tuple[str, str], str]
) -> list[Finding]:
    """A cluster trial whose variances do not allow for its clusters."""
    design = manifest.design
    if design.type is not DesignType.CLUSTER or design.clustering_already_adjusted:
        return []
    if design.icc is not None and design.mean_cluster_size:
        return []
    by_person = row["basis"] == "participant_rows"
    if by_person and pd.notna(row["design_effect"]):
        return []
    why = faults.get((str(row["trial_id"]), str(row["outcome_id"])), "") if by_person else ""
    lacks = f"whose clusters are not usable ({why})" if why else (
        "without cluster ids, ICC or adjusted numbers"
    )  # fmt: skip
    return _finding(
        row,
        "clustering_unaccounted",
        Severity.HOLD,
        f"{_name(row)} comes from a cluster trial {lacks}; its variance would be too small",
        "give design.icc with design.mean_cluster_size, a cluster column with a cluster for every "
        "person and several clusters per arm, or clustering_already_adjusted: true",
    )


def _randomized(row: Record, manifest: TrialManifest) -> list[Finding]:
    """Analyzed against randomized, where the manifest says how many were randomized."""
    randomized = {arm.id: arm.n_randomized for arm in manifest.arms}
    loss: dict[str, float] = {}
    out: list[Finding] = []
    for arm, n in ((row["intervention_arm"], row["n1"]), (row["comparator_arm"], row["n2"])):
        total = randomized.get(str(arm))
        if not total or pd.isna(n):
            continue
        if n > total:
            out += _finding(
                row,
                "analyzed_more_than_randomized",
                Severity.HOLD,
                f"{_name(row)}: more persons analyzed than randomized in arm {arm}",
                "check both numbers and whether persons or clusters were counted",
            )
        loss[str(arm)] = 1.0 - float(n) / total
    if len(loss) == 2 and not out:
        one, two = loss.values()
        if max(one, two) > LARGE_LOSS or abs(one - two) > LARGE_DIFFERENCE_OF_LOSS:
            out += _finding(
                row,
                "attrition",
                Severity.WARNING,
                f"{_name(row)}: {one:.0%} and {two:.0%} of those randomized are not analyzed "
                f"({abs(one - two) * 100:.0f} points apart)",
                "say in the trial's risk of bias how missing outcomes were handled",
            )
    return out
