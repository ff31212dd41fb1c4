"""The steps of a refresh as functions from store to store; the assets around them only say when.

Each reads what earlier steps wrote, calls pure functions, and writes its tables. In the order of
a run: `journeys`, `records`, `outcomes`, `effects`, `synthesis`, `trials`.
"""

from assets.journey.kept import Journeys, fingerprint, make_journeys
from assets.release.trials import (
    collect_findings,
    describe_trials,
    disclosure_profiles,
    file_profiles,
    list_files,
)
from assets.steps.effects import compute_effects, pair_effects, read_stack
from assets.steps.outcomes import (
    assemble_outcomes,
    check_participants,
    summarize_participants,
    write_outcome_table,
)
from assets.steps.records import screen_records
from assets.steps.through_pairs import run_through_pairs
from assets.synthesis.tables import SYNTHESIS_TABLES, synthesize

__all__ = [
    "SYNTHESIS_TABLES",
    "Journeys",
    "assemble_outcomes",
    "check_participants",
    "collect_findings",
    "compute_effects",
    "describe_trials",
    "disclosure_profiles",
    "file_profiles",
    "fingerprint",
    "list_files",
    "make_journeys",
    "pair_effects",
    "read_stack",
    "run_through_pairs",
    "screen_records",
    "summarize_participants",
    "synthesize",
    "write_outcome_table",
]
