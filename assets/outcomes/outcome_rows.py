"""Outcome rows: one per trial, comparison, instrument, timepoint and analysis set, with
everything an effect needs. Intention and behavior go to separate tables."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.synthesis.stack import Record
from assets.outcomes.arms import Manifests, text_of, weeks_of
from assets.outcomes.comparisons import arms_of_row, comparisons_of
from assets.outcomes.participants import ParticipantFacts
from assets.rows import empty_table, records_of
from assets.staging.extraction import slug
from validations.manifest.model import Outcome, TrialManifest
from validations.manifest.vocabulary import DesignType
from validations.tables import made_columns

_REPORTED = ["value", "se", "variance", "ci_lb", "ci_ub", "ci_level", "sd", "p", "risk2"]


def outcome_rows(
    arm_statistics: pd.DataFrame,
    reported: pd.DataFrame,
    manifests: Manifests,
    facts: dict[str, ParticipantFacts],
) -> pd.DataFrame:
    """All outcome rows, from numbers per arm and from reported effects."""
    rows = [
        *_from_arms(arm_statistics, manifests, facts),
        *_from_reported(reported, manifests),
    ]
    return _described(rows, manifests)


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


_OF_A_ROW = ("trial_id", "collection_id", "study_label", "comparison", "instrument", "weeks",
             "timepoint", "basis")  # fmt: skip
"""What the arms of one outcome row have in common, besides the outcome."""


def _from_arms(
    arms: pd.DataFrame, manifests: Manifests, facts: dict[str, ParticipantFacts]
) -> Iterator[Record]:
    if arms.empty:
        return
    rows = records_of(arms)
    labels = [(str(row["trial_id"]), row["comparison"]) for row in rows]
    suffixes = dict(zip(labels, _suffixes(labels), strict=True))
    groups: dict[tuple[object, ...], list[Record]] = {}
    for row in rows:
        key = (row["outcome"], *(row[name] for name in _OF_A_ROW))
        groups.setdefault(tuple(None if pd.isna(one) else one for one in key), []).append(row)
    for group in groups.values():
        named = group[0]
        manifest = manifests[named["collection_id"]]
        by_arm = {str(arm["arm"]): arm for arm in group}
        # Groups of a review have no names: each comparison of a study has its own two.
        own = "" if manifest.arms else suffixes[(str(named["trial_id"]), named["comparison"])]
        for intervention, comparator in comparisons_of(manifest):
            if intervention not in by_arm or comparator not in by_arm:
                continue
            one, two = by_arm[intervention], by_arm[comparator]
            row = dict.fromkeys(_CORE, math.nan) | {name: named[name] for name in _OF_A_ROW}
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
            yield row | _from_participants(facts.get(str(named["trial_id"])), row)


def _from_participants(facts: ParticipantFacts | None, row: Record) -> Record:
    if facts is None or row["basis"] != "participant_rows":
        return {}
    out: Record = {}
    key = (str(row["intervention_arm"]), str(row["comparator_arm"]), str(row["outcome_id"]))
    if key in facts.adjusted:
        names = ("adjusted_difference", "sd_pooled", "covariate_r", "n1", "n2")
        out |= dict(zip(names, facts.adjusted[key], strict=True))
    if key[2] in facts.design_effects:
        out["design_effect"] = facts.design_effects[key[2]]
    return out


def _from_reported(reported: pd.DataFrame, manifests: Manifests) -> Iterator[Record]:
    rows = records_of(reported) if len(reported) else []
    suffixes = _suffixes([(row["trial_id"], text_of(row, "comparison")) for row in rows])
    controls = _suffixes([(row["trial_id"], text_of(row, "control_group")) for row in rows])
    for row, suffix, control in zip(rows, suffixes, controls, strict=True):
        manifest = manifests[row["collection_id"]]
        named = arms_of_row(manifest, text_of(row, "intervention"), text_of(row, "comparator"))
        one, two = named or ("", "")
        outcome = text_of(row, "outcome")
        yield dict.fromkeys(_CORE, math.nan) | {
            **{name: row[name] for name in ("trial_id", "collection_id", "study_label", "file")},
            **{n: text_of(row, n) for n in ("comparison", "instrument", "timepoint", "favors")},
            "reported_statistic": text_of(row, "statistic"),
            "outcome_id": outcome,
            "intervention_arm": one or f"intervention{suffix}",
            "comparator_arm": two or f"comparator{control or suffix}",
            "weeks": weeks_of(row | {"outcome": outcome}, manifest),
            "basis": "reported_effects",
            "n1": row["n1"],
            "n2": row["n2"],
            **{f"reported_{name}": row[name] for name in _REPORTED},
            "rows": str(int(row["row"])),
        }


def _suffixes(labels: Sequence[tuple[str, str]]) -> list[str]:
    """What tells the groups of comparisons (trial, label) apart: `_` and the label as an
    identifier, with a mark where labels of one trial differ only in signs; empty for no label."""
    named: dict[tuple[str, str], set[str]] = {}
    for trial, label in labels:
        if label:
            named.setdefault((trial, slug(label)), set()).add(label)

    def suffix(trial: str, label: str) -> str:
        if not label:
            return ""
        same = len(named[(trial, slug(label))]) > 1
        mark = f"_{hashlib.sha256(label.encode()).hexdigest()[:4]}" if same else ""
        return f"_{slug(label)}{mark}"

    return [suffix(trial, label) for trial, label in labels]


def _described(rows: list[Record], manifests: Manifests) -> pd.DataFrame:
    """Add what the manifest says about trial and outcome, and the identifiers."""
    stood: Counter[str] = Counter()
    for row in rows:
        manifest = manifests[row["collection_id"]]
        outcome = manifest.outcome(row["outcome_id"])
        row |= _describe(manifest, outcome) if outcome else dict.fromkeys(DESCRIBED, math.nan)
        row["design_effect"] = _design_effect(manifest, row["design_effect"])
        row["comparison_id"] = f"{row['intervention_arm']}_vs_{row['comparator_arm']}"
        row |= {name: _number(row[name]) for name in _NUMBERS}
        name = _row_id(row)
        stood[name] += 1
        row["outcome_row_id"] = name if stood[name] == 1 else f"{name}#{stood[name]}"
    return pd.DataFrame(rows, columns=OUTCOME_COLUMNS) if rows else empty_table(OUTCOME_COLUMNS)


_NUMBERS = ["weeks", *_STATISTICS, *[f"reported_{name}" for name in _REPORTED]]


def _number(value: object) -> float:
    return math.nan if value is None else float(value)  # type: ignore[arg-type]


def _design_effect(manifest: TrialManifest, of_participants: float) -> float:
    """The design effect of the participants, else the declared one; 1 without clusters."""
    for found in (of_participants, _declared_design_effect(manifest)):
        if not math.isnan(found):
            return float(found)
    # Unknown stays unknown: the effect of a cluster trial without it is held.
    return math.nan if _is_clustered(manifest) else 1.0


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


def _describe(manifest: TrialManifest, outcome: Outcome) -> Record:
    return {
        "synthesis": manifest.synthesis,
        "upstream_construct": manifest.upstream_construct.value,
        "topic": manifest.topic,
        "construct": outcome.construct.value,
        "outcome_label": outcome.label or outcome.id.replace("_", " "),
        "scale_type": outcome.scale.type.value,
        "scale_min": math.nan if outcome.scale.min is None else outcome.scale.min,
        "scale_max": math.nan if outcome.scale.max is None else outcome.scale.max,
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


def _row_id(row: Record) -> str:
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
