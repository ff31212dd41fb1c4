"""Many fits in one call are the fits one by one, and the global maximum of each likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.arrays import Floats
from analysis.errors import EstimationError
from analysis.univariate import batch
from analysis.univariate.batch import Fits, fit_many
from analysis.univariate.least_squares import generalized_q
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.tau2 import TAU2_METHODS

from .test_global_maximum import _awkward, _on_grid

every_estimator = pytest.mark.parametrize("method", TAU2_METHODS)
likelihoods = pytest.mark.parametrize("method", ["REML", "ML"])
CLOSE = 1e-8


@dataclass(frozen=True)
class Problems:
    """B problems: effects (B x k), variances (k, or B x k), designs (k x p, or B x k x p) and who
    has which effect (B x k)."""

    yi: Floats
    vi: Floats
    design: Floats
    member: np.ndarray

    def one(self, i: int) -> tuple[Floats, Floats, Floats]:
        """Effects, variances and design of problem i."""
        keep = self.member[i]
        vi = self.vi if self.vi.ndim == 1 else self.vi[i]
        design = self.design if self.design.ndim == 2 else self.design[i]
        return self.yi[i, keep], vi[keep], design[keep]

    def fit(self, method: str) -> Fits:
        return fit_many(self.yi, self.vi, self.design, member=self.member, method=method)


@st.composite
def problems(draw: st.DrawFn, p: int, smallest: int = 5) -> Problems:
    """Three problems of up to ten effects, each without up to three of them."""
    k, count = draw(st.integers(smallest + p, 10)), 3
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    spread = draw(st.sampled_from([0.0, 0.3, 2.0]))
    shared_v, shared_x, whole = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    vi = rng.uniform(0.02, 0.6, (k,) if shared_v else (count, k))
    x = rng.normal(size=(k, p) if shared_x else (count, k, p))
    if draw(st.booleans()) or p == 1:
        x[..., 0] = 1.0
    member = np.ones((count, k), dtype=bool)
    if not whole:
        for row in member:
            row[rng.choice(k, int(rng.integers(0, min(4, k + 1))), replace=False)] = False
    yi = rng.normal(0.2, np.sqrt(vi + spread), (count, k))
    return Problems(yi, vi, x, member)


def _assert_one_by_one(sample: Problems, fits: Fits, method: str, close: float = CLOSE) -> None:
    for i in range(len(sample.member)):
        yi, vi, x = sample.one(i)
        fit = fit_meta_regression(yi, vi, x, method=method, ci_method="wald")
        size = float(vi.min() + yi.var())
        beta, vb = fit.coefficients.estimate, fit.vb
        rss = generalized_q(fit.tau2, yi, vi, x)
        near = close * np.abs(beta).max() + close * size**0.5
        np.testing.assert_allclose(fits.beta[i], beta, rtol=close, atol=near)
        np.testing.assert_allclose(fits.vb[i], vb, rtol=close, atol=close * np.abs(vb).max())
        np.testing.assert_allclose(fits.tau2[i], fit.tau2, rtol=close, atol=close * size)
        np.testing.assert_allclose(fits.rss[i], rss, rtol=10 * close, atol=close)
        np.testing.assert_allclose(fits.q[i], fit.heterogeneity.q, rtol=close, atol=close)
        assert fits.df[i] == yi.size - x.shape[1]


@every_estimator
@pytest.mark.parametrize("p", [1, 2, 3])
@given(data=st.data())
def test_problems_are_fitted_as_one_by_one(method: str, p: int, data: st.DataObject) -> None:
    sample = data.draw(problems(p))
    _assert_one_by_one(sample, sample.fit(method), method)


@likelihoods
@pytest.mark.parametrize("p", [1, 2, 3])
@given(data=st.data())
def test_with_hardly_more_effects_than_coefficients(
    method: str, p: int, data: st.DataObject
) -> None:
    sample = data.draw(problems(p, smallest=1))
    keep = sample.member.sum(axis=1) > p
    fits = sample.fit(method)
    assert np.isnan(fits.tau2[~keep]).all()
    assert np.isnan(fits.df[~keep]).all()
    enough = Problems(
        sample.yi[keep],
        sample.vi if sample.vi.ndim == 1 else sample.vi[keep],
        sample.design if sample.design.ndim == 2 else sample.design[keep],
        sample.member[keep],
    )
    kept = Fits(*(getattr(fits, one.name)[keep] for one in fields(Fits)))
    _assert_one_by_one(enough, kept, method, close=1e-7)


@every_estimator
@pytest.mark.parametrize("c", [1e-3, 1e3])
@given(data=st.data())
def test_units(method: str, c: float, data: st.DataObject) -> None:
    sample = data.draw(problems(2))
    plain = sample.fit(method)
    scaled = Problems(c * sample.yi, c**2 * sample.vi, sample.design, sample.member).fit(method)
    size = float(sample.vi.min())
    np.testing.assert_allclose(scaled.beta, c * plain.beta, rtol=CLOSE, atol=CLOSE * c * size**0.5)
    near = CLOSE * c**2 * np.abs(plain.vb).max()
    np.testing.assert_allclose(scaled.vb, c**2 * plain.vb, rtol=CLOSE, atol=near)
    np.testing.assert_allclose(scaled.tau2, c**2 * plain.tau2, rtol=CLOSE, atol=CLOSE * c**2 * size)
    for name in ("rss", "q", "df"):
        np.testing.assert_allclose(
            getattr(scaled, name), getattr(plain, name), rtol=CLOSE, atol=CLOSE
        )


@likelihoods
@given(data=st.data())
def test_company_and_order_do_not_matter(method: str, data: st.DataObject) -> None:
    sample = data.draw(problems(2))
    together = sample.fit(method)
    for i in range(len(sample.member)):
        yi, vi, x = sample.one(i)
        back = slice(None, None, -1)
        alone = fit_many(yi[None, back], vi[None, back], x[None, back], method=method)
        np.testing.assert_allclose(alone.beta[0], together.beta[i], rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(alone.tau2[0], together.tau2[i], rtol=1e-7, atol=1e-8)


@every_estimator
def test_more_problems_than_one_block(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    yi, vi = rng.normal(size=(23, 6)), rng.uniform(0.05, 0.5, 6)
    x = np.column_stack([np.ones(6), np.arange(6.0)])
    whole = fit_many(yi, vi, x, method=method)
    monkeypatch.setattr(batch, "_BLOCK", 30)
    parts = fit_many(yi, vi, x, method=method)
    for one in fields(Fits):
        np.testing.assert_allclose(
            getattr(parts, one.name), getattr(whole, one.name), rtol=1e-10, atol=1e-12
        )


# ---- global maximum ----

SETS, WIDEST = 2000, 12
GRID = np.append(0.0, np.geomspace(1e-9, 1e5, 1200))
"""Values of tau2 in units of the median variance of a set."""


def _padded() -> Iterator[tuple[Floats, Floats, np.ndarray]]:
    for number in range(SETS):
        yi, vi = _awkward(number)
        missing = WIDEST - yi.size
        yield (
            np.append(yi, np.full(missing, np.nan)),
            np.append(vi, np.full(missing, np.nan)),
            np.arange(WIDEST) < yi.size,
        )


@likelihoods
def test_the_global_maximum_of_awkward_sets(method: str) -> None:
    """No value of a dense grid has a likelihood that is higher by more than 1e-6."""
    yi, vi, member = (np.array(part) for part in zip(*_padded(), strict=True))
    fits = fit_many(yi, vi, member=member, method=method)
    restricted = method == "REML"
    short = []
    for number in range(SETS):
        y, v = yi[number, member[number]], vi[number, member[number]]
        best = _on_grid(GRID * np.median(v), y, v, restricted=restricted).max()
        ours = _on_grid(fits.tau2[number : number + 1], y, v, restricted=restricted)[0]
        if ours < best - 1e-6:
            short.append(number)
    assert not short


def _scan(yi: Floats, vi: Floats, x: Floats, tau2: Floats, *, restricted: bool) -> Floats:
    """Log-likelihood (apart from a constant) at every value of tau2 with explicit matrices."""
    out = []
    for t in tau2:
        w = np.diag(1.0 / (vi + t))
        information = x.T @ w @ x
        p = w - w @ x @ np.linalg.solve(information, x.T @ w)
        value = np.log(np.diag(w)).sum() - yi @ p @ yi
        out.append(value - np.linalg.slogdet(information)[1] if restricted else value)
    return 0.5 * np.array(out)


@likelihoods
def test_the_global_maximum_with_a_moderator(method: str) -> None:
    grid = np.append(0.0, np.geomspace(1e-6, 1e4, 100))
    several = 0
    for number in range(900):
        rng = np.random.default_rng([5, number])
        # A few precise studies that disagree, and imprecise ones far away.
        k = int(rng.integers(5, 9))
        vi = np.where(rng.random(k) < 0.5, 10.0 ** rng.uniform(-4, -2, k), rng.uniform(1, 30, k))
        yi = rng.normal(0.0, 0.3, k) + rng.choice([0.0, 6.0], k) * (vi > 0.5)
        x = np.column_stack([np.ones(k), rng.normal(size=k)])
        restricted = method == "REML"
        tau2 = fit_many(yi[None, :], vi, x, method=method).tau2
        values = _scan(yi, vi, x, grid * np.median(vi), restricted=restricted)
        several += int((np.diff(np.sign(np.diff(values))) < 0).sum() > 1)
        assert _scan(yi, vi, x, tau2, restricted=restricted)[0] >= values.max() - 1e-6, number
    assert several >= 20, "the sets are meant to be awkward"


# ---- designs at the edge ----


def test_moderators_far_from_zero_keep_their_digits() -> None:
    """Calendar years as they are, against years since 2000: the same slope and tau2."""
    rng = np.random.default_rng(12)
    year = rng.integers(1960, 2020, 14).astype(float)
    yi, vi = rng.normal(size=(5, 14)), rng.uniform(0.05, 0.5, 14)
    member = rng.uniform(size=(5, 14)) < 0.8
    raw = np.column_stack([np.ones(14), year])
    near = np.column_stack([np.ones(14), year - 2000.0])
    for method in ("REML", "ML", "PM", "DL"):
        for who in (member, np.ones_like(member)):
            far, close = (fit_many(yi, vi, x, member=who, method=method) for x in (raw, near))
            np.testing.assert_allclose(far.beta[:, 1], close.beta[:, 1], rtol=CLOSE)
            np.testing.assert_allclose(far.vb[:, 1, 1], close.vb[:, 1, 1], rtol=CLOSE)
            np.testing.assert_allclose(far.tau2, close.tau2, rtol=CLOSE, atol=1e-10)
            at_2000 = far.beta @ np.array([1.0, 2000.0])
            np.testing.assert_allclose(at_2000, close.beta[:, 0], rtol=CLOSE, atol=1e-9)
            sample = Problems(yi, vi, raw, who)
            _assert_one_by_one(sample, far, method)


@every_estimator
def test_a_design_that_loses_a_column_has_no_fit(method: str) -> None:
    """The only study of its kind is left out: nan, and the other problems as they are."""
    rng = np.random.default_rng(3)
    k = 7
    yi, vi = rng.normal(size=k), rng.uniform(0.1, 0.4, k)
    x = np.column_stack([np.ones(k), np.arange(k) == 2, np.linspace(-1.0, 1.0, k)])
    fits = fit_many(yi, vi, x, member=~np.eye(k, dtype=bool), method=method)
    lost = np.arange(k) == 2
    for one in fields(Fits):
        values = getattr(fits, one.name).reshape(k, -1)
        assert np.isnan(values[lost]).all(), one.name
        assert np.isfinite(values[~lost]).all(), one.name
    for i in np.flatnonzero(~lost):
        keep = np.arange(k) != i
        alone = fit_meta_regression(yi[keep], vi[keep], x[keep], method=method, ci_method="wald")
        np.testing.assert_allclose(fits.tau2[i], alone.tau2, rtol=CLOSE, atol=1e-9)
        np.testing.assert_allclose(fits.beta[i], alone.coefficients.estimate, rtol=1e-7, atol=1e-8)


def test_problems_of_nobody_and_of_too_few() -> None:
    member = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    fits = fit_many([0.1, 0.3, 0.2], [0.1, 0.2, 0.1], member=member)
    assert np.isnan(fits.tau2).tolist() == [True, True, False, False]
    assert np.isnan(fits.beta[:, 0]).tolist() == [True, True, False, False]


# ---- refusals ----


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_effects_name_the_problem_and_the_effect(value: float) -> None:
    yi = np.zeros((3, 4))
    yi[2, 1] = value
    with pytest.raises(EstimationError, match=r"\(problem 2, effect 1\)"):
        fit_many(yi, np.ones(4))


@pytest.mark.parametrize("value", [np.nan, 0.0, -0.1, np.inf])
def test_bad_variances_name_the_problem_and_the_effect(value: float) -> None:
    vi = np.ones((3, 4))
    vi[1, 3] = value
    with pytest.raises(EstimationError, match=r"vi above 0 \(problem 1, effect 3\)"):
        fit_many(np.zeros(4), vi)


def test_bad_values_do_not_matter_where_nobody_has_them() -> None:
    yi = np.array([[0.1, np.nan, 0.3, 0.2], [0.1, np.nan, 0.3, 0.2]])
    vi = np.array([0.1, -1.0, 0.2, 0.3])
    member = np.array([[1, 0, 1, 1], [1, 0, 1, 0]])
    fits = fit_many(yi, vi, member=member)
    for i, row in enumerate(member > 0):
        fit = fit_meta_regression(yi[i, row], vi[row], ci_method="wald")
        assert fits.tau2[i] == pytest.approx(fit.tau2, rel=1e-9, abs=1e-12)


def test_the_number_of_problems_is_known_and_one() -> None:
    with pytest.raises(EstimationError, match="agree in number, found none"):
        fit_many(np.zeros(3), np.ones(3))
    with pytest.raises(EstimationError, match=r"agree in number, found \[2, 3\]"):
        fit_many(np.zeros((2, 3)), np.ones((3, 3)))


def test_unknown_estimators_name_the_known_ones() -> None:
    with pytest.raises(EstimationError, match=r"unknown .*; known: "):
        fit_many(np.zeros((2, 3)), np.ones(3), method="reml")
