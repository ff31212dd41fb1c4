"""A release as the report reads it: tables once, rows as plain values, names for people."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.figures.svg import safe_id
from analysis.figures.text import as_float
from dashboard.release import ReleaseFiles

MAIN = "main"
Row = dict[str, Any]


class ReleaseView:
    """Rows of a release by table, with missing text as '' and missing numbers as nan."""

    def __init__(self, folder: Path) -> None:
        self.files = ReleaseFiles(folder)
        self._tables: dict[str, pd.DataFrame] = {}

    @property
    def record(self) -> dict[str, Any]:
        return self.files.record

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.record.get("settings") or {})

    @property
    def level(self) -> float:
        return float(self.settings.get("level", 0.95))

    def table(self, name: str) -> pd.DataFrame:
        if name not in self._tables:
            self._tables[name] = self.files.table(name)
        return self._tables[name]

    def rows(self, name: str, **where: object) -> list[Row]:
        """Rows with these values, in the order of the table."""
        frame = self.table(name)
        for column, value in where.items():
            frame = frame[(frame[column] == value).fillna(False).astype(bool)]
        return [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]

    def primary(self, name: str, **where: object) -> list[Row]:
        """Rows of the registered primary analysis."""
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
