"""Simulated databases of trials with known truth: for load tests, demonstrations and studies."""

from ibgap.simulation.generate import NotEmptyError, simulate, simulate_trial
from ibgap.simulation.plan import EVERY_KIND, LOAD_SHARES, Plan, PlanError
from ibgap.simulation.truth import PlantedDefect, StudyTruth, TrialTruth, Truth

__all__ = [
    "EVERY_KIND",
    "LOAD_SHARES",
    "NotEmptyError",
    "Plan",
    "PlanError",
    "PlantedDefect",
    "StudyTruth",
    "TrialTruth",
    "Truth",
    "simulate",
    "simulate_trial",
]
