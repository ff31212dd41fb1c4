"""The tables of the synthesis layer, by name: those of the plan, and those of data that are no
effects of trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from analysis.synthesis.plan import PLAN
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record
from assets.journey.kept import Journeys
from assets.release.trials import disclosure_profiles
from assets.store import TableStore
from assets.synthesis import action_control, correlational
from assets.synthesis.groups import Made, make_group, make_parts, read_inputs, trace_file
from validations.disclosure import protect_action_counts
from validations.findings import findings_frame
from validations.tables import made_columns

GROUP_TABLES = tuple(table.name for table in PLAN)
"""Tables made per synthesis of trials."""


def synthesize(
    store: TableStore, trials: list[str], settings: AnalysisSettings, table: str
) -> pd.DataFrame:
    """Make one table of the synthesis layer by name."""
    if table in _OTHERS:
        made = [make_parts("all", {table: _OTHERS[table](store, trials, settings)})]
        return write_tables(store, made, [table])[table]
    groups = read_inputs(store, trials, settings)
    made = [make_group(one, [table]) for one in groups]
    return write_tables(store, made, [table], [one.synthesis for one in groups])[table]


def synthesize_groups(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> dict[str, pd.DataFrame]:
    """Make every table of the syntheses of trials, each synthesis in one go."""
    groups = read_inputs(store, trials, settings)
    made = [make_group(one) for one in groups]
    return write_tables(store, made, GROUP_TABLES, [one.synthesis for one in groups])


def write_tables(
    store: TableStore, made: Sequence[Made], tables: Sequence[str],
    syntheses: Sequence[str] = ("all",),
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Write tables put together from what came of each synthesis, with their findings and traces;
    traces of an earlier run are removed."""
    out = {}
    for table in tables:
        for synthesis in syntheses:
            store.remove_file(trace_file(synthesis, table))
        rows = [row for one in made for row in one.rows.get(table, ())]
        findings = [one.findings[table] for one in made if table in one.findings]
        out[table] = pd.DataFrame(rows, columns=made_columns(table))
        store.write(f"synthesis/{table}_findings", findings_frame(findings))
        store.write(f"synthesis/{table}", out[table])
    for one in made:
        for name, trace in one.traces.items():
            store.write_text(name, trace)
    return out


Work = Callable[[], list[Record]]


def _action(store: TableStore, trials: list[str], settings: AnalysisSettings) -> Work:
    journeys = Journeys(store, trials)
    manifests = journeys.manifests
    counts = action_control.action_counts(
        journeys.facts, store.read("screened/intention_by_action"), manifests
    )
    publishable = protect_action_counts(counts, disclosure_profiles(store, trials))
    return lambda: _records(action_control.action_control(counts, publishable, settings))


def _correlations(store: TableStore, trials: list[str], settings: AnalysisSettings) -> Work:
    manifests = Journeys(store, trials).manifests
    records = store.read("screened/correlations")
    return lambda: _records(correlational.pooled_correlations(records, manifests, settings))


def _barriers(store: TableStore, trials: list[str], settings: AnalysisSettings) -> Work:
    records = store.read("screened/barrier_codings")
    return lambda: _records(correlational.barrier_table(records))


def _records(frame: pd.DataFrame) -> list[Record]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


_OTHERS: dict[str, Callable[[TableStore, list[str], AnalysisSettings], Work]] = {
    "action_control": _action,
    "pooled_correlations": _correlations,
    "barrier_codings": _barriers,
}

SYNTHESIS_TABLES = (*GROUP_TABLES, *_OTHERS)
