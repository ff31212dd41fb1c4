"""Five constructed samples of intention crossed with action (counts of inclined actors, inclined
abstainers, disinclined actors, disinclined abstainers). Not published: values of metafor 3.8-1.
Published reviews pooled the cells one at a time, and theirs add up to 101% and 101.9%."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.gap.action_control import pool_composition, pool_proportion
from analysis.univariate.pooling import fit_random_effects

from .trial_tables import printed

COUNTS = np.array(
    [[42, 30, 3, 25], [60, 66, 8, 20], [31, 22, 2, 40], [85, 50, 6, 30], [20, 35, 2, 18]]
)


def test_composition_adds_up_to_one() -> None:
    pooled = pool_composition(COUNTS)
    assert pooled.shares.sum() == pytest.approx(1.0, abs=1e-14)
    assert pooled.p_act_given_intend == printed(0.5323, 4)


def test_cells_pooled_one_at_a_time_do_not() -> None:
    n = COUNTS.sum(axis=1)
    assert sum(pool_proportion(cell, n).share for cell in COUNTS.T) == printed(0.9929, 4)


def test_action_among_those_who_intend() -> None:
    acts, abstains = COUNTS[:, 0], COUNTS[:, 1]
    pooled = pool_proportion(acts, acts + abstains)
    assert pooled.share == printed(0.5317, 4)
    # The interval of the table is normal; the one of the pool is by Knapp and Hartung, wider.
    normal = fit_random_effects(
        np.log(acts / abstains), 1.0 / acts + 1.0 / abstains, ci_method="wald"
    )
    limits = [1.0 / (1.0 + math.exp(-z)) for z in (normal.ci_lb, normal.ci_ub)]
    assert limits == [printed(0.4394, 4), printed(0.6218, 4)]
    assert pooled.ci_lb < limits[0] < limits[1] < pooled.ci_ub
