"""A release as the report reads it: tables once, rows as plain values, names for people."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import EstimationError
from analysis.gap.joint import JointModel
from analysis.synthesis.group import Group
from analysis.synthesis.inputs import NATURAL_SCALES, GroupInputs
from analysis.synthesis.moderators import Moderator, declared_moderators, moderators_of_trials
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import MAIN, PAIRED, Stack, with_usable_covariances
from ibgap.figures.svg import safe_id
from ibgap.figures.text import as_float
from ibgap.releases.reader import ReleaseFiles
from validations.tables import TABLES

__all__ = ["MAIN", "ReleaseView", "Row", "capital", "counted", "plural", "words"]

Row = dict[str, Any]


class ReleaseView:
    """Rows of a release by table, with missing text as '' and missing numbers as nan."""

    def __init__(self, folder: Path) -> None:
        self.files = ReleaseFiles(folder)
        self._tables: dict[str, pd.DataFrame] = {}
        self._rows: dict[str, list[Row]] = {}
        self._groups: dict[str, Group] = {}
        self._stacks: dict[tuple[str, float | None], Stack] = {}

    @property
    def release_id(self) -> str:
        """The id of the release: the name of its folder."""
        return self.files.folder.name

    @property
    def record(self) -> dict[str, Any]:
        return self.files.record

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.record.get("settings") or {})

    @property
    def level(self) -> float:
        return float(self.settings.get("level", 0.95))

    @property
    def protocol(self) -> str:
        """Where the primary analysis was registered; empty when no protocol is named."""
        return str(self.settings.get("protocol") or "")

    def left_out(self, synthesis: str, trial_id: str, construct: str) -> bool:
        """Whether a selection leaves out every effect of a trial on a construct that the release
        has in its pools; a whole release leaves nothing out."""
        return False

    def paired_difference(self, synthesis: str) -> Row | None:
        """The primary difference over the trials with both outcomes, where these are not all."""
        rows = self.primary(
            "gap_estimates", synthesis=synthesis, subset=PAIRED, estimand="difference"
        )
        return rows[0] if rows else None

    @property
    def is_selection(self) -> bool:
        """Whether filters or trials left out by hand can make outcomes absent."""
        return False

    def table(self, name: str) -> pd.DataFrame:
        if name not in self._tables:
            self._tables[name] = self.files.table(name)
        return self._tables[name]

    def rows(self, name: str, **where: object) -> list[Row]:
        """Rows with these values, in the order of the table; they must not be changed.

        Columns that this release does not have, because it was made before they were declared,
        are missing in every row.
        """
        if name not in self._rows:
            frame = self.table(name)
            later = _not_yet_declared(frame, name)
            self._rows[name] = [
                {str(k): _plain(v) for k, v in r.items()} | later for r in frame.to_dict("records")
            ]
        return matching(self._rows[name], where)

    @cached_property
    def analysis(self) -> AnalysisSettings:
        """The choices of the analyst that this release was made with."""
        known = {f.name for f in fields(AnalysisSettings)}
        given = {k: v for k, v in self.settings.items() if k in known}
        if "correlation_grid" in given:
            given["correlation_grid"] = tuple(float(r) for r in given["correlation_grid"])
        return AnalysisSettings(**given)

    def stack(self, synthesis: str, assumed_correlation: float | None = None) -> Stack:
        """The published effects in the pools of one synthesis with their covariances.

        assumed_correlation: one of the grid, by default the primary one. Effects without a
        published number are left out.
        """
        if assumed_correlation == self.analysis.assumed_correlation:
            assumed_correlation = None
        key = (synthesis, assumed_correlation)
        if key not in self._stacks:
            self._stacks[key] = _make_stack(self, synthesis, assumed_correlation)
        return self._stacks[key]

    def inputs(self, synthesis: str) -> GroupInputs:
        """What the tables of a synthesis are made from, as published."""
        here = {str(t["trial_id"]) for t in self.stack(synthesis).trials}
        natural = (r for r in self.rows("effects", synthesis=synthesis)
                   if r["measure"] in NATURAL_SCALES)  # fmt: skip
        return GroupInputs(
            synthesis, self.upstream(synthesis), lambda r: self.stack(synthesis, r), self.analysis,
            tuple(natural), tuple(self.pairs(synthesis)),
            moderators_of_trials(self.moderators, here),
        )  # fmt: skip

    def group(self, synthesis: str) -> Group:
        """The fits of a synthesis, made when first asked for."""
        if synthesis not in self._groups:
            self._groups[synthesis] = Group(self.inputs(synthesis))
        return self._groups[synthesis]

    def pairs(self, synthesis: str) -> list[Row]:
        """Paired effects of a synthesis whose trials are in its stack."""
        here = {t["trial_id"] for t in self.stack(synthesis).trials}
        return [
            r for r in self.rows("paired_effects", synthesis=synthesis) if r["trial_id"] in here
        ]

    def withheld_effects(self, synthesis: str) -> list[Row]:
        """Effects in the pools of a synthesis whose numbers are not published."""
        return [
            row for row in pooled_records(self, synthesis)
            if not (math.isfinite(row["yi"]) and math.isfinite(row["vi"]) and row["vi"] > 0)
        ]  # fmt: skip

    def joint(self, synthesis: str) -> JointModel | EstimationError:
        """The joint model of the published effects of a synthesis, or why there is none."""
        return self.group(synthesis).joint

    @cached_property
    def moderators(self) -> list[Moderator]:
        return declared_moderators(self.rows("moderators"))

    def primary(self, name: str, **where: object) -> list[Row]:
        """Rows of the primary analysis."""
        return [row for row in self.rows(name, **where) if row["is_primary"] is True]

    @cached_property
    def syntheses(self) -> list[str]:
        """Syntheses of trials besides main, in order of name."""
        names: set[str] = set()
        for table in ("pooled_effects", "gap_estimates", "effects"):
            names |= set(self.table(table)["synthesis"])
        return sorted(names - {MAIN, ""})

    def anchor(self, synthesis: str) -> str:
        """The synthesis as part of an id: unique, whatever its name."""
        kept = safe_id(synthesis)
        if kept == synthesis:
            return kept
        return f"{kept}-{self.syntheses.index(synthesis) if synthesis in self.syntheses else 0}"

    def upstream(self, synthesis: str) -> str:
        """The construct that is set against behavior in a synthesis; main is intention."""
        if synthesis == MAIN:
            return "intention"
        for table in ("gap_estimates", "effects"):
            frame = self.table(table)
            found = frame.loc[frame["synthesis"] == synthesis, "upstream_construct"]
            found = found[found != ""]
            if len(found):
                return str(found.mode().iloc[0])
        return "upstream outcome"

    @cached_property
    def trial_labels(self) -> dict[str, str]:
        """Names of trials for people."""
        labels = {r["trial_id"]: r["label"] or r["trial_id"] for r in self.rows("trials")}
        return {str(k): str(v) for k, v in labels.items()}

    def trial_label(self, trial_id: str) -> str:
        return self.trial_labels.get(trial_id, trial_id)

    @cached_property
    def arm_labels(self) -> dict[tuple[str, str], str]:
        return {(r["trial_id"], r["arm_id"]): r["label"] for r in self.rows("arms") if r["label"]}

    @cached_property
    def outcome_labels(self) -> dict[tuple[str, str], str]:
        """Names of outcomes by (collection, outcome id)."""
        rows = self.rows("instruments")
        return {(r["collection_id"], r["outcome_id"]): r["label"] for r in rows if r["label"]}

    def outcome_label(self, trial_id: str, outcome_id: str) -> str:
        collection = trial_id.split("/")[0]
        return self.outcome_labels.get((collection, outcome_id), words(outcome_id))


def matching(rows: list[Row], where: dict[str, object]) -> list[Row]:
    """The rows that have all of these values."""
    return [row for row in rows if all(row[name] == value for name, value in where.items())]


def pooled_records(view: ReleaseView, synthesis: str) -> list[Row]:
    """Rows of the effects on the common scale that enter the pools of a synthesis."""
    rows = view.rows("effects", synthesis=synthesis, measure="SMD")
    return [row for row in rows if row["in_pool"] is True]


def _make_stack(view: ReleaseView, synthesis: str, assumed_correlation: float | None) -> Stack:
    records = [
        row for row in pooled_records(view, synthesis)
        if math.isfinite(row["yi"]) and math.isfinite(row["vi"]) and row["vi"] > 0
    ]  # fmt: skip
    here = {row["trial_id"] for row in records}
    known: Any = view.table("effect_covariances")
    covariances = known[known["trial_id"].isin(here)].to_dict("records")
    if assumed_correlation is not None:
        grid: Any = view.table("assumed_covariances")
        own = grid[np.isclose(grid["assumed_correlation"], assumed_correlation)]
        covariances += own[own["trial_id"].isin(here)].assign(origin="assumed").to_dict("records")
    return with_usable_covariances(Stack.from_records(records, covariances))


def _not_yet_declared(frame: pd.DataFrame, name: str) -> Row:
    """The declared columns that a table of an older release has not, each with the value of a
    missing cell of its kind."""
    return {
        column.name: "" if column.kind == "text" else math.nan
        for column in (TABLES[name].columns if name in TABLES else ())
        if column.name not in frame
    }


def _plain(value: Any) -> Any:
    if value is pd.NA or value is None or value is pd.NaT:
        return math.nan
    if hasattr(value, "item"):
        return value.item()
    return value


def words(name: object) -> str:
    """An identifier as words: `perceived_control` becomes `perceived control`."""
    return str(name).replace("_", " ")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def counted(value: object) -> int:
    """A count, 0 when it is missing."""
    found = as_float(value)
    return 0 if math.isnan(found) else int(found)


def plural(count: object, one: str, many: str = "") -> str:
    """`1 trial`, `14 trials`; a missing count is 0."""
    found = counted(count)
    return f"{found:,} {one if found == 1 else many or one + 's'}"
