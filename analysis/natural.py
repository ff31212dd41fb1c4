"""Effects as persons: how many more of 100 act, for a given share who act without the trial."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, as_vectors, require


def extra_per_hundred(g: ArrayLike, share: ArrayLike) -> Floats:
    """Additional persons per 100 who act under the intervention.

    g: standardized mean difference. share: share (0 to 1, exclusive) who act in the comparator
    arm. Acting is taken as a latent normal propensity above a cut: 100 (Phi(Phi^-1(share) + g)
    - share), the formula of Furukawa and Leucht (2011, PLOS ONE 6:e19070).
    Raises `EstimationError` for shares outside (0, 1).
    """
    effects, shares = as_vectors(g=g, share=share)
    require((shares > 0.0) & (shares < 1.0), "a share lies between 0 and 1")
    return np.asarray(100.0 * (special.ndtr(special.ndtri(shares) + effects) - shares))
