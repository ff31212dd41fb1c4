"""What the types of a manifest cannot say: references between its parts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ibgap.base.files import path_is_inside
from validations.findings import Finding, Severity
from validations.manifest.model import (
    CodingSource,
    ParticipantSource,
    TrialManifest,
    blocks_of,
)
from validations.manifest.vocabulary import ArmRole, Construct, DesignType
from validations.manifest.yaml_reader import Path, YamlDocument

COMPARATORS = frozenset(ArmRole) - {ArmRole.EXPERIMENTAL, ArmRole.ACTIVE_COMPARATOR}


_MOST_FOUND = 60
"""Faults beyond which no further ones are looked for: the first ones are told."""
_MOST_COMPARED = 500


class _Faults:
    def __init__(self, trial: str, document: YamlDocument | None) -> None:
        self.trial, self.document = trial, document
        self.found: list[Finding] = []

    def add(self, rule: str, path: Path, message: str, fix: str) -> None:
        if len(self.found) > _MOST_FOUND:
            return
        line = self.document.line(path) if self.document else None
        self.found.append(
            Finding(self.trial, rule, Severity.ERROR, message, fix, "trial.yaml", line)
        )

    def must_exist(self, what: str, name: str, known: Iterable[str], path: Path) -> None:
        names = list(known)
        if name in names or len(self.found) > _MOST_FOUND:
            return
        near = difflib.get_close_matches(name, names[:_MOST_COMPARED], n=1)
        listed = ", ".join(names[:_MOST_COMPARED]) or "none"
        fix = f"did you mean {near[0]!r}?" if near else f"declared: {listed}"
        self.add(f"manifest_unknown_{what}", path, f"the {what} {name!r} is not declared", fix)


def crosscheck(
    manifest: TrialManifest, trial: str, document: YamlDocument | None = None
) -> list[Finding]:
    """Faults between parts: duplicate ids, unknown arms, outcomes or sources, unsafe paths,
    outcomes without data, constructs that cannot be paired, behavior before intention."""
    faults = _Faults(trial, document)
    if manifest.id != trial:
        faults.add(
            "manifest_id_is_folder",
            ("id",),
            f"id is {manifest.id!r} but the folder is called {trial!r}",
            "give both the same name",
        )
    _unique(faults, "arms", [arm.id for arm in manifest.arms])
    _unique(faults, "sources", [source.id for source in manifest.sources])
    _unique(faults, "outcomes", [outcome.id for outcome in manifest.outcomes])
    if manifest.synthesis == "main" and manifest.upstream_construct is not Construct.INTENTION:
        faults.add(
            "manifest_main_is_intention",
            ("upstream_construct",),
            "the synthesis main sets intention against behavior, found "
            f"{manifest.upstream_construct.value}",
            "name a synthesis of its own, such as the review's subject",
        )
    _check_sources(faults, manifest)
    _check_outcomes(faults, manifest)
    _check_comparisons(faults, manifest)
    _check_pairs(faults, manifest)
    return faults.found


def _unique(faults: _Faults, part: str, ids: list[str]) -> None:
    seen: set[str] = set()
    for i, name in enumerate(ids):
        if name in seen:
            faults.add(
                "manifest_duplicate_id",
                (part, i),
                f"the id {name!r} stands twice in {part}",
                "give every part its own id",
            )
        seen.add(name)


def _check_sources(faults: _Faults, manifest: TrialManifest) -> None:
    outcomes = [o.id for o in manifest.outcomes]
    arms = [a.id for a in manifest.arms]
    for i, source in enumerate(manifest.sources):
        if not path_is_inside(source.file):
            faults.add(
                "manifest_path_outside",
                ("sources", i, "file"),
                f"the path {source.file!r} leads outside the trial folder",
                "copy the file into the folder and name it without .. or a leading /",
            )
        if isinstance(source, (CodingSource,)):
            continue
        if not manifest.outcomes:
            faults.add(
                "manifest_no_outcomes",
                ("sources", i),
                f"source {source.id!r} needs outcomes",
                "declare what was measured under `outcomes:`",
            )
        if isinstance(source, ParticipantSource) and not manifest.arms:
            faults.add(
                "manifest_no_arms",
                ("sources", i),
                f"source {source.id!r} needs arms",
                "declare the groups of the trial under `arms:`",
            )
        blocks = blocks_of(source)
        for j, block in enumerate(blocks):
            path: Path = ("sources", i, "blocks", j) if len(blocks) > 1 else ("sources", i)
            for field in ("outcome", "intention", "behavior", "variable_1", "variable_2"):
                if field in block.values:
                    faults.must_exist("outcome", block.values[field], outcomes, path)
            for role in ("arm", "intervention", "comparator"):
                if role in block.values and arms:
                    faults.must_exist("arm", block.values[role], arms, path)
            unknown = set(block.values) - set(type(block).model_fields)
            for name in sorted(unknown):
                near = difflib.get_close_matches(name, list(type(block).model_fields), n=1)
                faults.add(
                    "manifest_unknown_key",
                    path,
                    f"values: {name!r} is not a field here",
                    f"did you mean {near[0]!r}?" if near else "see the manifest handbook",
                )


def _check_outcomes(faults: _Faults, manifest: TrialManifest) -> None:
    participant_sources = [s.id for s in manifest.sources if isinstance(s, ParticipantSource)]
    for i, outcome in enumerate(manifest.outcomes):
        path: Path = ("outcomes", i)
        if outcome.column and not outcome.source and len(participant_sources) != 1:
            faults.add(
                "manifest_missing_key",
                path,
                f"outcome {outcome.id!r} names a column but no source",
                "add `source:` with the id of its participant rows",
            )
        if outcome.source:
            faults.must_exist("source", outcome.source, participant_sources, (*path, "source"))
        scale = outcome.scale
        if scale.min is not None and scale.max is not None and scale.min >= scale.max:
            faults.add(
                "manifest_wrong_value",
                (*path, "scale"),
                f"outcome {outcome.id!r}: the scale's min is not below its max",
                "give the lowest and highest possible score",
            )
        if outcome.column and not participant_sources:
            faults.add(
                "manifest_unknown_source",
                path,
                f"outcome {outcome.id!r} names a column, but no source has participant rows",
                "remove `column:` or declare the source",
            )


def _check_comparisons(faults: _Faults, manifest: TrialManifest) -> None:
    arms = [a.id for a in manifest.arms]
    for i, comparison in enumerate(manifest.comparisons):
        for role in ("intervention", "comparator"):
            faults.must_exist("arm", getattr(comparison, role), arms, ("comparisons", i, role))
        if comparison.intervention == comparison.comparator:
            faults.add(
                "manifest_wrong_value",
                ("comparisons", i),
                "an arm is compared with itself",
                "name two different arms",
            )
    single = manifest.design.type not in (
        DesignType.REVIEW,
        DesignType.CORRELATIONAL,
        DesignType.CODING,
    )
    if single and not manifest.comparisons and manifest.arms:
        roles = [arm.role for arm in manifest.arms]
        if not any(role in COMPARATORS for role in roles):
            faults.add(
                "manifest_no_comparator",
                ("arms",),
                "no arm has the role of a comparator",
                "give the control arm a role such as usual_care, or list `comparisons:`",
            )
        if all(role in COMPARATORS for role in roles):
            faults.add(
                "manifest_no_intervention",
                ("arms",),
                "no arm has the role of an intervention",
                "give the tested arm the role experimental",
            )


def _check_pairs(faults: _Faults, manifest: TrialManifest) -> None:
    outcomes = [o.id for o in manifest.outcomes]
    for i, pair in enumerate(manifest.pairs):
        for role in ("upstream", "behavior"):
            faults.must_exist("outcome", getattr(pair, role), outcomes, ("pairs", i, role))
        up, behavior = manifest.outcome(pair.upstream), manifest.outcome(pair.behavior)
        if up is None or behavior is None:
            continue
        if behavior.construct is not Construct.BEHAVIOR or up.construct is Construct.BEHAVIOR:
            faults.add(
                "manifest_pair_constructs",
                ("pairs", i),
                f"a pair joins an upstream outcome with a behavior, found {up.construct.value} "
                f"with {behavior.construct.value}",
                "swap or correct the outcomes",
            )
        weeks_up, weeks_b = up.timepoint.weeks, behavior.timepoint.weeks
        if weeks_up is not None and weeks_b is not None and weeks_b < weeks_up:
            faults.add(
                "behavior_before_intention",
                ("pairs", i),
                f"{pair.behavior!r} (week {weeks_b:g}) was measured before {pair.upstream!r} "
                f"(week {weeks_up:g})",
                "pair an intention with a behavior that comes after it",
            )
        if pair.correlation and pair.correlation.value is None and not pair.correlation.column:
            faults.add(
                "manifest_missing_key",
                ("pairs", i, "correlation"),
                "a correlation needs a value or a column",
                "add `value:` or `column:`",
            )
