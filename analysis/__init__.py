"""Estimators of the intention-behavior gap and everything it needs, as a plain library.

`from analysis import fit_random_effects, fit_joint` loads what is asked for and nothing else. All
functions take arrays, check them at the door (`EstimationError` says which rows), and return frozen
results with `.frame()` and a readable `str`. The handbook in docs/methods has a page per topic.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "effect_sizes.measures": (
        "MEASURES",
        "compute_effect_sizes",
        "inputs_of",
    ),
    "effect_sizes.standardized": (
        "glass_delta",
        "hedges_j",
        "mean_difference",
        "standardized_mean_difference",
        "standardized_mean_difference_unequal",
    ),
    "effect_sizes.adjusted": (
        "ancova_standardized_mean_difference",
        "cluster_standardized_mean_difference",
        "design_effect",
        "inflate_for_clustering",
    ),
    "effect_sizes.change": (
        "log_ratio_of_change",
        "mean_change",
        "pre_post_control",
        "standardized_change",
    ),
    "effect_sizes.ratios": (
        "log_coefficient_of_variation",
        "log_coefficient_of_variation_ratio",
        "log_mean",
        "log_ratio_of_means",
        "log_standard_deviation",
        "log_variability_ratio",
        "single_mean",
    ),
    "effect_sizes.binary": (
        "arcsine_difference",
        "log_odds_ratio",
        "log_risk_ratio",
        "odds_ratio_to_smd",
        "peto_log_odds_ratio",
        "risk_difference",
    ),
    "effect_sizes.proportions": (
        "incidence_rate",
        "incidence_rate_contrast",
        "proportion",
        "proportion_from_scale",
    ),
    "effect_sizes.correlation": (
        "correlation_to_smd",
        "fisher_z",
        "partial_correlation",
        "raw_correlation",
        "semipartial_correlation",
        "smd_to_correlation",
        "unbiased_correlation",
        "within_arm_correlation",
    ),
    "effect_sizes.association": (
        "biserial",
        "phi_coefficient",
        "point_biserial",
        "probit_difference",
        "reliability",
        "tetrachoric",
        "yule",
    ),
    "effect_sizes.conversions": (
        "correlations_to_smd_effects",
        "probability_of_superiority",
        "share_above_comparator_mean",
        "smd_effects_to_correlations",
        "smd_to_odds_ratio",
    ),
    "effect_sizes.quantiles": ("moments_from_quantiles",),
    "effect_sizes.reported": (
        "Reported",
        "smd_from_reported",
    ),
    "univariate.pooling": ("fit_random_effects",),
    "univariate.meta_regression": (
        "contrast_estimates",
        "fit_meta_regression",
        "predict",
        "variance_inflation",
    ),
    "univariate.designs": ("make_design",),
    "univariate.subgroups": ("fit_subgroups",),
    "univariate.location_scale": ("fit_location_scale",),
    "univariate.fixed_weights": ("weighted_mean",),
    "univariate.tau2": ("TAU2_METHODS",),
    "univariate.tau2_intervals": (
        "generalized_q_interval",
        "profile_likelihood_interval",
    ),
    "univariate.new_settings": (
        "bootstrap_prediction_interval",
        "calibrated_share_above",
        "share_above",
    ),
    "univariate.permutation": ("permutation_test",),
    "univariate.residuals": (
        "radial_coordinates",
        "regression_residuals",
        "shrunken_effects",
    ),
    "univariate.influence": ("influence",),
    "univariate.many": (
        "cumulative",
        "gosh",
        "leave_one_out",
        "pool_subsets",
    ),
    "univariate.batch": ("fit_many",),
    "rare_events.stratified": (
        "mantel_haenszel",
        "mantel_haenszel_rates",
        "peto",
        "table_tests",
    ),
    "rare_events.mixed_models": (
        "binomial_normal",
        "conditional_binomial",
        "hypergeometric_normal",
        "poisson_normal",
    ),
    "rare_events.two_groups": ("two_group_counts",),
    "dependent.blocks": ("make_blocks",),
    "dependent.covariances": (
        "binary_arms",
        "covariance_from_correlations",
        "effect_covariance",
        "smd_arms",
    ),
    "dependent.composites": ("make_composites",),
    "dependent.diagnostics": ("multilevel_diagnostics",),
    "dependent.multivariate": ("fit_multivariate",),
    "dependent.multilevel": (
        "i2_by_level",
        "omnibus_test",
        "predict_outcomes",
    ),
    "dependent.profile_intervals": ("profile_interval",),
    "dependent.robust": (
        "robust_covariance",
        "wald_test",
    ),
    "dependent.rve": ("robust_regression",),
    "dependent.wild_bootstrap": (
        "wild_bootstrap_interval",
        "wild_bootstrap_test",
    ),
    "dependent.crossed": ("fit_crossed",),
    "gap.joint": (
        "difference",
        "fit_joint",
        "gap_estimates",
        "log_transmission_ratio",
        "mediation_shortfall",
        "predictive_gap",
        "probability_rises_without_behavior",
        "transmission_ratio",
    ),
    "gap.fieller": ("fieller_set",),
    "gap.many_gaps": (
        "PairedEffects",
        "fit_many_gaps",
        "paired_effects",
    ),
    "gap.resampling": (
        "bootstrap_joint_model",
        "probability_without_behavior",
        "trial_level_r2",
        "trial_level_slope",
    ),
    "gap.moderation": ("fit_moderated_gap",),
    "gap.surrogacy": ("trial_level_surrogacy",),
    "gap.surrogacy_checks": (
        "daniels_hughes",
        "predict_left_out_trials",
        "same_sample_artefact",
    ),
    "gap.action_control": (
        "describe_action_control",
        "pool_composition",
        "pool_proportion",
        "split_behavior_effect",
    ),
    "gap.indirect": (
        "paths_from_correlations",
        "pool_indirect",
    ),
    "gap.correlation_matrices": (
        "CorrelationStudies",
        "correlation_covariance",
        "pool_correlation_matrices",
        "regression_from_matrix",
    ),
    "gap.path_models": (
        "PathModel",
        "fit_paths",
        "fit_paths_one_stage",
    ),
    "bias.small_study": (
        "egger_test",
        "pet_peese",
    ),
    "bias.regression_tests": (
        "harbord_test",
        "multilevel_regression_test",
        "peters_test",
        "regression_test",
        "size_predictor",
        "unrestricted_mean",
    ),
    "bias.rank_test": ("rank_test",),
    "bias.trim_and_fill": ("trim_and_fill",),
    "bias.selection_models": ("step_selection",),
    "bias.weight_functions": ("weighted_selection",),
    "bias.cluster_bootstrap": ("cluster_bootstrap",),
    "bias.henmi_copas": ("henmi_copas",),
    "bias.excess_significance": (
        "excess_significance",
        "fail_safe_number",
    ),
    "bias.missing_behavior": ("missing_behavior",),
    "agreement": ("rater_agreement",),
    "errors": ("EstimationError",),
    "results": ("Result",),
    "gap.incomplete_participants": (
        "combine_imputations",
        "impute_behavior",
        "ParticipantTrial",
        "participant_gap",
    ),
    "gap.one_stage": ("fit_one_stage",),
}
"""Public names by the module that holds them."""

_MODULE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name in _MODULE:
        return getattr(import_module(f"analysis.{_MODULE[name]}"), name)
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_MODULE]
