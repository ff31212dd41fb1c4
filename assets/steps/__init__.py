"""The steps of a refresh as functions from store to store; the assets around them only say when.

Each reads what earlier steps wrote, calls pure functions, and writes its tables. In the order of
a run: `staging`, `screening`, `outcomes`, `effects`, `synthesis`, `trials`.
"""

from assets.steps.effects import compute_effects, make_stack, pair_effects, read_stack
from assets.steps.outcomes import (
    assemble_outcomes,
    check_participants,
    read_facts,
    read_outcomes,
    summarize_participants,
    write_outcome_table,
)
from assets.steps.screening import check_staged, screen_kind, screen_records
from assets.steps.staging import Staged, fingerprint, stage
from assets.steps.synthesis import SYNTHESIS_TABLES, synthesize
from assets.steps.through_pairs import run_through_pairs
from assets.steps.trials import collect_findings, describe_trials, disclosure_profiles

__all__ = [
    "SYNTHESIS_TABLES",
    "Staged",
    "assemble_outcomes",
    "check_participants",
    "check_staged",
    "collect_findings",
    "compute_effects",
    "describe_trials",
    "disclosure_profiles",
    "fingerprint",
    "make_stack",
    "pair_effects",
    "read_facts",
    "read_outcomes",
    "read_stack",
    "run_through_pairs",
    "screen_kind",
    "screen_records",
    "stage",
    "summarize_participants",
    "synthesize",
    "write_outcome_table",
]
