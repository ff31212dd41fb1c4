"""Schemas of the records read from trial files: what a row must be to be accepted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from validations.manifest.vocabulary import REPORTED_STATISTICS, BarrierDimension, FrameworkLayer
from validations.numbers import whole_events
from validations.schema import Column, RowRule, TableSchema
from validations.typed_frames import Cells

_N = "number of participants analyzed"


def _count(name: str, description: str, *, required: bool = False, at_least: float = 0) -> Column:
    return Column(
        name,
        "number",
        description,
        "persons",
        required,
        minimum=at_least,
        whole=True,
        fix=f"{name} is a number of persons, at least {at_least:g}",
    )


_ARM_DECLARED = RowRule(
    "arm_declared",
    "the arm is not one of the arms of the manifest",
    "declare the arm under `arms:` or translate its text under `recode:`",
    ("arm",),
)
_OUTCOME_DECLARED = RowRule(
    "outcome_declared",
    "the outcome is not one of the outcomes of the manifest",
    "declare the outcome under `outcomes:` or translate its text under `recode:`",
    ("outcome",),
)

RECORD_SCHEMAS: dict[str, TableSchema] = {
    "participant_rows": TableSchema(
        "participant_rows",
        "one participant's value of one outcome",
        (
            Column(
                "participant",
                "integer",
                "number of the person in the trial",
                required=True,
                fix="every participant needs an id",
            ),
            Column("arm", "text", "arm id", required=True, fix="every participant needs an arm"),
            Column("cluster", "text", "cluster of a cluster trial"),
            Column("outcome", "text", "outcome id", required=True),
            Column(
                "value",
                "number",
                "score, or 1 (yes) and 0 (no)",
                required=True,
                fix="correct the cell, or list its text under `missing_codes:`",
            ),
            Column(
                "baseline",
                "number",
                "value before the intervention",
                fix="correct the cell, or list its text under `missing_codes:`",
            ),
            Column("scale_min", "number", "lowest possible score"),
            Column("scale_max", "number", "highest possible score"),
        ),
        ("collection_id", "source_id", "outcome", "participant"),
        (
            _ARM_DECLARED,
            RowRule(
                "value_within_scale",
                "the value lies outside the declared scale",
                "correct the value or the scale; if it is a code, list it under `missing_codes:`",
                ("value",),
            ),
            RowRule(
                "value_yes_or_no",
                "the value of a binary outcome is neither yes nor no",
                "list the texts under `acted_values:` and `not_acted_values:`",
                ("value",),
            ),
        ),
        duplicate="this participant stands more than once for the outcome",
    ),
    "arm_summaries": TableSchema(
        "arm_summaries",
        "numbers of one arm for one outcome at one time",
        (
            Column("comparison", "text", "tells comparisons of a study apart"),
            Column("instrument", "text", "tells measures of one outcome apart"),
            Column("arm", "text", "arm id", required=True, fix="every row needs an arm"),
            Column(
                "outcome", "text", "outcome id", required=True, fix="every row needs an outcome"
            ),
            Column("weeks", "number", "weeks since randomization", "weeks", minimum=0),
            Column("days", "number", "days since randomization", "days", minimum=0),
            Column("timepoint", "text", "label of the time"),
            _count("n", _N, required=True, at_least=2),
            Column("mean", "number", "mean", "instrument"),
            Column(
                "sd",
                "number",
                "standard deviation",
                "instrument",
                above=0,
                fix="a standard deviation is greater than 0",
            ),
            Column(
                "se",
                "number",
                "standard error of the mean",
                "instrument",
                above=0,
                fix="a standard error is greater than 0",
            ),
            Column("median", "number", "median", "instrument"),
            Column("q1", "number", "first quartile", "instrument"),
            Column("q3", "number", "third quartile", "instrument"),
            Column("minimum", "number", "lowest value", "instrument"),
            Column("maximum", "number", "highest value", "instrument"),
            _count("events", "participants with the event"),
            Column(
                "percent",
                "number",
                "percent with the event",
                "percent",
                minimum=0,
                maximum=100,
                fix="a percentage lies between 0 and 100",
            ),
        ),
        ("trial_id", "comparison", "outcome", "instrument", "arm", "weeks", "days", "timepoint"),
        (
            _ARM_DECLARED,
            _OUTCOME_DECLARED,
            RowRule(
                "events_within_n",
                "there are more events than participants",
                "check which of the two numbers is wrong",
                ("events", "n"),
            ),
            RowRule(
                "percent_is_a_count",
                "the percent is no whole number of the n participants, rounded or cut off where "
                "it ends",
                "check percent and n; give 45 for 45 percent, not the share 0.45, and the n that "
                "the percent was taken of",
                ("percent", "n"),
            ),
            RowRule(
                "one_kind_of_numbers",
                "the row needs a mean with its SD (or SE), a median with quartiles or with lowest "
                "and highest value, or events",
                "give mean and sd, median with q1 and q3 (or minimum and maximum), or events (or "
                "percent)",
                ("mean", "sd", "median", "events"),
            ),
            RowRule(
                "quantiles_in_order",
                "lowest value, quartiles and median are not in order",
                "check these numbers",
                ("median", "q1", "q3", "minimum", "maximum"),
            ),
            RowRule(
                "quantiles_not_lopsided",
                "the median lies too far from the middle of its quartiles or range for a normal "
                "sample, so no mean and SD can be read off them",
                "use an effect the source prints (such as its p-value), or leave the row out",
                ("median",),
            ),
            RowRule(
                "mean_within_scale",
                "the mean or median lies outside the declared scale",
                "check it and the declared scale",
                ("mean", "median"),
            ),
            RowRule(
                "sd_possible_on_scale",
                "the SD is larger than any sample on the declared scale can have",
                "check the SD, the mean and the scale",
                ("sd",),
            ),
        ),
        duplicate="this arm, outcome and time stand more than once",
    ),
    "reported_effects": TableSchema(
        "reported_effects",
        "one printed effect",
        (
            Column("comparison", "text", "tells comparisons of a study apart"),
            Column("instrument", "text", "tells measures of one outcome apart"),
            Column("control_group", "text", "marks a shared control group"),
            Column("intervention", "text", "intervention arm id"),
            Column("comparator", "text", "comparator arm id"),
            Column(
                "outcome", "text", "outcome id", required=True, fix="every row needs an outcome"
            ),
            Column("weeks", "number", "weeks since randomization", "weeks", minimum=0),
            Column("days", "number", "days since randomization", "days", minimum=0),
            Column("timepoint", "text", "label of the time"),
            Column(
                "statistic",
                "text",
                "what was printed",
                required=True,
                allowed=REPORTED_STATISTICS,
                fix=f"use one of {', '.join(REPORTED_STATISTICS)} (see `recode:`)",
            ),
            Column("value", "number", "the printed value", "as printed"),
            Column(
                "se",
                "number",
                "standard error",
                "as printed",
                above=0,
                fix="a standard error is greater than 0",
            ),
            Column(
                "variance",
                "number",
                "sampling variance",
                "as printed squared",
                above=0,
                fix="a variance is greater than 0",
            ),
            Column("ci_lb", "number", "lower confidence limit", "as printed"),
            Column("ci_ub", "number", "upper confidence limit", "as printed"),
            Column(
                "ci_level",
                "number",
                "confidence level",
                "",
                above=0.5,
                below=1,
                fix="a level such as 0.95",
            ),
            _count("n1", f"{_N}, intervention", at_least=2),
            _count("n2", f"{_N}, comparator", at_least=2),
            Column(
                "sd",
                "number",
                "SD that standardizes",
                "instrument",
                above=0,
                fix="a standard deviation is greater than 0",
            ),
            Column(
                "p",
                "number",
                "two-sided p-value",
                "",
                minimum=0,
                maximum=1,
                tiny=True,
                fix="a p-value lies between 0 and 1",
            ),
            Column(
                "risk2",
                "number",
                "share with the event, comparator",
                "",
                minimum=0,
                maximum=1,
                fix="a share lies between 0 and 1",
            ),
            Column(
                "favors",
                "text",
                "direction",
                allowed=("intervention", "comparator", "reversed"),
                fix="use intervention, comparator or reversed",
            ),
        ),
        (
            "trial_id",
            "comparison",
            "intervention",
            "comparator",
            "outcome",
            "instrument",
            "weeks",
            "days",
            "timepoint",
            "statistic",
        ),
        (
            RowRule(
                "arms_told_apart",
                "the row does not say which arms it compares, and the manifest allows several "
                "comparisons",
                "give `intervention` and `comparator` in columns or under `values:`",
                ("intervention", "comparator"),
            ),
            RowRule(
                "arms_declared",
                "an arm is not one of the arms of the manifest",
                "declare them under `arms:` or translate their text under `recode:`",
                ("intervention", "comparator"),
            ),
            _OUTCOME_DECLARED,
            RowRule(
                "limits_in_order",
                "the lower confidence limit is not below the upper one",
                "check the two limits",
                ("ci_lb", "ci_ub"),
            ),
            RowRule(
                "value_within_limits",
                "the value does not lie between its confidence limits",
                "check the value and the limits",
                ("value", "ci_lb", "ci_ub"),
            ),
            RowRule(
                "ratio_above_zero",
                "an odds or risk ratio or its limit is not above 0",
                "give the ratio itself, not its logarithm",
                ("value", "ci_lb"),
            ),
        ),
        duplicate="this comparison, outcome, time and statistic stand more than once",
    ),
    "correlations": TableSchema(
        "correlations",
        "correlation of two variables in one sample",
        (
            Column("variable_1", "text", "outcome id", required=True, fix="name both variables"),
            Column("variable_2", "text", "outcome id", required=True, fix="name both variables"),
            Column(
                "r",
                "number",
                "correlation",
                required=True,
                above=-1,
                below=1,
                fix="a correlation lies strictly between -1 and 1",
            ),
            Column(
                "n",
                "number",
                _N,
                "persons",
                True,
                above=3,
                whole=True,
                fix="a correlation needs more than 3 participants",
            ),
        ),
        ("trial_id", "source_id", "variable_1", "variable_2"),
        (
            RowRule(
                "variables_declared",
                "a variable is not one of the outcomes of the manifest",
                "declare them under `outcomes:` or translate their text under `recode:`",
                ("variable_1", "variable_2"),
            ),
        ),
        duplicate="this pair of variables stands more than once",
    ),
    "intention_by_action": TableSchema(
        "intention_by_action",
        "counts of intended by acted in one arm",
        (
            Column("arm", "text", "arm id", required=True, fix="every row needs an arm"),
            Column("intention", "text", "outcome id of the intention", required=True),
            Column("behavior", "text", "outcome id of the behavior", required=True),
            _count("inclined_actors", "intended and acted", required=True),
            _count("inclined_abstainers", "intended and did not act", required=True),
            _count("disinclined_actors", "did not intend and acted", required=True),
            _count("disinclined_abstainers", "did not intend, did not act", required=True),
        ),
        ("trial_id", "arm", "intention", "behavior"),
        (
            _ARM_DECLARED,
            RowRule(
                "outcomes_declared",
                "the intention or the behavior is not one of the outcomes of the manifest",
                "declare them under `outcomes:` or translate their text under `recode:`",
                ("intention", "behavior"),
            ),
            RowRule(
                "counts_not_all_zero",
                "the four counts are fewer than 2 persons together",
                "check the counts",
                ("inclined_actors",),
            ),
        ),
        duplicate="this arm and pair of outcomes stand more than once",
    ),
    "barrier_codings": TableSchema(
        "barrier_codings",
        "how often a barrier dimension was coded",
        (
            Column(
                "dimension",
                "text",
                "barrier dimension",
                required=True,
                allowed=tuple(d.value for d in BarrierDimension),
                fix="use one of the five dimensions (see `recode:`)",
            ),
            Column(
                "layer",
                "text",
                "framework layer",
                allowed=tuple(f.value for f in FrameworkLayer),
                fix="use input, attitude_intention, moderating or output",
            ),
            Column("source", "text", "coded publication"),
            Column("coder", "text", "coder"),
            _count("n_sources", "publications coded into it"),
            _count("n_reference_points", "passages coded into it"),
        ),
        ("trial_id", "source_id", "dimension", "source", "coder"),
        duplicate="this dimension, source and coder stand more than once",
    ),
}


ACCEPTED_COLUMNS: dict[str, tuple[str, ...]] = {
    "participant_rows": (
        "trial_id",
        "collection_id",
        "study_label",
        "source_id",
        "file",
        "row",
        "outcome",
        "scale_type",
        "participant",
        "arm",
        "cluster",
        "value",
        "baseline",
    )
}
"""Columns that accepted rows keep, for kinds whose rows are many; the others keep all."""


def largest_possible_sd(
    mean: np.ndarray, n: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Largest sample SD of n values within [low, high] with this mean:
    sqrt((mean - low)(high - mean) n / (n - 1))."""
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum((mean - low) * (high - mean), 0.0) * (n / (n - 1))
        return np.asarray(variance**0.5)


EFFECTIVE_SIZES = "sizes:effective"
"""Rows whose numbers of persons are effective sample sizes, which need not be whole."""

_Check = Callable[[Cells], np.ndarray]
"""Cells by column, numbers cast -> for each row whether the rule holds."""


def _numbers(cells: Cells, *names: str) -> list[np.ndarray]:
    return [np.asarray(cells[name], dtype=float) for name in names]


def _known(cells: Cells, name: str) -> np.ndarray:
    return np.asarray(~np.isnan(_numbers(cells, name)[0]))


def _within_n(cells: Cells) -> np.ndarray:
    events, n = _numbers(cells, "events", "n")
    return ~(events > n)


def _percent_of_whole(cells: Cells) -> np.ndarray:
    """Percents that stand for the events; those out of range or of no n are told as such."""
    n, percent, decimals = _numbers(cells, "n", "percent", "percent_decimals")
    with np.errstate(invalid="ignore"):
        judged = (percent >= 0) & (percent <= 100) & (n >= 1) & (n % 1 == 0)
    judged &= ~_known(cells, "events")
    if EFFECTIVE_SIZES in cells:
        judged &= ~np.asarray(cells[EFFECTIVE_SIZES], dtype=bool)
    good = np.ones(len(n), dtype=bool)
    for i in np.flatnonzero(judged):
        good[i] = not np.isnan(whole_events(percent[i], decimals[i], n[i]))
    return good


def _one_kind(cells: Cells) -> np.ndarray:
    has_mean = _known(cells, "mean") & (_known(cells, "sd") | _known(cells, "se"))
    quartiles = _known(cells, "q1") & _known(cells, "q3")
    extremes = _known(cells, "minimum") & _known(cells, "maximum")
    has_median = _known(cells, "median") & (quartiles | extremes)
    has_events = _known(cells, "events") | _known(cells, "percent")
    return np.asarray((has_mean | has_median) ^ has_events)


def _in_order(cells: Cells) -> np.ndarray:
    # What is missing cannot be out of order: each number against the largest before it.
    largest, *others = _numbers(cells, "minimum", "q1", "median", "q3", "maximum")
    good = np.ones(len(largest), dtype=bool)
    for own in others:
        good &= ~(own < largest)
        largest = np.where(np.isnan(own), largest, own)
    return good


def _mean_within(cells: Cells) -> np.ndarray:
    mean, median, low, high = _numbers(cells, "mean", "median", "scale_min", "scale_max")
    middle = np.where(np.isnan(mean), median, mean)
    return ~((middle < low) | (middle > high))


def _sd_possible(cells: Cells) -> np.ndarray:
    mean, n, low, high = _numbers(cells, "mean", "n", "scale_min", "scale_max")
    sd, se = _numbers(cells, "sd", "se")
    sd = np.where(np.isnan(sd), se * np.sqrt(np.maximum(n, 0.0)), sd)
    largest = largest_possible_sd(mean, n, low, high)
    # Printed numbers are rounded: half a unit of the second decimal is allowed for.
    return np.asarray(~(sd > largest + 0.005 + 0.01 * largest) | (largest == 0))


def _within_scale(cells: Cells) -> np.ndarray:
    (value,) = _numbers(cells, "value")
    good = np.ones(len(value), dtype=bool)
    if "scale_min" in cells:
        good &= ~(value < _limit(cells["scale_min"]))
    if "scale_max" in cells:
        good &= ~(value > _limit(cells["scale_max"]))
    return good


def _limit(limits: np.ndarray | pd.Categorical) -> np.ndarray | float:
    """Limits by row; one number where they are one category, as those of one outcome are."""
    if isinstance(limits, pd.Categorical):
        return float(limits.categories[0])
    return np.asarray(limits, dtype=float)


def _yes_or_no(cells: Cells) -> np.ndarray:
    (value,) = _numbers(cells, "value")
    scored = np.asarray(cells["scale_type"] != "binary", dtype=bool)
    return np.asarray(scored | (value == 0.0) | (value == 1.0))


def _limits_in_order(cells: Cells) -> np.ndarray:
    low, high = _numbers(cells, "ci_lb", "ci_ub")
    return ~(low >= high)


def _value_within_limits(cells: Cells) -> np.ndarray:
    value, low, high = _numbers(cells, "value", "ci_lb", "ci_ub")
    return ~((value < low) | (value > high))


def _ratio_above_zero(cells: Cells) -> np.ndarray:
    value, low = _numbers(cells, "value", "ci_lb")
    ratio = np.array([one in ("OR", "RR") for one in cells["statistic"]], dtype=bool)
    return ~(ratio & ((value <= 0) | (low <= 0)))


def _not_all_zero(cells: Cells) -> np.ndarray:
    counts = _numbers(
        cells,
        "inclined_actors",
        "inclined_abstainers",
        "disinclined_actors",
        "disinclined_abstainers",
    )
    return np.asarray(np.nansum(counts, axis=0) >= 2)


ROW_CHECKS: dict[str, _Check] = {
    "events_within_n": _within_n,
    "percent_is_a_count": _percent_of_whole,
    "one_kind_of_numbers": _one_kind,
    "quantiles_in_order": _in_order,
    "mean_within_scale": _mean_within,
    "sd_possible_on_scale": _sd_possible,
    "value_within_scale": _within_scale,
    "value_yes_or_no": _yes_or_no,
    "limits_in_order": _limits_in_order,
    "value_within_limits": _value_within_limits,
    "ratio_above_zero": _ratio_above_zero,
    "counts_not_all_zero": _not_all_zero,
}
"""Rules that the numbers of one row decide; those about declared names and about the shape of
quantiles come as columns."""
