"""Effects: every outcome row on the common scale (SMD) and on its natural ones.

Stored effects are positive when the intervention did what it should: outcomes for which lower
is better are turned. Each effect carries the formula that made it; one that cannot be made is
a row without number and with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

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
from assets.outcomes.arms import BASIS_OF_QUANTILES
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
        return pd.DataFrame(columns=EFFECT_COLUMNS)
    binary = outcomes["events1"].notna() & outcomes["events2"].notna()
    adjusted = outcomes["adjusted_difference"].notna()
    means = outcomes["m1"].notna() & outcomes["m2"].notna() & ~adjusted
    reported = outcomes["basis"] == "reported_effects"
    parts = [
        *_from_means(outcomes[means & ~reported], settings),
        *_from_ancova(outcomes[adjusted & ~reported]),
        *_from_events(outcomes[binary & ~reported], settings),
        _from_reported(outcomes[reported], settings),
        _without_numbers(outcomes[~(binary | adjusted | means | reported)]),
    ]
    effects = pd.concat([part for part in parts if not part.empty], ignore_index=True)
    order = {row: i for i, row in enumerate(outcomes["outcome_row_id"])}
    effects["_order"] = effects["outcome_row_id"].map(order)
    effects = effects.sort_values(["_order", "measure"], kind="stable").drop(columns="_order")
    effects["effect_id"] = effects["outcome_row_id"] + ":" + effects["measure"]
    z = normal_quantile((1.0 + settings.level) / 2.0)
    effects["sei"] = np.sqrt(effects["vi"])
    effects["ci_lb"] = effects["yi"] - z * effects["sei"]
    effects["ci_ub"] = effects["yi"] + z * effects["sei"]
    usable = effects["yi"].notna() & (effects["measure"] == COMMON_SCALE)
    effects["in_pool"] = usable & effects["primary"].astype(bool)
    return effects[EFFECT_COLUMNS].reset_index(drop=True)


def _rows(outcomes: pd.DataFrame, effects: EffectSizes) -> pd.DataFrame:
    """Attach effects to their rows, allowing for clustering and turning the direction."""
    inflation = outcomes["design_effect"].fillna(1.0).to_numpy(dtype=float)
    if (inflation > 1.0).any():
        effects = inflate_for_clustering(effects, inflation)
    turned = ~outcomes["higher_is_better"].astype(bool).to_numpy()
    out = outcomes[CARRIED].copy()
    out["measure"] = effects.measure
    out["yi"] = np.where(turned, -effects.yi, effects.yi)
    out["vi"] = effects.vi
    quantiles = outcomes["basis"].to_numpy() == BASIS_OF_QUANTILES
    out["formula"] = np.where(quantiles, f"{effects.formula}/from_quantiles", effects.formula)
    out["turned"] = turned
    out["reason"] = np.where(np.isfinite(effects.yi), "", "the cells do not determine an effect")
    return out


def _from_means(outcomes: pd.DataFrame, settings: AnalysisSettings) -> list[pd.DataFrame]:
    usable = outcomes[(outcomes["sd1"] > 0) & (outcomes["sd2"] > 0)]
    parts = [
        _without_numbers(outcomes.drop(index=usable.index), "the SD of an arm is 0 or missing")
    ]
    if usable.empty:
        return parts
    columns = [usable[c].to_numpy(dtype=float) for c in ("m1", "sd1", "n1", "m2", "sd2", "n2")]
    smd = standardized_mean_difference(*columns, variance=settings.smd_variance)
    return [*parts, _rows(usable, smd), _rows(usable, mean_difference(*columns))]


def _from_ancova(outcomes: pd.DataFrame) -> list[pd.DataFrame]:
    if outcomes.empty:
        return []
    columns = [
        outcomes[c].to_numpy(dtype=float)
        for c in ("adjusted_difference", "sd_pooled", "covariate_r", "n1", "n2")
    ]
    return [_rows(outcomes, ancova_standardized_mean_difference(*columns))]


def _from_events(outcomes: pd.DataFrame, settings: AnalysisSettings) -> list[pd.DataFrame]:
    if outcomes.empty:
        return []
    columns = [outcomes[c].to_numpy(dtype=float) for c in ("events1", "n1", "events2", "n2")]
    odds = log_odds_ratio(*columns, zero_cells=settings.zero_cells)
    effects = [
        odds_ratio_to_smd(odds, method=settings.odds_to_smd),
        odds,
        log_risk_ratio(*columns, zero_cells=settings.zero_cells),
        risk_difference(*columns, zero_cells="none"),
    ]
    return [_rows(outcomes, effect) for effect in effects]


def _without_numbers(outcomes: pd.DataFrame, reason: str = "no usable numbers") -> pd.DataFrame:
    if outcomes.empty:
        return pd.DataFrame()
    out = outcomes[CARRIED].copy()
    out["measure"], out["formula"], out["turned"] = COMMON_SCALE, "", False
    out["yi"] = out["vi"] = np.nan
    out["reason"] = reason
    return out


def _optional(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(value)  # type: ignore[arg-type]


def _as_reported(row: dict[str, object]) -> Reported:
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


def _from_reported(outcomes: pd.DataFrame, settings: AnalysisSettings) -> pd.DataFrame:
    """Converted effects, then the same effects on their natural scale where they have one."""
    made: list[tuple[int, Converted]] = []
    failed: dict[int, str] = {}
    for position, row in enumerate(outcomes.to_dict("records")):
        report = _as_reported(row)
        try:
            made.append((position, smd_from_reported(report, odds_to_smd=settings.odds_to_smd)))
        except EstimationError as error:
            failed[position] = str(error)
        try:
            natural = natural_from_reported(report)
        except ConversionError:
            natural = None
        if natural is not None and natural.vi > 0:
            made.append((position, natural))
    parts = [_without_numbers(outcomes.iloc[[at]], reason) for at, reason in failed.items()]
    for measure in sorted({one.measure for _, one in made}):
        chosen = [(at, one) for at, one in made if one.measure == measure]
        numbers = EffectSizes(
            measure,
            np.array([one.yi for _, one in chosen]),
            np.array([one.vi for _, one in chosen]),
            "",
        )
        rows = _rows(outcomes.iloc[[at for at, _ in chosen]], numbers)
        suffix = np.where(rows["design_effect"] > 1.0, "/design_effect", "")
        rows["formula"] = [one.formula + end for (_, one), end in zip(chosen, suffix, strict=True)]
        parts.append(rows)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def apply_holds(effects: pd.DataFrame, findings: list[Finding]) -> pd.DataFrame:
    """Take effects out of the pools that an open error or hold names."""
    held = {f.subject: f"held: {f.rule_id}" for f in findings if f.blocks and f.subject}
    return leave_out(effects, held)


def leave_out(effects: pd.DataFrame, reasons: Mapping[str, str]) -> pd.DataFrame:
    """Take the effects of outcome rows out of the pools. reasons: outcome row id -> why."""
    out = effects.copy()
    why = pd.Series([reasons.get(i, "") for i in out["outcome_row_id"]], out.index, dtype=object)
    leaves = why != ""
    out["in_pool"] = out["in_pool"].astype(bool) & ~leaves
    out["reason"] = out["reason"].where(~leaves, why)
    return out
