"""One trial folder -> records: what each row says, in the manifest's own words, still as text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from assets.fence import doing
from assets.staging.columns import Column
from assets.staging.declared_texts import UNMET, matched, translated
from assets.staging.doubtful_values import RULES, answers_of_one_kind, without_outcomes
from assets.staging.extraction import extract, values_of_studies
from assets.staging.fields import filled_down, label_field, labels_of
from assets.staging.files_read import compare_extent, file_read, shared_persons
from assets.staging.labels import Persons, compare_persons, labels_alike
from assets.staging.limits import Limits
from assets.staging.participant_rows import (
    Values,
    binary_answers,
    participant_frames,
    require_outcomes,
)
from assets.staging.people import People
from assets.staging.reading import (
    RawTable,
    declared_columns,
    read_table,
    require_columns,
    used_columns,
)
from assets.staging.told import texts_told
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

_ID = "participant"


@dataclass
class StagedTrial:
    """What was read from one trial folder.

    manifest: None when it could not be read. records: kind -> frame of text with the identity
    columns. persons: participant rows, a typed frame per outcome (`participant_frames`).
    study_values: per study of a review, columns that pairs and moderators name. unlinked: pairs
    of participant sources whose ids do not tell the same persons. files: the account of every
    file that was read (`file_read`).
    """

    collection_id: str
    manifest: TrialManifest | None = None
    records: dict[str, pd.DataFrame] = field(default_factory=dict)
    persons: list[pd.DataFrame] = field(default_factory=list)
    study_values: pd.DataFrame = field(default_factory=pd.DataFrame)
    unlinked: frozenset[frozenset[str]] = frozenset()
    findings: list[Finding] = field(default_factory=list)
    files: list[dict[str, object]] = field(default_factory=list)


def stage_trial(folder: Path, limits: Limits | None = None) -> StagedTrial:
    """Read manifest and files of a trial folder; what is wrong with them becomes findings.

    Participant ids never leave this function: a record holds the number of its person.
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
    reader = _Reader(folder, manifest, limits or Limits())
    for source in manifest.sources:
        with doing("reading the data file", file=source.file):
            try:
                reader.read(source, staged)
            except TrialFileError as error:
                staged.findings += error.findings
    reader.hand_over(staged)
    _tell_studies_apart(staged)
    staged.findings += labels_alike(folder.name, staged.records, staged.persons)
    staged.unlinked, told = compare_persons(folder.name, reader.persons, reader.people.ids)
    staged.findings += told
    return staged


class _Reader:
    """Reads the sources of one trial one after the other and keeps what they give."""

    def __init__(self, folder: Path, manifest: TrialManifest, limits: Limits) -> None:
        self.folder, self.manifest, self.limits = folder, manifest, limits
        lists = [one for one in manifest.sources if isinstance(one, ParticipantSource)]
        self.people = People(several=len(lists) > 1)
        self.persons: dict[str, Persons] = {}
        self._frames: dict[str, list[pd.DataFrame]] = {}
        self._study_values: list[pd.DataFrame] = []

    def read(self, source: Source, staged: StagedTrial) -> None:
        """Add what one source gives."""
        manifest = self.manifest
        declared = declared_columns(manifest, source)
        raw = read_table(
            manifest.id, self.folder, source.file, source.format, declared, self.limits
        )
        staged.findings += raw.findings
        named = {"fill_down": source.fill_down, "may_be_empty": source.may_be_empty}
        named |= {"recode": list(source.recode), "where": list(source.where)}
        require_columns(raw, named)
        raw = _filled_down(raw, source)
        told = texts_told(manifest, source, raw)
        whole = len(raw.rows)
        raw = _keep_declared_rows(raw, source)
        if isinstance(source, ParticipantSource):
            require_outcomes(manifest, source, raw)
            answers = binary_answers(manifest, source, raw)
            told += answers_of_one_kind(manifest, source, answers)
        staged.findings += told
        doubtful = [finding.column for finding in told if finding.rule_id in RULES]
        staged.findings += _note_excluded(manifest.id, source, whole - len(raw.rows), whole)
        file = file_read(manifest, source, raw, declared, whole)
        staged.files.append(file)
        staged.findings += compare_extent(file)
        if isinstance(source, ParticipantSource):
            numbers = self.people.numbers(_ids(source, raw))
            file["persons"] = len(People.different(numbers))
            used = [name for field, name in used_columns(manifest, source) if field != _ID]
            raw = raw.only(used)  # large files: what is not used goes before records are made
            self._participants(source, raw, numbers, answers, staged, doubtful)
            return
        if doubtful:
            return
        for kind, frame in extract(manifest, source, raw).items():
            self._frames.setdefault(kind, []).append(frame)
        self._study_values.append(values_of_studies(manifest, source, raw))

    def _participants(
        self,
        source: ParticipantSource,
        raw: RawTable,
        numbers: np.ndarray,
        answers: Mapping[str, Values],
        staged: StagedTrial,
        doubtful: list[str],
    ) -> None:
        """Add the records of a list of participants. numbers: of the person in each row.
        answers: to its binary outcomes.
        doubtful: columns whose outcomes are not used."""
        manifest = self.manifest
        moves = manifest.design.type is DesignType.CROSSOVER
        ids = [arm.id for arm in manifest.arms]
        arms = None if moves else label_field(raw, source, [source.columns.arm], ids)
        self.persons[source.id] = Persons(numbers, arms)
        frames, items = participant_frames(
            without_outcomes(manifest, doubtful), source, raw, numbers, answers
        )
        staged.persons += frames
        if len(items):
            self._frames.setdefault("participant_items", []).append(items)
        staged.findings += _moderators_of_persons(manifest, source)

    def hand_over(self, staged: StagedTrial) -> None:
        """Put what all sources gave into the trial."""
        frames = self._frames
        staged.records = {k: pd.concat(parts, ignore_index=True) for k, parts in frames.items()}
        if self._study_values:
            staged.study_values = pd.concat(self._study_values, ignore_index=True)
        shared = shared_persons({name: one.numbers for name, one in self.persons.items()})
        for file in staged.files:
            file["shared_persons"] = shared.get(str(file["source_id"]))


def _ids(source: ParticipantSource, raw: RawTable) -> Column:
    """Ids of participants as labels; a missing code is no missing id, but an id like others."""
    name = source.columns.participant
    return translated(
        labels_of(raw.columns[name]), source.recode.get(name, {}), source.format.decimal
    )


def _filled_down(raw: RawTable, source: Source) -> RawTable:
    """Empty cells of the columns under `fill_down:` with the cell above."""
    if not source.fill_down:
        return raw
    columns = dict(raw.columns)
    for name in source.fill_down:
        columns[name] = filled_down(columns[name])
    return replace(raw, columns=columns)


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


def _keep_declared_rows(raw: RawTable, source: Source) -> RawTable:
    """The rows whose cells are among the declared texts or have one as their value label."""
    if not source.where:
        return raw
    keep = np.ones(len(raw.rows), dtype=bool)
    for name, texts in source.where.items():
        column = labels_of(raw.columns[name])
        met = matched(column, texts, source.format.decimal) != UNMET
        keep &= column.by_row(met, False)
    return raw.keep(keep)


def _note_excluded(trial: str, source: Source, excluded: int, whole: int) -> list[Finding]:
    """What `where:` leaves out of so many rows; a warning when it is all of them."""
    if not excluded:
        return []
    columns = ", ".join(source.where)
    severity, message, fix = (
        (Severity.INFO, f"{excluded} rows are left out by `where:` ({columns})", "")
        if excluded < whole
        else (
            Severity.WARNING,
            f"all {whole} rows are left out by `where:`; none meets its conditions ({columns})",
            "correct the texts under `where:`; nothing needs to be done where that is meant",
        )
    )
    return [Finding(trial, "rows_filtered", severity, message, fix, source.file, count=excluded)]
