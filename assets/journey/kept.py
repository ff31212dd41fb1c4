"""Journeys of trials in the store: made where something changed, kept, and read back.

What is kept is known by the bytes of the manifest and of the files it names, by the code, the
settings and the limits of reading that made it, and by a hash of each of its tables: what is
damaged or missing is made again. A fault of the machine is never remembered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

import analysis
import assets
import ibgap.base
import validations
from analysis.synthesis.settings import AnalysisSettings
from assets.fence import TRACES, Broken, fenced, trace_file
from assets.journey.stacking import stacked
from assets.journey.trial_journey import Journey, broken_journey, trial_journey
from assets.outcomes.participants import ParticipantFacts
from assets.screening.second_look import MOST_ROWS, judged_rows, second_look
from assets.staging.limits import Limits
from assets.store import TableStore
from validations.errors import TrialFileError
from validations.findings import Finding, findings_frame, findings_from_frame
from validations.manifest.crosscheck import path_is_inside
from validations.manifest.load import MANIFEST_NAME, load_manifest
from validations.manifest.model import ParticipantSource, TrialManifest

_ROOM = "journeys"
_PACKAGES = (
    "numpy",
    "pandas",
    "scipy",
    "pingouin",
    "pyarrow",
    "pyreadstat",
    "openpyxl",
    "pydantic",
)


@cache
def _code_hash() -> str:
    """Hash of the code that a journey runs through, and of the packages below it."""
    digest = hashlib.sha256()
    for package in (assets, validations, analysis, ibgap.base):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(path.read_bytes())
    digest.update(json.dumps([version(name) for name in _PACKAGES]).encode())
    return digest.hexdigest()


def fingerprint(folder: Path, files: Iterable[str]) -> str:
    """Hash of the names and bytes of a trial's manifest and of the files that it names.

    Other files of the folder do not count. A named file that is missing, no plain file or outside
    the folder counts by its name. Raises `OSError` for one that cannot be read.
    """
    digest = hashlib.sha256()
    for name in (MANIFEST_NAME, *sorted(set(files))):
        path = folder / name
        digest.update(name.encode("utf-8", "surrogateescape") + b"\x00")
        inside = path_is_inside(name) and path.resolve().is_relative_to(folder.resolve())
        if inside and path.is_file():
            with path.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class MadeWith:
    """What is chosen for a journey, besides its folder."""

    settings: AnalysisSettings
    limits: Limits


def make_journeys(
    store: TableStore,
    folders: list[Path],
    settings: AnalysisSettings,
    progress: Callable[[str], None] = lambda step: None,
    limits: Limits | None = None,
) -> dict[str, dict[str, Any]]:
    """Bring the journey of every folder into the store; returns their summaries by name, each with
    `reused`: whether nothing had to be done. limits: what one file may hold and cost."""
    made_with = MadeWith(settings, limits or Limits())
    summaries: dict[str, dict[str, Any]] = {}
    made: dict[Path, Journey] = {}

    def judge_and_keep() -> None:
        progress("judging the rows a second time")
        for folder, journey in zip(made, second_look(list(made.values())), strict=True):
            summaries[folder.name] = _keep(store, folder, journey, made_with) | {"reused": False}
        made.clear()

    waiting = 0
    for done, folder in enumerate(folders, start=1):
        known = _known(store, folder, made_with)
        if known is not None:
            summaries[folder.name] = known | {"reused": True}
        else:
            made[folder] = trial_journey(folder, settings, made_with.limits)
            waiting += judged_rows(made[folder])
        progress(f"reading trials {done}/{len(folders)}")
        if waiting >= MOST_ROWS:
            judge_and_keep()
            waiting = 0
    if made:
        judge_and_keep()
    return summaries


def _mark(made_with: MadeWith, finger: str) -> str:
    """What a stored journey is known by."""
    text = json.dumps([finger, _code_hash(), asdict(made_with)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _known(store: TableStore, folder: Path, made_with: MadeWith) -> dict[str, Any] | None:
    """The summary of a stored journey that is still right, and whole on the disk."""
    try:
        summary: dict[str, Any] = store.read_json(f"{_ROOM}/{folder.name}/summary")
        names = [source["file"] for source in (summary["manifest"] or {"sources": []})["sources"]]
        same = summary["key"] == _mark(made_with, fingerprint(folder, names))
        tables = dict(summary["tables"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = same and all(
        store.digest(f"{_ROOM}/{folder.name}/{name}") == digest for name, digest in tables.items()
    )
    return summary if whole else None


def _keep(store: TableStore, folder: Path, journey: Journey, made_with: MadeWith) -> dict[str, Any]:
    """Write a journey; where the machine cannot, its fault instead of the journey."""
    done = fenced(folder.name, lambda: _write(store, folder, journey, made_with))
    if not isinstance(done, Broken):
        return done
    return _write(store, folder, broken_journey(folder.name, done, journey), made_with)


def _write(
    store: TableStore, folder: Path, journey: Journey, made_with: MadeWith
) -> dict[str, Any]:
    room = f"{_ROOM}/{folder.name}"
    store.remove_folder(room)
    tables = {name: frame for name, frame in _tables(journey).items() if len(frame)}
    for name, frame in tables.items():
        store.write(f"{room}/{name}", frame)
    keep_traces(store, journey)
    finger = _fingerprint_of(folder, journey)
    summary: dict[str, Any] = {
        "collection_id": journey.collection_id,
        "fingerprint": finger,
        "key": "" if journey.by_machine or not finger else _mark(made_with, finger),
        "by_machine": journey.by_machine,
        "manifest": journey.manifest.model_dump(mode="json") if journey.manifest else None,
        "files": journey.files,
        "rows": sum(len(s.accepted) + len(s.rejected) for s in journey.screened.values()),
        "checks": {kind: s.checks for kind, s in journey.screened.items()},
        "participants": _participants(journey),
        "facts": {trial: one.to_dict() for trial, one in journey.facts.items()},
        "findings": len(journey.findings),
        "tables": {name: store.digest(f"{room}/{name}") for name in tables},
    }
    store.write_json(f"{room}/summary", summary)  # last: its presence says the rest is there
    return summary


def _fingerprint_of(folder: Path, journey: Journey) -> str:
    """The fingerprint, empty where the manifest or a file cannot be read."""
    try:
        return fingerprint(folder, _named_files(folder, journey))
    except (MemoryError, OSError):
        return ""


def _named_files(folder: Path, journey: Journey) -> list[str]:
    """Files that the manifest names; none where it is not usable."""
    try:
        manifest = journey.manifest or load_manifest(folder)
    except TrialFileError:
        return []
    return [source.file for source in manifest.sources]


def _tables(journey: Journey) -> dict[str, pd.DataFrame]:
    out = dict(journey.tables)
    for kind, one in journey.screened.items():
        out[f"accepted_{kind}"], out[f"rejected_{kind}"] = one.accepted, one.rejected
    out["study_values"] = journey.study_values
    out["findings"] = findings_frame(journey.findings)
    return out


_COUNTED = ["trial_id", "collection_id", "study_label"]


def _participants(journey: Journey) -> list[dict[str, Any]]:
    """Of every trial with accepted participant rows: its id, folder, label and number of rows."""
    if "participant_rows" not in journey.screened:
        return []
    rows = journey.screened["participant_rows"].accepted
    counts = rows["trial_id"].value_counts(sort=False)
    labels = rows.drop_duplicates("trial_id")[_COUNTED].astype(str)
    return [one | {"rows": int(counts.loc[one["trial_id"]])} for one in labels.to_dict("records")]


def keep_traces(store: TableStore, journey: Journey) -> None:
    """The traces of unforeseen errors of this trial, and no older ones."""
    for old in (store.root / TRACES).glob(f"{journey.collection_id}*.txt"):
        name = old.name.removesuffix(".txt")
        if name == journey.collection_id or name.startswith(f"{journey.collection_id}_"):
            store.remove_file(f"{TRACES}/{old.name}")
    for trial, text in journey.traces.items():
        store.write_text(trace_file(trial), text)


_NOTHING: dict[str, Any] = {"evaluated": 0, "unexpected": 0, "success": True}


class Journeys:
    """What the store holds of the trials of this run."""

    def __init__(self, store: TableStore, trials: list[str]) -> None:
        self.store = store
        self.summaries: dict[str, dict[str, Any]] = {
            t: store.read_json(f"{_ROOM}/{t}/summary") for t in trials
        }

    @cached_property
    def manifests(self) -> dict[str, TrialManifest]:
        """Manifests that could be used, by trial."""
        return {
            trial: TrialManifest.model_validate(summary["manifest"])
            for trial, summary in self.summaries.items()
            if summary["manifest"]
        }

    def stack(self, table: str) -> pd.DataFrame:
        """One table of all trials."""
        parts = [
            self.store.read(f"{_ROOM}/{trial}/{table}")
            for trial, summary in self.summaries.items()
            if table in summary["tables"]
        ]
        return stacked(table, parts)

    def checks(self, kind: str) -> list[dict[str, Any]]:
        """What the rules of one kind of record counted over all trials."""
        found = [c for s in self.summaries.values() for c in s["checks"].get(kind, [])]
        keys = ["rule_id", "column"]
        if not found:
            return []
        frame = pd.DataFrame(found)
        summed = frame.groupby(keys, sort=False, as_index=False).agg(
            success=("success", "all"), evaluated=("evaluated", "sum"),
            unexpected=("unexpected", "sum"),
        )  # fmt: skip
        return [
            {"rule_id": r.rule_id, "column": r.column, "success": bool(r.success),
             "evaluated": int(r.evaluated), "unexpected": int(r.unexpected), "raised": ""}
            for r in summed.itertuples()
        ]  # fmt: skip

    @property
    def facts(self) -> dict[str, ParticipantFacts]:
        """Aggregates of participants by trial."""
        return {
            trial: ParticipantFacts.from_dict(one)
            for summary in self.summaries.values()
            for trial, one in summary["facts"].items()
        }

    @property
    def participants(self) -> pd.DataFrame:
        """Trials with accepted participant rows: id, folder, label and number of `rows`."""
        found = [one for s in self.summaries.values() for one in s["participants"]]
        return pd.DataFrame(found, columns=[*_COUNTED, "rows"])

    @property
    def participant_files(self) -> dict[str, frozenset[str]]:
        """Hashes of the files of participants that were read, by trial."""
        named = {
            trial: {s.file for s in manifest.sources if isinstance(s, ParticipantSource)}
            for trial, manifest in self.manifests.items()
        }
        return {
            trial: frozenset(f["sha256"] for f in summary["files"] if f["file"] in named[trial])
            for trial, summary in self.summaries.items()
            if trial in named
        }

    @property
    def findings(self) -> list[Finding]:
        return findings_from_frame(self.stack("findings"))
