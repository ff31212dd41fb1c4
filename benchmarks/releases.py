"""Made releases of any size: trials drawn at random, results by the functions of the pipeline."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.synthesis import AnalysisSettings
from analysis.synthesis.plan import synthesize_group
from analysis.synthesis.stack import MAIN
from ibgap.releases.view import ReleaseView
from validations.tables import SCHEMA_VERSION, TABLES, codebook, conform

Row = dict[str, Any]

RELEASE_ID = "20240501-120000-abcdef"
TOPICS = ("alcohol", "blood_donation", "diet", "exercise", "screening", "vaccination")
COUNTRIES = ("AUS", "CAN", "CHN", "DEU", "GBR", "JPN", "NLD", "USA")
_JUDGMENTS = ("low", "some_concerns", "high")
_MODERATORS = {
    "delivery": ("face_to_face", "online", "print"), "setting": ("clinic", "school", "work"),
}  # fmt: skip
_SAME_CONSTRUCT = 0.8


def make_release(home: Path, trials: int) -> Path:
    """A folder of releases with one release of so many trials, which `current` points to.

    One trial in ten measured intention only, one in five measured behavior twice.
    """
    folder = home / RELEASE_ID
    (folder / "tables").mkdir(parents=True)
    (home / "current").symlink_to(RELEASE_ID)
    settings = AnalysisSettings()
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    random = np.random.default_rng(trials)
    for number in range(trials):
        _add_trial(rows, random, number, settings)
    rows["codebook"] = codebook().to_dict("records")
    for name, own in rows.items():
        _write(folder, name, own)
    _record(folder, settings, rows)
    for name, own in _results(folder, settings).items():
        rows[name] = own
        _write(folder, name, own)
    _record(folder, settings, rows)
    return home


def _write(folder: Path, name: str, rows: list[Row]) -> None:
    table = conform(pd.DataFrame(rows), name)
    table.to_parquet(folder / "tables" / f"{name}.parquet", index=False)


def _record(folder: Path, settings: AnalysisSettings, rows: dict[str, list[Row]]) -> None:
    trials = rows["trials"]
    record = {
        "release_id": RELEASE_ID, "created_at": "2024-05-01T12:00:00+00:00",
        "schema_version": SCHEMA_VERSION, "content_hash": "a" * 64, "seed": settings.seed,
        "settings": asdict(settings) | {"disclosure": "rounded"}, "packages": {"python": "3.11"},
        "audits": [],
        "inputs": [
            {"trial": row["trial_id"], "files": [{"file": "rows.csv", "sha256": "a" * 64}]}
            for row in trials
        ],
        "counts": {name: len(own) for name, own in sorted(rows.items())}, "findings": {},
        "checks": {
            "reported_effects": {"accepted": 2 * len(trials), "rejected": 0, "failed_rules": []}
        },
    }  # fmt: skip
    (folder / "release.json").write_text(json.dumps(record), encoding="utf-8")


def _results(folder: Path, settings: AnalysisSettings) -> dict[str, list[Row]]:
    """Every table of results, from the published effects as the pipeline computes them."""
    return synthesize_group(ReleaseView(folder).inputs(MAIN))


def _add_trial(
    rows: dict[str, list[Row]], random: np.random.Generator, number: int, settings: AnalysisSettings
) -> None:
    name = f"trial_{number + 1:03d}"
    label = f"Author {number + 1:03d} et al."
    persons = int(random.integers(80, 900))
    about: Row = {
        "trial_id": name, "collection_id": name, "study_label": label, "synthesis": MAIN,
        "upstream_construct": "intention", "topic": str(random.choice(TOPICS)),
        "randomized": bool(random.random() < 0.9), "comparison_id": "tested_vs_control",
    }  # fmt: skip
    effects = _effects(about, random, number, persons)
    rows["effects"] += effects
    rows["trials"].append(
        about | {
            "label": label, "year": int(random.integers(1995, 2025)), "design": "parallel",
            "country": str(random.choice(COUNTRIES)), "n_analyzed": persons,
            "has_intention": True, "has_behavior": len(effects) > 1, "has_upstream": False,
            "k_effects": len(effects), "k_in_pool": len(effects),
            "use": "both outcomes" if len(effects) > 1 else "one outcome",
            "risk_of_bias": str(random.choice(_JUDGMENTS)), "risk_of_bias_tool": "RoB 2",
            "citation": f"{label} A trial.", "doi": f"10.1000/{name}", "license": "CC BY 4.0",
        }
    )  # fmt: skip
    _add_covariances(rows, name, effects, settings)
    for behavior in effects[1:]:
        rows["paired_effects"].append(_pair(about, effects[0], behavior, persons, number))
    rows["moderators"] += [
        {"trial_id": name, "moderator": moderator, "kind": "category",
         "value": str(random.choice(levels))}
        for moderator, levels in _MODERATORS.items()
    ]  # fmt: skip
    rows["moderators"].append({
        "trial_id": name, "moderator": "mean_age", "kind": "number",
        "value": f"{random.uniform(18, 70):.1f}",
    })  # fmt: skip


def _effects(about: Row, random: np.random.Generator, number: int, persons: int) -> list[Row]:
    """Intention, then behavior 0, 1 or 2 times, with sampling errors."""
    intended = random.normal(0.4, 0.25)
    acted = 0.5 * intended + random.normal(0.0, 0.1)
    weeks = [0.0]
    if number % 10 != 9:
        weeks.append(float(random.choice((4, 12, 26))))
    if number % 5 == 0:
        weeks.append(52.0)
    out = []
    for place, week in enumerate(weeks):
        construct = "behavior" if place else "intention"
        mean = acted if place else intended
        vi = 4.0 / persons * (1.0 + mean**2 / 8.0)
        yi = random.normal(mean, math.sqrt(vi))
        row_id = f"{about['trial_id']}:{construct}@{week:g}w"
        out.append(about | {
            "effect_id": f"{row_id}:SMD", "outcome_row_id": row_id, "construct": construct,
            "outcome_id": construct, "outcome_label": construct, "weeks": week,
            "measured_by": "record" if place and number % 3 == 0 else "self_report",
            "primary": True, "basis": "reported_effects", "n1": persons / 2, "n2": persons / 2,
            "design_effect": 1.0, "measure": "SMD", "yi": yi, "vi": vi, "sei": math.sqrt(vi),
            "ci_lb": yi - 1.96 * math.sqrt(vi), "ci_ub": yi + 1.96 * math.sqrt(vi),
            "in_pool": True, "turned": False, "intervention_arm": "tested",
            "comparator_arm": "control", "analysis_set": "observed",
        })  # fmt: skip
    return out


def _add_covariances(
    rows: dict[str, list[Row]], trial: str, effects: list[Row], settings: AnalysisSettings
) -> None:
    for first, second in itertools.combinations(effects, 2):
        scale = first["sei"] * second["sei"]
        pair = {"trial_id": trial, "effect_id_1": first["effect_id"],
                "effect_id_2": second["effect_id"]}  # fmt: skip
        same = first["construct"] == second["construct"]
        r = _SAME_CONSTRUCT if same else settings.assumed_correlation
        rows["effect_covariances"].append(
            pair | {"covariance": r * scale, "correlation": r, "origin": "assumed"}
        )
        if not same:
            rows["assumed_covariances"] += [
                pair | {"assumed_correlation": value, "covariance": value * scale}
                for value in settings.correlation_grid
            ]


def _pair(about: Row, upstream: Row, behavior: Row, persons: int, number: int) -> Row:
    """A pair of outcomes; one trial in eight knows its within-arm correlation."""
    known = number % 8 == 0
    r = 0.5
    covariance = r * upstream["sei"] * behavior["sei"]
    return about | {
        "pair_id": f"{upstream['outcome_row_id']}~{behavior['outcome_row_id']}",
        "upstream_effect_id": upstream["effect_id"], "behavior_effect_id": behavior["effect_id"],
        "upstream_label": "intention", "behavior_label": "behavior",
        "upstream_yi": upstream["yi"], "upstream_vi": upstream["vi"],
        "behavior_yi": behavior["yi"], "behavior_vi": behavior["vi"],
        "lag_weeks": behavior["weeks"] - upstream["weeks"], "tact_match": 4,
        "rho_within_arm": r, "rho_latent": r, "rho_n": persons if known else math.nan,
        "rho_variance": (1 - r**2) ** 2 / persons if known else math.nan,
        "rho_origin": "participant_data" if known else "assumed", "covariance": covariance,
        "correlation_of_estimates": r, "difference": upstream["yi"] - behavior["yi"],
        "difference_vi": upstream["vi"] + behavior["vi"] - 2 * covariance,
    }  # fmt: skip
