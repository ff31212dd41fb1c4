"""Diagnostics of multivariate fits: what leaving a trial out is, done the long way."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.arrays import Floats
from analysis.dependent.blocks import make_blocks
from analysis.dependent.composites import make_composites
from analysis.dependent.diagnostics import multilevel_diagnostics
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.errors import EstimationError

SIZES = (2, 3, 1, 2, 4, 1, 3, 2)


def sample(seed: int) -> tuple[Floats, list[Floats], list[str], list[str], Floats]:
    """Effects of two outcomes with correlated errors, and a moderator of effects."""
    rng = np.random.default_rng([31, seed])
    k = sum(SIZES)
    trial = [f"t{i}" for i, d in enumerate(SIZES) for _ in range(d)]
    blocks = []
    for d in SIZES:
        sd = np.sqrt(rng.uniform(0.02, 0.2, d))
        blocks.append(np.outer(sd, sd) * (0.4 + 0.6 * np.eye(d)))
    outcome = ["intention" if i % 2 else "behavior" for i in range(k)]
    return rng.normal(0.3, 0.4, k), blocks, trial, outcome, rng.uniform(0.0, 8.0, k)


def fitted(seed: int) -> tuple[MultivariateFit, list[str]]:
    y, v, trial, outcome, weeks = sample(seed)
    kinds = np.array(outcome) == "intention"
    x = np.column_stack([kinds, ~kinds, weeks]).astype(float)
    blocks = make_blocks(y, v, trial, outcome, design=x)
    return fit_multivariate(blocks, structure="UN", within="common"), trial


@pytest.mark.parametrize("seed", range(4))
def test_leaving_a_trial_out_the_long_way(seed: int) -> None:
    """Generalized least squares of the other trials with dense matrices."""
    fit, trial = fitted(seed)
    y, v, _, outcome, _ = sample(seed)
    found = multilevel_diagnostics(fit)
    names = list(dict.fromkeys(trial))
    x, k = fit.blocks.design, fit.blocks.k
    codes = np.array([("behavior", "intention").index(one) for one in outcome])
    sigma = np.zeros((k, k))
    at = 0
    for block in v:
        here = slice(at, at + len(block))
        sigma[here, here] = block + fit.tau[np.ix_(codes[here], codes[here])]
        sigma[here, here] += np.diag(fit.omega[codes[here]])
        at += len(block)
    w = np.linalg.inv(sigma)
    vb = np.linalg.inv(x.T @ w @ x)
    hat = x @ vb @ x.T @ w
    np.testing.assert_allclose(found.effects.leverage, np.diag(hat), rtol=1e-8)
    rest = np.eye(k) - hat
    np.testing.assert_allclose(found.effects.residual, rest @ y, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found.effects.se, np.sqrt(np.diag(rest @ sigma @ rest.T)), rtol=1e-8)
    for i, name in enumerate(names):
        own = np.array([one == name for one in trial])
        inside = np.ix_(~own, ~own)
        other = np.linalg.inv(sigma[inside])
        vb_i = np.linalg.inv(x[~own].T @ other @ x[~own])
        beta_i = vb_i @ x[~own].T @ other @ y[~own]
        deleted = y[own] - x[own] @ beta_i
        spread = sigma[np.ix_(own, own)] + x[own] @ vb_i @ x[own].T
        np.testing.assert_allclose(found.effects.deleted[own], deleted, rtol=1e-6, atol=1e-9)
        expected = deleted @ np.linalg.solve(spread, deleted)
        assert found.trials.chi2[i] == pytest.approx(expected, rel=1e-6)
        assert found.trials.df[i] == own.sum()
        change = fit.beta - beta_i
        cook = change @ np.linalg.solve(vb, change)
        assert found.trials.cook[i] == pytest.approx(cook, rel=1e-5, abs=1e-10)
        np.testing.assert_allclose(
            found.trials.dfbetas[i], change / np.sqrt(np.diag(vb)), rtol=1e-5, atol=1e-9
        )


def test_a_trial_that_alone_tells_a_coefficient_is_not_left_out() -> None:
    y, v, trial, outcome, _ = sample(1)
    alone = np.array([name == "t4" for name in trial], dtype=float)
    blocks = make_blocks(y, v, trial, outcome, design=np.column_stack([1.0 - alone, alone]))
    found = multilevel_diagnostics(fit_multivariate(blocks, structure="ID"))
    assert np.isnan(found.trials.chi2[4]) and np.isnan(found.trials.dfbetas[4]).all()
    assert np.isfinite(np.delete(found.trials.chi2, 4)).all()
    assert np.isnan(found.effects.studentized[alone > 0]).all()


def test_one_trial_cannot_be_left_out() -> None:
    blocks = make_blocks([0.1, 0.2], [0.1, 0.1], ["a", "a"])
    with pytest.raises(EstimationError, match="at least 2 trials"):
        multilevel_diagnostics(fit_multivariate(blocks, structure="NONE"))


@pytest.mark.parametrize("seed", range(3))
def test_simple_means_within_trials(seed: int) -> None:
    y, v, trial, outcome, _ = sample(seed)
    made = make_composites(make_blocks(y, v, trial, outcome), weighted=False)
    labels = [
        (names[made.cluster[i]], ("behavior", "intention")[made.outcome[i]])
        for names in [list(dict.fromkeys(trial))] for i in range(made.yi.size)
    ]  # fmt: skip
    at = np.cumsum([0, *SIZES])
    for (name, kind), yi, vi in zip(labels, made.yi, made.vi, strict=True):
        own = np.array([t == name and o == kind for t, o in zip(trial, outcome, strict=True)])
        assert yi == pytest.approx(y[own].mean())
        i = int(name[1:])
        inside = own[at[i] : at[i + 1]]
        assert vi == pytest.approx(v[i][np.ix_(inside, inside)].sum() / own.sum() ** 2)
