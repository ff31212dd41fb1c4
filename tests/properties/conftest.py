"""The same examples on every run and on every machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile(
    "deterministic", derandomize=True, deadline=None, max_examples=40, database=None
)
settings.load_profile("deterministic")
