"""Tables around the effects: trials, arms, instruments, moderators, bias checks, action
control, barrier codings and pooled correlations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.action_control import (
    CELLS,
    describe_action_control,
    pool_composition,
    pool_proportion,
    split_behavior_effect,
)
from analysis.barriers import barrier_shares
from analysis.composites import make_composites
from analysis.effect_sizes import fisher_z
from analysis.errors import EstimationError
from analysis.moderators import fit_subgroups
from analysis.pooling import fit_random_effects
from analysis.small_study import SMALLEST_NUMBER_OF_STUDIES, egger_test
from assets.tables.arms import Manifests
from assets.tables.participants import ParticipantFacts
from assets.tables.settings import AnalysisSettings
from assets.tables.synthesis import Stack, having, of_synthesis, syntheses, upstream_of
from validations.manifest.crosscheck import COMPARATORS

TRIAL_COLUMNS = [
    "trial_id", "collection_id", "label", "year", "country", "topic", "synthesis", "design",
    "randomized", "n_analyzed", "has_intention", "has_behavior", "has_upstream", "k_effects",
    "k_in_pool", "use", "risk_of_bias", "risk_of_bias_tool", "citation", "doi", "source",
    "license", "notes",
]  # fmt: skip


def trials_table(
    manifests: Manifests, effects: pd.DataFrame, unreadable: dict[str, str],
    labels: dict[str, tuple[str, str]],
) -> pd.DataFrame:  # fmt: skip
    """One row per trial, the unreadable ones included with the reason in `use`.

    labels: trial_id -> (collection_id, study label) of everything that was read.
    """
    rows = []
    for trial_id, (collection, label) in labels.items():
        manifest = manifests[collection]
        own = effects[effects["trial_id"] == trial_id]
        common = own[own["measure"] == "SMD"]
        pooled = common[common["in_pool"]]
        constructs = set(pooled["construct"])
        rows.append({
            "trial_id": trial_id, "collection_id": collection, "label": label,
            "year": manifest.year, "country": manifest.country, "topic": manifest.topic,
            "synthesis": manifest.synthesis, "design": manifest.design.type.value,
            "randomized": manifest.design.randomized, "n_analyzed": _largest_n(common),
            "has_intention": "intention" in constructs, "has_behavior": "behavior" in constructs,
            "has_upstream": bool(constructs - {"intention", "behavior"}),
            "k_effects": len(common), "k_in_pool": len(pooled), "use": _use(common, pooled),
            "risk_of_bias": manifest.risk_of_bias.overall.value if manifest.risk_of_bias else "",
            "risk_of_bias_tool": manifest.risk_of_bias.tool if manifest.risk_of_bias else "",
            "citation": manifest.provenance.citation, "doi": manifest.provenance.doi,
            "source": manifest.provenance.source, "license": manifest.provenance.license,
            "notes": manifest.notes,
        })  # fmt: skip
    for trial_id, reason in unreadable.items():
        rows.append(dict.fromkeys(TRIAL_COLUMNS) | {
            "trial_id": trial_id, "collection_id": trial_id, "label": trial_id, "use": reason,
            "k_effects": 0, "k_in_pool": 0, "has_intention": False, "has_behavior": False,
            "has_upstream": False,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS)


def _largest_n(common: pd.DataFrame) -> float:
    total = common["n1"] + common["n2"]
    return float(total.max()) if total.notna().any() else float("nan")


def _use(common: pd.DataFrame, pooled: pd.DataFrame) -> str:
    constructs = set(pooled["construct"])
    if {"intention", "behavior"} <= constructs:
        return "both outcomes"
    if constructs == {"intention"}:
        return "intention only"
    if "behavior" in constructs:
        return "behavior only" if constructs == {"behavior"} else "upstream and behavior"
    if constructs:
        return "upstream only"
    return "no usable effect" if len(common) else "no between-arm effect"


def arms_table(manifests: Manifests, arm_statistics: pd.DataFrame) -> pd.DataFrame:
    """Declared arms with the most participants analyzed for any outcome."""
    rows = []
    for manifest in manifests.values():
        for arm in manifest.arms:
            own = arm_statistics[(arm_statistics["collection_id"] == manifest.id)
                                 & (arm_statistics["arm"] == arm.id)]  # fmt: skip
            rows.append({
                "trial_id": manifest.id, "arm_id": arm.id, "label": arm.label or arm.id,
                "role": arm.role.value,
                "is_comparator": arm.role in COMPARATORS, "n_randomized": arm.n_randomized,
                "n_analyzed": float(own["n"].max()) if len(own) else np.nan,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["trial_id", "arm_id", "label", "role", "is_comparator",
                                       "n_randomized", "n_analyzed"])  # fmt: skip


def instruments_table(manifests: Manifests) -> pd.DataFrame:
    """Declared outcomes with their instrument, scale, direction, act and time."""
    rows = []
    for manifest in manifests.values():
        for o in manifest.outcomes:
            rows.append({
                "collection_id": manifest.id, "outcome_id": o.id, "construct": o.construct.value,
                "label": o.label or o.id.replace("_", " "), "instrument": o.instrument,
                "scale_type": o.scale.type.value, "scale_min": o.scale.min,
                "scale_max": o.scale.max, "higher_is_better": o.higher_is_better,
                "target": o.target, "action": o.action, "context": o.context, "time": o.time,
                "weeks": o.timepoint.weeks, "measured_by": o.measured_by.value,
                "analysis_set": o.analysis_set.value, "primary": o.primary,
            })  # fmt: skip
    columns = ["collection_id", "outcome_id", "construct", "label", "instrument", "scale_type",
               "scale_min", "scale_max", "higher_is_better", "target", "action", "context",
               "time", "weeks", "measured_by", "analysis_set", "primary"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


MODERATOR_COLUMNS = [
    "synthesis", "construct", "moderator", "barrier_dimension", "framework_layer", "level_value",
    "k_trials", "mu", "se", "ci_lb", "ci_ub", "tau2", "f", "df_num", "df_denom", "pvalue",
    "status", "reason",
]  # fmt: skip


def moderator_values(manifests: Manifests, study_values: pd.DataFrame) -> pd.DataFrame:
    """trial_id (or collection_id), moderator, value, and the codebook's dimension and layer."""
    rows = []
    for manifest in manifests.values():
        for m in manifest.moderators:
            about = {
                "moderator": m.name, "kind": m.kind,
                "barrier_dimension": m.barrier_dimension.value if m.barrier_dimension else "",
                "framework_layer": m.framework_layer.value if m.framework_layer else "",
            }  # fmt: skip
            if m.value:
                rows.append({"trial_id": manifest.id, "value": m.value} | about)
            if m.column and not study_values.empty:
                own = study_values[(study_values["collection_id"] == manifest.id)
                                   & (study_values["column"] == m.column)]  # fmt: skip
                firsts = own[own["value"] != ""].drop_duplicates(["trial_id", "value"])
                unique = firsts.groupby("trial_id")["value"].agg(
                    lambda v: v.iloc[0] if len(v) == 1 else "several"
                )
                rows += [{"trial_id": t, "value": v} | about for t, v in unique.items()]
    return pd.DataFrame(rows, columns=["trial_id", "value", "moderator", "kind",
                                       "barrier_dimension", "framework_layer"])  # fmt: skip


def moderator_effects(
    stack: Stack, declared: pd.DataFrame, settings: AnalysisSettings
) -> pd.DataFrame:
    """Effects by level of each categorical moderator, per synthesis and construct.

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
            candidates: list[tuple[str, dict[str, str], str, str]] = [
                ("topic", _first_value(part, "topic"), "", ""),
                ("measured_by", _first_value(part, "measured_by"), "", ""),
            ]
            for moderator, values in declared[declared["kind"] == "category"].groupby("moderator"):
                known = dict(zip(values["trial_id"], values["value"], strict=True))
                dimension, layer = (_common(values[c])
                                    for c in ("barrier_dimension", "framework_layer"))  # fmt: skip
                candidates.append((str(moderator), known, dimension, layer))
            for moderator, known, dimension, layer in candidates:
                levels = [known.get(i, "") for i in ids]
                identity = {"synthesis": name, "construct": construct, "moderator": moderator,
                            "barrier_dimension": dimension, "framework_layer": layer}  # fmt: skip
                rows += _levels(part, construct, levels, identity, settings)
    return pd.DataFrame(rows, columns=MODERATOR_COLUMNS)


def _common(values: pd.Series) -> str:
    """The one codebook entry of a moderator, or nothing when its trials name several."""
    named = set(values) - {""}
    return str(named.pop()) if len(named) == 1 else ""


def _first_value(stack: Stack, column: str) -> dict[str, str]:
    return {str(t["trial_id"]): str(t[column]) for t in stack.trials}


def _levels(
    part: Stack, construct: str, levels: list[str], identity: dict[str, object],
    settings: AnalysisSettings,
) -> list[dict[str, object]]:  # fmt: skip
    known = [i for i, level in enumerate(levels) if level]
    named = [levels[i] for i in known]
    if len(set(named)) < 2 or len(named) < 3:
        return []
    composites = make_composites(part.blocks([construct]))
    test = fit_subgroups(
        composites.yi[known], composites.vi[known], named, method=settings.tau2_method,
        ci_method=settings.ci_method, level=settings.level,
    )  # fmt: skip
    return [
        identity | {
            "level_value": level, "k_trials": fit.k, "mu": fit.mu, "se": fit.se,
            "ci_lb": fit.ci_lb, "ci_ub": fit.ci_ub, "tau2": fit.tau2, "f": test.f,
            "df_num": test.df_num, "df_denom": test.df_denom, "pvalue": test.pvalue,
            "status": fit.status, "reason": test.reason,
        }
        for level, fit in zip(test.levels, test.pooled, strict=True)
    ]  # fmt: skip


BIAS_COLUMNS = [
    "synthesis", "construct", "check", "k_trials", "slope", "slope_se", "statistic", "df",
    "pvalue", "limit", "limit_ci_lb", "limit_ci_ub", "method", "status", "reason",
]  # fmt: skip


def bias_checks(stack: Stack, settings: AnalysisSettings) -> pd.DataFrame:
    """Small-study effects per synthesis and construct; withheld below 10 trials, with the reason."""
    rows = []
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        for construct in sorted(group.constructs):
            part = group.select(having("construct", construct))
            composites = make_composites(part.blocks([construct]))
            k = composites.yi.size
            row: dict[str, object] = {"synthesis": name, "construct": construct, "check": "egger",
                                      "k_trials": k}  # fmt: skip
            if k < SMALLEST_NUMBER_OF_STUDIES:
                rows.append(row | {
                    "status": "too_few_studies", "method": "",
                    "reason": f"{k} trials; at least {SMALLEST_NUMBER_OF_STUDIES} are needed",
                })  # fmt: skip
                continue
            try:
                test = egger_test(composites.yi, composites.vi, method=settings.tau2_method,
                                  ci_method="t", level=settings.level)  # fmt: skip
            except EstimationError as error:
                rows.append(row | {"status": "not_estimable", "reason": str(error), "method": ""})
                continue
            rows.append(row | {
                "slope": test.slope, "slope_se": test.slope_se, "statistic": test.statistic,
                "df": test.df, "pvalue": test.pvalue, "limit": test.limit,
                "limit_ci_lb": test.limit_ci_lb, "limit_ci_ub": test.limit_ci_ub,
                "method": test.method, "status": "ok", "reason": "",
            })  # fmt: skip
    return pd.DataFrame(rows, columns=BIAS_COLUMNS)


ACTION_COLUMNS = [
    "row_kind", "trial_id", "arm_id", "arm_group", "intention", "behavior", "intender_rule",
    *CELLS, "n", "k", "k_used", "p_intend", "p_act", "p_act_given_intend",
    "p_act_given_intend_ci_lb", "p_act_given_intend_ci_ub", "p_act_given_no_intend",
    "p_act_given_no_intend_ci_lb", "p_act_given_no_intend_ci_ub", "action_control_gap",
    "share_inclined_actors", "share_inclined_abstainers", "share_disinclined_actors",
    "share_disinclined_abstainers", "risk_difference", "more_intend", "intenders_act",
    "others_act", "method", "status", "reason", "withheld",
]  # fmt: skip


def action_counts(
    facts: dict[str, ParticipantFacts], records: pd.DataFrame, manifests: Manifests
) -> pd.DataFrame:
    """Intended-by-acted counts per trial and arm, from participant rows and from count tables."""
    rows: list[dict[str, object]] = []
    for trial_id, one in facts.items():
        rows += [{"trial_id": trial_id, "collection_id": trial_id, "basis": "participant_rows"} | row
                 for row in one.counts]  # fmt: skip
    for record in records.to_dict("records") if not records.empty else []:
        rows.append({
            "trial_id": record["trial_id"], "collection_id": record["collection_id"],
            "basis": "intention_by_action", "arm": record["arm"],
            "intention": record["intention"], "behavior": record["behavior"],
            "intender_rule": "R5", **{cell: record[cell] for cell in CELLS},
        })  # fmt: skip
    out = pd.DataFrame(rows, columns=["trial_id", "collection_id", "basis", "arm", "intention",
                                      "behavior", "intender_rule", *CELLS])  # fmt: skip
    roles = {(m.id, a.id): a.role for m in manifests.values() for a in m.arms}
    out["arm_group"] = [
        "comparator" if roles.get((c, a)) in COMPARATORS else "intervention"
        for c, a in zip(out["collection_id"], out["arm"], strict=True)
    ]
    return out


def action_control(
    counts: pd.DataFrame, publishable: pd.DataFrame, settings: AnalysisSettings
) -> pd.DataFrame:
    """Shares per arm, their exact split between arms, and pooled shares per group of arms.

    counts: exact counts, used for pools over at least two trials. publishable: the same rows
    as they may be published (empty cells where they may not), used for everything else.
    """
    rows: list[dict[str, object]] = []
    for record in publishable.to_dict("records"):
        cells = [float(record[cell]) for cell in CELLS]
        if sum(cells) == 0:
            continue
        rows.append(_action_row(record, cells, settings))
    rows += _splits(publishable)
    for group in ("intervention", "comparator"):
        trials = counts.loc[counts["arm_group"] == group, "trial_id"].nunique()
        part = counts if trials > 1 else publishable.dropna(subset=list(CELLS))
        part = part[part["arm_group"] == group]
        summed = part.groupby(["trial_id", "intention", "behavior"])[list(CELLS)].sum()
        if len(summed):
            rows.append(_pooled_action(group, summed, settings))
    return pd.DataFrame(rows, columns=ACTION_COLUMNS)


def _action_row(
    record: dict[str, object], cells: list[float], settings: AnalysisSettings
) -> dict[str, object]:
    about = {
        "row_kind": "arm", "arm_id": record["arm"],
        **{c: record[c] for c in ("trial_id", "arm_group", "intention", "behavior",
                                  "intender_rule", "withheld")},
    }  # fmt: skip
    if any(np.isnan(cells)):
        return about | {"status": "withheld", "reason": record["withheld"], "method": ""}
    found = describe_action_control(cells, settings.level)
    names = [n for n in found.__dataclass_fields__ if n != "shares"]
    return about | {
        **dict(zip(CELLS, cells, strict=True)),
        **{name: getattr(found, name) for name in names},
        **{f"share_{cell}": s for cell, s in zip(CELLS, found.shares, strict=True)},
        "method": "counts", "status": "ok", "reason": "",
    }  # fmt: skip


def _splits(counts: pd.DataFrame) -> list[dict[str, object]]:
    rows = []
    for (trial, intention, behavior), part in counts.groupby(["trial_id", "intention", "behavior"]):
        controls = part[part["arm_group"] == "comparator"]
        for control in controls.to_dict("records"):
            for tested in part[part["arm_group"] == "intervention"].to_dict("records"):
                row: dict[str, object] = {
                    "row_kind": "split", "withheld": tested["withheld"], "trial_id": trial, "arm_group": "contrast",
                    "arm_id": f"{tested['arm']}_vs_{control['arm']}", "intention": intention,
                    "behavior": behavior, "intender_rule": tested["intender_rule"],
                    "method": "exact_split",
                }  # fmt: skip
                if any(np.isnan([float(r[c]) for r in (tested, control) for c in CELLS])):
                    rows.append(row | {"status": "withheld",
                                       "reason": "a cell is too small to publish"})  # fmt: skip
                    continue
                try:
                    split = split_behavior_effect(
                        [tested[c] for c in CELLS], [control[c] for c in CELLS]
                    )
                    row |= {n: getattr(split, n) for n in split.__dataclass_fields__}
                    row |= {"status": "ok", "reason": ""}
                except EstimationError as error:
                    row |= {"status": "not_estimable", "reason": str(error)}
                rows.append(row)
    return rows


def _pooled_action(
    group: str, summed: pd.DataFrame, settings: AnalysisSettings
) -> dict[str, object]:
    """Pooled P(act | intend) and P(act | not intend), one sample per trial and pair; trials
    with several pairs count once, with the mean of their counts."""
    per_trial = summed.groupby("trial_id").mean()
    cells = per_trial[list(CELLS)].to_numpy(dtype=float)
    intend = pool_proportion(cells[:, 0], cells[:, 0] + cells[:, 1], method=settings.tau2_method,
                             level=settings.level)  # fmt: skip
    others = pool_proportion(cells[:, 2], cells[:, 2] + cells[:, 3], method=settings.tau2_method,
                             level=settings.level)  # fmt: skip
    composition = pool_composition(cells)
    return {
        "row_kind": "pooled", "trial_id": "", "arm_group": group, "k": intend.k,
        "k_used": intend.k_used, "n": float(cells.sum()),
        "p_act_given_intend": intend.share, "p_act_given_intend_ci_lb": intend.ci_lb,
        "p_act_given_intend_ci_ub": intend.ci_ub, "p_act_given_no_intend": others.share,
        "p_act_given_no_intend_ci_lb": others.ci_lb, "p_act_given_no_intend_ci_ub": others.ci_ub,
        "action_control_gap": 1.0 - intend.share,
        **{f"share_{cell}": float(s) for cell, s in zip(CELLS, composition.shares, strict=True)},
        "method": "logit_reml_knapp_hartung; shares: log-ratio composition",
        "status": "ok" if intend.k_used else "not_estimable",
        "reason": composition.reason,
    }  # fmt: skip


def barrier_table(records: pd.DataFrame) -> pd.DataFrame:
    """Reference points per dimension with percent and mean per source, per coding table."""
    columns = ["collection_id", "dimension", "layer", "n_sources", "n_reference_points", "percent",
               "points_per_source"]  # fmt: skip
    parts = []
    for collection, part in records.groupby("collection_id") if not records.empty else []:
        whole = part.assign(layer=part["layer"].fillna(""))
        if whole["n_reference_points"].isna().all():
            whole = whole.assign(n_reference_points=1.0)
        summed = whole.groupby(["dimension", "layer"], sort=False, as_index=False).agg(
            n_reference_points=("n_reference_points", "sum"),
            n_sources=("n_sources", "sum"), distinct=("source", "nunique"),
        )  # fmt: skip
        summed["n_sources"] = summed["n_sources"].where(summed["n_sources"] > 0, summed["distinct"])
        shares = barrier_shares(summed["n_reference_points"], summed["n_sources"])
        summed["percent"], summed["points_per_source"] = shares.percent, shares.points_per_source
        parts.append(summed.assign(collection_id=collection)[columns])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


CORRELATION_COLUMNS = [
    "synthesis", "variable_1", "variable_2", "k_trials", "n_total", "r", "r_ci_lb", "r_ci_ub",
    "r_pi_lb", "r_pi_ub", "z", "z_se", "tau2", "i2", "q", "method", "status",
]  # fmt: skip


def pooled_correlations(
    records: pd.DataFrame, manifests: Manifests, settings: AnalysisSettings
) -> pd.DataFrame:
    """Pooled correlations of each correlational set, by Fisher's z; never mixed with trials."""
    if records.empty:
        return pd.DataFrame(columns=CORRELATION_COLUMNS)
    pairs = [tuple(sorted(p)) for p in zip(records["variable_1"], records["variable_2"], strict=True)]
    frame = records.assign(
        a=[p[0] for p in pairs], b=[p[1] for p in pairs],
        synthesis=[manifests[c].synthesis for c in records["collection_id"]],
    )  # fmt: skip
    rows = []
    for (synthesis, a, b), part in frame.groupby(["synthesis", "a", "b"]):
        z = fisher_z(part["r"], part["n"])
        fit = fit_random_effects(z.yi, z.vi, method=settings.tau2_method,
                                 ci_method=settings.ci_method, level=settings.level)  # fmt: skip
        back: Callable[[float], float] = lambda x: float(np.tanh(x))  # noqa: E731
        rows.append({
            "synthesis": synthesis, "variable_1": a, "variable_2": b, "k_trials": fit.k,
            "n_total": float(part["n"].sum()), "r": back(fit.mu), "r_ci_lb": back(fit.ci_lb),
            "r_ci_ub": back(fit.ci_ub), "r_pi_lb": back(fit.pi_lb), "r_pi_ub": back(fit.pi_ub),
            "z": fit.mu, "z_se": fit.se, "tau2": fit.tau2, "i2": fit.heterogeneity.i2,
            "q": fit.heterogeneity.q, "method": f"fisher_z/{fit.method}/{fit.ci_method}",
            "status": fit.status,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=CORRELATION_COLUMNS)
