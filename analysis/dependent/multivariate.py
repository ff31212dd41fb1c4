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
from analysis.dependent.likelihood import (
    Pieces,
    element_derivatives,
    solve,
    variance_basis,
    variance_score,
)
from analysis.dependent.newton import climb
from analysis.dependent.parametrization import (
    QUADRATIC,
    Parametrization,
    directions,
    within_index,
)
from analysis.dependent.scoring import arrange, cholesky_objective, elements_at, evaluate
from analysis.dependent.three_level import maximize_three_level
from analysis.derivatives import difference_hessian, relative_steps
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

_MANY_TRIALS, _FOLLOWED_OF_MANY = 200, 3
"""The likelihood of many trials has one maximum, so that not every start is followed."""
_LEFT = 1e-7
"""Slope up to which the end of Newton's steps counts as a maximum."""
_BOUNDARY = 1e-6
_ZERO = 1e-12


@dataclass(frozen=True)
class MultivariateFit(Result):
    """A fitted multivariate random-effects model.

    beta (p), vb (p x p): coefficients and their model-based covariance. tau (q x q): between
    trials. omega (q): within trials. psi: free variance parameters with `psi_names`;
    psi_vcov, psi_vcov_expected: their covariance from the observed and the expected information,
    each element taken as free; they mean little where the status is `boundary` or the structure
    ties elements to each other.
    held: outcomes whose variance between trials was not estimated but set to 0.
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
    held: tuple[int, ...] = ()

    @property
    def se(self) -> Floats:
        return np.sqrt(np.diag(self.vb))

    @property
    def within_index(self) -> list[int]:
        """For each outcome the number of its within-trial variance, or -1 for none."""
        return within_index(self.blocks, self.within)


def fit_multivariate(
    blocks: EffectBlocks,
    *,
    structure: str = "UN",
    within: str = "none",
    method: str = "REML",
    near: MultivariateFit | None = None,
    held: tuple[int, ...] = (),
) -> MultivariateFit:
    """Fit by REML or ML from several starting points and keep the highest likelihood.

    blocks: from `make_blocks`. structure: of Tau (`STRUCTURES`). within: of effects of one outcome
    in one trial (`WITHIN`). near: the fit of almost
    the same data with the same structure (one trial left out, say), to start from. held: numbers
    of the outcomes whose variance between trials is set to 0 in a diagonal Tau, while the others
    are estimated (an outcome of a single trial, say).
    Steps: Newton with exact second derivatives on a Cholesky parametrization (so that Tau stays a
    covariance matrix), on effects scaled to unit size, from all starts at once and damped where the
    likelihood would fall; quasi-Newton for CS and HCS and where that does not end at a maximum.
    Harville (1977, JASA 72:320) for the restricted likelihood.
    Raises `EstimationError` when there are no more effects than coefficients, for an outcome
    without effects, for a variance between trials of a single trial, and for variances held in a
    structure that is not diagonal.
    """
    named(structure, STRUCTURES, "structure")
    named(within, WITHIN, "variance within trials")
    if method not in ("REML", "ML"):
        raise EstimationError(f"unknown model: {method=}; known: REML, ML")
    empty = np.flatnonzero(~blocks.design.any(axis=0))
    if empty.size:
        raise EstimationError(f"column {empty[0]} of the design is 0 for all effects")
    _check_held(held, structure, len(blocks.outcome_names))
    if structure != "NONE" and blocks.clusters < 2:
        raise EstimationError("a variance between trials needs at least 2 trials")
    q, restricted = len(blocks.outcome_names), method == "REML"
    index = within_index(blocks, within)
    parametrization = Parametrization(q, structure, index, held)
    taus, omegas, names = directions(q, structure, index)
    if blocks.k < blocks.p + bool(names):
        raise EstimationError(f"{blocks.p} coefficients need more effects than {blocks.k}")
    unit = typical_size(blocks)
    if q == 1 and structure != "NONE":
        one, other, left = maximize_three_level(
            blocks, unit, within=index[0] >= 0, restricted=restricted
        )
        tau, omega = np.array([[one]]), np.array([other])
    else:
        tau, omega, left = _search(
            rescaled(blocks, unit), taus, omegas, parametrization, restricted,
            near if near is not None and near.held == held else None, unit,
        )  # fmt: skip
    tau, omega = _clear_zeros(tau) * unit, np.where(omega < _ZERO, 0.0, omega) * unit
    pieces = solve(blocks, tau, omega, restricted)
    fixed = {f"tau2[{i}]" for i in held}
    free = [i for i, n in enumerate(names) if _is_free(n, structure) and n not in fixed]
    vcov, vcov_expected = _psi_covariance(blocks, pieces, taus, omegas, restricted, free)
    status, notes = _state(tau, omega, unit, structure, index, held)
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
        held=held,
    )


def _check_held(held: tuple[int, ...], structure: str, q: int) -> None:
    if held and not (structure == "DIAG" and set(held) < set(range(q))):
        raise EstimationError(
            f"the variances of outcomes {', '.join(map(str, held))} of {q} are to be held at 0; "
            "that needs the structure DIAG and another outcome whose variance is estimated"
        )


def _search(
    scaled: EffectBlocks,
    taus: list[Floats],
    omegas: list[Floats],
    parametrization: Parametrization,
    restricted: bool,
    near: MultivariateFit | None,
    unit: float,
) -> tuple[Floats, Floats, float]:
    """Tau and omega (in units) of the highest likelihood from several starts, and the largest slope
    left there."""
    if not taus:
        return (*parametrization.expand(np.zeros(0)), 0.0)
    starts = parametrization.starts(1.0)
    known = near if near is not None and near.structure == parametrization.structure else None
    if known is not None and parametrization.structure in QUADRATIC:
        starts.append(parametrization.locate(known.tau / unit, known.omega / unit))
    if parametrization.structure in QUADRATIC:
        found = _climb(scaled, taus, omegas, parametrization, restricted, starts)
        if found[1] <= _LEFT:
            return (*parametrization.expand(found[0]), found[1])
    basis = variance_basis(scaled, taus, omegas)

    def objective(theta: Floats) -> tuple[float, Floats]:
        tau, omega = parametrization.expand(theta)
        pieces = solve(scaled, tau, omega, restricted)
        score = variance_score(pieces, basis, restricted)
        return -pieces.loglik, -(parametrization.jacobian(theta).T @ score)

    theta = _maximize(objective, starts)
    left = float(np.abs(objective(theta)[1]).max())
    return (*parametrization.expand(theta), left)


def _climb(
    scaled: EffectBlocks,
    taus: list[Floats],
    omegas: list[Floats],
    parametrization: Parametrization,
    restricted: bool,
    starts: list[Floats],
) -> tuple[Floats, float]:
    """Parameters of the highest likelihood that Newton steps from the starts reach, and the largest
    slope left there."""
    arranged = arrange(scaled, taus, omegas)
    objective = cholesky_objective(arranged, parametrization.curvature, restricted)
    points = np.array(starts)
    if scaled.clusters >= _MANY_TRIALS:
        elements = elements_at(parametrization.curvature, points)
        values = evaluate(arranged, elements, restricted, derivatives=False).value
        points = points[np.argsort(-values, kind="stable")[:_FOLLOWED_OF_MANY]]
    found = climb(objective, points)
    best = int(np.flatnonzero(found.value >= np.nanmax(found.value) - 1e-10)[0])
    return found.theta[best], float(found.left[best])


def _clear_zeros(tau: Floats) -> Floats:
    """Variances that are 0 but for rounding become 0, with their covariances."""
    gone = np.diag(tau) < _ZERO
    return np.where(gone[:, None] | gone[None, :], 0.0, tau)


def _is_free(name: str, structure: str) -> bool:
    return structure in ("UN", "HCS", "CS") or "cov" not in name


def typical_size(blocks: EffectBlocks) -> float:
    """A variance of the order of the effects' spread, to make the problem free of units."""
    variances = np.concatenate(
        [np.diagonal(group.v, axis1=1, axis2=2).ravel() for group in blocks.groups]
    )
    y = np.concatenate([group.y.ravel() for group in blocks.groups])
    return float(np.median(variances) + np.var(y))


def rescaled(blocks: EffectBlocks, unit: float) -> EffectBlocks:
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
        hessian = difference_hessian(lambda t: objective(t)[1], theta, relative_steps(theta))
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
    pieces: Pieces,
    taus: list[Floats],
    omegas: list[Floats],
    restricted: bool,
    free: list[int],
) -> tuple[Floats, Floats]:
    if not free:
        return np.zeros((0, 0)), np.zeros((0, 0))
    observed, expected = element_derivatives(blocks, pieces, taus, omegas, restricted)
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
    tau: Floats, omega: Floats, unit: float, structure: str, within: list[int],
    held: tuple[int, ...],
) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    notes = []
    if structure != "NONE":
        variances = np.diag(tau)
        at_zero = np.flatnonzero(variances < _BOUNDARY * unit)
        notes += [f"tau2[{i}]_at_zero" for i in at_zero if i not in held]
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
