"""Guesses what the columns of a data file mean and writes them as the text of a manifest.

Guesses rest on names of columns. Texts of cells come into the draft for arms and, in tables of
arm summaries, for outcomes only, and only when there are few of them: other texts may tell
something about a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from assets.staging.extraction import slug
from assets.staging.reading import RawTable
from validations.manifest.model import IDENTIFIER

_ID_WORDS = ("participant", "subject", "subjid", "usubjid", "id", "pid", "case", "record_id")
_ARM_WORDS = ("arm", "group", "condition", "treatment", "trt", "allocation", "randomization")
_INTENTION_WORDS = ("intent", "intend", "ghsq", "mhsis", "plan_to")
_BEHAVIOR_WORDS = ("behav", "attend", "sought", "visit", "vaccinated", "uptake", "contact", "donat")
_CONTROL_WORDS = ("control", "usual", "placebo", "wait", "comparator", "no_", "nothing")
_COUNT_WORDS = {
    "inclined_actors": ("intended_acted", "intend_act", "inclined_actor"),
    "inclined_abstainers": ("intended_not_acted", "intend_noact", "inclined_abstainer"),
    "disinclined_actors": ("not_intended_acted", "nointend_act", "disinclined_actor"),
    "disinclined_abstainers": ("not_intended_not_acted", "nointend_noact", "disinclined_abstainer"),
}
_FIELD_WORDS = {
    "arm": _ARM_WORDS,
    "outcome": ("outcome", "measure"),
    "n": ("n", "total", "n_analyzed"),
    "mean": ("mean", "m"),
    "sd": ("sd", "std"),
    "median": ("median", "med"),
    "q1": ("q1", "p25", "quartile1"),
    "q3": ("q3", "p75", "quartile3"),
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
_SUMMARY_FIELDS = ("arm", "outcome", "n", "mean", "sd", "median", "q1", "q3", "events")
_EFFECT_FIELDS = ("study", "outcome", "statistic", "value", "se", "ci_lb", "ci_ub", "n1", "n2")
_MOST_TEXTS = 12
_NO_ARM = "# arm: CHECK no column of the arm was recognized; name it here and remove the #"


@dataclass(frozen=True)
class Guess:
    """Kind of the source, its lines in the manifest, and the arms and outcomes they refer to."""

    kind: str
    source: list[str]
    arms: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


def guess_columns(raw: RawTable) -> Guess:
    """The likeliest kind of data with its columns."""
    counts = {role: _find(raw, words) for role, words in _COUNT_WORDS.items()}
    if all(counts.values()) and len(set(counts.values())) == len(counts):
        return _guess_counts(raw, counts)
    person = _find(raw, _ID_WORDS)
    if person and raw.frame[person].nunique() == len(raw.frame):
        return _guess_participants(raw, person)
    if _find(raw, ("sd", "std", "events", "event")) or _find(raw, ("mean", "median")):
        return _guess_summaries(raw)
    return Guess(
        "reported_effects", _block_lines(raw, _EFFECT_FIELDS), _arm_lines([]), _two_outcomes()
    )


def quote(text: str) -> str:
    """The text in double quotes, as YAML reads it back unchanged."""
    plain = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in plain)


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


def _guess_counts(raw: RawTable, counts: dict[str, str]) -> Guess:
    arm = _find(raw, _ARM_WORDS)
    arms = _ids(_texts(raw, arm), "arm")
    lines = [
        "    columns:",
        "      " + (f"arm: {quote(arm)}" if arm else _NO_ARM),
        *[f"      {role}: {quote(column)}" for role, column in counts.items()],
        "      values: {intention: intention, behavior: behavior}",
        *_recode_lines({arm: arms}),
    ]
    outcomes = _table_outcome("intention", "intention", "binary")
    outcomes += _table_outcome("behavior", "behavior", "binary")
    return Guess("intention_by_action", lines, _arm_lines(arms.values()), outcomes)


def _guess_participants(raw: RawTable, person: str) -> Guess:
    arm = _find(raw, _ARM_WORDS)
    arms = _ids(_texts(raw, arm), "arm")
    lines = [
        "    columns:",
        f"      participant: {quote(person)}",
        "      " + (f"arm: {quote(arm)}" if arm else _NO_ARM),
        *_recode_lines({arm: arms}),
    ]
    words = _INTENTION_WORDS + _BEHAVIOR_WORDS
    names = [str(c) for c in raw.frame.columns]
    columns = _ids([c for c in names if any(w in c.lower() for w in words)], "outcome")
    outcomes = [line for c, one in columns.items() for line in _column_outcome(raw, c, one)]
    return Guess("participant_rows", lines, _arm_lines(arms.values()), outcomes or _two_outcomes())


def _guess_summaries(raw: RawTable) -> Guess:
    columns = {name: _find(raw, _FIELD_WORDS[name]) for name in _SUMMARY_FIELDS}
    arms = _ids(_texts(raw, columns["arm"]), "arm")
    found = _outcome_ids(raw, columns)
    lines = _block_lines(raw, _SUMMARY_FIELDS)
    if not columns["arm"]:
        lines.insert(1, f"      {_NO_ARM}")
    lines += _recode_lines({columns["arm"]: arms, columns["outcome"]: found})
    outcomes: list[str] = []
    for text, one in found.items():
        part = raw.frame[raw.frame[columns["outcome"]] == text]
        counted = columns["events"] and (part[columns["events"]] != "").any()
        scale = "binary" if counted else "continuous"
        outcomes += _table_outcome(one, _construct(text), scale)
    return Guess("arm_summaries", lines, _arm_lines(arms.values()), outcomes or _two_outcomes())


def _block_lines(raw: RawTable, fields: tuple[str, ...]) -> list[str]:
    lines = ["    blocks:"]
    marker = "      - "
    for name in fields:
        column = _find(raw, _FIELD_WORDS[name])
        if column:
            lines.append(f"{marker}{name}: {quote(column)}")
            marker = "        "
    return lines if len(lines) > 1 else ["    blocks:", "      - value: CHECK  # CHECK"]


def _texts(raw: RawTable, column: str) -> list[str]:
    """The distinct texts (or their labels) of a column; none when there are many."""
    if not column:
        return []
    cells = raw.columns[column]
    labels, found = cells.labels, sorted({text for text in cells.levels() if text})
    # More than a handful of texts is not a list of arms and may identify people.
    return list(dict.fromkeys(labels.get(t, t) for t in found)) if len(found) <= _MOST_TEXTS else []


def _ids(texts: list[str], what: str) -> dict[str, str]:
    """Text -> identifier, a different one for each; identifiers stay as they are."""
    ids = {text: text for text in texts if _is_id(text)}
    for text in texts:
        if text not in ids:
            ids[text] = _unused(_id(text, what), ids)
    return {text: ids[text] for text in texts}


def _is_id(text: str) -> bool:
    # YAML reads these three as something else than text.
    return bool(IDENTIFIER.match(text)) and text not in ("true", "false", "null")


def _id(text: str, what: str) -> str:
    name = slug(text)
    if name == "study" and name not in text.lower():
        return what  # no letter or digit that an identifier may have
    return name if _is_id(name) else f"{what}_{name}"


def _unused(name: str, ids: dict[str, str]) -> str:
    used, number, free = set(ids.values()), 1, name
    while free in used:
        number += 1
        free = f"{name}_{number}"
    return free


def _recode_lines(columns: dict[str, dict[str, str]]) -> list[str]:
    lines: list[str] = []
    for column, ids in columns.items():
        changed = [f"        {quote(t)}: {one}" for t, one in ids.items() if t != one]
        if changed:
            lines += [f"      {quote(column)}:", *changed]
    return ["    recode:", *lines] if lines else []


def _arm_lines(ids: Iterable[str]) -> list[str]:
    lines = ["arms:  # CHECK the roles"]
    for one in list(ids) or ["intervention", "control"]:
        role = "control" if any(word in one for word in _CONTROL_WORDS) else "experimental"
        lines.append(f"  - {{id: {one}, role: {role}}}")
    return lines


def _outcome_ids(raw: RawTable, columns: dict[str, str]) -> dict[str, str]:
    """Text of the outcome column -> id, where the table is one of arms and not of people."""
    texts = _texts(raw, columns["outcome"]) if _holds_summaries(raw, columns) else []
    taken = {text: text for text in texts if _is_id(text)}
    for text in texts:
        alone = [t for t in texts if _construct(t) == _construct(text)] == [text]
        if text not in taken:
            name = _construct(text) if alone else _id(text, "outcome")
            taken[text] = _unused(name, taken)
    return {text: taken[text] for text in texts}


def _holds_summaries(raw: RawTable, columns: dict[str, str]) -> bool:
    """Whether rows are arms: numbers of persons, no ids of persons, few rows of a kind."""
    keys = [columns[name] for name in ("arm", "outcome") if columns[name]]
    if len(set(keys)) < 2 or not columns["n"] or _find(raw, _ID_WORDS):
        return False
    sizes = raw.frame[columns["n"]]
    persons = pd.to_numeric(sizes[sizes != ""].str.replace(r"[.,]", "", regex=True), "coerce")
    few = len(raw.frame) <= 4 * len(raw.frame[keys].drop_duplicates())
    return few and len(persons) > 0 and bool((persons > 1).all())


def _construct(text: str) -> str:
    words = (*_INTENTION_WORDS, "plan")
    return "intention" if any(word in text.lower() for word in words) else "behavior"


def _column_outcome(raw: RawTable, column: str, one: str) -> list[str]:
    is_intention = any(word in column.lower() for word in _INTENTION_WORDS)
    texts = {str(t) for t in raw.frame[column] if t}
    binary = texts <= {"0", "1"}
    scale = "{type: binary}" if binary else "{type: continuous}  # CHECK: add min and max"
    return [
        f"  - id: {one}",
        f"    construct: {'intention' if is_intention else 'behavior'}  # CHECK: motivation, "
        "readiness and the like are not intention",
        f"    column: {quote(column)}",
        f"    scale: {scale}",
        "    higher_is_better: true  # CHECK",
        f"    timepoint: {{weeks: {0 if is_intention else 12}}}  # CHECK: since randomization",
        "    measured_by: self_report  # CHECK",
    ]


def _table_outcome(one: str, construct: str, scale: str) -> list[str]:
    return [
        f"  - id: {one}",
        f"    construct: {construct}  # CHECK",
        f"    scale: {{type: {scale}}}  # CHECK",
        "    higher_is_better: true  # CHECK",
        f"    timepoint: {{weeks: {0 if construct == 'intention' else 12}}}  # CHECK",
    ]


def _two_outcomes() -> list[str]:
    first = _table_outcome("intention", "intention", "continuous")
    return first + _table_outcome("behavior", "behavior", "binary")
