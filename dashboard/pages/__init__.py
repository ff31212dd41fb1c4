"""The views of the dashboard, one module each: from a request's context to sections of blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.blocks import Figure, Section
from dashboard.context import Page
from dashboard.pages import (
    changes,
    compare,
    forest,
    gap,
    heterogeneity,
    methods,
    moderators,
    overview,
    quality,
    sensitivity,
    small_studies,
    studies,
)


@dataclass(frozen=True)
class View:
    """One view: its title and what makes its sections. filtered: whether the selection of
    trials changes it."""

    title: str
    sections: Callable[[Page], list[Section]]
    filtered: bool = True


VIEWS: dict[str, View] = {
    "overview": View("Overview", overview.sections),
    "forest": View("Forest", forest.sections),
    "gap": View("Gap", gap.sections),
    "small-studies": View("Small-study effects", small_studies.sections),
    "heterogeneity": View("Heterogeneity and influence", heterogeneity.sections),
    "moderators": View("Moderators", moderators.sections),
    "sensitivity": View("Sensitivity", sensitivity.sections),
    "studies": View("Studies", studies.sections),
    "quality": View("Data quality", quality.sections, filtered=False),
    "methods": View("Methods", methods.sections, filtered=False),
    "changes": View("Changes", changes.sections, filtered=False),
    "compare": View("Compare", compare.sections),
}

FIGURES: dict[str, Callable[[Page], Figure | None]] = {
    "forest": forest.figure,
    "forest-narrow": forest.narrow_figure,
    "classes": overview.classes_figure,
    "trend": overview.trend_figure,
    "years": overview.years_figure,
    "gap": gap.figure,
    "grid": gap.grid,
    "action": gap.action,
    "funnel": small_studies.funnel,
    "adjusted": small_studies.adjusted_figure,
    "influence": heterogeneity.leave_one_out_figure,
    "baujat": heterogeneity.baujat_figure,
    "levels": moderators.levels_figure,
    "bubble": moderators.bubble_figure,
    "specifications": sensitivity.figure,
    "flow": studies.flow,
}
"""Figures that can be downloaded by name, for the state of the address."""
