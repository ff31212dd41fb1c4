"""The tables of the synthesis layer, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pandas as pd

from analysis.synthesis import AnalysisSettings, Stack
from analysis.synthesis.bias_checks import bias_checks
from analysis.synthesis.gap_estimates import gap_and_surrogacy
from analysis.synthesis.influence import influence_rows
from analysis.synthesis.moderator_effects import declared_moderators, moderator_effects
from analysis.synthesis.pooled_effects import pooled_effects, pooled_natural_scales
from analysis.synthesis.sensitivity import sensitivity
from analysis.synthesis.specifications import specifications
from analysis.synthesis.stack import Record
from assets.steps.effects import read_stack
from assets.steps.outcomes import read_facts
from assets.steps.staging import Staged
from assets.steps.trials import disclosure_profiles
from assets.store import TableStore
from assets.tables import action_control, correlational
from assets.tables.moderators import moderator_values
from validations.disclosure import protect_action_counts
from validations.tables import made_columns


def _table(name: str, rows: list[Record]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=made_columns(name))


def _pooled(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    stack = read_stack(store)
    effects = store.read("effects/effects").to_dict("records")
    rows = pooled_effects(stack, settings) + pooled_natural_scales(effects, stack, settings)
    return _table("pooled_effects", rows)


def _gap(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _table("gap_estimates", _gap_and_surrogacy(store, settings)[0])


def _surrogacy(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _table("surrogacy", _gap_and_surrogacy(store, settings)[1])


def _gap_and_surrogacy(
    store: TableStore, settings: AnalysisSettings
) -> tuple[list[Record], list[Record]]:
    pairs = store.read("pairs/paired_effects").to_dict("records")
    return gap_and_surrogacy(read_stack(store), pairs, settings)


def _at(store: TableStore, settings: AnalysisSettings) -> Callable[[float], Stack]:
    """The stack at any assumed correlation of the grid, each read once."""

    @cache
    def stack_at(rho: float) -> Stack:
        return read_stack(store, None if rho == settings.assumed_correlation else rho)

    return stack_at


def _sensitivity(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _table("sensitivity", sensitivity(_at(store, settings), settings))


def _specifications(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> pd.DataFrame:
    return _table("specifications", specifications(_at(store, settings), settings))


def _moderators(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    staged = Staged(store, trials)
    values = moderator_values(staged.manifests, staged.study_values).to_dict("records")
    rows = moderator_effects(read_stack(store), declared_moderators(values), settings)
    return _table("moderator_effects", rows)


def _influence(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _table("influence", influence_rows(read_stack(store), settings))


def _bias(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return _table("bias_checks", bias_checks(read_stack(store), settings))


def _action(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    manifests = Staged(store, trials).manifests
    counts = action_control.action_counts(
        read_facts(store), store.read("screened/intention_by_action"), manifests
    )
    publishable = protect_action_counts(counts, disclosure_profiles(store, trials))
    return action_control.action_control(counts, publishable, settings)


def _correlations(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    manifests = Staged(store, trials).manifests
    return correlational.pooled_correlations(
        store.read("screened/correlations"), manifests, settings
    )


def _barriers(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return correlational.barrier_table(store.read("screened/barrier_codings"))


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
