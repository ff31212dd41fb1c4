"""Latent and observed correlations are inverses of each other, whatever the shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.dependent.covariances import (
    LARGEST_LATENT,
    latent_from_phi,
    latent_from_point_biserial,
    phi_from_latent,
    point_biserial_from_latent,
)
from analysis.effect_sizes import correlation_to_smd, smd_to_correlation, within_arm_correlation

shares = st.floats(0.02, 0.98)
latent = st.floats(-0.9, 0.9)


@given(r=latent, share=shares)
def test_biserial_goes_there_and_back(r: float, share: float) -> None:
    observed = float(point_biserial_from_latent(r, share))
    assert abs(observed) <= abs(r)
    assert latent_from_point_biserial(observed, share) == pytest.approx(r, abs=1e-12)


@given(r=latent, p1=shares, p2=shares)
def test_tetrachoric_goes_there_and_back(r: float, p1: float, p2: float) -> None:
    phi = phi_from_latent(r, p1, p2)
    back = latent_from_phi(phi, p1, p2)
    # Where hardly anybody is in a cell phi says little about the latent value.
    assert phi_from_latent(back, p1, p2) == pytest.approx(phi, abs=1e-9)


def test_correlations_beyond_the_possible_stop_at_the_edge() -> None:
    assert latent_from_point_biserial(0.95, 0.5) == LARGEST_LATENT
    assert latent_from_phi(0.9, 0.5, 0.05) == LARGEST_LATENT


def test_latent_values_by_hand() -> None:
    # Two medians: phi = (2 / pi) asin(r) (Sheppard's formula).
    assert phi_from_latent(0.5, 0.5, 0.5) == pytest.approx(1.0 / 3.0, abs=1e-12)
    # At one half the point-biserial correlation is r sqrt(2 / pi).
    assert point_biserial_from_latent(0.5, 0.5) == pytest.approx(0.5 * np.sqrt(2 / np.pi))


@given(d=st.floats(-2, 2), n1=st.integers(5, 200), n2=st.integers(5, 200))
def test_d_and_r_go_there_and_back(d: float, n1: int, n2: int) -> None:
    r = smd_to_correlation(d, n1, n2)
    assert correlation_to_smd(r, n1, n2)[0] == pytest.approx(d, abs=1e-12)


def test_the_treatment_part_is_removed_from_a_total_correlation() -> None:
    """Two outcomes that correlate .4 within arms and are both moved by the arm."""
    random = np.random.default_rng(11)
    n = 200_000
    arm = np.arange(n) % 2
    noise = random.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], n)
    scores = noise + np.outer(arm, [0.8, 0.5])
    total = np.corrcoef(scores.T)[0, 1]
    with_arm = [np.corrcoef(arm, scores[:, i])[0, 1] for i in (0, 1)]
    # Monte Carlo error of a correlation of .4 from 200,000 persons is about .002.
    assert total > 0.44
    assert within_arm_correlation(total, *with_arm)[0] == pytest.approx(0.4, abs=0.008)
