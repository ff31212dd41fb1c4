"""The journey of one trial folder: read, screened, summarized, turned into effects and pairs.

Everything that is computed from one trial's own data is here, behind one fence: a journey ends in
tables or in findings of its trial, and never in an exception. In a review that holds many trials
each of them is fenced by itself, once the table of all of them has failed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.synthesis.settings import AnalysisSettings
from assets.fence import Broken, doing, fenced
from assets.journey import trial_numbers as numbers
from assets.journey.trial_numbers import Accepted, TrialNumbers, trial_numbers
from assets.outcomes.participants import ParticipantFacts
from assets.rows import empty_table
from assets.screening.screened import screen_kind
from assets.staging.limits import Limits
from assets.staging.stage import StagedTrial, stage_trial
from validations.findings import Finding, unused_waivers
from validations.judge import Judged
from validations.manifest.model import TrialManifest
from validations.records import RECORD_SCHEMAS
from validations.trial_rules import unused_declarations


@dataclass(frozen=True)
class Screened:
    """What screening made of the records of one kind: rows, and what each check counted.

    judged: the frames as the arrays judged them, until Great Expectations has looked at the same
    (`assets.screening.second_look`); they are never stored.
    """

    accepted: pd.DataFrame
    rejected: pd.DataFrame
    checks: list[dict[str, Any]]
    judged: tuple[Judged, ...] = ()


@dataclass(frozen=True)
class Journey:
    """What one trial folder gives.

    collection_id: name of the folder. manifest: None when it is not usable. files: the account of
    every file that was read (`assets.staging.files_read`). screened: by kind of record. tables: by
    name (`trial_numbers.TABLES`), only those with rows. facts: aggregates of participants by trial.
    traces: of unforeseen errors (restricted). by_machine: whether the machine was at fault, so
    that nothing of this may be remembered; out_of_memory: whether its memory was. for_good:
    whether another run with the same files would come to the same.
    """

    collection_id: str
    manifest: TrialManifest | None = None
    files: list[dict[str, object]] = field(default_factory=list)
    screened: dict[str, Screened] = field(default_factory=dict)
    study_values: pd.DataFrame = field(default_factory=pd.DataFrame)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    facts: dict[str, ParticipantFacts] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    traces: dict[str, str] = field(default_factory=dict)
    by_machine: bool = False
    out_of_memory: bool = False
    for_good: bool = True


def trial_journey(
    folder: Path,
    settings: AnalysisSettings,
    limits: Limits | None = None,
    *,
    checks: bool = True,
) -> Journey:
    """Everything computed from one trial folder; what goes wrong is among its findings.

    settings: the analyst's choices. limits: how much of a file is read, and for how long.
    checks: whether participant rows are checked with pingouin too.
    """
    made = fenced(folder.name, lambda: _journey(folder, settings, limits or Limits(), checks))
    return broken_journey(folder.name, made) if isinstance(made, Broken) else made


def broken_journey(trial: str, broken: Broken, known: Journey | None = None) -> Journey:
    """A journey without any numbers, for the reason given; what is known of the folder stays."""
    known = known or Journey(trial)
    traces = {trial: broken.trace} if broken.trace else {}
    return Journey(
        trial,
        known.manifest,
        known.files,
        findings=[*known.findings, broken.finding],
        traces=known.traces | traces,
        by_machine=known.by_machine or broken.by_machine,
        out_of_memory=known.out_of_memory or broken.out_of_memory,
    )


def _journey(folder: Path, settings: AnalysisSettings, limits: Limits, checks: bool) -> Journey:
    staged = stage_trial(folder, limits)
    name = folder.name
    findings = [f if f.trial_id else replace(f, trial_id=name) for f in staged.findings]
    journey = Journey(name, staged.manifest, staged.files, findings=findings)
    if staged.manifest is None:
        return journey
    manifest = staged.manifest
    screened, told = _screen(staged, manifest)
    findings += told
    accepted = Accepted(
        {kind: one.accepted for kind, one in screened.items() if len(one.accepted)},
        staged.records.get("participant_items", pd.DataFrame()),
        staged.study_values,
        staged.unlinked,
    )
    parts, broken = _numbers(manifest, accepted, settings, checks)
    for one in parts:
        findings += one.findings
    findings += [one.finding for one in broken]
    waivers = [(manifest.id, w.rule, w.subject, w.by, w.reason) for w in manifest.waivers]
    findings += unused_waivers(findings, waivers)
    tables = _stacked(parts)
    if not broken:
        findings += _unused(manifest, accepted, tables)
    return replace(
        journey,
        screened=screened,
        study_values=staged.study_values,
        tables=tables,
        facts={t: f for one in parts for t, f in one.facts.items()},
        traces={one.finding.trial_id: one.trace for one in broken if one.trace},
        by_machine=any(one.by_machine for one in broken),
        out_of_memory=any(one.out_of_memory for one in broken),
    )


def _screen(
    staged: StagedTrial, manifest: TrialManifest
) -> tuple[dict[str, Screened], list[Finding]]:
    """Accepted and rejected rows of every kind of record."""
    out: dict[str, Screened] = {}
    findings: list[Finding] = []
    kinds = {kind: [frame] for kind, frame in staged.records.items()}
    for kind, frames in (kinds | {"participant_rows": staged.persons}).items():
        if kind not in RECORD_SCHEMAS or not any(len(frame) for frame in frames):
            continue
        with doing(f"checking the rows of {kind.replace('_', ' ')}"):
            found = screen_kind(kind, frames, {manifest.id: manifest})
        checks = [asdict(outcome) for outcome in found.outcomes]
        out[kind] = Screened(found.accepted, found.rejected, checks, found.judged)
        findings += found.findings
    return out, findings


def _numbers(
    manifest: TrialManifest, accepted: Accepted, settings: AnalysisSettings, checks: bool
) -> tuple[list[TrialNumbers], list[Broken]]:
    """The numbers of all trials of a manifest at once, or of each by itself where that fails."""

    def work(part: Accepted) -> Callable[[], TrialNumbers]:
        return lambda: trial_numbers(manifest, part, settings, checks=checks)

    trials = accepted.trials
    whole = fenced(trials[0] if len(trials) == 1 else manifest.id, work(accepted))
    if not isinstance(whole, Broken):
        return [whole], []
    if len(trials) < 2 or whole.by_machine:
        return [], [whole]
    each = [fenced(trial, work(accepted.of_trial(trial))) for trial in trials]
    parts = [one for one in each if not isinstance(one, Broken)]
    broken = [one for one in each if isinstance(one, Broken)]
    return parts, broken or [whole]


def _stacked(parts: list[TrialNumbers]) -> dict[str, pd.DataFrame]:
    """The tables of several trials as one each; those without rows are left out."""
    out = {}
    for name in numbers.TABLES:
        filled = [frame for one in parts if len(frame := getattr(one, name))]
        if filled:
            out[name] = pd.concat(filled, ignore_index=True)
    return out


def _unused(
    manifest: TrialManifest, accepted: Accepted, tables: dict[str, pd.DataFrame]
) -> list[Finding]:
    """What the manifest declares and no accepted row mentions."""
    none = empty_table(["arm", "outcome", "basis", "outcome_id", "intervention_arm",
                        "comparator_arm"])  # fmt: skip
    arms, rows = tables.get("arm_statistics", none), tables.get("outcome_rows", none)
    printed = rows[rows["basis"] == "reported_effects"]
    mentioned = {
        str(name)
        for column in ("outcome_id", "intervention_arm", "comparator_arm")
        for name in printed[column]
    }
    pairs = accepted.kind("correlations")
    mentioned |= set(pairs["variable_1"]) | set(pairs["variable_2"])
    with doing("looking for declarations that no row mentions"):
        return unused_declarations(
            manifest,
            set(zip(arms["arm"].astype(str), arms["outcome"].astype(str), strict=True)),
            set(rows["outcome_id"]),
            mentioned,
        )
