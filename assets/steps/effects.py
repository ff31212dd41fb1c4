"""Effects, pairs and covariances of all trials, and what only all trials together can tell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.synthesis import Stack
from assets.effects import make_effects as effect_tables
from assets.effects.alike_levels import levels_alike
from assets.effects.moderators import moderator_values
from assets.effects.same_trial import same_trials
from assets.journey.kept import Journeys
from assets.store import TableStore
from validations.findings import findings_frame


def compute_effects(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """Effects of all trials; those of a trial that another one reports too leave the pools."""
    journeys = Journeys(store, trials)
    made = journeys.stack("effects")
    same = same_trials(made, journeys.manifests, journeys.participant_files)
    effects = effect_tables.leave_out(made, same.left_out)
    store.write("effects/effects", effects)
    values = moderator_values(journeys.manifests, journeys.stack("study_values"))
    findings = same.findings + levels_alike(journeys.manifests, values)
    store.write("effects/findings", findings_frame(findings))
    return effects


def pair_effects(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """Pairs and covariances of the effects that stand in the pools."""
    journeys = Journeys(store, trials)
    effects = store.read("effects/effects")
    pooled = set(effects.loc[effects["in_pool"].astype(bool), "effect_id"])
    for name, columns in (
        ("paired_effects", ("upstream_effect_id", "behavior_effect_id")),
        ("effect_covariances", ("effect_id_1", "effect_id_2")),
        ("assumed_covariances", ("effect_id_1", "effect_id_2")),
    ):
        table = journeys.stack(name)
        keep = table[columns[0]].isin(pooled) & table[columns[1]].isin(pooled)
        store.write(f"pairs/{name}", table[keep].reset_index(drop=True))
    return store.read("pairs/paired_effects")


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
