"""Figures as accessible SVG text: pure functions from plain results, for page, report and file."""

from ibgap.figures.action_bars import draw_action_bars
from ibgap.figures.flow import draw_flow
from ibgap.figures.forest import draw_forest
from ibgap.figures.funnel import draw_funnel
from ibgap.figures.gap_plot import draw_gap_plot
from ibgap.figures.grid_ribbon import draw_grid_ribbon
from ibgap.figures.scatter import draw_scatter
from ibgap.figures.spec_curve import draw_spec_curve
from ibgap.figures.style import FIGURE_CSS
from ibgap.figures.trend import draw_trend

__all__ = [
    "FIGURE_CSS",
    "draw_action_bars",
    "draw_flow",
    "draw_forest",
    "draw_funnel",
    "draw_gap_plot",
    "draw_grid_ribbon",
    "draw_scatter",
    "draw_spec_curve",
    "draw_trend",
]
