"""What the rows of one source say, as records of text: fields, identity, values of studies."""

from __future__ import annotations

import json
import re
import unicodedata

import numpy as np
import pandas as pd

from assets.staging.fields import label_field, number_field
from assets.staging.number_texts import number_texts_of
from assets.staging.reading import RawTable, require_columns
from validations.manifest.model import (
    ActionSource,
    ArmSource,
    CodingSource,
    CorrelationSource,
    EffectSource,
    Source,
    TrialManifest,
    blocks_of,
)
from validations.records import RECORD_SCHEMAS
from validations.typed_frames import frame_of

IDENTITY = [
    "trial_id",
    "collection_id",
    "study_label",
    "source_id",
    "file",
    "row",
    "block",
    "found_in",
]
"""`found_in` maps fields to columns of the file (JSON): a fault names what a person sees."""


def slug(text: str) -> str:
    """A study label as an identifier: `van Koningsbruggen 2009b` -> `van_koningsbruggen_2009b`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_") or "study"


NUMERIC_FIELDS = frozenset(
    column.name
    for schema in RECORD_SCHEMAS.values()
    for column in schema.columns
    if column.is_number
)


_OF_ARMS = ("arm", "intervention", "comparator")
_OF_OUTCOMES = ("outcome", "intention", "behavior", "variable_1", "variable_2")
"""Fields whose cells are identifiers of the manifest."""


def _ids(manifest: TrialManifest, field: str) -> list[str]:
    """The identifiers that a field may hold."""
    if field in _OF_ARMS:
        return [arm.id for arm in manifest.arms]
    return [outcome.id for outcome in manifest.outcomes] if field in _OF_OUTCOMES else []


def _fields(
    manifest: TrialManifest,
    raw: RawTable,
    source: Source,
    mapping: dict[str, list[str]],
    values: dict[str, str],
    all_fields: list[str],
) -> dict[str, np.ndarray]:
    """The texts of all fields by row."""
    require_columns(raw, mapping)
    count = len(raw.rows)
    return {
        name: np.array(_texts(raw, source, name, mapping[name], _ids(manifest, name)), dtype=object)
        if name in mapping
        else np.full(count, values.get(name, ""), dtype=object)
        for name in all_fields
    }


def _texts(
    raw: RawTable, source: Source, field: str, columns: list[str], ids: list[str]
) -> list[str]:
    """Text of a field in each row: a label, or a number with a decimal point."""
    if field not in NUMERIC_FIELDS:
        return label_field(raw, source, columns, ids).rows()
    return number_field(raw, source, columns[0], percent=field == "percent").rows()


def _identify(
    fields: dict[str, np.ndarray],
    manifest: TrialManifest,
    source: Source,
    rows: np.ndarray,
    block: int,
    found_in: dict[str, list[str]],
) -> pd.DataFrame:
    """The records of one block: identity and fields."""
    count = len(rows)
    study = fields["study"].tolist() if "study" in fields else [""] * count
    columns = json.dumps({k: " + ".join(v) for k, v in found_in.items()}, sort_keys=True)
    identity = {
        "trial_id": [f"{manifest.id}/{slug(s)}" if s else manifest.id for s in study],
        "collection_id": [manifest.id] * count,
        "study_label": [s or manifest.label for s in study],
        "source_id": [source.id] * count,
        "file": [source.file] * count,
        "found_in": [columns] * count,
    }
    cells = {name: np.array(texts, dtype=object) for name, texts in identity.items()}
    cells |= {"row": rows, "block": np.full(count, block)}
    rest = [name for name in fields if name not in IDENTITY]
    return frame_of(cells | fields, [*IDENTITY, *rest], count)


def extract(manifest: TrialManifest, source: Source, raw: RawTable) -> dict[str, pd.DataFrame]:
    """Records of a source that is no list of participants, by kind, as text.

    Raises `TrialFileError` when the file lacks a column that the manifest names.
    """
    blocks = blocks_of(source)
    fields = [name for name in type(blocks[0]).model_fields if name != "values"]
    frames = []
    for number, block in enumerate(blocks):
        cells = _fields(manifest, raw, source, block.mapping(), block.values, fields)
        rows = raw.rows
        if len(blocks) > 1:
            # A wide row may leave one of its blocks empty; that is not a fault.
            numbers = [
                c
                for c in cells
                if c in NUMERIC_FIELDS
                and c in block.mapping()
                and c not in ("n", "n1", "n2", "weeks", "days")
            ]
            filled = np.zeros(len(rows), dtype=bool)
            for name in numbers:
                filled |= cells[name] != ""
            cells, rows = {name: own[filled] for name, own in cells.items()}, rows[filled]
        frames.append(_identify(cells, manifest, source, rows, number, block.mapping()))
    kind = {
        ArmSource: "arm_summaries",
        EffectSource: "reported_effects",
        CorrelationSource: "correlations",
        ActionSource: "intention_by_action",
        CodingSource: "barrier_codings",
    }[type(source)]
    return {kind: frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)}


def values_of_studies(manifest: TrialManifest, source: Source, raw: RawTable) -> pd.DataFrame:
    """Columns named by moderators and pair correlations, per study of this source."""
    given = [pair.correlation for pair in manifest.pairs if pair.correlation]
    wanted = [(f"moderator {m.name}", m.column, m.source) for m in manifest.moderators]
    wanted += [("correlation of a pair", c.column, c.source) for c in given]
    only = len(manifest.sources) == 1
    here = [(why, c) for why, c, where in wanted if c and where in ("", source.id)]
    must = [(why, c) for why, c, where in wanted if c and (where == source.id or only)]
    require_columns(raw, {why: [column] for why, column in must})
    columns = [c for c in dict.fromkeys(c for _, c in here) if c in raw.columns]
    block = blocks_of(source)[0]
    study = block.mapping().get("study") if hasattr(block, "study") else None
    if not columns:
        return pd.DataFrame()
    none = [""] * len(raw.rows)
    labels = pd.Series(label_field(raw, source, study).rows() if study else none, dtype=object)
    comparison = block.mapping().get("comparison") if hasattr(block, "comparison") else None
    marks = label_field(raw, source, comparison).rows() if comparison else none
    parts = [
        pd.DataFrame(
            {
                "trial_id": [f"{manifest.id}/{slug(s)}" if s else manifest.id for s in labels],
                "collection_id": manifest.id,
                "study_label": labels.where(labels != "", manifest.label),
                "comparison": marks,
                "column": column,
                "value": study_value(raw, source, column),
            }
        )
        for column in columns
    ]
    return pd.concat(parts, ignore_index=True)


def study_value(raw: RawTable, source: Source, name: str) -> list[str]:
    """Cells of a column that a moderator or a pair names: numbers with a decimal point, labels."""
    column = label_field(raw, source, [name])
    return column.as_other_text(number_texts_of(column, source.format.decimal)).rows()
