"""What figures show, as frozen values in data units; the drawing functions decide on px.

Numbers are standardized mean differences (SD units) unless a field says otherwise. Labels are
hostile input: the drawing functions escape them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Tone = Literal["intention", "behavior", "upstream"]
"""Accent of an outcome: blue circle, rust square; any other construct a gray triangle."""


@dataclass(frozen=True)
class ForestEffect:
    """Effect of one trial on one outcome with its confidence interval.

    weight: share of the pooled mean in percent, nan when nothing is pooled. narrow: a pooled effect
    whose interval says less than sampling error; where it lies is then not said.
    """

    estimate: float
    ci_lb: float
    ci_ub: float
    weight: float
    narrow: bool = False


Judgment = Literal["low", "some_concerns", "high", "no_information", ""]
"""Risk of bias: drawn as a sign in a shape, so that color is not needed."""


@dataclass(frozen=True)
class ForestRow:
    """One trial. effects: one per panel, or the reason in words why there is no number
    (`not reported`). extra: text of the last column, such as the trial's own difference.
    judgment: risk of bias. href: page of the trial; toggle: address with the trial left out or
    taken back; left_out: drawn hollow and not pooled. Addresses are for pages, not for print.
    """

    label: str
    effects: tuple[ForestEffect | str, ...]
    extra: str = ""
    judgment: Judgment = ""
    key: str = ""
    href: str = ""
    toggle: str = ""
    left_out: bool = False


@dataclass(frozen=True)
class ForestPooled:
    """Pooled mean with confidence and prediction limits (nan when there are none).

    heterogeneity: one line on the number of trials, tau2 and I2.
    """

    estimate: float
    ci_lb: float
    ci_ub: float
    pi_lb: float
    pi_ub: float
    heterogeneity: str


@dataclass(frozen=True)
class ForestHeading:
    """A line of text above a group of rows."""

    label: str


@dataclass(frozen=True)
class ForestSubtotal:
    """Pooled mean of a group of rows, per panel, or in words why there is none."""

    label: str
    pooled: tuple[ForestPooled | str, ...]
    extra: str = ""


ForestLine = ForestRow | ForestHeading | ForestSubtotal


@dataclass(frozen=True)
class ForestPanel:
    """One outcome of a forest. pooled: the mean, or in words why there is none (empty: no
    row for it). ghost: the
    primary result, drawn hollow beside the one of a selection."""

    name: str
    tone: Tone
    pooled: ForestPooled | str
    ghost: ForestPooled | None = None


@dataclass(frozen=True)
class Forest:
    """Side-by-side forest: panels share rows and the axis.

    extra_header, extra_pooled: last text column and its entry in the pooled row.
    ends: what effects to the left and right of 0 favor. weights, judgments, prediction: whether
    these are shown. row_header: name of the first column. compact: for narrow screens, with shorter
    names and a smaller plot.
    """

    title: str
    description: str
    panels: tuple[ForestPanel, ...]
    rows: tuple[ForestLine, ...]
    extra_header: str = ""
    extra_pooled: str = ""
    axis_label: str = "Standardized mean difference (g)"
    ends: tuple[str, str] = ("favors comparator", "favors intervention")
    level: float = 0.95
    pooled_label: str = "Pooled mean"
    ghost_label: str = "Primary analysis"
    empty: str = "No trial has a usable effect"
    weights: bool = True
    judgments: bool = False
    prediction: bool = True
    measure: str = "g"
    row_header: str = "Trial"
    compact: bool = False


@dataclass(frozen=True)
class GapPoint:
    """A trial with both outcomes: x upstream, y behavior. named: its label is drawn."""

    label: str
    x: float
    x_lb: float
    x_ub: float
    y: float
    y_lb: float
    y_ub: float
    named: bool = False
    href: str = ""


@dataclass(frozen=True)
class Region:
    """An ellipse: center, 2x2 covariance (xx, xy, yy) and the probability it holds."""

    x: float
    y: float
    xx: float
    xy: float
    yy: float
    level: float = 0.95


@dataclass(frozen=True)
class TrialLine:
    """Trial-level line of behavior on the upstream effect, drawn from `start` to `stop`."""

    intercept: float
    slope: float
    start: float
    stop: float


@dataclass(frozen=True)
class GapPlot:
    """Behavior against upstream effects.

    pooled: joint means (x, y). confidence: of the means; prediction: of a new setting.
    line: None unless the surrogacy status is `ok`.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    x_tone: Tone
    points: tuple[GapPoint, ...]
    pooled: tuple[float, float] | None = None
    confidence: Region | None = None
    prediction: Region | None = None
    line: TrialLine | None = None
    above: str = "behavior raised more"
    below: str = "intention raised more"
    empty: str = "No trial has both outcomes"


@dataclass(frozen=True)
class GridPoint:
    """Difference at one assumed within-arm correlation. primary: the value of the primary
    analysis."""

    correlation: float
    estimate: float
    ci_lb: float
    ci_ub: float
    primary: bool = False


@dataclass(frozen=True)
class GridRibbon:
    """The difference over the assumed correlation, with its confidence limits."""

    title: str
    description: str
    points: tuple[GridPoint, ...]
    primary_label: str = "primary value"
    y_label: str = "Difference (SD units)"
    x_label: str = "Assumed within-arm correlation"
    empty: str = "No difference could be estimated"


@dataclass(frozen=True)
class ActionShares:
    """Four shares of all persons that add to 1: intended and acted, intended and did not act,
    did not intend and acted, neither."""

    inclined_actors: float
    inclined_abstainers: float
    disinclined_actors: float
    disinclined_abstainers: float

    @property
    def parts(self) -> tuple[float, float, float, float]:
        return (
            self.inclined_actors, self.inclined_abstainers, self.disinclined_actors,
            self.disinclined_abstainers,
        )  # fmt: skip


@dataclass(frozen=True)
class ActionBar:
    """One group of persons. shares: or in words why they are withheld. persons: as text."""

    label: str
    shares: ActionShares | str
    persons: str = ""


@dataclass(frozen=True)
class ActionGroup:
    """Bars under one heading (a trial with its two outcomes, or the pooled shares)."""

    name: str
    bars: tuple[ActionBar, ...]


@dataclass(frozen=True)
class ActionBars:
    """Who intends and who acts, per group of persons."""

    title: str
    description: str
    groups: tuple[ActionGroup, ...] = field(default=())
    empty: str = "No trial has counts of who intended and who acted"


@dataclass(frozen=True)
class FunnelPoint:
    """A trial's effect and its standard error. imputed: added by trim and fill."""

    label: str
    estimate: float
    se: float
    imputed: bool = False
    href: str = ""


@dataclass(frozen=True)
class Funnel:
    """Effects against their standard errors.

    center: where the contours of significance are centered (0). pooled: mean drawn as a line
    with the 95% region that sampling error alone would fill.
    """

    title: str
    description: str
    tone: Tone
    points: tuple[FunnelPoint, ...]
    pooled: float | None = None
    center: float = 0.0
    x_label: str = "Effect (g)"
    empty: str = "No trial has a usable effect"


@dataclass(frozen=True)
class ScatterPoint:
    """A point with its area as a share of the largest one; named: its label is drawn."""

    label: str
    x: float
    y: float
    share: float = 0.3
    named: bool = False
    href: str = ""


@dataclass(frozen=True)
class Scatter:
    """Points over two axes, with a fitted line and its confidence limits as (x, y, lb, ub)."""

    title: str
    description: str
    x_label: str
    y_label: str
    tone: Tone
    points: tuple[ScatterPoint, ...]
    line: tuple[tuple[float, float, float, float], ...] = ()
    from_zero: bool = False
    empty: str = "There is nothing to draw"


@dataclass(frozen=True)
class SpecPoint:
    """One specification: estimate, limits and the chosen value of every choice."""

    estimate: float
    ci_lb: float
    ci_ub: float
    choices: tuple[str, ...]
    primary: bool = False


@dataclass(frozen=True)
class SpecCurve:
    """Specification curve: estimates in rising order above a matrix of choices.

    choices: name of each choice with its possible values. mark: another estimate drawn as a
    level line, with what it is.
    """

    title: str
    description: str
    choices: tuple[tuple[str, tuple[str, ...]], ...]
    points: tuple[SpecPoint, ...]
    y_label: str = "Difference (SD units)"
    mark: tuple[float, str] | None = None
    empty: str = "No specification could be estimated"


@dataclass(frozen=True)
class TrendPoint:
    """Estimate at one place of a sequence. href: page of that place."""

    label: str
    estimate: float
    ci_lb: float
    ci_ub: float
    note: str = ""
    href: str = ""


@dataclass(frozen=True)
class TrendSeries:
    """One outcome over the sequence."""

    name: str
    tone: Literal["intention", "behavior", "upstream", "ink"]
    points: tuple[TrendPoint, ...]


@dataclass(frozen=True)
class Trend:
    """How pooled results moved along a sequence (releases, years), one panel per series."""

    title: str
    description: str
    series: tuple[TrendSeries, ...]
    y_label: str = "g"
    empty: str = "One release so far"


@dataclass(frozen=True)
class FlowBox:
    """A stage of the flow with what left it, as (count, reason)."""

    count: int
    text: str
    left: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Flow:
    """How records, trials and effects pass through the stages, top to bottom."""

    title: str
    description: str
    boxes: tuple[FlowBox, ...]
    ends: tuple[tuple[int, str], ...] = ()
