"""Small tables for tests of the steps between records and effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

NAN = float("nan")
ARMS = {"a": "experimental", "c": "control"}
WANTS = {"a": [5.0, 6, 3, 7, 4, 6], "c": [3.0, 4, 2, 5, 3, 6]}
WENT = {"a": [1.0, 1, 0, 1, 1, 0], "c": [0.0, 1, 0, 1, 0, 0]}
"""Two arms of six persons: what they want (1 to 7), and whether they went."""
IDENTITY = {
    "trial_id": "t", "collection_id": "t", "study_label": "T 2020", "source_id": "s",
    "file": "a.csv", "row": 2,
}  # fmt: skip


def same(one: Any, two: Any) -> bool:
    """Equal, numbers to 12 digits, missing with missing."""
    if isinstance(one, (float, np.floating)) and isinstance(two, (float, int, np.floating)):
        if np.isnan(one) or np.isnan(two):
            return bool(np.isnan(one) and np.isnan(two))
        return bool(np.isclose(one, two, rtol=1e-12, atol=1e-15))
    return bool(one == two)


def assert_row(row: dict[str, Any], **expected: Any) -> None:
    """Each named field of a row is as expected."""
    wrong = {name: (row[name], value) for name, value in expected.items()
             if not same(row[name], value)}  # fmt: skip
    assert not wrong, f"found and expected: {wrong}"


def summaries(*rows: dict[str, Any]) -> pd.DataFrame:
    """Accepted arm summaries; what a row does not say is missing."""
    numbers = dict.fromkeys(
        ("weeks", "days", "n", "mean", "sd", "se", "median", "q1", "q3", "minimum", "maximum",
         "events", "percent"), NAN,
    )  # fmt: skip
    texts = dict.fromkeys(("comparison", "instrument", "timepoint"))
    return pd.DataFrame([IDENTITY | texts | numbers | row for row in rows])


def printed(*rows: dict[str, Any]) -> pd.DataFrame:
    """Accepted printed effects."""
    numbers = dict.fromkeys(
        ("weeks", "days", "value", "se", "variance", "ci_lb", "ci_ub", "ci_level", "n1", "n2",
         "sd", "p", "risk2"), NAN,
    )  # fmt: skip
    texts = dict.fromkeys(
        ("comparison", "instrument", "control_group", "intervention", "comparator", "timepoint",
         "statistic", "favors")
    )  # fmt: skip
    return pd.DataFrame([IDENTITY | texts | numbers | row for row in rows])


def persons(outcome: str, arms: dict[str, list[float]], **more: list[Any] | Any) -> pd.DataFrame:
    """Participant rows of one outcome: arm -> values; persons are numbered through the arms."""
    pairs = [(arm, value) for arm, values in arms.items() for value in values]
    frame = pd.DataFrame(
        {
            "participant": [f"p{i:02d}" for i in range(len(pairs))],
            "arm": [arm for arm, _ in pairs],
            "outcome": outcome,
            "value": [float(value) for _, value in pairs],
            "baseline": NAN,
            "cluster": "",
        }
    ).assign(**{k: v for k, v in IDENTITY.items() if k != "row"}, row=range(2, len(pairs) + 2))
    return frame.assign(**more)


_ROW: dict[str, Any] = {
    "trial_id": "t", "collection_id": "t", "study_label": "T 2020", "synthesis": "main",
    "upstream_construct": "intention", "topic": "vaccination", "comparison_id": "a_vs_c",
    "comparison": "x", "intervention_arm": "a", "comparator_arm": "c", "construct": "intention",
    "outcome_id": "i", "outcome_label": "wants to", "instrument": "scale", "weeks": 2.0,
    "timepoint": "end", "analysis_set": "observed", "measured_by": "record", "target": "clinic",
    "action": "visit", "context": "city", "time": "month", "higher_is_better": True,
    "primary": True, "randomized": True, "scale_type": "continuous", "scale_min": NAN,
    "scale_max": NAN, "standardizer": "pooled_sd", "basis": "arm_summaries", "n1": NAN, "m1": NAN,
    "sd1": NAN, "events1": NAN, "n2": NAN, "m2": NAN, "sd2": NAN, "events2": NAN,
    "adjusted_difference": NAN, "sd_pooled": NAN, "covariate_r": NAN, "reported_statistic": "",
    "favors": "", "design_effect": 1.0, "file": "a.csv", "rows": "2; 3",
} | {
    f"reported_{name}": NAN
    for name in ("value", "se", "variance", "ci_lb", "ci_ub", "ci_level", "sd", "p", "risk2")
}  # fmt: skip


def outcome_table(*rows: dict[str, Any]) -> pd.DataFrame:
    """Outcome rows; ids are `t:a_vs_c:` with the outcome unless a row names its own."""
    made = [_ROW | row for row in rows]
    ids = [f"{row['trial_id']}:{row['comparison_id']}:{row['outcome_id']}" for row in made]
    return pd.DataFrame([{"outcome_row_id": i} | row for i, row in zip(ids, made, strict=True)])


def record(outcome: str = "i", construct: str = "intention", **more: Any) -> dict[str, Any]:
    """An effect in the pools, as the steps after the effects take it."""
    intervention = more.get("intervention_arm", "a")
    comparator = more.get("comparator_arm", "c")
    comparison = f"{intervention}_vs_{comparator}"
    row_id = f"t:{comparison}:{outcome}"
    return {
        "trial_id": "t", "collection_id": "t", "study_label": "T 2020", "synthesis": "main",
        "upstream_construct": "intention", "construct": construct, "outcome_id": outcome,
        "outcome_label": outcome.upper(), "instrument": "", "weeks": 2.0, "timepoint": "",
        "intervention_arm": intervention, "comparator_arm": comparator,
        "comparison_id": comparison, "comparison": "", "outcome_row_id": row_id,
        "effect_id": f"{row_id}:SMD", "basis": "arm_summaries", "n1": 40.0, "n2": 50.0, "yi": 0.3,
        "vi": 0.05, "turned": False, "target": "", "action": "", "context": "", "time": "",
        "measure": "SMD", "in_pool": True, "reason": "", "file": "a.csv", "share": None,
    } | more  # fmt: skip
