"""`ibgap trial check`: everything that is wrong with one folder, and what it would give."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from assets.journey.trial_journey import Journey, trial_journey
from assets.store import TableStore
from dashboard.file_accounts import account_lines
from pipelines.settings import Settings
from validations.findings import Finding, Severity


@dataclass(frozen=True)
class FolderCheck:
    """Findings of a folder and, when it can be read, what its rows give.

    files: the account of every file that was read, by source (`assets.staging.files_read`).
    """

    folder: Path
    findings: list[Finding]
    summary: list[str]
    files: list[dict[str, object]] = field(default_factory=list)

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
    journey = trial_journey(folder.resolve(), settings.analysis, settings.reading, checks=False)
    if journey.traces:
        from assets.journey.make import keep_traces  # takes the time of all later steps

        store = TableStore(settings.store_dir)
        store.make()  # a refresh may be writing there
        keep_traces(store, journey)
    order = list(Severity)
    findings = sorted(journey.findings, key=lambda f: (order.index(f.severity), f.file, f.row or 0))
    return FolderCheck(folder, findings, _summary(journey), journey.files)


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


def report_json(check: FolderCheck) -> str:
    """Findings and the account of every file that was read, as data."""
    findings = [vars(finding) for finding in check.findings]
    return json.dumps({"findings": findings, "files": check.files}, indent=1, default=str)


def report_text(check: FolderCheck) -> str:
    """Findings, then how its files were read, what the folder gives, and what to do next."""
    lines = [finding.text() for finding in check.findings]
    lines += [line for file in check.files for line in account_lines(file, check.files)]
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
