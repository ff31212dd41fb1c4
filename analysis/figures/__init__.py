"""Figures as accessible SVG text: pure functions from plain results, for page, report and file."""

from analysis.figures.action_bars import draw_action_bars
from analysis.figures.forest import draw_forest
from analysis.figures.gap_plot import draw_gap_plot
from analysis.figures.grid_ribbon import draw_grid_ribbon
from analysis.figures.style import FIGURE_CSS

__all__ = ["FIGURE_CSS", "draw_action_bars", "draw_forest", "draw_gap_plot", "draw_grid_ribbon"]
