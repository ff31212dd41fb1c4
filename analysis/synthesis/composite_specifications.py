"""The gap under every choice with one effect per trial and outcome, fitted in one call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.arrays import Floats
from analysis.effect_sizes.binary import ODDS_TO_SMD
from analysis.gap.composites import paired_composites
from analysis.gap.joint import difference_of, ratio_of
from analysis.gap.many_gaps import ManyGaps, PairedEffects, fit_many_gaps
from analysis.synthesis.choices import EFFECTS, ESTIMATORS, INFERENCES, Choice, about_choice
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, Stack, TrialEffects, having


def composites_of(
    choice: Choice, part: Stack, upstream: str, settings: AnalysisSettings
) -> dict[Choice, PairedEffects]:
    """Pairs of composites of one selection, on each scale that differs."""
    paired = part.select(having("construct", upstream, "behavior"))
    out: dict[Choice, PairedEffects] = {}
    for scale, factor in ODDS_TO_SMD.items():
        if scale != settings.odds_to_smd and not _has_odds_ratios(paired):
            continue
        scaled = _on_scale(paired, factor / ODDS_TO_SMD[settings.odds_to_smd])
        pairs = paired_composites(scaled.blocks([upstream, "behavior"]))
        for estimator in ESTIMATORS:
            named = replace(choice, effects=EFFECTS[1], scale=scale, estimator=estimator)
            out[named] = pairs
    return out


def _from_odds_ratio(record: Record) -> bool:
    return "/to_smd_" in str(record.get("formula", ""))


def _has_odds_ratios(part: Stack) -> bool:
    return any(_from_odds_ratio(r) for trial in part.trials for r in trial.records)


def _on_scale(part: Stack, factor: float) -> Stack:
    """Effects that were odds ratios times a factor, with their covariances."""
    if factor == 1.0:
        return part
    out = []
    for trial in part.trials:
        scale = np.array([factor if _from_odds_ratio(r) else 1.0 for r in trial.records])
        records = tuple(
            r | {"yi": float(r["yi"]) * s, "vi": float(r["vi"]) * s * s}
            for r, s in zip(trial.records, scale, strict=True)
        )
        covariance = trial.covariance * np.outer(scale, scale)
        out.append(TrialEffects(records, covariance, trial.origins, trial.moved))
    return Stack(tuple(out))


def composite_rows(
    identity: Record, composites: dict[Choice, PairedEffects], settings: AnalysisSettings
) -> list[Record]:
    """Rows of every choice with one effect per trial and outcome, fitted in one call per
    estimator."""
    rows: list[Record] = []
    for estimator in ESTIMATORS:
        chosen = [choice for choice in composites if choice.estimator == estimator]
        if not chosen:
            continue
        fits = fit_many_gaps(_stacked([composites[c] for c in chosen]), method=estimator)
        for i, choice in enumerate(chosen):
            rows += _fast_rows(identity, choice, fits, i, settings)
    return rows


def _stacked(pairs: list[PairedEffects]) -> PairedEffects:
    """Pairs of several selections as problems of one call, padded with empty trials."""
    most = max(one.y1.size for one in pairs)
    columns = [[np.array(a) for a in one.one_row()] for one in pairs]
    fills = (np.nan, 1.0, np.nan, 1.0, 0.0)
    made = []
    for n, fill in enumerate(fills):
        made.append(np.array([
            np.pad(own[n], (0, most - own[n].size), constant_values=fill) for own in columns
        ]))  # fmt: skip
    return PairedEffects(*made)


def _fast_rows(
    identity: Record, choice: Choice, fits: ManyGaps, i: int, settings: AnalysisSettings
) -> list[Record]:
    """Difference and ratio of one problem, robust and model-based."""
    status = str(fits.status[i])
    if status in ("too_few_studies", "not_converged"):
        return []
    means = np.array([fits.mu1[i], fits.mu2[i]])
    shared: Record = {"k_paired": int(fits.pairs[i])}
    rows: list[Record] = []
    for inference in INFERENCES:
        kind = "robust" if inference == "CR2" else "model"
        a, b, c = (float(getattr(fits, f"{kind}{e}")[i]) for e in ("11", "12", "22"))
        covariance = np.array([[a, b], [b, c]])
        df = (float(fits.df[i]), float(fits.ratio_df[i])) if kind == "robust" else (np.inf,) * 2
        for row in _pair_of_estimates(means, covariance, df, settings.level):
            rows.append(about_choice(identity, choice, inference, settings) | row | shared)
    return rows


def _pair_of_estimates(
    means: Floats, covariance: Floats, df: tuple[float, float], level: float
) -> list[Record]:
    """Difference with its interval and ratio with Fieller's set."""
    both = (
        difference_of(means, covariance, df[0], level, ""),
        ratio_of(means, covariance, df[1], level, ""),
    )
    return [
        {
            "estimand": one.estimand, "estimate": one.estimate, "se": one.se, "df": one.df,
            "ci_lb": one.ci_lb, "ci_ub": one.ci_ub, "interval_kind": one.interval_kind,
            "status": one.status, "reason": one.reason,
        }
        for one in both
    ]  # fmt: skip
