"""A release seen through filters and another model: pooled again by the pipeline's functions.

Only published numbers enter, so no combination of filters can tell more about a trial than the
published tables do; effects that are withheld stay out and are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.errors import EstimationError
from analysis.gap.joint import JointModel
from analysis.synthesis.bias_checks import check_construct
from analysis.synthesis.gap_estimates import (
    Slope,
    gap_subset,
    share_assumed,
    surrogacy_row,
    try_joint_model,
    within_arm_slope,
)
from analysis.synthesis.influence import influence_of
from analysis.synthesis.moderator_effects import (
    compare_gap,
    compare_levels,
    gap_moderators,
    moderators_of,
)
from analysis.synthesis.pooled_effects import pool_subset, pooled_natural_scales
from analysis.synthesis.sensitivity import grid_rows
from analysis.synthesis.stack import PAIRED, Stack, having, with_both
from dashboard.facets import Facets
from dashboard.query import State
from dashboard.view import ReleaseView, Row, matching, words

_MANY_TRIALS = 50


class LiveView(ReleaseView):
    """The tables of a release with the results of one synthesis computed anew for a state.

    Only the synthesis of the state and the subset `all` are there; what would take too long for
    a page (leaving out each trial of the joint model, every specification) is left empty.
    """

    def __init__(self, base: ReleaseView, state: State, facets: Facets) -> None:
        super().__init__(base.files.folder)
        self.base, self.state, self.facets = base, state, facets
        self._computed: dict[str, list[Row]] = {}
        self._paired: Row | None = None
        self.part = facets.select(state)
        if state.correlation is not None:
            self.part = self.stack_at(state.correlation)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the release with the model of the state."""
        own = dict(self.base.settings)
        if self.state.tau2_method:
            own["tau2_method"] = self.state.tau2_method
        if self.state.ci_method:
            own["ci_method"] = self.state.ci_method
        if self.state.correlation is not None:
            own["assumed_correlation"] = self.state.correlation
        return own

    def table(self, name: str) -> pd.DataFrame:
        if name in _COMPUTED:
            columns = list(self.base.table(name).columns)
            return pd.DataFrame(self.rows(name), columns=columns)
        return self.base.table(name)

    def rows(self, name: str, **where: object) -> list[Row]:
        if name not in _COMPUTED:
            return self.base.rows(name, **where)
        if name not in self._computed:
            rows = _COMPUTED[name](self)
            self._computed[name] = _complete(rows, self.base.table(name))
        return matching(self._computed[name], where)

    @cached_property
    def syntheses(self) -> list[str]:
        return self.base.syntheses

    def upstream(self, synthesis: str) -> str:
        return self.base.upstream(synthesis)

    def stack(self, synthesis: str, correlation: float | None = None) -> Stack:
        if synthesis != self.state.synthesis:
            return Stack(())
        return self.part

    def stack_at(self, correlation: float) -> Stack:
        """The selected effects with the covariances of another assumed correlation."""
        ids = set(self.part.values("effect_id"))
        whole = self.base.stack(self.state.synthesis, correlation)
        return whole.select(lambda record: record["effect_id"] in ids)

    def pairs(self, synthesis: str) -> list[Row]:
        """Paired effects of the selection: of its trials, and with no effect that it left out."""
        here = {t["trial_id"] for t in self.part.trials}
        left = set(self.base.stack(synthesis).values("effect_id"))
        left -= set(self.part.values("effect_id"))
        return [
            row
            for row in self.base.rows("paired_effects", synthesis=synthesis)
            if row["trial_id"] in here
            and not left & {row["upstream_effect_id"], row["behavior_effect_id"]}
        ]

    @property
    def is_selection(self) -> bool:
        return self.state.is_filtered

    @cached_property
    def _absent(self) -> set[tuple[str, str]]:
        """(trial, construct) that the release pools and the selection leaves out altogether."""
        was, now = (
            {(str(r["trial_id"]), str(r["construct"])) for t in stack.trials for r in t.records}
            for stack in (self.base.stack(self.state.synthesis), self.part)
        )
        return was - now

    def left_out(self, synthesis: str, trial_id: str, construct: str) -> bool:
        return synthesis == self.state.synthesis and (trial_id, construct) in self._absent

    def paired_difference(self, synthesis: str) -> Row | None:
        """The difference over the selected trials with both outcomes, fitted when asked for."""
        upstream = self.upstream(synthesis)
        part = self.part.select(having("construct", upstream, "behavior"))
        paired = with_both(part, upstream)
        if synthesis != self.state.synthesis or len(paired.trials) in (0, len(part.trials)):
            return None
        if self._paired is None:
            model = try_joint_model(paired, upstream, self.analysis)
            none = Slope(None, 0.0, "")
            identity = self.identity | {"subset": PAIRED}
            self._paired = gap_subset(model, identity, none, math.nan, self.analysis)[0]
        return self._paired

    def withheld_effects(self, synthesis: str) -> list[Row]:
        """None: effects without a published number do not enter a selection."""
        return []

    def joint(self, synthesis: str) -> JointModel | EstimationError:
        if synthesis not in self._joints:
            up = self.upstream(synthesis)
            self._joints[synthesis] = self._fit_joint(synthesis, up)
        return self._joints[synthesis]

    def _fit_joint(self, synthesis: str, upstream: str) -> JointModel | EstimationError:
        """The joint model of the selection. With many trials, whose likelihood has one maximum, it
        starts from the primary one."""
        if not self.part.trials:
            return EstimationError("no trial is left")
        for construct in (upstream, "behavior"):
            dropped = any(one == construct for _, one in self._absent)
            if dropped and construct not in self.part.constructs:
                return EstimationError(
                    f"the selection leaves out every effect on {words(construct)}; there is no gap "
                    "to estimate"
                )
        near = None
        if len(self.part.trials) >= _MANY_TRIALS:
            primary = self.base.joint(synthesis)
            near = primary if isinstance(primary, JointModel) else None
        return try_joint_model(self.part, upstream, self.analysis, near)

    @property
    def identity(self) -> Row:
        name = self.state.synthesis
        return {"synthesis": name, "upstream_construct": self.upstream(name), "subset": "all"}


def _complete(rows: list[Row], like: pd.DataFrame) -> list[Row]:
    """Rows with every column of the published table, '' for missing text, nan for numbers."""
    blank: Row = {
        str(c): "" if pd.api.types.is_string_dtype(like[c]) else float("nan") for c in like.columns
    }
    return [blank | {k: v for k, v in row.items() if k in blank} for row in rows]


def _pooled(live: LiveView) -> list[Row]:
    if not live.part.trials:
        return []
    name = live.state.synthesis
    rows = pool_subset(
        live.part, name, "all", live.analysis, live.upstream(name), hierarchical=False
    )
    rows += pooled_natural_scales(live.base.rows("effects", synthesis=name), live.part,
                                  live.analysis)  # fmt: skip
    return rows


def _gap(live: LiveView) -> list[Row]:
    name = live.state.synthesis
    own = live.pairs(name)
    slope = within_arm_slope(own, name, live.analysis)
    share = share_assumed(own, name)
    rows = gap_subset(live.joint(name), live.identity, slope, share, live.analysis)
    return [_of_selection(row) if _lost_pairs(live, row) else row for row in rows]


def _lost_pairs(live: LiveView, row: Row) -> bool:
    """Whether it is the selection that leaves no trial with both outcomes."""
    whole = live.base.stack(live.state.synthesis)
    return row.get("k_paired") == 0 and bool(
        with_both(whole, str(row["upstream_construct"])).trials
    )


def _of_selection(row: Row) -> Row:
    reason = f"in this selection {row['reason']}"
    return row | {"reason": reason, "verdict_reason": reason if row["verdict_reason"] else ""}


def _surrogacy(live: LiveView) -> list[Row]:
    model = live.joint(live.state.synthesis)
    if isinstance(model, EstimationError):
        return []
    return [surrogacy_row(model, live.identity, live.analysis)]


def _sensitivity(live: LiveView) -> list[Row]:
    """The grid of the assumed correlation; no trial is left out in turn."""
    if not live.part.trials:
        return []
    model = live.joint(live.state.synthesis)
    near = model if isinstance(model, JointModel) else None
    return grid_rows(live.stack_at, live.state.synthesis, live.analysis, near)


def _moderators(live: LiveView) -> list[Row]:
    rows: list[Row] = []
    name = live.state.synthesis
    for construct in (live.upstream(name), "behavior"):
        part = live.part.select(having("construct", construct))
        if len(part.trials) >= 3:
            for one in moderators_of(part, live.base.moderators):
                rows += compare_levels(part, construct, name, one, live.analysis)
    for one in gap_moderators(live.part, live.base.moderators):
        rows += compare_gap(live.part, name, one, live.analysis)
    return rows


def _bias(live: LiveView) -> list[Row]:
    name = live.state.synthesis
    here = live.part.constructs
    constructs = [c for c in (live.upstream(name), "behavior") if c in here]
    return [row for c in constructs for row in check_construct(live.part, name, c, live.analysis)]


def _influence(live: LiveView) -> list[Row]:
    name = live.state.synthesis
    constructs = (live.upstream(name), "behavior")
    return [row for c in constructs for row in influence_of(live.part, name, c, live.analysis)]


_COMPUTED: dict[str, Callable[[LiveView], list[Row]]] = {
    "pooled_effects": _pooled,
    "gap_estimates": _gap,
    "surrogacy": _surrogacy,
    "sensitivity": _sensitivity,
    "moderator_effects": _moderators,
    "bias_checks": _bias,
    "influence": _influence,
}
