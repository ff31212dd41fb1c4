"""The smallest valid trials, as recipes of which a test varies one detail.

A recipe holds the manifest and the files as text; `but` returns it with one passage changed, and
`write` puts it into a trials folder. Numbers are drawn with a fixed seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

PROVENANCE = """\
provenance:
  citation: Invented for a test.
  source: tests/builders.py
  license: CC0
"""


def write_trial(folder: Path, manifest_text: str | None, **files: str | bytes) -> Path:
    """Write a trial folder: the manifest (None: no manifest) and its files; returns the folder."""
    folder.mkdir(parents=True)
    if manifest_text is not None:
        (folder / "trial.yaml").write_text(manifest_text, encoding="utf-8")
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    return folder


@dataclass(frozen=True)
class Recipe:
    """A trial before it is written."""

    name: str
    manifest: str
    files: dict[str, str | bytes] = field(default_factory=dict)

    def but(self, old: str, new: str, file: str = "trial.yaml", *, times: int = 1) -> Recipe:
        """The recipe with `times` occurrences (exactly as many as there are) replaced."""
        if file == "trial.yaml":
            return replace(self, manifest=_changed(self.manifest, old, new, times))
        text = self.files[file]
        assert isinstance(text, str)
        return self.having(file, _changed(text, old, new, times))

    def having(self, file: str, content: str | bytes) -> Recipe:
        """The recipe with a file replaced or added."""
        return replace(self, files=self.files | {file: content})

    def without(self, file: str) -> Recipe:
        return replace(self, files={n: c for n, c in self.files.items() if n != file})

    def called(self, name: str) -> Recipe:
        """The recipe under another id."""
        manifest = _changed(self.manifest, f"id: {self.name}\n", f"id: {name}\n", 1)
        return replace(self, name=name, manifest=manifest)

    def write(self, trials_dir: Path) -> Path:
        return write_trial(trials_dir / self.name, self.manifest, **self.files)


def _changed(text: str, old: str, new: str, times: int) -> str:
    assert text.count(old) == times, f"{old!r} stands {text.count(old)} times, not {times}"
    return text.replace(old, new)


_HEAD = """\
ibgap: 1
id: {name}
label: {label}
topic: help_seeking
design:
  type: parallel
arms:
  - {{id: control, role: usual_care}}
  - {{id: letter, role: experimental}}
"""

_OUTCOMES = """\
outcomes:
  - id: intention
    construct: intention
    scale: {type: continuous, min: 1, max: 7}
    higher_is_better: true
    timepoint: {weeks: 0}
  - id: visit
    construct: behavior
    scale: {type: binary}
    higher_is_better: true
    timepoint: {weeks: 12}
"""


def participant_csv(persons: int = 60, seed: int = 20240501) -> str:
    """Two arms, an intention from 1 to 7 and a visit that is likelier with intention."""
    random = np.random.default_rng(seed)
    lines = ["person,group,site,intend,visited"]
    for i in range(persons):
        treated = i % 2
        intention = int(np.clip(np.rint(random.normal(4.0 + 0.6 * treated, 1.4)), 1, 7))
        acted = int(random.random() < 0.15 + 0.08 * (intention - 1))
        arm = "letter" if treated else "control"
        lines.append(f"P{i + 1:03d},{arm},S{i // 2 % 6 + 1},{intention},{acted}")
    return "\n".join(lines) + "\n"


def participant_trial(name: str = "small_trial", *, persons: int = 60, seed: int = 7) -> Recipe:
    """Participant rows of two arms: intention at week 0, a binary behavior at week 12."""
    outcomes = _OUTCOMES.replace(
        "    timepoint: {weeks: 0}\n", "    timepoint: {weeks: 0}\n    column: intend\n"
    ).replace("    timepoint: {weeks: 12}\n", "    timepoint: {weeks: 12}\n    column: visited\n")
    manifest = (
        _HEAD.format(name=name, label="Small 2024")
        + "sources:\n  - id: people\n    kind: participant_rows\n    file: people.csv\n"
        + "    columns:\n      participant: person\n      arm: group\n"
        + outcomes
        + PROVENANCE
    )
    return Recipe(name, manifest, {"people.csv": participant_csv(persons, seed)})


def arm_trial(name: str = "arms_trial") -> Recipe:
    """Arm summaries: means with SDs for intention, events for behavior."""
    manifest = (
        _HEAD.format(name=name, label="Arms 2023")
        + "sources:\n  - id: table\n    kind: arm_summaries\n    file: table.csv\n"
        + "    blocks:\n      - {arm: arm, outcome: outcome, n: n, mean: mean, sd: sd, "
        + "events: events}\n"
        + _OUTCOMES
        + PROVENANCE
    )
    table = (
        "arm,outcome,n,mean,sd,events\n"
        "control,intention,50,3.9,1.4,\n"
        "letter,intention,52,4.4,1.3,\n"
        "control,visit,48,,,12\n"
        "letter,visit,49,,,18\n"
    )
    return Recipe(name, manifest, {"table.csv": table})


def effects_trial(name: str = "effects_trial") -> Recipe:
    """Printed effects: d for intention, an odds ratio with its interval for behavior."""
    manifest = (
        _HEAD.format(name=name, label="Printed 2022")
        + "sources:\n  - id: printed\n    kind: reported_effects\n    file: printed.csv\n"
        + "    blocks:\n      - {outcome: outcome, statistic: statistic, value: value, "
        + "ci_lb: low, ci_ub: high, n1: n1, n2: n2}\n"
        + _OUTCOMES
        + PROVENANCE
    )
    table = (
        "outcome,statistic,value,low,high,n1,n2\n"
        "intention,d,0.42,0.06,0.78,60,61\n"
        "visit,OR,1.80,0.90,3.60,60,61\n"
    )
    return Recipe(name, manifest, {"printed.csv": table})


def counts_trial(name: str = "counts_trial") -> Recipe:
    """Counts of intended by acted, per arm."""
    manifest = (
        _HEAD.format(name=name, label="Counts 2021")
        + "sources:\n  - id: counts\n    kind: intention_by_action\n    file: counts.csv\n"
        + "    columns:\n      arm: arm\n      inclined_actors: yes_yes\n"
        + "      inclined_abstainers: yes_no\n      disinclined_actors: no_yes\n"
        + "      disinclined_abstainers: no_no\n"
        + "      values: {intention: intention, behavior: visit}\n"
        + _OUTCOMES.replace("{type: continuous, min: 1, max: 7}", "{type: binary}")
        + PROVENANCE
    )
    table = "arm,yes_yes,yes_no,no_yes,no_no\ncontrol,20,30,10,40\nletter,35,30,8,27\n"
    return Recipe(name, manifest, {"counts.csv": table})
