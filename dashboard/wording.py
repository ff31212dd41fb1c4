"""Results in plain words. Everything here is text from numbers; nothing is estimated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable

from analysis.gap.estimands import INDIRECT
from analysis.synthesis.verdicts import ABOVE, BELOW, NARROW, NARROW_GAP, NONE, PairedAlone
from ibgap.figures.text import as_float, interval, interval_words, number, percent
from ibgap.releases.view import Row, capital, plural, words

ESTIMANDS: dict[str, tuple[str, str, str]] = {
    "difference": (
        "Difference", "pooled {up} effect minus pooled behavior effect, in SD units", "0"),
    "transmission_ratio": (
        "Transmission ratio", "pooled behavior effect over pooled {up} effect", "1"),
    "mediation_shortfall": (
        "Mediation shortfall",
        "behavior effect minus what the {up} effect would carry at the within-arm correlation",
        "0"),
    "predictive_gap": (
        "Difference in a new setting", "the difference a new trial of this kind would find", "0"),
    "probability_upstream_rises_behavior_does_not": (
        "Probability of a gap", "share of new settings in which {up} rises and behavior does not",
        "0%"),
}  # fmt: skip
"""estimand -> (name, meaning, value that means `no gap`)."""
INTERVAL_METHODS = {
    "knapp_hartung": "Knapp-Hartung", "knapp_hartung_floor": "Knapp-Hartung, never below t",
    "kenward_roger": "Kenward-Roger", "t": "t", "wald": "normal (Wald)",
}  # fmt: skip
"""Interval methods of pools, named for choices."""
UNRECORDED = "this release records no verdict"
_OTHER_ESTIMANDS = {
    "trial_level_r2": "Trial-level R\u00b2", "trial_level_slope": "Trial-level slope",
}  # fmt: skip

_NOTES = {
    "tau2_at_zero": "the between-trial variance is estimated as 0",
    "tau2[0]_at_zero": "the between-trial variance of the upstream effect is estimated as 0",
    "tau2[1]_at_zero": "the between-trial variance of the behavior effect is estimated as 0",
    "omega2[0]_at_zero": "upstream effects of one trial do not vary beyond sampling",
    "omega2[1]_at_zero": "behavior effects of one trial do not vary beyond sampling",
    "knapp_hartung_narrower_than_t": "the Knapp-Hartung interval is narrower than the plain t one",
    "between_trial_correlation_at_boundary": "the between-trial correlation is at its limit",
    "fewer_than_3_paired_trials_no_between_trial_covariance":
        "fewer than 3 trials have both outcomes, so their true effects are taken as uncorrelated",
    "composite_outside_its_effects":
        "the combined effect of a trial lies outside the range of the effects it combines, which "
        "correlated effects of unequal precision can do",
    "too_few_trials_for_between_trial_variance":
        "too few trials for a between-trial variance; trials are taken as alike",
    "tau2[0]_not_estimable_from_one_trial":
        "one trial says nothing about how much upstream effects vary between trials",
    "tau2[1]_not_estimable_from_one_trial":
        "one trial says nothing about how much behavior effects vary between trials",
    NARROW: "the interval is narrower than the common-effect one, so no verdict rests on it",
    NARROW_GAP:
        "the robust interval is narrower than the model-based one, so no verdict rests on it",
}  # fmt: skip


def estimand_name(estimand: str) -> str:
    other = _OTHER_ESTIMANDS.get(estimand, capital(words(estimand)))
    return ESTIMANDS.get(estimand, (other, "", ""))[0]


def estimand_meaning(estimand: str, upstream: str) -> str:
    return ESTIMANDS.get(estimand, ("", "", ""))[1].format(up=words(upstream))


def no_gap_value(estimand: str) -> str:
    return ESTIMANDS.get(estimand, ("", "", ""))[2]


def notes_in_words(notes: str) -> str:
    """The states of a model, separated by `; `, as a sentence; empty for none."""
    parts = [_NOTES.get(n, words(n)) for n in notes.split("; ") if n]
    return capital("; ".join(parts)) + "." if parts else ""


def ci_name(level: float) -> str:
    return f"{100 * level:.4g}% CI"


def is_narrow(row: Row) -> bool:
    """Whether the interval is narrower than sampling error alone makes it."""
    return NARROW in str(row.get("notes") or "").split("; ")


def ci_of(row: Row, digits: int = 2) -> str:
    """The confidence limits as columns show them, with the word `narrow` where it belongs."""
    return interval(row["ci_lb"], row["ci_ub"], digits) + (" (narrow)" if is_narrow(row) else "")


def narrow_words(row: Row) -> str:
    """A sentence on a narrow interval; empty for others."""
    if not is_narrow(row):
        return ""
    return (
        "The interval is narrow: the effects lie closer together than sampling error explains, and "
        "the common-effect interval is wider."
    )


def verdict_of(row: Row) -> tuple[str, str]:
    """The verdict of a row and why there is none. Rows of releases that were made before verdicts
    were recorded have none."""
    verdict = str(row.get("verdict") or NONE)
    said = str(row.get("verdict_reason") or "").rstrip(".")
    return verdict, said or (UNRECORDED if verdict == NONE else "")


def verdict_words(row: Row, texts: tuple[str, str, str]) -> str:
    """The text for a verdict (above, below, unsettled), or that and why there is none."""
    verdict, reason = verdict_of(row)
    if verdict == NONE:
        return f"No verdict ({reason})"
    return texts[(ABOVE, BELOW).index(verdict)] if verdict in (ABOVE, BELOW) else texts[2]


def difference_words(upstream: str) -> tuple[str, str, str]:
    """What the verdicts on the difference say."""
    up = words(upstream)
    return (
        f"The interventions raised {up} more than behavior",
        f"The interventions raised behavior more than {up}",
        f"The data do not settle whether {up} or behavior was raised more",
    )


def primary_name(protocol: str) -> str:
    """What the primary analysis is called: registered only where a protocol is named."""
    return f"registered primary analysis ({protocol})" if protocol else (
        "primary analysis of this release"
    )  # fmt: skip


def primary_mark(protocol: str) -> str:
    """One word for a choice of the primary analysis."""
    return "registered" if protocol else "primary"


def is_indirect(row: Row) -> bool:
    return str(row.get("status")) == INDIRECT


def is_gap(row: Row) -> bool:
    """Whether a row gives an estimate of the gap, not a difference between different trials."""
    return is_ok(row) and not is_indirect(row)


def is_ok(row: Row) -> bool:
    return math.isfinite(as_float(row.get("estimate", row.get("mu"))))


def reason_of(row: Row) -> str:
    """Why a row has no number."""
    text = str(row.get("reason") or words(row.get("status") or "not estimable"))
    return text.rstrip(".")


def set_of(row: Row) -> str:
    """Limits of a gap estimate as columns show them; unbounded Fieller sets in words."""
    kind = str(row["interval_kind"])
    if kind == "two_rays":
        return f"below {number(row['ci_lb'])} or above {number(row['ci_ub'])}"
    if kind == "everything":
        return "every value"
    return interval(row["ci_lb"], row["ci_ub"])


def heterogeneity_line(row: Row) -> str:
    """Trials, tau2 with its interval and I2 on one line; that the interval of the mean is narrow
    takes the place of the interval of tau2."""
    narrow = is_narrow(row)
    parts = [plural(row["k_trials"], "trial") + (", narrow CI" if narrow else "")]
    if math.isfinite(row["tau2"]):
        limits = interval(row["tau2_lb"], row["tau2_ub"], 3)
        shown = f" {limits}" if math.isfinite(row["tau2_lb"]) and not narrow else ""
        parts.append(f"\u03c4\u00b2 = {number(row['tau2'], 3)}{shown}")
    if math.isfinite(row["i2"]):
        parts.append(f"I\u00b2 = {row['i2']:.0f}%")
    return "; ".join(parts)


def pooled_sentence(row: Row, construct: str, selected: bool = False) -> str:
    """The pooled effect of one construct for a reader without statistics. selected: whether trials
    or effects were left out before."""
    name, here = words(construct), " of the selection" if selected else ""
    if row["status"] == "single_study":
        return (
            f"Only one trial{here} has a usable effect on {name}: g = {number(row['mu'])} "
            f"({ci_name(row['level'])} {interval_words(row['ci_lb'], row['ci_ub'])}). "
            "One trial is not pooled."
        )
    size, limits = abs(row["mu"]), interval_words(row["ci_lb"], row["ci_ub"])
    basis = f"{ci_name(row['level'])} {limits}, {plural(row['k_trials'], 'trial')}"
    said = verdict_words(row, (
        f"On average the interventions raised {name} by {number(size)} SD ({basis}).",
        f"On average the interventions lowered {name} by {number(size)} SD ({basis}).",
        f"The trials do not settle whether the interventions raised {name} on average: "
        f"{number(row['mu'])} SD ({basis}).",
    ))  # fmt: skip
    text = said
    if verdict_of(row)[0] == NONE:
        text = f"{said}: {name} {number(row['mu'])} SD ({basis})."
    text = " ".join(part for part in (text, narrow_words(row)) if part)
    if row["k_trials"] == 2:
        text += " With two trials the interval is unstable."
    return text + _spread_sentence(row)


def _spread_sentence(row: Row) -> str:
    if math.isnan(as_float(row["pi_lb"])):
        return ""
    if as_float(row["tau2"]) == 0:
        return " The effects vary no more between trials than sampling error explains."
    return (
        f" In a new setting the true effect would be expected between "
        f"{interval_words(row['pi_lb'], row['pi_ub']).replace(' to ', ' and ')} SD."
    )


def gap_basis(row: Row, upstream: str, selected: bool = False) -> str:
    """`14 trials measured intention, 15 behavior, 12 both`; of a selection, that it keeps them."""
    verb = "kept with" if selected else "measured"
    return (
        f"{plural(row['k_upstream'], 'trial')} {verb} {words(upstream)}, "
        f"{int(row['k_behavior'])} {'with ' if selected else ''}behavior, "
        f"{int(row['k_paired'])} {'with ' if selected else ''}both"
    )


def gap_sentence(row: Row | None, upstream: str) -> str:
    """The difference in words, or why there is none."""
    if row is None:
        return "There is no gap estimate: no trial has usable effects."
    if not is_ok(row):
        return f"There is no gap estimate: {reason_of(row)}."
    limits = f"{ci_name(row['level'])} {interval_words(row['ci_lb'], row['ci_ub'])}"
    found = f"{number(row['estimate'])} SD ({limits})"
    if is_indirect(row):
        return (
            f"There is no gap estimate: {reason_of(row)}. Set against each other they differ by "
            f"{found}, and all that differs between those trials is in it."
        )
    return f"{verdict_words(row, difference_words(upstream))}: difference {found}."


def paired_alone_words(found: PairedAlone, shown: Callable[[float], str] | None = None) -> str:
    """That the trials with both outcomes say the opposite, with both numbers. shown: how a number
    with its sign is written."""
    write = shown or signed
    verb = "points" if found.k_paired == 1 else "point"
    return (
        f"The {plural(found.k_paired, 'trial')} with both outcomes alone {verb} the other way: "
        f"difference {write(found.paired)} SD, against {write(found.everything)} SD over all "
        "trials."
    )


def signed(value: float) -> str:
    """A number with its sign: `+0.03`."""
    return f"+{number(value)}" if value > 0 else number(value)


def gap_in_words(row: Row, upstream: str) -> str:
    """Any gap estimate as one sentence."""
    if not is_ok(row):
        return f"Not estimable: {reason_of(row)}."
    if is_indirect(row):
        return f"Indirect, no gap estimate: {reason_of(row)}."
    say = {
        "difference": lambda: f"{verdict_words(row, difference_words(upstream))}.",
        "transmission_ratio": lambda: _ratio(row, upstream),
        "mediation_shortfall": lambda: _shortfall(row, upstream),
        "predictive_gap": lambda: (
            "In a new setting the difference would be expected between "
            f"{number(row['ci_lb'])} and {number(row['ci_ub'])} SD."),
        "probability_upstream_rises_behavior_does_not": lambda: (
            f"In about {percent(row['estimate'])} of new settings {words(upstream)} would rise "
            f"while behavior would not" + (f" ({row['reason']})." if row["reason"] else ".")),
    }.get(row["estimand"])  # fmt: skip
    return say() if say else reason_of(row) if row.get("reason") else ""


def _ratio(row: Row, upstream: str) -> str:
    up = words(upstream)
    if row["interval_kind"] == "everything":
        return f"The pooled {up} effect cannot be told from 0, so the data exclude no ratio at all."
    if row["interval_kind"] == "two_rays":
        return (
            f"The pooled {up} effect is not clearly different from 0, so the set is unbounded: "
            f"ratios between {number(row['ci_lb'])} and {number(row['ci_ub'])} are excluded, all "
            "others are not."
        )
    text = f"The behavior effect is {number(row['estimate'])} times the {up} effect"
    verdict, reason = verdict_of(row)
    if verdict == NONE:
        return f"{text}. No verdict ({reason})."
    excluded = verdict in (ABOVE, BELOW)
    return text + f"; equal effects are {'excluded' if excluded else 'not excluded'}."


def _shortfall(row: Row, upstream: str) -> str:
    up = words(upstream)
    b = f"{number(row['slope'])}, from {row['slope_origin'] or 'no trial'}"
    verdict = verdict_words(row, (
        f"Behavior rose more than the {up} effect carries",
        f"Behavior rose less than the {up} effect carries",
        f"Behavior is not shown to rise more or less than the {up} effect carries",
    ))  # fmt: skip
    return f"{verdict} (within-arm correlation {b.replace('_', ' ')})."


_UNFORESEEN = (
    ("unforeseen_error", "trial", "left out for an error that nobody foresaw"),
    ("judges_disagree", "trial", "left out because two checks of its rows disagree"),
    ("machine_fault", "trial", "not read because memory, disk or files gave out"),
    ("synthesis_failed", "table", "of a synthesis missing for an error that nobody foresaw"),
)


def unforeseen_words(rules: Iterable[str]) -> str:
    """What an answer lacks because something went wrong that no rule foresaw; empty for nothing.

    rules: rule ids of all findings.
    """
    count = Counter(rules)
    return "; ".join(
        f"{plural(count[rule], what)} {why}" for rule, what, why in _UNFORESEEN if count[rule]
    )
