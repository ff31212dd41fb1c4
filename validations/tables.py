"""The published tables, declared once: columns, kinds, units and meanings.

The same quantity has the same name and meaning in every table. Adding a column is a minor
change of `SCHEMA_VERSION`, removing or redefining one a major change.
"""

from __future__ import annotations

import pandas as pd

from validations import files_read
from validations.schema import Column, Kind, TableSchema

SCHEMA_VERSION = "1.4"

_MEANINGS: dict[str, tuple[Kind, str, str]] = {
    # identifiers
    "trial_id": ("text", "", "trial; studies of a review-level table are collection/study"),
    "collection_id": ("text", "", "trial folder the trial came from"),
    "study_label": ("text", "", "name of the trial for people"),
    "synthesis": ("text", "", "group of trials that are pooled together"),
    "upstream_construct": ("text", "", "construct set against behavior (intention in main)"),
    "topic": ("text", "", "domain of the behavior"),
    "comparison_id": ("text", "", "intervention arm versus comparator arm"),
    "comparison": ("text", "", "text that tells comparisons of a study apart, as found"),
    "intervention_arm": ("text", "", "arm id of the intervention"),
    "comparator_arm": ("text", "", "arm id of the comparator"),
    "outcome_row_id": ("text", "", "outcome row: trial, comparison, outcome, instrument, time"),
    "effect_id": ("text", "", "outcome row and measure"),
    "effect_id_1": ("text", "", "first effect of the pair"),
    "effect_id_2": ("text", "", "second effect of the pair"),
    "pair_id": ("text", "", "upstream effect and behavior outcome"),
    "upstream_effect_id": ("text", "", "effect on the upstream construct"),
    "behavior_effect_id": ("text", "", "effect on behavior"),
    "outcome_id": ("text", "", "outcome as the manifest calls it"),
    "outcome_label": ("text", "", "name of the outcome for people"),
    "upstream_label": ("text", "", "name of the upstream outcome"),
    "behavior_label": ("text", "", "name of the behavior outcome"),
    "label": ("text", "", "name for people"),
    # trials and arms
    "year": ("integer", "year", "year of publication"),
    "country": ("text", "ISO 3166 alpha-3", "country"),
    "design": ("text", "", "design of the trial"),
    "randomized": ("boolean", "", "whether arms were assigned at random"),
    "n_analyzed": ("number", "persons", "largest number analyzed for any outcome"),
    "has_intention": ("boolean", "", "has an intention effect in the pools"),
    "has_behavior": ("boolean", "", "has a behavior effect in the pools"),
    "has_upstream": ("boolean", "", "has an effect on another construct in the pools"),
    "k_effects": ("integer", "effects", "number of effects"),
    "k_in_pool": ("integer", "effects", "number of effects in the pools"),
    "use": ("text", "", "how the trial is used, or why it is not"),
    "risk_of_bias": ("text", "", "overall judgment"),
    "risk_of_bias_tool": ("text", "", "tool of the judgment"),
    "citation": ("text", "", "full reference"),
    "doi": ("text", "", "digital object identifier"),
    "source": ("text", "", "where the data were taken from"),
    "license": ("text", "", "license of the data"),
    "notes": ("text", "", "notes and states a reader should know"),
    "arm_id": ("text", "", "arm"),
    "role": ("text", "", "role of the arm"),
    "is_comparator": ("boolean", "", "whether the arm is a comparator"),
    "n_randomized": ("number", "persons", "persons randomized to the arm"),
    # outcomes
    "construct": ("text", "", "what the outcome measures"),
    "instrument": ("text", "", "questionnaire, item, record or device"),
    "weeks": ("number", "weeks", "time since randomization"),
    "timepoint": ("text", "", "label of the time, as found"),
    "analysis_set": ("text", "", "which participants the numbers rest on"),
    "measured_by": ("text", "", "self-report, record, clinician, observation"),
    "target": ("text", "", "target of the act"),
    "action": ("text", "", "the act"),
    "context": ("text", "", "context of the act"),
    "time": ("text", "", "time frame of the act"),
    "higher_is_better": ("boolean", "", "declared direction of the outcome"),
    "primary": ("boolean", "", "whether the outcome enters the pools"),
    "scale_type": ("text", "", "continuous, ordinal or binary"),
    "scale_min": ("number", "instrument", "lowest possible score"),
    "scale_max": ("number", "instrument", "highest possible score"),
    "standardizer": ("text", "", "SD that standardizes the difference"),
    "basis": ("text", "", "kind of data the row rests on"),
    "n1": ("number", "persons", "analyzed, intervention"),
    "m1": ("number", "instrument", "mean, intervention"),
    "sd1": ("number", "instrument", "standard deviation, intervention"),
    "events1": ("number", "persons", "with the event, intervention"),
    "n2": ("number", "persons", "analyzed, comparator"),
    "m2": ("number", "instrument", "mean, comparator"),
    "sd2": ("number", "instrument", "standard deviation, comparator"),
    "events2": ("number", "persons", "with the event, comparator"),
    "adjusted_difference": ("number", "instrument", "baseline-adjusted difference of means"),
    "sd_pooled": ("number", "instrument", "pooled SD of the raw outcome"),
    "covariate_r": ("number", "", "within-arm correlation of outcome and baseline"),
    "reported_statistic": ("text", "", "which statistic the report printed"),
    "statistic": ("number", "", "test statistic of the estimate"),
    "reported_value": ("number", "as printed", "printed value"),
    "reported_se": ("number", "as printed", "printed standard error"),
    "reported_variance": ("number", "as printed squared", "printed sampling variance"),
    "reported_ci_lb": ("number", "as printed", "printed lower confidence limit"),
    "reported_ci_ub": ("number", "as printed", "printed upper confidence limit"),
    "reported_ci_level": ("number", "", "level of the printed interval"),
    "reported_sd": ("number", "instrument", "printed SD that standardizes a difference"),
    "reported_p": ("number", "", "printed two-sided p-value"),
    "reported_risk2": ("number", "", "printed share with the event, comparator"),
    "favors": ("text", "", "printed direction"),
    "design_effect": ("number", "", "factor on the variance for clustering"),
    "file": ("text", "", "data file of the trial folder"),
    "rows": ("text", "", "rows of the file"),
    "withheld": ("text", "", "what the disclosure rules changed in this row"),
    # effects
    "measure": ("text", "", "SMD, log OR, log RR, RD or MD, by metafor's codes"),
    "yi": ("number", "measure", "effect; positive = as the intervention intends"),
    "vi": ("number", "measure squared", "sampling variance of yi"),
    "sei": ("number", "measure", "standard error of yi"),
    "formula": ("text", "", "formulas of yi and vi"),
    "turned": ("boolean", "", "whether the sign was turned because lower is better"),
    "in_pool": ("boolean", "", "whether the effect enters the pools"),
    "reason": ("text", "", "why a number is missing or set aside"),
    "upstream_yi": ("number", "SMD", "upstream effect"),
    "upstream_vi": ("number", "SMD squared", "its sampling variance"),
    "behavior_yi": ("number", "SMD", "behavior effect"),
    "behavior_vi": ("number", "SMD squared", "its sampling variance"),
    "lag_weeks": ("number", "weeks", "behavior minus upstream measurement"),
    "tact_match": (
        "integer",
        "of 4",
        "agreement on target, action, context and time; unstated ones agree",
    ),
    "rho_within_arm": ("number", "", "within-arm correlation of the two outcomes"),
    "rho_latent": (
        "number",
        "",
        "the same on the scale of the effects: binary outcomes as cuts of a latent normal",
    ),
    "rho_n": ("number", "persons", "persons the correlation rests on"),
    "rho_variance": ("number", "", "sampling variance of the correlation"),
    "rho_origin": ("text", "", "where the correlation comes from"),
    "covariance": ("number", "SMD squared", "sampling covariance of the two effects"),
    "correlation": ("number", "", "sampling correlation of the two effects"),
    "correlation_of_estimates": ("number", "", "sampling correlation of the two effects"),
    "origin": ("text", "", "where the correlation comes from"),
    "difference": ("number", "SMD", "upstream minus behavior effect of the trial"),
    "difference_vi": ("number", "SMD squared", "its sampling variance"),
    # pooled
    "subset": ("text", "", "which trials are in"),
    "model": ("text", "", "how several effects of a trial are handled"),
    "k_trials": ("integer", "trials", "number of trials"),
    "mu": ("number", "measure", "pooled effect"),
    "se": ("number", "measure", "standard error"),
    "df": ("number", "", "degrees of freedom (infinite for normal)"),
    "pvalue": ("number", "", "two-sided p-value"),
    "ci_lb": ("number", "measure", "lower confidence limit"),
    "ci_ub": ("number", "measure", "upper confidence limit"),
    "pi_lb": ("number", "measure", "lower prediction limit"),
    "pi_ub": ("number", "measure", "upper prediction limit"),
    "tau2": ("number", "measure squared", "variance of true effects between trials"),
    "tau2_lb": ("number", "measure squared", "lower Q-profile limit"),
    "tau2_ub": ("number", "measure squared", "upper Q-profile limit"),
    "omega2": ("number", "measure squared", "variance of true effects within a trial"),
    "q": ("number", "", "Cochran's Q"),
    "q_df": ("number", "", "degrees of freedom of Q"),
    "q_pvalue": ("number", "", "p-value of Q"),
    "i2": ("number", "percent", "share of variation not due to sampling"),
    "h2": ("number", "", "total over sampling variation"),
    "tau2_method": ("text", "", "estimator of tau2"),
    "ci_method": ("text", "", "confidence interval method"),
    "pi_method": ("text", "", "prediction interval method"),
    "level": ("number", "", "confidence level"),
    "is_primary": ("boolean", "", "whether this is the primary analysis of its subset"),
    "status": ("text", "", "ok, or the state that limits the number"),
    "verdict": (
        "text",
        "",
        "above, below or unsettled: where the interval lies against no effect or no gap; none: "
        "nothing may be said of this row",
    ),
    "verdict_reason": ("text", "", "why there is no verdict"),
    # gap
    "estimand": ("text", "", "which question the estimate answers"),
    "estimate": ("number", "see estimand", "estimate"),
    "interval_kind": ("text", "", "confidence, prediction, or kind of Fieller set"),
    "method": ("text", "", "how the number or its uncertainty was made"),
    "k_upstream": ("integer", "trials", "trials with an upstream effect"),
    "k_behavior": ("integer", "trials", "trials with a behavior effect"),
    "k_paired": ("integer", "trials", "trials with both"),
    "mu_upstream": ("number", "SMD", "upstream mean of the joint model"),
    "mu_behavior": ("number", "SMD", "behavior mean of the joint model"),
    "tau2_upstream": ("number", "SMD squared", "between-trial variance, upstream"),
    "tau2_behavior": ("number", "SMD squared", "between-trial variance, behavior"),
    "tau_covariance": ("number", "SMD squared", "between-trial covariance"),
    "omega2_upstream": ("number", "SMD squared", "within-trial variance, upstream"),
    "omega2_behavior": ("number", "SMD squared", "within-trial variance, behavior"),
    "slope": ("number", "", "slope named by the table"),
    "slope_origin": ("text", "", "trials the within-arm slope comes from"),
    "assumed_correlation": ("number", "", "within-arm correlation where none is known"),
    "share_of_pairs_assumed": ("number", "", "share of pairs whose correlation is assumed"),
    "slope_se": ("number", "", "standard error of the slope"),
    "slope_ci_lb": ("number", "", "lower limit of the slope"),
    "slope_ci_ub": ("number", "", "upper limit of the slope"),
    "intercept": ("number", "SMD", "behavior effect at an upstream effect of 0"),
    "residual_variance": ("number", "SMD squared", "between-trial variance around the line"),
    "r2": ("number", "", "share of between-trial variance of behavior explained"),
    "r2_se": ("number", "", "standard error of r2"),
    "threshold_effect": ("number", "SMD", "surrogate threshold effect"),
    "threshold_target": ("number", "SMD", "behavior effect it must promise"),
    "analysis": ("text", "", "what is varied"),
    "value": ("text", "", "the value it takes"),
    # action control
    "row_kind": ("text", "", "arm, split (contrast of arms) or pooled"),
    "arm_group": ("text", "", "intervention, comparator or contrast"),
    "intention": ("text", "", "outcome id of the intention"),
    "behavior": ("text", "", "outcome id of the behavior"),
    "intender_rule": ("text", "", "how a score became intends / does not"),
    "inclined_actors": ("number", "persons", "intended and acted"),
    "inclined_abstainers": ("number", "persons", "intended, did not act"),
    "disinclined_actors": ("number", "persons", "did not intend, acted"),
    "disinclined_abstainers": ("number", "persons", "did not intend, did not act"),
    "n": ("number", "persons", "persons"),
    "k": ("integer", "samples", "samples"),
    "k_used": ("integer", "samples", "samples used in the pool"),
    "p_intend": ("number", "share", "share who intend"),
    "p_act": ("number", "share", "share who act"),
    "p_act_given_intend": ("number", "share", "P(act | intend)"),
    "p_act_given_intend_ci_lb": ("number", "share", "lower limit"),
    "p_act_given_intend_ci_ub": ("number", "share", "upper limit"),
    "p_act_given_no_intend": ("number", "share", "P(act | not intend)"),
    "p_act_given_no_intend_ci_lb": ("number", "share", "lower limit"),
    "p_act_given_no_intend_ci_ub": ("number", "share", "upper limit"),
    "action_control_gap": ("number", "share", "1 - P(act | intend)"),
    "share_inclined_actors": ("number", "share", "of all persons"),
    "share_inclined_abstainers": ("number", "share", "of all persons"),
    "share_disinclined_actors": ("number", "share", "of all persons"),
    "share_disinclined_abstainers": ("number", "share", "of all persons"),
    "risk_difference": ("number", "share", "P(act) intervention minus comparator"),
    "more_intend": ("number", "share", "part: more people intend"),
    "intenders_act": ("number", "share", "part: more intenders act (descriptive)"),
    "others_act": ("number", "share", "part: more non-intenders act (descriptive)"),
    # moderators, bias, barriers, correlations
    "moderator": ("text", "", "property of trials"),
    "barrier_dimension": ("text", "", "barrier dimension of the codebook"),
    "framework_layer": ("text", "", "layer of the framework"),
    "level_value": ("text", "", "level of the moderator, or the slope on a numeric one"),
    "f": ("number", "", "F of no difference between levels"),
    "df_num": ("number", "", "numerator df"),
    "df_denom": ("number", "", "denominator df"),
    "check": ("text", "", "which check"),
    "adjusted": ("number", "SMD", "mean adjusted for small-study effects"),
    "adjusted_ci_lb": ("number", "SMD", "lower limit"),
    "adjusted_ci_ub": ("number", "SMD", "upper limit"),
    "k_left_out": ("integer", "trials", "trials without a usable value of the moderator"),
    "left_out": ("text", "", "how many trials are left out for which reason"),
    "k_imputed": ("integer", "trials", "trials that trim and fill adds"),
    "selection_weight": ("number", "ratio", "chance to be seen of results with p above .025"),
    "limit": ("number", "SMD", "effect at standard error 0"),
    "limit_ci_lb": ("number", "SMD", "lower limit"),
    "limit_ci_ub": ("number", "SMD", "upper limit"),
    "dimension": ("text", "", "barrier dimension"),
    "layer": ("text", "", "framework layer"),
    "n_sources": ("number", "publications", "publications coded into it"),
    "n_reference_points": ("number", "passages", "passages coded into it"),
    "percent": ("number", "percent", "of all reference points"),
    "points_per_source": ("number", "passages per publication", "mean per publication"),
    "n_units": ("number", "units", "source-by-dimension units that two coders judged"),
    "agreement": ("number", "share", "units on which both coders agree"),
    "cohen_kappa": ("number", "", "Cohen's kappa"),
    "gwet_ac1": ("number", "", "Gwet's AC1"),
    "cohen_kappa_ci_lb": ("number", "", "lower limit of kappa (jackknife)"),
    "cohen_kappa_ci_ub": ("number", "", "upper limit of kappa"),
    "gwet_ac1_ci_lb": ("number", "", "lower limit of AC1 (jackknife)"),
    "gwet_ac1_ci_ub": ("number", "", "upper limit of AC1"),
    "krippendorff_alpha": ("number", "", "Krippendorff's alpha, nominal"),
    "krippendorff_alpha_ci_lb": ("number", "", "lower limit of alpha (jackknife)"),
    "krippendorff_alpha_ci_ub": ("number", "", "upper limit of alpha"),
    "variable_1": ("text", "", "outcome id"),
    "variable_2": ("text", "", "outcome id"),
    "n_total": ("number", "persons", "persons in all samples"),
    "r": ("number", "", "pooled correlation"),
    "r_ci_lb": ("number", "", "lower limit"),
    "r_ci_ub": ("number", "", "upper limit"),
    "r_pi_lb": ("number", "", "lower prediction limit"),
    "r_pi_ub": ("number", "", "upper prediction limit"),
    "z": ("number", "", "pooled Fisher z"),
    "z_se": ("number", "", "standard error of z"),
    "judgment": ("text", "", "low, some_concerns, high or no_information"),
    "domain": ("text", "", "domain of the tool"),
    # single trials and choices
    "mu_without": ("number", "SMD", "pooled effect without the trial"),
    "tau2_without": ("number", "SMD squared", "variance between trials without the trial"),
    "i2_without": ("number", "percent", "I2 without the trial"),
    "shift": ("number", "SMD", "pooled effect without the trial minus with it"),
    "rstudent": ("number", "SD", "effect minus the mean of the others, standardized"),
    "cook": ("number", "", "squared change of the mean over its variance"),
    "dffits": ("number", "", "change of the fitted value, standardized"),
    "weight": ("number", "percent", "weight of the trial in the pooled effect"),
    "baujat_x": ("number", "", "contribution to heterogeneity"),
    "baujat_y": ("number", "", "influence on the pooled effect"),
    "is_influential": ("boolean", "", "whether a rule of thumb flags the trial"),
    "specification": ("text", "", "the combination of choices"),
    "trials": ("text", "", "choice: which trials"),
    "follow_up": ("text", "", "choice: which follow-ups of behavior"),
    "measures": ("text", "", "choice: which measures of behavior"),
    "inference": ("text", "", "choice: robust (CR2) or model-based"),
    "effects": ("text", "", "choice: all effects of a trial or one per outcome"),
    "scale": ("text", "", "choice: how odds ratios became standardized differences"),
    "estimator": ("text", "", "choice: REML or ML"),
    # findings and release
    "rule_id": ("text", "", "rule that was checked"),
    "severity": ("text", "", "error, hold, warning or info"),
    "message": ("text", "", "what was found and what would be right"),
    "fix": ("text", "", "what to do next"),
    "row": ("integer", "", "row of the file, the header being row 1"),
    "column": ("text", "", "column of the file"),
    "subject": ("text", "", "outcome row that is set aside"),
    "count": ("integer", "rows", "rows that share the finding"),
    "waived_by": ("text", "", "who waived it"),
    "waiver_reason": ("text", "", "why"),
    "kind": ("text", "", "kind of record"),
    "source_id": ("text", "", "source of the manifest"),
    "table_name": ("text", "", "published table"),
    "column_name": ("text", "", "column of the table"),
    "column_kind": ("text", "", "text, number, integer or boolean"),
    "unit": ("text", "", "unit of the numbers"),
    "meaning": ("text", "", "what the column holds"),
    "release_id": ("text", "", "release"),
    "key": ("text", "", "what is recorded"),
    **files_read.MEANINGS,
}

_OUTCOMES = (
    "outcome_row_id trial_id collection_id study_label synthesis upstream_construct topic "
    "comparison_id comparison intervention_arm comparator_arm construct outcome_id outcome_label "
    "instrument weeks timepoint analysis_set measured_by target action context time "
    "higher_is_better primary randomized scale_type scale_min scale_max standardizer basis n1 m1 "
    "sd1 events1 n2 m2 sd2 events2 adjusted_difference sd_pooled covariate_r reported_statistic "
    "reported_value reported_se reported_variance reported_ci_lb reported_ci_ub reported_ci_level "
    "reported_sd reported_p reported_risk2 favors design_effect file rows withheld"
)

_TABLES: dict[str, tuple[str, str, str]] = {
    "trials": (
        "every trial, the unreadable ones included",
        "trial_id",
        "trial_id collection_id label year country topic synthesis design randomized n_analyzed "
        "has_intention has_behavior has_upstream k_effects k_in_pool use risk_of_bias "
        "risk_of_bias_tool citation doi source license notes",
    ),
    "arms": (
        "declared arms",
        "trial_id arm_id",
        "trial_id arm_id label role is_comparator n_randomized n_analyzed withheld",
    ),
    "instruments": (
        "declared outcomes with instrument, scale and act",
        "collection_id outcome_id",
        "collection_id outcome_id construct label instrument scale_type scale_min scale_max "
        "higher_is_better target action context time weeks measured_by analysis_set primary",
    ),
    "intention_outcomes": (
        "intention: one row per trial, comparison, instrument, time and analysis set",
        "outcome_row_id",
        _OUTCOMES,
    ),
    "behavior_outcomes": (
        "behavior: one row per trial, comparison, instrument, time and analysis set",
        "outcome_row_id",
        _OUTCOMES,
    ),
    "upstream_outcomes": (
        "every other construct; never passes for intention",
        "outcome_row_id",
        _OUTCOMES,
    ),
    "effects": (
        "effects of all outcome rows on the common and natural scales",
        "effect_id",
        "effect_id outcome_row_id trial_id collection_id study_label synthesis "
        "upstream_construct topic comparison_id intervention_arm comparator_arm construct "
        "outcome_id outcome_label instrument weeks timepoint analysis_set measured_by target "
        "action context time primary randomized basis n1 n2 design_effect measure yi vi sei "
        "ci_lb ci_ub formula turned in_pool reason file rows withheld",
    ),
    "effect_covariances": (
        "sampling covariances of the pooled effects of one trial",
        "effect_id_1 effect_id_2",
        "trial_id effect_id_1 effect_id_2 covariance correlation origin withheld",
    ),
    "paired_effects": (
        "upstream and behavior effects that belong together",
        "pair_id",
        "pair_id trial_id collection_id study_label synthesis comparison_id upstream_construct "
        "upstream_effect_id behavior_effect_id upstream_label behavior_label upstream_yi "
        "upstream_vi behavior_yi behavior_vi lag_weeks tact_match rho_within_arm rho_latent rho_n "
        "rho_variance rho_origin covariance correlation_of_estimates difference difference_vi "
        "withheld",
    ),
    "pooled_effects": (
        "pooled effects per synthesis, construct, subset and model",
        "",
        "synthesis construct subset measure model k_trials k_effects mu se statistic df pvalue "
        "ci_lb ci_ub pi_lb pi_ub tau2 tau2_lb tau2_ub omega2 q q_df q_pvalue i2 h2 tau2_method "
        "ci_method pi_method level is_primary status notes verdict verdict_reason",
    ),
    "pooled_correlations": (
        "pooled correlations of correlational sets, never mixed with trials",
        "",
        "synthesis variable_1 variable_2 k_trials n_total r r_ci_lb r_ci_ub r_pi_lb r_pi_ub z "
        "z_se tau2 i2 q method status notes",
    ),
    "gap_estimates": (
        "estimands of the intention-behavior gap from the joint model",
        "",
        "synthesis upstream_construct subset estimand estimate se statistic df pvalue ci_lb ci_ub "
        "interval_kind method k_upstream k_behavior k_paired mu_upstream mu_behavior "
        "tau2_upstream tau2_behavior tau_covariance omega2_upstream omega2_behavior slope "
        "slope_origin assumed_correlation share_of_pairs_assumed level is_primary status reason "
        "notes verdict verdict_reason",
    ),
    "surrogacy": (
        "trial-level line of behavior on upstream effects",
        "",
        "synthesis upstream_construct subset k_paired slope slope_se slope_ci_lb slope_ci_ub "
        "intercept residual_variance r2 r2_se threshold_effect threshold_target status reason "
        "verdict verdict_reason",
    ),
    "action_control": (
        "who of those who intend acts: per arm, split between arms, pooled",
        "",
        "row_kind trial_id arm_id arm_group intention behavior intender_rule inclined_actors "
        "inclined_abstainers disinclined_actors disinclined_abstainers n k k_used p_intend p_act "
        "p_act_given_intend p_act_given_intend_ci_lb p_act_given_intend_ci_ub "
        "p_act_given_no_intend p_act_given_no_intend_ci_lb p_act_given_no_intend_ci_ub "
        "action_control_gap share_inclined_actors share_inclined_abstainers "
        "share_disinclined_actors share_disinclined_abstainers risk_difference more_intend "
        "intenders_act others_act method status reason notes withheld",
    ),
    "moderator_effects": (
        "pooled effects by level of each moderator, with the test of no difference",
        "",
        "synthesis construct moderator barrier_dimension framework_layer level_value k_trials mu "
        "se ci_lb ci_ub tau2 f df_num df_denom pvalue status reason k_left_out left_out notes "
        "verdict verdict_reason",
    ),
    "bias_checks": (
        "small-study effects",
        "",
        "synthesis construct check k_trials slope slope_se statistic df pvalue limit limit_ci_lb "
        "limit_ci_ub adjusted adjusted_ci_lb adjusted_ci_ub k_imputed selection_weight method "
        "status reason",
    ),
    "moderators": (
        "declared moderators of every trial",
        "",
        "trial_id moderator kind value barrier_dimension framework_layer",
    ),
    "risk_of_bias": (
        "judgments by domain, as the manifests give them",
        "trial_id domain",
        "trial_id domain judgment",
    ),
    "assumed_covariances": (
        "covariances that depend on the assumed within-arm correlation, over its grid",
        "assumed_correlation effect_id_1 effect_id_2",
        "assumed_correlation trial_id effect_id_1 effect_id_2 covariance withheld",
    ),
    "influence": (
        "what single trials carry of each pooled effect",
        "",
        "synthesis construct trial_id mu_without ci_lb ci_ub tau2_without i2_without shift "
        "rstudent cook dffits weight baujat_x baujat_y is_influential notes",
    ),
    "specifications": (
        "the gap under every combination of the analyst's choices",
        "",
        "synthesis upstream_construct specification trials follow_up measures "
        "assumed_correlation effects scale estimator inference estimand estimate se df ci_lb "
        "ci_ub interval_kind method k_paired is_primary status reason verdict verdict_reason",
    ),
    "sensitivity": (
        "the gap over the assumed correlation, without each trial, and under other assumptions",
        "",
        "synthesis upstream_construct analysis value estimand estimate se df ci_lb ci_ub "
        "interval_kind method k_paired status reason verdict verdict_reason",
    ),
    "barrier_codings": (
        "barrier dimensions of coding tables",
        "",
        "collection_id dimension layer n_sources n_reference_points percent points_per_source "
        "n_units agreement cohen_kappa cohen_kappa_ci_lb cohen_kappa_ci_ub gwet_ac1 "
        "gwet_ac1_ci_lb gwet_ac1_ci_ub krippendorff_alpha krippendorff_alpha_ci_lb "
        "krippendorff_alpha_ci_ub",
    ),
    "participant_checks": (
        "independent checks on participant rows: cross-check of g, assumptions, reliability",
        "",
        "trial_id comparison_id outcome_id check estimate statistic pvalue n status reason "
        "withheld",
    ),
    "findings": (
        "everything wrong or doubtful, with what to do",
        "",
        "trial_id rule_id severity message fix file row column subject count status waived_by "
        "waiver_reason",
    ),
    "rejected_rows": (
        "rows set aside, with rule and reason",
        "",
        "trial_id kind source_id file row column rule_id reason",
    ),
    "files_read": files_read.TABLE,
    "codebook": (
        "every column of every published table",
        "table_name column_name",
        "table_name column_name column_kind unit meaning",
    ),
    "release": (
        "what the release was made from and with",
        "key",
        "release_id key value",
    ),
}


def _column(name: str, key: tuple[str, ...]) -> Column:
    kind, unit, description = _MEANINGS[name]
    allowed = files_read.VOCABULARIES.get(name, ())
    return Column(name, kind, description, unit, required=name in key, allowed=allowed)


def _declare() -> dict[str, TableSchema]:
    tables = {}
    for name, (description, key_text, columns) in _TABLES.items():
        key = tuple(key_text.split())
        tables[name] = TableSchema(
            name, description, tuple(_column(c, key) for c in columns.split()), key
        )
    return tables


TABLES: dict[str, TableSchema] = _declare()


def codebook() -> pd.DataFrame:
    """The declarations as a table, so that every reader of a release has them."""
    rows = [
        (name, column.name, column.kind, column.unit, column.description)
        for name, table in TABLES.items()
        for column in table.columns
    ]
    return pd.DataFrame(rows, columns=TABLES["codebook"].names)


def made_columns(name: str) -> list[str]:
    """Columns of a table as it is made; `withheld` is added when it is published."""
    return [column for column in TABLES[name].names if column != "withheld"]


def conform(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The frame with exactly the declared columns, in order, each of its declared kind.

    Missing columns become empty ones; undeclared ones are left out. Text that is missing
    becomes an empty text, numbers that are missing NaN.
    """
    out = {}
    for column in TABLES[name].columns:
        values = frame.get(column.name)
        if values is None or frame.empty:
            values = pd.Series([None] * len(frame), index=frame.index, dtype=object)
        out[column.name] = _as_kind(values, column.kind)
    return pd.DataFrame(out).reset_index(drop=True)


def _as_kind(values: pd.Series, kind: Kind) -> pd.Series:
    if kind == "text":
        text = [
            str(value) if known else "" for value, known in zip(values, values.notna(), strict=True)
        ]
        return pd.Series(text, index=values.index, dtype="string")
    if kind == "integer":
        return pd.to_numeric(values, errors="coerce").round().astype("Int64")
    if kind == "boolean":
        flags = [
            bool(v) if known else pd.NA for v, known in zip(values, values.notna(), strict=True)
        ]
        return pd.Series(flags, index=values.index, dtype="boolean")
    return pd.to_numeric(values, errors="coerce").astype("float64")
