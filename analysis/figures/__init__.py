"""Figures as accessible SVG text: pure functions from plain results, for page, report and file."""

from analysis.figures.action_bars import draw_action_bars
from analysis.figures.flow import draw_flow
from analysis.figures.forest import draw_forest
from analysis.figures.funnel import draw_funnel
from analysis.figures.gap_plot import draw_gap_plot
from analysis.figures.grid_ribbon import draw_grid_ribbon
from analysis.figures.scatter import draw_scatter
from analysis.figures.spec_curve import draw_spec_curve
from analysis.figures.style import FIGURE_CSS
from analysis.figures.trend import draw_trend

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
