"""What participant rows give beyond numbers per arm: joint correlations, adjusted effects,
clustering and the action-control table. Only aggregates leave this module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.clustering import icc_of_codes
from analysis.effect_sizes import design_effect
from analysis.errors import EstimationError
from analysis.gap.contributions import (
    Effect,
    LogOdds,
    MeanDifference,
    Members,
    effect_correlations,
)
from analysis.gap.participants import pool_within_arms
from assets.fence import doing
from assets.outcomes.action_counts import action_counts, belong_together, rows_of_counts
from assets.outcomes.baselines import adjusted
from assets.outcomes.comparisons import comparisons_of
from assets.outcomes.person_table import Arm, PersonTable, person_table
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


Unlinked = frozenset[frozenset[str]]
"""Pairs of sources whose participants cannot be told to be the same persons."""


def participant_facts(
    manifest: TrialManifest,
    rows: pd.DataFrame | PersonTable,
    intender_rule: str,
    unlinked: Unlinked = frozenset(),
) -> ParticipantFacts:
    """Aggregate one trial's accepted participant rows (numbers cast, one row per value), or the
    table of its persons.

    unlinked: pairs of sources whose persons are not set against each other: nothing joint is
    computed of their outcomes.
    """
    facts = ParticipantFacts()
    table = person_table(rows) if isinstance(rows, pd.DataFrame) else rows
    outcomes = [o for o in manifest.outcomes if o.id in table.outcomes]

    def together(first: Outcome, second: Outcome) -> bool:
        return (
            frozenset((table.sources.get(first.id), table.sources.get(second.id))) not in unlinked
        )

    if manifest.design.type is DesignType.CLUSTER:
        _cluster_facts(facts, manifest, table)
    with doing("correlating the effects"):
        _effect_correlations(facts, manifest, outcomes, table, together)
    for upstream in outcomes:
        for behavior in outcomes:
            is_pair = (
                upstream.construct is not Construct.BEHAVIOR
                and behavior.construct is Construct.BEHAVIOR
                and together(upstream, behavior)
            )
            if not is_pair:
                continue
            joined = table.joined(upstream.id, behavior.id)
            pooled = pool_within_arms((x, y, many) for _, x, y, many in joined)
            if pooled is not None:
                key = (upstream.id, behavior.id)
                facts.within_arm[key] = (pooled.r, pooled.n, pooled.variance)
            if belong_together(manifest, upstream, behavior):
                facts.counts += action_counts(table, upstream, behavior, intender_rule)
    return facts


def facts_from_counts(
    manifest: TrialManifest, records: pd.DataFrame, intender_rule: str
) -> ParticipantFacts:
    """The same aggregates from intended-by-acted counts of one trial, which are participant rows
    of two yes/no outcomes in short."""
    return participant_facts(manifest, rows_of_counts(records), intender_rule)


def _effect_correlations(
    facts: ParticipantFacts,
    manifest: TrialManifest,
    outcomes: list[Outcome],
    table: PersonTable,
    together: Callable[[Outcome, Outcome], bool],
) -> None:
    """Correlations of all effects whose persons are known to be the same."""
    found: list[tuple[EffectKey, Outcome]] = []
    effects: list[tuple[Effect, Members, Members]] = []
    for outcome in outcomes:
        arms = table.outcomes[outcome.id]
        for intervention, comparator in comparisons_of(manifest):
            if intervention not in arms or comparator not in arms:
                continue
            key = (intervention, comparator, outcome.id)
            with doing(outcome=outcome.id):
                effect = _effect(facts, key, outcome, arms[intervention], arms[comparator])
            if effect is not None:
                found.append((key, outcome))
                effects.append(effect)
    if not found:
        return
    matrix = effect_correlations(effects, table.count, table.persons)
    for i, (first, one) in enumerate(found):
        for j, (second, other) in enumerate(found):
            if together(one, other):
                facts.correlations[(first, second)] = float(matrix[i, j])


def _effect(
    facts: ParticipantFacts, key: EffectKey, outcome: Outcome, one: Arm, two: Arm
) -> tuple[Effect, Members, Members] | None:
    """One effect with its persons, None where there is no effect; what adjusts for the baseline,
    or why nothing does, is kept in `facts`."""
    if min(one.sums.n, two.sums.n) < 2:
        return None
    if outcome.scale.type is ScaleType.BINARY:
        low, high = (min(one.sums.smallest, two.sums.smallest),
                     max(one.sums.largest, two.sums.largest))  # fmt: skip
        if high == low:
            return None
        return LogOdds(one.sums, two.sums), one.members, two.members
    if one.sums.is_constant and two.sums.is_constant:
        return None
    if outcome.baseline_column:
        effect = adjusted(one.with_baseline, two.with_baseline)
        if not isinstance(effect, str):
            sizes = int(effect.one.n), int(effect.two.n)
            facts.adjusted[key] = (effect.difference, effect.sd, effect.r, *sizes)
            return effect, one.with_baseline, two.with_baseline
        facts.baseline_faults[key] = effect
    return MeanDifference(one.sums, two.sums), one.members, two.members


def _cluster_facts(facts: ParticipantFacts, manifest: TrialManifest, table: PersonTable) -> None:
    """Design effects of a cluster trial, or why there is none."""
    if manifest.design.clustering_already_adjusted:
        return
    for outcome, arms in sorted(table.outcomes.items()):
        clusters = [arm.cluster for arm in arms.values() if arm.cluster is not None]
        named = sum(int((own >= 0).sum()) for own in clusters)
        if named < sum(map(len, arms.values())):
            some = "some persons have none" if named else "no person has a cluster"
            facts.cluster_faults[outcome] = some
            continue
        try:
            with doing("estimating the intracluster correlation", outcome=outcome):
                summary = icc_of_codes(
                    np.concatenate([arm.value for arm in arms.values()]),
                    np.repeat(np.arange(len(arms)), [len(arm) for arm in arms.values()]),
                    np.concatenate(
                        [arm.cluster for arm in arms.values() if arm.cluster is not None]
                    ),
                )
        except EstimationError as error:
            facts.cluster_faults[outcome] = str(error)
            continue
        size = max(1.0, summary.cluster_size)
        facts.design_effects[outcome] = float(design_effect(size, summary.icc)[0])
