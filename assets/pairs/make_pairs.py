"""Pairs of upstream and behavior effects that belong together, and why others do not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.gap.participants import NEAR_PERFECT
from analysis.synthesis.stack import Record, TrialEffects
from assets.outcomes.arms import Manifests
from assets.pairs.correlation_book import (
    CorrelationBook,
    WithinArm,
    latent_correlation,
)
from validations.findings import Finding, Severity
from validations.manifest.model import TrialManifest
from validations.manifest.vocabulary import Construct, CorrelationOrigin
from validations.tables import made_columns

PAIR_COLUMNS = made_columns("paired_effects")
_TACT = ("target", "action", "context", "time")


def _pair_declared(manifest: TrialManifest, up: str, behavior: str) -> bool | None:
    """True or False when the manifest lists pairs, None when the default pairing applies."""
    if not manifest.pairs:
        return None
    return any((p.upstream, p.behavior) == (up, behavior) for p in manifest.pairs)


def _tact_match(first: Record, second: Record) -> int:
    """How many of target, action, context and time agree; an unstated one does not disagree."""
    return sum(not first[f] or not second[f] or first[f] == second[f] for f in _TACT)


def make_pairs(
    trials: Iterable[TrialEffects], manifests: Manifests, book: CorrelationBook, assumed: float
) -> tuple[pd.DataFrame, list[Finding]]:
    """Pairs of each comparison: the synthesis's upstream construct with behavior.

    Declared pairs are taken as they are; by default an upstream outcome is paired with every
    behavior of the comparison that comes at the same time or later and agrees on at least 3 of
    target, action, context and time. A comparison that has both outcomes but no pair gets the
    reasons as findings.
    """
    rows: list[Record] = []
    findings: list[Finding] = []
    for trial in trials:
        records = trial.records
        faults: dict[str, list[Finding]] = {}
        paired: set[str] = set()
        for i, up in enumerate(records):
            for j, behavior in enumerate(records):
                if not _are_candidates(up, behavior):
                    continue
                declared = _pair_declared(
                    manifests[up["collection_id"]], up["outcome_id"], behavior["outcome_id"]
                )
                if declared is False:
                    continue
                comparison = str(up["comparison_id"])
                wrong = _pair_faults(up, behavior, explicit=bool(declared))
                faults.setdefault(comparison, []).extend(wrong)
                if not wrong:
                    paired.add(comparison)
                    within = book.within_arm(up, behavior, assumed)
                    findings += _doubtful_direction(up, behavior, within)
                    findings += _doubtful_correlation(up, behavior, within)
                    rows.append(_pair_row(up, behavior, within, float(trial.covariance[i, j])))
        findings += [f for c, found in faults.items() if c not in paired for f in found]
    return pd.DataFrame(rows, columns=PAIR_COLUMNS), findings


def _are_candidates(up: Record, behavior: Record) -> bool:
    return (
        up["construct"] == up["upstream_construct"]
        and behavior["construct"] == Construct.BEHAVIOR.value
        and up["comparison_id"] == behavior["comparison_id"]
    )


def _pair_faults(up: Record, behavior: Record, *, explicit: bool) -> list[Finding]:
    names = f"{up['outcome_label']} with {behavior['outcome_label']}"
    lag = behavior["weeks"] - up["weeks"]
    if lag < 0:
        return [
            Finding(
                str(up["trial_id"]),
                "behavior_before_intention",
                Severity.WARNING,
                f"{names} are not paired: the behavior (week {behavior['weeks']:g}) was measured "
                f"before the {up['construct']} (week {up['weeks']:g})",
                "correct the weeks, or pair an intention with a behavior that comes after it",
                str(behavior["file"]),
            )
        ]
    matched = _tact_match(up, behavior)
    if matched < 3 and not explicit:
        differing = [f for f in _TACT if up[f] and behavior[f] and up[f] != behavior[f]]
        return [
            Finding(
                str(up["trial_id"]),
                "pair_on_different_acts",
                Severity.WARNING,
                f"{names} are not paired: they differ in {' and '.join(differing)}",
                "use the same words where they mean the same, or list the pair under `pairs:`",
                str(behavior["file"]),
            )
        ]
    return []


def _doubtful_direction(up: Record, behavior: Record, within: WithinArm) -> list[Finding]:
    """A clearly negative within-arm correlation suggests a wrongly declared direction."""
    known = within.origin != CorrelationOrigin.ASSUMED.value and within.n > 3
    if not known or within.r > -2.0 / float(np.sqrt(within.n)):
        return []
    return [
        Finding(
            str(up["trial_id"]),
            "direction_doubtful",
            Severity.WARNING,
            f"{up['outcome_label']} and {behavior['outcome_label']} correlate negatively within "
            f"arms (r = {within.r:.2f}) although both are declared as wanted",
            "check `higher_is_better` of both outcomes",
            str(up["file"]),
        )
    ]


def _doubtful_correlation(up: Record, behavior: Record, within: WithinArm) -> list[Finding]:
    """A correlation that cannot be right, and one that says the two outcomes are one."""
    names = f"{up['outcome_label']} with {behavior['outcome_label']}"

    def told(rule: str, message: str, fix: str) -> list[Finding]:
        return [Finding(str(up["trial_id"]), rule, Severity.WARNING, message, fix, "trial.yaml")]

    if within.fault:
        return told(
            "correlation_contradicts_effects",
            f"{names}: {within.fault}; the assumed correlation stands in its place",
            "check the correlation, whether it is one within arms, and the effects",
        )
    latent = latent_correlation(within, up, behavior)
    if within.origin != CorrelationOrigin.ASSUMED.value and abs(latent) >= NEAR_PERFECT:
        return told(
            "correlation_near_perfect",
            f"{names}: their correlation within arms is {latent:.2f}, as of one measurement in two "
            "forms; it does not enter the slope of the synthesis",
            "check that the two outcomes are two columns, and not one recoded",
        )
    return []


def _pair_row(up: Record, behavior: Record, within: WithinArm, covariance: float) -> Record:
    y1, v1, y2, v2 = (float(r[c]) for r in (up, behavior) for c in ("yi", "vi"))
    return {
        "pair_id": f"{up['outcome_row_id']}~{str(behavior['outcome_row_id']).split(':', 2)[2]}",
        **{
            c: up[c]
            for c in ("trial_id", "collection_id", "study_label", "synthesis", "comparison_id")
        },
        "upstream_construct": up["construct"],
        "upstream_effect_id": up["effect_id"],
        "behavior_effect_id": behavior["effect_id"],
        "upstream_label": up["outcome_label"],
        "behavior_label": behavior["outcome_label"],
        "upstream_yi": y1,
        "upstream_vi": v1,
        "behavior_yi": y2,
        "behavior_vi": v2,
        "lag_weeks": behavior["weeks"] - up["weeks"],
        "tact_match": _tact_match(up, behavior),
        "rho_within_arm": within.r,
        "rho_latent": latent_correlation(within, up, behavior),
        "rho_n": within.n,
        "rho_variance": within.variance,
        "rho_origin": within.origin,
        "covariance": covariance,
        "correlation_of_estimates": covariance / (v1 * v2) ** 0.5,
        "difference": y1 - y2,
        "difference_vi": v1 + v2 - 2.0 * covariance,
    }
