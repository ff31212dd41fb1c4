"""What a journey is known by: the bytes that it was made of, the code and the choices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from analysis.synthesis.settings import AnalysisSettings
from assets.kept import KeptResults
from assets.staging.limits import Limits
from ibgap.base.code import code_hash
from ibgap.base.files import path_is_inside
from validations.manifest.load import MANIFEST_NAME

ROOM = "journeys"
"""Where the store keeps journeys."""
_ROOMS = (
    "assets/staging", "assets/screening", "assets/outcomes", "assets/effects", "assets/pairs",
    "assets/journey", "validations", "analysis", "ibgap/base",
)  # fmt: skip
_PACKAGES = ("numpy", "pandas", "scipy", "pingouin", "pyarrow", "pyreadstat", "openpyxl",
             "pydantic", "great-expectations")  # fmt: skip
_CHOICES = ("assumed_correlation", "within_construct_correlation", "correlation_grid",
            "smd_variance", "odds_to_smd", "zero_cells", "intender_rule", "level")  # fmt: skip
"""Choices of the analyst that a journey may know; the others begin after it."""


def journey_code() -> str:
    """Hash of the code that a journey runs through, and of the packages below it."""
    return code_hash(_ROOMS, _PACKAGES)


def digests_of(folder: Path, files: Iterable[str]) -> dict[str, str]:
    """SHA-256 of a trial's manifest and of the files that it names, by name.

    Other files of the folder do not count. A named file that is missing, no plain file or outside
    the folder has no digest. Raises `OSError` for one that cannot be read.
    """
    out = {}
    inside = folder.resolve()
    for name in (MANIFEST_NAME, *sorted(set(files))):
        path, out[name] = folder / name, ""
        if path_is_inside(name) and path.resolve().is_relative_to(inside) and path.is_file():
            with path.open("rb") as handle:
                out[name] = hashlib.file_digest(handle, "sha256").hexdigest()
    return out


def fingerprint(digests: Mapping[str, str]) -> str:
    """One hash of names and digests.

    >>> fingerprint({"a.csv": "1", "b.csv": ""}) == fingerprint({"b.csv": "", "a.csv": "1"})
    True
    """
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()


@dataclass(frozen=True)
class MadeWith:
    """What is chosen for a journey, besides its folder.

    settings: the analyst's choices; those that no journey may know are put back to their
    defaults, so that changing them cannot change a journey. limits: how much of a file is read.
    """

    settings: AnalysisSettings = field(default_factory=AnalysisSettings)
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def of(cls, settings: AnalysisSettings, limits: Limits | None = None) -> MadeWith:
        """From all choices of the analyst."""
        known = {name: getattr(settings, name) for name in _CHOICES}
        return cls(AnalysisSettings(**known), limits or Limits())

    def key(self, finger: str) -> str:
        """The content key of the journey of a folder with this fingerprint."""
        text = json.dumps([finger, journey_code(), asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def is_known(kept: KeptResults, folder: Path, made_with: MadeWith) -> bool:
    """Whether the journey of a folder is kept, whole, and made of what is there now."""
    entry = kept.entry(folder.name)
    if entry is None or not entry.key:
        return False
    try:
        finger = fingerprint(digests_of(folder, entry.files))
    except (MemoryError, OSError):
        return False
    return kept.stands(folder.name, made_with.key(finger))
