"""Every public function of the library that takes labels, with a smallest call of it."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import analysis as lib
from analysis import arrays, labels
from analysis.clustering import anova_icc
from analysis.dependent.covariances import EffectArms
from analysis.gap.correlation_matrices import pairs_of, variable_names
from analysis.gap.participants import pooled_within_arm_correlation
from analysis.participant_checks import correlation_check
from analysis.results import Result
from analysis.synthesis.gap_estimates import within_arm_slope
from analysis.synthesis.inputs import group_inputs
from analysis.synthesis.moderators import declared_moderators
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Stack, labeled

K = 12
RNG = np.random.default_rng(3)
YI, VI = RNG.normal(0.3, 0.4, K).round(3), RNG.uniform(0.02, 0.1, K).round(3)
X = np.linspace(-1.0, 2.0, K)
MANY = RNG.normal(size=24).round(2)
OTHER = (0.5 * MANY + RNG.normal(size=24)).round(2)
GROUPS = ["d", "a", "c", "b"] * 3
TRIALS = [name for name in "fbecad" for _ in range(2)]
KINDS = ["intention", "behavior"] * 6
ARMS = ["new", "usual"] * 12
CLUSTERS = [f"ward {i % 8}" for i in range(24)]


@dataclass(frozen=True)
class Column:
    """One parameter that holds labels. call: the result for a column of labels; labels: a valid
    one; free: any other labels do as well; by_value: the labels are handed over one by one."""

    call: Callable[[Any], Any]
    labels: Sequence[Any]
    free: bool = True
    by_value: bool = False


def _line(y: Any, v: Any) -> float:
    return float(np.sum(np.asarray(y) / v) / np.sum(1.0 / np.asarray(v)))


def _crossed(column: Any) -> Any:
    return lib.fit_crossed(YI, VI, {"team": column, "effect": list(range(K))})


def _design(column: Any) -> Any:
    return lib.make_design({"kind": column, "x": X}, ["kind", "x", "kind:x"])


def _moderated(trial: Any, outcome: Any) -> Any:
    design = lib.make_design({"x": np.repeat(X[:6], 2)}, ["x"])
    return lib.fit_moderated_gap(YI, VI, trial, outcome, design)


def _trials(names: Any) -> list[Any]:
    treated = np.arange(24) % 2
    return [
        lib.ParticipantTrial(name, treated, MANY + i * treated, OTHER + 0.1 * i * treated)
        for i, name in enumerate(names)
    ]


def _studies(variables: Any) -> Any:
    matrices = np.array([
        [[1.0, r, r / 2], [r, 1.0, r / 3], [r / 2, r / 3, 1.0]] for r in (0.3, 0.4, 0.2, 0.5)
    ])  # fmt: skip
    return lib.CorrelationStudies(variables, matrices, np.array([90.0, 80.0, 120.0, 60.0]))


def _record(i: int, **given: Any) -> dict[str, Any]:
    return {
        "trial_id": TRIALS[i], "effect_id": f"e{i}", "synthesis": "main", "construct": KINDS[i],
        "upstream_construct": "intention", "topic": "", "collection_id": "", "yi": float(YI[i]),
        "vi": float(VI[i]),
    } | given  # fmt: skip


def _stack(column: str) -> Callable[[Any], Any]:
    return lambda values: Stack.from_records(
        [_record(i, **{column: one}) for i, one in enumerate(values)], []
    )


def _covariance(i: int, **given: Any) -> dict[str, Any]:
    return {
        "trial_id": TRIALS[2 * i], "effect_id_1": f"e{2 * i}", "covariance": 0.01,
        "effect_id_2": f"e{2 * i + 1}", "origin": "reported_within_arm",
    } | given  # fmt: skip


def _covariances(column: str) -> Callable[[Any], Any]:
    def call(values: Any) -> Any:
        rows = [_covariance(i, **{column: one}) for i, one in enumerate(values)]
        return Stack.from_records([_record(i) for i in range(K)], rows)

    return call


def _inputs(table: str, column: str) -> Callable[[Any], Any]:
    """Inputs of the syntheses, of which one column of one table has other values."""

    def call(values: Any) -> Any:
        rows: dict[str, list[dict[str, Any]]] = {
            "effects": [_record(i, in_pool=True, measure="SMD") for i in range(K)],
            "covariances": [_covariance(i) for i in range(K // 2)],
            "assumed": [_covariance(i, assumed_correlation=0.3) for i in range(K // 2)],
            "pairs": [{"trial_id": TRIALS[0], "synthesis": "main"} for _ in range(3)],
        }  # fmt: skip
        for row, one in zip(rows[table], values, strict=True):
            row[column] = one
        made = group_inputs(*rows.values(), [], AnalysisSettings())
        return [
            (
                one.synthesis,
                one.stack_at(0.5),
                one.stack_at(0.3),
                [p["synthesis"] for p in one.pairs],
            )
            for one in made
        ]

    return call


def _slope(column: str) -> Callable[[Any], Any]:
    def call(values: Any) -> Any:
        rows = [
            {
                "trial_id": f"t{i}", "synthesis": "main", "upstream_label": "", "rho_n": 50.0,
                "behavior_label": "", "rho_origin": "participant_data", "rho_variance": 0.01,
                "rho_within_arm": 0.3 + 0.1 * i, "rho_latent": 0.3 + 0.1 * i, column: one,
            }
            for i, one in enumerate(values)
        ]  # fmt: skip
        return within_arm_slope(rows, "main", AnalysisSettings())

    return call


def _declared(column: str) -> Callable[[Any], Any]:
    def call(values: Any) -> Any:
        return declared_moderators(
            {
                "moderator": "kind", "kind": "category", "trial_id": f"t{i}", "value": "a",
                "barrier_dimension": "", "framework_layer": "", column: one,
            }
            for i, one in enumerate(values)
        )  # fmt: skip

    return call


def _sums(column: Any) -> Any:
    return lib.cluster_bootstrap(_line, YI, VI, column, draws=60)


def _effects(measure: Any) -> Any:
    table = {"m1i": MANY[:4], "sd1i": 1.0, "n1i": 9, "m2i": 0.0, "sd2i": 1.2, "n2i": 9}
    return lib.compute_effect_sizes({k: np.full(4, v) for k, v in table.items()}, measure)


def _residual(column: Any) -> Any:
    return lib.multilevel_regression_test(YI, VI, column, X)


PATHS = (("arm", "intention"), ("intention", "behavior"))
VARIABLES = ["arm", "intention", "behavior"]

COLUMNS: dict[str, Column] = {
    "arrays.as_labels.labels": Column(lambda c: arrays.as_labels(c, K, "cluster"), GROUPS),
    "arrays.as_levels.labels": Column(lambda c: arrays.as_levels(c, K, "arm"), GROUPS),
    "arrays.as_texts.labels": Column(lambda c: arrays.as_texts(c, K, "arm"), GROUPS),
    "arrays.read_column.labels": Column(lambda c: arrays.read_column(c, K, "arm"), GROUPS),
    "arrays.as_names.names": Column(lambda c: arrays.as_names(c, "names", "term"), GROUPS),
    "arrays.coefficient_names.names": Column(lambda c: arrays.coefficient_names(c, K), GROUPS),
    "labels.read_labels.labels": Column(lambda c: labels.read_labels(c, "arm"), GROUPS),
    "bias.cluster_bootstrap.cluster_bootstrap.cluster": Column(_sums, TRIALS),
    "bias.regression_tests.multilevel_regression_test.cluster": Column(_residual, TRIALS),
    "clustering.anova_icc.arm": Column(lambda c: anova_icc(MANY, c, CLUSTERS), ARMS),
    "clustering.anova_icc.cluster": Column(lambda c: anova_icc(MANY, ARMS, c), CLUSTERS),
    "dependent.blocks.make_blocks.cluster": Column(lambda c: lib.make_blocks(YI, VI, c), TRIALS),
    "dependent.blocks.make_blocks.outcome": Column(
        lambda c: lib.make_blocks(YI, VI, TRIALS, c), KINDS),
    "dependent.blocks.make_blocks.outcome_names": Column(
        lambda c: lib.make_blocks(YI, VI, TRIALS, KINDS, outcome_names=c),
        ["behavior", "intention"], free=False),
    "dependent.crossed.fit_crossed.factors": Column(_crossed, GROUPS),
    "dependent.crossed.fit_crossed.names": Column(
        lambda c: lib.fit_crossed(
            YI, VI, {"team": GROUPS}, np.column_stack([np.ones(K), X]), names=c), ["one", "x"]),
    "dependent.rve.robust_regression.cluster": Column(
        lambda c: lib.robust_regression(YI, VI, c), TRIALS),
    "dependent.rve.robust_regression.names": Column(
        lambda c: lib.robust_regression(YI, VI, TRIALS, np.column_stack([np.ones(K), X]), names=c),
        ["one", "x"]),
    "effect_sizes.measures.compute_effect_sizes.measure": Column(
        _effects, ["SMD", "MD", "SMD", "MD"], free=False),
    "gap.correlation_matrices.CorrelationStudies.variables": Column(
        lambda c: lib.pool_correlation_matrices(_studies(c)), VARIABLES),
    "gap.correlation_matrices.variable_names.variables": Column(variable_names, VARIABLES),
    "gap.correlation_matrices.pairs_of.variables": Column(pairs_of, VARIABLES),
    "gap.correlation_matrices.regression_from_matrix.predictors": Column(
        lambda c: lib.regression_from_matrix(
            lib.pool_correlation_matrices(_studies(VARIABLES)), "behavior", c),
        ["intention", "arm"], free=False),
    "gap.joint.fit_joint.trial": Column(lambda c: lib.fit_joint(YI, VI, c, KINDS), TRIALS),
    "gap.joint.fit_joint.outcome": Column(
        lambda c: lib.fit_joint(YI, VI, TRIALS, c), KINDS, free=False),
    "gap.moderation.fit_moderated_gap.trial": Column(lambda c: _moderated(c, KINDS), TRIALS),
    "gap.moderation.fit_moderated_gap.outcome": Column(
        lambda c: _moderated(TRIALS, c), KINDS, free=False),
    "gap.participants.pooled_within_arm_correlation.arm": Column(
        lambda c: pooled_within_arm_correlation(MANY, OTHER, c), ARMS),
    "gap.path_models.PathModel.variables": Column(
        lambda c: lib.PathModel(c, PATHS), VARIABLES, free=False),
    "gap.path_models.PathModel.paths": Column(
        lambda c: lib.PathModel(VARIABLES, (c, PATHS[1])), PATHS[0], free=False),
    "participant_checks.correlation_check.arm": Column(
        lambda c: correlation_check(MANY, OTHER, c), ARMS),
    "synthesis.gap_estimates.within_arm_slope.pairs": Column(
        _slope("trial_id"), ["a", "b", "c", "a"], by_value=True),
    "synthesis.moderators.declared_moderators.rows": Column(
        _declared("moderator"), ["weeks", "kind", "weeks"], by_value=True),
    "synthesis.moderators.declared_moderators.rows (kind)": Column(
        _declared("kind"), ["category", "number", "category"], by_value=True),
    "synthesis.moderators.declared_moderators.rows (trial)": Column(
        _declared("trial_id"), ["t1", "t2", "t3"], by_value=True),
    "synthesis.inputs.group_inputs.effects": Column(
        _inputs("effects", "trial_id"), TRIALS, by_value=True),
    "synthesis.inputs.group_inputs.effects (synthesis)": Column(
        _inputs("effects", "synthesis"), ["main", "other"] * 6, by_value=True),
    "synthesis.inputs.group_inputs.covariances": Column(
        _inputs("covariances", "trial_id"), TRIALS[::2], free=False, by_value=True),
    "synthesis.inputs.group_inputs.assumed_covariances": Column(
        _inputs("assumed", "trial_id"), TRIALS[::2], free=False, by_value=True),
    "synthesis.inputs.group_inputs.pairs": Column(
        _inputs("pairs", "synthesis"), ["main"] * 3, free=False, by_value=True),
    "synthesis.stack.labeled.records": Column(
        lambda c: labeled([{"trial": one} for one in c], ["trial"]), GROUPS, by_value=True),
    "synthesis.stack.Stack.from_records.effects": Column(
        _stack("trial_id"), TRIALS, by_value=True),
    "synthesis.stack.Stack.from_records.effects (effect)": Column(
        _stack("effect_id"), [f"e{i}" for i in range(K)], by_value=True),
    "synthesis.stack.Stack.from_records.effects (synthesis)": Column(
        _stack("synthesis"), ["main", "other"] * 6, by_value=True),
    "synthesis.stack.Stack.from_records.effects (construct)": Column(
        _stack("construct"), KINDS, by_value=True),
    "synthesis.stack.Stack.from_records.covariances": Column(
        _covariances("trial_id"), TRIALS[::2], free=False, by_value=True),
    "synthesis.stack.Stack.from_records.covariances (effect)": Column(
        _covariances("effect_id_2"), [f"e{2 * i + 1}" for i in range(6)], free=False,
        by_value=True),
    "univariate.designs.make_design.table": Column(_design, GROUPS),
    "univariate.location_scale.fit_location_scale.names": Column(
        lambda c: lib.fit_location_scale(
            YI, VI, np.column_stack([np.ones(K), X]), names=c).location.names, ["one", "x"]),
    "univariate.location_scale.fit_location_scale.scale_names": Column(
        lambda c: lib.fit_location_scale(
            YI, VI, None, np.column_stack([np.ones(K), X]), scale_names=c).scale.names,
        ["one", "x"]),
    "univariate.meta_regression.fit_meta_regression.names": Column(
        lambda c: lib.fit_meta_regression(YI, VI, np.column_stack([np.ones(K), X]), names=c),
        ["one", "x"]),
    "univariate.subgroups.fit_subgroups.levels": Column(
        lambda c: lib.fit_subgroups(YI, VI, c), GROUPS),
}  # fmt: skip
"""Columns of labels that must be complete, by module, function and parameter."""


def _arms(**given: Any) -> dict[str, Any]:
    return {"outcome": "score", "intervention": "new", "comparator": "usual"} | given


def _smd(**given: Any) -> Any:
    return lib.smd_arms(**_arms(**given), g=0.3, j=0.99, n1=20, n2=21)


def _binary(**given: Any) -> Any:
    return lib.binary_arms(**_arms(**given), measure="OR", p1=0.2, p2=0.3, n1=20, n2=21)


def _bare(**given: Any) -> Any:
    return EffectArms(**_arms(**given), n1=20, n2=21, k1=1.0, k2=1.0)


SINGLE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "arrays.as_label.label": (lambda one: arrays.as_label(one, "arm"), "new"),
    "dependent.covariances.smd_arms.outcome": (lambda one: _smd(outcome=one), "score"),
    "dependent.covariances.smd_arms.intervention": (lambda one: _smd(intervention=one), "new"),
    "dependent.covariances.smd_arms.comparator": (lambda one: _smd(comparator=one), "usual"),
    "dependent.covariances.binary_arms.outcome": (lambda one: _binary(outcome=one), "score"),
    "dependent.covariances.binary_arms.intervention": (
        lambda one: _binary(intervention=one), "new"),
    "dependent.covariances.binary_arms.comparator": (lambda one: _binary(comparator=one), "usual"),
    "dependent.covariances.EffectArms.outcome": (lambda one: _bare(outcome=one), "score"),
    "dependent.covariances.EffectArms.intervention": (lambda one: _bare(intervention=one), "new"),
    "dependent.covariances.EffectArms.comparator": (lambda one: _bare(comparator=one), "usual"),
    "gap.correlation_matrices.regression_from_matrix.outcome": (
        lambda one: lib.regression_from_matrix(
            lib.pool_correlation_matrices(_studies(VARIABLES)), one, ["arm"]), "behavior"),
    "gap.incomplete_participants.ParticipantTrial.name": (
        lambda one: lib.participant_gap(_trials([one, "b", "c"])), "a"),
    "gap.joint.fit_joint.upstream": (
        lambda one: lib.fit_joint(YI, VI, TRIALS, KINDS, upstream=one), "intention"),
    "gap.joint.fit_joint.behavior": (
        lambda one: lib.fit_joint(YI, VI, TRIALS, KINDS, behavior=one), "behavior"),
    "gap.moderation.fit_moderated_gap.upstream": (
        lambda one: lib.fit_moderated_gap(
            YI, VI, TRIALS, KINDS, lib.make_design({"x": X}, ["x"]), upstream=one), "intention"),
    "gap.moderation.fit_moderated_gap.behavior": (
        lambda one: lib.fit_moderated_gap(
            YI, VI, TRIALS, KINDS, lib.make_design({"x": X}, ["x"]), behavior=one), "behavior"),
    "univariate.designs.make_design.reference": (
        lambda one: lib.make_design({"kind": GROUPS}, ["kind"], reference={"kind": one}), "b"),
}  # fmt: skip
"""Labels that stand alone: the result for a label, and a valid one."""

MISSING_MEANS_SOMETHING = {
    "agreement.rater_agreement.codings": "a coder who did not code a unit",
    "labels.texts_or_none.labels": "says which are missing",
    "labels.items_of.labels": "says which are missing",
    "synthesis.moderators.Moderator.values": "a trial of which the property is not stated",
}
"""Where a label may be missing, and what that says."""

NO_LABELS = {
    "dependent.blocks.BlockGroup.outcome": "codes of labels that passed make_blocks",
    "dependent.blocks.EffectBlocks.cluster": "codes of labels that passed make_blocks",
    "dependent.blocks.EffectBlocks.outcome": "codes of labels that passed make_blocks",
    "dependent.blocks.EffectBlocks.outcome_names": "names that passed make_blocks",
    "dependent.blocks.check_positive_definite.whose": "beginnings of messages",
    "dependent.covariances.binary_arms.measure": "a choice of a known list",
    "effect_sizes.correlation.partial_correlation.predictors": "a number of them",
    "effect_sizes.correlation.semipartial_correlation.predictors": "a number of them",
    "effect_sizes.measures.compute_effect_sizes.table": "columns of numbers",
    "effect_sizes.measures.inputs_of.measure": "a choice of a known list",
    "gap.action_control.split_behavior_effect.intervention": "counts",
    "gap.action_control.split_behavior_effect.comparator": "counts",
    "gap.contributions.Members.person": "positions",
    "gap.contributions.arm_sums.persons": "how many persons a row stands for",
    "gap.contributions.effect_correlations.block": "how many persons are looked at together",
    "gap.contributions.effect_correlations.persons": "how many persons a row stands for",
    "gap.incomplete_participants.ParticipantTrial.behavior": "numbers",
    "gap.incomplete_participants.impute_behavior.trial": "a trial whose name passed its own door",
    "gap.indirect.pool_indirect.paths": "numbers",
    "gap.participants.Influence.person": "positions",
    "gap.participants.adjusted_difference_influence.person": "positions",
    "gap.participants.log_odds_influence.person": "positions",
    "gap.participants.smd_influence.person": "positions",
    "gap.estimands.unpaired_reason.upstream": "a word of a sentence",
    "dependent.blocks.arrange_effects.labels": "labels that make_blocks or a stack read",
    "dependent.blocks.arrange_effects.names": "labels that make_blocks or a stack read",
    "gap.estimands.unpaired_reason.behavior": "a word of a sentence",
    "gap.participants.smd_influence.persons": "how many persons a row stands for",
    "gap.participants.log_odds_influence.persons": "how many persons a row stands for",
    "gap.participants.influence_correlations.persons": "how many persons a row stands for",
    "gap.participants.pool_within_arms.arms": "numbers of each arm",
    "gap.participants.pooled_within_arm_correlation.persons": "how many persons a row stands for",
    "labels.Labels.names": "texts that read_labels made",
    "rare_events.quadrature.integrate_pairs.pairs": "numbers",
    "rare_events.stratified.mantel_haenszel.measure": "a choice of a known list",
    "rare_events.stratified.mantel_haenszel_rates.measure": "a choice of a known list",
    "rare_events.two_groups.two_group_counts.levels": "a choice: fixed or random",
    "synthesis.gap_estimates.joint_model.upstream": "picks a construct of a stack",
    "synthesis.gap_estimates.share_assumed.pairs": "counts them",
    "synthesis.gap_estimates.try_joint_model.upstream": "picks a construct of a stack",
    "synthesis.inputs.GroupInputs.upstream": "picks a construct of a stack",
    "synthesis.inputs.GroupInputs.pairs": "hands them to within_arm_slope",
    "synthesis.moderator_effects.compare_levels.outcome": "effects that Stack.from_records read",
    "synthesis.pooled_effects.pool_outcome.outcome": "effects that Stack.from_records read",
    "synthesis.pooled_effects.pooled_natural_scales.effects": "are looked up for a stack's",
    "synthesis.pooled_effects.pool_subset.upstream": "picks a construct of a stack",
    "synthesis.stack.TrialEffects.records": "records that passed Stack.from_records",
    "synthesis.stack.subsets.upstream": "picks a construct of a stack",
    "synthesis.stack.with_both.upstream": "picks a construct of a stack",
    "univariate.designs.Design.names": "names that make_design made",
    "univariate.designs.Design.levels": "names that make_design made",
    "univariate.meta_regression.describe_coefficients.names": "names that a fit has checked",
}
"""Parameters that share a name with labels and hold none, and what they hold."""

NAMES = {
    "arm", "arms", "behavior", "block", "blocks_of", "cluster", "codings", "coder",
    "comparator", "factors", "group_of", "intervention", "label", "labels", "levels", "measure",
    "names", "outcome", "outcome_names", "outcomes", "pairs", "paths", "person", "persons",
    "predictors", "rater", "raters", "records", "reference_level", "scale_names", "slab", "stratum",
    "strata", "studies_of", "study", "subgroup", "subgroups", "subject", "table", "trial", "units",
    "upstream", "variables", "whose",
}  # fmt: skip
"""What parameters with labels are called."""


def parameters() -> Iterator[tuple[str, inspect.Parameter]]:
    """Every parameter of every public function and input class but of figures, which draw texts."""
    for module in pkgutil.walk_packages(lib.__path__, "analysis."):
        if module.name.startswith("ibgap.figures"):
            continue
        for name, found in vars(importlib.import_module(module.name)).items():
            own = getattr(found, "__module__", "") == module.name and not name.startswith("_")
            if not own or not (inspect.isfunction(found) or inspect.isclass(found)):
                continue
            is_output = inspect.isclass(found) and issubclass(found, Result | Exception)
            if is_output and found is not EffectArms:
                continue
            place = f"{module.name.removeprefix('analysis.')}.{name}"
            made = [key for key, one in vars(found).items() if isinstance(one, classmethod)]
            calls = {place: found} | {f"{place}.{key}": getattr(found, key) for key in made}
            for where, call in calls.items():
                for one in inspect.signature(call).parameters.values():
                    yield f"{where}.{one.name}", one


def holds_labels(parameter: inspect.Parameter) -> bool:
    """Whether a parameter is called or annotated like a column or records with labels."""
    kind = str(parameter.annotation)
    return parameter.name in NAMES or "Iterable[Any]" in kind or "Iterable[Record]" in kind


def plain(value: Any) -> Any:
    """A result as something that is equal only when it is the same bit for bit."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return tuple(plain(one) for one in value.ravel())
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value.hex()
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return [(plain(key), plain(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
