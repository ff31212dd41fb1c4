"""Pairs of upstream and behavior effects, and the sampling correlations within each trial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.dependent.covariances import (
    EffectArms,
    binary_arms,
    covariance_from_correlations,
    effect_covariance,
    latent_from_phi,
    latent_from_point_biserial,
    phi_from_latent,
    point_biserial_from_latent,
    smd_arms,
)
from analysis.effect_sizes import hedges_j, smd_to_correlation, within_arm_correlation
from analysis.effect_sizes.binary import ODDS_TO_SMD
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, TrialEffects
from assets.tables.arms import Manifests
from assets.tables.participants import ParticipantFacts
from validations.findings import Finding, Severity
from validations.manifest.model import TrialManifest
from validations.manifest.vocabulary import Construct, CorrelationOrigin
from validations.tables import made_columns

PAIR_COLUMNS = made_columns("paired_effects")
_EXACT = {"participant_rows", "intention_by_action"}
"""Kinds of data that give the joint distribution of the outcomes."""
_TACT = ("target", "action", "context", "time")
Outcomes = dict[str, Record]
"""Outcome rows by id."""


@dataclass(frozen=True)
class WithinArm:
    """Within-arm correlation of two outcomes with where it comes from."""

    r: float
    origin: str
    n: float = float("nan")
    variance: float = float("nan")


class CorrelationBook:
    """Looks up the within-arm correlation of two outcomes of a trial, best origin first."""

    def __init__(
        self,
        manifests: Manifests,
        facts: dict[str, ParticipantFacts],
        study_values: pd.DataFrame,
        settings: AnalysisSettings,
    ) -> None:
        self.manifests, self.facts, self.settings = manifests, facts, settings
        self.columns: dict[tuple[str, str, str], float] = {}
        for row in study_values.to_dict("records") if not study_values.empty else []:
            value = pd.to_numeric(row["value"], errors="coerce")
            if pd.notna(value):
                self.columns[(row["trial_id"], row["comparison"], row["column"])] = float(value)

    def within_arm(self, first: Record, second: Record, assumed: float) -> WithinArm:
        """Correlation of the outcomes of two effects of one trial."""
        if first["construct"] == second["construct"]:
            within = max(self.settings.within_construct_correlation, assumed)
            return WithinArm(within, CorrelationOrigin.ASSUMED.value)
        up, behavior = (first, second) if second["construct"] == "behavior" else (second, first)
        trial = str(first["trial_id"])
        facts = self.facts.get(trial) if {up["basis"], behavior["basis"]} <= _EXACT else None
        key = (str(up["outcome_id"]), str(behavior["outcome_id"]))
        # Correlations of scores; an outcome for which lower is better turns the sign.
        sign = 1.0 if up["turned"] == behavior["turned"] else -1.0
        if facts is not None and key in facts.within_arm:
            r, n, variance = facts.within_arm[key]
            return WithinArm(sign * r, CorrelationOrigin.PARTICIPANT_DATA.value, float(n), variance)
        declared = self._declared(self.manifests[str(first["collection_id"])], up, behavior, sign)
        return declared or WithinArm(assumed, CorrelationOrigin.ASSUMED.value)

    def _declared(
        self, manifest: TrialManifest, up: Record, behavior: Record, sign: float
    ) -> WithinArm | None:
        for pair in manifest.pairs:
            given = pair.correlation
            if (pair.upstream, pair.behavior) != (up["outcome_id"], behavior["outcome_id"]):
                continue
            if given is None:
                continue
            r = given.value
            if r is None:
                marks = (str(up.get("comparison", "")), "")
                found = [self.columns.get((str(up["trial_id"]), m, given.column)) for m in marks]
                r = next((value for value in found if value is not None), None)
            if r is None or not -1.0 < r < 1.0:
                continue
            n1, n2 = (float(up[name]) if pd.notna(up[name]) else 0.0 for name in ("n1", "n2"))
            n = given.n if given.n is not None else n1 + n2
            variance = (1.0 - r**2) ** 2 / (n - 3.0) if n > 3 else float("nan")
            if given.origin is CorrelationOrigin.REPORTED_TOTAL:
                return WithinArm(
                    _without_treatment(sign * r, up, behavior), given.origin.value, n, variance
                )
            return WithinArm(sign * r, given.origin.value, n, variance)
        return None


def _without_treatment(r: float, up: Record, behavior: Record) -> float:
    """Within-arm correlation from one over all arms: the part due to the arms is removed."""
    with_arm = [
        float(smd_to_correlation(record["yi"], record["n1"], record["n2"])[0])
        for record in (up, behavior)
    ]
    return float(within_arm_correlation(r, with_arm[0], with_arm[1])[0])


def latent_correlation(within: WithinArm, up: Record, behavior: Record) -> float:
    """The within-arm correlation on the scale of the effects: binary outcomes as cuts of a
    latent normal (assumed and borrowed correlations are latent already)."""
    if within.origin in (CorrelationOrigin.ASSUMED.value, CorrelationOrigin.BORROWED.value):
        return within.r
    shares = [float(s) for record in (up, behavior) if (s := record.get("share")) is not None]
    if len(shares) == 2:
        return latent_from_phi(within.r, shares[0], shares[1])
    return latent_from_point_biserial(within.r, shares[0]) if shares else within.r


def trial_effects(
    records: Sequence[Record], outcomes: Outcomes, book: CorrelationBook, assumed: float
) -> TrialEffects:
    """Covariance matrix of the pooled effects of one trial.

    records: effects on the common scale. outcomes: outcome rows by id, for SDs and events.
    From participant rows the correlation of the estimates is exact; otherwise it follows from
    the shared arms and the within-arm correlation by the closed forms.
    """
    arms = [_arms(record, outcomes, book.settings) for record in records]
    size = len(records)
    correlations, origins = np.eye(size), np.full((size, size), "", dtype=object)
    for i in range(size):
        for j in range(i):
            value, origin = _estimate_correlation(
                records[i], records[j], arms[i], arms[j], book, assumed
            )
            correlations[i, j] = correlations[j, i] = value
            origins[i, j] = origins[j, i] = origin
    variances = [float(record["vi"]) for record in records]
    covariance, moved = covariance_from_correlations(correlations, variances)
    return TrialEffects(tuple(records), covariance, origins, moved)


def _measurement(record: Record) -> str:
    weeks = "" if pd.isna(record["weeks"]) else record["weeks"]
    return "|".join(
        str(x) for x in (record["outcome_id"], record["instrument"], weeks, record["timepoint"])
    )


def _arms(record: Record, outcomes: Outcomes, settings: AnalysisSettings) -> EffectArms | None:
    n1, n2 = record["n1"], record["n2"]
    if pd.isna(n1) or pd.isna(n2):
        return None
    n1, n2 = float(n1), float(n2)
    one, two = str(record["intervention_arm"]), str(record["comparator_arm"])
    row = outcomes[str(record["outcome_row_id"])]
    if pd.notna(row["events1"]) and pd.notna(row["events2"]):
        p1, p2 = ((row[e] + 0.5) / (n + 1.0) for e, n in (("events1", n1), ("events2", n2)))
        return binary_arms(
            _measurement(record),
            one,
            two,
            measure="OR",
            p1=p1,
            p2=p2,
            n1=n1,
            n2=n2,
            scale=ODDS_TO_SMD[settings.odds_to_smd],
        )
    sds = (row["sd1"], row["sd2"])
    known = all(pd.notna(sd) and sd > 0 for sd in sds)
    return smd_arms(
        _measurement(record),
        one,
        two,
        g=float(record["yi"]),
        j=float(hedges_j(n1 + n2 - 2.0)[0]),
        n1=n1,
        n2=n2,
        sd1=float(sds[0]) if known else None,
        sd2=float(sds[1]) if known else None,
    )


def _estimate_correlation(
    first: Record,
    second: Record,
    arms1: EffectArms | None,
    arms2: EffectArms | None,
    book: CorrelationBook,
    assumed: float,
) -> tuple[float, str]:
    facts = book.facts.get(str(first["trial_id"]))
    if facts is not None and {first["basis"], second["basis"]} <= _EXACT:
        key1, key2 = (
            (str(r["intervention_arm"]), str(r["comparator_arm"]), str(r["outcome_id"]))
            for r in (first, second)
        )
        if (key1, key2) in facts.correlations:
            sign = 1.0 if first["turned"] == second["turned"] else -1.0
            value = sign * facts.correlations[(key1, key2)]
            return value, CorrelationOrigin.PARTICIPANT_DATA.value
    same = _measurement(first) == _measurement(second)
    within = WithinArm(1.0, "same_measurement") if same else book.within_arm(first, second, assumed)
    shared = {first["intervention_arm"], first["comparator_arm"]} & {
        second["intervention_arm"],
        second["comparator_arm"],
    }
    if not shared:
        return 0.0, "no_shared_arm"
    if arms1 is None or arms2 is None:
        return within.r * (1.0 if len(shared) == 2 else 0.5), within.origin
    r = _as_observed(within, arms1, arms2, first, second)
    nominal = effect_covariance(arms1, arms1, 1.0) * effect_covariance(arms2, arms2, 1.0)
    return effect_covariance(arms1, arms2, r) / float(np.sqrt(nominal)), within.origin


def _as_observed(
    within: WithinArm,
    arms1: EffectArms,
    arms2: EffectArms,
    first: Record,
    second: Record,
) -> float:
    """Assumed and borrowed correlations are latent: attenuate them where outcomes are binary."""
    if within.origin not in (CorrelationOrigin.ASSUMED.value, CorrelationOrigin.BORROWED.value):
        return within.r
    shares = [share for record in (first, second) if (share := record.get("share")) is not None]
    if len(shares) == 2:
        return phi_from_latent(within.r, float(shares[0]), float(shares[1]))
    if len(shares) == 1:
        return float(point_biserial_from_latent(within.r, float(shares[0])))
    return within.r


def _share(row: dict[str, Any]) -> float | None:
    """Share with the event over both arms of a binary outcome."""
    events, n = row["events1"] + row["events2"], row["n1"] + row["n2"]
    return float((events + 0.5) / (n + 1.0)) if pd.notna(events) and n > 0 else None


def all_trial_effects(
    effects: pd.DataFrame, outcomes: pd.DataFrame, book: CorrelationBook, assumed: float
) -> list[TrialEffects]:
    """`trial_effects` for every trial that has effects in the pools."""
    by_id: Outcomes = {str(r["outcome_row_id"]): r for r in outcomes.to_dict("records")}
    pooled = effects[effects["in_pool"].astype(bool)]
    found = [by_id[str(row_id)] for row_id in pooled["outcome_row_id"]]
    pooled = pooled.assign(
        share=pd.Series([_share(row) for row in found], index=pooled.index, dtype=object),
        comparison=[row["comparison"] for row in found],
    )
    by_trial: dict[str, list[Record]] = {}
    for record in pooled.to_dict("records"):
        by_trial.setdefault(str(record["trial_id"]), []).append(record)
    return [trial_effects(records, by_id, book, assumed) for records in by_trial.values()]


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


COVARIANCE_COLUMNS = made_columns("effect_covariances")
ASSUMED_COLUMNS = made_columns("assumed_covariances")


def covariance_table(trials: Iterable[TrialEffects]) -> pd.DataFrame:
    """Sampling covariances of the pooled effects of each trial, one row per pair of effects."""
    rows = []
    for trial in trials:
        ids = trial.values("effect_id")
        sd = np.sqrt(np.diag(trial.covariance))
        for i in range(len(ids)):
            for j in range(i):
                c = float(trial.covariance[i, j])
                rows.append(
                    (
                        trial["trial_id"],
                        ids[j],
                        ids[i],
                        c,
                        c / float(sd[i] * sd[j]),
                        trial.origins[i, j],
                    )
                )
    return pd.DataFrame(rows, columns=COVARIANCE_COLUMNS)
