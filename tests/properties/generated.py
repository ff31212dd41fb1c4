"""Generated studies, arms and trials. Narrow ranges make ties and collisions likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

slow = settings(max_examples=settings.default.max_examples // 2 if settings.default else 8)
"""Half the examples, for fits of several outcomes."""


def _numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_subnormal=False).map(lambda x: round(x, 4))


effects = _numbers(-2.0, 2.0)
variances = _numbers(0.005, 0.8)
correlations = st.sampled_from([0.0, 0.3, 0.5, 0.8])


@st.composite
def studies(draw: st.DrawFn, smallest: int = 3, largest: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Effects and sampling variances of independent studies."""
    k = draw(st.integers(smallest, largest))
    yi = draw(st.lists(effects, min_size=k, max_size=k))
    vi = draw(st.lists(variances, min_size=k, max_size=k))
    return np.array(yi), np.array(vi)


@st.composite
def two_groups(draw: st.DrawFn, rows: int = 4) -> dict[str, np.ndarray]:
    """Means, standard deviations and sizes of two groups."""

    def column(strategy: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(draw(st.lists(strategy, min_size=rows, max_size=rows)), dtype=float)

    mean, sd, n = _numbers(-20.0, 20.0), _numbers(0.5, 9.0), st.integers(2, 200)
    return {
        "m1i": column(mean), "sd1i": column(sd), "n1i": column(n),
        "m2i": column(mean), "sd2i": column(sd), "n2i": column(n),
    }  # fmt: skip


@st.composite
def two_by_two(draw: st.DrawFn, rows: int = 5) -> tuple[np.ndarray, ...]:
    """Events and sizes of two groups; zero cells are common."""
    out = []
    for _ in range(rows):
        n1, n2 = draw(st.integers(1, 40)), draw(st.integers(1, 40))
        out.append((draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2))
    return tuple(np.array(out, dtype=float).T)


@dataclass(frozen=True)
class Trials:
    """Effects of several trials on two outcomes with their sampling covariance."""

    yi: np.ndarray
    v: np.ndarray
    trial: list[int]
    outcome: list[str]


OUTCOMES = ("intention", "behavior")


def make_trials(rows: list[tuple[int, str, float, float]], rho: float) -> Trials:
    """Trials from (trial, outcome, effect, variance) with one correlation within trials."""
    trial = np.array([row[0] for row in rows])
    sei = np.sqrt([row[3] for row in rows])
    v = np.outer(sei, sei) * rho * (trial[:, None] == trial[None, :])
    np.fill_diagonal(v, sei**2)
    return Trials(np.array([row[2] for row in rows]), v, trial.tolist(), [row[1] for row in rows])


@st.composite
def trials(
    draw: st.DrawFn, *, smallest: int = 4, largest: int = 8, replicated: bool = False
) -> Trials:
    """Trials most of which report both outcomes; with `replicated` some report one twice."""
    rows: list[tuple[int, str, float, float]] = []
    for trial in range(draw(st.integers(smallest, largest))):
        kinds = draw(
            st.sampled_from([OUTCOMES, OUTCOMES, OUTCOMES, OUTCOMES[:1], OUTCOMES[1:]])
            if trial > 3
            else st.just(OUTCOMES)
        )
        if replicated and draw(st.booleans()):
            kinds = (*kinds, kinds[0])
        rows += [(trial, kind, draw(effects), draw(variances)) for kind in kinds]
    return make_trials(rows, draw(correlations))
