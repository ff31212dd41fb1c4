"""`ibgap trial new`: drafts a manifest from a data file.

The draft guesses roles of columns from their names and few values, never prints a value of a
participant, and marks every guess with CHECK.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from assets.sources.reading import RawTable, read_table
from assets.sources.staging import slug
from validations.errors import TrialFileError
from validations.manifest.model import FileFormat

_ID_WORDS = ("participant", "subject", "subjid", "usubjid", "id", "pid", "case", "record_id")
_ARM_WORDS = ("arm", "group", "condition", "treatment", "trt", "allocation", "randomization")
_INTENTION_WORDS = ("intent", "intend", "ghsq", "mhsis", "plan_to")
_BEHAVIOR_WORDS = ("behav", "attend", "sought", "visit", "vaccinated", "uptake", "contact", "donat")
_COUNT_WORDS = {
    "inclined_actors": ("intended_acted", "intend_act", "inclined_actor"),
    "inclined_abstainers": ("intended_not_acted", "intend_noact", "inclined_abstainer"),
    "disinclined_actors": ("not_intended_acted", "nointend_act", "disinclined_actor"),
    "disinclined_abstainers": ("not_intended_not_acted", "nointend_noact", "disinclined_abstainer"),
}


class DraftError(Exception):
    """No draft could be made."""


@dataclass(frozen=True)
class _Guess:
    kind: str
    lines: list[str]


def draft_trial(file: Path, trials_dir: Path) -> Path:
    """Make a trial folder with a copy of the file and a drafted trial.yaml; returns it.

    Raises `DraftError` when the folder exists or the file cannot be read (with the reason).
    """
    name = slug(file.stem)
    if not name[0].isalpha():
        name = f"trial_{name}"
    folder = trials_dir / name
    if folder.exists():
        raise DraftError(
            f"the folder {str(folder)!r} exists already; rename the file or the folder"
        )
    file_format, raw = _read(file)
    folder.mkdir(parents=True)
    shutil.copyfile(file, folder / file.name)
    (folder / "trial.yaml").write_text(_manifest(name, file.name, file_format, raw), "utf-8")
    return folder


def _read(file: Path) -> tuple[FileFormat, RawTable]:
    tried: list[str] = []
    for delimiter in (",", ";", "\t"):
        file_format = FileFormat(delimiter=delimiter, decimal="," if delimiter == ";" else ".")
        for encoding in ("utf-8", "cp1252"):
            chosen = file_format.model_copy(update={"encoding": encoding})
            try:
                return chosen, read_table(file.parent.name, file.parent, file.name, chosen)
            except TrialFileError as error:
                finding = error.findings[0]
                tried.append(f"{finding.message}; {finding.fix}")
                if finding.rule_id not in ("delimiter_wrong", "encoding_wrong", "file_ragged"):
                    raise DraftError(f"{file.name}: {tried[-1]}") from None
    raise DraftError(f"{file.name}: {tried[0]}")


def _manifest(name: str, file: str, file_format: FileFormat, raw: RawTable) -> str:
    guess = _guess(raw)
    lines = [
        "ibgap: 1",
        f"id: {name}",
        f"label: {name.replace('_', ' ')}  # CHECK: Author et al. year",
        "topic: help_seeking  # CHECK: domain of the behavior",
        "design:",
        "  type: parallel  # CHECK: parallel, cluster, review, nonrandomized, ...",
        "  randomized: true  # CHECK",
        *_arm_lines(raw, guess.kind),
        "sources:",
        "  - id: data",
        f"    kind: {guess.kind}  # CHECK",
        f"    file: {_quote(file)}",
        *_format_lines(file_format),
        *guess.lines,
        *_outcome_lines(raw, guess.kind),
        "provenance:",
        '  citation: "CHECK: full reference"',
        '  source: "CHECK: where the file was taken from"',
        '  license: "CHECK: license of the data"',
        "# Columns of the file: " + ", ".join(str(c) for c in raw.frame.columns),
    ]
    return "\n".join(lines) + "\n"


def _format_lines(file_format: FileFormat) -> list[str]:
    default = FileFormat()
    changed = [
        f"      {key}: {_quote(getattr(file_format, key))}"
        for key in ("delimiter", "decimal", "encoding")
        if getattr(file_format, key) != getattr(default, key)
    ]
    return ["    format:", *changed] if changed else []


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def _find(raw: RawTable, words: tuple[str, ...]) -> str:
    """The column whose name is one of the words, else one that contains a longer one."""
    names = [str(c) for c in raw.frame.columns]
    for word in words:
        for name in names:
            if name.lower() == word:
                return name
    for word in words:
        for name in names:
            if len(word) > 2 and word in name.lower():
                return name
    return ""


def _guess(raw: RawTable) -> _Guess:
    counts = {role: _find(raw, words) for role, words in _COUNT_WORDS.items()}
    if all(counts.values()):
        lines = [
            "    columns:",
            f"      arm: {_quote(_find(raw, _ARM_WORDS))}",
            *[f"      {role}: {_quote(column)}" for role, column in counts.items()],
            "      values: {intention: intention, behavior: behavior}",
        ]
        return _Guess("intention_by_action", lines)
    person = _find(raw, _ID_WORDS)
    if person and raw.frame[person].nunique() == len(raw.frame):
        arm = _find(raw, _ARM_WORDS)
        lines = [
            "    columns:",
            f"      participant: {_quote(person)}",
            f"      arm: {_quote(arm)}" + ("" if arm else "  # CHECK"),
            *_recode_lines(raw, arm),
        ]
        return _Guess("participant_rows", lines)
    if _find(raw, ("sd", "std", "events", "event")) or _find(raw, ("mean",)):
        return _Guess(
            "arm_summaries", _block_lines(raw, ("arm", "outcome", "n", "mean", "sd", "events"))
        )
    fields = ("study", "outcome", "statistic", "value", "se", "ci_lb", "ci_ub", "n1", "n2")
    return _Guess("reported_effects", _block_lines(raw, fields))


_FIELD_WORDS = {
    "arm": _ARM_WORDS,
    "outcome": ("outcome", "measure"),
    "n": ("n", "total", "n_analyzed"),
    "mean": ("mean", "m"),
    "sd": ("sd", "std"),
    "events": ("events", "event"),
    "study": ("study", "trial", "author"),
    "statistic": ("statistic", "measure"),
    "value": ("value", "estimate", "effect", "d", "g", "yi"),
    "se": ("se", "sei", "std_error"),
    "ci_lb": ("ci_lb", "ci_low", "lower"),
    "ci_ub": ("ci_ub", "ci_high", "upper"),
    "n1": ("n1", "n_treatment", "n_intervention"),
    "n2": ("n2", "n_control", "n_comparator"),
}


def _block_lines(raw: RawTable, fields: tuple[str, ...]) -> list[str]:
    lines = ["    blocks:"]
    marker = "      - "
    for name in fields:
        column = _find(raw, _FIELD_WORDS[name])
        if column:
            lines.append(f"{marker}{name}: {_quote(column)}")
            marker = "        "
    return lines if len(lines) > 1 else ["    blocks:", "      - value: CHECK  # CHECK"]


def _arm_texts(raw: RawTable) -> list[str]:
    arm = _find(raw, _ARM_WORDS)
    if not arm:
        return []
    labels = raw.labels.get(arm, {})
    texts = [str(t) for t in pd.unique(raw.frame[arm]) if t]
    # More than a handful of texts is not a list of arms and may identify people.
    return [labels.get(t, t) for t in sorted(texts)] if len(texts) <= 12 else []


def _recode_lines(raw: RawTable, arm: str) -> list[str]:
    texts = [text for text in _arm_texts(raw) if slug(text) != text or not text[0].isalpha()]
    if not texts or not arm:
        return []
    return [
        "    recode:",
        f"      {_quote(arm)}:",
        *[f"        {_quote(text)}: {_arm_id(text)}" for text in texts],
    ]


def _arm_id(text: str) -> str:
    name = slug(text)
    return name if name[0].isalpha() else f"arm_{name}"


_CONTROL_WORDS = ("control", "usual", "placebo", "wait", "comparator", "no_")


def _arm_lines(raw: RawTable, kind: str) -> list[str]:
    texts = _arm_texts(raw) if kind != "reported_effects" else []
    ids = [_arm_id(text) for text in texts] or ["intervention", "control"]
    lines = ["arms:  # CHECK the roles"]
    for one in ids:
        role = "control" if any(word in one for word in _CONTROL_WORDS) else "experimental"
        lines.append(f"  - {{id: {one}, role: {role}}}")
    return lines


def _outcome_lines(raw: RawTable, kind: str) -> list[str]:
    lines = ["outcomes:"]
    if kind == "participant_rows":
        columns = [
            str(c)
            for c in raw.frame.columns
            if any(w in str(c).lower() for w in _INTENTION_WORDS + _BEHAVIOR_WORDS)
        ]
        for column in columns:
            lines += _outcome(column, raw)
    if len(lines) == 1:
        lines += _plain_outcome("intention") + _plain_outcome("behavior")
    return lines


def _outcome(column: str, raw: RawTable) -> list[str]:
    is_intention = any(word in column.lower() for word in _INTENTION_WORDS)
    texts = {str(t) for t in raw.frame[column] if t}
    binary = texts <= {"0", "1"}
    scale = "{type: binary}" if binary else "{type: continuous}  # CHECK: add min and max"
    name = slug(column)
    return [
        f"  - id: {name if name[0].isalpha() else 'outcome_' + name}",
        f"    construct: {'intention' if is_intention else 'behavior'}  # CHECK: motivation, "
        "readiness and the like are not intention",
        f"    column: {_quote(column)}",
        f"    scale: {scale}",
        "    higher_is_better: true  # CHECK",
        f"    timepoint: {{weeks: {0 if is_intention else 12}}}  # CHECK: since randomization",
        "    measured_by: self_report  # CHECK",
    ]


def _plain_outcome(construct: str) -> list[str]:
    return [
        f"  - id: {construct}",
        f"    construct: {construct}  # CHECK",
        f"    scale: {{type: {'binary' if construct == 'behavior' else 'continuous'}}}  # CHECK",
        "    higher_is_better: true  # CHECK",
        f"    timepoint: {{weeks: {0 if construct == 'intention' else 12}}}  # CHECK",
    ]
