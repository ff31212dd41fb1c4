"""`ibgap trial check`: everything that is wrong with one folder, and what it would give."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from assets.sources.staging import stage_trial
from assets.steps import check_staged
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


def check_folder(folder: Path) -> FolderCheck:
    """Stage, screen and dry-run one trial folder (which exists); nothing is kept."""
    resolved = folder.resolve()
    staged = stage_trial(resolved, b"check")
    findings = check_staged(staged)
    summary: list[str] = []
    if staged.manifest is not None:
        more, summary = _dry_run(resolved)
        known = {(f.rule_id, f.file, f.row, f.column, f.message) for f in findings}
        findings += [
            f for f in more if (f.rule_id, f.file, f.row, f.column, f.message) not in known
        ]
    order = list(Severity)
    findings.sort(key=lambda f: (order.index(f.severity), f.file, f.row or 0))
    return FolderCheck(folder, findings, summary)


def _dry_run(folder: Path) -> tuple[list[Finding], list[str]]:
    """Run the steps up to the pairs on this folder alone, in a store that is thrown away."""
    from analysis.synthesis.settings import AnalysisSettings
    from assets import steps
    from assets.store import TableStore
    from validations.findings import findings_from_frame

    with tempfile.TemporaryDirectory() as temporary:
        store = TableStore(Path(temporary))
        store.prepare()
        steps.run_through_pairs(store, [folder], AnalysisSettings())
        effects, pairs = store.read("effects/effects"), store.read("pairs/paired_effects")
        findings = [
            finding
            for part in ("outcomes", "participants", "effects", "pairs")
            for finding in findings_from_frame(store.read(f"{part}/findings"))
        ]
        correlations = len(store.read("screened/correlations"))
        codings = len(store.read("screened/barrier_codings"))
    common = effects[effects["measure"] == "SMD"] if len(effects) else effects
    summary = []
    for construct, part in common.groupby("construct") if len(common) else []:
        usable = int((part["yi"].notna() & ~part["reason"].str.startswith("held")).sum())
        summary.append(
            f"{str(construct).replace('_', ' ')}: {usable} of {len(part)} effects usable"
        )
    if len(pairs):
        summary.append(f"pairs of upstream construct and behavior: {len(pairs)}")
    if correlations:
        summary.append(f"correlations: {correlations}")
    if codings:
        summary.append(f"barrier codings: {codings}")
    return findings, summary or ["no row gives an effect"]


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
