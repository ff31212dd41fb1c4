"""Splitting staged records into accepted and rejected."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from assets.sources.staging import IDENTITY, StagedTrial
from assets.steps.staging import Staged, name_trial
from assets.store import TableStore
from assets.tables.arms import lopsided_quantiles
from validations.findings import (
    Finding,
    findings_frame,
)
from validations.manifest.model import TrialManifest
from validations.records import RECORD_SCHEMAS
from validations.schema import RowRule
from validations.screening import Screened, screen


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
    adjusted = {c: m.design.clustering_already_adjusted for c, m in manifests.items()}
    flags["effective_sizes"] = records["collection_id"].map(adjusted).fillna(False).astype(bool)
    if "quantiles_not_lopsided" in ids:
        flags["quantiles_not_lopsided"] = ~lopsided_quantiles(records)
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


def check_staged(staged: StagedTrial) -> list[Finding]:
    """Findings of one staged trial as `ibgap trial check` shows them, screening included."""
    findings = [f if f.trial_id else name_trial(f, staged.collection_id) for f in staged.findings]
    if staged.manifest is None:
        return findings
    manifests = {staged.collection_id: staged.manifest}
    for kind, records in staged.records.items():
        if kind in RECORD_SCHEMAS:
            findings += screen_kind(kind, records.astype(object), manifests).findings
    return findings
