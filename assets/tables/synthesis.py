"""Pooled effects, gap estimates, surrogacy and sensitivity of each synthesis.

A synthesis is a group of trials that are pooled together (the manifest names it). Its upstream
construct is set against behavior; every other construct is pooled under its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Floats
from analysis.blocks import EffectBlocks, make_blocks
from analysis.composites import make_composites
from analysis.errors import EstimationError
from analysis.gap import GapEstimate, JointModel, fit_joint, gap_estimates, missing_estimate
from analysis.multivariate import fit_multivariate
from analysis.pooling import PooledEffect, fit_random_effects
from analysis.robust import robust_covariance
from analysis.surrogacy import trial_level_surrogacy
from assets.tables.pairs import Record, TrialEffects
from assets.tables.settings import AnalysisSettings

POOLED_COLUMNS = [
    "synthesis", "construct", "subset", "measure", "model", "k_trials", "k_effects", "mu", "se",
    "statistic", "df", "pvalue", "ci_lb", "ci_ub", "pi_lb", "pi_ub", "tau2", "tau2_lb", "tau2_ub",
    "omega2", "q", "q_df", "q_pvalue", "i2", "h2", "tau2_method", "ci_method", "pi_method",
    "level", "is_primary", "status", "notes",
]  # fmt: skip
GAP_COLUMNS = [
    "synthesis", "upstream_construct", "subset", "estimand", "estimate", "se", "statistic", "df",
    "pvalue", "ci_lb", "ci_ub", "interval_kind", "method", "k_upstream", "k_behavior", "k_paired",
    "mu_upstream", "mu_behavior", "tau2_upstream", "tau2_behavior", "tau_covariance",
    "omega2_upstream", "omega2_behavior", "slope", "slope_origin", "assumed_correlation",
    "share_of_pairs_assumed", "level", "is_primary", "status", "reason", "notes",
]  # fmt: skip
SENSITIVITY_COLUMNS = [
    "synthesis", "upstream_construct", "analysis", "value", "estimand", "estimate", "se", "df",
    "ci_lb", "ci_ub", "interval_kind", "method", "k_paired", "status", "reason",
]  # fmt: skip
SURROGACY_COLUMNS = [
    "synthesis", "upstream_construct", "subset", "k_paired", "slope", "slope_se", "slope_ci_lb",
    "slope_ci_ub", "intercept", "residual_variance", "r2", "r2_se", "threshold_effect",
    "threshold_target", "status", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class Stack:
    """Effects of several trials with one covariance matrix per trial."""

    trials: tuple[TrialEffects, ...]

    @classmethod
    def from_tables(cls, effects: pd.DataFrame, covariances: pd.DataFrame) -> Stack:
        """The stack of the effects in the pools, from the effects and covariance tables."""
        by_trial: dict[str, list[Record]] = {}
        for record in effects[effects["in_pool"].astype(bool)].to_dict("records"):
            by_trial.setdefault(str(record["trial_id"]), []).append(record)
        known: dict[str, list[Record]] = {}
        for row in covariances.to_dict("records"):
            known.setdefault(str(row["trial_id"]), []).append(row)
        trials = []
        for trial_id, records in by_trial.items():
            position = {record["effect_id"]: i for i, record in enumerate(records)}
            matrix = np.diag([float(record["vi"]) for record in records])
            origins = np.full(matrix.shape, "", dtype=object)
            for row in known.get(trial_id, []):
                i, j = position[row["effect_id_1"]], position[row["effect_id_2"]]
                matrix[i, j] = matrix[j, i] = row["covariance"]
                origins[i, j] = origins[j, i] = row["origin"]
            trials.append(TrialEffects(tuple(records), matrix, origins, False))
        return cls(tuple(trials))

    def select(self, keep: Callable[[Record], bool]) -> Stack:
        """Keep the effects for which `keep` is true; trials without any leave."""
        out = []
        for trial in self.trials:
            rows = [i for i, record in enumerate(trial.records) if keep(record)]
            if len(rows) == len(trial.records):
                out.append(trial)
            elif rows:
                square = np.ix_(rows, rows)
                out.append(TrialEffects(
                    tuple(trial.records[i] for i in rows), trial.covariance[square],
                    trial.origins[square], trial.moved,
                ))  # fmt: skip
        return Stack(tuple(out))

    def values(self, column: str) -> list[Any]:
        """Values of a column over all effects, trial by trial."""
        return [record[column] for trial in self.trials for record in trial.records]

    @property
    def constructs(self) -> set[str]:
        return set(self.values("construct"))

    @property
    def covariances(self) -> list[Floats]:
        return [trial.covariance for trial in self.trials]

    def blocks(self, outcome_names: Sequence[str]) -> EffectBlocks:
        """The effects arranged for a fit, one indicator column per construct."""
        return make_blocks(
            np.array(self.values("yi"), dtype=float), self.covariances, self.values("trial_id"),
            self.values("construct"), outcome_names=outcome_names,
        )  # fmt: skip


def syntheses(stack: Stack) -> list[str]:
    """Names of the syntheses, `main` first."""
    names = sorted({str(trial["synthesis"]) for trial in stack.trials})
    return sorted(names, key=lambda name: (name != "main", name))


def of_synthesis(stack: Stack, name: str) -> Stack:
    return Stack(tuple(t for t in stack.trials if t["synthesis"] == name))


def upstream_of(stack: Stack) -> str:
    """The construct set against behavior, as its manifests say (the commonest, should they
    differ; main is always intention)."""
    names = [str(t["upstream_construct"]) for t in stack.trials]
    if stack.trials[0]["synthesis"] == "main":
        return "intention"
    return max(sorted(set(names)), key=names.count)


def having(column: str, *values: str) -> Callable[[Record], bool]:
    """A filter for `Stack.select`: the column has one of the values."""

    def keep(record: Record) -> bool:
        return record[column] in values

    return keep


def subsets(stack: Stack, upstream: str) -> Iterator[tuple[str, Stack]]:
    """All trials; trials with both outcomes; each topic; each review-level collection."""
    seen = {_trial_ids(stack)}
    yield "all", stack
    for name, part in _candidates(stack, upstream):
        ids = _trial_ids(part)
        if ids not in seen:
            seen.add(ids)
            yield name, part


def _trial_ids(stack: Stack) -> frozenset[str]:
    return frozenset(str(t["trial_id"]) for t in stack.trials)


def _candidates(stack: Stack, upstream: str) -> Iterator[tuple[str, Stack]]:
    both = {
        str(t["trial_id"])
        for t in stack.trials
        if {upstream, "behavior"} <= set(t.values("construct"))
    }
    if both:
        yield "paired trials", stack.select(having("trial_id", *both))
    for column, what in (("topic", "topic"), ("collection_id", "collection")):
        values = sorted({str(t[column]) for t in stack.trials} - {""})
        for value in values if len(values) > 1 else []:
            part = stack.select(having(column, value))
            if len(part.trials) > 1:
                yield f"{what}: {value}", part
    if not all(t["randomized"] for t in stack.trials):
        part = stack.select(lambda record: bool(record["randomized"]))
        if part.trials:
            yield "randomized only", part


def _pooled_row(
    identity: dict[str, object], fit: PooledEffect, k_trials: int, k_effects: int, *,
    primary: bool, model: str,
) -> dict[str, object]:  # fmt: skip
    interval, h = fit.tau2_interval, fit.heterogeneity
    return identity | {
        "model": model, "k_trials": k_trials, "k_effects": k_effects, "mu": fit.mu, "se": fit.se,
        "statistic": fit.statistic, "df": fit.df, "pvalue": fit.pvalue, "ci_lb": fit.ci_lb,
        "ci_ub": fit.ci_ub, "pi_lb": fit.pi_lb, "pi_ub": fit.pi_ub, "tau2": fit.tau2,
        "tau2_lb": interval.lower, "tau2_ub": interval.upper, "omega2": np.nan, "q": h.q,
        "q_df": h.q_df, "q_pvalue": h.q_pvalue, "i2": h.i2, "h2": h.h2, "tau2_method": fit.method,
        "ci_method": fit.ci_method, "pi_method": fit.pi_method, "level": fit.level,
        "is_primary": primary, "status": fit.status, "notes": "; ".join(fit.notes),
    }  # fmt: skip


def pool_construct(
    stack: Stack, construct: str, settings: AnalysisSettings, identity: dict[str, object]
) -> list[dict[str, object]]:
    """Pooled rows of one construct.

    The first and primary row pools one composite effect per trial by REML with Knapp-Hartung;
    when a trial has several effects a second row is the correlated-and-hierarchical effects
    model with CR2.
    """
    part = stack.select(having("construct", construct))
    if not part.trials:
        return []
    blocks = part.blocks([construct])
    composites = make_composites(blocks)
    fit = fit_random_effects(
        composites.yi, composites.vi, method=settings.tau2_method, ci_method=settings.ci_method,
        pi_method=settings.pi_method, level=settings.level,
    )  # fmt: skip
    several = blocks.k > blocks.clusters
    model = "one_composite_per_trial" if several else "one_effect_per_trial"
    rows = [
        _pooled_row(identity, fit, blocks.clusters, blocks.k, primary=True, model=model)
    ]
    if several and blocks.clusters > 1:
        rows.append(_hierarchical_row(blocks, settings, identity))
    return rows


def _hierarchical_row(
    blocks: EffectBlocks, settings: AnalysisSettings, identity: dict[str, object]
) -> dict[str, object]:
    from analysis.distributions import critical_value, two_sided_p

    fit = fit_multivariate(blocks, structure="ID", within="replicated")
    robust = robust_covariance(fit, "CR2")
    one = np.ones(1)
    mu, se, df = float(fit.beta[0]), float(robust.se[0]), robust.df(one)
    half = critical_value(settings.level, df) * se
    spread = float(fit.tau[0, 0] + fit.omega[0])
    reach = critical_value(settings.level, max(df, 1e-9)) * np.sqrt(spread + se**2)
    return identity | {
        "model": "correlated_hierarchical_effects", "k_trials": blocks.clusters,
        "k_effects": blocks.k, "mu": mu, "se": se, "statistic": mu / se, "df": df,
        "pvalue": two_sided_p(mu / se, df), "ci_lb": mu - half, "ci_ub": mu + half,
        "pi_lb": mu - reach, "pi_ub": mu + reach, "tau2": float(fit.tau[0, 0]),
        "tau2_lb": np.nan, "tau2_ub": np.nan, "omega2": float(fit.omega[0]), "q": np.nan,
        "q_df": np.nan, "q_pvalue": np.nan, "i2": np.nan, "h2": np.nan, "tau2_method": "REML",
        "ci_method": "CR2", "pi_method": "t_satterthwaite", "level": settings.level,
        "is_primary": False, "status": fit.status, "notes": "; ".join(fit.notes),
    }  # fmt: skip


def pooled_effects(stack: Stack, settings: AnalysisSettings) -> pd.DataFrame:
    """Pooled effects on the common scale, for every synthesis, construct and subset."""
    rows: list[dict[str, object]] = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        upstream = upstream_of(group)
        for subset, part in subsets(group, upstream):
            for construct in sorted(part.constructs,
                                    key=lambda c: (c != upstream, c != "behavior", c)):  # fmt: skip
                identity = {"synthesis": name, "construct": construct, "subset": subset,
                            "measure": "SMD"}  # fmt: skip
                rows += pool_construct(part, construct, settings, identity)
    return pd.DataFrame(rows, columns=POOLED_COLUMNS)


def pooled_natural_scales(
    effects: pd.DataFrame, stack: Stack, settings: AnalysisSettings
) -> pd.DataFrame:
    """Log OR, log RR and RD of the binary outcomes in the pools.

    Effects of one trial keep the correlations they have on the common scale; the variances
    are those of the natural scale.
    """
    natural = effects[effects["measure"].isin(["OR", "RR", "RD"]) & effects["yi"].notna()]
    rows: list[dict[str, object]] = []
    for measure, part in natural.groupby("measure"):
        by_row = {str(row["outcome_row_id"]): row for row in part.to_dict("records")}
        swapped = Stack(tuple(
            one for trial in stack.trials if (one := _on_scale(trial, by_row)) is not None
        ))  # fmt: skip
        for name in syntheses(swapped) if swapped.trials else []:
            group = of_synthesis(swapped, name)
            for construct in sorted(group.constructs):
                identity = {"synthesis": name, "construct": construct, "subset": "all",
                            "measure": str(measure)}  # fmt: skip
                made = pool_construct(group, construct, settings, identity)
                rows += [row | {"is_primary": False} for row in made[:1]]
    return pd.DataFrame(rows, columns=POOLED_COLUMNS)


def _on_scale(trial: TrialEffects, by_row: dict[str, Record]) -> TrialEffects | None:
    rows = [
        i for i, record in enumerate(trial.records)
        if record["outcome_row_id"] in by_row and by_row[record["outcome_row_id"]]["vi"] > 0
    ]  # fmt: skip
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


@dataclass(frozen=True)
class Slope:
    """Within-arm slope of behavior on the upstream construct, pooled over a synthesis."""

    value: float | None
    variance: float
    origin: str


def within_arm_slope(pairs: pd.DataFrame, synthesis: str, settings: AnalysisSettings) -> Slope:
    """Pool the known within-arm correlations (one per trial, Fisher's z, REML); assumed and
    borrowed ones do not count."""
    known = pairs[(pairs["synthesis"] == synthesis)
                  & pairs["rho_origin"].isin(["participant_data", "reported_within_arm",
                                              "reported_total"])
                  & (pairs["rho_n"] > 4)]  # fmt: skip
    if known.empty:
        return Slope(None, 0.0, "")
    per_trial = known.groupby(["trial_id", "upstream_label", "behavior_label"]).first()
    z = np.arctanh(per_trial["rho_within_arm"].to_numpy(dtype=float))
    trials = per_trial.index.get_level_values("trial_id")
    mean_z = pd.Series(z).groupby(np.asarray(trials)).mean()
    mean_v = pd.Series(1.0 / (per_trial["rho_n"].to_numpy(dtype=float) - 3.0)).groupby(
        np.asarray(trials)
    ).mean()  # fmt: skip
    fit = fit_random_effects(mean_z, mean_v, method=settings.tau2_method)
    r = float(np.tanh(fit.mu))
    origins = ", ".join(sorted(set(known["rho_origin"])))
    return Slope(r, (1.0 - r**2) ** 2 * fit.se**2, f"{fit.k} trials ({origins})")


def joint_model(stack: Stack, upstream: str, settings: AnalysisSettings) -> JointModel:
    """The joint model of the upstream construct and behavior of a stack of trials."""
    part = stack.select(having("construct", upstream, "behavior"))
    if not part.trials:
        raise EstimationError(f"no trial has a usable effect on {upstream} or behavior")
    return fit_joint(
        np.array(part.values("yi"), dtype=float), part.covariances, part.values("trial_id"),
        part.values("construct"), upstream=upstream, method="REML", level=settings.level,
    )  # fmt: skip


def _gap_rows(
    identity: dict[str, object], model: JointModel, estimates: list[GapEstimate], slope: Slope,
    settings: AnalysisSettings, assumed_share: float,
) -> list[dict[str, object]]:  # fmt: skip
    fit = model.fit
    shared = identity | {
        "k_upstream": model.k_upstream, "k_behavior": model.k_behavior, "k_paired": model.k_paired,
        "mu_upstream": float(model.means[0]), "mu_behavior": float(model.means[1]),
        "tau2_upstream": float(fit.tau[0, 0]), "tau2_behavior": float(fit.tau[1, 1]),
        "tau_covariance": float(fit.tau[0, 1]), "omega2_upstream": float(fit.omega[0]),
        "omega2_behavior": float(fit.omega[1]),
        "slope": np.nan if slope.value is None else slope.value, "slope_origin": slope.origin,
        "assumed_correlation": settings.assumed_correlation,
        "share_of_pairs_assumed": assumed_share, "level": settings.level,
        "notes": "; ".join(model.notes),
    }  # fmt: skip
    return [
        shared | {
            "estimand": e.estimand, "estimate": e.estimate, "se": e.se, "statistic": e.statistic,
            "df": e.df, "pvalue": e.pvalue, "ci_lb": e.ci_lb, "ci_ub": e.ci_ub,
            "interval_kind": e.interval_kind, "method": e.method, "status": e.status,
            "reason": e.reason,
            "is_primary": identity["subset"] == "all" and not e.method.startswith("model"),
        }
        for e in estimates
    ]  # fmt: skip


def gap_table(stack: Stack, pairs: pd.DataFrame, settings: AnalysisSettings) -> pd.DataFrame:
    """Gap estimates of every synthesis and subset; where there is none, the reason."""
    rows: list[dict[str, object]] = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        upstream = upstream_of(group)
        slope = within_arm_slope(pairs, name, settings)
        own = pairs[pairs["synthesis"] == name]
        share = float((own["rho_origin"] == "assumed").mean()) if len(own) else np.nan
        for subset, part in subsets(group, upstream):
            identity = {"synthesis": name, "upstream_construct": upstream, "subset": subset}
            try:
                model = joint_model(part, upstream, settings)
                estimates = gap_estimates(
                    model, slope=slope.value, slope_variance=slope.variance,
                    smallest_worthwhile=settings.smallest_worthwhile,
                )  # fmt: skip
                rows += _gap_rows(identity, model, estimates, slope, settings, share)
            except EstimationError as error:
                missing = missing_estimate("difference", "none", "not_estimable", str(error))
                rows.append(identity | {
                    "estimand": missing.estimand, "method": "none", "status": missing.status,
                    "reason": missing.reason, "is_primary": subset == "all",
                    "interval_kind": "none", "notes": "", "slope_origin": "",
                    "level": settings.level, "assumed_correlation": settings.assumed_correlation,
                })  # fmt: skip
    return pd.DataFrame(rows, columns=GAP_COLUMNS)


def surrogacy_table(stack: Stack, settings: AnalysisSettings) -> pd.DataFrame:
    """Trial-level surrogacy of every synthesis and subset for which the joint model exists."""
    rows = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        upstream = upstream_of(group)
        for subset, part in subsets(group, upstream):
            try:
                model = joint_model(part, upstream, settings)
            except EstimationError:
                continue
            line = trial_level_surrogacy(model, target=settings.smallest_worthwhile)
            rows.append(
                {"synthesis": name, "upstream_construct": upstream, "subset": subset}
                | {c: getattr(line, c) for c in SURROGACY_COLUMNS[3:]}
            )
    return pd.DataFrame(rows, columns=SURROGACY_COLUMNS)


def sensitivity_table(
    stack_at: Callable[[float], Stack], settings: AnalysisSettings
) -> pd.DataFrame:
    """The gap over the assumed correlation, and with each trial left out in turn.

    stack_at: makes the stack of all trials for an assumed correlation; correlations that are
    known stay as they are.
    """
    rows: list[dict[str, object]] = []
    for rho in settings.correlation_grid:
        stack = stack_at(rho)
        for name in syntheses(stack) if stack.trials else []:
            group = of_synthesis(stack, name)
            rows += _sensitivity_rows(group, name, "assumed_correlation", f"{rho:g}", settings)
    stack = stack_at(settings.assumed_correlation)
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        trials = group.trials
        for i, left in enumerate(trials if 2 < len(trials) <= 60 else []):
            rest = Stack(trials[:i] + trials[i + 1 :])
            label = str(left["trial_id"])
            rows += _sensitivity_rows(rest, name, "leave_one_trial_out", label, settings)
    return pd.DataFrame(rows, columns=SENSITIVITY_COLUMNS)


def _sensitivity_rows(
    stack: Stack, name: str, analysis: str, value: str, settings: AnalysisSettings
) -> list[dict[str, object]]:
    upstream = upstream_of(stack)
    identity = {"synthesis": name, "upstream_construct": upstream, "analysis": analysis,
                "value": value}  # fmt: skip
    try:
        model = joint_model(stack, upstream, settings)
    except EstimationError as error:
        return [identity | {"estimand": "difference", "status": "not_estimable",
                            "reason": str(error), "interval_kind": "none", "method": "none"}]  # fmt: skip
    wanted = ("difference", "transmission_ratio")
    return [
        identity | {
            "estimand": e.estimand, "estimate": e.estimate, "se": e.se, "df": e.df,
            "ci_lb": e.ci_lb, "ci_ub": e.ci_ub, "interval_kind": e.interval_kind,
            "method": e.method, "k_paired": model.k_paired, "status": e.status, "reason": e.reason,
        }
        for e in gap_estimates(model)
        if e.estimand in wanted
    ]  # fmt: skip
