"""What is wrong with a manifest, in words for the person who wrote it."""

from __future__ import annotations

import difflib
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from validations.findings import Finding, Severity
from validations.manifest.model import (
    ActionSource,
    ArmSource,
    CodingSource,
    CorrelationSource,
    EffectSource,
    ParticipantSource,
    TrialManifest,
)
from validations.manifest.vocabulary import SourceKind
from validations.manifest.yaml_reader import Path, YamlDocument

SOURCES: dict[str, type[BaseModel]] = {
    SourceKind.PARTICIPANT_ROWS: ParticipantSource,
    SourceKind.ARM_SUMMARIES: ArmSource,
    SourceKind.REPORTED_EFFECTS: EffectSource,
    SourceKind.CORRELATIONS: CorrelationSource,
    SourceKind.INTENTION_BY_ACTION: ActionSource,
    SourceKind.BARRIER_CODINGS: CodingSource,
}


def describe_faults(
    trial: str, file: str, error: ValidationError, document: YamlDocument, most: int
) -> list[Finding]:
    """One finding per fault that pydantic found, with line, words and what would be right.

    most: faults that are told; one more is described when there are more.
    """
    findings = []
    for fault in error.errors(include_url=False, include_input=False)[: most + 1]:
        path = _path_in_file(fault["loc"])
        rule, message, fix = _sentence(fault, path, document)
        line = document.line(path)
        findings.append(Finding(trial, rule, Severity.ERROR, message, fix, file, line))
    return findings


def _path_in_file(location: tuple[int | str, ...]) -> Path:
    """Pydantic puts the chosen `kind` of a source into the path; the file has no such key."""
    if len(location) > 2 and location[0] == "sources" and location[2] in SOURCES:
        return (*location[:2], *location[3:])
    return location


def _value_at(document: YamlDocument, path: Path) -> Any:
    value = document.data
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _name(path: Path, document: YamlDocument) -> str:
    """`outcomes[intention].scale.min`: entries of a list by their id where they have one."""
    words = ""
    for i, part in enumerate(path):
        if isinstance(part, int):
            entry = _value_at(document, path[: i + 1])
            known = entry.get("id") if isinstance(entry, dict) else None
            words += f"[{known or part + 1}]"
        else:
            words += f".{part}" if words else str(part)
    return words or "the manifest"


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"use one of {', '.join(known)}" if known else ""


def _sentence(fault: Any, path: Path, document: YamlDocument) -> tuple[str, str, str]:
    """Rule id, what was found, and what would be right."""
    kind, name = fault["type"], _name(path, document)
    if kind == "extra_forbidden":
        keys = _keys_at(path[:-1], document)
        near = difflib.get_close_matches(str(path[-1]), keys, n=1, cutoff=0.6)
        fix = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(keys)}"
        return "manifest_unknown_key", f"{name} is not a known key", fix
    if kind == "missing":
        about = f"add {path[-1]}: {_description(path, document)}".rstrip(": ")
        return "manifest_missing_key", f"{name} is missing", about
    if kind == "union_tag_not_found":
        kinds = ", ".join(SOURCES)
        return "manifest_missing_key", f"{name}.kind is missing", f"add kind: one of {kinds}"
    if kind == "union_tag_invalid":
        found = str((_value_at(document, path) or {}).get("kind", ""))
        message = f"{name}.kind: {found!r} is not a known kind of source"
        return "manifest_wrong_value", message, _nearest(found, [str(k) for k in SOURCES])
    words = _words_at(path, document)
    if words:
        found = str(_value_at(document, path))
        message = f"{name}: {found!r} is not a known word"
        return "manifest_wrong_value", message, _nearest(found, words)
    message = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    message = message.replace("should be", "must be")
    fix = _description(path, document)
    return "manifest_wrong_value", f"{name}: {message[0].lower()}{message[1:]}", fix


def _model_at(path: Path, document: YamlDocument) -> type[BaseModel] | None:
    """The manifest part that holds the keys at `path`; sources by their kind."""
    model: type[BaseModel] = TrialManifest
    for i, part in enumerate(path):
        if isinstance(part, int):
            if path[0] == "sources" and i == 1:
                entry = _value_at(document, path[:2])
                kind = entry.get("kind") if isinstance(entry, dict) else None
                model = SOURCES.get(str(kind), model)
            continue
        info = model.model_fields.get(part)
        inner = _first_model(info.annotation) if info is not None else None
        if inner is None:
            return None
        model = inner
    return model


def _first_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = _first_model(part)
        if found is not None:
            return found
    return None


def _keys_at(path: Path, document: YamlDocument) -> list[str]:
    model = _model_at(path, document)
    return list(model.model_fields) if model is not None else []


def _field(path: Path, document: YamlDocument) -> Any:
    keys = [part for part in path if isinstance(part, str)]
    model = _model_at(path[: path.index(keys[-1])], document) if keys else None
    return model.model_fields.get(keys[-1]) if model is not None else None


def _description(path: Path, document: YamlDocument) -> str:
    field = _field(path, document)
    return (field.description or "") if field is not None else ""


def _words_at(path: Path, document: YamlDocument) -> list[str]:
    """The closed vocabulary of a field, or nothing."""
    field = _field(path, document)
    return _words(field.annotation) if field is not None else []


def _words(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return next((found for part in get_args(annotation) if (found := _words(part))), [])
