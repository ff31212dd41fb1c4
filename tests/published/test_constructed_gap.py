"""Eight constructed trials with both outcomes, over the unknown within-study correlation.

Not published: values of metafor 3.8-1 and clubSandwich 0.5.8 (bivariate REML). They show that the
gap hardly depends on the correlation, that its model-based standard error does, and that the
between-trial correlation sits on its boundary."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.gap.joint import JointModel, difference, fit_joint, transmission_ratio
from analysis.gap.surrogacy import trial_level_surrogacy

from .trial_tables import printed

INTENTION = np.array([0.72, 0.55, 0.31, 0.88, 0.40, 0.63, 0.25, 0.50])
BEHAVIOR = np.array([0.41, 0.22, 0.18, 0.52, 0.05, 0.37, 0.12, 0.20])
N1 = np.array([60.0, 110, 45, 80, 150, 70, 95, 120])
N2 = np.array([60.0, 105, 50, 78, 148, 66, 97, 118])

GRID = {
    # correlation: mu_I, se, mu_B, se, difference, se, ratio, se, rho_T, slope, CR2 se, CR2 df
    "0": (.5291, .0776, .2422, .0698, .2869, .0758, .4578, .1162, 1.0, .813, .0330, 6.15),
    ".3": (.5256, .0741, .2393, .0672, .2863, .0636, .4553, .1031, 1.0, .811, .0328, 6.15),
    ".5": (.5230, .0719, .2371, .0654, .2859, .0539, .4534, .0931, 1.0, .803, .0327, 6.16),
    ".7": (.5200, .0705, .2343, .0636, .2857, .0424, .4506, .0816, 1.0, .773, .0327, 6.20),
    ".9": (.5091, .0724, .2273, .0603, .2818, .0326, .4465, .0678, .962, .573, .0328, 6.71),
}  # fmt: skip


def _fit(rho: float) -> JointModel:
    vi, vb = (1.0 / N1 + 1.0 / N2 + g**2 / (2.0 * (N1 + N2)) for g in (INTENTION, BEHAVIOR))
    c = rho * np.sqrt(vi * vb)
    blocks = [np.array([[a, ab], [ab, b]]) for a, ab, b in zip(vi, c, vb, strict=True)]
    effects = np.column_stack([INTENTION, BEHAVIOR]).ravel()
    return fit_joint(
        effects, blocks, np.repeat(np.arange(8), 2).tolist(), ["intention", "behavior"] * 8
    )


@pytest.mark.parametrize("rho", GRID)
def test_grid(rho: str) -> None:
    mu_i, se_i, mu_b, se_b, gap, gap_se, ratio, ratio_se, rho_t, slope, cr2_se, cr2_df = GRID[rho]
    model = _fit(float(rho))
    tau = model.fit.tau
    by_model, robust = difference(model, "model"), difference(model, "CR2")
    lam = transmission_ratio(model, "model")
    assert list(model.means) == [printed(mu_i, 4), printed(mu_b, 4)]
    assert list(model.fit.se) == [printed(se_i, 4), printed(se_b, 4)]
    assert (by_model.estimate, by_model.se) == (printed(gap, 4), printed(gap_se, 4))
    assert (lam.estimate, lam.se) == (printed(ratio, 4), printed(ratio_se, 4))
    assert (robust.se, robust.df) == (printed(cr2_se, 4), printed(cr2_df, 2))
    assert tau[0, 1] / math.sqrt(tau[0, 0] * tau[1, 1]) == printed(rho_t, 3)
    line = trial_level_surrogacy(model)
    assert line.slope == printed(slope, 3)
    on_boundary = rho_t == 1.0
    assert (line.status == "boundary") is on_boundary
    assert math.isnan(line.slope_se) is on_boundary
