"""From the accepted records of one manifest to its effects, pairs and covariances.

A pure function of what was accepted: no folder, no store, no other trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import TrialEffects
from assets.effects import make_effects as effect_tables
from assets.effects.contrasts import choose_contrasts
from assets.fence import doing
from assets.outcomes import arms as arm_tables
from assets.outcomes import outcome_rows as outcome_tables
from assets.outcomes.participant_arms import arms_from_participants
from assets.outcomes.participants import (
    ParticipantFacts,
    Unlinked,
    facts_from_counts,
    participant_facts,
)
from assets.outcomes.person_table import person_table
from assets.outcomes.quality import CHECK_COLUMNS, findings_of_checks, participant_checks
from assets.pairs import make_pairs as pair_tables
from assets.pairs.correlation_book import CorrelationBook
from assets.pairs.covariances import (
    all_trial_effects,
    assumed_covariance_table,
    covariance_table,
    refuse_determined,
)
from assets.rows import empty_table
from validations.findings import Finding, Severity, apply_waivers
from validations.manifest.model import TrialManifest
from validations.records import RECORD_SCHEMAS
from validations.trial_rules import trial_findings


@dataclass(frozen=True)
class Accepted:
    """What screening left of one manifest's records.

    records: kind -> rows with numbers cast (no entry without rows); participant rows with labels
    as categories and persons as whole numbers, or as text. items: answers to single items, as
    text. study_values: columns that moderators and pairs name, per study. unlinked: participant
    sources whose ids do not tell the same persons.
    """

    records: dict[str, pd.DataFrame]
    items: pd.DataFrame = field(default_factory=pd.DataFrame)
    study_values: pd.DataFrame = field(default_factory=pd.DataFrame)
    unlinked: Unlinked = frozenset()

    def kind(self, name: str) -> pd.DataFrame:
        """Rows of one kind, an empty table with its columns where there are none."""
        columns = ["trial_id", "collection_id", *RECORD_SCHEMAS[name].names]
        return self.records[name] if name in self.records else empty_table(columns)

    @property
    def trials(self) -> list[str]:
        """Trials in order of first appearance."""
        found = [str(t) for frame in self.records.values() for t in frame["trial_id"].unique()]
        return list(dict.fromkeys(found))

    def of_trial(self, trial: str) -> Accepted:
        """The part of one trial of a review."""
        own = {kind: frame[frame["trial_id"] == trial] for kind, frame in self.records.items()}
        values = self.study_values
        return Accepted(
            {kind: f.reset_index(drop=True) for kind, f in own.items() if len(f)},
            self.items,
            values[values["trial_id"] == trial] if len(values) else values,
            self.unlinked,
        )


@dataclass(frozen=True)
class TrialNumbers:
    """Tables of one manifest, in the columns of the tables they become part of, and findings."""

    facts: dict[str, ParticipantFacts]
    arm_statistics: pd.DataFrame
    participant_checks: pd.DataFrame
    outcome_rows: pd.DataFrame
    effects: pd.DataFrame
    paired_effects: pd.DataFrame
    effect_covariances: pd.DataFrame
    assumed_covariances: pd.DataFrame
    findings: list[Finding]


TABLES = (
    "arm_statistics",
    "participant_checks",
    "outcome_rows",
    "effects",
    "paired_effects",
    "effect_covariances",
    "assumed_covariances",
)


def trial_numbers(
    manifest: TrialManifest, accepted: Accepted, settings: AnalysisSettings, *, checks: bool = True
) -> TrialNumbers:
    """Everything that is computed from one manifest's accepted records.

    checks: whether the independent checks of participant rows are made too; without them their
    table is empty, and nothing of what they need is loaded.
    """
    manifests = {manifest.id: manifest}
    facts, checked = _of_participants(manifest, accepted, settings, checks)
    with doing("summarizing intended-by-acted counts"):
        for trial, part in _by_trial(accepted.kind("intention_by_action")):
            if trial not in facts:
                facts[trial] = facts_from_counts(manifest, part, settings.intender_rule)
    with doing("counting and averaging the arms"):
        arms = _arm_statistics(accepted, manifests)
    with doing("assembling the outcomes"):
        reported = accepted.kind("reported_effects")
        outcomes = outcome_tables.outcome_rows(arms, reported, manifests, facts)
    with doing("computing the effects"):
        effects = effect_tables.make_effects(outcomes, settings)
    book = CorrelationBook(manifests, facts, accepted.study_values, settings)
    effects, findings = _in_pools(manifest, outcomes, effects, facts, book)
    with doing("computing the covariances of the effects"):
        stack = all_trial_effects(effects, outcomes, book, settings.assumed_correlation)
        covariances = covariance_table(stack)
        assumed = assumed_covariance_table(stack, outcomes, book)
    with doing("pairing the effects"):
        pairs, told = pair_tables.make_pairs(stack, manifests, book, settings.assumed_correlation)
    findings += findings_of_checks(checked) + _baselines(manifest, facts, outcomes) + told
    findings += _moved(stack)
    return TrialNumbers(
        facts, arms, checked, outcomes, effects, pairs, covariances, assumed, findings
    )


def _of_participants(
    manifest: TrialManifest, accepted: Accepted, settings: AnalysisSettings, checks: bool
) -> tuple[dict[str, ParticipantFacts], pd.DataFrame]:
    """Aggregates of participant rows by trial, and their checks where they are asked for."""
    facts: dict[str, ParticipantFacts] = {}
    rows: list[dict[str, object]] = []
    for trial, part in _by_trial(accepted.kind("participant_rows")):
        with doing("summarizing participants"):
            table = person_table(part)
            facts[trial] = participant_facts(
                manifest, table, settings.intender_rule, accepted.unlinked
            )
        if checks:
            with doing("checking participant rows"):
                rows += participant_checks(manifest, table, accepted.items)
    return facts, pd.DataFrame(rows, columns=CHECK_COLUMNS) if rows else empty_table(CHECK_COLUMNS)


def _by_trial(records: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Records of one kind by trial, in the order of the ids; those of a single trial are not
    copied."""
    trials = sorted(str(trial) for trial in records["trial_id"].unique())
    for trial in trials:
        yield trial, records if len(trials) == 1 else records[records["trial_id"] == trial]


def _arm_statistics(accepted: Accepted, manifests: dict[str, TrialManifest]) -> pd.DataFrame:
    parts = [
        arm_tables.arms_from_summaries(accepted.kind("arm_summaries"), manifests),
        arm_tables.arms_from_counts(accepted.kind("intention_by_action"), manifests),
        arms_from_participants(accepted.kind("participant_rows"), manifests),
    ]
    filled = [part for part in parts if len(part)]
    if not filled:
        return empty_table(arm_tables.ARM_STATISTICS)
    return filled[0] if len(filled) == 1 else pd.concat(filled, ignore_index=True)


def _in_pools(
    manifest: TrialManifest,
    outcomes: pd.DataFrame,
    effects: pd.DataFrame,
    facts: dict[str, ParticipantFacts],
    book: CorrelationBook,
) -> tuple[pd.DataFrame, list[Finding]]:
    """Effects with `in_pool` settled: held ones, contrasts that answer another question, and
    effects that others determine leave the pools."""
    waivers = [(manifest.id, w.rule, w.subject, w.by, w.reason) for w in manifest.waivers]
    common = effects[effects["measure"] == effect_tables.COMMON_SCALE]
    faults = {(t, o): why for t, f in facts.items() for o, why in f.cluster_faults.items()}
    with doing("checking the numbers of the trial"):
        found = trial_findings(outcomes, common, {manifest.id: manifest}, faults)
        findings = apply_waivers(found, waivers)
        held = effect_tables.apply_holds(effects, findings)
    with doing("choosing the contrasts of the pools"):
        chosen, told = choose_contrasts(held, manifest)
    with doing("looking for effects that determine each other"):
        determined = refuse_determined(chosen, outcomes, book, book.settings.assumed_correlation)
    return effect_tables.apply_holds(chosen, determined), [*findings, *told, *determined]


def _baselines(
    manifest: TrialManifest, facts: dict[str, ParticipantFacts], outcomes: pd.DataFrame
) -> list[Finding]:
    """Baselines that no effect is adjusted for, one finding per comparison and outcome."""
    files = dict(zip(outcomes["outcome_id"], outcomes["file"], strict=True))
    return [
        Finding(
            trial,
            "baseline_not_used",
            Severity.WARNING,
            f"{outcome} ({one}_vs_{two}) is not adjusted for its baseline: {why}",
            "check `baseline_column:`; a column that repeats or recodes the outcome is no baseline",
            str(files.get(outcome, "")),
            column=getattr(manifest.outcome(outcome), "baseline_column", ""),
        )
        for trial, own in facts.items()
        for (one, two, outcome), why in own.baseline_faults.items()
    ]


def _moved(stack: Sequence[TrialEffects]) -> list[Finding]:
    return [
        Finding(
            str(t["trial_id"]),
            "correlations_contradict",
            Severity.INFO,
            "assumed correlations between its effects contradicted each other and were moved to "
            "the nearest consistent ones",
            "declare the correlations under `pairs:`",
        )
        for t in stack
        if t.moved
    ]
