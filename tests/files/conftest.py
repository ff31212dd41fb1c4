"""The same examples on every run and on every machine; `HYPOTHESIS_PROFILE=thorough` for more."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis.internal.conjecture import providers

for name, examples in (("deterministic", 40), ("thorough", 400)):
    settings.register_profile(
        name, derandomize=True, deadline=None, max_examples=examples, database=None
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "deterministic"))

# Hypothesis mixes constants of the loaded project modules into its examples, so that they would
# depend on which other tests run. There is no setting for it.
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants
