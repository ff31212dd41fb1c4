"""The tables of the synthesis layer, by name."""

from __future__ import annotations

import pandas as pd

from assets.steps.effects import make_stack, read_stack
from assets.steps.outcomes import read_facts
from assets.steps.staging import Staged
from assets.steps.trials import disclosure_profiles
from assets.store import TableStore
from assets.tables import action_control, correlational, gap, moderators, pooling
from assets.tables.settings import AnalysisSettings
from validations.disclosure import protect_action_counts


def _pooled(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    stack = read_stack(store)
    common = pooling.pooled_effects(stack, settings)
    natural = pooling.pooled_natural_scales(store.read("effects/effects"), stack, settings)
    return pd.concat([common, natural], ignore_index=True) if len(natural) else common


def _gap(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return gap.gap_table(read_stack(store), store.read("pairs/paired_effects"), settings)


def _surrogacy(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return gap.surrogacy_table(read_stack(store), settings)


def _sensitivity(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return gap.sensitivity_table(lambda rho: make_stack(store, trials, settings, rho), settings)


def _moderators(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    staged = Staged(store, trials)
    declared = moderators.moderator_values(staged.manifests, staged.study_values)
    return moderators.moderator_effects(read_stack(store), declared, settings)


def _bias(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    return moderators.bias_checks(read_stack(store), settings)


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
