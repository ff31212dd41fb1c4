"""Made step by step or all at once: after any changes a release is the same, byte for byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import assets.journey.make
import assets.journey.trial_numbers
from tests.builders import Recipe, arm_trial, counts_trial, effects_trial, participant_trial

from .conftest import EPOCH, Home, run_steps


def _effects(name: str, variant: int) -> Recipe:
    """Trials of this kind with the same variant look like one trial."""
    d, low, high = (f"{x + 0.03 * variant:.2f}" for x in (0.42, 0.06, 0.78))
    return effects_trial(name).but("d,0.42,0.06,0.78", f"d,{d},{low},{high}", "printed.csv")


def _arms(name: str, variant: int) -> Recipe:
    recipe = arm_trial(name).but("label: Arms 2023", f"label: Arms {name}")
    if variant % 3 == 2:  # a row that is set aside
        return recipe.but("letter,visit,49", "nobody,visit,49", "table.csv")
    return recipe.but("4.4,1.3", f"{4.4 + variant / 10:.1f},1.3", "table.csv")


def _counts(name: str, variant: int) -> Recipe:
    recipe = counts_trial(name).but("label: Counts 2021", f"label: Counts {name}")
    return recipe.but("control,20,30", f"control,{20 + variant},30", "counts.csv")


def _people(name: str, variant: int) -> Recipe:
    recipe = participant_trial(name, persons=40, seed=variant + 3)
    return recipe.but("label: Small 2024", f"label: Small {name}")


def _apart(name: str, variant: int) -> Recipe:
    """A trial of another synthesis."""
    return _arms(name, variant).but("topic: help_seeking", "topic: diet\nsynthesis: apart")


def _large(name: str, variant: int) -> Recipe:
    """An effect that is held until somebody takes it on."""
    recipe = effects_trial(name).but("label: Printed 2022", f"label: Large {name}")
    low = f"{3.1 + 0.01 * variant:.2f}"
    return recipe.but("d,0.42,0.06,0.78", f"d,3.5,{low},3.9", "printed.csv")


KINDS: tuple[Callable[[str, int], Recipe], ...] = (
    _effects, _arms, _counts, _people, _apart, _large
)  # fmt: skip
WAIVER = "waivers:\n  - {rule: effect_implausibly_large, by: A. Person, reason: it is so}\n"
CHOICES: dict[str, tuple[object, ...]] = {
    "seed": (1, 2, 3), "assumed_correlation": (0.2, 0.4), "tau2_method": ("DL", "PM"),
    "level": (0.9, 0.8), "disclosure": ("basic", "rounded"),
}  # fmt: skip


@dataclass
class Project:
    """Trials and settings that change; every step changes something."""

    home: Home
    random: np.random.Generator
    trials: dict[str, tuple[int, int, bool]] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    made: int = 0

    def step(self) -> str:
        """One change at random; returns which."""
        what = str(self.random.choice(["add", "change", "remove", "setting", "waiver"]))
        getattr(self, f"_{what}")()
        return what

    def add(self, kind: int) -> None:
        self.made += 1
        self._put(f"t{self.made}", kind, int(self.random.integers(3)), waived=False)

    def _add(self) -> None:
        self.add(int(self.random.integers(len(KINDS))))

    def _change(self) -> None:
        name = self._any()
        kind, variant, waived = self.trials[name]
        self._put(name, kind, variant + 1, waived=waived)

    def _remove(self) -> None:
        if len(self.trials) < 4:
            return self._add()
        name = self._any()
        del self.trials[name]
        shutil.rmtree(self.home.trials / name)
        return None

    def _setting(self) -> None:
        name = str(self.random.choice(sorted(CHOICES)))
        others = [value for value in CHOICES[name] if value != self.settings.get(name)]
        self.settings[name] = others[int(self.random.integers(len(others)))]

    def _waiver(self) -> None:
        name = self._any()
        kind, variant, waived = self.trials[name]
        self._put(name, kind, variant, waived=not waived)

    def _any(self) -> str:
        return str(self.random.choice(sorted(self.trials)))

    def _put(self, name: str, kind: int, variant: int, *, waived: bool) -> None:
        recipe = KINDS[kind](name, variant)
        if waived:
            recipe = Recipe(name, recipe.manifest + WAIVER, recipe.files)
        self.trials[name] = (kind, variant, waived)
        shutil.rmtree(self.home.trials / name, ignore_errors=True)
        self.home.add(recipe)


def published(home: Home) -> dict[str, Any]:
    """Tables as bytes, and the record but for what the sizes and hashes of files say."""
    folder = (home.releases / "current").resolve()
    out: dict[str, Any] = {p.name: p.read_bytes() for p in (folder / "tables").iterdir()}
    record = json.loads((folder / "release.json").read_text())
    record.pop("files")
    return out | {"release.json": record}


def check_sequence(
    root: Path, seed: int, steps: int, refresh: Callable[..., Any], patch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(seed)
    project = Project(Home(root / "grown"), random)
    for kind in random.permutation(len(KINDS))[:4]:
        project.add(int(kind))
    taken = ["begin"]
    for number in range(steps + 1):
        if number:
            taken.append(project.step())
        patch.setenv("SOURCE_DATE_EPOCH", str(int(EPOCH) + 60 * number))
        refresh(project.home, **project.settings)
        cold = Home(root / f"cold{number}")
        shutil.copytree(project.home.trials, cold.trials)
        refresh(cold, **project.settings)
        grown, whole = published(project.home), published(cold)
        assert set(grown) == set(whole), taken
        different = [name for name in whole if grown[name] != whole[name]]
        assert different == [], f"seed {seed}, after {taken} with {project.settings}"
    assert len(list(project.home.releases.glob("2*"))) == steps + 1, "every step is a release"


@pytest.mark.parametrize("seed", [11, 12])
def test_a_release_made_in_steps_is_the_one_made_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Without the second look and pingouin, which take seconds and keep nothing."""
    monkeypatch.setattr(assets.journey.make, "second_look", lambda journeys: journeys)
    monkeypatch.setattr(assets.journey.trial_numbers, "participant_checks", lambda *rows: [])
    check_sequence(tmp_path, seed, 6, run_steps, monkeypatch)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(6))
def test_whole_refreshes_in_steps_and_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    check_sequence(tmp_path, seed, 10, Home.refresh, monkeypatch)
