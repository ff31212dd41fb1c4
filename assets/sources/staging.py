"""One trial folder -> records: what each row says, in the manifest's own words, still as text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from assets.fence import doing
from assets.sources.declared_texts import translated
from assets.sources.extraction import cells, extract, values_of_studies
from assets.sources.labels import Persons, compare_persons, labels_alike
from assets.sources.reading import RawTable, declared_columns, read_table, require_columns
from ibgap.base.labels import clean_label, clean_labels
from validations.errors import TrialFileError
from validations.findings import Finding, Severity
from validations.manifest import load_manifest
from validations.manifest.load import MANIFEST_NAME
from validations.manifest.model import (
    ParticipantSource,
    Source,
    TrialManifest,
)
from validations.manifest.vocabulary import DesignType


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
    for kind, frame in extract(manifest, source, raw, key).items():
        frames.setdefault(kind, []).append(frame)
    if isinstance(source, ParticipantSource):
        ids, arms = source.columns.participant, source.columns.arm
        moves = manifest.design.type is DesignType.CROSSOVER
        persons[source.id] = Persons(
            clean_labels(list(raw.frame[ids])), [] if moves else list(cells(raw, source, [arms]))
        )
        staged.findings += _moderators_of_persons(manifest, source)
    else:
        study_values.append(values_of_studies(manifest, source, raw))


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


def _keep_declared_rows(raw: RawTable, source: Source) -> tuple[RawTable, int]:
    if not source.where:
        return raw, 0
    require_columns(raw, {column: [column] for column in source.where})
    keep = pd.Series(True, index=raw.frame.index)
    for column, texts in source.where.items():
        declared = {text: text for text in texts}
        found = pd.Series(clean_labels(list(raw.frame[column])), index=keep.index, dtype=object)
        keep &= translated(found, declared, source.format.decimal).isin(texts)
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
