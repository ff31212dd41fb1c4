"""Findings: everything wrong or doubtful about a trial, as data that travels to the report.

A finding never carries a participant's value: it says where (file, row, column), what the
rule expected and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import pandas as pd

MOST_ROWS_NAMED = 5


class Severity(StrEnum):
    """What a finding does: `error` sets the affected data aside, `hold` keeps the effect out of
    the pools until it is waived by name, `warning` and `info` are shown."""

    ERROR = "error"
    HOLD = "hold"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One fault, doubt or note.

    trial_id: folder or study it concerns. rule_id: what was checked. message: what was found
    and what would be right. fix: what to do next. file, row, column: where, as a person counts
    (the header is row 1). subject: the outcome or effect it sets aside, if any. count: how many
    rows share it.
    """

    trial_id: str
    rule_id: str
    severity: Severity
    message: str
    fix: str
    file: str = ""
    row: int | None = None
    column: str = ""
    subject: str = ""
    count: int = 1
    status: str = "open"
    waived_by: str = ""
    waiver_reason: str = ""

    @property
    def blocks(self) -> bool:
        """Whether it keeps its subject out of the pools."""
        return self.status == "open" and self.severity in (Severity.ERROR, Severity.HOLD)

    @property
    def place(self) -> str:
        """`file, row 7, column n` with the parts that are known."""
        parts = [self.file] if self.file else []
        if self.row is not None:
            parts.append(f"{'line' if self.file.endswith(('.yaml', '.yml')) else 'row'} {self.row}")
        if self.column:
            parts.append(f"column {self.column}")
        return ", ".join(parts)

    def text(self) -> str:
        """Two or three lines for a terminal."""
        where = f" [{self.place}]" if self.place else ""
        lines = [f"{self.severity.value.upper():7} {self.trial_id}{where}: {self.message}"]
        if self.fix:
            lines.append(f"        -> {self.fix}")
        if self.status != "open":
            lines.append(f"        waived by {self.waived_by}: {self.waiver_reason}")
        return "\n".join(lines)


FINDING_COLUMNS = list(Finding.__dataclass_fields__)


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row per finding, most severe first within a trial."""
    rows = [asdict(finding) for finding in findings]
    frame = pd.DataFrame(rows, columns=FINDING_COLUMNS)
    frame["severity"] = frame["severity"].astype(str)
    return sorted_findings(frame)


def sorted_findings(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of findings, most severe first within a trial."""
    order = {severity.value: i for i, severity in enumerate(Severity)}
    frame = frame.assign(row=frame["row"].astype("Int64"))
    keyed = frame.assign(_order=frame["severity"].map(order).fillna(9))
    keyed = keyed.sort_values(["trial_id", "_order", "rule_id", "file", "row"], kind="stable")
    return keyed.drop(columns="_order").reset_index(drop=True)


def findings_from_frame(frame: pd.DataFrame) -> list[Finding]:
    """The inverse of `findings_frame`."""
    out = []
    for record in frame.to_dict("records"):
        record["row"] = None if pd.isna(record["row"]) else int(record["row"])
        record["severity"] = Severity(record["severity"])
        out.append(Finding(**{str(name): value for name, value in record.items()}))
    return out


def blocking_rows(frame: pd.DataFrame) -> pd.Series:
    """Which rows keep their subject out of the pools, as `Finding.blocks` says of one finding."""
    severe = frame["severity"].isin([Severity.ERROR.value, Severity.HOLD.value])
    return (frame["status"] == "open") & severe


def name_rows(rows: Sequence[int]) -> str:
    """`row 7`, `rows 7, 9 and 12` or `rows 7, 8, 9, 10, 11 and 30 more`."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    shown = [str(row) for row in rows[:MOST_ROWS_NAMED]]
    if len(rows) > MOST_ROWS_NAMED:
        return f"rows {', '.join(shown)} and {len(rows) - MOST_ROWS_NAMED} more"
    return f"rows {', '.join(shown[:-1])} and {shown[-1]}"


Waived = tuple[str, str, str, str, str]
"""trial_id, rule_id, subject, by, reason."""


def _outcome_of(subject: str) -> str:
    """Outcome id in an outcome row id (trial:comparison:outcome.instrument@time#number)."""
    return re.split(r"[.@#]", subject.split(":", 2)[-1])[0]


def _covers(waiver: Waived, finding: Finding) -> bool:
    trial_id, rule_id, subject, _, _ = waiver
    same_trial = finding.trial_id == trial_id or finding.trial_id.startswith(f"{trial_id}/")
    named = not subject or subject in (finding.subject, _outcome_of(finding.subject))
    return same_trial and finding.rule_id == rule_id and named


def apply_waivers(findings: Iterable[Finding], waivers: Iterable[Waived]) -> list[Finding]:
    """Mark holds that a named person waived.

    An error cannot be waived: what it names does not exist. The subject is an outcome id or an
    outcome row id; an empty one waives the rule for the whole trial.
    """
    known = list(waivers)
    out = []
    for finding in findings:
        covering = [waiver for waiver in known if _covers(waiver, finding)]
        if covering and finding.severity is Severity.HOLD:
            by, reason = covering[-1][3:]
            finding = replace(finding, status="waived", waived_by=by, waiver_reason=reason)
        out.append(finding)
    return out


def unused_waivers(findings: Iterable[Finding], waivers: Iterable[Waived]) -> list[Finding]:
    """A warning for each waiver that covers no finding."""
    known = list(findings)
    return [
        Finding(
            trial_id,
            "waiver_unused",
            Severity.WARNING,
            f"the waiver of {rule_id}{f' on {subject}' if subject else ''} by {by} covers no "
            "finding",
            "remove it, or correct its rule and subject",
            "trial.yaml",
        )
        for trial_id, rule_id, subject, by, reason in waivers
        if not any(_covers((trial_id, rule_id, subject, by, reason), one) for one in known)
    ]
