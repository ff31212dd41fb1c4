"""One trial folder -> records: what each row says, in the manifest's own words, still as text."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from assets.fence import doing
from assets.sources.declared_texts import translated
from assets.sources.labels import Persons, compare_persons, labels_alike
from assets.sources.reading import RawTable, declared_columns, read_table, require_columns
from ibgap.base.labels import clean_label, clean_labels
from validations.errors import TrialFileError
from validations.findings import Finding, Severity
from validations.manifest import load_manifest
from validations.manifest.load import MANIFEST_NAME
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
from validations.manifest.vocabulary import DesignType
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


@dataclass
class StagedTrial:
    """What was read from one trial folder.

    manifest: None when it could not be read. records: kind -> frame of text with the identity
    columns. study_values: per study of a review, columns that pairs and moderators name.
    unlinked: pairs of participant sources whose ids do not tell the same persons. files: name,
    sha256, bytes and rows of every file.
    """

    collection_id: str
    manifest: TrialManifest | None = None
    records: dict[str, pd.DataFrame] = field(default_factory=dict)
    study_values: pd.DataFrame = field(default_factory=pd.DataFrame)
    unlinked: frozenset[frozenset[str]] = frozenset()
    findings: list[Finding] = field(default_factory=list)
    files: list[dict[str, object]] = field(default_factory=list)


def stage_trial(folder: Path, key: bytes) -> StagedTrial:
    """Read manifest and files of a trial folder; what is wrong with them becomes findings.

    key: secret of this store; participant ids leave this function only as keyed hashes.
    """
    staged = StagedTrial(folder.name)
    with doing("reading the manifest", file=MANIFEST_NAME):
        try:
            manifest = load_manifest(folder)
        except TrialFileError as error:
            staged.findings += error.findings
            return staged
    staged.manifest = manifest
    staged.findings += _unfinished(folder.name, manifest)
    frames: dict[str, list[pd.DataFrame]] = {}
    study_values: list[pd.DataFrame] = []
    persons: dict[str, Persons] = {}
    for source in manifest.sources:
        with doing("reading the data file", file=source.file):
            try:
                _read_source(staged, manifest, source, folder, key, frames, study_values, persons)
            except TrialFileError as error:
                staged.findings += error.findings
    staged.records = {kind: pd.concat(parts, ignore_index=True) for kind, parts in frames.items()}
    staged.study_values = (
        pd.concat(study_values, ignore_index=True) if study_values else pd.DataFrame()
    )
    _tell_studies_apart(staged)
    staged.findings += labels_alike(folder.name, staged.records)
    staged.unlinked, told = compare_persons(folder.name, persons)
    staged.findings += told
    return staged


def _read_source(
    staged: StagedTrial,
    manifest: TrialManifest,
    source: Source,
    folder: Path,
    key: bytes,
    frames: dict[str, list[pd.DataFrame]],
    study_values: list[pd.DataFrame],
    persons: dict[str, Persons],
) -> None:
    """Add what one source gives."""
    declared = declared_columns(manifest, source)
    raw = read_table(folder.name, folder, source.file, source.format, declared)
    staged.findings += raw.findings
    staged.files.append(
        {"file": source.file, "sha256": raw.sha256, "bytes": raw.size, "rows": len(raw.frame)}
    )
    named = {"fill_down": source.fill_down, "may_be_empty": source.may_be_empty}
    require_columns(raw, {"recode": list(source.recode), **named})
    raw = _filled_down(raw, source)
    raw, excluded = _keep_declared_rows(raw, source)
    staged.findings += _note_excluded(folder.name, source, excluded)
    for kind, frame in _extract(manifest, source, raw, key).items():
        frames.setdefault(kind, []).append(frame)
    if isinstance(source, ParticipantSource):
        ids, arms = source.columns.participant, source.columns.arm
        moves = manifest.design.type is DesignType.CROSSOVER
        persons[source.id] = Persons(
            clean_labels(list(raw.frame[ids])), [] if moves else list(_cells(raw, source, [arms]))
        )
        staged.findings += _moderators_of_persons(manifest, source)
    else:
        study_values.append(_study_values(manifest, source, raw))


def _filled_down(raw: RawTable, source: Source) -> RawTable:
    """Empty cells of the columns under `fill_down:` with the cell above."""
    if not source.fill_down:
        return raw
    frame = raw.frame.copy()
    for column in source.fill_down:
        filled = [clean_label(str(cell)) or None for cell in frame[column]]
        frame[column] = pd.Series(filled, index=frame.index, dtype=object).ffill().fillna("")
    return replace(raw, frame=frame)


def _moderators_of_persons(manifest: TrialManifest, source: ParticipantSource) -> list[Finding]:
    """A moderator describes trials; a cell of a participant's row is never published as one."""
    named = [m for m in manifest.moderators if m.column and m.source in ("", source.id)]
    only = len(manifest.sources) == 1
    return [
        Finding(
            manifest.id,
            "moderator_of_participants",
            Severity.WARNING,
            f"the moderator {m.name!r} names the column {m.column!r} of participant rows, whose "
            "cells are never published; the trial has no value of it",
            "give the trial's value as `value:`",
            "trial.yaml",
        )
        for m in named
        if m.source or only
    ]


def _unfinished(trial: str, manifest: TrialManifest) -> list[Finding]:
    """Texts of a draft that nobody completed."""
    about = manifest.provenance
    names = [n for n in type(about).model_fields if str(getattr(about, n)).startswith("CHECK")]
    return [
        Finding(
            trial,
            "manifest_unfinished",
            Severity.WARNING,
            f"provenance.{name} still says CHECK",
            "complete it: the release prints it as the trial's source",
            "trial.yaml",
        )
        for name in names
    ]


def _tell_studies_apart(staged: StagedTrial) -> None:
    """Give studies whose labels differ only in signs (`LOW`, `LOW+`) ids of their own."""
    frames = [frame for frame in staged.records.values() if "study_label" in frame]
    if not staged.study_values.empty:
        frames.append(staged.study_values)
    labels: dict[str, set[str]] = {}
    for frame in frames:
        for trial_id, label in zip(frame["trial_id"], frame["study_label"], strict=True):
            labels.setdefault(trial_id, set()).add(label)
    shared = {trial_id for trial_id, names in labels.items() if len(names) > 1}
    for frame in frames if shared else []:
        frame["trial_id"] = [
            f"{t}_{hashlib.sha256(label.encode()).hexdigest()[:4]}" if t in shared else t
            for t, label in zip(frame["trial_id"], frame["study_label"], strict=True)
        ]


def slug(text: str) -> str:
    """A study label as an identifier: `van Koningsbruggen 2009b` -> `van_koningsbruggen_2009b`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_") or "study"


def _keep_declared_rows(raw: RawTable, source: Source) -> tuple[RawTable, int]:
    if not source.where:
        return raw, 0
    require_columns(raw, {column: [column] for column in source.where})
    keep = pd.Series(True, index=raw.frame.index)
    for column, texts in source.where.items():
        declared = {text: text for text in texts}
        cells = pd.Series(clean_labels(list(raw.frame[column])), index=keep.index, dtype=object)
        keep &= translated(cells, declared, source.format.decimal).isin(texts)
    rows = [row for row, kept in zip(raw.rows, keep, strict=True) if kept]
    kept = replace(raw, frame=raw.frame[keep].reset_index(drop=True), rows=rows)
    return kept, int((~keep).sum())


def _note_excluded(trial: str, source: Source, excluded: int) -> list[Finding]:
    if not excluded:
        return []
    return [
        Finding(
            trial,
            "rows_filtered",
            Severity.INFO,
            f"{excluded} rows are left out by `where:` ({', '.join(source.where)})",
            "",
            source.file,
            count=excluded,
        )
    ]


def _cells(raw: RawTable, source: Source, columns: list[str], *, label: bool = True) -> pd.Series:
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
            text = _cells(raw, source, mapping[name], label=not is_number)
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


def _extract(
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
                        "value": _number_text(_cells(raw, source, [column], label=False), source),
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
    value = _cells(raw, source, [outcome.column], label=is_binary)
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
            "arm": _cells(raw, source, [outcome.arm_column or columns.arm]),
            "cluster": _cells(raw, source, [columns.cluster]) if columns.cluster else "",
            "outcome": outcome.id,
            "value": value,
            "baseline": (
                _number_text(_cells(raw, source, [outcome.baseline_column], label=False), source)
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


def _study_values(manifest: TrialManifest, source: Source, raw: RawTable) -> pd.DataFrame:
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
    labels = _cells(raw, source, study) if study else pd.Series("", index=raw.frame.index)
    comparison = block.mapping().get("comparison") if hasattr(block, "comparison") else None
    marks = _cells(raw, source, comparison) if comparison else pd.Series("", index=raw.frame.index)
    parts = [
        pd.DataFrame(
            {
                "trial_id": [f"{manifest.id}/{slug(s)}" if s else manifest.id for s in labels],
                "collection_id": manifest.id,
                "study_label": labels.where(labels != "", manifest.label),
                "comparison": marks,
                "column": column,
                "value": _number_text(_cells(raw, source, [column]), source),
            }
        )
        for column in columns
    ]
    return pd.concat(parts, ignore_index=True)
