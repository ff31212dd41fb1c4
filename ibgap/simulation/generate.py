"""Writes a simulated database: folders of trials, and beside them what is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ibgap.simulation import many_trials
from ibgap.simulation.defects import plant
from ibgap.simulation.design import Random, draw_design
from ibgap.simulation.draft import Draft
from ibgap.simulation.effects import draw_effects
from ibgap.simulation.one_trial import MAKERS
from ibgap.simulation.plan import Plan
from ibgap.simulation.truth import PlantedDefect, StudyTruth, TrialTruth, Truth

TRIALS, TRUTH = "trials", "truth.json"
_OF_MANY = {
    "review": many_trials.review,
    "correlations": many_trials.correlations,
    "barrier_codings": many_trials.barrier_codings,
}


class NotEmptyError(Exception):
    """The folder to be written holds something."""


def simulate(out: Path, plan: Plan) -> Truth:
    """Write `out/trials` with one folder per trial and `out/truth.json`; returns the truth.

    The same plan always gives the same bytes, and a plan with more trials begins with the same
    folders. Raises `NotEmptyError` where `out` is no folder or is not empty; nothing is written.

    >>> from tempfile import mkdtemp
    >>> len(simulate(Path(mkdtemp()), Plan(trials=2)).trials)
    2
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise NotEmptyError(
            f"{out.name!r} is not an empty folder; simulated trials are written into a new or an "
            "empty one: choose another name, or remove what is there"
        )
    (out / TRIALS).mkdir(parents=True)
    truths = []
    for number in range(1, plan.trials + 1):
        files, true = simulate_trial(plan, number)
        folder = out / TRIALS / true.trial
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        truths.append(true)
    truth = Truth(plan, tuple(truths))
    truth.write(out / TRUTH)
    return truth


def simulate_trial(plan: Plan, number: int) -> tuple[dict[str, bytes], TrialTruth]:
    """The files of one folder, and what is true of it. number: from 1 on.

    Its random numbers come from the seed and the number alone. Design, effects, persons and
    defects have streams of their own: a plan that differs in one of them keeps the others.
    """
    seeds = np.random.SeedSequence(plan.seed, spawn_key=(number,)).spawn(4)
    of_design, of_effects, of_persons, of_defects = (np.random.default_rng(s) for s in seeds)
    design = draw_design(of_design, plan, number)
    if design.kind in MAKERS:
        true = draw_effects(of_effects, plan, design.planning)
        effects = (true.upstream, true.behavior)
        draft = MAKERS[design.kind](of_persons, design, plan, effects)
        studies = [StudyTruth(design.label, *effects)]
    else:
        draft, studies = _OF_MANY[design.kind](of_persons, design, plan)
    files, defect = _with_defect(of_defects, plan, draft)
    rows = design.kind == "participant_rows"
    return files, TrialTruth(
        trial=design.name, kind=design.kind, synthesis=design.synthesis, topic=design.topic,
        persons=design.persons if design.kind in MAKERS else 0,
        confidential=rows and not design.public, studies=tuple(studies),
        moderators=dict(design.moderators) if design.kind in MAKERS else {}, defect=defect,
    )  # fmt: skip


def _with_defect(
    random: Random, plan: Plan, draft: Draft
) -> tuple[dict[str, bytes], PlantedDefect | None]:
    if random.random() >= plan.defects:
        return draft.files(), None
    return plant(random, draft, plan)
