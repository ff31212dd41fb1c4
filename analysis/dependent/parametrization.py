"""Structures of the variances between and within trials as free parameters of a search."""

from __future__ import annotations

import math

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.blocks import EffectBlocks

QUADRATIC = ("UN", "DIAG", "ID", "NONE")
"""Structures whose elements are products of two parameters."""
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


def within_index(blocks: EffectBlocks, within: str) -> list[int]:
    """For each outcome the number of its within-trial variance, or -1 for none."""
    q = len(blocks.outcome_names)
    if within == "replicated":
        replicated = blocks.effects_per_outcome > blocks.trials_per_outcome
        numbers = np.cumsum(replicated) - 1
        return [int(n) if r else -1 for n, r in zip(numbers, replicated, strict=True)]
    return {"none": [-1] * q, "common": [0] * q, "per_outcome": list(range(q))}[within]


def directions(
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


class Parametrization:
    """Maps unconstrained parameters to (Tau, omega): Cholesky factor and signed square roots.

    held: outcomes whose variance in a diagonal Tau is 0 whatever the data say.
    """

    def __init__(
        self, q: int, structure: str, within: list[int], held: tuple[int, ...] = ()
    ) -> None:
        self.q, self.structure = q, structure
        self.estimated = np.array([i for i in range(q) if i not in held], dtype=int)
        self.within = np.array(within)
        rows, columns = np.tril_indices(q)
        self.lower = (rows, columns)
        self.n_tau = {
            "UN": rows.size,
            "CS": 2 if q > 1 else 1,
            "HCS": q + 1 if q > 1 else q,
            "DIAG": self.estimated.size,
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
            sd = np.zeros(q)
            sd[self.estimated] = t
            tau = np.diag(sd**2)
        squared = np.append(theta[self.n_tau :] ** 2, 0.0)  # index -1 finds the 0
        return tau, squared[self.within]

    def jacobian(self, theta: Floats) -> Floats:
        """d(elements of Tau, omega)/d(theta), elements ordered as in `directions`."""
        if self.structure in QUADRATIC:
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

    @property
    def curvature(self) -> Floats:
        """Second derivatives C (elements x parameters x parameters) of the elements, which for
        `QUADRATIC` structures are theta'C theta / 2 with slopes C theta."""
        size = self.n_tau + self.n_omega
        columns = [self._exact_jacobian(one) for one in np.eye(size)]
        return np.stack(columns, axis=2) if columns else np.zeros((0, 0, 0))

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
            diagonal = np.flatnonzero(rows == columns)[self.estimated]
            count = diagonal.size
            out[diagonal, np.arange(count) % self.n_tau] = 2.0 * np.broadcast_to(t, (count,))
        omega = np.arange(self.n_omega)
        out[elements + omega, self.n_tau + omega] = 2.0 * theta[self.n_tau :]
        return out

    def locate(self, tau: Floats, omega: Floats) -> Floats:
        """Parameters of (about) this point, for UN and simpler diagonal structures."""
        if self.structure == "UN":
            lifted = tau + 1e-4 * (np.trace(tau) / self.q + 1e-3) * np.eye(self.q)
            t = np.linalg.cholesky(lifted)[self.lower]
        else:
            t = np.sqrt(np.diag(tau)[self.estimated])[: self.n_tau]
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
