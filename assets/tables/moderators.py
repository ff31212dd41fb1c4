"""Effects by level of moderators, and small-study checks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.composites import make_composites
from analysis.errors import EstimationError
from analysis.meta_regression import fit_meta_regression
from analysis.moderators import fit_subgroups
from analysis.small_study import SMALLEST_NUMBER_OF_STUDIES, egger_test
from assets.tables.arms import Manifests
from assets.tables.settings import AnalysisSettings
from assets.tables.stack import Stack, having, of_synthesis, syntheses, upstream_of
from validations.tables import made_columns

MODERATOR_COLUMNS = made_columns("moderator_effects")


def moderator_values(manifests: Manifests, study_values: pd.DataFrame) -> pd.DataFrame:
    """trial_id (or collection_id), moderator, value, and the codebook's dimension and layer."""
    rows = []
    for manifest in manifests.values():
        for m in manifest.moderators:
            about = {
                "moderator": m.name,
                "kind": m.kind,
                "barrier_dimension": m.barrier_dimension.value if m.barrier_dimension else "",
                "framework_layer": m.framework_layer.value if m.framework_layer else "",
            }
            if m.value:
                rows.append({"trial_id": manifest.id, "value": m.value} | about)
            if m.column and not study_values.empty:
                own = study_values[
                    (study_values["collection_id"] == manifest.id)
                    & (study_values["column"] == m.column)
                ]
                firsts = own[own["value"] != ""].drop_duplicates(["trial_id", "value"])
                unique = firsts.groupby("trial_id")["value"].agg(
                    lambda v: v.iloc[0] if len(v) == 1 else "several"
                )
                rows += [{"trial_id": t, "value": v} | about for t, v in unique.items()]
    return pd.DataFrame(
        rows,
        columns=["trial_id", "value", "moderator", "kind", "barrier_dimension", "framework_layer"],
    )


def moderator_effects(
    stack: Stack, declared: pd.DataFrame, settings: AnalysisSettings
) -> pd.DataFrame:
    """Effects by level of each categorical moderator and slopes on each numeric one, per
    synthesis and construct.

    Besides the declared ones, the topic and who measured the outcome are compared.
    """
    rows: list[dict[str, object]] = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        upstream = upstream_of(group)
        for construct in (upstream, "behavior"):
            part = group.select(having("construct", construct))
            if len(part.trials) < 3:
                continue
            ids = [str(t["trial_id"]) for t in part.trials]
            candidates: list[tuple[str, str, dict[str, str], str, str]] = [
                ("topic", "category", _first_value(part, "topic"), "", ""),
                ("measured_by", "category", _first_value(part, "measured_by"), "", ""),
            ]
            for (moderator, kind), values in declared.groupby(["moderator", "kind"]):
                known = dict(zip(values["trial_id"], values["value"], strict=True))
                dimension, layer = (
                    _common(values[c]) for c in ("barrier_dimension", "framework_layer")
                )
                candidates.append((str(moderator), str(kind), known, dimension, layer))
            for moderator, kind, known, dimension, layer in candidates:
                levels = [known.get(i, "") for i in ids]
                identity = {
                    "synthesis": name,
                    "construct": construct,
                    "moderator": moderator,
                    "barrier_dimension": dimension,
                    "framework_layer": layer,
                }
                compare = _slope if kind == "number" else _levels
                rows += compare(part, construct, levels, identity, settings)
    return pd.DataFrame(rows, columns=MODERATOR_COLUMNS)


def _common(values: pd.Series) -> str:
    """The one codebook entry of a moderator, or nothing when its trials name several."""
    named = set(values) - {""}
    return str(named.pop()) if len(named) == 1 else ""


def _first_value(stack: Stack, column: str) -> dict[str, str]:
    return {str(t["trial_id"]): str(t[column]) for t in stack.trials}


def _levels(
    part: Stack,
    construct: str,
    levels: list[str],
    identity: dict[str, object],
    settings: AnalysisSettings,
) -> list[dict[str, object]]:
    known = [i for i, level in enumerate(levels) if level]
    named = [levels[i] for i in known]
    if len(set(named)) < 2 or len(named) < 3:
        return []
    composites = make_composites(part.blocks([construct]))
    test = fit_subgroups(
        composites.yi[known],
        composites.vi[known],
        named,
        method=settings.tau2_method,
        ci_method=settings.ci_method,
        level=settings.level,
    )
    return [
        identity
        | {
            "level_value": level,
            "k_trials": fit.k,
            "mu": fit.mu,
            "se": fit.se,
            "ci_lb": fit.ci_lb,
            "ci_ub": fit.ci_ub,
            "tau2": fit.tau2,
            "f": test.f,
            "df_num": test.df_num,
            "df_denom": test.df_denom,
            "pvalue": test.pvalue,
            "status": fit.status,
            "reason": test.reason,
        }
        for level, fit in zip(test.levels, test.pooled, strict=True)
    ]


SLOPE = "slope per unit"


def _slope(
    part: Stack,
    construct: str,
    levels: list[str],
    identity: dict[str, object],
    settings: AnalysisSettings,
) -> list[dict[str, object]]:
    """One row with the slope of the effect on a numeric moderator (meta-regression)."""
    numbers = pd.to_numeric(pd.Series(levels), errors="coerce").to_numpy(dtype=float)
    known = np.isfinite(numbers)
    if known.sum() < 3 or np.ptp(numbers[known]) == 0:
        return []
    composites = make_composites(part.blocks([construct]))
    fit = fit_meta_regression(
        composites.yi[known],
        composites.vi[known],
        np.column_stack([np.ones(int(known.sum())), numbers[known]]),
        method=settings.tau2_method,
        ci_method=settings.ci_method,
        level=settings.level,
    )
    found = fit.coefficients
    return [
        identity
        | {
            "level_value": SLOPE,
            "k_trials": fit.k,
            "mu": float(found.estimate[1]),
            "se": float(found.se[1]),
            "ci_lb": float(found.ci_lb[1]),
            "ci_ub": float(found.ci_ub[1]),
            "tau2": fit.tau2,
            "f": fit.qm,
            "df_num": 1,
            "df_denom": fit.k - 2,
            "pvalue": fit.qm_pvalue,
            "status": "ok",
            "reason": "",
        }
    ]


BIAS_COLUMNS = made_columns("bias_checks")


def bias_checks(stack: Stack, settings: AnalysisSettings) -> pd.DataFrame:
    """Small-study effects per synthesis and construct; below 10 trials the reason instead."""
    rows = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        for construct in sorted(group.constructs):
            part = group.select(having("construct", construct))
            composites = make_composites(part.blocks([construct]))
            k = composites.yi.size
            row: dict[str, object] = {
                "synthesis": name,
                "construct": construct,
                "check": "egger",
                "k_trials": k,
            }
            if k < SMALLEST_NUMBER_OF_STUDIES:
                rows.append(
                    row
                    | {
                        "status": "too_few_studies",
                        "method": "",
                        "reason": f"{k} of at least {SMALLEST_NUMBER_OF_STUDIES} trials",
                    }
                )
                continue
            try:
                test = egger_test(
                    composites.yi,
                    composites.vi,
                    method=settings.tau2_method,
                    ci_method="t",
                    level=settings.level,
                )
            except EstimationError as error:
                rows.append(row | {"status": "not_estimable", "reason": str(error), "method": ""})
                continue
            rows.append(
                row
                | {
                    "slope": test.slope,
                    "slope_se": test.slope_se,
                    "statistic": test.statistic,
                    "df": test.df,
                    "pvalue": test.pvalue,
                    "limit": test.limit,
                    "limit_ci_lb": test.limit_ci_lb,
                    "limit_ci_ub": test.limit_ci_ub,
                    "method": test.method,
                    "status": "ok",
                    "reason": "",
                }
            )
    return pd.DataFrame(rows, columns=BIAS_COLUMNS)
