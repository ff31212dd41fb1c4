"""Reads and checks `trial.yaml`; all faults of a manifest come back together."""

from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from ibgap.base.files import MEGABYTE, UnusableFileError, read_inside
from ibgap.base.printable import printable
from validations.errors import TrialFileError
from validations.findings import Finding, Severity
from validations.manifest.crosscheck import crosscheck
from validations.manifest.model import TrialManifest
from validations.manifest.wording import describe_faults
from validations.manifest.yaml_reader import YamlDocument, YamlFaultError, read_yaml

MANIFEST_NAME = "trial.yaml"
_MOST_FAULTS = 50
_LONGEST_TEXT = 600


def load_manifest(folder: Path) -> TrialManifest:
    """The checked manifest of a trial folder.

    Raises `TrialFileError` with every fault found, of very many the first: no manifest or none
    that can be read, not YAML, too deep, unknown or missing keys (nearest name suggested), wrong
    values, and references that lead nowhere. Faults of the machine leave as they are.
    """
    trial = folder.name
    document = _document(trial, _text(trial, folder))
    if not isinstance(document.data, dict):
        raise _fault(
            trial,
            "manifest_empty",
            "the manifest holds no keys",
            "begin with `ibgap: 1` and `id:`",
            1,
        )
    try:
        manifest = TrialManifest.model_validate(document.data)
    except ValidationError as error:
        raise _told(describe_faults(trial, MANIFEST_NAME, error, document, _MOST_FAULTS)) from None
    faults = crosscheck(manifest, trial, document)
    if faults:
        raise _told(faults)
    return manifest


def _text(trial: str, folder: Path) -> str:
    try:
        data = read_inside(folder, MANIFEST_NAME, MEGABYTE)
    except UnusableFileError as problem:
        raise _unusable(trial, folder, problem) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise _fault(
            trial,
            "manifest_unreadable",
            "the manifest is not UTF-8 text "
            + ("(it looks like UTF-16)" if is_utf16 else f"(byte {error.start})"),
            "save it as UTF-8",
        ) from None


def _unusable(trial: str, folder: Path, problem: UnusableFileError) -> TrialFileError:
    if problem.reason == "missing":
        data_files = sorted(path.name for path in folder.glob("*") if path.is_file())[:3]
        example = printable(data_files[0]) if data_files else "FILE"
        return _fault(
            trial,
            "manifest_missing",
            f"the folder has no {MANIFEST_NAME}",
            f"run `ibgap trial new {printable(folder.name)}/{example}` to draft one from the data "
            "file",
        )
    rule = "manifest_path_outside" if problem.reason == "outside" else "manifest_unreadable"
    return _fault(trial, rule, f"the manifest {problem.message}", problem.fix)


def _document(trial: str, text: str) -> YamlDocument:
    try:
        return read_yaml(text)
    except YamlFaultError as fault:
        raise _fault(
            trial, fault.rule, f"the manifest is not usable YAML: {fault}", fault.fix, fault.line
        ) from None


def _fault(
    trial: str, rule: str, message: str, fix: str, line: int | None = None
) -> TrialFileError:
    return _told([Finding(trial, rule, Severity.ERROR, message, fix, MANIFEST_NAME, line)])


def _told(faults: list[Finding]) -> TrialFileError:
    """The faults as a person can read them: texts of the manifest in them are cut, and of very
    many faults the first are told and the others counted."""
    shown = [
        replace(one, message=_cut(one.message), fix=_cut(one.fix)) for one in faults[:_MOST_FAULTS]
    ]
    if len(faults) > _MOST_FAULTS:
        last = faults[_MOST_FAULTS]
        shown.append(
            replace(
                last,
                message="further faults of the manifest are not listed",
                fix="correct these first and check again",
            )
        )
    return TrialFileError(shown)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[: _LONGEST_TEXT - 100]}... ({len(text):,} characters) ...{text[-60:]}"
