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
from analysis.synthesis.gap_estimates import Slope, gap_subset
from analysis.synthesis.group import Group
from analysis.synthesis.inputs import GroupInputs
from analysis.synthesis.plan import group_parts
from analysis.synthesis.stack import PAIRED, Record, Stack, having, with_both
from dashboard.facets import Facets
from dashboard.query import State
from ibgap.releases.view import ReleaseView, Row, matching, words


class LiveView(ReleaseView):
    """The tables of a release with the results of one synthesis computed anew for a state, by the
    plan of the pipeline.

    Only the synthesis of the state and the subset `all` are there; what the plan does not make for
    selections (leaving out each trial of the joint model, every specification) stays as published.
    """

    def __init__(self, base: ReleaseView, state: State, facets: Facets) -> None:
        super().__init__(base.files.folder)
        self.base, self.state, self.facets = base, state, facets
        self._computed: dict[str, list[Row]] = {}
        self._paired: Row | None = None
        self.part = facets.select(state)
        if state.assumed_correlation is not None:
            self.part = self.stack_at(state.assumed_correlation)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the release with the model of the state."""
        own = dict(self.base.settings)
        if self.state.tau2_method:
            own["tau2_method"] = self.state.tau2_method
        if self.state.ci_method:
            own["ci_method"] = self.state.ci_method
        if self.state.assumed_correlation is not None:
            own["assumed_correlation"] = self.state.assumed_correlation
        return own

    def table(self, name: str) -> pd.DataFrame:
        if name in self._parts:
            columns = list(self.base.table(name).columns)
            return pd.DataFrame(self.rows(name), columns=columns)
        return self.base.table(name)

    def rows(self, name: str, **where: object) -> list[Row]:
        if name not in self._parts:
            return self.base.rows(name, **where)
        if name not in self._computed:
            rows = self._parts[name]()
            if name == "gap_estimates":
                rows = [self._in_words(row) for row in rows]
            self._computed[name] = _complete(rows, self.base.table(name))
        return matching(self._computed[name], where)

    @cached_property
    def _group(self) -> Group:
        name = self.state.synthesis
        inputs = GroupInputs(
            name, self.upstream(name), self._stack_at, self.analysis,
            self.base.inputs(name).natural_effects, tuple(self.pairs(name)),
            tuple(self.base.moderators),
        )  # fmt: skip
        return Group(inputs, selection=True)

    @cached_property
    def _parts(self) -> dict[str, Callable[[], list[Record]]]:
        """The tables of the plan that are made for selections."""
        return group_parts(self._group)

    def _stack_at(self, assumed_correlation: float) -> Stack:
        if assumed_correlation == self.analysis.assumed_correlation:
            return self.part
        return self.stack_at(assumed_correlation)

    @cached_property
    def syntheses(self) -> list[str]:
        return self.base.syntheses

    def upstream(self, synthesis: str) -> str:
        return self.base.upstream(synthesis)

    def stack(self, synthesis: str, assumed_correlation: float | None = None) -> Stack:
        if synthesis != self.state.synthesis:
            return Stack(())
        return self.part

    def stack_at(self, assumed_correlation: float) -> Stack:
        """The selected effects with the covariances of another assumed correlation."""
        ids = set(self.part.values("effect_id"))
        whole = self.base.stack(self.state.synthesis, assumed_correlation)
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
            model, none = self._group.joint_of(paired), Slope(None, 0.0, "")
            identity = self._group.identity | {"subset": PAIRED}
            self._paired = gap_subset(model, identity, none, math.nan, self.analysis)[0]
        return self._paired

    def withheld_effects(self, synthesis: str) -> list[Row]:
        """None: effects without a published number do not enter a selection."""
        return []

    def joint(self, synthesis: str) -> JointModel | EstimationError:
        if synthesis != self.state.synthesis:
            return super().joint(synthesis)
        if reason := self._reason_of_selection():
            return EstimationError(reason)
        return self._group.joint

    def _reason_of_selection(self) -> str:
        """Why a selection has no joint model when it is the selection that leaves none."""
        if not self.part.trials:
            return "no trial is left"
        for construct in self._group.pair:
            dropped = any(one == construct for _, one in self._absent)
            if dropped and construct not in self.part.constructs:
                return (
                    f"the selection leaves out every effect on {words(construct)}; there is no gap "
                    "to estimate"
                )
        return ""

    def _in_words(self, row: Record) -> Record:
        """A row of the gap whose reason says when it is the selection that leaves nothing."""
        if reason := self._reason_of_selection():
            return row | {"reason": reason, "verdict_reason": reason}
        if row.get("k_paired") != 0:
            return row
        whole = self.base.stack(self.state.synthesis)
        if not with_both(whole, self._group.upstream).trials:
            return row
        reason = f"in this selection {row['reason']}"
        return row | {"reason": reason, "verdict_reason": reason if row["verdict_reason"] else ""}


def _complete(rows: list[Row], like: pd.DataFrame) -> list[Row]:
    """Rows with every column of the published table, '' for missing text, nan for numbers."""
    blank: Row = {
        str(c): "" if pd.api.types.is_string_dtype(like[c]) else float("nan") for c in like.columns
    }
    return [blank | {k: v for k, v in row.items() if k in blank} for row in rows]
