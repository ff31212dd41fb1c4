"""Every result becomes a tidy frame and a stable text: rows, digits, missing numbers, matrices."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

import analysis as lib
from analysis.barriers import barrier_shares
from analysis.gap.participants import pooled_within_arm_correlation
from analysis.results import Result

YI = np.array([0.9, 0.6, 0.75, 0.35, 0.5, 0.2, 0.28, 0.1, 0.31, 0.15, 0.02, 0.22])
VI = np.array([0.16, 0.14, 0.12, 0.09, 0.08, 0.07, 0.05, 0.04, 0.03, 0.02, 0.015, 0.01])
K = YI.size
TRIAL = [f"t{i // 2}" for i in range(K)]
KINDS = ["intention", "behavior"] * (K // 2)
WEEKS = np.column_stack([np.ones(K), np.arange(K) % 5 + 1.0])
E1, N1 = np.array([3.0, 5, 8, 12, 7, 2]), np.array([30.0, 40, 50, 60, 45, 25])
E2, N2 = np.array([6.0, 9, 9, 20, 8, 6]), np.array([31.0, 41, 48, 62, 44, 26])
TABLES = (E1, N1, E2, N2)
ARMS = ([3.0, 3.5], [1.0, 1.2], [30.0, 40.0], [2.5, 3.0], [1.1, 1.0], [31.0, 39.0])
ANSWERS = [[20.0, 10.0, 5.0, 15.0], [30.0, 12.0, 6.0, 20.0], [15.0, 9.0, 4.0, 11.0]]


@cache
def joint() -> Any:
    return lib.fit_joint(YI, VI, TRIAL, KINDS)


@cache
def levels() -> Any:
    return lib.fit_multivariate(lib.make_blocks(YI, VI, TRIAL), structure="ID", within="common")


@cache
def pairs() -> Any:
    behavior = 0.5 * YI + 0.05 * np.sin(3.0 * np.arange(K))
    behavior[-2:] = np.nan
    return lib.paired_effects(YI, VI, behavior, 1.1 * VI, 0.4 * VI)


@cache
def regression() -> Any:
    return lib.fit_meta_regression(YI, VI, WEEKS, names=["intercept", "weeks"])


@cache
def correlations() -> Any:
    values = [(0.3, 0.2, 0.4), (0.35, 0.1, 0.5), (0.2, 0.25, 0.45), (0.28, 0.15, 0.3)]
    matrices = [[[1, a, b], [a, 1, c], [b, c, 1]] for a, b, c in values]
    return lib.CorrelationStudies(
        ("arm", "intention", "behavior"), np.array(matrices, dtype=float),
        np.array([100.0, 150, 80, 200]),
    )  # fmt: skip


@cache
def people() -> tuple[Any, ...]:
    out = []
    for number in range(4):
        rng = np.random.default_rng(number)
        treated = np.arange(60) < 30
        intention = rng.normal(0.5 * treated)
        behavior = 0.5 * intention + rng.normal(size=60)
        behavior[::7] = np.nan
        out.append(lib.ParticipantTrial(f"trial {number}", treated, intention, behavior))
    return tuple(out)


CHAIN = lib.PathModel(
    ("arm", "intention", "behavior"), (("arm", "intention"), ("intention", "behavior"))
)


def paths() -> Any:
    return lib.paths_from_correlations(
        [0.2, 0.3, 0.25], [0.1, 0.2, 0.15], [0.5, 0.4, 0.45], [100, 120, 90]
    )


def codings() -> Any:
    return lib.rater_agreement([["a", "a", "b"], ["b", "b", ""], ["a", "b", "a"], ["c", "c", "c"]])


def weeks_of_trials() -> Any:
    return lib.make_design({"weeks": np.repeat([1.0, 2.0, 4.0, 3.0, 2.0, 5.0], 2)}, ["weeks"])


def inverse_variance_mean(yi: np.ndarray, vi: np.ndarray) -> float:
    return float(np.average(yi, weights=1.0 / vi))


MADE: dict[str, tuple[Callable[[], Any], int]] = {
    "influence": (lambda: lib.influence(YI, VI), K),
    "pooled": (lambda: lib.fit_random_effects(YI, VI), 1),
    "one study": (lambda: lib.fit_random_effects(YI[:1], VI[:1]), 1),
    "heterogeneity": (lambda: lib.fit_random_effects(YI, VI).heterogeneity, 1),
    "tau2 interval": (lambda: lib.fit_random_effects(YI, VI).tau2_interval, 1),
    "meta-regression": (regression, 2),
    "coefficients": (lambda: regression().coefficients, 2),
    "fit statistics": (lambda: regression().fit_statistics, 1),
    "predictions": (lambda: lib.predict(regression(), [[1.0, 2.0], [1.0, 3.0], [1.0, 9.0]]), 3),
    "contrasts": (lambda: lib.contrast_estimates(regression(), [[1.0, 2.0]]), 1),
    "subgroups": (lambda: lib.fit_subgroups(YI, VI, ["a", "b", "c"] * 4), 3),
    "location and scale": (lambda: lib.fit_location_scale(YI, VI, None, WEEKS), 2),
    "weighted mean": (lambda: lib.weighted_mean(YI, VI), 1),
    "prediction interval": (lambda: lib.bootstrap_prediction_interval(YI, VI, draws=300), 1),
    "share above": (lambda: lib.share_above(0.2, 0.05, 0.04, 0.02, 0.1), 1),
    "calibrated share": (lambda: lib.calibrated_share_above(YI, VI, 0.2, draws=100), 1),
    "permutation": (lambda: lib.permutation_test(YI, VI, WEEKS, permutations=49), 2),
    "residuals": (lambda: lib.regression_residuals(YI, VI), K),
    "shrunken": (lambda: lib.shrunken_effects(YI, VI), K),
    "pools": (lambda: lib.pool_subsets(YI, VI, lib.leave_one_out(K)), K),
    "many fits": (lambda: lib.fit_many(YI, VI, member=lib.leave_one_out(K)), K),
    "Mantel-Haenszel": (lambda: lib.mantel_haenszel(*TABLES), 1),
    "rates": (lambda: lib.mantel_haenszel_rates(*TABLES), 1),
    "Peto": (lambda: lib.peto(*TABLES), 1),
    "table tests": (lambda: lib.table_tests(*TABLES), 1),
    "binomial-normal": (lambda: lib.binomial_normal(E1, N1), 1),
    "two groups": (lambda: lib.two_group_counts(*TABLES), 1),
    "diagnostics of a multivariate fit": (lambda: lib.multilevel_diagnostics(joint().fit), 18),
    "homogeneity of counts": (lambda: lib.two_group_counts(*TABLES).homogeneity, 1),
    "arms": (lambda: lib.smd_arms("score", "a", "b", g=0.3, j=0.99, n1=30, n2=31), 1),
    "three levels": (levels, 1),
    "multivariate": (lambda: joint().fit, 2),
    "I2 by level": (lambda: lib.i2_by_level(levels()), 1),
    "omnibus test": (lambda: lib.omnibus_test(joint().fit), 1),
    "outcome predictions": (lambda: lib.predict_outcomes(joint().fit, joint().robust), 2),
    "profile interval": (lambda: lib.profile_interval(levels(), "tau2[0]"), 1),
    "robust covariance": (lambda: joint().robust, 2),
    "Wald test": (lambda: lib.wald_test(joint().robust, [[1.0, -1.0]]), 1),
    "robust regression": (lambda: lib.robust_regression(YI, VI, TRIAL, WEEKS), 2),
    "wild interval": (
        lambda: lib.wild_bootstrap_interval(joint().fit, [1.0, -1.0], draws=99), 1
    ),
    "wild test": (lambda: lib.wild_bootstrap_test(joint().fit, [1.0, -1.0], draws=99), 1),
    "crossed": (
        lambda: lib.fit_crossed(YI, VI, {"trial": TRIAL, "coder": ["a", "b", "c", "d"] * 3}), 1
    ),
    "joint model": (joint, 1),
    "gap estimate": (lambda: lib.difference(joint()), 1),
    "Fieller": (lambda: lib.fieller_set(1.0, 2.0, 0.1, 0.1, 0.0, 1.96), 1),
    "many gaps": (lambda: lib.fit_many_gaps(pairs()), 1),
    "bootstrap": (
        lambda: lib.bootstrap_joint_model(pairs(), draws=120).interval(lib.trial_level_slope), 1
    ),
    "moderated gap": (
        lambda: lib.fit_moderated_gap(YI, VI, TRIAL, KINDS, weeks_of_trials()), 6
    ),
    "surrogacy": (lambda: lib.trial_level_surrogacy(joint()), 1),
    "Daniels-Hughes": (lambda: lib.daniels_hughes(pairs(), points=61), 1),
    "left-out trials": (lambda: lib.predict_left_out_trials(pairs()), K - 2),
    "artefact": (lambda: lib.same_sample_artefact(pairs()), 1),
    "missing behavior": (lambda: lib.missing_behavior(pairs()), 6),
    "action control": (lambda: lib.describe_action_control(ANSWERS[0]), 1),
    "composition": (lambda: lib.pool_composition(ANSWERS), 4),
    "split": (lambda: lib.split_behavior_effect(ANSWERS[0], ANSWERS[1]), 1),
    "proportion": (lambda: lib.pool_proportion(E1, N1), 1),
    "mediation paths": (paths, 3),
    "indirect": (lambda: lib.pool_indirect(paths(), draws=300), 1),
    "pooled matrix": (lambda: lib.pool_correlation_matrices(correlations()), 3),
    "matrix regression": (
        lambda: lib.regression_from_matrix(
            lib.pool_correlation_matrices(correlations()), "behavior", ["arm", "intention"]
        ), 2,
    ),
    "two-stage paths": (
        lambda: lib.fit_paths(lib.pool_correlation_matrices(correlations()), CHAIN), 2
    ),
    "one-stage paths": (lambda: lib.fit_paths_one_stage(correlations(), CHAIN), 2),
    "Egger": (lambda: lib.egger_test(YI, VI), 1),
    "PET-PEESE": (lambda: lib.pet_peese(YI, VI), 1),
    "asymmetry": (lambda: lib.harbord_test(*TABLES), 1),
    "unrestricted mean": (lambda: lib.unrestricted_mean(YI, VI), 1),
    "rank test": (lambda: lib.rank_test(YI, VI), 1),
    "selection": (lambda: lib.step_selection(YI, VI), 2),
    "weighted selection": (lambda: lib.weighted_selection(YI, VI), 2),
    "cluster bootstrap": (
        lambda: lib.cluster_bootstrap(inverse_variance_mean, YI, VI, TRIAL, draws=40), 1
    ),
    "Henmi-Copas": (lambda: lib.henmi_copas(YI, VI), 1),
    "excess significance": (lambda: lib.excess_significance(YI, VI), K),
    "fail-safe": (lambda: lib.fail_safe_number(YI, VI), 1),
    "agreement": (codings, 5),
    "barrier shares": (lambda: barrier_shares([10, 5, 0], [3, 2, 0]), 3),
    "effect sizes": (lambda: lib.standardized_mean_difference(*ARMS), 2),
    "effect table": (
        lambda: lib.compute_effect_sizes(
            dict(zip(lib.inputs_of("SMD"), ARMS, strict=True)), "SMD"
        ), 2,
    ),
    "moments": (lambda: lib.moments_from_quantiles([3.0], [40], q1=[2.0], q3=[4.0]), 1),
    "reported": (
        lambda: lib.smd_from_reported(lib.Reported("t", value=2.0, n1=30, n2=30)), 1
    ),
    "one stage": (lambda: lib.fit_one_stage(people()), 1),
    "pair of a trial": (lambda: lib.participant_gap(people())[1][0], 2),
    "within-arm correlation": (
        lambda: pooled_within_arm_correlation(YI, YI**2, np.array(["a"] * 6 + ["b"] * 6)), 1
    ),
}  # fmt: skip
"""How to make a result and how many rows its frame has."""


@cache
def made(kind: str) -> Any:
    return MADE[kind][0]()


@pytest.mark.parametrize("kind", MADE)
def test_a_frame_has_a_row_per_estimate(kind: str) -> None:
    frame = made(kind).frame()
    assert len(frame) == MADE[kind][1]
    assert list(frame.index) == list(range(len(frame)))
    assert frame.columns.is_unique and len(frame.columns) > 0
    assert not [name for name in frame.columns if name.startswith("_")]


@pytest.mark.parametrize("kind", MADE)
def test_results_are_frozen(kind: str) -> None:
    one = made(kind)
    assert isinstance(one, Result) and is_dataclass(one)
    with pytest.raises(AttributeError):
        setattr(one, fields(one)[0].name, 0.0)


@pytest.mark.parametrize("kind", MADE)
def test_texts_are_stable(kind: str) -> None:
    """Twice the same, and the same of a second computation."""
    text = str(made(kind))
    assert text == str(made(kind))
    assert text == str(MADE[kind][0]())
    assert text.splitlines()[0] == type(made(kind)).__name__
    assert "nan" not in re.findall(r"[a-z]+", text), "missing numbers are written out"
    assert "0x" not in text, "no addresses in memory"
    assert "array(" not in text


@pytest.mark.parametrize("kind", MADE)
def test_making_a_frame_changes_nothing(kind: str) -> None:
    before = str(made(kind))
    frame = made(kind).frame()
    frame[frame.columns[0]] = "changed"
    assert str(made(kind)) == before


@pytest.mark.parametrize("kind", MADE)
def test_the_digits_of_the_numbers(kind: str) -> None:
    """Frames hold the numbers themselves, texts 6 significant digits of them."""
    one, text = made(kind), str(made(kind))
    frame = one.frame()
    for item in fields(one):
        value = getattr(one, item.name)
        if not isinstance(value, float) or not item.repr:
            continue
        if item.name in frame and len({str(v) for v in frame[item.name]}) == 1:
            np.testing.assert_equal(float(frame[item.name][0]), value)
        shown = "missing" if math.isnan(value) else f"{value:.6g}"
        if len(frame) == 1:
            assert re.search(rf"^  {re.escape(item.name)} +{re.escape(shown)}$", text, re.M)


def matrices(one: Any) -> list[str]:
    return [
        item.name for item in fields(one)
        if isinstance(getattr(one, item.name), np.ndarray) and getattr(one, item.name).ndim > 1
    ]  # fmt: skip


@pytest.mark.parametrize("kind", MADE)
def test_matrices_are_left_out(kind: str) -> None:
    frame = made(kind).frame()
    assert not set(matrices(made(kind))) & set(frame.columns)
    cells = [value for column in frame for value in frame[column]]
    assert not any(isinstance(value, np.ndarray | list | dict) for value in cells)


def test_some_results_have_matrices_to_leave_out() -> None:
    assert {"vb", "tau"} <= set(matrices(joint().fit))
    assert {"vcov", "influence"} <= set(matrices(joint().robust))
    assert "covariance" in matrices(made("pair of a trial"))


def test_most_kinds_of_results_are_covered() -> None:
    """What is not built here is a part of something that is."""
    known = {type(made(kind)).__name__ for kind in MADE}
    apart = {
        "Composites", "TrimAndFill", "KenwardRoger", "ModeratedEffect", "EffectDiagnostics",
        "TrialDiagnostics",
    }  # fmt: skip
    rest = {c.__name__ for c in Result.__subclasses__() if c.__module__.startswith("analysis.")}
    assert rest - known <= apart


def test_the_rows_are_the_elements_of_the_arrays() -> None:
    fit = regression()
    frame = fit.frame()
    assert list(frame["names"]) == ["intercept", "weeks"]
    for name in ("estimate", "se", "ci_lb", "ci_ub", "pvalue"):
        assert frame[name].tolist() == getattr(fit.coefficients, name).tolist(), name
    assert frame["tau2"].tolist() == [fit.tau2] * 2
    assert frame["heterogeneity.q"].tolist() == [fit.heterogeneity.q] * 2
    assert set(frame["method"]) == {"REML"}
    assert set(frame["tau2_interval.method"]) == {fit.tau2_interval.method}


def test_results_in_results_are_rows_below_each_other() -> None:
    found = lib.fit_subgroups(YI, VI, ["a", "b", "c"] * 4)
    frame = found.frame()
    assert frame["mu"].tolist() == [one.mu for one in found.pooled]
    assert frame["f"].tolist() == [found.f] * 3
    gap = made("moderated gap")
    frame = gap.frame()
    assert frame["name"].tolist() == ["intercept"] * 3 + ["weeks"] * 3
    assert frame["outcomes"].tolist() == ["intention", "behavior", "difference"] * 2
    assert frame["estimate"].tolist() == [v for one in gap.effects for v in one.estimate]


def test_texts_of_different_results_differ() -> None:
    texts = [str(made(kind)) for kind in MADE]
    assert len(set(texts)) == len(texts)


@dataclass(frozen=True)
class Inner(Result):
    value: float
    kind: str


@dataclass(frozen=True)
class Example(Result):
    count: int
    value: float
    is_good: bool
    names: tuple[str, ...]
    estimate: np.ndarray
    gone: np.ndarray
    square: np.ndarray
    inner: Inner
    lookup: dict[str, float]
    both: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    fit: Any = field(default=None, repr=False)
    _own: Any = None


def example() -> Example:
    return Example(
        3, 1.0 / 3.0, True, ("a", "b"), np.array([0.123456789, 1e-9]), np.array([np.nan, 2.0]),
        np.eye(2), Inner(math.nan, "x"), {"q": 2.0}, (("a", "b"), ("b", "c")), fit=object(),
    )  # fmt: skip


def test_an_example_as_a_frame() -> None:
    frame = example().frame()
    assert list(frame.columns) == [
        "names", "estimate", "gone", "both", "count", "value", "is_good", "inner.value",
        "inner.kind", "lookup.q", "notes",
    ]  # fmt: skip
    assert frame["names"].tolist() == ["a", "b"]
    assert frame["both"].tolist() == ["a ~ b", "b ~ c"]
    assert frame["estimate"].tolist() == [0.123456789, 1e-9]
    assert frame["value"].tolist() == [1.0 / 3.0] * 2
    assert frame["notes"].tolist() == ["", ""]
    assert frame["inner.value"].isna().all()


def test_an_example_as_a_text() -> None:
    lines = [line.rstrip() for line in str(example()).splitlines()]
    assert lines == [
        "Example",
        "  count        3",
        "  value        0.333333",
        "  is_good      yes",
        "  inner.value  missing",
        "  inner.kind   x",
        "  lookup.q     2",
        "  notes",
        "",
        "  names  estimate     gone   both",
        "      a  0.123457  missing  a ~ b",
        "      b     1e-09        2  b ~ c",
    ]


def test_long_tables_are_cut_and_say_so() -> None:
    made = lib.standardized_mean_difference(np.arange(100.0), 1.0, 20.0, 0.0, 1.0, 20.0)
    text, frame = str(made), made.frame()
    assert text.splitlines()[-1] == "  ... and 40 more rows"
    assert len(frame) == 100


def test_infinite_numbers_are_written_as_such() -> None:
    found = lib.fieller_set(0.01, 0.01, 5.0, 5.0, 0.0, 1.96)
    assert (found.lower, found.upper) == (-math.inf, math.inf)
    assert re.search(r"lower +-inf\n +upper +inf", str(found))


def test_a_result_with_empty_arrays_keeps_its_numbers() -> None:
    found = lib.trim_and_fill([0.1, 0.2, 0.3, 0.2, 0.2], [0.05, 0.02, 0.05, 0.01, 0.02])
    assert found.k0 == 0
    frame = found.frame()
    assert frame["pooled.mu"].tolist() == [found.pooled.mu]
    assert str(found).startswith("TrimAndFill\n")


def test_two_tables_of_one_result_are_both_shown() -> None:
    found = lib.fit_location_scale(YI, VI, WEEKS, WEEKS, names=["a", "b"], scale_names=["s", "t"])
    cells = {str(value) for value in found.frame().to_numpy().ravel()}
    assert {"a", "b", "s", "t"} <= cells


def test_the_test_of_subgroups_keeps_its_p_value() -> None:
    found = lib.fit_subgroups(YI, VI, ["a", "b", "c"] * 4)
    numbers = found.frame().select_dtypes("number").to_numpy()
    assert (numbers == found.pvalue).any()


def test_lists_of_matrices_are_left_out() -> None:
    made = lib.make_composites(lib.make_blocks(YI, VI, TRIAL))
    assert not [v for v in made.frame().to_numpy().ravel() if isinstance(v, np.ndarray)]


def test_texts_round_every_number() -> None:
    text = str(made("two-stage paths"))
    assert not re.findall(r"\d\.\d{9,}", text)


def test_frames_round_nothing() -> None:
    fit = joint().fit
    cells = str(fit.frame().to_dict())
    assert all(repr(float(value)) in cells for value in fit.psi)


def test_diagnostics_of_studies_are_a_result() -> None:
    assert isinstance(lib.influence(YI, VI), Result)
