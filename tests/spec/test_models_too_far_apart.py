"""A second model that cannot be fitted is a row with its reason; the first one stands."""

from __future__ import annotations

import numpy as np

from analysis.synthesis import AnalysisSettings
from analysis.synthesis.pooled_effects import pool_construct
from tests.spec.stacks import stack_of


def test_effects_too_far_apart_leave_the_hierarchical_model_without_numbers() -> None:
    trials = [
        [("intention", -0.2, 0.08), ("intention", 1.26, 0.69)],
        [("intention", 2e28, 1.9e54)],
    ]
    rows = pool_construct(stack_of(trials)(0.5), "intention", AnalysisSettings(), {})
    first, second = rows
    assert first["is_primary"] and np.isfinite(first["mu"])
    assert (second["status"], second["notes"]) == (
        "not_estimable", "effects or variances are too far apart for this model",
    )  # fmt: skip
    assert np.isnan(second["mu"]) and second["verdict"] == "none"
    assert set(second) == set(first)
