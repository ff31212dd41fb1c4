"""The same examples on every run and on every machine; `HYPOTHESIS_PROFILE=thorough` for more."""

from __future__ import annotations

import os

from hypothesis import settings

for name, examples in (("deterministic", 16), ("thorough", 400)):
    settings.register_profile(
        name, derandomize=True, deadline=None, max_examples=examples, database=None
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "deterministic"))
