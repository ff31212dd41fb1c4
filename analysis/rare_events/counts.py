"""Log-probabilities of counts at a log odds, log rate or log odds ratio, with two derivatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from analysis.arrays import Floats

Terms = Callable[[Floats], tuple[Floats, Floats, Floats]]
"""From parameters (k x m) the log-probability of each study's count and two derivatives."""


def binomial(events: Floats, n: Floats, offset: Floats | float = 0.0) -> Terms:
    """Events among n persons whose log odds are the parameter plus an offset (k each)."""
    constant = log_choose(n, events)[:, None]
    x, persons = events[:, None], n[:, None]
    shift = np.broadcast_to(np.asarray(offset, dtype=float), events.shape)[:, None]

    def terms(theta: Floats) -> tuple[Floats, Floats, Floats]:
        eta = theta + shift
        p = special.expit(eta)
        value = constant + x * eta - persons * np.logaddexp(0.0, eta)
        return value, x - persons * p, -persons * p * (1.0 - p)

    return terms


def poisson(events: Floats, time: Floats) -> Terms:
    """Events in a person-time whose log rate is the parameter (k each)."""
    x, constant = events[:, None], (events * np.log(time) - special.gammaln(events + 1))[:, None]

    def terms(theta: Floats) -> tuple[Floats, Floats, Floats]:
        mean = time[:, None] * np.exp(theta)
        return constant + x * theta - mean, x - mean, -mean

    return terms


def hypergeometric(events1: Floats, n1: Floats, n2: Floats, events: Floats) -> Terms:
    """Events of group 1 given the events of both groups (k each); the parameter is the log odds
    ratio."""
    low, high = np.maximum(0.0, events - n2), np.minimum(n1, events)
    s: Floats = low[:, None] + np.arange(float((high - low).max()) + 1.0)[None, :]
    inside = s <= high[:, None]
    s = np.where(inside, s, low[:, None])
    weight = log_choose(n1[:, None], s) + log_choose(n2[:, None], events[:, None] - s)
    own = (log_choose(n1, events1) + log_choose(n2, events - events1))[:, None]
    away = s - events1[:, None]
    weight = np.where(inside, weight, -np.inf)

    def terms(theta: Floats) -> tuple[Floats, Floats, Floats]:
        z = weight[:, None, :] + away[:, None, :] * theta[:, :, None]
        top = z.max(axis=2)
        p = np.exp(z - top[:, :, None])
        total = p.sum(axis=2)
        mean, square = (np.einsum("kms,ks->km", p, one) / total for one in (away, away**2))
        return own - top - np.log(total), -mean, mean**2 - square

    return terms


def log_choose(n: Floats, x: Floats) -> Floats:
    """Logarithm of the number of ways to choose x of n."""
    return np.asarray(special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1))
