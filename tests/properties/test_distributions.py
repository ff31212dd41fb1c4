"""Probabilities agree with scipy.stats, and roots are roots."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from analysis.distributions import (
    bivariate_normal_cdf,
    chi2_quantile,
    chi2_sf,
    critical_value,
    f_sf,
    normal_quantile,
    t_quantile,
    two_sided_p,
)
from analysis.errors import EstimationError
from analysis.rootfinding import find_root

from .generated import slow

share = st.floats(1e-6, 1.0 - 1e-6)
df = st.one_of(st.integers(1, 60).map(float), st.floats(1.0, 80.0))


@given(p=share, df=df)
def test_quantiles(p: float, df: float) -> None:
    assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-10, abs=1e-12)
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8, abs=1e-12)
    assert chi2_quantile(p, df) == pytest.approx(stats.chi2.ppf(p, df), rel=1e-8, abs=1e-12)
    assert stats.t.cdf(critical_value(0.95, df), df) == pytest.approx(0.975, rel=1e-10)


@given(x=st.floats(0.0, 40.0), df=df, other=df)
def test_tails(x: float, df: float, other: float) -> None:
    assert two_sided_p(x) == pytest.approx(2.0 * stats.norm.sf(x), rel=1e-10)
    assert two_sided_p(-x, df) == pytest.approx(2.0 * stats.t.sf(x, df), rel=1e-8)
    assert chi2_sf(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-9)
    assert f_sf(x, df, other) == pytest.approx(stats.f.sf(x, df, other), rel=1e-8)
    assert f_sf(x, df, math.inf) == pytest.approx(stats.chi2.sf(x * df, df), rel=1e-9)


def _by_conditioning(h: float, k: float, rho: float) -> float:
    """P(X <= h, Y <= k) as the integral of P(Y <= k | x) over x <= h."""
    spread = math.sqrt(1.0 - rho**2)
    value, _ = integrate.quad(
        lambda x: stats.norm.pdf(x) * special.ndtr((k - rho * x) / spread), -12.0, h,
        epsabs=1e-13, points=[max(-12.0, min(h, k / rho if rho else 0.0))], limit=200,
    )  # fmt: skip
    return float(value)


@slow
@given(h=st.floats(-3.0, 3.0), k=st.floats(-3.0, 3.0), rho=st.floats(-0.999, 0.999))
def test_bivariate_normal(h: float, k: float, rho: float) -> None:
    assert bivariate_normal_cdf(h, k, rho) == pytest.approx(_by_conditioning(h, k, rho), abs=1e-9)
    assert bivariate_normal_cdf(k, h, rho) == pytest.approx(
        bivariate_normal_cdf(h, k, rho), abs=1e-13
    )


@pytest.mark.parametrize(("h", "k"), [(0.0, 0.0), (0.3, -0.7), (2.0, 2.0), (-1.0, 1.0)])
def test_bivariate_normal_at_the_ends(h: float, k: float) -> None:
    together, apart = (
        float(special.ndtr(min(h, k))),
        max(0.0, float(special.ndtr(h) + special.ndtr(k) - 1.0)),
    )
    for rho, expected in ((1.0, together), (-1.0, apart)):
        assert bivariate_normal_cdf(h, k, rho) == pytest.approx(expected, abs=1e-15)
        near = bivariate_normal_cdf(h, k, rho * (1.0 - 1e-12))
        assert near == pytest.approx(expected, abs=1e-6)
    assert bivariate_normal_cdf(0.0, 0.0, 0.5) == pytest.approx(1.0 / 3.0, abs=1e-15)


@given(root=st.floats(1e-9, 1e9), width=st.floats(1.1, 100.0))
def test_roots_of_a_cubic(root: float, width: float) -> None:
    found = find_root(lambda x: (x / root) ** 3 - 1.0, root / width, root * width)
    assert found == pytest.approx(root, rel=1e-14)


def test_no_root_is_an_error() -> None:
    with pytest.raises(EstimationError, match="no sign change between 1 and 2"):
        find_root(lambda x: x, 1.0, 2.0)
