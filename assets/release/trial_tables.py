"""Trials, arms and instruments as published."""

from __future__ import annotations

import numpy as np
import pandas as pd

from assets.outcomes.arms import Manifests
from validations.manifest.crosscheck import COMPARATORS
from validations.tables import made_columns

TRIAL_COLUMNS = made_columns("trials")


def trials_table(
    manifests: Manifests,
    effects: pd.DataFrame,
    unreadable: dict[str, str],
    labels: dict[str, tuple[str, str]],
) -> pd.DataFrame:
    """One row per trial, the unreadable ones included with the reason in `use`.

    labels: trial_id -> (collection_id, study label) of everything that was read.
    """
    rows = []
    for trial_id, (collection, label) in labels.items():
        manifest = manifests[collection]
        own = effects[effects["trial_id"] == trial_id]
        common = own[own["measure"] == "SMD"]
        pooled = common[common["in_pool"]]
        constructs = set(pooled["construct"])
        rows.append(
            {
                "trial_id": trial_id,
                "collection_id": collection,
                "label": label,
                "year": manifest.year,
                "country": manifest.country,
                "topic": manifest.topic,
                "synthesis": manifest.synthesis,
                "design": manifest.design.type.value,
                "randomized": manifest.design.randomized,
                "n_analyzed": _largest_n(common),
                "has_intention": "intention" in constructs,
                "has_behavior": "behavior" in constructs,
                "has_upstream": bool(constructs - {"intention", "behavior"}),
                "k_effects": len(common),
                "k_in_pool": len(pooled),
                "use": _use(common, pooled),
                "risk_of_bias": manifest.risk_of_bias.overall.value
                if manifest.risk_of_bias
                else "",
                "risk_of_bias_tool": manifest.risk_of_bias.tool if manifest.risk_of_bias else "",
                "citation": manifest.provenance.citation,
                "doi": manifest.provenance.doi,
                "source": manifest.provenance.source,
                "license": manifest.provenance.license,
                "notes": manifest.notes,
            }
        )
    for trial_id, reason in unreadable.items():
        rows.append(
            dict.fromkeys(TRIAL_COLUMNS)
            | {
                "trial_id": trial_id,
                "collection_id": trial_id,
                "label": trial_id,
                "use": reason,
                "k_effects": 0,
                "k_in_pool": 0,
                "has_intention": False,
                "has_behavior": False,
                "has_upstream": False,
            }
        )
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS)


def _largest_n(common: pd.DataFrame) -> float:
    total = common["n1"] + common["n2"]
    return float(total.max()) if total.notna().any() else float("nan")


def _use(common: pd.DataFrame, pooled: pd.DataFrame) -> str:
    constructs = set(pooled["construct"])
    if {"intention", "behavior"} <= constructs:
        return "both outcomes"
    if constructs == {"intention"}:
        return "intention only"
    if "behavior" in constructs:
        return "behavior only" if constructs == {"behavior"} else "upstream and behavior"
    if constructs:
        return "upstream only"
    return "no usable effect" if len(common) else "no between-arm effect"


def risk_of_bias_table(manifests: Manifests) -> pd.DataFrame:
    """Declared judgments, one row per trial and domain."""
    rows = [
        {"trial_id": manifest.id, "domain": domain, "judgment": judgment.value}
        for manifest in manifests.values()
        if manifest.risk_of_bias
        for domain, judgment in manifest.risk_of_bias.domains.items()
    ]
    return pd.DataFrame(rows, columns=made_columns("risk_of_bias"))


def arms_table(manifests: Manifests, arm_statistics: pd.DataFrame) -> pd.DataFrame:
    """Declared arms with the most participants analyzed for any outcome."""
    rows = []
    for manifest in manifests.values():
        for arm in manifest.arms:
            own = arm_statistics[
                (arm_statistics["collection_id"] == manifest.id) & (arm_statistics["arm"] == arm.id)
            ]
            rows.append(
                {
                    "trial_id": manifest.id,
                    "arm_id": arm.id,
                    "label": arm.label or arm.id,
                    "role": arm.role.value,
                    "is_comparator": arm.role in COMPARATORS,
                    "n_randomized": arm.n_randomized,
                    "n_analyzed": float(own["n"].max()) if len(own) else np.nan,
                }
            )
    return pd.DataFrame(
        rows,
        columns=[
            "trial_id",
            "arm_id",
            "label",
            "role",
            "is_comparator",
            "n_randomized",
            "n_analyzed",
        ],
    )


def instruments_table(manifests: Manifests) -> pd.DataFrame:
    """Declared outcomes with their instrument, scale, direction, act and time."""
    rows = []
    for manifest in manifests.values():
        for o in manifest.outcomes:
            rows.append(
                {
                    "collection_id": manifest.id,
                    "outcome_id": o.id,
                    "construct": o.construct.value,
                    "label": o.label or o.id.replace("_", " "),
                    "instrument": o.instrument,
                    "scale_type": o.scale.type.value,
                    "scale_min": o.scale.min,
                    "scale_max": o.scale.max,
                    "higher_is_better": o.higher_is_better,
                    "target": o.target,
                    "action": o.action,
                    "context": o.context,
                    "time": o.time,
                    "weeks": o.timepoint.weeks,
                    "measured_by": o.measured_by.value,
                    "analysis_set": o.analysis_set.value,
                    "primary": o.primary,
                }
            )
    columns = [
        "collection_id",
        "outcome_id",
        "construct",
        "label",
        "instrument",
        "scale_type",
        "scale_min",
        "scale_max",
        "higher_is_better",
        "target",
        "action",
        "context",
        "time",
        "weeks",
        "measured_by",
        "analysis_set",
        "primary",
    ]
    return pd.DataFrame(rows, columns=columns)
