"""Which trials are broken, for the person who keeps the server running."""

from __future__ import annotations

from typing import Any

import pandas as pd

from validations.findings import Severity

MOST_TOLD = 200
"""Findings in one table: metadata of a check stay in the log of events for ever."""
_BLOCKING = (Severity.ERROR.value, Severity.HOLD.value)


def broken_trials(findings: pd.DataFrame, effects: pd.DataFrame) -> list[dict[str, Any]]:
    """Open errors and holds, those of trials that give nothing first.

    findings, effects: of all journeys. A row says whether the trial gives `nothing` or `a part`,
    the rule, file and row, what was found and what to do; no value of a participant.
    """
    whole = set(effects.loc[effects["in_pool"].astype(bool), "collection_id"])
    open_ones = findings[(findings["status"] == "open") & findings["severity"].isin(_BLOCKING)]
    rows = [
        {
            "trial": one.trial_id,
            "gives": "a part" if one.trial_id.split("/")[0] in whole else "nothing",
            "rule": one.rule_id,
            "file": one.file or "",
            "row": "" if pd.isna(one.row) else str(int(one.row)),
            "found": one.message,
            "what to do": one.fix or "",
        }
        for one in open_ones.itertuples()
    ]
    return sorted(rows, key=lambda row: (row["gives"] != "nothing", row["trial"]))[:MOST_TOLD]
