"""What the cells of one source tell about its manifest: texts that it declares and no cell is,
numbers that could be meant otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from assets.staging.columns import Column
from assets.staging.declared_texts import UNMET, matched, translated
from assets.staging.doubtful_values import (
    Told,
    contradicting_labels,
    listed,
    other_numbers_as_labels,
)
from assets.staging.extraction import NUMERIC_FIELDS
from assets.staging.fields import labels_of, matched_numbers, undeclared_missing
from assets.staging.number_texts import MISSING_TEXTS, percent_texts_of
from assets.staging.participant_rows import answers_of
from assets.staging.reading import RawTable, used_columns
from ibgap.base.labels import clean_label, folded
from validations.findings import Finding, Severity
from validations.manifest.model import (
    ParticipantSource,
    Source,
    TrialManifest,
)
from validations.manifest.vocabulary import ScaleType
from validations.numbers import Reading, read_numbers

_MOST_NAMED = 8
_IDS = frozenset({"participant"})


def texts_told(manifest: TrialManifest, source: Source, raw: RawTable) -> list[Finding]:
    """Findings about declared texts and doubtful cells of a source, before any row is left out.

    Texts of the manifest are named, cells of the file are counted.
    """
    used = [(field, name) for field, name in used_columns(manifest, source) if name in raw.columns]
    parts = [
        *_unmet_filters(source, raw),
        *_nearly_kept(source, raw),
        *_unmet_recodes(source, raw),
        *_unmet_missing_codes(source, raw, used),
        *_missing_texts(manifest, source, raw, used),
        *_percents(raw, used),
        *_shares(source, raw, used),
        *contradicting_labels(manifest, source, raw),
        *other_numbers_as_labels(source, raw, [n for f, n in used if f in NUMERIC_FIELDS - _IDS]),
    ]
    return [
        Finding(manifest.id, rule, severity, message, fix, source.file, column=name, count=count)
        for rule, severity, message, fix, name, count in parts
    ]


def is_number_field(field: str) -> bool:
    """Whether the cells of a field are read as numbers (or as yes and no, where codes may mean
    missing as in numbers). Ids of participants are numbered later and are labels here."""
    return field in NUMERIC_FIELDS - _IDS or field == "truth"


def _unmet(texts: Iterable[str], met: np.ndarray) -> list[str]:
    found = {int(i) for i in np.unique(met)}
    return [text for i, text in enumerate(texts) if i not in found]


def _hint(column: Column, unmet: Sequence[str]) -> str:
    """Whether cells differ from a declared text in case, accents or punctuation alone."""
    wanted = {folded(text) for text in unmet} - {""}
    near = any(folded(text) in wanted for text in column.levels()[:10_000])
    near = near or any(folded(label) in wanted for label in column.labels.values())
    return "cells that differ from it in case, accents or blanks alone are there: write it as in " \
        "the file; else " if near else ""  # fmt: skip


def _unmet_filters(source: Source, raw: RawTable) -> Iterator[Told]:
    for name, texts in source.where.items():
        column = labels_of(raw.columns[name])
        unmet = _unmet(texts, matched(column, texts, source.format.decimal))
        if unmet:
            yield (
                "declared_text_unmet",
                Severity.ERROR,
                f"`where:` keeps the rows whose column {name!r} holds {listed(unmet)}; no cell of "
                "it does" + (", so no row is kept" if len(unmet) == len(texts) else ""),
                f"{_hint(column, unmet)}correct the text, or remove it from `where:`",
                name,
                len(unmet),
            )


def _nearly_kept(source: Source, raw: RawTable) -> Iterator[Told]:
    """Rows left out whose cell a person may take for one of the declared texts."""
    decimal = source.format.decimal
    for name, texts in source.where.items():
        column = labels_of(raw.columns[name])
        met = matched(column, texts, decimal)
        if (met == UNMET).all():  # told as unmet
            continue
        numbers = read_numbers(texts)[1] == Reading.NUMBER
        words = {folded(text) for text, number in zip(texts, numbers, strict=True) if not number}
        alike = np.array([folded(text) in words - {""} for text in column.levels()], dtype=bool)
        alike |= matched_numbers(column, texts, decimal) != UNMET
        count = int(column.by_row(alike & (met == UNMET), False).sum())
        if count:
            yield (
                "filter_nearly_met",
                Severity.WARNING,
                f"{count} rows are left out whose cell of the column {name!r} differs from a text "
                "under `where:` in case, accents, punctuation or the writing of a number alone",
                "list these texts under `where:`, too, if the rows belong to the trial",
                name,
                count,
            )


def _unmet_recodes(source: Source, raw: RawTable) -> Iterator[Told]:
    for name, mapping in source.recode.items():
        column = labels_of(raw.columns[name])
        unmet = _unmet(mapping, matched(column, list(mapping), source.format.decimal))
        if unmet:
            yield (
                "declared_text_unmet",
                Severity.ERROR,
                f"`recode:` translates {listed(unmet)} in the column {name!r}; no cell of it "
                "holds that",
                f"{_hint(column, unmet)}correct the text, or remove it from `recode:`",
                name,
                len(unmet),
            )


def _unmet_missing_codes(
    source: Source, raw: RawTable, used: Sequence[tuple[str, str]]
) -> Iterator[Told]:
    codes, decimal = source.missing_codes, source.format.decimal
    if not codes:
        return
    met = [np.full(1, UNMET)]
    for field, name in used:
        if field in _IDS:  # an id 99 is an id, whatever 99 means elsewhere
            continue
        column = raw.columns[name]
        if is_number_field(field):
            met.append(matched_numbers(column, codes, decimal))
        else:
            met.append(matched(labels_of(column), codes, decimal))
        recoded = [clean_label(text) for text in source.recode.get(name, {}).values()]
        met.append(np.array([codes.index(text) for text in recoded if text in codes] or [UNMET]))
    unmet = _unmet(codes, np.concatenate(met))
    if unmet:
        yield (
            "declared_text_unmet",
            Severity.ERROR,
            f"`missing_codes:` names {listed(unmet)}; no cell of the columns that are read holds "
            "that",
            "correct the code, or remove it from `missing_codes:`",
            "",
            len(unmet),
        )


def _missing_texts(
    manifest: TrialManifest, source: Source, raw: RawTable, used: Sequence[tuple[str, str]]
) -> Iterator[Told]:
    answers: dict[str, list[str]] = {}
    if isinstance(source, ParticipantSource):
        for outcome in manifest.outcomes_in(source.id):
            if outcome.scale.type is ScaleType.BINARY:
                answers.setdefault(outcome.column, []).extend(answers_of(outcome))
    count, names = 0, []
    for field, name in used:
        if is_number_field(field) and name not in names:
            recode = source.recode.get(name, {})
            column = translated(raw.columns[name], recode, source.format.decimal)
            found = undeclared_missing(column, source, answers.get(name))
            gone = column.by_row(found, False)
            if gone.any():
                count, names = count + int(gone.sum()), [*names, name]
    if count:
        yield (
            "missing_texts_read",
            Severity.INFO,
            f"{count} cell{'s' if count > 1 else ''} of numbers hold{'' if count > 1 else 's'} a "
            f"text that software writes for a missing one ({', '.join(MISSING_TEXTS)}); read as "
            "missing",
            "list it under `missing_codes:` to say so",
            ", ".join(names[:_MOST_NAMED]),
            count,
        )


def _percents(raw: RawTable, used: Sequence[tuple[str, str]]) -> Iterator[Told]:
    for field, name in used:
        column = raw.columns[name]
        if field == "percent" or not is_number_field(field) or not column.percents:
            continue
        shown = np.isin(column.codes, list(column.percents))
        yield (
            "percent_cells_as_shares",
            Severity.WARNING,
            f"{int(shown.sum())} cells of the column {name!r} are shown as percents; their numbers "
            "are read as stored: what shows 45% is 0.45",
            "give the cells a plain number format, or 45 in them if 45 is meant",
            name,
            int(shown.sum()),
        )


def _shares(source: Source, raw: RawTable, used: Sequence[tuple[str, str]]) -> Iterator[Told]:
    """Percents of which none is above 1: shares, more often than very rare events."""
    for field, name in used:
        if field != "percent":
            continue
        column = raw.columns[name]
        values, _ = read_numbers(percent_texts_of(column, source.format.decimal))
        rows = column.by_row(values, np.nan)
        rows = rows[np.isfinite(rows) & (rows != 0.0)]
        if len(rows) > 1 and (rows <= 1.0).all() and (rows % 1 != 0.0).any():
            yield (
                "percents_may_be_shares",
                Severity.WARNING,
                f"no number of the column {name!r} is above 1; it is read as percents, where 0.45 "
                "is 45 of 10,000 persons",
                "give 45 for 45 percent; nothing needs to be done where the events are that rare",
                name,
                len(rows),
            )
