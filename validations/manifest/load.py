"""Reads and checks `trial.yaml`; all faults of a manifest come back together."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from validations.errors import TrialFileError
from validations.findings import Finding, Severity
from validations.manifest.crosscheck import crosscheck
from validations.manifest.model import TrialManifest
from validations.manifest.wording import describe_faults
from validations.manifest.yaml_reader import YamlFaultError, read_yaml

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
            fault.fix,
            fault.line,
        ) from None
    if not isinstance(document.data, dict):
        raise fail(
            "manifest_empty", "the manifest holds no keys", "begin with `ibgap: 1` and `id:`", 1
        )
    try:
        manifest = TrialManifest.model_validate(document.data)
    except ValidationError as error:
        raise TrialFileError(describe_faults(trial, MANIFEST_NAME, error, document)) from None
    faults = crosscheck(manifest, trial, document)
    if faults:
        raise TrialFileError(faults)
    return manifest
