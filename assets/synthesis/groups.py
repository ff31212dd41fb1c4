"""The tables of one synthesis of trials, from its inputs.

Parts of a synthesis are fenced from each other: where one table cannot be computed, its rows are
missing, a finding says so, and the others stand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from analysis.synthesis.group import Group
from analysis.synthesis.inputs import GroupInputs
from analysis.synthesis.plan import group_parts
from analysis.synthesis.stack import Record
from assets.fence import TRACES, Broken, doing, fenced
from ibgap.base.machine import MachineFaultError
from validations.findings import Finding, Severity


@dataclass(frozen=True)
class Made:
    """What came of some tables of one synthesis.

    rows: by table; none where it broke off. findings: by table that broke off. traces: of these, by
    file of the restricted store.
    """

    rows: dict[str, list[Record]] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every part was computed, so that the result may be kept for these inputs."""
        return not self.findings


def make_group(inputs: GroupInputs, tables: Collection[str] | None = None) -> Made:
    """The tables of one synthesis (all, or those named), each behind the fence.

    A function of the inputs alone: its result may be kept under their fingerprint, with that of the
    code, as long as it is whole. Raises `MachineFaultError` where the machine is at fault.
    """
    parts = group_parts(Group(inputs))
    chosen = parts if tables is None else {name: parts[name] for name in parts if name in tables}
    return make_parts(inputs.synthesis, chosen)


def make_parts(synthesis: str, parts: dict[str, Callable[[], list[Record]]]) -> Made:
    """The rows of each part; a part that breaks off becomes a finding with its trace.

    Raises `MachineFaultError` where the machine is at fault: a release without these rows would
    say that there are none.
    """
    made = Made()
    for table, work in parts.items():
        rows = fenced(synthesis, partial(_named, table, work))
        if not isinstance(rows, Broken):
            made.rows[table] = rows
            continue
        if rows.by_machine:
            raise MachineFaultError(rows.finding.message)
        trace, what = trace_file(synthesis, table), rows.finding.message.split(";")[0]
        made.traces[trace] = rows.trace
        made.findings[table] = Finding(
            synthesis,
            "synthesis_failed",
            Severity.ERROR,
            f"{synthesis} has no rows in {table}: {what}",
            f"report this with its trace, which the restricted store keeps as {trace}",
        )
    return made


def trace_file(synthesis: str, table: str) -> str:
    """Where the restricted store keeps the trace of a part that broke off."""
    return f"{TRACES}/synthesis_{synthesis}_{table}.txt"


def _named(table: str, work: Callable[[], list[Record]]) -> list[Record]:
    with doing(f"computing {table.replace('_', ' ')}"):
        return work()
