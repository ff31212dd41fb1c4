"""The steps from trial folders to paired effects, in order, without Dagster around them."""

from __future__ import annotations

from pathlib import Path

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.kept import make_journeys
from assets.steps.effects import compute_effects, pair_effects
from assets.steps.outcomes import (
    OUTCOME_TABLES,
    assemble_outcomes,
    check_participants,
    summarize_participants,
    write_outcome_table,
)
from assets.steps.records import screen_records
from assets.store import TableStore
from validations.records import RECORD_SCHEMAS


def run_through_pairs(store: TableStore, folders: list[Path], settings: AnalysisSettings) -> None:
    """Everything before the syntheses; the store then holds outcomes, effects and pairs."""
    names = [folder.name for folder in folders]
    make_journeys(store, folders, settings)
    for kind in RECORD_SCHEMAS:
        screen_records(store, names, kind)
    summarize_participants(store, names)
    check_participants(store, names)
    assemble_outcomes(store, names)
    for construct in OUTCOME_TABLES:
        write_outcome_table(store, construct)
    compute_effects(store, names)
    pair_effects(store, names)
