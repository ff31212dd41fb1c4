"""Gap estimates, surrogacy and sensitivity of each synthesis, from the joint model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.errors import EstimationError
from analysis.gap import (
    GapEstimate,
    JointModel,
    difference,
    fit_joint,
    gap_estimates,
    missing_estimate,
    transmission_ratio,
)
from analysis.pooling import fit_random_effects
from analysis.surrogacy import trial_level_surrogacy
from assets.tables.settings import AnalysisSettings
from assets.tables.stack import Stack, having, of_synthesis, subsets, syntheses, upstream_of
from validations.tables import made_columns

GAP_COLUMNS = made_columns("gap_estimates")


SENSITIVITY_COLUMNS = made_columns("sensitivity")


SURROGACY_COLUMNS = made_columns("surrogacy")


@dataclass(frozen=True)
class Slope:
    """Within-arm slope of behavior on the upstream construct, pooled over a synthesis."""

    value: float | None
    variance: float
    origin: str


def within_arm_slope(pairs: pd.DataFrame, synthesis: str, settings: AnalysisSettings) -> Slope:
    """Pool the known within-arm correlations on the scale of the effects.

    One value per trial (the mean over its pairs of outcomes), Fisher's z, REML; assumed and
    borrowed correlations do not count. The variance of z is carried from the observed to the
    latent correlation by the delta method.
    """
    known = pairs[
        (pairs["synthesis"] == synthesis)
        & pairs["rho_origin"].isin(["participant_data", "reported_within_arm", "reported_total"])
        & (pairs["rho_n"] > 4)
    ].drop_duplicates(["trial_id", "upstream_label", "behavior_label"])
    if known.empty:
        return Slope(None, 0.0, "")
    observed, latent = known["rho_within_arm"], known["rho_latent"]
    stretch = (latent / observed).where(observed.abs() > 1e-6, 1.0)
    z = pd.DataFrame(
        {
            "trial_id": known["trial_id"],
            "yi": np.arctanh(latent),
            "vi": known["rho_variance"] * stretch**2 / (1.0 - latent**2) ** 2,
        }
    )
    per_trial = z.groupby("trial_id").mean()
    fit = fit_random_effects(per_trial["yi"], per_trial["vi"], method=settings.tau2_method)
    slope = float(np.tanh(fit.mu))
    origins = ", ".join(sorted(set(known["rho_origin"])))
    trials = "1 trial" if fit.k == 1 else f"{fit.k} trials"
    return Slope(slope, (1.0 - slope**2) ** 2 * fit.se**2, f"{trials} ({origins})")


def joint_model(
    stack: Stack, upstream: str, settings: AnalysisSettings, near: JointModel | None = None
) -> JointModel:
    """The joint model of the upstream construct and behavior of a stack of trials.

    near: the model of almost the same stack, to start from.
    """
    part = stack.select(having("construct", upstream, "behavior"))
    if not part.trials:
        raise EstimationError(f"no trial has a usable effect on {upstream} or behavior")
    return fit_joint(
        np.array(part.values("yi"), dtype=float),
        part.covariances,
        part.values("trial_id"),
        part.values("construct"),
        upstream=upstream,
        method="REML",
        level=settings.level,
        near=near,
    )


def _gap_rows(
    identity: dict[str, object],
    model: JointModel,
    estimates: list[GapEstimate],
    slope: Slope,
    settings: AnalysisSettings,
    assumed_share: float,
) -> list[dict[str, object]]:
    fit = model.fit
    shared = identity | {
        "k_upstream": model.k_upstream,
        "k_behavior": model.k_behavior,
        "k_paired": model.k_paired,
        "mu_upstream": float(model.means[0]),
        "mu_behavior": float(model.means[1]),
        "tau2_upstream": float(fit.tau[0, 0]),
        "tau2_behavior": float(fit.tau[1, 1]),
        "tau_covariance": float(fit.tau[0, 1]),
        "omega2_upstream": float(fit.omega[0]),
        "omega2_behavior": float(fit.omega[1]),
        "slope": np.nan if slope.value is None else slope.value,
        "slope_origin": slope.origin,
        "assumed_correlation": settings.assumed_correlation,
        "share_of_pairs_assumed": assumed_share,
        "level": settings.level,
        "notes": "; ".join(model.notes),
    }
    has_cr2 = any(e.method.startswith("CR2") for e in estimates)
    return [
        shared
        | {
            "estimand": e.estimand,
            "estimate": e.estimate,
            "se": e.se,
            "statistic": e.statistic,
            "df": e.df,
            "pvalue": e.pvalue,
            "ci_lb": e.ci_lb,
            "ci_ub": e.ci_ub,
            "interval_kind": e.interval_kind,
            "method": e.method,
            "status": e.status,
            "reason": e.reason,
            "is_primary": not (has_cr2 and e.method.startswith("model")),
        }
        for e in estimates
    ]


def gap_table(stack: Stack, pairs: pd.DataFrame, settings: AnalysisSettings) -> pd.DataFrame:
    """Gap estimates of every synthesis and subset; where there is none, the reason."""
    rows: list[dict[str, object]] = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        upstream = upstream_of(group)
        slope = within_arm_slope(pairs, name, settings)
        own = pairs[pairs["synthesis"] == name]
        share = float((own["rho_origin"] == "assumed").mean()) if len(own) else np.nan
        for subset, part in subsets(group, upstream):
            identity = {"synthesis": name, "upstream_construct": upstream, "subset": subset}
            try:
                model = joint_model(part, upstream, settings)
                estimates = gap_estimates(
                    model,
                    slope=slope.value,
                    slope_variance=slope.variance,
                    smallest_worthwhile=settings.smallest_worthwhile,
                )
                rows += _gap_rows(identity, model, estimates, slope, settings, share)
            except EstimationError as error:
                missing = missing_estimate("difference", "none", "not_estimable", str(error))
                rows.append(
                    identity
                    | {
                        "estimand": missing.estimand,
                        "method": "none",
                        "status": missing.status,
                        "reason": missing.reason,
                        "is_primary": True,
                        "interval_kind": "none",
                        "notes": "",
                        "slope_origin": "",
                        "level": settings.level,
                        "assumed_correlation": settings.assumed_correlation,
                    }
                )
    return pd.DataFrame(rows, columns=GAP_COLUMNS)


def surrogacy_table(stack: Stack, settings: AnalysisSettings) -> pd.DataFrame:
    """Trial-level surrogacy of every synthesis and subset for which the joint model exists."""
    rows = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        upstream = upstream_of(group)
        for subset, part in subsets(group, upstream):
            try:
                model = joint_model(part, upstream, settings)
            except EstimationError:
                continue
            line = trial_level_surrogacy(model, target=settings.smallest_worthwhile)
            rows.append(
                {"synthesis": name, "upstream_construct": upstream, "subset": subset}
                | {c: getattr(line, c) for c in SURROGACY_COLUMNS[3:]}
            )
    return pd.DataFrame(rows, columns=SURROGACY_COLUMNS)


MOST_TRIALS_LEFT_OUT = 100


def sensitivity_table(
    stack_at: Callable[[float], Stack], settings: AnalysisSettings
) -> pd.DataFrame:
    """The gap over the assumed correlation, and with each trial left out in turn.

    stack_at: makes the stack of all trials for an assumed correlation; correlations that are
    known stay as they are. Syntheses of more than `MOST_TRIALS_LEFT_OUT` trials get one row that
    says why no trial was left out.
    """
    rows: list[dict[str, object]] = []
    for rho in settings.correlation_grid:
        stack = stack_at(rho)
        for name in syntheses(stack) if stack.trials else []:
            about = _about(of_synthesis(stack, name), "assumed_correlation", f"{rho:g}")
            rows += _sensitivity_rows(of_synthesis(stack, name), about, settings)[0]
    stack = stack_at(settings.assumed_correlation)
    for name in syntheses(stack) if stack.trials else []:
        rows += _left_out(of_synthesis(stack, name), settings)
    return pd.DataFrame(rows, columns=SENSITIVITY_COLUMNS)


def _about(stack: Stack, analysis: str, value: str) -> dict[str, object]:
    return {
        "synthesis": stack.trials[0]["synthesis"],
        "upstream_construct": upstream_of(stack),
        "analysis": analysis,
        "value": value,
    }


def _left_out(group: Stack, settings: AnalysisSettings) -> list[dict[str, object]]:
    trials = group.trials
    if len(trials) < 3:
        return []
    if len(trials) > MOST_TRIALS_LEFT_OUT:
        return [
            _about(group, "leave_one_trial_out", "")
            | {
                "estimand": "difference",
                "status": "not_computed",
                "reason": f"{len(trials)} trials; done for up to {MOST_TRIALS_LEFT_OUT}",
                "interval_kind": "none",
                "method": "none",
            }
        ]
    _, whole = _sensitivity_rows(group, {}, settings)
    rows: list[dict[str, object]] = []
    for i, left in enumerate(trials):
        about = _about(group, "leave_one_trial_out", str(left["trial_id"]))
        rest = Stack(trials[:i] + trials[i + 1 :])
        rows += _sensitivity_rows(rest, about, settings, whole)[0]
    return rows


def _sensitivity_rows(
    stack: Stack,
    about: dict[str, object],
    settings: AnalysisSettings,
    near: JointModel | None = None,
) -> tuple[list[dict[str, object]], JointModel | None]:
    """Difference and ratio of one stack, and the model they come from (None without one)."""
    try:
        model = joint_model(stack, upstream_of(stack), settings, near)
    except EstimationError as error:
        missing = {
            "estimand": "difference",
            "status": "not_estimable",
            "reason": str(error),
            "interval_kind": "none",
            "method": "none",
        }
        return [about | missing], None
    method = "CR2" if model.robust is not None else "model"
    fields = (
        "estimand",
        "estimate",
        "se",
        "df",
        "ci_lb",
        "ci_ub",
        "interval_kind",
        "method",
        "status",
        "reason",
    )
    rows = [
        about | {"k_paired": model.k_paired} | {name: getattr(e, name) for name in fields}
        for e in (difference(model, method), transmission_ratio(model, method))
    ]
    return rows, model
