"""The joint model without each trial in turn is the joint model of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.gap.joint import JointModel, difference, fit_joint, transmission_ratio
from analysis.gap.left_out import ANOTHER_MODEL, fit_without_each
from analysis.gap.many_gaps import PairedEffects, covariance_of, fit_many_gaps, means_of


@dataclass(frozen=True)
class Data:
    """Effects, one covariance matrix per trial, and the labels of the effects."""

    yi: list[float]
    v: list[np.ndarray]
    trial: list[str]
    outcome: list[str]

    def fit(self, without: str = "") -> JointModel:
        keep = [t != without for t in self.trial]
        names = list(dict.fromkeys(self.trial))
        return fit_joint(
            [y for y, k in zip(self.yi, keep, strict=True) if k],
            [v for name, v in zip(names, self.v, strict=True) if name != without],
            [t for t in self.trial if t != without],
            [o for o, k in zip(self.outcome, keep, strict=True) if k],
        )


def made(m: int, seed: int, *, several: float, alone: float, spread: float = 0.3) -> Data:
    """Trials with both outcomes, a share of them with one alone or with more behavior effects, at
    unequal precision."""
    rng = np.random.default_rng([11, seed])
    out = Data([], [], [], [])
    for i in range(m):
        kinds = ["intention", "behavior"]
        if rng.random() < alone:
            kinds = [kinds[int(rng.integers(2))]]
        if rng.random() < several:
            kinds += ["behavior"] * int(rng.integers(1, 4))
        s = rng.uniform(0.05, 0.4, len(kinds))
        matrix = (np.full((s.size, s.size), 0.4) + 0.6 * np.eye(s.size)) * np.outer(s, s)
        truth = rng.multivariate_normal([0.5, 0.2], spread**2 * np.array([[1.0, 0.5], [0.5, 1.0]]))
        noise = rng.multivariate_normal(np.zeros(s.size), matrix)
        for kind, e in zip(kinds, noise, strict=True):
            own = rng.normal(0.0, spread / 3)
            out.yi.append(float(truth[kinds.index(kind) and 1] + own + e))
            out.trial.append(f"t{i}")
            out.outcome.append(kind)
        out.v.append(matrix)
    return out


def assert_equal(data: Data, rtol: float = 1e-6) -> int:
    """Every left-out trial against a fit of the others; how many were fitted in one go."""
    fits, compared = fit_without_each(data.fit()), 0
    for i, name in enumerate(dict.fromkeys(data.trial)):
        if fits.status[i] == ANOTHER_MODEL:
            continue
        one = data.fit(name)
        compared += 1
        assert fits.loglik[i] >= one.fit.loglik - 1e-9
        if fits.loglik[i] > one.fit.loglik + 1e-7:
            continue  # a higher maximum
        assert (fits.k1[i], fits.k2[i], fits.pairs[i]) == (
            one.k_upstream, one.k_behavior, one.k_paired
        )  # fmt: skip
        np.testing.assert_allclose(means_of(fits, i), one.means, rtol=rtol, atol=1e-7)
        found = np.array([fits.tau11[i], fits.tau12[i], fits.tau22[i]])
        np.testing.assert_allclose(found, one.fit.tau[[0, 0, 1], [0, 1, 1]], rtol=rtol, atol=1e-7)
        np.testing.assert_allclose(covariance_of(fits, i, "model"), one.fit.vb, rtol=rtol)
        np.testing.assert_allclose(covariance_of(fits, i, "robust"), one.robust.vcov, rtol=1e-5)
        apart, ratio = difference(one, "CR2"), transmission_ratio(one, "CR2")
        assert (fits.difference[i], fits.se[i], fits.df[i]) == pytest.approx(
            (apart.estimate, apart.se, apart.df), rel=1e-5
        )
        assert (fits.ratio[i], fits.ratio_se[i], fits.ratio_df[i]) == pytest.approx(
            (ratio.estimate, ratio.se, ratio.df), rel=1e-5
        )
    return compared


@pytest.mark.parametrize("several", [0.0, 0.4])
@pytest.mark.parametrize("m", [12, 60])
def test_left_out_trials_with_unequal_data(several: float, m: int) -> None:
    assert assert_equal(made(m, 1, several=several, alone=0.3), rtol=1e-7) >= m - 3


@given(
    seed=st.integers(0, 10**6), m=st.integers(6, 14), several=st.sampled_from([0.0, 0.5]),
    spread=st.sampled_from([0.02, 0.3]),
)  # fmt: skip
@settings(max_examples=12, deadline=None)
def test_left_out_trials_of_any_data(seed: int, m: int, several: float, spread: float) -> None:
    data = made(m, seed, several=several, alone=0.25, spread=spread)
    if {"intention", "behavior"} <= set(data.outcome):
        assert_equal(data)


def test_a_trial_that_decides_the_structure_is_not_left_out_here() -> None:
    """The only one with several effects of an outcome; one of 3 with both outcomes."""
    data = made(9, 3, several=0.0, alone=0.0)
    last = Data(
        [*data.yi, 0.1, 0.2, 0.3], [*data.v, 0.02 * np.eye(3) + 0.01],
        [*data.trial, *["x"] * 3], [*data.outcome, "intention", "behavior", "behavior"],
    )  # fmt: skip
    status = fit_without_each(last.fit()).status
    assert status[-1] == ANOTHER_MODEL and set(status[:-1]) == {"ok"}
    few = made(3, 3, several=0.0, alone=0.0)
    assert set(fit_without_each(few.fit()).status) == {ANOTHER_MODEL}
    diagonal = Data(
        [*few.yi[:4], 0.3, 0.2, 0.1], [*few.v[:2], *[np.array([[0.02]])] * 3],
        [*few.trial[:4], "x", "y", "z"], [*few.outcome[:4], "behavior", "intention", "behavior"],
    )  # fmt: skip
    model = diagonal.fit()
    assert model.fit.structure == "DIAG"
    assert set(fit_without_each(model).status) == {ANOTHER_MODEL}


def test_samples_of_many_trials_start_at_the_fit_they_resemble() -> None:
    """With 200 trials and more `near` saves searches and changes nothing."""
    rng = np.random.default_rng(8)
    m = 210
    v1, v2 = rng.uniform(0.005, 0.08, (2, m))
    truth = rng.multivariate_normal([0.5, 0.2], [[0.05, 0.03], [0.03, 0.04]], (5, m))
    y1 = truth[..., 0] + rng.normal(0, np.sqrt(v1), (5, m))
    y2 = truth[..., 1] + rng.normal(0, np.sqrt(v2), (5, m))
    y2[:, ::9] = np.nan
    y1[:, 1::13] = np.nan
    y1[4, 20:], y2[4, 20:] = np.nan, np.nan
    both = PairedEffects(y1, v1, y2, v2, 0.4 * np.sqrt(v1 * v2))
    first = fit_many_gaps(PairedEffects(y1[0], v1, y2[0], v2, 0.4 * np.sqrt(v1 * v2)))
    one, other = fit_many_gaps(both), fit_many_gaps(both, near=first)
    for name in ("mu1", "mu2", "tau11", "tau12", "tau22", "robust12", "df", "loglik"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-7, atol=1e-9)
    assert list(one.status) == list(other.status)
