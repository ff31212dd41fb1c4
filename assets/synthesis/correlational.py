"""Correlational sets and barrier coding tables: never mixed with trials."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.agreement import rater_agreement
from analysis.barriers import barrier_shares
from analysis.effect_sizes import fisher_z
from analysis.synthesis.settings import AnalysisSettings
from analysis.univariate.pooling import fit_random_effects, narrow_note
from validations.tables import made_columns


def barrier_table(records: pd.DataFrame) -> pd.DataFrame:
    """Reference points per dimension with percent and mean per source, per coding table.

    Codings of several coders count with their mean; of two coders the agreement about which
    dimensions a source touches is given too.
    """
    parts = []
    for collection, part in records.groupby("collection_id") if not records.empty else []:
        whole = part.assign(
            layer=part["layer"].fillna(""),
            source=part["source"].fillna(""),
            coder=part["coder"].fillna(""),
        )
        if whole["n_reference_points"].isna().all():
            whole = whole.assign(n_reference_points=1.0)
        coders = max(1, whole["coder"].nunique())
        summed = whole.groupby(["dimension", "layer"], sort=False, as_index=False).agg(
            n_reference_points=("n_reference_points", "sum"),
            n_sources=("n_sources", "sum"),
            distinct=("source", "nunique"),
        )
        summed["n_reference_points"] /= coders
        declared = summed["n_sources"] / coders
        summed["n_sources"] = declared.where(declared > 0, summed["distinct"])
        shares = barrier_shares(summed["n_reference_points"], summed["n_sources"])
        summed["percent"], summed["points_per_source"] = shares.percent, shares.points_per_source
        for name, value in _agreement(whole).items():
            summed[name] = value
        parts.append(summed.assign(collection_id=collection))
    columns = made_columns("barrier_codings")
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


_COEFFICIENTS = {
    "cohen": "cohen_kappa", "gwet_ac1": "gwet_ac1", "krippendorff": "krippendorff_alpha"
}  # fmt: skip
_AGREEMENT = (
    "n_units", "agreement",
    *(f"{c}{end}" for c in _COEFFICIENTS.values() for end in ("", "_ci_lb", "_ci_ub")),
)  # fmt: skip


def _agreement(whole: pd.DataFrame) -> dict[str, float]:
    """Agreement of exactly two coders over every source they both coded and every dimension."""
    none = dict.fromkeys(_AGREEMENT, float("nan"))
    coders = sorted(set(whole["coder"]) - {""})
    if len(coders) != 2:
        return none
    marks = [
        set(zip(part["source"], part["dimension"], strict=True))
        for _, part in whole[whole["coder"] != ""].groupby("coder")
    ]
    both = {s for s, _ in marks[0]} & {s for s, _ in marks[1]}
    units = [(s, d) for s in sorted(both) for d in sorted(set(whole["dimension"]))]
    if not units:
        return none
    first, second = (["yes" if unit in mark else "no" for unit in units] for mark in marks)
    if len(units) < 2:
        return none
    found = rater_agreement(list(zip(first, second, strict=True))).frame().set_index("coefficient")
    made = {"n_units": float(len(units)), "agreement": float(found.loc["percent", "estimate"])}
    for name, column in _COEFFICIENTS.items():
        one = found.loc[name]
        limits = {f"{column}_{end}": float(one[end]) for end in ("ci_lb", "ci_ub")}
        made |= {column: float(one["estimate"])} | limits
    return made


CORRELATION_COLUMNS = made_columns("pooled_correlations")


def pooled_correlations(records: pd.DataFrame, settings: AnalysisSettings) -> pd.DataFrame:
    """Pooled correlations of each correlational set, by Fisher's z; never mixed with trials.

    records: accepted rows of correlations, with the synthesis of their trial.
    """
    if records.empty:
        return pd.DataFrame(columns=CORRELATION_COLUMNS)
    pairs = [
        tuple(sorted(p)) for p in zip(records["variable_1"], records["variable_2"], strict=True)
    ]
    frame = records.assign(
        a=[p[0] for p in pairs],
        b=[p[1] for p in pairs],
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
                "notes": "; ".join(narrow_note(fit.ci_lb, fit.ci_ub, z.vi, fit.level)),
            }
        )
    return pd.DataFrame(rows, columns=CORRELATION_COLUMNS)
