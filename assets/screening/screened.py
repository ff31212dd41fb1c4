"""Records of one kind, split into accepted and rejected rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from assets.outcomes.arms import lopsided_quantiles
from assets.outcomes.comparisons import arms_of_row
from assets.rows import empty_table
from assets.staging.extraction import IDENTITY
from validations.manifest.model import TrialManifest
from validations.records import RECORD_SCHEMAS
from validations.schema import RowRule, TableSchema
from validations.screening import Screened, Split, join, split
from validations.typed_frames import numbered


class _Known:
    """Which cells of a column are among the names of their row's manifest: each different pair of
    manifest and cell is looked up once."""

    def __init__(self, records: pd.DataFrame) -> None:
        self._records = records
        self.row, self.collections = _coded(records["collection_id"])

    def of(self, by_collection: Mapping[str, bool]) -> np.ndarray:
        """What is known of the row's manifest."""
        known = [by_collection.get(one, False) for one in self.collections]
        return np.array([*known, False], dtype=bool)[self.row]

    def __call__(
        self, column: str, names: Mapping[str, set[str]], *, empty: bool = False
    ) -> np.ndarray:
        """Cells that are among the names; a missing one is, if `empty`."""
        codes, texts = _coded(self._records[column])
        known = np.zeros((len(self.collections) + 1, len(texts) + 1), dtype=bool)
        for i, collection in enumerate(self.collections):
            own = names.get(collection, set())
            known[i, :-1] = [text in own or (empty and text == "") for text in texts]
            known[i, -1] = empty
        return np.asarray(known[self.row, codes])


def _coded(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Codes of the cells and the different texts; missing ones have the code -1."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(), [str(one) for one in values.cat.categories]
    codes, texts = pd.factorize(values)
    return codes, [str(one) for one in texts]


def _declared_flags(
    records: pd.DataFrame, rules: tuple[RowRule, ...], manifests: dict[str, TrialManifest]
) -> dict[str, np.ndarray]:
    """Rules about names: whether arms, outcomes and variables are in the manifest."""
    ids = {rule.id for rule in rules}
    arms = {
        c: {a.id for a in m.arms} or {"intervention", "comparator"} for c, m in manifests.items()
    }
    outcomes = {c: {o.id for o in m.outcomes} for c, m in manifests.items()}
    known = _Known(records)
    adjusted = {c: m.design.clustering_already_adjusted for c, m in manifests.items()}
    flags = {"effective_sizes": known.of(adjusted)}
    if "arm_declared" in ids:
        flags["arm_declared"] = known("arm", arms)
    if "outcome_declared" in ids:
        flags["outcome_declared"] = known("outcome", outcomes)
    if "arms_declared" in ids:
        flags["arms_told_apart"] = _told_apart(records, manifests)
        flags["arms_declared"] = known.of({c: not m.arms for c, m in manifests.items()}) | (
            known("intervention", arms, empty=True) & known("comparator", arms, empty=True)
        )
    if "quantiles_not_lopsided" in ids:
        flags["quantiles_not_lopsided"] = ~lopsided_quantiles(records).to_numpy(dtype=bool)
    if "outcomes_declared" in ids:
        flags["outcomes_declared"] = known("intention", outcomes) & known("behavior", outcomes)
    if "variables_declared" in ids:
        flags["variables_declared"] = known("variable_1", outcomes) & known("variable_2", outcomes)
    return flags


def _told_apart(records: pd.DataFrame, manifests: dict[str, TrialManifest]) -> np.ndarray:
    """Rows of printed effects that say which arms they compare."""
    names = ["collection_id", "intervention", "comparator"]
    return np.array(
        [
            arms_of_row(manifests[c], one or "", two or "") is not None
            for c, one, two in zip(*(records[name] for name in names), strict=True)
        ],
        dtype=bool,
    )


def screen_kind(
    kind: str, records: pd.DataFrame | Sequence[pd.DataFrame], manifests: dict[str, TrialManifest]
) -> Screened:
    """Screen the records of one kind, with the scale limits of their outcomes.

    records: one frame, or several of the kind, whose rows never share a key (participant rows:
    one frame per source and outcome). What is accepted, rejected and counted is joined.
    """
    schema = RECORD_SCHEMAS[kind]
    frames = [records] if isinstance(records, pd.DataFrame) else list(records)
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        empty = empty_table([*IDENTITY, *schema.names])
        return Screened(empty, pd.DataFrame(), [], [])
    return join([_split(frame, schema, manifests) for frame in filled])


def _split(
    records: pd.DataFrame, schema: TableSchema, manifests: dict[str, TrialManifest]
) -> Split:
    records = numbered(records)
    if schema.name == "arm_summaries":
        pairs = zip(records["collection_id"], records["outcome"], strict=True)
        scales = np.array([_scale(manifests[c], o) for c, o in pairs], dtype=float)
        records["scale_min"], records["scale_max"] = scales[:, 0], scales[:, 1]
    flags = _declared_flags(records, schema.rules, manifests)
    return split(records, schema, flags, _blank_labels(records, schema, manifests))


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
    labels = [name for name in ["study", *own] if name in records and name not in UNNAMED]
    if not labels:
        return {}
    free = {(m.id, s.id): set(s.may_be_empty) for m in manifests.values() for s in m.sources}
    read = {text: json.loads(text) for text in records["found_in"].unique()}
    columns = [read[text] for text in records["found_in"]]
    spared = [free[key] for key in zip(records["collection_id"], records["source_id"], strict=True)]
    out = {}
    trials = records["trial_id"].tolist()
    for name in labels:
        filled = [not pd.isna(cell) and str(cell) != "" for cell in records[name]]
        if all(filled):
            continue
        some_filled = {trial for trial, one in zip(trials, filled, strict=True) if one}
        wrong = [
            not full and name in one and (one[name] not in some or trial in some_filled)
            for full, one, some, trial in zip(filled, columns, spared, trials, strict=True)
        ]
        if any(wrong):
            out[name] = pd.Series(wrong, index=records.index)
    return out


def _scale(manifest: TrialManifest, outcome_id: str) -> tuple[float, float]:
    """Limits of an outcome, nan where it has none."""
    outcome = manifest.outcome(outcome_id)
    limits = (outcome.scale.min, outcome.scale.max) if outcome else (None, None)
    return tuple(np.nan if one is None else float(one) for one in limits)  # type: ignore[return-value]
