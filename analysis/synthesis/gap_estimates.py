"""The joint model of a stack of trials, and what it says of the gap as rows of the tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from analysis.errors import EstimationError
from analysis.gap.estimands import DIFFERENCE, FIELLER
from analysis.gap.joint import (
    PRIMARY,
    GapEstimate,
    JointModel,
    difference,
    fit_joint_blocks,
    gap_estimates,
    indirect_difference,
    missing_estimate,
    transmission_ratio,
)
from analysis.gap.participants import NEAR_PERFECT
from analysis.gap.surrogacy import trial_level_surrogacy
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import (
    Record,
    Stack,
    having,
    labeled,
)
from analysis.synthesis.verdicts import NARROW_GAP, NONE, gap_verdict, slope_verdict, with_note
from analysis.univariate.pooling import fit_random_effects

KNOWN_ORIGINS = ("participant_data", "reported_within_arm", "reported_total")


@dataclass(frozen=True)
class Slope:
    """Within-arm slope of behavior on the upstream construct, pooled over a synthesis."""

    value: float | None
    variance: float
    origin: str


def within_arm_slope(pairs: Iterable[Record], synthesis: str, settings: AnalysisSettings) -> Slope:
    """Pool the known within-arm correlations on the scale of the effects.

    pairs: rows of the paired effects. One value per trial (the mean over its pairs of outcomes),
    Fisher's z, REML; assumed and borrowed correlations do not count. The variance of z is
    carried from the observed to the latent correlation by the delta method. Near-perfect
    correlations (`NEAR_PERFECT`), which would set the slope alone, are left out; `origin` says how
    many. Pairs without a trial or synthesis raise `RowError` with their places.
    """
    known: dict[tuple[str, str, str], Record] = {}
    for row in labeled(pairs, ("trial_id", "synthesis"), ("upstream_label", "behavior_label")):
        own = row["synthesis"] == synthesis and row["rho_origin"] in KNOWN_ORIGINS
        if own and row["rho_n"] > 4:
            key = (str(row["trial_id"]), str(row["upstream_label"]), str(row["behavior_label"]))
            known.setdefault(key, row)
    usable = {key: row for key, row in known.items() if not _near_perfect(row)}
    left_out = len(known) - len(usable)
    told = f"{left_out} near-perfect left out" if left_out else ""
    known = usable
    if not known:
        return Slope(None, 0.0, told)
    by_trial: dict[str, list[tuple[float, float]]] = {}
    for (trial, _, _), row in known.items():
        observed, latent = float(row["rho_within_arm"]), float(row["rho_latent"])
        stretch = latent / observed if abs(observed) > 1e-6 else 1.0
        variance = float(row["rho_variance"]) * stretch**2 / (1.0 - latent**2) ** 2
        by_trial.setdefault(trial, []).append((float(np.arctanh(latent)), variance))
    yi, vi = np.array([np.mean(values, axis=0) for _, values in sorted(by_trial.items())]).T
    fit = fit_random_effects(yi, vi, method=settings.tau2_method)
    slope = float(np.tanh(fit.mu))
    origins = ", ".join(sorted({str(row["rho_origin"]) for row in known.values()}))
    trials = "1 trial" if fit.k == 1 else f"{fit.k} trials"
    origin = "; ".join(part for part in (f"{trials} ({origins})", told) if part)
    return Slope(slope, (1.0 - slope**2) ** 2 * fit.se**2, origin)


def _near_perfect(row: Record) -> bool:
    return max(abs(float(row["rho_within_arm"])), abs(float(row["rho_latent"]))) >= NEAR_PERFECT


def joint_model(stack: Stack, upstream: str, settings: AnalysisSettings) -> JointModel:
    """The joint model of the upstream construct and behavior of a stack of trials."""
    part = stack.select(having("construct", upstream, "behavior"))
    if not part.trials:
        raise EstimationError(f"no trial has a usable effect on {upstream} or behavior")
    return fit_joint_blocks(part.blocks([upstream, "behavior"]), level=settings.level)


def _gap_rows(
    identity: Record,
    model: JointModel,
    estimates: list[GapEstimate],
    slope: Slope,
    settings: AnalysisSettings,
    assumed_share: float,
) -> list[Record]:
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
    }
    rows: list[Record] = []
    for one in estimates:
        first = one.estimand not in {row["estimand"] for row in rows}
        narrow = not first and _head(one) == "CR2"
        notes = with_note("; ".join(model.notes), *([NARROW_GAP] if narrow else ()))
        more = {"statistic": one.statistic, "pvalue": one.pvalue, "is_primary": first}
        rows.append(shared | estimate_row(one, model, notes) | more | {"notes": notes})
    return rows


_FIELDS = (
    "estimand", "estimate", "se", "df", "ci_lb", "ci_ub", "interval_kind", "method", "status",
    "reason",
)  # fmt: skip


def estimate_row(one: GapEstimate, model: JointModel, notes: str = "") -> Record:
    """One estimate with what may be said of it: the columns that all tables about the gap share.
    notes: of the row, which a verdict may not rest on."""
    row: Record = {name: getattr(one, name) for name in _FIELDS} | {"k_paired": model.k_paired}
    verdict = gap_verdict(row | {"notes": notes}, _satterthwaite(one, model))
    return row | verdict.columns()


def _head(one: GapEstimate) -> str:
    """The method of an estimate without the name of its kind of set."""
    return one.method.removesuffix(f"/{FIELLER}")


def _satterthwaite(one: GapEstimate, model: JointModel) -> float | None:
    """Df of CR2 at an estimate with normal limits; nan without CR2, None for other limits."""
    if _head(one) != "model":
        return None
    if model.robust is None:
        return float("nan")
    form = [-one.estimate, 1.0] if one.estimand == "transmission_ratio" else DIFFERENCE
    return model.robust.df(np.asarray(form, dtype=np.float64))


def difference_and_ratio(model: JointModel, method: str = PRIMARY) -> list[GapEstimate]:
    """Both by one method; of a model without a trial that has both outcomes what is left."""
    if model.k_paired > 0:
        return [difference(model, method), transmission_ratio(model, method)]
    found = indirect_difference(model, method)
    ratio = missing_estimate("transmission_ratio", "none", "not_estimable", found.reason)
    return [found, ratio]


def share_assumed(pairs: Iterable[Record], synthesis: str) -> float:
    """Share of the pairs of a synthesis whose correlation is assumed; nan without pairs."""
    own = [row["rho_origin"] == "assumed" for row in pairs if row["synthesis"] == synthesis]
    return float(np.mean(own)) if own else float("nan")


def gap_subset(
    model: JointModel | EstimationError,
    identity: Record,
    slope: Slope,
    assumed_share: float,
    settings: AnalysisSettings,
) -> list[Record]:
    """Every estimand of one fitted model; the reason instead when there is none.

    identity: synthesis, upstream_construct and subset. model: or why it could not be fitted.
    """
    if isinstance(model, EstimationError):
        missing = missing_estimate("difference", "none", "not_estimable", str(model))
        return [
            identity
            | {
                "estimand": missing.estimand,
                "method": "none",
                "status": missing.status,
                "reason": missing.reason,
                "is_primary": True,
                "interval_kind": "none",
                "notes": "",
                "verdict": NONE,
                "verdict_reason": missing.reason,
                "slope_origin": "",
                "level": settings.level,
                "assumed_correlation": settings.assumed_correlation,
            }
        ]
    estimates = gap_estimates(
        model,
        slope=slope.value,
        slope_variance=slope.variance,
        smallest_worthwhile=settings.smallest_worthwhile,
    )
    return _gap_rows(identity, model, estimates, slope, settings, assumed_share)


def try_joint_model(
    stack: Stack, upstream: str, settings: AnalysisSettings
) -> JointModel | EstimationError:
    """The joint model, or the reason why there is none."""
    try:
        return joint_model(stack, upstream, settings)
    except EstimationError as error:
        return error


def surrogacy_row(model: JointModel, identity: Record, settings: AnalysisSettings) -> Record:
    """The trial-level line of one fitted model."""
    found = asdict(trial_level_surrogacy(model, target=settings.smallest_worthwhile))
    row = identity | {name: one for name, one in found.items() if not name.startswith("rho")}
    return row | slope_verdict(row).columns()
