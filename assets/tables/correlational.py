"""Correlational sets and barrier coding tables: never mixed with trials."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.barriers import barrier_shares
from analysis.effect_sizes import fisher_z
from analysis.pooling import fit_random_effects
from assets.tables.arms import Manifests
from assets.tables.settings import AnalysisSettings
from validations.tables import made_columns


def barrier_table(records: pd.DataFrame) -> pd.DataFrame:
    """Reference points per dimension with percent and mean per source, per coding table."""
    columns = [
        "collection_id",
        "dimension",
        "layer",
        "n_sources",
        "n_reference_points",
        "percent",
        "points_per_source",
    ]
    parts = []
    for collection, part in records.groupby("collection_id") if not records.empty else []:
        whole = part.assign(layer=part["layer"].fillna(""))
        if whole["n_reference_points"].isna().all():
            whole = whole.assign(n_reference_points=1.0)
        summed = whole.groupby(["dimension", "layer"], sort=False, as_index=False).agg(
            n_reference_points=("n_reference_points", "sum"),
            n_sources=("n_sources", "sum"),
            distinct=("source", "nunique"),
        )
        summed["n_sources"] = summed["n_sources"].where(summed["n_sources"] > 0, summed["distinct"])
        shares = barrier_shares(summed["n_reference_points"], summed["n_sources"])
        summed["percent"], summed["points_per_source"] = shares.percent, shares.points_per_source
        parts.append(summed.assign(collection_id=collection)[columns])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


CORRELATION_COLUMNS = made_columns("pooled_correlations")


def pooled_correlations(
    records: pd.DataFrame, manifests: Manifests, settings: AnalysisSettings
) -> pd.DataFrame:
    """Pooled correlations of each correlational set, by Fisher's z; never mixed with trials."""
    if records.empty:
        return pd.DataFrame(columns=CORRELATION_COLUMNS)
    pairs = [
        tuple(sorted(p)) for p in zip(records["variable_1"], records["variable_2"], strict=True)
    ]
    frame = records.assign(
        a=[p[0] for p in pairs],
        b=[p[1] for p in pairs],
        synthesis=[manifests[c].synthesis for c in records["collection_id"]],
    )
    rows = []
    for (synthesis, a, b), part in frame.groupby(["synthesis", "a", "b"]):
        z = fisher_z(part["r"], part["n"])
        fit = fit_random_effects(
            z.yi,
            z.vi,
            method=settings.tau2_method,
            ci_method=settings.ci_method,
            level=settings.level,
        )
        r, r_ci_lb, r_ci_ub, r_pi_lb, r_pi_ub = (
            float(np.tanh(x)) for x in (fit.mu, fit.ci_lb, fit.ci_ub, fit.pi_lb, fit.pi_ub)
        )
        rows.append(
            {
                "synthesis": synthesis,
                "variable_1": a,
                "variable_2": b,
                "k_trials": fit.k,
                "n_total": float(part["n"].sum()),
                "r": r,
                "r_ci_lb": r_ci_lb,
                "r_ci_ub": r_ci_ub,
                "r_pi_lb": r_pi_lb,
                "r_pi_ub": r_pi_ub,
                "z": fit.mu,
                "z_se": fit.se,
                "tau2": fit.tau2,
                "i2": fit.heterogeneity.i2,
                "q": fit.heterogeneity.q,
                "method": f"fisher_z/{fit.method}/{fit.ci_method}",
                "status": fit.status,
            }
        )
    return pd.DataFrame(rows, columns=CORRELATION_COLUMNS)
