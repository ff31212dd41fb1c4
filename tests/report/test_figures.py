"""Figures: XML that reads, a name and a description, and nothing lost at the edges."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ibgap.figures import (
    draw_action_bars,
    draw_forest,
    draw_gap_plot,
    draw_grid_ribbon,
)
from ibgap.figures.axis import Axis, covering_range, round_ticks, tick_label
from ibgap.figures.gap_plot import ellipse
from ibgap.figures.model import (
    ActionBar,
    ActionBars,
    ActionGroup,
    ActionShares,
    Forest,
    ForestEffect,
    ForestPanel,
    ForestPooled,
    ForestRow,
    GapPlot,
    GapPoint,
    GridPoint,
    GridRibbon,
    Region,
    TrialLine,
)
from ibgap.figures.text import clean, interval, number, percent, text_width, truncate

from .pages import SVG, check_figure, texts

HOSTILE = "<script>alert(1)</script> \"quoted\" & 'single' =cmd|x \x00\u202e"
POOLED = ForestPooled(0.2, 0.1, 0.3, -0.4, 0.8, "2 trials")


def forest(rows: int, *, pooled: ForestPooled | str = POOLED, label: str = "Trial") -> Forest:
    listed = tuple(
        ForestRow(
            f"{label} {i}", (ForestEffect(0.1 + i % 5 / 10, -0.2, 0.9, 100 / rows),
                             "not reported" if i % 2 else ForestEffect(0.2, 0.0, 0.4, 5.0)),
            "0.10 [\u22120.20, 0.40]",
        )
        for i in range(rows)
    )  # fmt: skip
    panels = (
        ForestPanel("Intention", "intention", pooled), ForestPanel("Behavior", "behavior", pooled),
    )  # fmt: skip
    return Forest("Forest of trials", "What is drawn", panels, listed, "Difference [95% CI]")


@pytest.mark.parametrize("rows", [0, 1, 2, 400])
@pytest.mark.parametrize("pooled", [POOLED, "1 trial: not pooled"])
def test_forest_with_any_number_of_rows(rows: int, pooled: ForestPooled | str) -> None:
    root = check_figure(draw_forest(forest(rows, pooled=pooled)))
    drawn = [g for g in root.iter(f"{SVG}g") if g.get("class") == "row"]
    assert len(drawn) == rows
    assert float(root.get("height") or 0) > 20 * rows
    shown = texts(root)
    assert shown.count("not reported") == rows // 2
    assert ("not pooled" in shown) == isinstance(pooled, str)
    assert ("No trial has a usable effect" in shown) == (rows == 0)


def test_circles_are_intention_and_squares_are_behavior() -> None:
    root = check_figure(draw_forest(forest(3)))
    for tone, tag in (("intention", "circle"), ("behavior", "rect")):
        marks = [g for g in root.iter(f"{SVG}g") if g.get("class") == f"tone-{tone}"]
        assert any(g.find(f".//{SVG}{tag}") is not None for g in marks)


def test_an_interval_beyond_the_axis_ends_in_an_arrow_and_keeps_its_numbers() -> None:
    plain = forest(6)
    assert "clip" not in draw_forest(plain)
    wide = ForestEffect(0.3, -30.0, 40.0, 1.0)
    rows = (replace(plain.rows[0], effects=(wide, "not reported")), *plain.rows[1:])
    root = check_figure(draw_forest(replace(plain, rows=rows)))
    arrows = [p for p in root.iter(f"{SVG}polygon") if "clip" in (p.get("class") or "")]
    assert len(arrows) == 2
    assert "0.30 [\u221230.00, 40.00]" in texts(root)


def test_infinite_limits_and_a_far_estimate_stay_in_the_figure() -> None:
    plain = forest(10)
    far = ForestEffect(900.0, -math.inf, math.inf, 1.0)
    rows = (replace(plain.rows[0], effects=(far, far)), *plain.rows[1:])
    svg = draw_forest(replace(plain, rows=rows))
    root = check_figure(svg)
    assert "nan" not in svg and 'x="inf' not in svg
    assert any("900.00" in text for text in texts(root))
    positions = [float(p.split(",")[0]) for e in root.iter(f"{SVG}polygon")
                 for p in (e.get("points") or "").split()]  # fmt: skip
    assert max(positions) <= float(root.get("width") or 0)


def test_hostile_names_are_text_and_long_ones_keep_their_full_name() -> None:
    name = HOSTILE + " and a very long name that cannot fit into any column of this figure"
    root = check_figure(draw_forest(forest(2, label=name)))
    assert root.find(f".//{SVG}script") is None
    titles = [t.text or "" for t in root.iter(f"{SVG}title")]
    assert any(clean(name) in title for title in titles)
    assert any(text.endswith("\u2026") for text in texts(root))


def test_text_is_at_least_12_px_and_a_file_carries_its_style() -> None:
    svg = draw_forest(forest(1), standalone=True)
    root = check_figure(svg)
    style = root.find(f"{SVG}style")
    assert style is not None and "prefers-color-scheme:dark" in (style.text or "")
    assert root.get("font-size") == "13"
    assert "font-size:11" not in svg and "font-size:10" not in svg


def points(count: int) -> tuple[GapPoint, ...]:
    return tuple(
        GapPoint(f"T{i} <b>", i / 10, i / 10 - 0.3, i / 10 + 0.3, 0.1, -0.5, 0.7, named=i < 4)
        for i in range(count)
    )


@pytest.mark.parametrize("count", [0, 1, 2, 400])
def test_gap_plot_with_any_number_of_points(count: int) -> None:
    plot = GapPlot("Gap", "What is drawn", "Intention", "Behavior", "intention", points(count))
    svg = draw_gap_plot(plot)
    root = check_figure(svg)
    assert len([g for g in root.iter(f"{SVG}g") if g.get("class") == "trial"]) == count
    assert ("No trial has both outcomes" in texts(root)) == (count == 0)
    assert "trial-line" not in svg


def test_gap_plot_draws_what_the_model_has() -> None:
    region = Region(0.2, 0.1, 0.01, 0.002, 0.01)
    plot = GapPlot(
        "Gap", "What is drawn", "Intention", "Behavior", "intention", points(5), (0.2, 0.1),
        region, replace(region, xx=0.1, yy=0.1), TrialLine(0.0, 0.5, 0.0, 0.4),
    )  # fmt: skip
    svg = draw_gap_plot(plot)
    check_figure(svg)
    assert "trial-line" in svg
    assert "95% region of a new setting" in svg


def test_ellipse_holds_the_chi_squared_distance() -> None:
    region = Region(1.0, 2.0, 0.04, 0.01, 0.09)
    determinant = 0.04 * 0.09 - 0.01**2
    for x, y in ellipse(region):
        a, b = x - 1.0, y - 2.0
        distance = (0.09 * a * a - 2 * 0.01 * a * b + 0.04 * b * b) / determinant
        assert distance == pytest.approx(5.991464547, rel=1e-9)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_grid_with_any_number_of_values(count: int) -> None:
    values = tuple(GridPoint(i / 5, -0.1, -0.4, 0.2, primary=i == 0) for i in range(count))
    root = check_figure(draw_grid_ribbon(GridRibbon("Grid", "What is drawn", values)))
    ribbons = [p for p in root.iter(f"{SVG}polygon") if p.get("class") == "ribbon"]
    assert len(ribbons) == (count > 1)
    assert ("primary value" in texts(root)) == (count > 0)


def test_grid_leaves_out_what_could_not_be_estimated() -> None:
    values = (GridPoint(0.1, math.nan, math.nan, math.nan), GridPoint(0.5, 0.1, -math.inf, 0.3))
    svg = draw_grid_ribbon(GridRibbon("Grid", "What is drawn", values))
    check_figure(svg)
    assert "nan" not in svg


def test_action_bars_withhold_with_a_reason() -> None:
    bars = (
        ActionBar("Arm " + HOSTILE, ActionShares(0.5, 0.3, 0.002, 0.198), "200"),
        ActionBar("Small arm", "a cell is too small to publish"),
    )
    svg = draw_action_bars(ActionBars("Bars", "What is drawn", (ActionGroup("Trial", bars),)))
    shown = texts(check_figure(svg))
    assert "withheld: a cell is too small to publish" in shown
    assert "50%" in shown and "200" in shown
    empty = check_figure(draw_action_bars(ActionBars("Bars", "What is drawn")))
    assert any("No trial has counts" in text for text in texts(empty))


def test_numbers_have_a_true_minus_and_no_minus_zero() -> None:
    assert number(-0.5) == "\u22120.50"
    assert number(-0.001) == "0.00"
    assert number(None) == number(math.nan) == "\u2013"
    assert interval(-math.inf, 1.0) == "[\u2212\u221e, 1.00]"
    assert [percent(s) for s in (0.0, 0.001, 0.5, 0.999, 1.0)] == [
        "0%", "<1%", "50%", ">99%", "100%",
    ]  # fmt: skip


def test_truncated_text_fits() -> None:
    for text in ("a", "short name", "W" * 50, "\u6f22\u5b57" * 30):
        assert text_width(truncate(text, 100.0)) <= 100.0
    assert truncate("short", 100.0) == "short"


def test_axis_covers_estimates_and_ticks_are_round() -> None:
    lower, upper = covering_range([0.1, 0.4], [-0.2, 0.9])
    assert lower < -0.2 and upper > 0.9
    assert round_ticks(-1.0, 1.0, 4) == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert tick_label(-0.5, [-0.5, 0.0, 0.5]) == "\u22120.5"
    axis = Axis(-1.0, 1.0, 100.0, 300.0)
    assert axis.at(0.0) == 200.0
    assert (axis.beyond(-1.1), axis.beyond(0.0), axis.beyond(math.inf)) == (-1, 0, 1)
