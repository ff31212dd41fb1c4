"""Brings the journeys of trial folders into the store: made where something changed, else kept.

What is kept is known by the bytes of the manifest and of the files it names, by the code, the
choices and the limits of reading that made it, and by the hash of its file. A fault of the
machine is never remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from assets.fence import Broken, fenced, trace_file
from assets.journey.contents import journey_tables
from assets.journey.keys import ROOM, MadeWith, digests_of, fingerprint, is_known
from assets.journey.trial_journey import Journey, broken_journey, trial_journey
from assets.journey.work_limits import WorkLimits
from assets.journey.workers import Begun, Done, GivenUp, Tell, in_workers
from assets.kept import Entry, KeptResults
from assets.screening.second_look import MOST_ROWS, judged_rows, second_look
from assets.store import TableStore
from validations.errors import TrialFileError
from validations.findings import Finding, Severity
from validations.manifest.load import MANIFEST_NAME, load_manifest

NEEDS_MORE = "needs_more_resources"


@dataclass(frozen=True)
class Told:
    """What a run says of the journey of one folder.

    rows: records that were judged. findings: how many there are, and how many of them set data
    aside. version: hash of what is kept.
    """

    rows: int
    findings: int
    blocking: int
    version: str


@dataclass(frozen=True)
class Made:
    """What became of the journeys of a run.

    made: what is told of each that was made. reused: names of those that were kept. version: hash
    of what is kept of all.
    """

    made: dict[str, Told] = field(default_factory=dict)
    reused: tuple[str, ...] = ()
    version: str = ""


def make_journeys(
    store: TableStore,
    folders: Sequence[Path],
    made_with: MadeWith,
    limits: WorkLimits | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Made:
    """Bring the journey of every folder (all of one parent) into the store, and remove those of
    folders that are gone.

    limits: how much of the machine may be used. Raises `MachineFaultError` where a disk fails.
    """
    kept = KeptResults(store.room(ROOM))
    kept.retain(folder.name for folder in folders)
    known = [folder.name for folder in folders if is_known(kept, folder, made_with)]
    new = sorted({folder.name for folder in folders} - set(known))
    made: dict[str, Told] = {}
    entries: dict[str, Entry] = {}
    if new:
        work = JourneyWork(store.root, folders[0].parent, made_with)
        for one in in_workers(new, work, limits or WorkLimits(workers=0)):
            entry, told = work.give_up(one) if isinstance(one, GivenUp) else one.made
            entries[one.name], made[one.name] = entry, told
            progress(f"reading trials {len(known) + len(made)}/{len(folders)}")
            if len(entries) >= _ENTERED_TOGETHER:
                kept.enter(entries)
                entries = {}
    kept.enter(entries)
    return Made({name: made[name] for name in sorted(made)}, tuple(known), kept.version)


_ENTERED_TOGETHER = 100
"""So many journeys at most are made again after a run that was killed."""


@dataclass(frozen=True)
class JourneyWork:
    """Makes and keeps the journeys of the folders with these names; what a worker is given.

    root: of the store. trials: the folder of the trial folders.
    """

    root: Path
    trials: Path
    made_with: MadeWith

    def __call__(self, names: Sequence[str], tell: Tell) -> None:
        waiting: list[Journey] = []
        manifests: dict[str, str] = {}
        rows = 0
        for name in names:
            tell(Begun(name))
            folder = self.trials / name
            manifests[name] = _digests(folder, ()).get(MANIFEST_NAME, "")
            waiting.append(trial_journey(folder, self.made_with.settings, self.made_with.limits))
            rows += judged_rows(waiting[-1])
            if rows >= MOST_ROWS:
                self._finish(waiting, manifests, tell)
                waiting, rows = [], 0
        self._finish(waiting, manifests, tell)

    def _finish(self, journeys: list[Journey], manifests: dict[str, str], tell: Tell) -> None:
        """The second look at the rows of new journeys, and their place in the store."""
        if not journeys:
            return
        tell(Begun())
        for journey in second_look(journeys):
            name = journey.collection_id
            made = fenced(name, partial(self._write, journey, manifests[name]))
            if isinstance(made, Broken):  # the machine cannot: its fault instead of the journey
                made = self._write(broken_journey(name, made, journey))
            tell(Done(name, made, short=journey.out_of_memory))

    def _write(self, journey: Journey, manifest: str = "") -> tuple[Entry, Told]:
        """Keep a journey. manifest: hash of the manifest before it was read."""
        folder, store = self.trials / journey.collection_id, TableStore(self.root)
        name, files = journey.collection_id, _named_files(folder, journey)
        digests = _digests(folder, files)
        finger = fingerprint(digests) if digests else ""
        lasting = journey.for_good and not journey.by_machine
        known = finger and lasting and _as_read(journey, manifest, digests)
        keep_traces(store, journey)
        key = self.made_with.key(finger) if known else ""
        kept = KeptResults(store.room(ROOM))
        entry = kept.write(name, key, journey_tables(journey, finger), files)
        rows = sum(len(one.accepted) + len(one.rejected) for one in journey.screened.values())
        blocking = sum(finding.blocks for finding in journey.findings)
        return entry, Told(rows, len(journey.findings), blocking, entry.digest)

    def give_up(self, one: GivenUp) -> tuple[Entry, Told]:
        """The journey of a trial that needs more than it was given: a finding, tried anew by the
        next run."""
        finding = Finding(
            one.name,
            NEEDS_MORE,
            Severity.ERROR,
            f"while working on the trial by itself, {one.reason}; nothing of it is used, the other "
            "trials go on",
            "give workers more under [work] in ibgap.toml (`megabytes`, `minutes`), or make the "
            "files of the trial smaller; the next refresh tries again",
        )
        return self._write(Journey(one.name, findings=[finding], for_good=False))


def _digests(folder: Path, files: Sequence[str]) -> dict[str, str]:
    """Hashes of the files of a journey; none where the manifest or a file cannot be read."""
    try:
        return digests_of(folder, files)
    except (MemoryError, OSError):
        return {}


def _as_read(journey: Journey, manifest: str, digests: dict[str, str]) -> bool:
    """Whether the files are still what the journey read: they may change under its hands.

    manifest: hash of the manifest before it was read.
    """
    read = {str(file["file"]): str(file["sha256"]) for file in journey.files if file["sha256"]}
    read[MANIFEST_NAME] = manifest
    return all(digests.get(name) == digest for name, digest in read.items())


def _named_files(folder: Path, journey: Journey) -> list[str]:
    """Files that the manifest names; none where it is not usable."""
    try:
        manifest = journey.manifest or load_manifest(folder)
    except TrialFileError:
        return []
    return [source.file for source in manifest.sources]


def keep_traces(store: TableStore, journey: Journey) -> None:
    """The traces of unforeseen errors of this trial and of its studies, and no older ones."""
    traces = {trace_file(trial): text for trial, text in journey.traces.items()}
    name = journey.collection_id
    for start in (f"{name}.", f"{name}_"):
        store.keep_traces(start, traces)
