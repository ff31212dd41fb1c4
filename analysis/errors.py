"""Errors that an estimator raises instead of returning a doubtful number."""

from __future__ import annotations


class EstimationError(ValueError):
    """An estimate does not exist for these inputs; the message says why and for which rows."""


class ConversionError(EstimationError):
    """A reported statistic cannot be turned into an effect size with what is known."""
