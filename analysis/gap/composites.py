"""Effects of trials reduced to one pair each, for the fast joint model."""

from __future__ import annotations

import numpy as np

from analysis.dependent.blocks import EffectBlocks
from analysis.dependent.composites import make_composites
from analysis.gap.many_gaps import PairedEffects


def paired_composites(blocks: EffectBlocks) -> PairedEffects:
    """One upstream (outcome 0) and one behavior effect (outcome 1) per trial, in the order of the
    trials, with their covariance; nan where a trial does not report the outcome.

    Composites by generalized least squares within the trial (`make_composites`). Trials with one
    effect per outcome lose nothing; for others the variance between effects of one outcome within a
    trial is left out, which the joint model of all effects estimates.
    """
    made = make_composites(blocks)
    values = np.full((5, blocks.clusters), np.nan)
    values[4] = 0.0
    values[2 * made.outcome, made.cluster] = made.yi
    values[2 * made.outcome + 1, made.cluster] = made.vi
    both = [trial for trial, covariance in enumerate(made.v) if covariance.shape[0] == 2]
    values[4, both] = [made.v[trial][0, 1] for trial in both]
    return PairedEffects(*values)
