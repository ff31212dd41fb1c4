"""Pooled effects of each synthesis, construct and subset, as rows of `pooled_effects`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.blocks import EffectBlocks
from analysis.dependent.composites import OUTSIDE_ITS_EFFECTS
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.distributions import critical_value, two_sided_p
from analysis.errors import EstimationError
from analysis.synthesis.group import Group
from analysis.synthesis.inputs import NATURAL_SCALES
from analysis.synthesis.outcome import Outcome, outcome_of
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, Stack, TrialEffects
from analysis.synthesis.verdicts import narrow_note, pooled_verdict
from analysis.univariate.pooling import PooledEffect, fit_random_effects


def _pooled_row(
    identity: Record,
    fit: PooledEffect,
    k_trials: int,
    k_effects: int,
    *,
    primary: bool,
    model: str,
    vi: Floats,
) -> Record:
    interval, h = fit.tau2_interval, fit.heterogeneity
    narrow = narrow_note(fit.ci_lb, fit.ci_ub, vi, fit.level)
    return _judged(identity | {
        "model": model,
        "k_trials": k_trials,
        "k_effects": k_effects,
        "mu": fit.mu,
        "se": fit.se,
        "statistic": fit.statistic,
        "df": fit.df,
        "pvalue": fit.pvalue,
        "ci_lb": fit.ci_lb,
        "ci_ub": fit.ci_ub,
        "pi_lb": fit.pi_lb,
        "pi_ub": fit.pi_ub,
        "tau2": fit.tau2,
        "tau2_lb": interval.lower,
        "tau2_ub": interval.upper,
        "omega2": np.nan,
        "q": h.q,
        "q_df": h.q_df,
        "q_pvalue": h.q_pvalue,
        "i2": h.i2,
        "h2": h.h2,
        "tau2_method": fit.method,
        "ci_method": fit.ci_method,
        "pi_method": fit.pi_method,
        "level": fit.level,
        "is_primary": primary,
        "status": fit.status,
        "notes": "; ".join((*fit.notes, *narrow)),
    })  # fmt: skip


def _judged(row: Record) -> Record:
    return row | pooled_verdict(row).columns()


def pool_construct(
    stack: Stack,
    construct: str,
    settings: AnalysisSettings,
    identity: Record,
    *,
    hierarchical: bool = True,
) -> list[Record]:
    """Pooled rows of one construct.

    The first and primary row pools one composite effect per trial by REML with Knapp-Hartung;
    when a trial has several effects a second row is the correlated-and-hierarchical effects
    model with CR2, unless `hierarchical` is false.
    """
    found = outcome_of(stack, construct)
    return pool_outcome(found, settings, identity, hierarchical=hierarchical) if found else []


def pool_outcome(
    outcome: Outcome, settings: AnalysisSettings, identity: Record, *, hierarchical: bool = True
) -> list[Record]:
    """As `pool_construct`, of effects that are arranged already."""
    blocks, composites = outcome.blocks, outcome.composites
    fit = fit_random_effects(
        composites.yi,
        composites.vi,
        method=settings.tau2_method,
        ci_method=settings.ci_method,
        pi_method=settings.pi_method,
        level=settings.level,
    )
    several = blocks.k > blocks.clusters
    model = "one_composite_per_trial" if several else "one_effect_per_trial"
    row = _pooled_row(
        identity, fit, blocks.clusters, blocks.k, primary=True, model=model, vi=composites.vi
    )
    if composites.outside.any():
        row["notes"] = "; ".join(n for n in (row["notes"], OUTSIDE_ITS_EFFECTS) if n)
    rows = [row]
    if hierarchical and several and blocks.clusters > 1:
        rows.append(_hierarchical_row(blocks, settings, identity, composites.vi))
    return rows


def _hierarchical_row(
    blocks: EffectBlocks, settings: AnalysisSettings, identity: Record, vi: Floats
) -> Record:
    """The correlated-and-hierarchical effects model with CR2. vi: variances of the composites,
    whose common-effect precision is that of all effects."""
    about: Record = {
        "model": "correlated_hierarchical_effects",
        "k_trials": blocks.clusters,
        "k_effects": blocks.k,
        "tau2_method": "REML",
        "ci_method": "CR2",
        "pi_method": "t_satterthwaite",
        "level": settings.level,
        "is_primary": False,
    }
    try:
        fit = fit_multivariate(blocks, structure="ID", within="replicated")
        robust = robust_covariance(fit, "CR2")
    except EstimationError as error:
        missing = dict.fromkeys(_NUMBERS, np.nan)
        return _judged(
            identity | about | missing | {"status": "not_estimable", "notes": str(error)}
        )
    one = np.ones(1)
    mu, se, df = float(fit.beta[0]), float(robust.se[0]), robust.df(one)
    half = critical_value(settings.level, df) * se
    spread = float(fit.tau[0, 0] + fit.omega[0])
    reach = critical_value(settings.level, max(df, 1e-9)) * np.sqrt(spread + se**2)
    narrow = narrow_note(mu - half, mu + half, vi, settings.level)
    return _judged(identity | about | {
        "mu": mu,
        "se": se,
        "statistic": mu / se,
        "df": df,
        "pvalue": two_sided_p(mu / se, df),
        "ci_lb": mu - half,
        "ci_ub": mu + half,
        "pi_lb": mu - reach,
        "pi_ub": mu + reach,
        "tau2": float(fit.tau[0, 0]),
        "tau2_lb": np.nan,
        "tau2_ub": np.nan,
        "omega2": float(fit.omega[0]),
        "q": np.nan,
        "q_df": np.nan,
        "q_pvalue": np.nan,
        "i2": np.nan,
        "h2": np.nan,
        "status": fit.status,
        "notes": "; ".join((*fit.notes, *narrow)),
    })  # fmt: skip


_NUMBERS = ("mu", "se", "statistic", "df", "pvalue", "ci_lb", "ci_ub", "pi_lb", "pi_ub", "tau2",
            "tau2_lb", "tau2_ub", "omega2", "q", "q_df", "q_pvalue", "i2", "h2")  # fmt: skip


def pooled_effects(group: Group) -> list[Record]:
    """Pooled effects of every construct and subset on the common scale, then those of binary
    outcomes on natural scales."""
    rows: list[Record] = []
    for subset, part in group.subsets:
        rows += _of_subset(
            part, group.synthesis, subset, group.settings, group.upstream,
            hierarchical=not group.selection,
            outcome=group.outcome if part is group.stack else None,
        )  # fmt: skip
    return rows + pooled_natural_scales(
        group.inputs.natural_effects, group.stack, group.settings, group.synthesis
    )


def pool_subset(
    part: Stack,
    synthesis: str,
    subset: str,
    settings: AnalysisSettings,
    upstream: str,
    *,
    hierarchical: bool = True,
) -> list[Record]:
    """Every construct of one subset of a synthesis, the upstream construct and behavior first.

    hierarchical: as in `pool_construct`.
    """
    return _of_subset(part, synthesis, subset, settings, upstream, hierarchical=hierarchical)


def _of_subset(
    part: Stack, synthesis: str, subset: str, settings: AnalysisSettings, upstream: str, *,
    hierarchical: bool, outcome: Callable[[str], Outcome | None] | None = None,
) -> list[Record]:  # fmt: skip
    """As `pool_subset`; outcome: the arranged effects on a construct, where they are known."""
    rows: list[Record] = []
    for construct in sorted(part.constructs, key=lambda c: (c != upstream, c != "behavior", c)):
        identity: Record = {
            "synthesis": synthesis,
            "construct": construct,
            "subset": subset,
            "measure": "SMD",
        }
        found = outcome(construct) if outcome else outcome_of(part, construct)
        if found:
            rows += pool_outcome(found, settings, identity, hierarchical=hierarchical)
    return rows


def pooled_natural_scales(
    effects: Iterable[Record], stack: Stack, settings: AnalysisSettings, synthesis: str
) -> list[Record]:
    """Log OR, log RR and RD of the binary outcomes in the pools of a synthesis.

    effects: rows of the effects table on any scale. Effects of one trial keep the correlations
    they have on the common scale; the variances are those of the natural scale.
    """
    natural: dict[str, dict[str, Record]] = {}
    for row in effects:
        if row["measure"] in NATURAL_SCALES and np.isfinite(row["yi"]):
            natural.setdefault(str(row["measure"]), {})[str(row["outcome_row_id"])] = row
    rows: list[Record] = []
    for measure, by_row in sorted(natural.items()):
        swapped = Stack(
            tuple(one for trial in stack.trials if (one := _on_scale(trial, by_row)) is not None)
        )
        for construct in sorted(swapped.constructs):
            identity: Record = {
                "synthesis": synthesis,
                "construct": construct,
                "subset": "all",
                "measure": measure,
            }
            made = pool_construct(swapped, construct, settings, identity, hierarchical=False)
            rows += [row | {"is_primary": False} for row in made]
    return rows


def _on_scale(trial: TrialEffects, by_row: dict[str, Record]) -> TrialEffects | None:
    rows = [
        i
        for i, record in enumerate(trial.records)
        if record["outcome_row_id"] in by_row and by_row[record["outcome_row_id"]]["vi"] > 0
    ]
    if not rows:
        return None
    found = [by_row[trial.records[i]["outcome_row_id"]] for i in rows]
    sei = np.sqrt([float(one["vi"]) for one in found])
    old = trial.covariance[np.ix_(rows, rows)]
    sd = np.sqrt(np.diag(old))
    covariance = old / np.outer(sd, sd) * np.outer(sei, sei)
    records = tuple(
        trial.records[i] | {"yi": one["yi"], "vi": one["vi"]}
        for i, one in zip(rows, found, strict=True)
    )
    return TrialEffects(records, covariance, trial.origins[np.ix_(rows, rows)], trial.moved)
