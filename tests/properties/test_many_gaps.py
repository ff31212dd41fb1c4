"""Many joint models in one call are the joint models one by one, at the global maximum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from analysis.dependent.robust import robust_covariance
from analysis.dependent.symmetric import (
    Symmetric,
    congruence,
    inverse,
    product_trace,
    root_inverse,
)
from analysis.errors import EstimationError
from analysis.gap.joint import JointModel, difference, fit_joint, transmission_ratio
from analysis.gap.many_gaps import ManyGaps, PairedEffects, fit_many_gaps, paired_effects

from .generated import OUTCOMES, slow

Columns = tuple[np.ndarray, ...]
"""y1, v1, y2, v2 and the covariance of one problem."""
every_method = pytest.mark.parametrize("method", ["REML", "ML"])
MEANS = np.array([0.4, 0.2])
SETS = 200


def _problem(number: int, m: int | None = None) -> Columns:
    """Few trials, variances over two decades, Tau of every kind (none, one outcome, correlated up
    to .9), a quarter of the behavior effects missing."""
    rng = np.random.default_rng([29, number])
    few = int(rng.integers(3, 11))
    m = few if m is None else m
    v1, v2 = 10.0 ** rng.uniform(-2.3, -0.3, m), 10.0 ** rng.uniform(-2.3, -0.3, m)
    c = rng.uniform(0.0, 0.9, m) * np.sqrt(v1 * v2)
    sd = np.sqrt(10.0 ** rng.uniform(-3.0, 0.0, 2) * rng.integers(0, 2, 2))
    rho = rng.choice([-0.9, 0.0, 0.5, 0.9])
    tau = np.outer(sd, sd) * np.array([[1.0, rho], [rho, 1.0]])
    v = np.moveaxis(np.array([[v1, c], [c, v2]]), 2, 0)
    y1, y2 = np.array([rng.multivariate_normal(MEANS, tau + one) for one in v]).T.copy()
    y1[rng.uniform(size=m) < 0.15] = np.nan
    y2[(rng.uniform(size=m) < 0.25) & np.isfinite(y1)] = np.nan
    return y1, v1, y2, v2, c


def _together(problems: list[Columns]) -> PairedEffects:
    """One call for problems of different sizes: trials that are not part of one are missing."""
    m = max(one[0].size for one in problems)
    columns = []
    for i, filler in enumerate((np.nan, 1.0, np.nan, 1.0, 0.0)):
        rows = [np.append(one[i], np.full(m - one[i].size, filler)) for one in problems]
        columns.append(np.array(rows))
    return paired_effects(*columns)


def _alone(columns: Columns, method: str) -> JointModel:
    y1, v1, y2, v2, c = columns
    effects, v, trial, outcome = [], [], [], []
    for i in range(y1.size):
        known = np.isfinite([y1[i], y2[i]])
        effects += np.array([y1[i], y2[i]])[known].tolist()
        v.append(np.array([[v1[i], c[i]], [c[i], v2[i]]])[np.ix_(known, known)])
        trial += [i] * int(known.sum())
        outcome += [name for name, one in zip(OUTCOMES, known, strict=True) if one]
    return fit_joint(effects, [one for one in v if one.size], trial, outcome, method=method)


def _row(fits: ManyGaps, i: int) -> dict[str, float]:
    return {name: float(value[i]) for name, value in vars(fits).items() if name != "status"}


def _enough(columns: Columns) -> bool:
    return bool(min(np.isfinite(columns[0]).sum(), np.isfinite(columns[2]).sum()) > 1)


def _assert_the_same(found: dict[str, float], model: JointModel) -> None:
    fit, robust = model.fit, robust_covariance(model.fit, "CR2")
    gap, ratio = difference(model), transmission_ratio(model)
    size = float(np.abs(fit.tau).max() + np.diag(fit.vb).max())
    expected = {
        "mu1": model.means[0], "mu2": model.means[1],
        "tau11": fit.tau[0, 0], "tau12": fit.tau[0, 1], "tau22": fit.tau[1, 1],
        "model11": fit.vb[0, 0], "model12": fit.vb[0, 1], "model22": fit.vb[1, 1],
        "robust11": robust.vcov[0, 0], "robust12": robust.vcov[0, 1],
        "robust22": robust.vcov[1, 1],
    }  # fmt: skip
    # At the boundary the likelihood is flat in the direction along it, so that Tau has fewer
    # digits than what depends on it.
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-5 * size), name
    assert found["loglik"] == pytest.approx(fit.loglik, abs=1e-7)
    assert found["difference"] == pytest.approx(gap.estimate, rel=1e-5, abs=1e-6)
    assert [found["se"], found["df"]] == pytest.approx([gap.se, gap.df], rel=1e-5)
    if abs(model.means[0]) > 0.01:
        assert found["ratio"] == pytest.approx(ratio.estimate, rel=1e-4, abs=1e-6)
        assert [found["ratio_se"], found["ratio_df"]] == pytest.approx(
            [ratio.se, ratio.df], rel=1e-4
        )
    counts = [found[name] for name in ("k1", "k2", "pairs")]
    assert counts == [model.k_upstream, model.k_behavior, model.k_paired]


@every_method
@pytest.mark.parametrize("sizes", ["few", "up_to_40"])
def test_one_by_one(method: str, sizes: str) -> None:
    """Problems of 3 to 40 trials, inside and at the boundary, padded to one size."""
    problems = [_problem(i, None if sizes == "few" else 12 + i) for i in range(29)]
    fits = fit_many_gaps(_together(problems), method=method)
    compared = {"ok": 0, "boundary": 0}
    for i, columns in enumerate(problems):
        if not _enough(columns):
            assert fits.status[i] == "too_few_studies"
            continue
        model = _alone(columns, method)
        _assert_the_same(_row(fits, i), model)
        assert fits.status[i] == model.fit.status
        compared[str(fits.status[i])] += 1
        if model.fit.status == fits.status[i] == "ok":
            assert fits.tau12[i] ** 2 < fits.tau11[i] * fits.tau22[i]
    assert compared["boundary"] >= 10, compared
    assert compared["ok"] >= (1 if sizes == "few" else 5), compared


@every_method
def test_a_call_is_split_without_a_seam(method: str) -> None:
    """More effects than are computed at once: every part is what it is alone."""
    problems = [_problem(i, 6) for i in range(12)]
    rows = np.arange(6000) % 12
    wide = paired_effects(*(np.array([one[k] for one in problems])[rows] for k in range(5)))
    fits, few = (fit_many_gaps(one, method=method) for one in (wide, _together(problems)))
    for name, value in vars(few).items():
        np.testing.assert_array_equal(getattr(fits, name)[-12:], value, err_msg=name)
        if name not in ("status", "k1", "k2", "pairs"):
            np.testing.assert_allclose(getattr(fits, name), value[rows], rtol=1e-9, err_msg=name)


def test_columns_are_shared_by_problems() -> None:
    y1, v1, y2, v2, c = _problem(3, 8)
    made = np.array([y1, y1 + 0.1, y1 - 0.2])
    fits = fit_many_gaps(paired_effects(made, v1, y2, v2, c))
    np.testing.assert_allclose(fits.mu1 - fits.mu1[0], [0.0, 0.1, -0.2], atol=1e-7)
    np.testing.assert_allclose(fits.mu2, fits.mu2[0], rtol=1e-6)
    np.testing.assert_allclose(fits.se, fits.se[0], rtol=1e-6)
    with pytest.raises(EstimationError, match="one problem is needed, found 3"):
        paired_effects(made, v1, y2, v2, c).one_row()


numbers = st.integers(0, 10_000)


@st.composite
def problems(draw: st.DrawFn) -> Columns:
    return _problem(draw(numbers), draw(st.integers(4, 15)))


def _one(columns: Columns, method: str = "REML") -> dict[str, float]:
    return _row(fit_many_gaps(paired_effects(*columns), method=method), 0)


def _close(first: dict[str, float], second: dict[str, float], *names: str) -> None:
    """Equal to the digits a flat likelihood leaves."""
    for name in names:
        assert second[name] == pytest.approx(first[name], rel=1e-4, abs=1e-5, nan_ok=True), name


UNITS = {
    1: ("mu1", "mu2", "difference", "se"),
    2: ("tau11", "tau12", "tau22", "model11", "model12", "model22",
        "robust11", "robust12", "robust22"),
    0: ("df", "ratio", "k1", "k2", "pairs"),
}  # fmt: skip
"""Quantities by the power of the unit that they have."""


@slow
@every_method
@given(columns=problems(), order=st.randoms(use_true_random=False))
def test_order_of_trials_does_not_matter(method: str, columns: Columns, order: object) -> None:
    rows = list(range(columns[0].size))
    order.shuffle(rows)  # type: ignore[attr-defined]
    first, second = _one(columns, method), _one(tuple(one[rows] for one in columns), method)
    assert second["loglik"] == pytest.approx(first["loglik"], abs=1e-7, nan_ok=True)
    _close(first, second, *(name for names in UNITS.values() for name in names))


@slow
@every_method
@pytest.mark.parametrize("unit", [1e-3, 1e3])
@given(columns=problems())
def test_units(unit: float, method: str, columns: Columns) -> None:
    y1, v1, y2, v2, c = columns
    first = _one(columns, method)
    second = _one((unit * y1, unit**2 * v1, unit * y2, unit**2 * v2, unit**2 * c), method)
    for power, names in UNITS.items():
        scaled = {name: first[name] * unit**power for name in names}
        for name in names:
            close = pytest.approx(scaled[name], rel=1e-4, abs=1e-5 * unit**power, nan_ok=True)
            assert second[name] == close, name
    effects = np.isfinite(y1).sum() + np.isfinite(y2).sum()
    df = effects - 2 if method == "REML" else effects
    expected = first["loglik"] - df * math.log(unit)
    assert second["loglik"] == pytest.approx(expected, abs=1e-6, nan_ok=True)


@slow
@every_method
@given(columns=problems())
def test_swapped_outcomes_flip_the_difference(method: str, columns: Columns) -> None:
    y1, v1, y2, v2, c = columns
    first, second = _one(columns, method), _one((y2, v2, y1, v1, c), method)
    assert second["loglik"] == pytest.approx(first["loglik"], abs=1e-7, nan_ok=True)
    _close(first, second, "se", "df", "tau12", "model12", "robust12", "pairs")
    swapped = {
        "mu1": first["mu2"], "mu2": first["mu1"], "difference": -first["difference"],
        "tau11": first["tau22"], "tau22": first["tau11"], "k1": first["k2"], "k2": first["k1"],
        "robust11": first["robust22"], "robust22": first["robust11"],
    }  # fmt: skip
    _close(swapped, second, *swapped)


@slow
@given(columns=problems(), shift=st.floats(-2.0, 2.0))
def test_a_constant_on_one_outcome_moves_the_gap_by_it(columns: Columns, shift: float) -> None:
    y1, v1, y2, v2, c = columns
    first, second = _one(columns), _one((y1 + shift, v1, y2, v2, c))
    _close(first | {"difference": first["difference"] + shift}, second, "difference", "se", "df")


def test_too_few_trials_are_missing_with_a_status_and_spare_the_others() -> None:
    nan = np.nan
    good = _problem(3, 8)
    one = tuple(np.append(a, np.full(7, nan)) for a in ([0.3], [0.1], [0.1], [0.1], [0.05]))
    upstream_only = (good[0], good[1], np.full(8, nan), good[3], good[4])
    first = np.flatnonzero(np.isfinite(good[2]))[0]
    single_behavior = np.where(np.arange(8) == first, good[2], nan)
    nothing = tuple(np.full(8, nan) for _ in range(5))
    rows = [good, one, upstream_only, (*good[:2], single_behavior, *good[3:]), nothing]
    fits = fit_many_gaps(_together(rows))
    assert fits.status.tolist()[1:] == ["too_few_studies"] * 4
    assert fits.k1.tolist()[1:] == [1, fits.k1[0], fits.k1[0], 0]
    assert fits.k2.tolist()[1:] == [1, 0, 1, 0]
    for name, value in vars(fits).items():
        if name not in ("status", "k1", "k2", "pairs"):
            assert np.isnan(value[1:]).all(), name
    _close(_one(good), _row(fits, 0), "mu1", "mu2", "se", "df", "loglik")
    none = fit_many_gaps(_together([one, nothing]))
    assert none.status.tolist() == ["too_few_studies"] * 2


def test_two_pairs_have_no_covariance_between_trials() -> None:
    y1, v1, y2, v2, c = _problem(3, 9)
    y1 = np.where(np.isnan(y1), 0.3, y1)
    apart = np.arange(9)
    y1, y2 = np.where(apart < 6, y1, np.nan), np.where(apart >= 4, MEANS[1] + 0.1 * apart, np.nan)
    found = _one((y1, v1, y2, v2, c))
    assert (found["pairs"], found["tau12"]) == (2, 0.0)
    _assert_the_same(found, _alone((y1, v1, y2, v2, c), "REML"))


@pytest.mark.parametrize(
    ("column", "value"), [(1, 0.0), (3, -0.1), (1, np.nan), (4, "singular"), (4, np.nan)]
)
def test_refusals_name_problem_and_trial(column: int, value: float | str) -> None:
    columns = [np.tile(a, (3, 1)) for a in ([0.1] * 4, [0.2] * 4, [0.3] * 4, [0.1] * 4, [0.05] * 4)]
    columns[column][2, 1] = math.sqrt(0.2 * 0.1) if value == "singular" else value
    with pytest.raises(EstimationError, match="problem 2, trial 1: variances must be above 0"):
        fit_many_gaps(paired_effects(*columns))


def test_what_is_missing_is_not_checked() -> None:
    """Variances and covariances of outcomes that a trial does not report may be anything."""
    y1, v1, y2, v2, c = _problem(3, 8)
    missing = np.isnan(y1) | np.isnan(y2)
    assert missing.any()
    odd = np.where(missing, 99.0, c), np.where(np.isnan(y2), np.nan, v2)
    assert _one((y1, v1, y2, odd[1], odd[0])) == _one((y1, v1, y2, v2, c))


def test_unknown_methods() -> None:
    with pytest.raises(EstimationError, match="REML or ML, not DL"):
        fit_many_gaps(paired_effects(*_problem(1)), method="DL")


def _log_likelihood(columns: Columns, factors: np.ndarray, *, restricted: bool) -> np.ndarray:
    """Straight from its formula, at many Cholesky factors (t0, t1, t2) of Tau (n x 3)."""
    y1, v1, y2, v2, c = columns
    has1, has2 = np.isfinite(y1), np.isfinite(y2)
    k = int(has1.sum() + has2.sum())
    x = np.zeros((k, 2))
    y, place = np.empty(k), 0
    total = np.zeros((len(factors), 2, 2))
    xwy, ywy, logdet = np.zeros((len(factors), 2)), np.zeros(len(factors)), np.zeros(len(factors))
    root = np.zeros((len(factors), 2, 2))
    root[:, 0, 0], root[:, 1, 0], root[:, 1, 1] = factors.T
    tau = root @ np.swapaxes(root, 1, 2)
    for i in range(y1.size):
        known = np.flatnonzero([has1[i], has2[i]])
        if not known.size:
            continue
        v = np.array([[v1[i], c[i]], [c[i], v2[i]]])
        s = (tau + v)[:, known[:, None], known]
        w = np.linalg.inv(s)
        logdet += np.linalg.slogdet(s)[1]
        x[place : place + known.size] = design = np.eye(2)[known]
        y[place : place + known.size] = effects = np.array([y1[i], y2[i]])[known]
        place += known.size
        total += design.T @ w @ design
        xwy += (w @ effects) @ design
        ywy += np.einsum("i,nij,j->n", effects, w, effects)
    rest = ywy - np.einsum("ni,ni->n", xwy, np.linalg.solve(total, xwy[:, :, None])[:, :, 0])
    value = -0.5 * (logdet + rest + (k - 2 * restricted) * math.log(2.0 * math.pi))
    if restricted:
        value += 0.5 * (np.linalg.slogdet(x.T @ x)[1] - np.linalg.slogdet(total)[1])
    return value


def _highest(
    columns: Columns, number: int, *, restricted: bool, starts: int = 250, follow: int = 3
) -> float:
    """The highest of random factors, the best and most different of them followed up."""
    rng = np.random.default_rng([31, number])
    unit = math.sqrt(np.nanvar(np.append(columns[0], columns[2])) + np.median(columns[1]))
    sd = unit * 10.0 ** rng.uniform(-2.5, 0.8, (starts, 2))
    rho = np.tanh(rng.normal(0.0, 1.5, starts))
    rho[::4] = np.sign(rho[::4])
    free = np.ones(3)
    free[1] = np.isfinite(columns[0] + columns[2]).sum() >= 3
    factors = np.stack([sd[:, 0], rho * sd[:, 1], np.sqrt(1.0 - rho**2) * sd[:, 1]], axis=1) * free
    values = _log_likelihood(columns, factors, restricted=restricted)
    steps = np.vstack([np.zeros(3), 1e-6 * np.eye(3), -1e-6 * np.eye(3)])

    def falling(at: np.ndarray) -> tuple[float, np.ndarray]:
        found = -_log_likelihood(columns, unit * (at + steps) * free, restricted=restricted)
        return float(found[0]), (found[1:4] - found[4:]) / 2e-6

    best, chosen = float(values.max()), []
    for i in np.argsort(-values):
        apart = [np.abs(factors[i] - factors[j]).max() > 0.3 * unit for j in chosen]
        if all(apart) and len(chosen) < follow:
            chosen.append(i)
            best = max(best, -optimize.minimize(falling, factors[i] / unit, jac=True).fun)
    return best


@every_method
def test_the_log_likelihood_is_that_of_its_formula(method: str) -> None:
    for number in range(20):
        columns = _problem(number)
        found = _one(columns, method)
        if math.isnan(found["mu1"]):
            continue
        t0 = math.sqrt(found["tau11"])
        t1 = found["tau12"] / t0 if t0 > 0.0 else 0.0
        t2 = math.sqrt(max(0.0, found["tau22"] - t1**2))
        at = np.array([[t0, t1, t2]])
        expected = _log_likelihood(columns, at, restricted=method == "REML")[0]
        assert found["loglik"] == pytest.approx(expected, abs=1e-9)


@every_method
def test_no_random_start_climbs_higher(method: str) -> None:
    sets = [_problem(number) for number in range(SETS)]
    fits = fit_many_gaps(_together(sets), method=method)
    compared = 0
    for number, columns in enumerate(sets):
        if fits.status[number] != "too_few_studies":
            best = _highest(columns, number, restricted=method == "REML")
            assert fits.loglik[number] >= best - 1e-6, f"set {number}"
            compared += 1
    assert compared > 0.9 * SETS
    assert "not_converged" not in fits.status


@pytest.mark.parametrize(
    ("number", "method"),
    [(664, "REML"), (742, "REML"), (818, "REML"), (1627, "REML"),
     (386, "ML"), (584, "ML"), (742, "ML"), (1429, "ML")],
)  # fmt: skip
def test_several_maxima(number: int, method: str) -> None:
    columns = _problem(number)
    best = _highest(columns, number, restricted=method == "REML", starts=2000, follow=8)
    assert _one(columns, method)["loglik"] >= best - 1e-6


elements = st.floats(-3.0, 3.0)


@st.composite
def definite(draw: st.DrawFn) -> tuple[Symmetric, np.ndarray]:
    """Positive definite matrices as three arrays and as one n x 2 x 2 array."""
    n = draw(st.integers(1, 4))
    root = np.array([[draw(elements) for _ in range(4)] for _ in range(n)]).reshape(n, 2, 2)
    dense = root @ np.swapaxes(root, 1, 2) + draw(st.floats(0.01, 1.0)) * np.eye(2)
    return Symmetric(dense[:, 0, 0], dense[:, 0, 1], dense[:, 1, 1]), dense


def _dense(one: Symmetric) -> np.ndarray:
    return np.moveaxis(np.array([[one.a, one.b], [one.b, one.c]]), -1, 0)


@given(first=definite(), second=definite(), x=elements, y=elements)
def test_symmetric_matrices(
    first: tuple[Symmetric, np.ndarray], second: tuple[Symmetric, np.ndarray], x: float, y: float
) -> None:
    (s, dense), n = first, min(len(first[1]), len(second[1]))
    keep = np.arange(n)
    s, t = s.at(keep), second[0].at(keep)
    dense, other = dense[:n], second[1][:n]
    np.testing.assert_allclose(_dense(inverse(s)), np.linalg.inv(dense), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        product_trace(s, t), np.trace(dense @ other, axis1=1, axis2=2), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(_dense(congruence(s, t)), dense @ other @ dense, rtol=1e-9)
    z = np.array([x, y])
    np.testing.assert_allclose(
        s.quadratic(np.full(n, x), np.full(n, y)), z @ dense @ z, rtol=1e-12, atol=1e-12
    )
    half = _dense(root_inverse(s))
    values, vectors = np.linalg.eigh(dense)
    expected = (vectors / np.sqrt(values)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    np.testing.assert_allclose(half, expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(half @ dense @ half, np.tile(np.eye(2), (n, 1, 1)), atol=1e-8)
    condition = keep % 2 == 0
    np.testing.assert_array_equal(
        _dense(s.where(condition, t)), np.where(condition[:, None, None], other, dense)
    )
