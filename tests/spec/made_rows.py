"""Rows of the effects of made trials, as the tables before the syntheses hold them."""

from __future__ import annotations

import math

import numpy as np

from analysis.synthesis.stack import Record

GRID = (0.2, 0.5)


def rows_of_trials(count: int = 14, seed: int = 3) -> dict[str, list[Record]]:
    """effects, effect_covariances, assumed_covariances and paired_effects of trials that differ in
    topic, follow-ups, measures, design and number of effects."""
    random = np.random.default_rng(seed)
    out: dict[str, list[Record]] = {
        name: [] for name in
        ("effects", "effect_covariances", "assumed_covariances", "paired_effects")
    }  # fmt: skip
    for i in range(count):
        upstream = float(random.normal(0.4, 0.25))
        kinds = [("intention", upstream, 0.0)]
        if i % 7 != 6:
            kinds.append(("behavior", 0.5 * upstream + float(random.normal(0.0, 0.15)), 4.0))
        if i % 4 == 1:
            kinds.append(("behavior", 0.3 * upstream + float(random.normal(0.0, 0.1)), 12.0))
        _add(out, f"t{i:02}", kinds, random, i)
    return out


def _add(
    out: dict[str, list[Record]], trial: str, kinds: list[tuple[str, float, float]],
    random: np.random.Generator, i: int,
) -> None:  # fmt: skip
    own: list[Record] = []
    for n, (construct, yi, weeks) in enumerate(kinds):
        own.append({
            "trial_id": trial, "effect_id": f"{trial}e{n}", "outcome_row_id": f"{trial}r{n}",
            "synthesis": "main", "construct": construct, "upstream_construct": "intention",
            "topic": ("diet", "exercise")[i % 2], "collection_id": trial, "measure": "SMD",
            "measured_by": ("record", "self_report")[(i + n) % 2], "randomized": i % 5 != 4,
            "weeks": weeks, "formula": "d/to_smd_logistic" if i % 3 == 0 else "d", "in_pool": True,
            "yi": yi, "vi": float(random.uniform(0.01, 0.05)),
        })  # fmt: skip
    out["effects"] += own
    if i % 3 == 0:
        out["effects"] += [
            one | {"effect_id": f"{one['effect_id']}or", "measure": "OR", "in_pool": False,
                   "yi": 1.8 * one["yi"], "vi": 3.3 * one["vi"]}
            for one in own
        ]  # fmt: skip
    for n, first in enumerate(own):
        for second in own[n + 1 :]:
            scale = math.sqrt(first["vi"] * second["vi"])
            ends = {"trial_id": trial, "effect_id_1": first["effect_id"],
                    "effect_id_2": second["effect_id"]}  # fmt: skip
            within = first["construct"] == second["construct"]
            out["effect_covariances"].append(
                ends | {"covariance": (0.6 if within else 0.5) * scale,
                        "origin": "assumed_within" if within else "assumed"}
            )  # fmt: skip
            if not within:
                out["assumed_covariances"] += [
                    ends | {"assumed_correlation": r, "covariance": r * scale} for r in GRID
                ]
    for second in own[1:]:
        out["paired_effects"].append({
            "trial_id": trial, "synthesis": "main", "upstream_label": "intention",
            "behavior_label": second["effect_id"],
            "rho_origin": "participant_data" if i % 2 else "assumed", "rho_n": 90.0,
            "rho_within_arm": 0.4, "rho_latent": 0.4 + 0.01 * i, "rho_variance": 0.008,
        })  # fmt: skip
