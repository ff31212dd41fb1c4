"""Records of one kind, split into accepted and rejected rows."""

from __future__ import annotations

import json

import pandas as pd

from assets.sources.extraction import IDENTITY
from assets.tables.arms import lopsided_quantiles
from assets.tables.comparisons import arms_of_row
from validations.manifest.model import TrialManifest
from validations.records import RECORD_SCHEMAS
from validations.schema import RowRule, TableSchema
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
        flags["arms_told_apart"] = pd.Series(
            [
                arms_of_row(manifests[c], one or "", two or "") is not None
                for c, one, two in zip(
                    records["collection_id"], records["intervention"], records["comparator"],
                    strict=True,
                )
            ],
            index=records.index,
        )  # fmt: skip
        flags["arms_declared"] = free | (
            known("intervention", arms, empty=True) & known("comparator", arms, empty=True)
        )
    adjusted = {c: m.design.clustering_already_adjusted for c, m in manifests.items()}
    flags["effective_sizes"] = records["collection_id"].map(adjusted).fillna(False).astype(bool)
    if "quantiles_not_lopsided" in ids:
        flags["quantiles_not_lopsided"] = ~lopsided_quantiles(records)
    if "outcomes_declared" in ids:
        flags["outcomes_declared"] = known("intention", outcomes) & known("behavior", outcomes)
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
    flags = _declared_flags(records, schema.rules, manifests)
    return screen(records, schema, flags, _blank_labels(records, schema, manifests))


UNNAMED = ("favors", "control_group", "cluster", "layer", "coder", "source")
"""Texts that may be missing: a direction that nobody printed, a control group that is shared with
no one, a layer or coder that was not noted; clusters are judged with the trial's design."""


def _blank_labels(
    records: pd.DataFrame, schema: TableSchema, manifests: dict[str, TrialManifest]
) -> dict[str, pd.Series]:
    """Empty cells where the manifest names a column for a label, per label that has any.

    A label that every row must have is judged by its own rule. Under `may_be_empty:` a study may
    leave a label out in all of its rows, but not in some of them.
    """
    own = [c.name for c in schema.columns if not c.is_number and not c.required]
    free = {(m.id, s.id): set(s.may_be_empty) for m in manifests.values() for s in m.sources}
    columns = [json.loads(text) for text in records["found_in"]]
    spared = [free[key] for key in zip(records["collection_id"], records["source_id"], strict=True)]
    out = {}
    for name in ["study", *own]:
        if name not in records or name in UNNAMED:
            continue
        filled = records[name].fillna("").astype(str) != ""
        asked = pd.Series([name in one for one in columns], index=records.index)
        may = [one.get(name) in some for one, some in zip(columns, spared, strict=True)]
        some_filled = filled.groupby(records["trial_id"]).transform("any")
        wrong = ~filled & asked & (~pd.Series(may, index=records.index) | some_filled)
        if wrong.any():
            out[name] = wrong.reset_index(drop=True)
    return out


def _scale(manifest: TrialManifest, outcome_id: str) -> tuple[str, str]:
    outcome = manifest.outcome(outcome_id)
    if outcome is None:
        return "", ""
    limits = (outcome.scale.min, outcome.scale.max)
    return "" if limits[0] is None else str(limits[0]), "" if limits[1] is None else str(limits[1])
