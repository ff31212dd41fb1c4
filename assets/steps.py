"""The steps of a refresh as functions from store to store; the assets around them only say
when. Each reads what earlier steps wrote, calls pure functions, and writes its tables."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assets.sources.staging import IDENTITY, StagedTrial, stage_trial
from assets.store import TableStore
from assets.tables import action_control, correlational, gap, moderators, pooling, trial_tables
from assets.tables import arms as arm_tables
from assets.tables import effects as effect_tables
from assets.tables import outcomes as outcome_tables
from assets.tables import pairs as pair_tables
from assets.tables.participants import (
    ParticipantFacts,
    facts_from_counts,
    participant_facts,
)
from assets.tables.settings import AnalysisSettings
from assets.tables.stack import Stack
from validations.disclosure import protect_action_counts
from validations.findings import (
    Finding,
    Severity,
    apply_waivers,
    findings_frame,
    findings_from_frame,
)
from validations.manifest.model import TrialManifest
from validations.manifest.vocabulary import DisclosureProfile
from validations.records import RECORD_SCHEMAS
from validations.schema import RowRule
from validations.screening import Screened, screen
from validations.trial_rules import trial_findings, unused_declarations

STAGING_VERSION = "1"


def fingerprint(folder: Path) -> str:
    """Content hash of a trial folder: names and bytes of its files, and the code's version."""
    digest = hashlib.sha256(f"{STAGING_VERSION}\x00{version('ibgap')}".encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\x00")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def stage(store: TableStore, folder: Path) -> dict[str, Any]:
    """Read one trial folder into the store unless nothing in it changed; returns its summary."""
    name, mark = f"staged/{folder.name}", fingerprint(folder)
    if store.has(f"{name}/summary"):
        known = store.read_json(f"{name}/summary")
        if known["fingerprint"] == mark:
            return known | {"reused": True}
    staged = stage_trial(folder, store.secret())
    store.remove_folder(name)
    for kind, frame in staged.records.items():
        store.write(f"{name}/{kind}", frame)
    store.write(f"{name}/study_values", staged.study_values)
    store.write(f"{name}/findings", findings_frame(staged.findings))
    summary: dict[str, Any] = {
        "collection_id": folder.name,
        "fingerprint": mark,
        "manifest": staged.manifest.model_dump(mode="json") if staged.manifest else None,
        "files": staged.files,
        "kinds": sorted(staged.records),
        "rows": int(sum(len(frame) for frame in staged.records.values())),
        "findings": len(staged.findings),
    }
    store.write_json(f"{name}/summary", summary)  # last: its presence says the rest is there
    return summary | {"reused": False}


class Staged:
    """What staging wrote for the trials of this run."""

    def __init__(self, store: TableStore, trials: list[str]) -> None:
        self.store = store
        self.summaries = {t: store.read_json(f"staged/{t}/summary") for t in trials}

    @property
    def manifests(self) -> dict[str, TrialManifest]:
        return {
            trial: TrialManifest.model_validate(summary["manifest"])
            for trial, summary in self.summaries.items()
            if summary["manifest"]
        }

    def records(self, kind: str) -> pd.DataFrame:
        """Records of one kind stacked over trials (no rows when there are none)."""
        parts = [
            self.store.read(f"staged/{trial}/{kind}")
            for trial, summary in self.summaries.items()
            if kind in summary["kinds"]
        ]
        parts = [part.astype(object) for part in parts if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @property
    def study_values(self) -> pd.DataFrame:
        parts = [self.store.read(f"staged/{trial}/study_values") for trial in self.summaries]
        parts = [part for part in parts if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @property
    def findings(self) -> list[Finding]:
        out: list[Finding] = []
        for trial in self.summaries:
            for finding in findings_from_frame(self.store.read(f"staged/{trial}/findings")):
                out.append(finding if finding.trial_id else _named(finding, trial))
        return out


def _named(finding: Finding, trial: str) -> Finding:
    from dataclasses import replace

    return replace(finding, trial_id=trial)


def _declared_flags(
    records: pd.DataFrame, rules: tuple[RowRule, ...], manifests: dict[str, TrialManifest]
) -> dict[str, pd.Series]:
    """Rules about names: whether arms, outcomes and variables are in the manifest."""
    ids = {rule.id for rule in rules}
    arms = {
        c: {a.id for a in m.arms} or {"intervention", "comparator"} for c, m in manifests.items()
    }
    outcomes = {c: {o.id for o in m.outcomes} for c, m in manifests.items()}

    def known(column: str, names: dict[str, set[str]], *, empty: bool = False) -> pd.Series:
        return pd.Series(
            [
                (empty and v == "") or v in names.get(c, set())
                for c, v in zip(records["collection_id"], records[column], strict=True)
            ],
            index=records.index,
        )

    flags = {}
    if "arm_declared" in ids:
        flags["arm_declared"] = known("arm", arms)
    if "outcome_declared" in ids:
        flags["outcome_declared"] = known("outcome", outcomes)
    if "arms_declared" in ids:
        free = pd.Series(
            [not manifests[c].arms for c in records["collection_id"]], index=records.index
        )
        flags["arms_declared"] = free | (
            known("intervention", arms, empty=True) & known("comparator", arms, empty=True)
        )
    if "variables_declared" in ids:
        flags["variables_declared"] = known("variable_1", outcomes) & known("variable_2", outcomes)
    return flags


def screen_kind(kind: str, records: pd.DataFrame, manifests: dict[str, TrialManifest]) -> Screened:
    """Screen stacked records of one kind, with the scale limits of their outcomes."""
    schema = RECORD_SCHEMAS[kind]
    if records.empty:
        empty = pd.DataFrame(columns=[*IDENTITY, *schema.names])
        return Screened(empty, pd.DataFrame(), [], [])
    if kind == "arm_summaries":
        scales = [
            _scale(manifests[c], o)
            for c, o in zip(records["collection_id"], records["outcome"], strict=True)
        ]
        records = records.assign(scale_min=[s[0] for s in scales], scale_max=[s[1] for s in scales])
    return screen(records, schema, _declared_flags(records, schema.rules, manifests))


def _scale(manifest: TrialManifest, outcome_id: str) -> tuple[str, str]:
    outcome = manifest.outcome(outcome_id)
    if outcome is None:
        return "", ""
    limits = (outcome.scale.min, outcome.scale.max)
    return "" if limits[0] is None else str(limits[0]), "" if limits[1] is None else str(limits[1])


def screen_records(store: TableStore, trials: list[str], kind: str) -> dict[str, Any]:
    """Split the records of one kind into accepted and rejected, before anything is stored."""
    staged = Staged(store, trials)
    screened = screen_kind(kind, staged.records(kind), staged.manifests)
    store.write(f"screened/{kind}", screened.accepted)
    store.write(f"screened/{kind}_rejected", screened.rejected)
    store.write(f"screened/{kind}_findings", findings_frame(screened.findings))
    report = {
        "accepted": len(screened.accepted),
        "rejected": int(
            screened.rejected[["trial_id", "file", "row", "outcome"]].drop_duplicates().shape[0]
        )
        if len(screened.rejected)
        else 0,
        "checks": [asdict(outcome) for outcome in screened.outcomes],
    }
    store.write_json(f"screened/{kind}_report", report)
    return report


def summarize_participants(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> dict[str, Any]:
    """Aggregates of participant rows; the last step that sees a participant."""
    manifests = Staged(store, trials).manifests
    rows = store.read("screened/participant_rows")
    statistics = arm_tables.arms_from_participants(rows, manifests)
    facts = {
        str(trial): participant_facts(manifests[str(trial)], part, settings.intender_rule)
        for trial, part in rows.groupby("trial_id")
    }
    counts = store.read("screened/intention_by_action")
    for trial, part in counts.groupby("trial_id"):
        manifest = manifests[str(part["collection_id"].iloc[0])]
        facts.setdefault(str(trial), facts_from_counts(manifest, part, settings.intender_rule))
    store.write("participants/arm_statistics", statistics)
    store.write_json("participants/facts", {t: f.to_dict() for t, f in facts.items()})
    return {"trials": len(facts), "arm_statistics": len(statistics)}


def check_participants(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """Independent checks on participant rows: cross-check of g, assumptions, reliability."""
    from assets.tables.quality import CHECK_COLUMNS, findings_of_checks, participant_checks

    staged = Staged(store, trials)
    manifests, items = staged.manifests, staged.records("participant_items")
    checks: list[dict[str, object]] = []
    for trial, part in store.read("screened/participant_rows").groupby("trial_id"):
        own = items[items["collection_id"] == trial] if len(items) else items
        checks += participant_checks(manifests[str(trial)], part, own)
    table = pd.DataFrame(checks, columns=CHECK_COLUMNS)
    store.write("participants/participant_checks", table)
    store.write("participants/findings", findings_frame(findings_of_checks(table)))
    return table


def read_facts(store: TableStore) -> dict[str, ParticipantFacts]:
    """Aggregates of participant rows by trial."""
    data = store.read_json("participants/facts")
    return {trial: ParticipantFacts.from_dict(one) for trial, one in data.items()}


def assemble_outcomes(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """All outcome rows, from which the three outcome tables are cut."""
    manifests = Staged(store, trials).manifests
    statistics = pd.concat(
        [
            part
            for part in (
                arm_tables.arms_from_summaries(store.read("screened/arm_summaries"), manifests),
                arm_tables.arms_from_counts(store.read("screened/intention_by_action"), manifests),
                store.read("participants/arm_statistics"),
            )
            if len(part)
        ]
        or [pd.DataFrame(columns=arm_tables.ARM_STATISTICS)],
        ignore_index=True,
    )
    for name in ("comparison", "instrument", "timepoint"):
        statistics[name] = statistics[name].fillna("")
    reported = store.read("screened/reported_effects")
    rows = outcome_tables.outcome_rows(statistics, reported, manifests, read_facts(store))
    store.write("outcomes/arm_statistics", statistics)
    store.write("outcomes/outcome_rows", rows)
    findings = _unused(store, manifests, statistics, rows)
    store.write("outcomes/findings", findings_frame(findings))
    return rows


def _unused(
    store: TableStore,
    manifests: dict[str, TrialManifest],
    statistics: pd.DataFrame,
    rows: pd.DataFrame,
) -> list[Finding]:
    """What manifests declare and no accepted row mentions."""
    correlations = store.read("screened/correlations")
    findings: list[Finding] = []
    for trial, manifest in manifests.items():
        own = statistics[statistics["collection_id"] == trial]
        made = rows[rows["collection_id"] == trial]
        printed = made[made["basis"] == "reported_effects"]
        mentioned = {
            str(name)
            for column in ("outcome_id", "intervention_arm", "comparator_arm")
            for name in printed[column]
        }
        if len(correlations):
            pairs = correlations[correlations["collection_id"] == trial]
            mentioned |= set(pairs["variable_1"]) | set(pairs["variable_2"])
        findings += unused_declarations(
            manifest,
            set(zip(own["arm"].astype(str), own["outcome"].astype(str), strict=True)),
            set(made["outcome_id"]),
            mentioned,
        )
    return findings


def write_outcome_table(store: TableStore, construct: str) -> pd.DataFrame:
    """Cut one of the three outcome tables (`intention`, `behavior`, `upstream`)."""
    rows = store.read("outcomes/outcome_rows")
    table: pd.DataFrame = getattr(outcome_tables.split_outcomes(rows), construct)
    store.write(f"outcomes/{construct}_outcomes", table)
    return table


def read_outcomes(store: TableStore) -> pd.DataFrame:
    """The three outcome tables as one frame."""
    parts = [store.read(f"outcomes/{c}_outcomes") for c in ("intention", "behavior", "upstream")]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def compute_effects(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> pd.DataFrame:
    """Effects with their findings; held effects leave the pools until they are waived."""
    manifests = Staged(store, trials).manifests
    outcomes = read_outcomes(store)
    made = effect_tables.make_effects(outcomes, settings)
    waivers = [
        (m.id, w.rule, w.subject, w.by, w.reason) for m in manifests.values() for w in m.waivers
    ]
    findings = apply_waivers(
        trial_findings(outcomes, made[made["measure"] == "SMD"], manifests), waivers
    )
    effects = effect_tables.apply_holds(made, findings)
    store.write("effects/effects", effects)
    store.write("effects/findings", findings_frame(findings))
    return effects


def _book(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> pair_tables.CorrelationBook:
    staged = Staged(store, trials)
    return pair_tables.CorrelationBook(
        staged.manifests, read_facts(store), staged.study_values, settings
    )


def make_stack(
    store: TableStore, trials: list[str], settings: AnalysisSettings, assumed: float
) -> Stack:
    """Effects in the pools with their covariance, at an assumed within-arm correlation."""
    effects = store.read("effects/effects")
    if not effects["in_pool"].any():
        return Stack(())
    return Stack(
        tuple(
            pair_tables.all_trial_effects(
                effects, read_outcomes(store), _book(store, trials, settings), assumed
            )
        )
    )


def read_stack(store: TableStore) -> Stack:
    """The stack of the primary analysis, as the pairing step stored it."""
    return Stack.from_tables(store.read("effects/effects"), store.read("pairs/effect_covariances"))


def pair_effects(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    """Pairs, the covariances within trials, and what could not be paired."""
    stack = make_stack(store, trials, settings, settings.assumed_correlation)
    staged = Staged(store, trials)
    pairs, findings = pair_tables.make_pairs(
        stack.trials, staged.manifests, _book(store, trials, settings), settings.assumed_correlation
    )
    findings += [
        Finding(
            str(t["trial_id"]),
            "correlations_contradict",
            Severity.INFO,
            "assumed correlations between its effects contradicted each other and were moved to "
            "the nearest consistent ones",
            "declare the correlations under `pairs:`",
        )
        for t in stack.trials
        if t.moved
    ]
    store.write("pairs/paired_effects", pairs)
    store.write("pairs/effect_covariances", pair_tables.covariance_table(stack.trials))
    store.write("pairs/findings", findings_frame(findings))
    return pairs


def synthesize(
    store: TableStore, trials: list[str], settings: AnalysisSettings, table: str
) -> pd.DataFrame:
    """Make one table of the synthesis layer by name."""
    made = _SYNTHESES[table](store, trials, settings)
    store.write(f"synthesis/{table}", made)
    return made


def _pooled(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    stack = read_stack(store)
    common = pooling.pooled_effects(stack, settings)
    natural = pooling.pooled_natural_scales(store.read("effects/effects"), stack, settings)
    return pd.concat([common, natural], ignore_index=True) if len(natural) else common


def _gap(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return gap.gap_table(read_stack(store), store.read("pairs/paired_effects"), settings)


def _surrogacy(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return gap.surrogacy_table(read_stack(store), settings)


def _sensitivity(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return gap.sensitivity_table(lambda rho: make_stack(store, trials, settings, rho), settings)


def _moderators(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    staged = Staged(store, trials)
    declared = moderators.moderator_values(staged.manifests, staged.study_values)
    return moderators.moderator_effects(read_stack(store), declared, settings)


def _bias(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return moderators.bias_checks(read_stack(store), settings)


def _action(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    manifests = Staged(store, trials).manifests
    counts = action_control.action_counts(
        read_facts(store), store.read("screened/intention_by_action"), manifests
    )
    publishable = protect_action_counts(counts, disclosure_profiles(store, trials))
    return action_control.action_control(counts, publishable, settings)


def _correlations(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    manifests = Staged(store, trials).manifests
    return correlational.pooled_correlations(
        store.read("screened/correlations"), manifests, settings
    )


def _barriers(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return correlational.barrier_table(store.read("screened/barrier_codings"))


_SYNTHESES = {
    "pooled_effects": _pooled,
    "gap_estimates": _gap,
    "surrogacy": _surrogacy,
    "sensitivity": _sensitivity,
    "moderator_effects": _moderators,
    "bias_checks": _bias,
    "action_control": _action,
    "pooled_correlations": _correlations,
    "barrier_codings": _barriers,
}
SYNTHESIS_TABLES = tuple(_SYNTHESES)

DEFAULT_PROFILE = DisclosureProfile.ROUNDED


def disclosure_profiles(store: TableStore, trials: list[str]) -> dict[str, DisclosureProfile]:
    """Profile of every trial that has participant rows."""
    default = (
        DisclosureProfile(store.read_json("settings")["disclosure"])
        if store.has("settings")
        else DEFAULT_PROFILE
    )
    out = {}
    for trial, summary in Staged(store, trials).summaries.items():
        if "participant_rows" in summary["kinds"]:
            own = (summary["manifest"] or {}).get("disclosure")
            out[trial] = DisclosureProfile(own["profile"]) if own else default
    return out


def describe_trials(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """Trials, arms and instruments."""
    staged = Staged(store, trials)
    manifests = staged.manifests
    labels: dict[str, tuple[str, str]] = {}
    for kind in RECORD_SCHEMAS:
        records = store.read(f"screened/{kind}")
        if len(records):
            unique = records[["trial_id", "collection_id", "study_label"]].drop_duplicates(
                "trial_id"
            )
            labels |= {r.trial_id: (r.collection_id, r.study_label) for r in unique.itertuples()}
    for trial, manifest in manifests.items():
        if not any(collection == trial for collection, _ in labels.values()):
            labels[trial] = (trial, manifest.label)
    unreadable = {t: "manifest not usable" for t in trials if t not in manifests}
    table = trial_tables.trials_table(manifests, store.read("effects/effects"), unreadable, labels)
    store.write("context/trials", table)
    store.write(
        "context/arms", trial_tables.arms_table(manifests, store.read("outcomes/arm_statistics"))
    )
    store.write("context/instruments", trial_tables.instruments_table(manifests))
    return table


def collect_findings(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """All findings of the run, waivers applied, and all rejected rows."""
    staged = Staged(store, trials)
    findings = staged.findings
    parts = [f"screened/{kind}_findings" for kind in RECORD_SCHEMAS]
    made = ("outcomes", "participants", "effects", "pairs")
    for name in [*parts, *(f"{step}/findings" for step in made)]:
        findings += findings_from_frame(store.read(name))
    frame = findings_frame(findings)
    store.write("context/findings", frame)
    rejected = [store.read(f"screened/{kind}_rejected") for kind in RECORD_SCHEMAS]
    rejected = [part for part in rejected if len(part)]
    store.write(
        "context/rejected_rows",
        pd.concat(rejected, ignore_index=True) if rejected else pd.DataFrame({"trial_id": []}),
    )
    return frame


def check_staged(staged: StagedTrial) -> list[Finding]:
    """Findings of one staged trial as `ibgap trial check` shows them, screening included."""
    findings = [f if f.trial_id else _named(f, staged.collection_id) for f in staged.findings]
    if staged.manifest is None:
        return findings
    manifests = {staged.collection_id: staged.manifest}
    for kind, records in staged.records.items():
        if kind in RECORD_SCHEMAS:
            findings += screen_kind(kind, records.astype(object), manifests).findings
    return findings


def finite(value: float) -> float | None:
    """A number for JSON, None for nan."""
    return None if value is None or not np.isfinite(value) else float(value)


def json_text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, indent=1)
