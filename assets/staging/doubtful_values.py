"""Columns whose values cannot be what the manifest takes them for. Their outcomes are set aside:
an effect with the wrong sign is worse than none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from assets.staging.declared_texts import UNMET, matched
from assets.staging.fields import matched_numbers
from assets.staging.participant_rows import Values
from assets.staging.reading import RawTable
from ibgap.base.labels import clean_label, folded
from validations.findings import Finding, Severity
from validations.manifest.model import ParticipantSource, Source, TrialManifest
from validations.manifest.vocabulary import ScaleType
from validations.numbers import Reading, read_numbers

_MOST_NAMED = 8
RULES = ("value_labels_contradict", "answers_of_one_kind")
"""Rules whose column is not used."""

Told = tuple[str, Severity, str, str, str, int]
"""Rule, severity, message, fix, column and count of a finding."""


def listed(texts: Sequence[str]) -> str:
    """Texts of the manifest, the first ones named."""
    more = len(texts) - _MOST_NAMED
    return ", ".join(map(repr, texts[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def answers_of_one_kind(
    manifest: TrialManifest, source: ParticipantSource, answers: Mapping[str, Values]
) -> list[Finding]:
    """One finding per binary outcome whose read answers all mean the same while others cannot be
    read: the texts for the other answer are not declared, and its share would be 0 or 1.

    answers: of the binary outcomes of the source (`binary_answers`).
    """
    out = []
    for outcome in manifest.outcomes_in(source.id):
        if outcome.id not in answers:
            continue
        values = answers[outcome.id]
        unread = int((values.readings == Reading.WORD).sum())
        kinds = np.unique(values.numbers[np.isfinite(values.numbers)])
        if unread and len(kinds) == 1:
            read, other = ("yes", "no") if kinds[0] else ("no", "yes")
            key = "not_acted_values" if kinds[0] else "acted_values"
            out.append(
                Finding(
                    manifest.id,
                    "answers_of_one_kind",
                    Severity.ERROR,
                    f"every answer of the column {outcome.column!r} that can be read means {read}, "
                    f"and {unread} cells mean neither yes nor no; nothing of the outcome "
                    f"{outcome.id!r} is used",
                    f"list under `{key}:` the texts that mean {other}",
                    source.file,
                    column=outcome.column,
                    count=unread,
                )
            )
    return out


def without_outcomes(manifest: TrialManifest, columns: Iterable[str]) -> TrialManifest:
    """The manifest without the outcomes whose values or baselines stand in some columns."""
    gone = set(columns)
    if not gone:
        return manifest
    kept = [o for o in manifest.outcomes if not {o.column, o.baseline_column} & gone]
    return manifest.model_copy(update={"outcomes": kept})


def contradicting_labels(manifest: TrialManifest, source: Source, raw: RawTable) -> Iterator[Told]:
    """Codes that mean yes and no by themselves and the contrary by their value labels."""
    if not isinstance(source, ParticipantSource):
        return
    for outcome in manifest.outcomes_in(source.id):
        labels = raw.columns[outcome.column].labels if outcome.column in raw.columns else {}
        if outcome.scale.type is not ScaleType.BINARY or not labels:
            continue
        yes, no = set(outcome.scale.acted_values), set(outcome.scale.not_acted_values)
        given = outcome.scale.model_fields_set
        plain = {clean_label(code): clean_label(label) for code, label in labels.items()}
        wrong = [
            code
            for code, label in plain.items()
            if ("acted_values" in given and code in yes and label in no)
            or ("not_acted_values" in given and code in no and label in yes)
            or (code in yes and _says(label) == "no")
            or (code in no and _says(label) == "yes")
        ]
        if wrong:
            yield (
                "value_labels_contradict",
                Severity.ERROR,
                f"the file labels {listed(wrong)} of the column {outcome.column!r} as the "
                f"contrary of what the manifest takes it for; nothing of the outcome "
                f"{outcome.id!r} is used",
                "set `acted_values:` and `not_acted_values:` to the codes or the labels that mean "
                "yes and no",
                outcome.column,
                len(wrong),
            )


def other_numbers_as_labels(source: Source, raw: RawTable, names: Iterable[str]) -> Iterator[Told]:
    """Codes of numbers that the file labels with other numbers, as software does that writes
    categories (0: "1.5", 1: "2.0"). names: columns that are read as numbers."""
    for name in dict.fromkeys(names):
        column = raw.columns[name]
        if not column.labels:
            continue
        recoded = matched(column, list(source.recode.get(name, {})), source.format.decimal)
        apart = (recoded != UNMET) | (
            matched_numbers(column, source.missing_codes, source.format.decimal) != UNMET
        )
        labels = [clean_label(column.labels.get(text, "")) for text in column.levels()]
        meant, _ = read_numbers(labels)
        codes, _ = read_numbers(column.texts)
        wrong = np.isfinite(meant) & (meant != codes) & ~apart
        count = int(column.by_row(wrong, False).sum())
        if count:
            yield (
                "value_labels_contradict",
                Severity.ERROR,
                f"{count} cells of the column {name!r} hold codes that the file labels with other "
                "numbers; it is not used",
                f"write the numbers themselves, or say under `recode: {{{name}: ...}}` what the "
                "codes mean",
                name,
                count,
            )


_WORDS = {"yes": ("yes", "true", "acted", "y"), "no": ("no", "false", "didnotact", "n")}


def _says(label: str) -> str:
    """`yes` or `no`, where a label is one of the plainest words for it."""
    word = folded(label)
    return next((meaning for meaning, words in _WORDS.items() if word in words), "")
