"""What participant rows give beyond numbers per arm: joint correlations, adjusted effects,
clustering and the action-control table. Only aggregates leave this module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.clustering import anova_icc
from analysis.effect_sizes import design_effect
from analysis.errors import EstimationError
from analysis.gap.action_control import intender_threshold
from analysis.gap.participants import (
    Influence,
    adjusted_difference_influence,
    influence_correlations,
    log_odds_influence,
    pooled_within_arm_correlation,
    smd_influence,
)
from assets.fence import doing
from assets.tables.baselines import adjusted_difference, baseline_fault, vary_within
from assets.tables.comparisons import comparisons_of
from validations.manifest.model import Outcome, TrialManifest
from validations.manifest.vocabulary import Construct, DesignType, ScaleType

EffectKey = tuple[str, str, str]
"""(intervention, comparator, outcome)."""


@dataclass
class ParticipantFacts:
    """Aggregates of one trial's participant rows.

    correlations: pairs of effects -> correlation of the estimates. within_arm: (upstream,
    behavior) -> (r, n, variance). adjusted: effect -> (difference, pooled SD, multiple R, n of
    the intervention and of the comparator arm with a baseline value).
    design_effects: outcome -> design effect. cluster_faults: outcome of a cluster trial -> why it
    has none. baseline_faults: effect -> why its baseline is not adjusted for.
    counts: rows of the action-control table.
    """

    correlations: dict[tuple[EffectKey, EffectKey], float] = field(default_factory=dict)
    within_arm: dict[tuple[str, str], tuple[float, int, float]] = field(default_factory=dict)
    adjusted: dict[EffectKey, tuple[float, float, float, int, int]] = field(default_factory=dict)
    design_effects: dict[str, float] = field(default_factory=dict)
    cluster_faults: dict[str, str] = field(default_factory=dict)
    baseline_faults: dict[EffectKey, str] = field(default_factory=dict)
    counts: list[dict[str, object]] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Plain data for the restricted store."""
        return {
            "correlations": [[*a, *b, r] for (a, b), r in self.correlations.items()],
            "within_arm": [[*key, *value] for key, value in self.within_arm.items()],
            "adjusted": [[*key, *value] for key, value in self.adjusted.items()],
            "design_effects": self.design_effects,
            "cluster_faults": self.cluster_faults,
            "baseline_faults": [[*key, why] for key, why in self.baseline_faults.items()],
            "counts": self.counts,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ParticipantFacts:
        """The inverse of `to_dict`."""
        return cls(
            {(tuple(row[:3]), tuple(row[3:6])): row[6] for row in data["correlations"]},
            {(row[0], row[1]): (row[2], row[3], row[4]) for row in data["within_arm"]},
            {tuple(row[:3]): tuple(row[3:]) for row in data["adjusted"]},
            dict(data["design_effects"]),
            dict(data["cluster_faults"]),
            {tuple(row[:3]): row[3] for row in data["baseline_faults"]},
            list(data["counts"]),
        )


def wide_table(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row per participant and one column per outcome, in the order of the file: sorting by
    pseudonym would make sums depend on the store's key in the last digit."""
    persons = rows.sort_values("row", kind="stable")["participant"].unique()
    return rows.pivot(index="participant", columns="outcome", values=column).reindex(persons)


Unlinked = frozenset[frozenset[str]]
"""Pairs of sources whose participants cannot be told to be the same persons."""


def participant_facts(
    manifest: TrialManifest,
    rows: pd.DataFrame,
    intender_rule: str,
    unlinked: Unlinked = frozenset(),
) -> ParticipantFacts:
    """Aggregate one trial's accepted participant rows (numbers cast, one row per value).

    unlinked: pairs of sources whose persons are not set against each other: nothing joint is
    computed of their outcomes.
    """
    facts = ParticipantFacts()
    if rows.empty:
        return facts
    outcomes = [o for o in manifest.outcomes if (rows["outcome"] == o.id).any()]
    source = dict(zip(rows["outcome"], rows["source_id"], strict=True)) if unlinked else {}

    def together(first: Outcome, second: Outcome) -> bool:
        return frozenset((source.get(first.id), source.get(second.id))) not in unlinked

    wide, arms, baseline = (wide_table(rows, column) for column in ("value", "arm", "baseline"))
    many = None
    if PERSONS in rows:
        many = wide_table(rows, PERSONS).max(axis=1).to_numpy(dtype=float)
    if manifest.design.type is DesignType.CLUSTER:
        _cluster_facts(facts, manifest, rows)
    with doing("correlating the effects"):
        _effect_correlations(facts, manifest, outcomes, (wide, arms, baseline), many, together)
    for upstream in outcomes:
        for behavior in outcomes:
            is_pair = (
                upstream.construct is not Construct.BEHAVIOR
                and behavior.construct is Construct.BEHAVIOR
                and together(upstream, behavior)
            )
            if is_pair:
                _correlate(facts, upstream, behavior, wide, arms, many)
            if is_pair and belong_together(manifest, upstream, behavior):
                _count(facts, upstream, behavior, (wide, arms), many, intender_rule)
    return facts


def facts_from_counts(
    manifest: TrialManifest, records: pd.DataFrame, intender_rule: str
) -> ParticipantFacts:
    """The same aggregates from intended-by-acted counts of one trial, which are participant rows
    of two yes/no outcomes in short: a row of each cell stands for its persons."""
    rows = []
    for record in records.to_dict("records"):
        for cell, values in _CELLS.items():
            number = len(rows)
            persons = float(round(float(record[cell])))
            for outcome, value in zip(
                (record["intention"], record["behavior"]), values, strict=True
            ):
                if persons:
                    rows.append(
                        {
                            "participant": number,
                            "source_id": "",
                            "row": number,
                            "arm": record["arm"],
                            "outcome": outcome,
                            "value": value,
                            "baseline": np.nan,
                            "cluster": None,
                            PERSONS: persons,
                        }
                    )
    frame = pd.DataFrame(rows).drop_duplicates(["participant", "outcome"])
    return participant_facts(manifest, frame, intender_rule)


_CELLS = {
    "inclined_actors": (1.0, 1.0),
    "inclined_abstainers": (1.0, 0.0),
    "disinclined_actors": (0.0, 1.0),
    "disinclined_abstainers": (0.0, 0.0),
}
PERSONS = "persons"
"""Column of participant rows that says how many persons a row stands for; without it, one."""


def _effect_correlations(
    facts: ParticipantFacts,
    manifest: TrialManifest,
    outcomes: list[Outcome],
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    many: np.ndarray | None,
    together: Callable[[Outcome, Outcome], bool],
) -> None:
    """Correlations of all effects whose persons are known to be the same; tables: values, arms and
    baselines, one row per person and one column per outcome; many: persons that a row stands for,
    if not one."""
    wide, arms, baseline = tables
    found: list[tuple[EffectKey, Outcome, Influence]] = []
    for outcome in outcomes:
        for intervention, comparator in comparisons_of(manifest):
            member = arms[outcome.id].isin([intervention, comparator]).to_numpy()
            key = (intervention, comparator, outcome.id)
            with doing(outcome=outcome.id):
                influence = _influence(
                    facts,
                    key,
                    outcome,
                    wide[outcome.id].to_numpy(dtype=float)[member],
                    (arms[outcome.id] == intervention).to_numpy()[member],
                    baseline[outcome.id].to_numpy(dtype=float)[member],
                    np.flatnonzero(member),
                    None if many is None else many[member],
                )
            if influence is not None:
                found.append((key, outcome, influence))
    if not found:
        return
    matrix = influence_correlations([influence for _, _, influence in found], len(wide), many)
    for i, (first, one, _) in enumerate(found):
        for j, (second, other, _) in enumerate(found):
            if together(one, other):
                facts.correlations[(first, second)] = float(matrix[i, j])


def _influence(
    facts: ParticipantFacts,
    key: EffectKey,
    outcome: Outcome,
    values: np.ndarray,
    treated: np.ndarray,
    covariate: np.ndarray,
    person: np.ndarray,
    many: np.ndarray | None,
) -> Influence | None:
    """Contributions of the persons to one effect, None where there is no effect; what adjusts for
    the baseline, or why nothing does, is kept in `facts`."""
    persons = np.ones_like(values) if many is None else many
    if min(persons[treated].sum(), persons[~treated].sum()) < 2:
        return None
    if outcome.scale.type is ScaleType.BINARY:
        varies = float(np.ptp(values)) > 0.0
        return log_odds_influence(values, treated, person, many) if varies else None
    if not vary_within(values, treated):
        return None
    if outcome.baseline_column:
        both = np.isfinite(covariate)
        own = values[both], treated[both], covariate[both]
        why = baseline_fault(*own)
        if not why:
            facts.adjusted[key] = adjusted_difference(*own)
            return adjusted_difference_influence(*own, person[both])
        facts.baseline_faults[key] = why
    return smd_influence(values, treated, person, many)


def _cluster_facts(facts: ParticipantFacts, manifest: TrialManifest, rows: pd.DataFrame) -> None:
    """Design effects of a cluster trial, or why there is none."""
    if manifest.design.clustering_already_adjusted:
        return
    for outcome, part in rows.groupby("outcome"):
        blank = int((part["cluster"].fillna("") == "").sum())
        if blank:
            some = "no person has a cluster" if blank == len(part) else "some persons have none"
            facts.cluster_faults[str(outcome)] = some
            continue
        try:
            with doing("estimating the intracluster correlation", outcome=str(outcome)):
                summary = anova_icc(
                    part["value"].to_numpy(dtype=float),
                    part["arm"].to_numpy(),
                    part["cluster"].to_numpy(),
                )
        except EstimationError as error:
            facts.cluster_faults[str(outcome)] = str(error)
            continue
        size = max(1.0, summary.cluster_size)
        facts.design_effects[str(outcome)] = float(design_effect(size, summary.icc)[0])


TACT = ("target", "action", "context", "time")


def belong_together(manifest: TrialManifest, upstream: Outcome, behavior: Outcome) -> bool:
    """Whether two outcomes are a pair: as declared, else the behavior comes at the same time or
    later and at least 3 of target, action, context and time agree (unstated ones do)."""
    if manifest.pairs:
        declared = {(pair.upstream, pair.behavior) for pair in manifest.pairs}
        return (upstream.id, behavior.id) in declared
    weeks, later = upstream.timepoint.weeks, behavior.timepoint.weeks
    if weeks is not None and later is not None and later < weeks:
        return False
    texts = [(getattr(upstream, part), getattr(behavior, part)) for part in TACT]
    return sum(not a or not b or a == b for a, b in texts) >= 3


def _person_arms(arms: pd.DataFrame, upstream: Outcome, behavior: Outcome) -> np.ndarray:
    return np.asarray(arms[behavior.id].fillna(arms[upstream.id]).astype(str))


def _correlate(
    facts: ParticipantFacts,
    upstream: Outcome,
    behavior: Outcome,
    wide: pd.DataFrame,
    arms: pd.DataFrame,
    many: np.ndarray | None,
) -> None:
    first = wide[upstream.id].to_numpy(dtype=float)
    second = wide[behavior.id].to_numpy(dtype=float)
    arm = _person_arms(arms, upstream, behavior)
    pooled = pooled_within_arm_correlation(first, second, arm, many)
    if pooled is not None:
        facts.within_arm[(upstream.id, behavior.id)] = (pooled.r, pooled.n, pooled.variance)


def _count(
    facts: ParticipantFacts,
    upstream: Outcome,
    behavior: Outcome,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    many: np.ndarray | None,
    intender_rule: str,
) -> None:
    wide, arms = tables
    first = wide[upstream.id].to_numpy(dtype=float)
    second = wide[behavior.id].to_numpy(dtype=float)
    arm = _person_arms(arms, upstream, behavior)
    if upstream.construct is not Construct.INTENTION or behavior.scale.type is not ScaleType.BINARY:
        return
    intends = _intends(upstream, first, intender_rule)
    if intends is None:
        return
    both = np.isfinite(first) & np.isfinite(second)
    for label in dict.fromkeys(arm):
        rows = both & (arm == label)
        if not rows.any():
            continue
        yes, acted = intends[rows], second[rows] == 1.0
        persons = np.ones(len(yes), dtype=int) if many is None else many[rows]
        facts.counts.append(
            {
                "arm": label,
                "intention": upstream.id,
                "behavior": behavior.id,
                "inclined_actors": int(persons[yes & acted].sum()),
                "inclined_abstainers": int(persons[yes & ~acted].sum()),
                "disinclined_actors": int(persons[~yes & acted].sum()),
                "disinclined_abstainers": int(persons[~yes & ~acted].sum()),
                "intender_rule": "R1" if upstream.scale.type is ScaleType.BINARY else intender_rule,
            }
        )


def _intends(outcome: Outcome, values: np.ndarray, rule: str) -> np.ndarray | None:
    if outcome.scale.type is ScaleType.BINARY:
        return np.asarray(values == 1.0)
    if outcome.scale.min is None or outcome.scale.max is None:
        return None
    cut, inclusive = intender_threshold(rule, outcome.scale.min, outcome.scale.max)
    scores = values if outcome.higher_is_better else outcome.scale.min + outcome.scale.max - values
    return np.asarray(scores >= cut if inclusive else scores > cut)
