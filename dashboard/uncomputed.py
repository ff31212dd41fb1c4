"""What is said where the numbers of a selection cannot be computed: a reason, never a fault."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.errors import EstimationError
from dashboard.blocks import Paragraph, Section
from dashboard.context import Page

NOT_COMPUTED = "This selection cannot be computed"
UNCOMPUTED = (EstimationError, ArithmeticError, np.linalg.LinAlgError)
"""How an estimator says, foreseen or not, that an estimate does not exist."""


def why(error: Exception) -> list[str]:
    """The reason, and what to do."""
    said = str(error) if isinstance(error, EstimationError) else "the numbers allow no estimate"
    return [
        f"From the published numbers of the chosen trials, this cannot be computed: {said}.",
        "Take back a filter or leave out another trial; the registered results are unchanged.",
    ]


def sections_or_reason(make: Callable[[Page], list[Section]], page: Page) -> list[Section]:
    """The sections of a view, or one that says why there are none."""
    try:
        return make(page)
    except UNCOMPUTED as error:
        said = tuple(Paragraph(text, "note") for text in why(error))
        return [Section("not-computed", NOT_COMPUTED, said)]
