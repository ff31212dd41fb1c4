"""Random-effects models for several outcomes per trial with known sampling covariances.

Trial i: y_i ~ N(X_i beta, V_i + Tau[o, o] + diag(omega[o])), where o are the outcomes of its
effects, Tau (q x q) is the covariance of the true effects between trials and omega (q) the
variance between effects of one outcome within a trial. With q = 1 this is the three-level
model; with q = 2 and omega = 0 the bivariate model; with both the correlated-and-hierarchical
(CHE) model of Pustejovsky and Tipton (2022, Prev Sci 23:425). Missing outcomes are simply
absent rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.arrays import Floats, named
from analysis.dependent.blocks import EffectBlocks
from analysis.dependent.three_level import maximize_three_level
from analysis.errors import EstimationError
from analysis.results import Result

STRUCTURES = {
    "UN": "every variance and covariance of its own",
    "CS": "one variance, one correlation",
    "HCS": "a variance per outcome, one correlation",
    "DIAG": "a variance per outcome, no correlation",
    "ID": "one variance, no correlation",
    "NONE": "no variance between trials",
}
WITHIN = {
    "none": "no variance between effects within a trial",
    "common": "one variance",
    "per_outcome": "one per outcome",
    "replicated": "one per outcome of which some trial has several effects",
}

_BOUNDARY = 1e-6
_ZERO = 1e-12
_STARTS = (
    (0.5, 0.0),
    (0.5, 0.8),
    (1.5, 0.5),
    (0.1, 0.0),
    (0.5, -0.5),
    (0.01, 0.0),
    (0.001, 0.0),
)
"""Sizes of the variances (of the typical effect) and correlations to start from; all are
followed, since the likelihood of few trials can have several maxima."""


@dataclass(frozen=True)
class MultivariateFit(Result):
    """A fitted multivariate random-effects model.

    beta (p), vb (p x p): coefficients and their model-based covariance. tau (q x q): between
    trials. omega (q): within trials. psi: free variance parameters with `psi_names`;
    psi_vcov, psi_vcov_expected: their covariance from the observed and the expected information,
    each element taken as free; they mean little where the status is `boundary` or the structure
    ties elements to each other.
    status: `ok` or `boundary` (a variance at 0 or a correlation at +-1); `gradient`: largest
    relative slope of the log-likelihood left at the optimum.
    """

    blocks: EffectBlocks = field(repr=False)
    beta: Floats
    vb: Floats
    tau: Floats
    omega: Floats
    psi: Floats
    psi_names: tuple[str, ...]
    psi_vcov: Floats
    psi_vcov_expected: Floats
    loglik: float
    method: str
    structure: str
    within: str
    status: str
    gradient: float
    notes: tuple[str, ...] = ()

    @property
    def se(self) -> Floats:
        return np.sqrt(np.diag(self.vb))

    @property
    def within_index(self) -> list[int]:
        """For each outcome the number of its within-trial variance, or -1 for none."""
        return _within_index(self.blocks, self.within)


@dataclass(frozen=True)
class _Pieces:
    """Marginal inverses per group, GLS solution and log-likelihood at one parameter value."""

    inverses: list[Floats]
    weighted_x: list[Floats]
    residuals: list[Floats]
    m: Floats
    beta: Floats
    loglik: float


def marginal_covariances(blocks: EffectBlocks, tau: Floats, omega: Floats) -> list[Floats]:
    """V_i + Tau + omega for each group of trials (m x d x d)."""
    out = []
    for group in blocks.groups:
        o = group.outcome
        sigma = group.v + tau[o[:, :, None], o[:, None, :]]
        d = o.shape[1]
        sigma[:, np.arange(d), np.arange(d)] += omega[o]
        out.append(sigma)
    return out


def _solve(blocks: EffectBlocks, tau: Floats, omega: Floats, restricted: bool) -> _Pieces:
    p = blocks.p
    information, xwy = np.zeros((p, p)), np.zeros(p)
    logdet = 0.0
    inverses, weighted_x = [], []
    for group, sigma in zip(blocks.groups, marginal_covariances(blocks, tau, omega), strict=True):
        inverse, own = _inverse_and_logdet(sigma)
        logdet += own
        wx = inverse @ group.x
        flat = wx.reshape(-1, p)
        information += group.x.reshape(-1, p).T @ flat
        xwy += flat.T @ group.y.ravel()
        inverses.append(inverse)
        weighted_x.append(wx)
    m = np.asarray(np.linalg.inv(information), dtype=np.float64)
    beta = m @ xwy
    residuals, rss = [], 0.0
    for group, inverse in zip(blocks.groups, inverses, strict=True):
        e = group.y - group.x @ beta
        r = (inverse @ e[:, :, None])[:, :, 0]
        rss += float(e.ravel() @ r.ravel())
        residuals.append(r)
    value = -0.5 * (logdet + rss)
    k = blocks.k
    if restricted:
        value += 0.5 * blocks.design_logdet
        value -= 0.5 * float(np.linalg.slogdet(information)[1])
        k -= p
    value -= 0.5 * k * math.log(2.0 * math.pi)
    return _Pieces(inverses, weighted_x, residuals, m, beta, value)


def log_likelihood_at(blocks: EffectBlocks, tau: Floats, omega: Floats, restricted: bool) -> float:
    """Log-likelihood at given variances, the coefficients at their GLS values."""
    return _solve(blocks, tau, omega, restricted).loglik


def _inverse_and_logdet(sigma: Floats) -> tuple[Floats, float]:
    """Inverses of m covariance matrices (m x d x d) and the sum of their log determinants."""
    d = sigma.shape[1]
    if d == 1:
        return 1.0 / sigma, float(np.log(sigma).sum())
    if d == 2:
        a, b, c = sigma[:, 0, 0], sigma[:, 0, 1], sigma[:, 1, 1]
        # As a (c - b^2 / a), which keeps its digits when the correlation is high.
        rest = c - b * b / a
        inverse = np.empty_like(sigma)
        inverse[:, 0, 1] = inverse[:, 1, 0] = -b / (a * rest)
        inverse[:, 1, 1] = 1.0 / rest
        inverse[:, 0, 0] = (1.0 + b * b / (a * rest)) / a
        return inverse, float(np.log(a * rest).sum())
    inverse = np.asarray(np.linalg.inv(sigma), dtype=np.float64)
    return inverse, float(np.linalg.slogdet(sigma)[1].sum())


def _within_index(blocks: EffectBlocks, within: str) -> list[int]:
    """For each outcome the number of its within-trial variance, or -1 for none."""
    q = len(blocks.outcome_names)
    if within == "replicated":
        replicated = blocks.effects_per_outcome > blocks.trials_per_outcome
        numbers = np.cumsum(replicated) - 1
        return [int(n) if r else -1 for n, r in zip(numbers, replicated, strict=True)]
    return {"none": [-1] * q, "common": [0] * q, "per_outcome": list(range(q))}[within]


def _directions(
    q: int, structure: str, within: list[int]
) -> tuple[list[Floats], list[Floats], list[str]]:
    """Unit matrices of the elements of Tau and omega in which the covariance is linear."""
    taus, omegas, names = [], [], []
    if structure != "NONE":
        for i in range(q):
            for j in range(i + 1):
                e = np.zeros((q, q))
                e[i, j] = e[j, i] = 1.0
                taus.append(e)
                omegas.append(np.zeros(q))
                names.append(f"tau2[{i}]" if i == j else f"tau_cov[{j},{i}]")
    for number in range(max(within) + 1):
        taus.append(np.zeros((q, q)))
        omegas.append(np.array([float(index == number) for index in within]))
        names.append(f"omega2[{within.index(number)}]")
    return taus, omegas, names


def _basis(blocks: EffectBlocks, taus: list[Floats], omegas: list[Floats]) -> list[Floats]:
    """Per group the derivatives of the marginal covariances with respect to every element of Tau
    and omega, flattened (elements x m d d). They do not depend on the parameters."""
    out = []
    for group in blocks.groups:
        o = group.outcome
        d = o.shape[1]
        e = np.array([tau[o[:, :, None], o[:, None, :]] for tau in taus])
        e[:, :, np.arange(d), np.arange(d)] += np.array([omega[o] for omega in omegas])
        out.append(e.reshape(len(taus), -1))
    return out


def _score(pieces: _Pieces, basis: list[Floats], restricted: bool) -> Floats:
    """Derivative of the log-likelihood for the elements of Tau and omega.

    Every element acts through the covariances alone, so it is half the inner product of its
    derivative with r r' - Sigma^-1, to which REML adds W X (X'WX)^-1 X'W.
    """
    score = np.zeros(basis[0].shape[0])
    for flat, inverse, wx, r in zip(
        basis, pieces.inverses, pieces.weighted_x, pieces.residuals, strict=True
    ):
        pull = r[:, :, None] * r[:, None, :] - inverse
        if restricted:
            pull = pull + (wx @ pieces.m) @ wx.transpose(0, 2, 1)
        score += 0.5 * (flat @ pull.ravel())
    return score


def _element_derivatives(
    blocks: EffectBlocks,
    pieces: _Pieces,
    taus: list[Floats],
    omegas: list[Floats],
    restricted: bool,
) -> tuple[Floats, Floats]:
    """Observed and expected information for the elements of Tau and omega."""
    count, p = len(taus), blocks.p
    basis = _basis(blocks, taus, omegas)
    first = np.zeros((count, p, p))
    wewe, xwu, uwu = np.zeros((count, count)), np.zeros((count, p)), np.zeros((count, count))
    xwewex = np.zeros((count, count, p, p))
    for g, group in enumerate(blocks.groups):
        inverse, wx, r = pieces.inverses[g], pieces.weighted_x[g], pieces.residuals[g]
        e = basis[g].reshape(count, *group.v.shape)
        u = np.einsum("amde,me->amd", e, r)
        ewx = e @ wx
        first += np.einsum("mdp,amdq->apq", wx, ewx)
        we = inverse @ e
        wewe += np.einsum("amde,bmed->ab", we, we)
        xwu += np.einsum("mdp,amd->ap", wx, u)
        uwu += np.einsum("amd,bmd->ab", u, np.einsum("mde,bme->bmd", inverse, u))
        xwewex += np.einsum("amdp,bmdq->abpq", ewx, inverse @ ewx)
    quadratic = uwu - xwu @ pieces.m @ xwu.T
    trace = wewe.copy()
    if restricted:
        trace -= 2.0 * np.einsum("pq,abqp->ab", pieces.m, xwewex)
        ma = np.einsum("pq,aqr->apr", pieces.m, first)
        trace += np.einsum("apq,bqp->ab", ma, ma)
    expected = 0.5 * trace
    observed = quadratic - expected
    return (observed + observed.T) / 2.0, (expected + expected.T) / 2.0


class _Parametrization:
    """Maps unconstrained parameters to (Tau, omega): Cholesky factor and signed square roots."""

    def __init__(self, q: int, structure: str, within: list[int]) -> None:
        self.q, self.structure = q, structure
        self.within = np.array(within)
        rows, columns = np.tril_indices(q)
        self.lower = (rows, columns)
        self.n_tau = {
            "UN": rows.size,
            "CS": 2 if q > 1 else 1,
            "HCS": q + 1 if q > 1 else q,
            "DIAG": q,
            "ID": 1,
            "NONE": 0,
        }[structure]
        self.n_omega = int(self.within.max()) + 1

    def expand(self, theta: Floats) -> tuple[Floats, Floats]:
        q = self.q
        t = theta[: self.n_tau]
        tau = np.zeros((q, q))
        if self.structure == "UN":
            factor = np.zeros((q, q))
            factor[self.lower] = t
            tau = factor @ factor.T
        elif self.structure in ("CS", "HCS") and q > 1:
            s = np.full(q, t[0]) if self.structure == "CS" else np.abs(t[:q])
            low = -1.0 / (q - 1.0)
            rho = low + (1.0 - low) * 0.5 * (1.0 + math.sin(t[-1]))
            tau = np.outer(s, s) * (rho + (1.0 - rho) * np.eye(q))
        elif self.structure != "NONE":
            tau = np.diag(np.broadcast_to(t, (q,)) ** 2)
        squared = np.append(theta[self.n_tau :] ** 2, 0.0)  # index -1 finds the 0
        return tau, squared[self.within]

    def jacobian(self, theta: Floats) -> Floats:
        """d(elements of Tau, omega)/d(theta), elements ordered as in `_directions`."""
        if self.structure in ("UN", "DIAG", "ID", "NONE"):
            return self._exact_jacobian(theta)
        step = 1e-6 * np.maximum(1.0, np.abs(theta))

        def elements(point: Floats) -> Floats:
            tau, omega = self.expand(point)
            parts = [tau[self.lower]] if self.structure != "NONE" else []
            within = [omega[np.argmax(self.within == n)] for n in range(self.n_omega)]
            return np.concatenate([*parts, within])

        # Elements are at most quadratic in theta (but for one sine), so central differences
        # are exact to rounding.
        columns = []
        for i in range(theta.size):
            shift = np.zeros_like(theta)
            shift[i] = step[i]
            columns.append((elements(theta + shift) - elements(theta - shift)) / (2 * step[i]))
        return np.array(columns).T

    def _exact_jacobian(self, theta: Floats) -> Floats:
        """The same in closed form, where the elements are products of two parameters."""
        rows, columns = self.lower
        elements = rows.size if self.structure != "NONE" else 0
        out = np.zeros((elements + self.n_omega, theta.size))
        t = theta[: self.n_tau]
        if self.structure == "UN":
            factor = np.zeros((self.q, self.q))
            factor[self.lower] = t
            for n in range(self.n_tau):
                a, b = rows[n], columns[n]
                out[:elements, n] = (rows == a) * factor[columns, b] + (columns == a) * factor[
                    rows, b
                ]
        elif elements:
            diagonal = np.flatnonzero(rows == columns)
            out[diagonal, np.arange(self.q) % self.n_tau] = 2.0 * np.broadcast_to(t, (self.q,))
        omega = np.arange(self.n_omega)
        out[elements + omega, self.n_tau + omega] = 2.0 * theta[self.n_tau :]
        return out

    def locate(self, tau: Floats, omega: Floats) -> Floats:
        """Parameters of (about) this point, for UN and simpler diagonal structures."""
        if self.structure == "UN":
            lifted = tau + 1e-4 * (np.trace(tau) / self.q + 1e-3) * np.eye(self.q)
            t = np.linalg.cholesky(lifted)[self.lower]
        else:
            t = np.sqrt(np.diag(tau))[: self.n_tau]
        firsts = [int(np.argmax(self.within == n)) for n in range(self.n_omega)]
        return np.concatenate([t, np.sqrt(omega[firsts]) + 1e-3])

    def starts(self, scale: float) -> list[Floats]:
        out = []
        for size, share in _STARTS:
            spread = math.sqrt(size * scale)
            if self.structure == "UN":
                factor = np.eye(self.q) * math.sqrt(max(1e-3, 1.0 - share**2))
                factor[0, 0] = 1.0
                factor[1:, 0] = share
                t = (factor * spread)[self.lower]
            else:
                t = np.full(self.n_tau, spread)
                if self.structure in ("CS", "HCS") and self.q > 1:
                    t[-1] = share
            out.append(np.concatenate([t, np.full(self.n_omega, 0.7 * spread)]))
        return out


def fit_multivariate(
    blocks: EffectBlocks,
    *,
    structure: str = "UN",
    within: str = "none",
    method: str = "REML",
    near: MultivariateFit | None = None,
) -> MultivariateFit:
    """Fit by REML or ML from several starting points and keep the highest likelihood.

    blocks: from `make_blocks`. structure: of Tau (`STRUCTURES`). within: of effects of one outcome
    in one trial (`WITHIN`). near: the fit of almost
    the same data with the same structure (one trial left out, say), to start from.
    Steps: quasi-Newton on a Cholesky parametrization (so that Tau stays a covariance matrix)
    with the analytic gradient, on effects scaled to unit size, then Newton steps to a relative
    gradient below 1e-8. Harville (1977, JASA 72:320) for the restricted likelihood.
    Raises `EstimationError` when there are no more effects than coefficients, for an outcome
    without effects, and for a variance between trials of a single trial.
    """
    named(structure, STRUCTURES, "structure")
    named(within, WITHIN, "variance within trials")
    if method not in ("REML", "ML"):
        raise EstimationError(f"unknown model: {method=}; known: REML, ML")
    empty = np.flatnonzero(~blocks.design.any(axis=0))
    if empty.size:
        raise EstimationError(f"column {empty[0]} of the design is 0 for all effects")
    if structure != "NONE" and blocks.clusters < 2:
        raise EstimationError("a variance between trials needs at least 2 trials")
    q, restricted = len(blocks.outcome_names), method == "REML"
    index = _within_index(blocks, within)
    parametrization = _Parametrization(q, structure, index)
    taus, omegas, names = _directions(q, structure, index)
    if blocks.k < blocks.p + bool(names):
        raise EstimationError(f"{blocks.p} coefficients need more effects than {blocks.k}")
    unit = _typical_size(blocks)
    if q == 1 and structure != "NONE":
        one, other, left = maximize_three_level(
            blocks, unit, within=index[0] >= 0, restricted=restricted
        )
        tau, omega = np.array([[one]]), np.array([other])
    else:
        tau, omega, left = _search(
            _rescale(blocks, unit), taus, omegas, parametrization, restricted, near, unit
        )
    tau, omega = _clear_zeros(tau) * unit, np.where(omega < _ZERO, 0.0, omega) * unit
    pieces = _solve(blocks, tau, omega, restricted)
    free = [i for i, name in enumerate(names) if _is_free(name, structure)]
    vcov, vcov_expected = _psi_covariance(blocks, pieces, taus, omegas, restricted, free)
    status, notes = _state(tau, omega, unit, structure, index)
    elements = [
        tau[np.nonzero(np.tril(t))][0] if t.any() else omega[np.argmax(w)]
        for t, w in zip(taus, omegas, strict=True)
    ]
    return MultivariateFit(
        blocks=blocks,
        beta=pieces.beta,
        vb=pieces.m,
        tau=tau,
        omega=omega,
        psi=np.array([elements[i] for i in free]),
        psi_names=tuple(names[i] for i in free),
        psi_vcov=vcov,
        psi_vcov_expected=vcov_expected,
        loglik=pieces.loglik,
        method=method,
        structure=structure,
        within=within,
        status=status,
        gradient=left,
        notes=notes,
    )


def _search(
    scaled: EffectBlocks,
    taus: list[Floats],
    omegas: list[Floats],
    parametrization: _Parametrization,
    restricted: bool,
    near: MultivariateFit | None,
    unit: float,
) -> tuple[Floats, Floats, float]:
    """Tau and omega (in units) of the highest likelihood from several starts, and the largest slope
    left there."""
    if not taus:
        return (*parametrization.expand(np.zeros(0)), 0.0)
    basis = _basis(scaled, taus, omegas)

    def objective(theta: Floats) -> tuple[float, Floats]:
        tau, omega = parametrization.expand(theta)
        pieces = _solve(scaled, tau, omega, restricted)
        score = _score(pieces, basis, restricted)
        return -pieces.loglik, -(parametrization.jacobian(theta).T @ score)

    starts = parametrization.starts(1.0)
    structure = parametrization.structure
    if near is not None and near.structure == structure and structure in ("UN", "DIAG", "ID"):
        best = min(starts, key=lambda start: objective(start)[0])
        starts = [parametrization.locate(near.tau / unit, near.omega / unit), best]
    theta = _maximize(objective, starts)
    left = float(np.abs(objective(theta)[1]).max())
    return (*parametrization.expand(theta), left)


def _clear_zeros(tau: Floats) -> Floats:
    """Variances that are 0 but for rounding become 0, with their covariances."""
    gone = np.diag(tau) < _ZERO
    return np.where(gone[:, None] | gone[None, :], 0.0, tau)


def _is_free(name: str, structure: str) -> bool:
    return structure in ("UN", "HCS", "CS") or "cov" not in name


def _typical_size(blocks: EffectBlocks) -> float:
    """A variance of the order of the effects' spread, to make the problem free of units."""
    variances = np.concatenate(
        [np.diagonal(group.v, axis1=1, axis2=2).ravel() for group in blocks.groups]
    )
    y = np.concatenate([group.y.ravel() for group in blocks.groups])
    return float(np.median(variances) + np.var(y))


def _rescale(blocks: EffectBlocks, unit: float) -> EffectBlocks:
    groups = tuple(
        replace(group, y=group.y / math.sqrt(unit), v=group.v / unit) for group in blocks.groups
    )
    return replace(blocks, groups=groups)


_Objective = Callable[[Floats], tuple[float, Floats]]


def _maximize(objective: _Objective, starts: list[Floats]) -> Floats:
    from scipy import optimize  # slow to import, and not needed for one outcome

    best, lowest = starts[0], math.inf
    for start in starts:
        found = optimize.minimize(
            objective, start, jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 400}
        )
        if found.fun < lowest - 1e-10:
            best, lowest = found.x, float(found.fun)
    return _polish(objective, best)


def _polish(objective: _Objective, theta: Floats) -> Floats:
    """Newton steps with a Hessian from differences of the analytic gradient."""
    for _ in range(12):
        value, gradient = objective(theta)
        if np.abs(gradient).max() < 1e-10:
            break
        size = theta.size
        hessian = np.empty((size, size))
        for i in range(size):
            step = np.zeros(size)
            step[i] = 1e-5 * max(1.0, abs(theta[i]))
            hessian[:, i] = (objective(theta + step)[1] - objective(theta - step)[1]) / (
                2 * step[i]
            )
        hessian = (hessian + hessian.T) / 2.0
        values, vectors = np.linalg.eigh(hessian)
        move = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-8))
        candidate = theta - move
        new_value, new_gradient = objective(candidate)
        better = new_value < value or np.abs(new_gradient).max() < np.abs(gradient).max()
        if not (better and new_value <= value + 1e-9 * max(1.0, abs(value))):
            break
        theta = candidate
    return theta


def _psi_covariance(
    blocks: EffectBlocks,
    pieces: _Pieces,
    taus: list[Floats],
    omegas: list[Floats],
    restricted: bool,
    free: list[int],
) -> tuple[Floats, Floats]:
    if not free:
        return np.zeros((0, 0)), np.zeros((0, 0))
    observed, expected = _element_derivatives(blocks, pieces, taus, omegas, restricted)
    out = []
    for information in (observed, expected):
        part = information[np.ix_(free, free)]
        try:
            inverse = np.asarray(np.linalg.inv(part), dtype=np.float64)
        except np.linalg.LinAlgError:
            inverse = np.full(part.shape, np.nan)
        out.append(inverse)
    return out[0], out[1]


def _state(
    tau: Floats, omega: Floats, unit: float, structure: str, within: list[int]
) -> tuple[str, tuple[str, ...]]:
    notes = []
    if structure != "NONE":
        variances = np.diag(tau)
        notes += [f"tau2[{i}]_at_zero" for i in np.flatnonzero(variances < _BOUNDARY * unit)]
        if structure in ("UN", "CS", "HCS") and not notes and tau.shape[0] > 1:
            scale = np.sqrt(variances)
            smallest = np.linalg.eigvalsh(tau / np.outer(scale, scale))[0]
            if smallest < _BOUNDARY:
                notes.append("between_trial_correlation_at_boundary")
    notes += [
        f"omega2[{i}]_at_zero"
        for i, n in enumerate(within)
        if n >= 0 and omega[i] < _BOUNDARY * unit
    ]
    at_edge = [note for note in notes if not note.startswith("omega2")]
    return ("boundary" if at_edge else "ok"), tuple(notes)
