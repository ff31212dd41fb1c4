"""Outcome rows: one per trial, comparison, instrument, timepoint and analysis set, with
everything an effect needs. Intention and behavior go to separate tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assets.outcomes.arms import Manifests, row_weeks
from assets.outcomes.comparisons import arms_of_row, comparisons_of
from assets.outcomes.participants import ParticipantFacts
from assets.staging.extraction import slug
from validations.manifest.model import Outcome, TrialManifest
from validations.manifest.vocabulary import Construct, DesignType
from validations.tables import made_columns

_REPORTED = ["value", "se", "variance", "ci_lb", "ci_ub", "ci_level", "sd", "p", "risk2"]


@dataclass(frozen=True)
class OutcomeTables:
    """The three tables no row of which is in another."""

    intention: pd.DataFrame
    behavior: pd.DataFrame
    upstream: pd.DataFrame


def outcome_rows(
    arm_statistics: pd.DataFrame,
    reported: pd.DataFrame,
    manifests: Manifests,
    facts: dict[str, ParticipantFacts],
) -> pd.DataFrame:
    """All outcome rows, from numbers per arm and from reported effects."""
    parts = [
        _from_arms(arm_statistics, manifests, facts),
        _from_reported(reported, manifests),
    ]
    parts = [part for part in parts if not part.empty]
    if not parts:
        return _described(pd.DataFrame(columns=_CORE), manifests)
    return _described(pd.concat(parts, ignore_index=True), manifests)


_STATISTICS = [
    "n1",
    "m1",
    "sd1",
    "events1",
    "n2",
    "m2",
    "sd2",
    "events2",
    "adjusted_difference",
    "sd_pooled",
    "covariate_r",
]
_CORE = [
    "trial_id",
    "collection_id",
    "study_label",
    "comparison",
    "intervention_arm",
    "comparator_arm",
    "outcome_id",
    "instrument",
    "weeks",
    "timepoint",
    "basis",
    *_STATISTICS,
    "reported_statistic",
    *[f"reported_{name}" for name in _REPORTED],
    "favors",
    "design_effect",
    "file",
    "rows",
]


def _from_arms(
    arms: pd.DataFrame, manifests: Manifests, facts: dict[str, ParticipantFacts]
) -> pd.DataFrame:
    if arms.empty:
        return pd.DataFrame(columns=_CORE)
    keys = [
        "trial_id",
        "collection_id",
        "study_label",
        "comparison",
        "instrument",
        "outcome",
        "weeks",
        "timepoint",
        "basis",
    ]
    made = zip(arms["trial_id"], arms["comparison"], strict=True)
    suffixes = dict(zip(made, _suffixes(arms["trial_id"], arms["comparison"]), strict=True))
    rows = []
    for key, group in arms.groupby(keys, sort=False, dropna=False):
        named = dict(zip(keys, key, strict=True))
        manifest = manifests[named["collection_id"]]
        by_arm = {str(arm["arm"]): arm for arm in group.to_dict("records")}
        # Groups of a review have no names: each comparison of a study has its own two.
        own = "" if manifest.arms else suffixes[(named["trial_id"], named["comparison"])]
        for intervention, comparator in comparisons_of(manifest):
            if intervention not in by_arm or comparator not in by_arm:
                continue
            one, two = by_arm[intervention], by_arm[comparator]
            row = dict.fromkeys(_CORE, np.nan)
            row |= {k: v for k, v in named.items() if k in _CORE}
            row |= {
                "outcome_id": named["outcome"],
                "intervention_arm": intervention + own,
                "comparator_arm": comparator + own,
                "reported_statistic": "",
                "favors": "",
                "n1": one["n"],
                "m1": one["mean"],
                "sd1": one["sd"],
                "events1": one["events"],
                "n2": two["n"],
                "m2": two["mean"],
                "sd2": two["sd"],
                "events2": two["events"],
                "file": one["file"],
                "rows": f"{one['rows']}; {two['rows']}",
            }
            row |= _from_participants(facts.get(str(named["trial_id"])), row)
            rows.append(row)
    return pd.DataFrame(rows, columns=_CORE)


def _from_participants(facts: ParticipantFacts | None, row: dict[str, object]) -> dict[str, object]:
    if facts is None or row["basis"] != "participant_rows":
        return {}
    out: dict[str, object] = {}
    key = (str(row["intervention_arm"]), str(row["comparator_arm"]), str(row["outcome_id"]))
    if key in facts.adjusted:
        names = ("adjusted_difference", "sd_pooled", "covariate_r", "n1", "n2")
        out |= dict(zip(names, facts.adjusted[key], strict=True))
    if key[2] in facts.design_effects:
        out["design_effect"] = facts.design_effects[key[2]]
    return out


def _from_reported(reported: pd.DataFrame, manifests: Manifests) -> pd.DataFrame:
    if reported.empty:
        return pd.DataFrame(columns=_CORE)

    def text(name: str) -> pd.Series:
        return reported[name].fillna("").astype(str)

    out = pd.DataFrame(index=reported.index)
    for name in ("trial_id", "collection_id", "study_label", "file"):
        out[name] = reported[name]
    for name in ("comparison", "instrument", "timepoint", "favors"):
        out[name] = text(name)
    out["reported_statistic"] = text("statistic")
    out["outcome_id"] = text("outcome")
    suffix = _suffixes(out["trial_id"], out["comparison"])
    control = _suffixes(out["trial_id"], text("control_group"))
    arms = [
        arms_of_row(manifests[c], one, two) or ("", "")
        for c, one, two in zip(
            out["collection_id"], text("intervention"), text("comparator"), strict=True
        )
    ]
    one, two = (pd.Series([pair[i] for pair in arms], out.index, dtype=object) for i in (0, 1))
    out["intervention_arm"] = one.where(one != "", "intervention" + suffix)
    out["comparator_arm"] = two.where(
        two != "", "comparator" + control.where(control != "", suffix)
    )
    out["weeks"] = row_weeks(reported.assign(outcome=out["outcome_id"]), manifests)
    out["basis"] = "reported_effects"
    out["n1"], out["n2"] = reported["n1"], reported["n2"]
    for name in _REPORTED:
        out[f"reported_{name}"] = reported[name]
    out["rows"] = reported["row"].astype(int).astype(str)
    for name in _CORE:
        if name not in out:
            out[name] = np.nan
    return out[_CORE]


def _suffixes(trials: pd.Series, labels: pd.Series) -> pd.Series:
    """What tells the groups of comparisons apart: `_` and the label as an identifier, with a mark
    where labels of one trial differ only in signs; empty for no label."""
    named: dict[tuple[str, str], set[str]] = {}
    for trial, label in zip(trials, labels, strict=True):
        if label:
            named.setdefault((str(trial), slug(label)), set()).add(label)

    def suffix(trial: str, label: str) -> str:
        if not label:
            return ""
        same = len(named[(trial, slug(label))]) > 1
        mark = f"_{hashlib.sha256(label.encode()).hexdigest()[:4]}" if same else ""
        return f"_{slug(label)}{mark}"

    made = [suffix(str(t), label) for t, label in zip(trials, labels, strict=True)]
    return pd.Series(made, index=labels.index, dtype=object)


def _described(rows: pd.DataFrame, manifests: Manifests) -> pd.DataFrame:
    """Add what the manifest says about trial and outcome, and the identifiers."""
    described = []
    for collection, outcome_id in zip(rows["collection_id"], rows["outcome_id"], strict=True):
        manifest = manifests[collection]
        outcome = manifest.outcome(outcome_id)
        described.append(_describe(manifest, outcome) if outcome else {})
    extra = pd.DataFrame(described, index=rows.index, columns=DESCRIBED)
    out = pd.concat([rows, extra], axis=1)
    design = [_declared_design_effect(manifests[c]) for c in out["collection_id"]]
    out["design_effect"] = (
        out["design_effect"].astype(float).fillna(pd.Series(design, index=out.index))
    )
    clustered = pd.Series([_is_clustered(manifests[c]) for c in out["collection_id"]], out.index)
    # Unknown stays unknown: the effect of a cluster trial without it is held.
    out["design_effect"] = out["design_effect"].where(
        clustered.astype(bool) | out["design_effect"].notna(), 1.0
    )
    out["comparison_id"] = [
        f"{i}_vs_{c}" for i, c in zip(out["intervention_arm"], out["comparator_arm"], strict=True)
    ]
    ids = pd.Series([_row_id(row) for row in out.to_dict("records")], index=out.index, dtype=object)
    repeat = ids.groupby(ids).cumcount()
    out["outcome_row_id"] = ids.where(repeat == 0, ids + "#" + (repeat + 1).astype(str))
    reported = [f"reported_{name}" for name in _REPORTED]
    numbers = ["weeks", *_STATISTICS, "design_effect", *reported]
    out[numbers] = out[numbers].astype(float)
    return out[OUTCOME_COLUMNS].reset_index(drop=True)


DESCRIBED = [
    "synthesis",
    "upstream_construct",
    "topic",
    "construct",
    "outcome_label",
    "scale_type",
    "scale_min",
    "scale_max",
    "higher_is_better",
    "measured_by",
    "analysis_set",
    "standardizer",
    "target",
    "action",
    "context",
    "time",
    "primary",
    "randomized",
]
OUTCOME_COLUMNS = made_columns("intention_outcomes")


def _describe(manifest: TrialManifest, outcome: Outcome) -> dict[str, object]:
    return {
        "synthesis": manifest.synthesis,
        "upstream_construct": manifest.upstream_construct.value,
        "topic": manifest.topic,
        "construct": outcome.construct.value,
        "outcome_label": outcome.label or outcome.id.replace("_", " "),
        "scale_type": outcome.scale.type.value,
        "scale_min": np.nan if outcome.scale.min is None else outcome.scale.min,
        "scale_max": np.nan if outcome.scale.max is None else outcome.scale.max,
        "higher_is_better": outcome.higher_is_better,
        "measured_by": outcome.measured_by.value,
        "analysis_set": outcome.analysis_set.value,
        "standardizer": outcome.standardizer,
        "target": outcome.target,
        "action": outcome.action,
        "context": outcome.context,
        "time": outcome.time,
        "primary": outcome.primary,
        "randomized": manifest.design.randomized,
    }


def _is_clustered(manifest: TrialManifest) -> bool:
    design = manifest.design
    return design.type is DesignType.CLUSTER and not design.clustering_already_adjusted


def _declared_design_effect(manifest: TrialManifest) -> float:
    design = manifest.design
    if _is_clustered(manifest) and design.icc is not None and design.mean_cluster_size is not None:
        return 1.0 + (design.mean_cluster_size - 1.0) * design.icc
    return float("nan")


def _row_id(row: dict[str, object]) -> str:
    """Readable and stable: trial:comparison:outcome[.instrument][@week][:statistic]."""
    name = str(row["outcome_id"])
    if row["instrument"]:
        name += f".{slug(str(row['instrument']))}"
    weeks = row["weeks"]
    when = (
        f"@{weeks:.4g}w"
        if pd.notna(weeks)
        else (f"@{slug(str(row['timepoint']))}" if row["timepoint"] else "")
    )
    return f"{row['trial_id']}:{row['comparison_id']}:{name}{when}"


def split_outcomes(rows: pd.DataFrame) -> OutcomeTables:
    """Intention, behavior and everything else; no row is in two of them."""
    is_intention = rows["construct"] == Construct.INTENTION.value
    is_behavior = rows["construct"] == Construct.BEHAVIOR.value
    return OutcomeTables(
        rows[is_intention].reset_index(drop=True),
        rows[is_behavior].reset_index(drop=True),
        rows[~is_intention & ~is_behavior].reset_index(drop=True),
    )
