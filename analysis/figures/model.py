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

    weight: share of the pooled mean in percent, nan when nothing is pooled.
    """

    estimate: float
    ci_lb: float
    ci_ub: float
    weight: float


@dataclass(frozen=True)
class ForestRow:
    """One trial. effects: one per panel, or the reason in words why there is no number
    (`not reported`). extra: text of the last column, such as the trial's own difference."""

    label: str
    effects: tuple[ForestEffect | str, ...]
    extra: str = ""


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
class ForestPanel:
    """One outcome of a forest. pooled: the mean, or in words why there is none."""

    name: str
    tone: Tone
    pooled: ForestPooled | str


@dataclass(frozen=True)
class Forest:
    """Side-by-side forest: panels share rows and the axis.

    extra_header, extra_pooled: last text column and its entry in the pooled row.
    ends: what effects to the left and right of 0 favor.
    """

    title: str
    description: str
    panels: tuple[ForestPanel, ...]
    rows: tuple[ForestRow, ...]
    extra_header: str = ""
    extra_pooled: str = ""
    axis_label: str = "Standardized mean difference (g)"
    ends: tuple[str, str] = ("favors comparator", "favors intervention")
    level: float = 0.95
    pooled_label: str = "Pooled mean"
    empty: str = "No trial has a usable effect"


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
    """Difference at one assumed within-arm correlation. primary: the registered value."""

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
