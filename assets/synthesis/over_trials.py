"""The tables of all syntheses: each synthesis is computed where its inputs changed, else kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd
import pyarrow as pa

from analysis.synthesis.inputs import GroupInputs, group_inputs
from analysis.synthesis.moderators import declared_moderators
from analysis.synthesis.plan import PLAN
from analysis.synthesis.settings import AnalysisSettings
from assets.kept import KeptResults
from assets.synthesis.groups import Made, make_group
from assets.typed import from_rows, schema_of, stacked, to_arrow
from ibgap.base.code import code_hash
from validations.findings import findings_frame

ROOM = "syntheses"
GROUP_TABLES = tuple(table.name for table in PLAN)
"""Tables made per synthesis of trials."""
OTHER_TABLES = ("action_control", "pooled_correlations", "barrier_codings")
Tables = dict[str, pa.Table]


@dataclass(frozen=True)
class Synthesized:
    """What came of all syntheses.

    tables: `GROUP_TABLES` and the `findings` about parts that could not be computed. traces: of
    these, by file of the restricted store. made, reused: names of the syntheses. seconds: of the
    processor, for those that were made.
    """

    tables: Tables
    traces: dict[str, str] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    seconds: float = 0.0


def inputs_of(frames: Mapping[str, pd.DataFrame], settings: AnalysisSettings) -> list[GroupInputs]:
    """The inputs of every synthesis, from the tables of all trials."""
    names = ("effects", "effect_covariances", "assumed_covariances", "paired_effects")
    records = (frames[name].to_dict("records") for name in names)
    declared = declared_moderators(frames["moderators"].to_dict("records"))
    return group_inputs(*records, declared, settings)


def synthesize(
    inputs: list[GroupInputs],
    kept: KeptResults,
    progress: Callable[[str], None] = lambda step: None,
) -> Synthesized:
    """The tables of all syntheses. What was computed from equal inputs by the same code is read
    back; no result enters another.

    Raises `MachineFaultError` where the machine is at fault.
    """
    kept.retain(one.synthesis for one in inputs)
    traces: dict[str, str] = {}
    made, reused, seconds = [], [], 0.0
    parts: dict[str, list[pa.Table]] = {name: [] for name in (*GROUP_TABLES, "findings")}
    for number, one in enumerate(inputs, start=1):
        name, key = one.synthesis, _key(one)
        if kept.stands(name, key):
            tables = kept.read(name)
            reused.append(name)
        else:
            progress(f"synthesis {number}/{len(inputs)}")
            began = time.process_time()
            found = make_group(one)
            seconds += time.process_time() - began
            tables = _tables(found)
            kept.enter({name: kept.write(name, key if found.is_whole else "", tables)})
            traces |= found.traces
            made.append(name)
        for table, rows in tables.items():
            parts[table].append(rows)
    whole = {table: stacked(table, own) for table, own in parts.items()}
    return Synthesized(whole, traces, tuple(made), tuple(reused), seconds)


def with_others(groups: Synthesized, others: Made) -> Synthesized:
    """The same with the tables of other data; `findings` become `synthesis_findings`."""
    own = _tables(others)
    failed = [own["findings"]] if "findings" in own else []
    findings = stacked("findings", [groups.tables["findings"], *failed])
    tables = {name: groups.tables[name] for name in GROUP_TABLES}
    tables |= {name: own.get(name, schema_of(name).empty_table()) for name in OTHER_TABLES}
    return replace(
        groups,
        tables=tables | {"synthesis_findings": findings},
        traces=groups.traces | others.traces,
    )


def _code() -> str:
    """Hash of the code that a synthesis runs through."""
    rooms = ("analysis", "assets/synthesis", "ibgap/base")
    return code_hash(rooms, ("numpy", "scipy", "pandas", "pyarrow"))


def _key(inputs: GroupInputs) -> str:
    return hashlib.sha256(json.dumps([inputs.fingerprint, _code()]).encode()).hexdigest()


def _tables(made: Made) -> Tables:
    out = {name: from_rows(rows, name) for name, rows in made.rows.items() if rows}
    if made.findings:
        out["findings"] = to_arrow(findings_frame(made.findings.values()), "findings")
    return out
