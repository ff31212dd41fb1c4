"""The gap from participants of several trials in one model, everybody measured at least once
included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, is_constant
from analysis.distributions import critical_value, two_sided_p
from analysis.errors import EstimationError
from analysis.gap.incomplete_participants import ParticipantTrial, require_own_names
from analysis.gap.many_gaps import PairedEffects, fit_many_gaps
from analysis.results import Result

_MOST_STEPS = 500
_CLOSE = 1e-8


@dataclass(frozen=True)
class OneStageGap(Result):
    """Mean effects on intention and behavior (standard deviation units), their between-trial
    variances (tau2) and covariance, and their difference with a normal interval. status: `ok`,
    `boundary` or `not_converged`."""

    trials: int
    participants: int
    mu_intention: float
    mu_behavior: float
    tau2_intention: float
    tau2_behavior: float
    tau_covariance: float
    difference: float
    se: float
    statistic: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    level: float
    method: str
    status: str


def fit_one_stage(trials: Sequence[ParticipantTrial], *, level: float = 0.95) -> OneStageGap:
    """Linear mixed model of both outcomes of all participants, by likelihood.

    y_ij = alpha_i + treated_ij delta_i + e_ij, e_ij ~ N(0, Sigma_i), delta_i ~ N(mu, T), with an
    intercept and residual covariance of its own for every trial, effects in units of the roots of
    the diagonal of Sigma_i, the standard deviations that all participants would have.
    Participants with one of the two outcomes count, which is right when dropout depends on arm
    and the measured outcome (missing at random). Conditional maximization: trial effects and
    their covariance given Sigma_i by generalized least squares, mu and T from their joint model,
    Sigma_i from expected residuals (Meng and Rubin 1993).
    Behavior of 0 and 1 is modeled as a number: its effect is a risk difference over the standard
    deviation.
    Raises `EstimationError` with fewer than 2 trials, trials of one name, or arms without both
    outcomes.
    """
    if len(trials) < 2:
        raise EstimationError(f"a one-stage model needs at least 2 trials, found {len(trials)}")
    require_own_names(trials)
    data = [_Trial.of(trial) for trial in trials]
    sigmas = [np.eye(2) + 0.3 * (1.0 - np.eye(2)) for _ in data]
    before, fit, status = np.full(5, np.inf), None, "not_converged"
    for _ in range(_MOST_STEPS):
        # In units of the standard deviation that all participants would have.
        units = [np.sqrt(np.diag(sigma)) for sigma in sigmas]
        made = [one.effects(sigma) for one, sigma in zip(data, sigmas, strict=True)]
        estimates = [d / u for (d, _), u in zip(made, units, strict=True)]
        covariances = [v / np.outer(u, u) for (_, v), u in zip(made, units, strict=True)]
        fit = fit_many_gaps(_paired(np.array(estimates), np.array(covariances)), method="ML")
        mu = np.array([fit.mu1[0], fit.mu2[0]])
        tau = np.array([[fit.tau11[0], fit.tau12[0]], [fit.tau12[0], fit.tau22[0]]])
        sigmas = [
            one.residual_covariance(sigma, *_posterior(d, v, mu, tau, u))
            for one, sigma, d, v, u in zip(data, sigmas, estimates, covariances, units, strict=True)
        ]
        now = np.concatenate([mu, [tau[0, 0], tau[0, 1], tau[1, 1]]])
        if float(np.abs(now - before).max()) < _CLOSE:
            status = str(fit.status[0])
            break
        before = now
    assert fit is not None
    variance = float(fit.model11[0] + fit.model22[0] - 2.0 * fit.model12[0])
    difference, se = float(fit.difference[0]), math.sqrt(variance)
    half = critical_value(level, math.inf) * se
    return OneStageGap(
        len(data), sum(one.y.shape[0] for one in data), float(fit.mu1[0]), float(fit.mu2[0]),
        float(fit.tau11[0]), float(fit.tau22[0]), float(fit.tau12[0]), difference, se,
        difference / se, two_sided_p(difference / se), difference - half, difference + half, level,
        "one_stage/ML", status,
    )  # fmt: skip


def _paired(estimates: Floats, covariances: Floats) -> PairedEffects:
    return PairedEffects(
        estimates[:, 0], covariances[:, 0, 0], estimates[:, 1], covariances[:, 1, 1],
        covariances[:, 0, 1],
    )  # fmt: skip


def _posterior(
    estimate: Floats, covariance: Floats, mu: Floats, tau: Floats, unit: Floats
) -> tuple[Floats, Floats]:
    """Mean and covariance of a trial's effects given its data, back in the units of the data."""
    gain = tau @ np.linalg.inv(tau + covariance)
    mean = unit * (mu + gain @ (estimate - mu))
    return mean, (tau - gain @ tau) * np.outer(unit, unit)


@dataclass(frozen=True)
class _Trial:
    """Standardized outcomes (n x 2, nan where missing) and arm (n) of the measured participants."""

    y: Floats
    treated: Floats

    @classmethod
    def of(cls, trial: ParticipantTrial) -> _Trial:
        y = np.column_stack([trial.intention, trial.behavior]).astype(np.float64)
        some = np.isfinite(y).any(axis=1)
        y, treated = y[some], trial.treated[some].astype(np.float64)
        for j, what in enumerate(("intention", "behavior")):
            parts = [y[(treated == arm) & np.isfinite(y[:, j]), j] for arm in (1.0, 0.0)]
            if min(part.size for part in parts) < 3:
                raise EstimationError(
                    f"{trial.name}: each arm needs 3 participants with {what} measured"
                )
            rest = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
            sd = math.sqrt(rest / (parts[0].size + parts[1].size - 2))
            if all(is_constant(part) for part in parts):
                raise EstimationError(f"{trial.name}: {what} does not vary within arms")
            y[:, j] /= sd
        return cls(y, treated)

    def _weights(self, sigma: Floats) -> list[tuple[np.ndarray, Floats]]:
        """Participants by pattern of measured outcomes, with the inverse of their covariance
        (zeros where an outcome is missing)."""
        seen = np.isfinite(self.y)
        out = []
        for pattern in ((True, True), (True, False), (False, True)):
            rows = (seen == np.array(pattern)).all(axis=1)
            if not rows.any():
                continue
            w = np.zeros((2, 2))
            index = np.ix_(np.flatnonzero(pattern), np.flatnonzero(pattern))
            w[index] = np.linalg.inv(sigma[index])
            out.append((rows, w))
        return out

    def effects(self, sigma: Floats) -> tuple[Floats, Floats]:
        """Generalized least squares of delta_i given Sigma_i, intercepts removed, with its
        covariance."""
        information, right = np.zeros((4, 4)), np.zeros(4)
        for rows, w in self._weights(sigma):
            y, z = np.nan_to_num(self.y[rows]), self.treated[rows]
            n, n1 = float(rows.sum()), float(z.sum())
            information += np.kron(np.array([[n, n1], [n1, n1]]), w)
            right += np.concatenate([w @ y.sum(axis=0), w @ (z @ y)])
        vcov = np.linalg.inv(information)
        return (vcov @ right)[2:], np.asarray(vcov[2:, 2:])

    def residual_covariance(self, sigma: Floats, delta: Floats, spread: Floats) -> Floats:
        """Expected cross-products of residuals over participants, given the effects' posterior."""
        parts = self._weights(sigma)
        information, right = np.zeros((2, 2)), np.zeros(2)
        for rows, w in parts:
            rest = np.nan_to_num(self.y[rows] - self.treated[rows][:, None] * delta)
            information += float(rows.sum()) * w
            right += w @ rest.sum(axis=0)
        alpha = np.linalg.solve(information, right)
        total = np.zeros((2, 2))
        for rows, w in parts:
            z = self.treated[rows]
            e = np.nan_to_num(self.y[rows] - alpha - z[:, None] * delta)
            # Missing residuals at their mean given the measured ones, plus what is left to know.
            filled = e @ w @ sigma
            unknown = sigma - sigma @ w @ sigma
            seen = w @ sigma
            total += filled.T @ filled + float(rows.sum()) * unknown
            total += float(z.sum()) * seen.T @ spread @ seen
        return np.asarray(total / self.y.shape[0], dtype=np.float64)
