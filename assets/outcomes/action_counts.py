"""Who intended and acted: rows of the action-control table from the persons of a trial."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.gap.action_control import intender_threshold
from assets.outcomes.person_table import PERSONS, PersonTable
from validations.manifest.model import Outcome, TrialManifest
from validations.manifest.vocabulary import Construct, ScaleType

CELLS = {
    "inclined_actors": (1.0, 1.0),
    "inclined_abstainers": (1.0, 0.0),
    "disinclined_actors": (0.0, 1.0),
    "disinclined_abstainers": (0.0, 0.0),
}
"""Cell of the table -> whether its persons intended, and whether they acted."""
TACT = ("target", "action", "context", "time")


def belong_together(manifest: TrialManifest, upstream: Outcome, behavior: Outcome) -> bool:
    """Whether two outcomes are a pair: as declared, else the behavior comes at the same time or
    later and at least 3 of target, action, context and time agree (unstated ones do)."""
    if manifest.pairs:
        declared = {(pair.upstream, pair.behavior) for pair in manifest.pairs}
        return (upstream.id, behavior.id) in declared
    weeks, later = upstream.timepoint.weeks, behavior.timepoint.weeks
    if weeks is not None and later is not None and later < weeks:
        return False
    texts = [(getattr(upstream, part), getattr(behavior, part)) for part in TACT]
    return bool(sum(not a or not b or a == b for a, b in texts) >= 3)


def action_counts(
    table: PersonTable, upstream: Outcome, behavior: Outcome, intender_rule: str
) -> Iterator[dict[str, object]]:
    """Rows of the action-control table of a pair, one per arm in the order of the file; none where
    the pair has no intention or no yes/no behavior, or the rule cannot be applied."""
    if upstream.construct is not Construct.INTENTION or behavior.scale.type is not ScaleType.BINARY:
        return
    by_arm = {}
    for arm, wants, acts, many in table.joined(upstream.id, behavior.id):
        intends = _intends(upstream, wants, intender_rule)
        if intends is None:
            return
        cell = 2 * ~intends + (acts != 1.0)
        by_arm[arm] = np.bincount(cell, weights=many, minlength=len(CELLS))
    for arm in table.arms_in_file(upstream.id, behavior.id):
        if arm in by_arm:
            counts = dict(zip(CELLS, (int(n) for n in by_arm[arm]), strict=True))
            is_binary = upstream.scale.type is ScaleType.BINARY
            yield {
                "arm": arm,
                "intention": upstream.id,
                "behavior": behavior.id,
                **counts,
                "intender_rule": "R1" if is_binary else intender_rule,
            }


def rows_of_counts(records: pd.DataFrame) -> pd.DataFrame:
    """Participant rows of two yes/no outcomes that intended-by-acted counts are short for: a row
    of each cell stands for its persons (`person_table.PERSONS`)."""
    rows: list[dict[str, object]] = []
    for record in records.to_dict("records"):
        for cell, values in CELLS.items():
            number = len(rows)
            persons = float(round(float(record[cell])))
            for outcome, value in zip(
                (record["intention"], record["behavior"]), values, strict=True
            ):
                if persons:
                    rows.append(
                        {
                            "participant": number,
                            "source_id": "",
                            "row": number,
                            "arm": record["arm"],
                            "outcome": outcome,
                            "value": value,
                            "baseline": np.nan,
                            PERSONS: persons,
                        }
                    )
    return pd.DataFrame(rows).drop_duplicates(["participant", "outcome"])


def _intends(outcome: Outcome, values: np.ndarray, rule: str) -> np.ndarray | None:
    if outcome.scale.type is ScaleType.BINARY:
        return np.asarray(values == 1.0)
    if outcome.scale.min is None or outcome.scale.max is None:
        return None
    cut, inclusive = intender_threshold(rule, outcome.scale.min, outcome.scale.max)
    scores = values if outcome.higher_is_better else outcome.scale.min + outcome.scale.max - values
    return np.asarray(scores >= cut if inclusive else scores > cut)
