"""The methods paragraph of a release, generated from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ibgap.figures.text import number
from ibgap.releases.view import words

_ESTIMATORS = {
    "REML": "restricted maximum likelihood", "ML": "maximum likelihood",
    "DL": "DerSimonian and Laird's method", "PM": "Paule and Mandel's method",
    "EB": "the empirical Bayes method", "HE": "Hedges' method",
    "HS": "Hunter and Schmidt's method",
    "HSk": "Hunter and Schmidt's method with a small-sample factor",
    "PMM": "the median-unbiased form of Paule and Mandel's method",
    "SJ": "Sidik and Jonkman's method",
    "EE": "an equal-effects model without variance between trials",
}  # fmt: skip
_INTERVALS = {
    "knapp_hartung": "Knapp-Hartung intervals",
    "knapp_hartung_floor": "Knapp-Hartung intervals never narrower than the plain t interval",
    "kenward_roger": "Kenward-Roger intervals",
    "t": "t intervals", "wald": "normal (Wald) intervals",
}  # fmt: skip
_PREDICTION = {
    "t_k_minus_1": "t with k \u2212 1 degrees of freedom",
    "t_k_minus_2": "t with k \u2212 2 degrees of freedom", "normal": "normal quantiles",
}  # fmt: skip
_VARIANCES = {
    "LS": "the large-sample variance",
    "LS2": "the large-sample variance of d times the squared correction",
    "UB": "the unbiased variance", "AV": "the large-sample variance at the average g",
}  # fmt: skip
_CONVERSIONS = {
    "logistic": "the logistic factor \u221a3/\u03c0", "cox": "Cox's factor 1/1.65",
}  # fmt: skip
_ZERO_CELLS = {
    "only0": "0.5 added to the cells of tables with a zero cell",
    "all": "0.5 added to all cells", "if0all": "0.5 added to all cells as soon as one is zero",
    "none": "nothing added to zero cells",
}  # fmt: skip
_INTENDERS = {
    "R1": "a yes to a yes/no intention", "R2": "a score above the midpoint of the scale",
    "R3": "a score at or above the midpoint of the scale",
    "R4": "a score in the top third of the scale", "R5": "the study's own classification",
}  # fmt: skip
_DISCLOSURE = {
    "rounded": "counts of 7 or fewer are withheld, others rounded to the nearest 5, effects of "
    "such trials published with few digits, those of few events made from counts in groups",
    "basic": "counts below 5 are withheld", "none": "counts are published as they are",
}  # fmt: skip


def _said(known: Mapping[str, str], settings: Mapping[str, Any], name: str) -> str:
    """The words for a setting; its raw value when it is not a known one."""
    value = settings.get(name)
    return "an unrecorded choice" if value is None else known.get(str(value), words(value))


def methods_paragraphs(settings: Mapping[str, Any]) -> list[str]:
    """Text that can be pasted into a methods section."""
    if not settings:
        return ["The settings of this release are not recorded."]
    made = [_effects(settings), _pooling(settings), _gap(settings), _privacy(settings)]
    protocol = str(settings.get("protocol") or "")
    return made + ([f"The primary analysis was registered: {protocol}."] if protocol else [])


def _effects(s: Mapping[str, Any]) -> str:
    return (
        "Effects were computed as standardized mean differences (Hedges' g) with "
        f"{_said(_VARIANCES, s, 'smd_variance')}, signed so that positive values are as the "
        "intervention intends. Log odds ratios of binary outcomes were converted with "
        f"{_said(_CONVERSIONS, s, 'odds_to_smd')} ({_said(_ZERO_CELLS, s, 'zero_cells')}), and "
        "also pooled on their natural scales. Intention and behavior are separate outcomes; "
        "attitude, motivation, readiness and other constructs never count as intention."
    )


def _pooling(s: Mapping[str, Any]) -> str:
    level = f"{100 * float(s.get('level', 0.95)):.4g}%"
    return (
        "Several effects of one trial on one outcome were combined to a precision-weighted "
        "composite using their sampling covariances. Composites were pooled with random effects; "
        f"the between-trial variance was estimated by {_said(_ESTIMATORS, s, 'tau2_method')}, with "
        f"{_said(_INTERVALS, s, 'ci_method')} at {level}, Q-profile intervals for \u03c4\u00b2, "
        f"and prediction intervals from {_said(_PREDICTION, s, 'pi_method')}. Where trials have "
        "several effects, a correlated-and-hierarchical-effects model with CR2 variances is shown "
        "beside it."
    )


def _gap(s: Mapping[str, Any]) -> str:
    grid = s.get("correlation_grid") or ()
    varied = f" and varied over {', '.join(number(r, 1) for r in grid)}" if grid else ""
    worthwhile = number(s.get("smallest_worthwhile"))
    return (
        "The gap was estimated from a joint random-effects model of both outcomes (REML), with the "
        "within-trial covariance of the estimates and with outcomes missing in some trials. The "
        "within-arm correlation of the two outcomes was taken from participant data or reports; "
        f"where unknown it was set to {number(s.get('assumed_correlation'), 1)}{varied}; measures "
        f"of one construct were taken to correlate "
        f"{number(s.get('within_construct_correlation'), 1)}. Inference uses, "
        "for each contrast, the wider of CR2 and the model-based variance with Satterthwaite "
        "degrees of freedom, and Fieller's set for the ratio; no verdict is drawn below 4 such "
        "degrees of freedom or without trials that have both outcomes. The smallest worthwhile "
        f"behavior effect is {worthwhile} SD. In tables of intention by action, intending means "
        f"{_said(_INTENDERS, s, 'intender_rule')} unless the intention is a yes/no answer."
    )


def _privacy(s: Mapping[str, Any]) -> str:
    rule = _said(_DISCLOSURE, s, "disclosure")
    return (
        "Participant rows stay in a restricted store; published tables carry counts and estimates "
        f"only. Unless a trial's data are public, {rule}."
    )
