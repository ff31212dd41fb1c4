"""What a manifest declares, as rows of the published tables: the trial, its arms, its outcomes'
instruments and the judgments about its risk of bias."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from validations.manifest.crosscheck import COMPARATORS
from validations.manifest.model import TrialManifest

Rows = list[dict[str, Any]]
UNUSABLE = "manifest not usable"


def trial_rows(manifest: TrialManifest, labels: Mapping[str, str]) -> Rows:
    """A row per trial of a manifest, without what its effects tell.

    labels: trial -> name for people, of everything that was read; without any the manifest's.
    """
    about, bias = manifest.provenance, manifest.risk_of_bias
    shared = {
        "collection_id": manifest.id,
        "year": manifest.year,
        "country": manifest.country,
        "topic": manifest.topic,
        "synthesis": manifest.synthesis,
        "design": manifest.design.type.value,
        "randomized": manifest.design.randomized,
        "risk_of_bias": bias.overall.value if bias else "",
        "risk_of_bias_tool": bias.tool if bias else "",
        "citation": about.citation,
        "doi": about.doi,
        "source": about.source,
        "license": about.license,
        "notes": manifest.notes,
    }
    named = labels or {manifest.id: manifest.label}
    return [shared | {"trial_id": trial, "label": label} for trial, label in named.items()]


def unusable_row(trial: str) -> dict[str, Any]:
    """The row of a folder whose manifest cannot be used."""
    return {"trial_id": trial, "collection_id": trial, "label": trial, "use": UNUSABLE}


def labels_of(records: Iterable[pd.DataFrame]) -> dict[str, str]:
    """Trial -> name for people, by the accepted rows of all kinds."""
    labels: dict[str, str] = {}
    for frame in records:
        if len(frame):
            unique = frame[["trial_id", "study_label"]].drop_duplicates("trial_id")
            labels |= dict(zip(*(unique[name].astype(str) for name in unique), strict=True))
    return labels


def arm_rows(manifest: TrialManifest, arm_statistics: pd.DataFrame | None) -> Rows:
    """Declared arms with the most participants analyzed for any outcome."""
    most: dict[str, float] = {}
    if arm_statistics is not None:
        sizes = zip(arm_statistics["arm"], arm_statistics["n"], strict=True)
        for arm, n in sizes:
            if n == n:
                most[arm] = max(most.get(arm, n), n)
    return [
        {
            "trial_id": manifest.id,
            "arm_id": arm.id,
            "label": arm.label or arm.id,
            "role": arm.role.value,
            "is_comparator": arm.role in COMPARATORS,
            "n_randomized": arm.n_randomized,
            "n_analyzed": most.get(arm.id),
        }
        for arm in manifest.arms
    ]


def instrument_rows(manifest: TrialManifest) -> Rows:
    """Declared outcomes with their instrument, scale, direction, act and time."""
    return [
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
        for o in manifest.outcomes
    ]


def risk_of_bias_rows(manifest: TrialManifest) -> Rows:
    """Declared judgments, one row per domain."""
    if not manifest.risk_of_bias:
        return []
    return [
        {"trial_id": manifest.id, "domain": domain, "judgment": judgment.value}
        for domain, judgment in manifest.risk_of_bias.domains.items()
    ]
