"""One trial counts once: trials of a synthesis that are, or look like, reports of the same persons.

They are held until a manifest says that they are the same (`same_as:`) or not (`distinct_from:`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from assets.effects.make_effects import COMMON_SCALE
from assets.staging.extraction import slug
from ibgap.base.labels import clean_label, folded
from validations.findings import Finding, Severity
from validations.manifest.model import Identity, TrialManifest

HELD = "same_trial_twice"
EFFECT_ROUNDING, ERROR_ROUNDING = 0.0105, 0.05
"""Effects agree within two printed decimals, their standard errors within a twentieth."""
Record = dict[str, Any]
_READ = ["synthesis", "trial_id", "collection_id", "study_label", "basis", "construct",
         "outcome_row_id", "n1", "n2", "yi", "sei"]  # fmt: skip
"""Columns of effects that tell whether two trials are one."""
Files = Mapping[str, frozenset[str]]
"""Trial folder -> hashes of its files of participants."""
Said = dict[tuple[str, str], tuple[str, str]]
"""(trial, other trial) -> (`same_as` or `distinct_from`, reason)."""


@dataclass(frozen=True)
class Identities:
    """What trial folders say of who they are.

    folders: all that can be used. ids: DOI and registry ids by folder. files: see `Files`. said:
    which trials are declared to be one, or not.
    """

    folders: frozenset[str]
    ids: Mapping[str, frozenset[str]]
    files: Files
    said: Said


def identity_rows(manifest: TrialManifest, files: Iterable[str]) -> list[dict[str, Any]]:
    """The same of one folder as rows: `word`, the trial it is about, the value and its reason.

    files: hashes of its files of participants. A review's identifiers are those of no trial.
    """
    ids = [] if manifest.is_review else sorted(identifiers(manifest))
    rows = [{"word": "folder", "value": manifest.id}]
    rows += [{"word": "id", "value": one} for one in ids]
    rows += [{"word": "file", "value": one} for one in sorted(set(files))]
    for word in ("same_as", "distinct_from"):
        entries: list[Identity] = getattr(manifest, word)
        for entry in entries:
            own = f"{manifest.id}/{slug(entry.study)}" if entry.study else manifest.id
            rows.append(
                {"word": word, "trial_id": own, "value": entry.trial, "reason": entry.reason}
            )
    return [{"collection_id": manifest.id} | row for row in rows]


def identities(rows: pd.DataFrame) -> Identities:
    """From the rows of all folders."""
    by_word: dict[str, dict[str, set[str]]] = {}
    said: Said = {}
    for row in rows.to_dict("records"):
        word, folder, value = row["word"], row["collection_id"], row["value"]
        if word in ("same_as", "distinct_from"):
            said[(row["trial_id"], value)] = (word, row["reason"])
        by_word.setdefault(word, {}).setdefault(folder, set()).add(value)

    def of(word: str) -> dict[str, frozenset[str]]:
        return {folder: frozenset(own) for folder, own in by_word.get(word, {}).items()}

    return Identities(frozenset(of("folder")), of("id"), of("file"), said)


@dataclass(frozen=True)
class _Trial:
    """What tells a trial: its folder, label, identifiers, and its effects in the pools."""

    trial_id: str
    collection_id: str
    label: str
    ids: frozenset[str]
    by_person: bool
    effects: tuple[Record, ...]


@dataclass(frozen=True)
class SameTrials:
    """findings: what is told. left_out: outcome row id -> why its effects leave the pools."""

    findings: list[Finding]
    left_out: dict[str, str]


def same_trials(effects: pd.DataFrame, known: Identities) -> SameTrials:
    """Trials of one synthesis that share an identifier, a file of participants, or label and
    numbers, and what the manifests say of them.

    effects: of all trials, with `in_pool`.
    """
    common = effects[(effects["measure"] == COMMON_SCALE) & effects["in_pool"].astype(bool)]
    there = set(effects["trial_id"]) | known.folders
    out = SameTrials(_unknown(known.said, there), {})
    by_synthesis: dict[str, dict[str, list[Record]]] = {}
    for record in common[_READ].to_dict("records"):
        trials = by_synthesis.setdefault(record["synthesis"], {})
        trials.setdefault(str(record["trial_id"]), []).append(record)
    for _, group in sorted(by_synthesis.items()):
        trials = [_trial(name, own, known) for name, own in sorted(group.items())]
        for one, two in _candidates(trials, known.said, known.files):
            _judge(out, one, two, known.said, known.files)
    return out


def _trial(trial: str, own: list[Record], known: Identities) -> _Trial:
    collection, label = str(own[0]["collection_id"]), str(own[0]["study_label"])
    ids = known.ids.get(collection, frozenset())
    by_person = all(record["basis"] == "participant_rows" for record in own)
    return _Trial(trial, collection, label, ids, by_person, tuple(own))


def identifiers(manifest: TrialManifest) -> frozenset[str]:
    """DOI and registry ids, written alike: no resolver, prefix, case or blanks."""
    about = manifest.provenance
    doi = re.sub(r"^(https?://)?(dx\.)?doi\.org/|^doi:?\s*", "", about.doi.strip().casefold())
    registered = {f"registry {folded(one)}" for one in about.registry_ids if folded(one)}
    return frozenset({f"DOI {doi.strip().rstrip('.')}"} if doi.strip() else set()) | registered


def _candidates(trials: list[_Trial], said: Said, files: Files) -> list[tuple[_Trial, _Trial]]:
    """Pairs of trials that share something, each once, found without comparing all with all."""
    groups: dict[str, list[_Trial]] = {}
    for one in trials:
        keys = {f"label {label_key(one.label)}"} | set(one.ids)
        if one.by_person:
            keys |= {f"file {digest}" for digest in files.get(one.collection_id, ())}
        for key in keys:
            groups.setdefault(key, []).append(one)
    by_id = {one.trial_id: one for one in trials}
    pairs = {
        tuple(sorted((one.trial_id, two.trial_id)))
        for group in groups.values()
        for one, two in combinations(group, 2)
    }
    pairs |= {tuple(sorted(pair)) for pair in said if set(pair) <= set(by_id)}
    return [(by_id[a], by_id[b]) for a, b in sorted(pairs) if a != b]


def _judge(out: SameTrials, one: _Trial, two: _Trial, said: Said, files: Files) -> None:
    """Add what is to be said and done about two trials."""
    here, there = (said.get((a.trial_id, b.trial_id)) for a, b in ((one, two), (two, one)))
    words = {entry[0] for entry in (here, there) if entry}
    if words == {"distinct_from"}:
        return
    if words == {"same_as"} and not (here and there):
        left, stays = (one, two) if here else (two, one)
        reason = (here or there or ("", ""))[1]
        _leave(out, left, f"the same trial as {stays.trial_id}, which counts")
        message = f"is the same trial as {stays.trial_id}, which counts ({reason})"
        _tell(out, left, "same_trial", Severity.INFO, f"{left.label} {message}", "")
        return
    shared = _shared(one, two, files)
    if words:
        message = "the manifests contradict each other about whether it is the same trial as {}"
        fix = "say `same_as:` in one of the two only (the other one counts), or `distinct_from:`"
    elif not shared:
        return
    elif shared == _LABEL_AND_NUMBERS and one.by_person and two.by_person:
        for trial, other in ((one, two), (two, one)):
            _tell(out, trial, "same_label_and_numbers", Severity.INFO,
                  f"label and numbers agree with {other.trial_id}, from other files of "
                  "participants; both count", "if they are one trial, say `same_as:`")  # fmt: skip
        return
    else:
        message = f"may be the same trial as {{}} and would count twice: both have {shared}"
        fix = (
            "say in one of the two manifests `same_as:` (the other one counts) or "
            "`distinct_from:`, with the trial and a reason"
        )
    for trial, other in ((one, two), (two, one)):
        _leave(out, trial, f"held: {HELD}")
        _tell(out, trial, HELD, Severity.HOLD,
              f"{trial.label}: {message.format(other.trial_id)}", fix)  # fmt: skip


def _leave(out: SameTrials, trial: _Trial, reason: str) -> None:
    out.left_out.update({str(record["outcome_row_id"]): reason for record in trial.effects})


def _tell(
    out: SameTrials, trial: _Trial, rule: str, severity: Severity, message: str, fix: str
) -> None:
    out.findings.append(Finding(trial.trial_id, rule, severity, message, fix, "trial.yaml"))


_LABEL_AND_NUMBERS = "the same label and the same numbers"


def _shared(one: _Trial, two: _Trial, files: Files) -> str:
    """What two trials have in common that only one trial has; empty for nothing."""
    if both := sorted(one.ids & two.ids):
        return f"the {both[0]}"
    own = files.get(one.collection_id, frozenset()) & files.get(two.collection_id, frozenset())
    if own and one.by_person and two.by_person and one.collection_id != two.collection_id:
        return "the same file of participants"
    alike = label_key(one.label) == label_key(two.label) != ""
    return _LABEL_AND_NUMBERS if alike and _same_numbers(one.effects, two.effects) else ""


def _same_numbers(one: Sequence[Record], two: Sequence[Record]) -> bool:
    """Whether the trials share an outcome's construct and agree on an effect of each one they
    share."""
    shared = {a["construct"] for a in one} & {b["construct"] for b in two}
    return bool(shared) and all(
        any(_agree(a, b) for a in one for b in two if a["construct"] == b["construct"] == construct)
        for construct in shared
    )


def _agree(a: Record, b: Record) -> bool:
    """Same sizes where both are known, same effect and standard error as far as print tells."""
    for size in ("n1", "n2"):
        if a[size] == a[size] and b[size] == b[size] and a[size] != b[size]:
            return False
    ratio = float(a["sei"]) / float(b["sei"])
    close = abs(float(a["yi"]) - float(b["yi"])) <= EFFECT_ROUNDING
    return close and abs(ratio - 1.0) <= ERROR_ROUNDING


def label_key(label: str) -> str:
    """What labels of one trial share: the first author's name, the year and what follows it, else
    all of the label.

    >>> label_key("Harris et al. (2014b)") == label_key("harris 2014b")
    True
    >>> label_key("Harris 2014, trial 1") == label_key("Harris 2014, trial 2")
    False
    """
    found = re.match(r"\W*([^\W\d_]+).*?\b((?:19|20)\d\d\w?)\b(.*)", clean_label(label))
    return " ".join(folded(part) for part in found.groups()) if found else folded(label)


def _unknown(said: Said, known: set[str]) -> list[Finding]:
    """Entries that name a trial which is nowhere."""
    return [
        Finding(
            one.split("/")[0],
            "identity_unknown",
            Severity.WARNING,
            f"`{word}:` names {missing!r}, and there is no such trial",
            "correct the id, or remove the entry",
            "trial.yaml",
        )
        for (one, two), (word, _) in said.items()
        for missing in (one, two)
        if missing not in known
    ]
