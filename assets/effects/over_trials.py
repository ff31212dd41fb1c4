"""What only all trials together tell of effects: which trials are one, which labels alike."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from assets.effects.alike_levels import levels_alike
from assets.effects.same_trial import identities, same_trials
from assets.queries import PLACE, Question, ask
from assets.typed import to_frame
from validations.findings import Finding

_EFFECTS = Question(
    "effects",
    f"""
    SELECT e.* REPLACE (
        e.in_pool AND l.outcome_row_id IS NULL AS in_pool,
        coalesce(l.why, e.reason) AS reason
    )
    FROM effects e LEFT JOIN left_out l USING (outcome_row_id)
    ORDER BY e.{PLACE}
    """,
    unique=(("left_out", "outcome_row_id"),),
)


def effects_of_all(
    effects: pa.Table, identity_rows: pa.Table, journeys: pa.Table, moderators: pa.Table
) -> tuple[pa.Table, list[Finding]]:
    """Effects of all trials, and findings about trials that are or look like one.

    Effects of a trial that another one reports too leave the pools. effects, identity_rows,
    journeys, moderators: the tables of these names of all journeys.
    """
    same = same_trials(to_frame(effects), identities(to_frame(identity_rows)))
    left_out = pa.table(
        {"outcome_row_id": list(same.left_out), "why": list(same.left_out.values())},
        schema=pa.schema([("outcome_row_id", pa.large_string()), ("why", pa.large_string())]),
    )
    settled = ask(_EFFECTS, {"effects": effects, "left_out": left_out})
    findings = same.findings + levels_alike(_topics(to_frame(journeys)), to_frame(moderators))
    return settled, findings


def _topics(journeys: pd.DataFrame) -> dict[str, str]:
    usable = journeys[journeys["usable"].astype(bool)]
    return dict(zip(usable["collection_id"], usable["topic"], strict=True))
