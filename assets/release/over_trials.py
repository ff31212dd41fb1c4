"""What a release says of trials and of their findings, from the tables of all journeys."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from assets.queries import PLACE, Question, ask
from assets.release.trial_rows import UNUSABLE
from assets.typed import stacked, to_frame
from validations.findings import sorted_findings

_TRIALS = Question(
    "trials",
    f"""
    WITH told AS (
        SELECT trial_id,
            count(*) AS k_effects,
            count(*) FILTER (in_pool) AS k_in_pool,
            max(n1 + n2) AS n_analyzed,
            bool_or(in_pool AND construct = 'intention') AS has_intention,
            bool_or(in_pool AND construct = 'behavior') AS has_behavior,
            bool_or(in_pool AND construct NOT IN ('intention', 'behavior')) AS has_upstream
        FROM effects WHERE measure = 'SMD' GROUP BY trial_id
    )
    SELECT t.* REPLACE (
        told.n_analyzed AS n_analyzed,
        coalesce(told.k_effects, 0) AS k_effects,
        coalesce(told.k_in_pool, 0) AS k_in_pool,
        coalesce(told.has_intention, false) AS has_intention,
        coalesce(told.has_behavior, false) AS has_behavior,
        coalesce(told.has_upstream, false) AS has_upstream,
        CASE
            WHEN t.use = '{UNUSABLE}' THEN t.use
            WHEN told.has_intention AND told.has_behavior THEN 'both outcomes'
            WHEN told.has_behavior AND told.has_upstream THEN 'upstream and behavior'
            WHEN told.has_behavior THEN 'behavior only'
            WHEN told.has_intention AND NOT told.has_upstream THEN 'intention only'
            WHEN told.has_intention OR told.has_upstream THEN 'upstream only'
            WHEN told.k_effects > 0 THEN 'no usable effect'
            ELSE 'no between-arm effect'
        END AS use
    )
    FROM trials t LEFT JOIN told USING (trial_id)
    ORDER BY t.{PLACE}
    """,
    unique=(("trials", "trial_id"),),
)


def trials_of_all(trials: pa.Table, effects: pa.Table) -> pa.Table:
    """One row per trial with what its effects give, the unusable ones with the reason in `use`.

    trials: of all journeys. effects: of all trials, as settled.
    """
    return ask(_TRIALS, {"trials": trials, "effects": effects})


def findings_of_all(parts: Sequence[pa.Table]) -> pd.DataFrame:
    """Findings of trials and of syntheses, most severe first within a trial."""
    return sorted_findings(to_frame(stacked("findings", parts)))
