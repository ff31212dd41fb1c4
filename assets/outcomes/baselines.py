"""Adjusting a comparison of participants for a baseline, and when that cannot be done."""

from __future__ import annotations

from analysis.gap.contributions import AdjustedDifference, Members, adjusted_difference_of

DETERMINING = 0.99
"""From this within-arm correlation on a baseline is the outcome itself in another form."""


def adjusted(one: Members, two: Members) -> AdjustedDifference | str:
    """The difference of two arms (`one` is the intervention) given the baseline, which is their
    covariate, or why a comparison cannot be adjusted for it.

    one, two: the persons of each arm who have a baseline value.
    """
    sizes = len(one.values), len(two.values)
    if sum(sizes) < 5 or min(sizes) < 2:
        return "fewer than 2 persons of an arm, or fewer than 5 in all, have a baseline value"
    assert one.covariate is not None and two.covariate is not None, "persons have a baseline"
    effect = adjusted_difference_of((one.values, one.covariate), (two.values, two.covariate))
    if effect.one.is_constant and effect.two.is_constant:
        return "the outcome of the persons with a baseline value does not vary"
    if effect.covariate_one.is_constant and effect.covariate_two.is_constant:
        return "the baseline does not vary within the arms"
    if abs(effect.r) >= DETERMINING:
        return "the baseline determines the outcome within the arms"
    return effect
