"""Reads and checks `trial.yaml`; all faults of a manifest come back together."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from validations.errors import TrialFileError
from validations.findings import Finding, Severity
from validations.manifest.crosscheck import crosscheck
from validations.manifest.model import TrialManifest
from validations.manifest.yaml_reader import YamlDocument, YamlFaultError, read_yaml

MANIFEST_NAME = "trial.yaml"
_MOST_BYTES = 1_000_000


def load_manifest(folder: Path) -> TrialManifest:
    """The checked manifest of a trial folder.

    Raises `TrialFileError` with every fault found: no manifest, not YAML, unknown or missing
    keys (nearest name suggested), wrong values, and references that lead nowhere.
    """
    trial, path = folder.name, folder / MANIFEST_NAME

    def fail(rule: str, message: str, fix: str, line: int | None = None) -> TrialFileError:
        return TrialFileError(
            [Finding(trial, rule, Severity.ERROR, message, fix, MANIFEST_NAME, line)]
        )

    if not path.is_file():
        data_files = sorted(p.name for p in folder.glob("*") if p.is_file())[:3]
        example = data_files[0] if data_files else "FILE"
        raise fail(
            "manifest_missing",
            f"the folder has no {MANIFEST_NAME}",
            f"run `ibgap trial new {folder.name}/{example}` to draft one from the data file",
        )
    if path.stat().st_size > _MOST_BYTES:
        raise fail("manifest_unreadable", "the manifest is larger than 1 MB", "shorten it")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(
            "manifest_unreadable",
            f"the manifest is not UTF-8 text (byte {error.start})",
            "save it as UTF-8",
        ) from None
    try:
        document = read_yaml(text)
    except YamlFaultError as fault:
        raise fail(
            "manifest_not_yaml",
            f"the manifest is not usable YAML: {fault}",
            "a manifest is plain YAML: keys, values and lists, without tags or aliases",
            fault.line,
        ) from None
    if not isinstance(document.data, dict):
        raise fail(
            "manifest_empty", "the manifest holds no keys", "begin with `ibgap: 1` and `id:`", 1
        )
    try:
        manifest = TrialManifest.model_validate(document.data)
    except ValidationError as error:
        raise TrialFileError(_describe(trial, error, document)) from None
    faults = crosscheck(manifest, trial, document)
    if faults:
        raise TrialFileError(faults)
    return manifest


def _describe(trial: str, error: ValidationError, document: YamlDocument) -> list[Finding]:
    findings = []
    for fault in error.errors(include_url=False, include_input=False):
        path = tuple(
            part for part in fault["loc"] if not _is_union_tag(part, document, fault["loc"])
        )
        name = ".".join(str(part) for part in path) or "the manifest"
        message, fix = _sentence(fault, path, name)
        findings.append(
            Finding(
                trial,
                f"manifest_{_rule(fault['type'])}",
                Severity.ERROR,
                message,
                fix,
                MANIFEST_NAME,
                document.line(path),
            )
        )
    return findings


def _is_union_tag(part: Any, document: YamlDocument, location: tuple[Any, ...]) -> bool:
    """Pydantic puts the chosen `kind` of a source into the path; the file has no such key."""
    kinds = (
        "participant_rows",
        "arm_summaries",
        "reported_effects",
        "correlations",
        "intention_by_action",
        "barrier_codings",
    )
    return part in kinds and len(location) > 2 and location[0] == "sources"


def _rule(kind: str) -> str:
    if kind == "extra_forbidden":
        return "unknown_key"
    if kind == "missing":
        return "missing_key"
    return "wrong_value"


def _sentence(fault: Any, path: tuple[Any, ...], name: str) -> tuple[str, str]:
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]), _keys_at(path[:-1]), n=1, cutoff=0.6)
        fix = (
            f"did you mean {near[0]!r}?"
            if near
            else f"known keys: {', '.join(_keys_at(path[:-1]))}"
        )
        return f"{name} is not a known key", fix
    if fault["type"] == "missing":
        return f"{name} is missing", f"add {path[-1]}: {_description(path)}".rstrip(": ")
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}", _description(path)


def _model_at(path: tuple[Any, ...]) -> type[BaseModel] | None:
    """The manifest part that holds the keys at `path`."""
    model: type[BaseModel] = TrialManifest
    for part in path:
        if isinstance(part, int):
            continue
        info = model.model_fields.get(str(part))
        if info is None:
            return None
        inner = _first_model(info.annotation)
        if inner is None:
            return None
        model = inner
    return model


def _first_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _first_model(part)
        if found is not None:
            return found
    return None


def _keys_at(path: tuple[Any, ...]) -> list[str]:
    model = _model_at(path)
    if model is None:
        return []
    keys = list(model.model_fields)
    if path and path[0] == "sources" and len(path) <= 2:
        keys += ["columns", "blocks"]
    return keys


def _description(path: tuple[Any, ...]) -> str:
    model = _model_at(path[:-1])
    if model is None or str(path[-1]) not in model.model_fields:
        return ""
    return model.model_fields[str(path[-1])].description or ""
