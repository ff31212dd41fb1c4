"""Small releases made by hand: tables through `conform`, numbers from the analysis package."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import EstimationError
from analysis.gap.joint import JointModel, fit_joint, gap_estimates
from analysis.gap.surrogacy import trial_level_surrogacy
from analysis.synthesis.gap_estimates import estimate_row
from analysis.synthesis.inputs import group_inputs
from analysis.synthesis.moderators import declared_moderators
from analysis.synthesis.plan import synthesize_group
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.verdicts import narrow_note, pooled_verdict, slope_verdict
from analysis.univariate.pooling import fit_random_effects
from validations.tables import TABLES, codebook, conform

SETTINGS = {
    "assumed_correlation": 0.5, "ci_method": "knapp_hartung", "correlation_grid": [0.0, 0.5, 0.9],
    "disclosure": "rounded", "intender_rule": "R2", "level": 0.95, "odds_to_smd": "logistic",
    "pi_method": "t_k_minus_1", "seed": 1, "smallest_worthwhile": 0.0, "smd_variance": "LS",
    "tau2_method": "REML", "within_construct_correlation": 0.6, "zero_cells": "only0",
}  # fmt: skip
RELEASE_ID = "20240501-120000-abcdef"
CREATED = "2024-05-01T12:00:00+00:00"

MODERATORS = {
    "delivery": ("category", "structural", "moderating"),
    "planning": ("category", "", ""),
    "sessions": ("number", "behavioral", "mediating"),
}
"""Moderators of made trials: kind, barrier dimension and framework layer."""


@dataclass(frozen=True)
class Trial:
    """A trial with at most one effect per outcome: (yi, vi); the covariance of the two.

    origin: of the within-arm correlation. moderators: (name of `MODERATORS`, value).
    """

    label: str
    upstream: tuple[float, float] | None = None
    behavior: tuple[float, float] | None = None
    covariance: float = 0.0
    synthesis: str = "main"
    construct: str = "intention"
    topic: str = ""
    year: int = 2020
    country: str = ""
    persons: int = 100
    randomized: bool = True
    weeks: float = math.nan
    measured_by: str = ""
    origin: str = "assumed"
    risk_of_bias: str = ""
    moderators: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        return self.label


@dataclass
class MadeRelease:
    """Tables as they were written, to compare the report with."""

    folder: Path
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


def some_trials(count: int, *, spread: float = 0.3, seed: int = 7) -> list[Trial]:
    """Trials with both outcomes."""
    random = np.random.default_rng(seed)
    out = []
    for i in range(count):
        vi, vb = random.uniform(0.01, 0.08, 2)
        mean = random.normal(0.4, spread)
        behavior = (0.5 * mean + random.normal(0, 0.15), vb)
        covariance = 0.4 * math.sqrt(vi * vb)
        out.append(Trial(f"Study {i + 1:03d}", (mean, vi), behavior, covariance))
    return out


def make_release(
    folder: Path, trials: Sequence[Trial], extra: Mapping[str, Iterable[Mapping[str, Any]]] = {},
    *, release_id: str = RELEASE_ID, created: str = CREATED, analyzed: bool = False,
) -> MadeRelease:  # fmt: skip
    """Write a release of these trials.

    extra: further rows by table. analyzed: every table of results, by the pipeline's functions,
    so that a page that pools again finds the same numbers.
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for trial in trials:
        _add_trial(rows, trial)
        if analyzed:
            _add_details(rows, trial)
    if analyzed:
        rows["codebook"] += codebook().to_dict("records")
        _analyze(rows)
    else:
        for name in dict.fromkeys(t.synthesis for t in trials):
            _add_synthesis(rows, [t for t in trials if t.synthesis == name])
    for name, more in extra.items():
        rows[name] += [dict(row) for row in more]
    made = MadeRelease(folder)
    (folder / "tables").mkdir(parents=True)
    for name, listed in rows.items():
        made.tables[name] = conform(pd.DataFrame(listed), name)
        made.tables[name].to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    record = {
        "release_id": release_id, "created_at": created,
        "schema_version": "1.0", "content_hash": "a" * 64, "seed": 1, "settings": SETTINGS,
        "packages": {"python": "3.11"},
        "inputs": [{"trial": t.label, "files": [{"file": "effects.csv", "sha256": "b" * 64}]}
                   for t in trials],
        "checks": {"reported_effects": {"accepted": 2 * len(trials), "rejected": 1,
                                        "failed_rules": ["n_positive"]}},
        "counts": {name: len(frame) for name, frame in made.tables.items()},
        "findings": {"error": 0, "hold": 0, "warning": len(rows["findings"]), "info": 0},
        "audits": ["every trial of an effect is listed"],
    }  # fmt: skip
    (folder / "release.json").write_text(json.dumps(record), encoding="utf-8")
    return made


def _effects(trial: Trial) -> dict[str, tuple[float, float]]:
    found = {trial.construct: trial.upstream, "behavior": trial.behavior}
    return {construct: pair for construct, pair in found.items() if pair is not None}


def _add_trial(rows: dict[str, list[dict[str, Any]]], trial: Trial) -> None:
    about = {
        "trial_id": trial.id, "collection_id": trial.id, "synthesis": trial.synthesis,
        "study_label": trial.label, "upstream_construct": trial.construct,
    }  # fmt: skip
    effects = _effects(trial)
    use = "both outcomes" if len(effects) == 2 else "one outcome" if effects else "no usable effect"
    rows["trials"].append(
        about | {"label": trial.label, "year": trial.year, "design": "parallel",
                 "randomized": trial.randomized, "topic": trial.topic, "country": trial.country,
                 "risk_of_bias": trial.risk_of_bias, "has_behavior": "behavior" in effects,
                 "has_intention": "intention" in effects,
                 "k_effects": 2, "k_in_pool": len(effects), "use": use,
                 "n_analyzed": trial.persons, "citation": f"{trial.label}. A trial.",
                 "doi": "10.1000/xyz123", "license": "CC BY 4.0"}
    )  # fmt: skip
    for construct, (yi, vi) in effects.items():
        rows["effects"].append(
            about | {"effect_id": f"{trial.id}:{construct}", "construct": construct,
                     "measure": "SMD", "yi": yi, "vi": vi, "in_pool": True}
        )  # fmt: skip
    if len(effects) == 2:
        first, second = (f"{trial.id}:{construct}" for construct in effects)
        rows["effect_covariances"].append(
            {"trial_id": trial.id, "effect_id_1": first, "effect_id_2": second,
             "covariance": trial.covariance, "origin": trial.origin}
        )  # fmt: skip


def _add_details(rows: dict[str, list[dict[str, Any]]], trial: Trial) -> None:
    """What a release says of a trial beside its effects: their outcomes, pairs and judgments."""
    effects = _effects(trial)
    mine = rows["effects"][len(rows["effects"]) - len(effects) :]
    for row in mine:
        yi, vi = row["yi"], row["vi"]
        half = 1.959964 * math.sqrt(vi)
        row |= {
            "topic": trial.topic, "randomized": trial.randomized, "weeks": trial.weeks,
            "measured_by": trial.measured_by or "self_report", "comparison_id": "a vs b",
            "outcome_row_id": row["effect_id"], "outcome_id": row["construct"], "primary": True,
            "sei": math.sqrt(vi), "ci_lb": yi - half, "ci_ub": yi + half, "formula": "reported",
            "file": "effects.csv", "rows": "2",
        }  # fmt: skip
    for domain in ("randomization", "missing data") if trial.risk_of_bias else ():
        rows["risk_of_bias"].append(
            {"trial_id": trial.id, "domain": domain, "judgment": trial.risk_of_bias}
        )
    for name, value in trial.moderators:
        kind, dimension, layer = MODERATORS[name]
        rows["moderators"].append(
            {"trial_id": trial.id, "moderator": name, "kind": kind, "value": value,
             "barrier_dimension": dimension, "framework_layer": layer}
        )  # fmt: skip
    if len(effects) == 2:
        _add_pair(rows, trial, mine)


def _add_pair(
    rows: dict[str, list[dict[str, Any]]], trial: Trial, effects: list[dict[str, Any]]
) -> None:
    first, second = effects
    known = trial.covariance / math.sqrt(first["vi"] * second["vi"])
    rows["paired_effects"].append(
        {"pair_id": f"{trial.id}:pair", "trial_id": trial.id, "collection_id": trial.id,
         "study_label": trial.label, "synthesis": trial.synthesis, "comparison_id": "a vs b",
         "upstream_construct": trial.construct, "upstream_effect_id": first["effect_id"],
         "behavior_effect_id": second["effect_id"], "upstream_label": trial.construct,
         "behavior_label": "behavior", "upstream_yi": first["yi"], "upstream_vi": first["vi"],
         "behavior_yi": second["yi"], "behavior_vi": second["vi"], "lag_weeks": trial.weeks,
         "rho_within_arm": known, "rho_latent": known, "rho_n": float(trial.persons),
         "rho_variance": (1 - known**2) ** 2 / trial.persons, "rho_origin": trial.origin,
         "covariance": trial.covariance, "difference": first["yi"] - second["yi"],
         "difference_vi": first["vi"] + second["vi"] - 2 * trial.covariance}
    )  # fmt: skip
    if trial.origin != "assumed":
        return
    for rho in SETTINGS["correlation_grid"]:
        rows["assumed_covariances"].append(
            {"assumed_correlation": rho, "trial_id": trial.id,
             "effect_id_1": first["effect_id"], "effect_id_2": second["effect_id"],
             "covariance": rho * math.sqrt(first["vi"] * second["vi"])}
        )  # fmt: skip


def _analyze(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Results of every synthesis as the pipeline computes them."""
    given = {k: v for k, v in SETTINGS.items() if k != "disclosure"}
    settings = AnalysisSettings(**given | {"correlation_grid": tuple(given["correlation_grid"])})
    for inputs in group_inputs(
        rows["effects"], rows["effect_covariances"], rows["assumed_covariances"],
        rows["paired_effects"], declared_moderators(rows["moderators"]), settings,
    ):  # fmt: skip
        for name, made in synthesize_group(inputs).items():
            rows[name] += made


def _add_synthesis(rows: dict[str, list[dict[str, Any]]], trials: list[Trial]) -> None:
    name, upstream = trials[0].synthesis, trials[0].construct
    for construct in (upstream, "behavior"):
        known = [e[construct] for e in map(_effects, trials) if construct in e]
        if known:
            rows["pooled_effects"].append(_pooled_row(name, construct, known))
    identity = {"synthesis": name, "upstream_construct": upstream, "subset": "all"}
    try:
        model = fit_trials(trials)
    except EstimationError as error:
        if any(map(_effects, trials)):
            rows["gap_estimates"].append(
                identity | {"estimand": "difference", "status": "not_estimable", "level": 0.95,
                            "reason": str(error), "interval_kind": "none", "is_primary": True,
                            "verdict": "none", "verdict_reason": str(error)}
            )  # fmt: skip
        return
    estimates = gap_estimates(model, slope=0.4, slope_variance=0.001)
    seen: set[str] = set()
    for e in estimates:
        primary = e.estimand not in seen
        seen.add(e.estimand)
        more = {"is_primary": primary} | estimate_row(e, model)
        rows["gap_estimates"].append(_gap_row(identity, model, asdict(e)) | more)
    line = asdict(trial_level_surrogacy(model))
    rows["surrogacy"].append(identity | line | slope_verdict(line).columns())
    for value in ("0", "0.5", "0.9"):
        rows["sensitivity"] += [
            identity | estimate_row(e, model) | {"analysis": "assumed_correlation", "value": value}
            for e in estimates[:2]
        ]


def fit_trials(trials: Sequence[Trial]) -> JointModel:
    """The joint model of these trials."""
    yi, labels, kinds, blocks = [], [], [], []
    for trial in trials:
        effects = _effects(trial)
        if not effects:
            continue
        block = np.diag([vi for _, vi in effects.values()])
        if len(effects) == 2:
            block[0, 1] = block[1, 0] = trial.covariance
        blocks.append(block)
        yi += [y for y, _ in effects.values()]
        labels += [trial.id] * len(effects)
        kinds += list(effects)
    if not yi:
        raise EstimationError("no trial has a usable effect")
    return fit_joint(np.array(yi), blocks, labels, kinds, upstream=trials[0].construct)


def _pooled_row(name: str, construct: str, known: list[tuple[float, float]]) -> dict[str, Any]:
    yi, vi = (np.array(column) for column in zip(*known, strict=True))
    fit = fit_random_effects(yi, vi)
    row = {
        "synthesis": name, "construct": construct, "subset": "all", "measure": "SMD",
        "model": "one_effect_per_trial", "k_trials": fit.k, "k_effects": fit.k, "mu": fit.mu,
        "se": fit.se, "pvalue": fit.pvalue, "ci_lb": fit.ci_lb, "ci_ub": fit.ci_ub,
        "pi_lb": fit.pi_lb, "pi_ub": fit.pi_ub, "tau2": fit.tau2,
        "tau2_lb": fit.tau2_interval.lower, "tau2_ub": fit.tau2_interval.upper,
        "i2": fit.heterogeneity.i2, "level": fit.level, "is_primary": True, "status": fit.status,
        "df": fit.df, "ci_method": fit.ci_method,
        "notes": "; ".join(narrow_note(fit.ci_lb, fit.ci_ub, vi, fit.level)),
    }  # fmt: skip
    return row | pooled_verdict(row).columns()


def _gap_row(
    identity: dict[str, Any], model: JointModel, estimate: dict[str, Any]
) -> dict[str, Any]:
    return identity | estimate | {
        "k_upstream": model.k_upstream, "k_behavior": model.k_behavior,
        "k_paired": model.k_paired, "mu_upstream": model.means[0], "mu_behavior": model.means[1],
        "slope": 0.4, "slope_origin": "2 trials (participant_data)", "assumed_correlation": 0.5,
        "share_of_pairs_assumed": 0.5, "level": 0.95,
    }  # fmt: skip
