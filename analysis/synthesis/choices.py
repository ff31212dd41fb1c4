"""The choices of an analyst, and what a row about one of them says."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record

TRIAL_CHOICES = ("all trials", "both outcomes", "randomized only")
FOLLOW_UPS = ("all follow-ups", "first follow-up", "last follow-up")
MEASURES = ("all measures", "not self-reported")
PRIMARY_INFERENCE = "CR2"
INFERENCES = (PRIMARY_INFERENCE, "model")


EFFECTS = ("all effects", "one per outcome")
ESTIMATORS = ("REML", "ML")


@dataclass(frozen=True)
class Choice:
    """One way to analyze: which trials, which behavior effects, which correlation; all effects of a
    trial or one composite each; how odds ratios become standardized differences; the estimator."""

    trials: str
    follow_up: str
    measures: str
    assumed_correlation: float
    effects: str
    scale: str
    estimator: str

    def __str__(self) -> str:
        return "; ".join((
            self.trials, self.follow_up, self.measures, f"r {self.assumed_correlation:g}",
            self.effects, self.scale, self.estimator,
        ))  # fmt: skip


def about_choice(
    identity: Record, choice: Choice, inference: str, settings: AnalysisSettings
) -> Record:
    return identity | {
        "specification": f"{choice}; {inference}",
        "trials": choice.trials,
        "follow_up": choice.follow_up,
        "measures": choice.measures,
        "assumed_correlation": choice.assumed_correlation,
        "effects": choice.effects,
        "scale": choice.scale,
        "estimator": choice.estimator,
        "inference": inference,
        "is_primary": choice == primary(settings) and inference == "CR2",
    }


def primary(settings: AnalysisSettings) -> Choice:
    """The choice of the primary analysis."""
    return Choice(
        TRIAL_CHOICES[0], FOLLOW_UPS[0], MEASURES[0], settings.assumed_correlation, EFFECTS[0],
        settings.odds_to_smd, "REML",
    )  # fmt: skip
