"""The tables of the synthesis layer, by name.

Syntheses are fenced from each other: where one of them cannot be computed, its rows of that table
are missing, a finding says so, and the others stand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import pandas as pd

from analysis.synthesis import AnalysisSettings, Stack, of_synthesis, syntheses
from analysis.synthesis.bias_checks import bias_checks
from analysis.synthesis.gap_estimates import gap_and_surrogacy
from analysis.synthesis.influence import influence_rows
from analysis.synthesis.moderator_effects import declared_moderators, moderator_effects
from analysis.synthesis.pooled_effects import pooled_effects, pooled_natural_scales
from analysis.synthesis.sensitivity import sensitivity
from analysis.synthesis.specifications import specifications
from analysis.synthesis.stack import Record
from assets.effects.moderators import moderator_values
from assets.fence import TRACES, Broken, MachineFaultError, doing, fenced
from assets.journey.kept import Journeys
from assets.release.trials import disclosure_profiles
from assets.steps.effects import read_stack
from assets.store import TableStore
from assets.synthesis import action_control, correlational
from validations.disclosure import protect_action_counts
from validations.findings import Finding, Severity, findings_frame
from validations.tables import made_columns

StackAt = Callable[[float], Stack]
"""The trials of one synthesis at an assumed correlation of the grid."""
Rows = Callable[[StackAt, AnalysisSettings], list[Record]]


def _of_groups(
    store: TableStore, settings: AnalysisSettings, table: str, rows_of: Rows
) -> pd.DataFrame:
    """Rows of one table over all syntheses, each behind the fence."""

    @cache
    def stack_at(rho: float) -> Stack:
        return read_stack(store, None if rho == settings.assumed_correlation else rho)

    def group_at(name: str, rho: float) -> Stack:
        return of_synthesis(stack_at(rho), name)

    primary = stack_at(settings.assumed_correlation)
    names = syntheses(primary) if primary.trials else []
    return _fenced(
        store, table, {n: partial(rows_of, partial(group_at, n), settings) for n in names}
    )


def _fenced(
    store: TableStore, table: str, parts: dict[str, Callable[[], list[Record]]]
) -> pd.DataFrame:
    """Rows of all parts of one table; a part that breaks off becomes a finding with its trace.

    Raises `MachineFaultError` where the machine is at fault: a release without these rows would
    say that there are none.
    """
    rows: list[Record] = []
    findings: list[Finding] = []
    for name, work in parts.items():
        trace = f"{TRACES}/synthesis_{name}_{table}.txt"
        store.remove_file(trace)
        made = fenced(name, partial(_named, table, work))
        if not isinstance(made, Broken):
            rows += made
            continue
        if made.by_machine:
            raise MachineFaultError(made.finding.message)
        store.write_text(trace, made.trace)
        what = made.finding.message.split(";")[0]
        findings.append(
            Finding(
                name,
                "synthesis_failed",
                Severity.ERROR,
                f"{name} has no rows in {table}: {what}",
                f"report this with its trace, which the restricted store keeps as {trace}",
            )
        )
    store.write(f"synthesis/{table}_findings", findings_frame(findings))
    return pd.DataFrame(rows, columns=made_columns(table))


def _named(table: str, work: Callable[[], list[Record]]) -> list[Record]:
    with doing(f"computing {table.replace('_', ' ')}"):
        return work()


def _pooled(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    effects = store.read("effects/effects").to_dict("records")

    def rows(at: StackAt, chosen: AnalysisSettings) -> list[Record]:
        stack = at(chosen.assumed_correlation)
        return pooled_effects(stack, chosen) + pooled_natural_scales(effects, stack, chosen)

    return _of_groups(store, settings, "pooled_effects", rows)


def _gap(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _of_groups(store, settings, "gap_estimates", partial(_gap_and_surrogacy, store, 0))


def _surrogacy(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _of_groups(store, settings, "surrogacy", partial(_gap_and_surrogacy, store, 1))


def _gap_and_surrogacy(
    store: TableStore, which: int, at: StackAt, settings: AnalysisSettings
) -> list[Record]:
    pairs = store.read("pairs/paired_effects").to_dict("records")
    return gap_and_surrogacy(at(settings.assumed_correlation), pairs, settings)[which]


def _sensitivity(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _of_groups(store, settings, "sensitivity", sensitivity)


def _specifications(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> pd.DataFrame:
    return _of_groups(store, settings, "specifications", specifications)


def _moderators(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    journeys = Journeys(store, trials)
    values = moderator_values(journeys.manifests, journeys.stack("study_values"))
    declared = declared_moderators(values.to_dict("records"))

    def rows(at: StackAt, chosen: AnalysisSettings) -> list[Record]:
        return moderator_effects(at(chosen.assumed_correlation), declared, chosen)

    return _of_groups(store, settings, "moderator_effects", rows)


def _influence(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _of_groups(store, settings, "influence", _at_primary(influence_rows))


def _bias(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _of_groups(store, settings, "bias_checks", _at_primary(bias_checks))


def _at_primary(make: Callable[[Stack, AnalysisSettings], list[Record]]) -> Rows:
    return lambda at, settings: make(at(settings.assumed_correlation), settings)


def _action(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    journeys = Journeys(store, trials)
    manifests = journeys.manifests
    counts = action_control.action_counts(
        journeys.facts, store.read("screened/intention_by_action"), manifests
    )
    publishable = protect_action_counts(counts, disclosure_profiles(store, trials))

    def work() -> list[Record]:
        return _records(action_control.action_control(counts, publishable, settings))

    return _fenced(store, "action_control", {"all": work})


def _correlations(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    manifests = Journeys(store, trials).manifests
    records = store.read("screened/correlations")

    def work() -> list[Record]:
        return _records(correlational.pooled_correlations(records, manifests, settings))

    return _fenced(store, "pooled_correlations", {"all": work})


def _barriers(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    records = store.read("screened/barrier_codings")

    def work() -> list[Record]:
        return _records(correlational.barrier_table(records))

    return _fenced(store, "barrier_codings", {"all": work})


def _records(frame: pd.DataFrame) -> list[Record]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


_SYNTHESES = {
    "pooled_effects": _pooled,
    "gap_estimates": _gap,
    "surrogacy": _surrogacy,
    "sensitivity": _sensitivity,
    "specifications": _specifications,
    "influence": _influence,
    "moderator_effects": _moderators,
    "bias_checks": _bias,
    "action_control": _action,
    "pooled_correlations": _correlations,
    "barrier_codings": _barriers,
}


SYNTHESIS_TABLES = tuple(_SYNTHESES)


def synthesize(
    store: TableStore, trials: list[str], settings: AnalysisSettings, table: str
) -> pd.DataFrame:
    """Make one table of the synthesis layer by name."""
    made = _SYNTHESES[table](store, trials, settings)
    store.write(f"synthesis/{table}", made)
    return made
