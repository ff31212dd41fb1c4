"""From the effects of trials to rows of results: which trials are pooled together, and every
table that rests on them.

The pipeline's assets and the dashboard's live answers call the same functions. Rows are plain
dictionaries with the column names of the published tables.
"""

from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Stack, TrialEffects, of_synthesis, syntheses, upstream_of

__all__ = [
    "AnalysisSettings", "Stack", "TrialEffects", "of_synthesis", "syntheses", "upstream_of"
]  # fmt: skip
