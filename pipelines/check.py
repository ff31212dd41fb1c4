"""`ibgap trial check`: everything that is wrong with one folder, and what it would give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from assets.journey import Journey, trial_journey
from assets.store import TableStore
from pipelines.settings import Settings
from validations.findings import Finding, Severity


@dataclass(frozen=True)
class FolderCheck:
    """Findings of a folder and, when it can be read, what its rows give."""

    folder: Path
    findings: list[Finding]
    summary: list[str]

    @property
    def sets_aside(self) -> bool:
        return any(finding.blocks for finding in self.findings)


def check_folder(folder: Path, settings: Settings | None = None) -> FolderCheck:
    """The journey of one trial folder (which exists), as a refresh makes it; only traces of
    unforeseen errors are kept, in the restricted store.

    What guards against faults of this program (the second judge of the rows, pingouin's own
    computations) is left to the refresh: it says nothing about the folder and takes seconds.
    """
    settings = settings or Settings()
    journey = trial_journey(folder.resolve(), settings.analysis, checks=False)
    if journey.traces:
        from assets.steps.journeys import keep_traces  # takes the time of all later steps

        store = TableStore(settings.store_dir)
        store.prepare()
        keep_traces(store, journey)
    order = list(Severity)
    findings = sorted(journey.findings, key=lambda f: (order.index(f.severity), f.file, f.row or 0))
    return FolderCheck(folder, findings, _summary(journey))


def _summary(journey: Journey) -> list[str]:
    """What the folder gives, in counts."""
    if journey.manifest is None:
        return []
    summary = []
    effects = journey.tables.get("effects")
    if effects is not None:
        common = effects[effects["measure"] == "SMD"]
        for construct, part in common.groupby("construct"):
            usable = int((part["yi"].notna() & ~part["reason"].str.startswith("held")).sum())
            name = str(construct).replace("_", " ")
            summary.append(f"{name}: {usable} of {len(part)} effects usable")
    for title, rows in (
        ("pairs of upstream construct and behavior", journey.tables.get("paired_effects")),
        ("correlations", _accepted(journey, "correlations")),
        ("barrier codings", _accepted(journey, "barrier_codings")),
    ):
        if rows is not None and len(rows):
            summary.append(f"{title}: {len(rows)}")
    return summary or ["no row gives an effect"]


def _accepted(journey: Journey, kind: str) -> pd.DataFrame | None:
    return journey.screened[kind].accepted if kind in journey.screened else None


def report_text(check: FolderCheck) -> str:
    """Findings, then what the folder gives, then what to do next."""
    lines = [finding.text() for finding in check.findings]
    if check.summary:
        lines += [f"{check.folder.name} gives: " + "; ".join(check.summary)]
    if check.sets_aside:
        count = sum(finding.blocks for finding in check.findings)
        some = "1 finding sets" if count == 1 else f"{count} findings set"
        lines.append(f"{some} data aside. Mend the cause, then run this check again.")
    elif not check.findings:
        lines.append("Nothing is wrong. Next: ibgap refresh")
    else:
        lines.append("Nothing is set aside. Next: ibgap refresh")
    return "\n".join(lines)
