"""Effects: every outcome row on the common scale (SMD) and on its natural ones.

Stored effects are positive when the intervention did what it should: outcomes for which lower
is better are turned. Each effect carries the formula that made it; one that cannot be made is
a row without number and with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.distributions import normal_quantile
from analysis.effect_sizes import (
    EffectSizes,
    ancova_standardized_mean_difference,
    inflate_for_clustering,
    log_odds_ratio,
    log_risk_ratio,
    mean_difference,
    odds_ratio_to_smd,
    risk_difference,
    standardized_mean_difference,
)
from analysis.effect_sizes.reported import (
    Converted,
    Reported,
    natural_from_reported,
    smd_from_reported,
)
from analysis.errors import ConversionError, EstimationError
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record
from assets.outcomes.arms import BASIS_OF_QUANTILES
from assets.rows import empty_table, records_of
from validations.findings import Finding
from validations.tables import made_columns

CARRIED = [
    "outcome_row_id",
    "trial_id",
    "collection_id",
    "study_label",
    "synthesis",
    "upstream_construct",
    "topic",
    "comparison_id",
    "intervention_arm",
    "comparator_arm",
    "construct",
    "outcome_id",
    "outcome_label",
    "instrument",
    "weeks",
    "timepoint",
    "analysis_set",
    "measured_by",
    "target",
    "action",
    "context",
    "time",
    "primary",
    "randomized",
    "basis",
    "n1",
    "n2",
    "design_effect",
    "file",
    "rows",
]
EFFECT_COLUMNS = made_columns("effects")

COMMON_SCALE = "SMD"


def make_effects(outcomes: pd.DataFrame, settings: AnalysisSettings) -> pd.DataFrame:
    """Effects of all outcome rows; `effect_id` is the outcome row's id and the measure."""
    if outcomes.empty:
        return empty_table(EFFECT_COLUMNS)
    rows = [_Row(at, record) for at, record in enumerate(records_of(outcomes))]
    printed = [row for row in rows if row.record["basis"] == "reported_effects"]
    others = [row for row in rows if row.record["basis"] != "reported_effects"]
    effects = [
        *_from_means([r for r in others if r.has("m1", "m2") and not r.is_adjusted], settings),
        *_from_ancova([r for r in others if r.is_adjusted]),
        *_from_events([r for r in others if r.has("events1", "events2")], settings),
        *_from_reported(printed, settings),
        *_without_numbers([r for r in others if not r.has_numbers]),
    ]
    effects.sort(key=lambda effect: (effect.of.place, effect.measure))
    z = normal_quantile((1.0 + settings.level) / 2.0)
    return pd.DataFrame([_finished(one, z) for one in effects], columns=EFFECT_COLUMNS)


@dataclass(frozen=True)
class _Row:
    """An outcome row and its place in the table."""

    place: int
    record: Record

    def has(self, *names: str) -> bool:
        """Whether none of the numbers is missing."""
        return not any(pd.isna(self.record[name]) for name in names)

    @property
    def is_adjusted(self) -> bool:
        return self.has("adjusted_difference")

    @property
    def has_numbers(self) -> bool:
        return self.has("events1", "events2") or self.is_adjusted or self.has("m1", "m2")


@dataclass(frozen=True)
class _Effect:
    """One effect of an outcome row, in the direction it is stored in."""

    of: _Row
    measure: str
    yi: float = math.nan
    vi: float = math.nan
    formula: str = ""
    turned: bool = False
    reason: str = ""


def _finished(effect: _Effect, z: float) -> Record:
    """The row of the table of effects."""
    record = effect.of.record
    sei = math.sqrt(effect.vi)
    return {name: record[name] for name in CARRIED} | {
        "effect_id": f"{record['outcome_row_id']}:{effect.measure}",
        "measure": effect.measure,
        "yi": effect.yi,
        "vi": effect.vi,
        "sei": sei,
        "ci_lb": effect.yi - z * sei,
        "ci_ub": effect.yi + z * sei,
        "formula": effect.formula,
        "turned": effect.turned,
        "in_pool": effect.measure == COMMON_SCALE
        and not math.isnan(effect.yi)
        and bool(record["primary"]),
        "reason": effect.reason,
    }


def _numbers(rows: list[_Row], *names: str) -> list[np.ndarray]:
    """The named columns of some rows."""
    return [np.array([row.record[name] for row in rows], dtype=float) for name in names]


def _effects(rows: list[_Row], effects: EffectSizes) -> list[_Effect]:
    """Attach effects to their rows, allowing for clustering and turning the direction."""
    (inflation,) = _numbers(rows, "design_effect")
    inflation = np.where(np.isnan(inflation), 1.0, inflation)
    if (inflation > 1.0).any():
        effects = inflate_for_clustering(effects, inflation)
    out = []
    for row, yi, vi in zip(rows, effects.yi.tolist(), effects.vi.tolist(), strict=True):
        turned = not row.record["higher_is_better"]
        quantiles = "/from_quantiles" if row.record["basis"] == BASIS_OF_QUANTILES else ""
        reason = "" if math.isfinite(yi) else "the cells do not determine an effect"
        formula = f"{effects.formula}{quantiles}"
        out.append(
            _Effect(row, effects.measure, -yi if turned else yi, vi, formula, turned, reason)
        )
    return out


def _from_means(rows: list[_Row], settings: AnalysisSettings) -> list[_Effect]:
    usable = [row for row in rows if row.record["sd1"] > 0 and row.record["sd2"] > 0]
    others = [row for row in rows if not (row.record["sd1"] > 0 and row.record["sd2"] > 0)]
    out = _without_numbers(others, "the SD of an arm is 0 or missing")
    if not usable:
        return out
    columns = _numbers(usable, "m1", "sd1", "n1", "m2", "sd2", "n2")
    smd = standardized_mean_difference(*columns, variance=settings.smd_variance)
    return [*out, *_effects(usable, smd), *_effects(usable, mean_difference(*columns))]


def _from_ancova(rows: list[_Row]) -> list[_Effect]:
    if not rows:
        return []
    columns = _numbers(rows, "adjusted_difference", "sd_pooled", "covariate_r", "n1", "n2")
    return _effects(rows, ancova_standardized_mean_difference(*columns))


def _from_events(rows: list[_Row], settings: AnalysisSettings) -> list[_Effect]:
    if not rows:
        return []
    columns = _numbers(rows, "events1", "n1", "events2", "n2")
    odds = log_odds_ratio(*columns, zero_cells=settings.zero_cells)
    effects = [
        odds_ratio_to_smd(odds, method=settings.odds_to_smd),
        odds,
        log_risk_ratio(*columns, zero_cells=settings.zero_cells),
        risk_difference(*columns, zero_cells="none"),
    ]
    return [one for effect in effects for one in _effects(rows, effect)]


def _without_numbers(rows: list[_Row], reason: str = "no usable numbers") -> list[_Effect]:
    return [_Effect(row, COMMON_SCALE, reason=reason) for row in rows]


def _optional(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(value)  # type: ignore[arg-type]


def _as_reported(row: Record) -> Reported:
    """The printed effect as intervention minus comparator."""
    value, lower, upper = (_optional(row[f"reported_{n}"]) for n in ("value", "ci_lb", "ci_ub"))
    if row["favors"] == "reversed":
        ratio = row["reported_statistic"] in ("OR", "RR")
        value, lower, upper = (_reverse(x, ratio=ratio) for x in (value, upper, lower))
    positive = None
    if row["favors"] in ("intervention", "comparator"):
        positive = (row["favors"] == "intervention") == bool(row["higher_is_better"])
    level = _optional(row["reported_ci_level"])
    return Reported(
        str(row["reported_statistic"]),
        value,
        _optional(row["reported_se"]),
        _optional(row["reported_variance"]),
        lower,
        upper,
        0.95 if level is None else level,
        _optional(row["n1"]),
        _optional(row["n2"]),
        _optional(row["reported_sd"]),
        _optional(row["reported_p"]),
        _optional(row["reported_risk2"]),
        positive,
    )


def _reverse(value: float | None, *, ratio: bool) -> float | None:
    if value is None:
        return None
    if ratio:
        return 1.0 / value if value else math.nan
    return -value


def _from_reported(rows: list[_Row], settings: AnalysisSettings) -> list[_Effect]:
    """Converted effects, then the same effects on their natural scale where they have one."""
    made: list[tuple[_Row, Converted]] = []
    out: list[_Effect] = []
    for row in rows:
        report = _as_reported(row.record)
        try:
            made.append((row, smd_from_reported(report, odds_to_smd=settings.odds_to_smd)))
        except EstimationError as error:
            out += _without_numbers([row], str(error))
        try:
            natural = natural_from_reported(report)
        except ConversionError:
            natural = None
        if natural is not None and natural.vi > 0:
            made.append((row, natural))
    for measure in sorted({one.measure for _, one in made}):
        chosen = [(row, one) for row, one in made if one.measure == measure]
        numbers = EffectSizes(
            measure,
            np.array([one.yi for _, one in chosen]),
            np.array([one.vi for _, one in chosen]),
            "",
        )
        effects = _effects([row for row, _ in chosen], numbers)
        for effect, (row, one) in zip(effects, chosen, strict=True):
            end = "/design_effect" if row.record["design_effect"] > 1.0 else ""
            out.append(replace(effect, formula=one.formula + end))
    return out


def apply_holds(effects: pd.DataFrame, findings: list[Finding]) -> pd.DataFrame:
    """Take effects out of the pools that an open error or hold names."""
    held = {f.subject: f"held: {f.rule_id}" for f in findings if f.blocks and f.subject}
    return leave_out(effects, held)


def leave_out(effects: pd.DataFrame, reasons: Mapping[str, str]) -> pd.DataFrame:
    """Take the effects of outcome rows out of the pools. reasons: outcome row id -> why."""
    out = effects.copy()
    if not reasons:
        out["in_pool"] = out["in_pool"].astype(bool)
        return out
    why = pd.Series([reasons.get(i, "") for i in out["outcome_row_id"]], out.index, dtype=object)
    leaves = why != ""
    out["in_pool"] = out["in_pool"].astype(bool) & ~leaves
    out["reason"] = out["reason"].where(~leaves, why)
    return out
