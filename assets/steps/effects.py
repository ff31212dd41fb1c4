"""Effects, their findings, pairs and covariances."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.synthesis import AnalysisSettings, Stack
from assets.steps.outcomes import read_facts, read_outcomes
from assets.steps.staging import Staged
from assets.store import TableStore
from assets.tables import effects as effect_tables
from assets.tables import pairs as pair_tables
from validations.findings import (
    Finding,
    Severity,
    apply_waivers,
    findings_frame,
)
from validations.trial_rules import trial_findings


def compute_effects(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> pd.DataFrame:
    """Effects with their findings; held effects leave the pools until they are waived."""
    manifests = Staged(store, trials).manifests
    outcomes = read_outcomes(store)
    made = effect_tables.make_effects(outcomes, settings)
    waivers = [
        (m.id, w.rule, w.subject, w.by, w.reason) for m in manifests.values() for w in m.waivers
    ]
    findings = apply_waivers(
        trial_findings(outcomes, made[made["measure"] == "SMD"], manifests), waivers
    )
    effects = effect_tables.apply_holds(made, findings)
    store.write("effects/effects", effects)
    store.write("effects/findings", findings_frame(findings))
    return effects


def _book(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> pair_tables.CorrelationBook:
    staged = Staged(store, trials)
    return pair_tables.CorrelationBook(
        staged.manifests, read_facts(store), staged.study_values, settings
    )


def make_stack(
    store: TableStore, trials: list[str], settings: AnalysisSettings, assumed: float
) -> Stack:
    """Effects in the pools with their covariance, at an assumed within-arm correlation."""
    effects = store.read("effects/effects")
    if not effects["in_pool"].any():
        return Stack(())
    return Stack(
        tuple(
            pair_tables.all_trial_effects(
                effects, read_outcomes(store), _book(store, trials, settings), assumed
            )
        )
    )


def read_stack(store: TableStore, assumed: float | None = None) -> Stack:
    """The stack of the primary analysis, as the pairing step stored it, or at another assumed
    correlation of the grid."""
    effects = store.read("effects/effects")
    pooled = effects[effects["in_pool"].astype(bool)].to_dict("records")
    covariances = store.read("pairs/effect_covariances").to_dict("records")
    if assumed is not None:
        grid = store.read("pairs/assumed_covariances")
        own = grid[np.isclose(grid["assumed_correlation"], assumed)]
        covariances += own.assign(origin="assumed").to_dict("records")
    return Stack.from_records(pooled, covariances)


def pair_effects(store: TableStore, trials: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    """Pairs, the covariances within trials, and what could not be paired."""
    stack = make_stack(store, trials, settings, settings.assumed_correlation)
    staged = Staged(store, trials)
    pairs, findings = pair_tables.make_pairs(
        stack.trials, staged.manifests, _book(store, trials, settings), settings.assumed_correlation
    )
    findings += [
        Finding(
            str(t["trial_id"]),
            "correlations_contradict",
            Severity.INFO,
            "assumed correlations between its effects contradicted each other and were moved to "
            "the nearest consistent ones",
            "declare the correlations under `pairs:`",
        )
        for t in stack.trials
        if t.moved
    ]
    store.write("pairs/paired_effects", pairs)
    store.write("pairs/effect_covariances", pair_tables.covariance_table(stack.trials))
    store.write("pairs/assumed_covariances", _over_grid(store, trials, settings, stack))
    store.write("pairs/findings", findings_frame(findings))
    return pairs


def _over_grid(
    store: TableStore, trials: list[str], settings: AnalysisSettings, primary: Stack
) -> pd.DataFrame:
    """Covariances at every other assumed correlation, where they differ from the primary ones."""
    known = pair_tables.covariance_table(primary.trials)
    parts = []
    for rho in settings.correlation_grid:
        if rho == settings.assumed_correlation:
            continue
        varied = pair_tables.covariance_table(make_stack(store, trials, settings, rho).trials)
        moved = varied["covariance"].to_numpy() != known["covariance"].to_numpy()
        parts.append(varied[moved].assign(assumed_correlation=rho))
    columns = pair_tables.ASSUMED_COLUMNS
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
