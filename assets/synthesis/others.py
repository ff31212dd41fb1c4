"""Tables of data that are no effects of trials: actions after intentions, correlations, codings."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record
from assets.disclosure.counts import protect_action_counts
from assets.synthesis.action_control import action_control
from assets.synthesis.correlational import barrier_table, pooled_correlations
from assets.synthesis.groups import Made, make_parts
from validations.manifest.vocabulary import DisclosureProfile

WHOLE = "all"
"""Name of what these tables are made of, where a synthesis has its own."""


def others_of(
    frames: Mapping[str, pd.DataFrame],
    profiles: Mapping[str, DisclosureProfile],
    settings: AnalysisSettings,
) -> Made:
    """`action_control`, `pooled_correlations` and `barrier_codings`, each behind the fence.

    frames: `action_counts`, `accepted_correlations` and `accepted_codings` of all trials.
    profiles: of trials with participant rows. Raises `MachineFaultError`.
    """
    counts = frames["action_counts"]

    def actions() -> list[Record]:
        return _records(action_control(counts, protect_action_counts(counts, profiles), settings))

    def correlations() -> list[Record]:
        return _records(pooled_correlations(frames["accepted_correlations"], settings))

    def codings() -> list[Record]:
        return _records(barrier_table(frames["accepted_codings"]))

    parts = {
        "action_control": actions, "pooled_correlations": correlations, "barrier_codings": codings
    }  # fmt: skip
    return make_parts(WHOLE, parts)


def _records(frame: pd.DataFrame) -> list[Record]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
