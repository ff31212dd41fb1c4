"""Which effects and which trials a multivariate model does not fit, and what leaving a trial out
would change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.likelihood import marginal_covariances
from analysis.dependent.multivariate import MultivariateFit
from analysis.distributions import chi2_sf
from analysis.errors import EstimationError
from analysis.results import Result

_ALL_BUT = 1e-10
"""A trial that holds all but this share of a coefficient's information decides it alone."""


@dataclass(frozen=True)
class EffectDiagnostics(Result):
    """Of k effects, in their order: residual with its standard error and standardized value,
    leverage, and the residual from the coefficients without the effect's trial (nan where that
    trial alone determines a coefficient)."""

    residual: Floats
    se: Floats
    standardized: Floats
    leverage: Floats
    deleted: Floats
    deleted_se: Floats
    studentized: Floats


@dataclass(frozen=True)
class TrialDiagnostics(Result):
    """Of m trials, in order of first appearance.

    chi2, df, pvalue: whether a trial's effects agree with the model of the others. cook: distance
    between the coefficients with and without it. random: m x q, predicted deviations of its true
    effects from the model; dfbetas: m x p, coefficients with it less those without it, in standard
    errors.
    """

    chi2: Floats
    df: np.ndarray
    pvalue: Floats
    cook: Floats
    random: Floats
    dfbetas: Floats


@dataclass(frozen=True)
class MultilevelDiagnostics(Result):
    """Diagnostics of a fit by effect and by trial."""

    effects: EffectDiagnostics
    trials: TrialDiagnostics


def multilevel_diagnostics(fit: MultivariateFit) -> MultilevelDiagnostics:
    """Residuals, leverages and influence of a multivariate fit, variances between and within trials
    kept when a trial is left out (metafor's `reestimate = FALSE`; Viechtbauer 2021, in Handbook of
    Meta-Analysis, ch. 11).

    With M_i the marginal covariance of trial i and V the covariance of the coefficients, residuals
    e_i have covariance M_i - X_i V X_i' and deleted ones M_i + X_i V_(i) X_i'; Cook's distance is
    (b - b_(i))' V^-1 (b - b_(i)), dfbetas divide by the standard errors. Cost linear in trials.
    Raises `EstimationError` for fewer than 2 trials.
    """
    blocks = fit.blocks
    if blocks.clusters < 2:
        raise EstimationError("leaving a trial out needs at least 2 trials")
    p, q = blocks.p, len(blocks.outcome_names)
    information: Floats = np.asarray(np.linalg.inv(fit.vb), dtype=np.float64)
    effects = {name: np.empty(blocks.k) for name in EffectDiagnostics.__dataclass_fields__}
    chi2, cook = np.empty(blocks.clusters), np.empty(blocks.clusters)
    df = np.empty(blocks.clusters, dtype=np.int64)
    random, dfbetas = np.empty((blocks.clusters, q)), np.empty((blocks.clusters, p))
    sigmas = marginal_covariances(blocks, fit.tau, fit.omega)
    for group, sigma in zip(blocks.groups, sigmas, strict=True):
        x, d = group.x, group.y.shape[1]
        weights = np.linalg.inv(sigma)
        e = group.y - x @ fit.beta
        wx = weights @ x
        own = np.swapaxes(x, 1, 2) @ wx
        spread = np.einsum("mdp,pq,mdq->md", x, fit.vb, x)
        variance = np.diagonal(sigma, axis1=1, axis2=2)
        here = group.rows
        effects["residual"][here] = e
        effects["leverage"][here] = np.einsum("mdp,pq,mdq->md", x, fit.vb, wx)
        effects["se"][here] = np.sqrt(np.maximum(variance - spread, 0.0))
        rest = _inverses(information - own, information)
        change = (rest @ (np.swapaxes(wx, 1, 2) @ e[:, :, None]))[:, :, 0]
        deleted = e + np.einsum("mdp,mp->md", x, change)
        wider = sigma + x @ rest @ np.swapaxes(x, 1, 2)
        effects["deleted"][here] = deleted
        effects["deleted_se"][here] = np.sqrt(np.diagonal(wider, axis1=1, axis2=2))
        trial = blocks.cluster[here[:, 0]]
        known = np.isfinite(wider).all(axis=(1, 2))
        chi2[trial] = np.nan
        solved = np.linalg.solve(wider[known], deleted[known][:, :, None])[:, :, 0]
        chi2[trial[known]] = np.einsum("md,md->m", deleted[known], solved)
        df[trial] = d
        cook[trial] = np.einsum("mp,pq,mq->m", change, information, change)
        dfbetas[trial] = change / fit.se
        among = (group.outcome[:, :, None] == np.arange(q)[None, None, :]).astype(float)
        pull = np.einsum("mdq,mde,me->mq", among, weights, e)
        random[trial] = pull @ fit.tau
    with np.errstate(divide="ignore", invalid="ignore"):
        effects["standardized"] = np.where(
            effects["se"] > 0.0, effects["residual"] / effects["se"], np.nan
        )
    effects["studentized"] = effects["deleted"] / effects["deleted_se"]
    pvalue = np.array([chi2_sf(float(x), float(n)) for x, n in zip(chi2, df, strict=True)])
    return MultilevelDiagnostics(
        EffectDiagnostics(**effects), TrialDiagnostics(chi2, df, pvalue, cook, random, dfbetas)
    )


def _inverses(rest: Floats, information: Floats) -> Floats:
    """Inverses of the information of the other trials (m x p x p), nan where it is singular."""
    root = np.linalg.cholesky(np.linalg.inv(information))
    share = np.linalg.eigvalsh(np.swapaxes(root, 0, 1) @ rest @ root)[:, 0]
    out = np.full(rest.shape, np.nan)
    out[share > _ALL_BUT] = np.linalg.inv(rest[share > _ALL_BUT])
    return out
