"""Rows of participants as records: one frame per outcome, typed, a number for each person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assets.staging.columns import Column
from assets.staging.declared_texts import UNMET, translated
from assets.staging.fields import (
    label_field,
    labels_of,
    matched_numbers,
    number_field,
    without_missing_numbers,
)
from assets.staging.reading import RawTable, require_columns
from validations.manifest.model import Outcome, ParticipantSource, TrialManifest
from validations.manifest.vocabulary import ScaleType
from validations.numbers import Reading, read_numbers
from validations.typed_frames import constant


@dataclass(frozen=True)
class Values:
    """Numbers of one column by row: float64 (nan where none stands) and their `Reading`."""

    numbers: np.ndarray
    readings: np.ndarray


def require_outcomes(manifest: TrialManifest, source: ParticipantSource, raw: RawTable) -> None:
    """Raise one finding per column that the source or its outcomes name and the file lacks."""
    wanted = source.columns.mapping()
    for outcome in manifest.outcomes_in(source.id):
        wanted[f"outcome {outcome.id}"] = outcome.columns
    require_columns(raw, wanted)


def participant_frames(
    manifest: TrialManifest,
    source: ParticipantSource,
    raw: RawTable,
    persons: np.ndarray,
    answers: Mapping[str, Values],
) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    """One frame of records per outcome of the source, and the answers to single items.

    persons: number of the person in each row (-1: no id). answers: see `binary_answers`. A frame
    has the columns of `participant_rows` with `read:value` and `read:baseline` (`Reading`),
    constants and labels as categories, and without the columns that the outcome has nothing of (a
    baseline, limits of its scale); a person in whose row nothing stands for the outcome has no
    record of it.
    """
    frames, items = [], []
    for outcome in manifest.outcomes_in(source.id):
        value = answers.get(outcome.id) or _numbers(number_field(raw, source, outcome.column))
        frames.append(_outcome_frame(manifest, source, raw, outcome, persons, value))
        for name in dict.fromkeys(outcome.item_columns):
            items.append(
                pd.DataFrame(
                    {
                        "collection_id": constant(manifest.id, len(persons)),
                        "outcome": constant(outcome.id, len(persons)),
                        "participant": persons,
                        "item": constant(name, len(persons)),
                        "value": _numbers(number_field(raw, source, name)).numbers,
                    }
                )
            )
    return frames, pd.concat(items, ignore_index=True) if items else pd.DataFrame()


def _outcome_frame(
    manifest: TrialManifest,
    source: ParticipantSource,
    raw: RawTable,
    outcome: Outcome,
    persons: np.ndarray,
    value: Values,
) -> pd.DataFrame:
    columns, scale = source.columns, outcome.scale
    kept = value.readings != Reading.EMPTY
    rows = slice(None) if kept.all() else kept  # a slice shares the cells of the file
    count = int(kept.sum())
    arm_column, arms = outcome.arm_column or columns.arm, [arm.id for arm in manifest.arms]
    found_in = columns.mapping() | {"arm": [arm_column], "value": [outcome.column]}
    found_in |= {"baseline": [outcome.baseline_column]}
    place = json.dumps({k: " + ".join(v) for k, v in found_in.items()}, sort_keys=True)
    made: dict[str, object] = {
        "trial_id": constant(manifest.id, count),
        "collection_id": constant(manifest.id, count),
        "study_label": constant(manifest.label, count),
        "source_id": constant(source.id, count),
        "file": constant(source.file, count),
        "row": raw.rows[rows],
        "block": np.zeros(count, np.int8),
        "found_in": constant(place, count),
        "participant": persons[rows],
        "arm": _category(label_field(raw, source, [arm_column], arms), rows),
        "cluster": _category(label_field(raw, source, [columns.cluster]), rows)
        if columns.cluster
        else constant(None, count),
        "outcome": constant(outcome.id, count),
        "value": value.numbers[rows],
        "read:value": value.readings[rows],
        "scale_type": constant(scale.type.value, count),
    }
    if outcome.baseline_column:
        baseline = _numbers(number_field(raw, source, outcome.baseline_column))
        made |= {"baseline": baseline.numbers[rows], "read:baseline": baseline.readings[rows]}
    for name, limit in (("scale_min", scale.min), ("scale_max", scale.max)):
        if limit is not None:
            made[name] = constant(float(limit), count)
    return pd.DataFrame(made, copy=False)


def _numbers(column: Column) -> Values:
    values, readings = read_numbers(column.texts)
    return _by_row(column, values, readings)


def binary_answers(
    manifest: TrialManifest, source: ParticipantSource, raw: RawTable
) -> dict[str, Values]:
    """Of each binary outcome of the source, 1 and 0 for the texts that mean yes and no; any other
    is a word."""
    return {
        outcome.id: _truths_by_row(raw, source, outcome)
        for outcome in manifest.outcomes_in(source.id)
        if outcome.scale.type is ScaleType.BINARY
    }


def _truths_by_row(raw: RawTable, source: ParticipantSource, outcome: Outcome) -> Values:
    decimal = source.format.decimal
    column = labels_of(raw.columns[outcome.column])
    column = translated(column, source.recode.get(outcome.column, {}), decimal)
    column = without_missing_numbers(column, source, answers_of(outcome))
    truths = truths_of(column, outcome, decimal)
    readings = np.where(np.isnan(truths), Reading.WORD, Reading.NUMBER).astype(np.uint8)
    empty = np.array([text == "" for text in column.levels()], dtype=bool)
    readings[empty] = Reading.EMPTY
    return _by_row(column, truths, readings)


def answers_of(outcome: Outcome) -> list[str]:
    """The texts that mean yes and no."""
    return [*outcome.scale.acted_values, *outcome.scale.not_acted_values]


def truths_of(column: Column, outcome: Outcome, decimal: str) -> np.ndarray:
    """1.0 (yes), 0.0 (no) or nan of each different cell.

    What the manifest declares comes first, then its defaults: with `acted_values: ["Yes"]`, the
    code 0 that the file labels so means yes.
    """
    scale = outcome.scale
    truths = np.full(len(column.texts), np.nan)
    named = (("acted_values", 1.0, scale.acted_values), ("not_acted_values", 0.0,
             scale.not_acted_values))  # fmt: skip
    for given in (True, False):
        texts = [
            (text, truth)
            for name, truth, declared in named
            for text in declared
            if (name in scale.model_fields_set) is given
        ]
        found = matched_numbers(column, [text for text, _ in texts], decimal)
        meant = np.array([*(truth for _, truth in texts), np.nan])
        truths = np.where(np.isnan(truths) & (found != UNMET), meant[found], truths)
    return truths


def _by_row(column: Column, values: np.ndarray, readings: np.ndarray) -> Values:
    return Values(column.by_row(values, np.nan), column.by_row(readings, Reading.EMPTY))


def _category(column: Column, rows: np.ndarray | slice) -> pd.Categorical:
    plain = column.as_text()
    return pd.Categorical.from_codes(plain.codes[rows], categories=plain.levels())
