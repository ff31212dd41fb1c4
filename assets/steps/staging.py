"""Reading trial folders into the store, and reading back what was staged."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import assets.sources
import validations
from assets.sources.staging import stage_trial
from assets.store import TableStore
from validations.findings import (
    Finding,
    findings_frame,
    findings_from_frame,
)
from validations.manifest.model import TrialManifest


@cache
def _code_hash() -> bytes:
    """Hash of the code that reads trials: what it wrote is stale when it changes."""
    digest = hashlib.sha256()
    for package in (assets.sources, validations):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.digest()


def fingerprint(folder: Path) -> str:
    """Content hash of a trial folder: names and bytes of its files, and the code that reads it."""
    digest = hashlib.sha256(_code_hash())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\x00")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def stage(store: TableStore, folder: Path) -> dict[str, Any]:
    """Read one trial folder into the store unless nothing in it changed; returns its summary."""
    name, mark = f"staged/{folder.name}", fingerprint(folder)
    if store.has(f"{name}/summary"):
        known = store.read_json(f"{name}/summary")
        if known["fingerprint"] == mark:
            return known | {"reused": True}
    staged = stage_trial(folder, store.secret())
    store.remove_folder(name)
    for kind, frame in staged.records.items():
        store.write(f"{name}/{kind}", frame)
    store.write(f"{name}/study_values", staged.study_values)
    store.write(f"{name}/findings", findings_frame(staged.findings))
    summary: dict[str, Any] = {
        "collection_id": folder.name,
        "fingerprint": mark,
        "manifest": staged.manifest.model_dump(mode="json") if staged.manifest else None,
        "files": staged.files,
        "kinds": sorted(staged.records),
        "rows": int(sum(len(frame) for frame in staged.records.values())),
        "findings": len(staged.findings),
    }
    store.write_json(f"{name}/summary", summary)  # last: its presence says the rest is there
    return summary | {"reused": False}


class Staged:
    """What staging wrote for the trials of this run."""

    def __init__(self, store: TableStore, trials: list[str]) -> None:
        self.store = store
        self.summaries = {t: store.read_json(f"staged/{t}/summary") for t in trials}

    @property
    def manifests(self) -> dict[str, TrialManifest]:
        return {
            trial: TrialManifest.model_validate(summary["manifest"])
            for trial, summary in self.summaries.items()
            if summary["manifest"]
        }

    def records(self, kind: str) -> pd.DataFrame:
        """Records of one kind stacked over trials (no rows when there are none)."""
        parts = [
            self.store.read(f"staged/{trial}/{kind}")
            for trial, summary in self.summaries.items()
            if kind in summary["kinds"]
        ]
        parts = [part.astype(object) for part in parts if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @property
    def study_values(self) -> pd.DataFrame:
        parts = [self.store.read(f"staged/{trial}/study_values") for trial in self.summaries]
        parts = [part for part in parts if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @property
    def findings(self) -> list[Finding]:
        out: list[Finding] = []
        for trial in self.summaries:
            for finding in findings_from_frame(self.store.read(f"staged/{trial}/findings")):
                out.append(finding if finding.trial_id else name_trial(finding, trial))
        return out


def name_trial(finding: Finding, trial: str) -> Finding:
    """The finding with its trial's name, where the reader did not know it."""
    return replace(finding, trial_id=trial)
