"""The gap under every choice with one effect per trial and outcome, fitted in one call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.effect_sizes.binary import ODDS_TO_SMD
from analysis.gap.composites import paired_composites
from analysis.gap.estimands import (
    DIFFERENCE,
    INDIRECT,
    GapEstimate,
    difference_of,
    missing_estimate,
    ratio_of,
    unpaired_reason,
    wider_method,
)
from analysis.gap.joint import JointModel
from analysis.gap.many_gaps import (
    ManyGaps,
    PairedEffects,
    covariance_of,
    fit_many_gaps,
    means_of,
)
from analysis.synthesis.choices import (
    EFFECTS,
    ESTIMATORS,
    INFERENCES,
    PRIMARY_INFERENCE,
    Choice,
    about_choice,
)
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, Stack, TrialEffects, having
from analysis.synthesis.verdicts import gap_verdict


def composites_of(
    choice: Choice, part: Stack, model: JointModel, settings: AnalysisSettings
) -> dict[Choice, PairedEffects]:
    """Pairs of composites of one selection, on each scale that differs. model: of its effects."""
    names = model.fit.blocks.outcome_names
    paired = part.select(having("construct", *names))
    out: dict[Choice, PairedEffects] = {}
    for scale, factor in ODDS_TO_SMD.items():
        if scale != settings.odds_to_smd and not _has_odds_ratios(paired):
            continue
        factor /= ODDS_TO_SMD[settings.odds_to_smd]
        own = factor == 1.0
        pairs = paired_composites(
            model.fit.blocks if own else _on_scale(paired, factor).blocks(names)
        )
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
        different = {_key(composites[choice]): composites[choice] for choice in chosen}
        fits = fit_many_gaps(_stacked(list(different.values())), method=estimator)
        numbers = {key: i for i, key in enumerate(different)}
        for choice in chosen:
            rows += _fast_rows(identity, choice, fits, numbers[_key(composites[choice])], settings)
    return rows


def _key(pairs: PairedEffects) -> bytes:
    """The numbers of one problem as bytes; choices with the same ones are fitted once."""
    return b"".join(column.tobytes() for column in pairs.one_row())


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
    pairs, upstream = int(fits.pairs[i]), str(identity["upstream_construct"])
    unpaired = "" if pairs else unpaired_reason(
        upstream, "behavior", int(fits.k1[i]), int(fits.k2[i])
    )  # fmt: skip
    rows: list[Record] = []
    for inference in INFERENCES:
        about = about_choice(identity, choice, inference, settings)
        for one in _pair_of_estimates(fits, i, inference, settings.level):
            made = _without_pairs(one, unpaired) if unpaired else one
            rows.append(about | _judged(made, fits, i))
    return rows


def primary_rows(fits: ManyGaps, i: int, level: float) -> list[Record]:
    """Difference and ratio of one problem with both outcomes in some trial, by the primary
    method."""
    return [_judged(one, fits, i) for one in _pair_of_estimates(fits, i, PRIMARY_INFERENCE, level)]


def _judged(one: GapEstimate, fits: ManyGaps, i: int) -> Record:
    """One estimate with what may be said of it."""
    row: Record = {name: getattr(one, name) for name in _COLUMNS} | {"k_paired": int(fits.pairs[i])}
    df = fits.df if one.estimand == "difference" else fits.ratio_df
    return row | gap_verdict(row, float(df[i])).columns()


_COLUMNS = (
    "estimand", "estimate", "se", "df", "ci_lb", "ci_ub", "interval_kind", "method", "status",
    "reason",
)  # fmt: skip


def _pair_of_estimates(
    fits: ManyGaps, i: int, inference: str, level: float
) -> tuple[GapEstimate, GapEstimate]:
    """Difference with its interval and ratio with Fieller's set of one problem. The inference CR2
    is the primary one: at each contrast the wider of the robust and the model-based variance."""
    means = means_of(fits, i)
    robust, model = (covariance_of(fits, i, kind) for kind in ("robust", "model"))
    made = []
    forms = (DIFFERENCE, np.array([-float(fits.ratio[i]), 1.0]))
    for form, df, make in zip(
        forms, (fits.df[i], fits.ratio_df[i]), (difference_of, ratio_of), strict=True
    ):
        method = inference
        if inference == PRIMARY_INFERENCE:
            method = wider_method(model, robust, float(df), form)
        covariance = robust if method == "CR2" else model
        own = np.inf if method == "model" else float(df)
        made.append(make(means, covariance, own, level, method))
    return made[0], made[1]


def _without_pairs(one: GapEstimate, reason: str) -> GapEstimate:
    """What is left of an estimate when no trial has both outcomes."""
    if one.estimand != "difference":
        return missing_estimate(one.estimand, "none", "not_estimable", reason)
    return replace(one, method=f"two_pools/{one.method}", status=INDIRECT, reason=reason)
