"""What is true of a simulated database: parameters, effects of every trial, planted defects."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ibgap.simulation.plan import Plan


@dataclass(frozen=True)
class StudyTruth:
    """True effects of one trial, in standard deviations within arms.

    label: in a table of many trials, its name there. upstream: of intention, or of attitude where
    the synthesis sets attitude against behavior; for a correlation, the true one is `correlation`.
    """

    label: str
    upstream: float | None = None
    behavior: float | None = None
    correlation: float | None = None


@dataclass(frozen=True)
class PlantedDefect:
    """A fault that was built in. rules: of the findings that a refresh must report."""

    name: str
    what: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class TrialTruth:
    """What is true of one folder. studies: one, or those of a table of many trials."""

    trial: str
    kind: str
    synthesis: str
    topic: str
    persons: int
    confidential: bool
    studies: tuple[StudyTruth, ...] = ()
    moderators: dict[str, str] = field(default_factory=dict)
    defect: PlantedDefect | None = None


@dataclass(frozen=True)
class Truth:
    """The plan and what was drawn from it."""

    plan: Plan
    trials: tuple[TrialTruth, ...]

    @property
    def defects(self) -> dict[str, PlantedDefect]:
        """Planted defects by the folder they are in."""
        return {one.trial: one.defect for one in self.trials if one.defect}

    def as_record(self) -> dict[str, Any]:
        """As `truth.json` holds it."""
        return {
            "plan": self.plan.as_record(),
            "tau": [list(row) for row in self.plan.tau],
            "trials": [asdict(one) for one in self.trials],
        }

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.as_record(), indent=1) + "\n", encoding="utf-8")
