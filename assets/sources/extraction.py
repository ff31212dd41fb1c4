"""What the rows of one source say, as records of text: fields, identity, participants, studies."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import unicodedata
from dataclasses import replace

import pandas as pd

from assets.sources.declared_texts import translated
from assets.sources.reading import RawTable, require_columns
from ibgap.base.labels import clean_labels
from validations.manifest.model import (
    ActionSource,
    ArmSource,
    CodingSource,
    CorrelationSource,
    EffectSource,
    Outcome,
    ParticipantSource,
    Source,
    TrialManifest,
)
from validations.records import RECORD_SCHEMAS

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


def cells(raw: RawTable, source: Source, columns: list[str], *, label: bool = True) -> pd.Series:
    """Text of one or several joined columns, recoded and with missing codes emptied.

    label: whether the cells name something; then they pass the door of labels first.
    """
    parts = []
    for column in columns:
        text = raw.frame[column].astype(str)
        if label:
            text = pd.Series(clean_labels(list(text)), index=text.index, dtype=object)
        mapping = source.recode.get(column, {})
        if mapping:
            by_label = {
                code: mapping[label]
                for code, label in raw.labels.get(column, {}).items()
                if label in mapping
            }
            text = translated(text, {**by_label, **mapping}, source.format.decimal)
        missing = dict.fromkeys(source.missing_codes, "")
        parts.append(translated(text, missing, source.format.decimal))
    joined = parts[0]
    for part in parts[1:]:
        joined = (joined + " " + part).str.strip()
    return joined


_NUMERIC_FIELDS = frozenset(
    column.name
    for schema in RECORD_SCHEMAS.values()
    for column in schema.columns
    if column.is_number
)


def _number_text(text: pd.Series, source: Source) -> pd.Series:
    """Numbers with a decimal point. Where the decimal sign is a comma, points that group
    thousands go; any other point stays visible as `·`, so that the cell is not a number."""
    if source.format.decimal != ",":
        return text
    grouped = text.str.match(r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$")
    plain = text.where(~grouped, text.str.replace(".", "", regex=False))
    return plain.str.replace(".", "·", regex=False).str.replace(",", ".", regex=False)


def _fields(
    raw: RawTable,
    source: Source,
    mapping: dict[str, list[str]],
    values: dict[str, str],
    all_fields: list[str],
) -> pd.DataFrame:
    require_columns(raw, mapping)
    out = pd.DataFrame(index=raw.frame.index)
    for name in all_fields:
        if name in mapping:
            is_number = name in _NUMERIC_FIELDS
            text = cells(raw, source, mapping[name], label=not is_number)
            out[name] = _number_text(text, source) if is_number else text
        else:
            out[name] = values.get(name, "")
    return out


def _identify(
    frame: pd.DataFrame,
    manifest: TrialManifest,
    source: Source,
    raw: RawTable,
    block: int,
    found_in: dict[str, list[str]],
) -> pd.DataFrame:
    study = frame["study"] if "study" in frame else pd.Series("", index=frame.index)
    is_named = study != ""
    frame["study_label"] = study.where(is_named, manifest.label)
    frame["trial_id"] = [f"{manifest.id}/{slug(s)}" if s else manifest.id for s in study]
    frame["collection_id"] = manifest.id
    frame["source_id"] = source.id
    frame["file"] = source.file
    frame["row"] = raw.rows
    frame["block"] = block
    frame["found_in"] = json.dumps({k: " + ".join(v) for k, v in found_in.items()}, sort_keys=True)
    rest = [c for c in frame.columns if c not in IDENTITY]
    return frame[IDENTITY + rest]


def extract(
    manifest: TrialManifest, source: Source, raw: RawTable, key: bytes
) -> dict[str, pd.DataFrame]:
    if isinstance(source, ParticipantSource):
        return _participants(manifest, source, raw, key)
    blocks = source.blocks if isinstance(source, (ArmSource, EffectSource)) else [source.columns]
    fields = [name for name in type(blocks[0]).model_fields if name != "values"]
    frames = []
    for number, block in enumerate(blocks):
        frame = _fields(raw, source, block.mapping(), block.values, fields)
        if isinstance(source, (EffectSource, ArmSource)) and len(blocks) > 1:
            # A wide row may leave one of its blocks empty; that is not a fault.
            numbers = [
                c
                for c in frame.columns
                if c in _NUMERIC_FIELDS
                and c in block.mapping()
                and c not in ("n", "n1", "n2", "weeks", "days")
            ]
            filled = (frame[numbers] != "").any(axis=1)
            frame, kept = frame[filled], [r for r, f in zip(raw.rows, filled, strict=True) if f]
            part = replace(raw, frame=frame, rows=kept)
            frames.append(_identify(frame.copy(), manifest, source, part, number, block.mapping()))
        else:
            frames.append(_identify(frame, manifest, source, raw, number, block.mapping()))
    kind = {
        ArmSource: "arm_summaries",
        EffectSource: "reported_effects",
        CorrelationSource: "correlations",
        ActionSource: "intention_by_action",
        CodingSource: "barrier_codings",
    }[type(source)]
    return {kind: pd.concat(frames, ignore_index=True)}


def _participants(
    manifest: TrialManifest, source: ParticipantSource, raw: RawTable, key: bytes
) -> dict[str, pd.DataFrame]:
    outcomes = [
        outcome
        for outcome in manifest.outcomes
        if outcome.column and (outcome.source or source.id) == source.id
    ]
    wanted = source.columns.mapping()
    for outcome in outcomes:
        columns = [
            outcome.column,
            outcome.arm_column,
            outcome.baseline_column,
            *outcome.item_columns,
        ]
        wanted[f"outcome {outcome.id}"] = [column for column in columns if column]
    require_columns(raw, wanted)
    ids = clean_labels(list(raw.frame[source.columns.participant]))
    person = _pseudonyms(ids, manifest.id, key)
    frames, items = [], []
    for outcome in outcomes:
        frames.append(_outcome_values(manifest, source, raw, outcome, person))
        for column in dict.fromkeys(outcome.item_columns):
            items.append(
                pd.DataFrame(
                    {
                        "collection_id": manifest.id,
                        "outcome": outcome.id,
                        "participant": person,
                        "item": column,
                        "value": _number_text(cells(raw, source, [column], label=False), source),
                    }
                )
            )
    out = {"participant_rows": pd.concat(frames, ignore_index=True)} if frames else {}
    if items:
        out["participant_items"] = pd.concat(items, ignore_index=True)
    return out


def _pseudonyms(ids: list[str], trial: str, key: bytes) -> list[str]:
    return [
        hmac.new(key, f"{trial}\x00{one}".encode(), hashlib.sha256).hexdigest()[:24] if one else ""
        for one in ids
    ]


def _outcome_values(
    manifest: TrialManifest,
    source: ParticipantSource,
    raw: RawTable,
    outcome: Outcome,
    person: list[str],
) -> pd.DataFrame:
    is_binary = outcome.scale.type == "binary"
    value = cells(raw, source, [outcome.column], label=is_binary)
    if is_binary:
        yes = dict.fromkeys(outcome.scale.acted_values, "1")
        no = dict.fromkeys(outcome.scale.not_acted_values, "0")
        labels = raw.labels.get(outcome.column, {})
        by_label = {c: {**yes, **no}[t] for c, t in labels.items() if t in {**yes, **no}}
        value = translated(value, {**by_label, **yes, **no}, source.format.decimal)
    else:
        value = _number_text(value, source)
    columns = source.columns
    frame = pd.DataFrame(
        {
            "participant": person,
            "arm": cells(raw, source, [outcome.arm_column or columns.arm]),
            "cluster": cells(raw, source, [columns.cluster]) if columns.cluster else "",
            "outcome": outcome.id,
            "value": value,
            "baseline": (
                _number_text(cells(raw, source, [outcome.baseline_column], label=False), source)
                if outcome.baseline_column
                else ""
            ),
            "scale_min": "" if outcome.scale.min is None else str(outcome.scale.min),
            "scale_max": "" if outcome.scale.max is None else str(outcome.scale.max),
            "scale_type": outcome.scale.type.value,
        }
    )
    found_in = columns.mapping() | {"arm": [outcome.arm_column or columns.arm]}
    found_in |= {"value": [outcome.column], "baseline": [outcome.baseline_column]}
    identified = _identify(frame, manifest, source, raw, 0, found_in)
    # A person without this outcome is not a faulty row.
    return identified[identified["value"] != ""]


def values_of_studies(manifest: TrialManifest, source: Source, raw: RawTable) -> pd.DataFrame:
    """Columns named by moderators and pair correlations, per study of this source."""
    given = [pair.correlation for pair in manifest.pairs if pair.correlation]
    wanted = [(f"moderator {m.name}", m.column, m.source) for m in manifest.moderators]
    wanted += [("correlation of a pair", c.column, c.source) for c in given]
    only = len(manifest.sources) == 1
    here = [(why, c) for why, c, where in wanted if c and where in ("", source.id)]
    must = [(why, c) for why, c, where in wanted if c and (where == source.id or only)]
    require_columns(raw, {why: [column] for why, column in must})
    columns = [c for c in dict.fromkeys(c for _, c in here) if c in raw.frame.columns]
    block = source.blocks[0] if isinstance(source, (ArmSource, EffectSource)) else source.columns
    study = block.mapping().get("study") if hasattr(block, "study") else None
    if not columns:
        return pd.DataFrame()
    labels = cells(raw, source, study) if study else pd.Series("", index=raw.frame.index)
    comparison = block.mapping().get("comparison") if hasattr(block, "comparison") else None
    marks = cells(raw, source, comparison) if comparison else pd.Series("", index=raw.frame.index)
    parts = [
        pd.DataFrame(
            {
                "trial_id": [f"{manifest.id}/{slug(s)}" if s else manifest.id for s in labels],
                "collection_id": manifest.id,
                "study_label": labels.where(labels != "", manifest.label),
                "comparison": marks,
                "column": column,
                "value": _number_text(cells(raw, source, [column]), source),
            }
        )
        for column in columns
    ]
    return pd.concat(parts, ignore_index=True)
