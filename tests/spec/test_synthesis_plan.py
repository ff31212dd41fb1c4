"""One plan for pipeline and dashboard: it names every table of the synthesis layer, each table
rests on what it is said to be made from, parts fail alone, and a fingerprint knows the inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.synthesis import AnalysisSettings, Stack, plan
from analysis.synthesis.group import Group
from analysis.synthesis.inputs import GroupInputs, group_inputs
from analysis.synthesis.moderators import Moderator, moderators_of_trials
from analysis.synthesis.plan import PLAN, SOURCES, group_parts, synthesize_group, table_named
from analysis.synthesis.stack import Record, TrialEffects
from assets.synthesis.asset import SYNTHESIS_TABLES
from assets.synthesis.groups import make_group
from assets.synthesis.over_trials import GROUP_TABLES
from ibgap.releases.view import ReleaseView
from validations.tables import TABLES, made_columns

from .made_rows import rows_of_trials

SETTINGS = AnalysisSettings(correlation_grid=(0.2, 0.5), level=0.9)
OF_SYNTHESES = {
    "pooled_effects", "gap_estimates", "surrogacy", "sensitivity", "specifications", "influence",
    "moderator_effects", "bias_checks", "action_control", "pooled_correlations", "barrier_codings",
}  # fmt: skip


def inputs(name: str = "main", **changed: list[Record]) -> GroupInputs:
    rows = rows_of_trials() | changed
    moderators = [
        Moderator("setting", "category", {f"t{i:02}": "ab"[i % 2] for i in range(14)}),
        Moderator("elsewhere", "category", {"z": "a"}),
    ]
    made = group_inputs(
        rows["effects"], rows["effect_covariances"], rows["assumed_covariances"],
        rows["paired_effects"], moderators, SETTINGS,
    )  # fmt: skip
    return next(one for one in made if one.synthesis == name)


def test_the_plan_and_the_data_that_are_no_effects_make_every_table_of_syntheses() -> None:
    assert set(SYNTHESIS_TABLES) == OF_SYNTHESES and len(SYNTHESIS_TABLES) == len(OF_SYNTHESES)
    assert set(SYNTHESIS_TABLES) <= set(TABLES)
    assert tuple(table.name for table in PLAN) == GROUP_TABLES
    assert all(set(table.made_from) <= set(SOURCES) and table.made_from for table in PLAN)
    numbers = {"mu", "estimate", "slope_se", "mu_without", "adjusted"}
    columns = {name: set(made_columns(name)) for name in TABLES}
    estimates = {n for n, own in columns.items() if "synthesis" in own and numbers & own}
    assert estimates <= set(GROUP_TABLES), "a table of estimates that nothing plans"
    assert len(estimates) == len(GROUP_TABLES)


def test_rows_have_declared_columns_and_belong_to_the_synthesis() -> None:
    made = synthesize_group(inputs())
    assert list(made) == list(GROUP_TABLES)
    for name, rows in made.items():
        assert rows and {row["synthesis"] for row in rows} == {"main"}, name
        columns = {column for row in rows for column in row}
        assert columns - {"k_paired"} <= set(made_columns(name)), name


def same(first: list[Record], second: list[Record]) -> bool:
    def plain(row: Record) -> Record:
        return {k: None if v is None or v != v else v for k, v in row.items()}

    return [plain(row) for row in first] == [plain(row) for row in second]


def scaled(stack: Stack, by: float) -> Stack:
    return Stack(tuple(
        TrialEffects(t.records, np.diag(np.diag(t.covariance)) * (1 - by) + by * t.covariance,
                     t.origins)
        for t in stack.trials
    ))  # fmt: skip


def changes() -> dict[str, Callable[[GroupInputs], GroupInputs]]:
    """For each source the inputs with that source changed and no other."""

    def effects(given: GroupInputs) -> GroupInputs:
        gone = given.stack.trials[0]["trial_id"]
        return replace(given, stack_at=lambda r: Stack(tuple(
            t for t in given.stack_at(r).trials if t["trial_id"] != gone
        )))  # fmt: skip

    def grid(given: GroupInputs) -> GroupInputs:
        return replace(given, stack_at=lambda r: given.stack_at(r) if r == 0.5 else scaled(
            given.stack_at(r), 0.5
        ))  # fmt: skip

    def natural(given: GroupInputs) -> GroupInputs:
        return replace(given, natural_effects=given.natural_effects[1:])

    def pairs(given: GroupInputs) -> GroupInputs:
        return replace(given, pairs=tuple(r | {"rho_latent": 0.3} for r in given.pairs))

    def moderators(given: GroupInputs) -> GroupInputs:
        turned = {t: "ab"[v == "a"] for t, v in given.moderators[0].values.items()}
        turned["t00"] = "a"
        return replace(given, moderators=(replace(given.moderators[0], values=turned),))

    return {"effects": effects, "grid": grid, "natural_effects": natural, "pairs": pairs,
            "moderators": moderators}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_a_table_rests_on_what_it_is_made_from_and_on_nothing_else(source: str) -> None:
    before, after = synthesize_group(inputs()), synthesize_group(changes()[source](inputs()))
    moved = {name for name in before if not same(before[name], after[name])}
    assert moved == {table.name for table in PLAN if source in table.made_from}


def test_equal_inputs_make_equal_rows() -> None:
    first, second = synthesize_group(inputs()), synthesize_group(inputs())
    assert all(same(first[name], second[name]) for name in first)


@pytest.mark.parametrize("source", SOURCES)
def test_the_fingerprint_knows_every_source(source: str) -> None:
    assert changes()[source](inputs()).fingerprint != inputs().fingerprint


def test_the_fingerprint_knows_the_last_bit_and_the_settings() -> None:
    whole = inputs()
    rows = rows_of_trials()["effects"]
    rows[3]["yi"] = math.nextafter(rows[3]["yi"], 9.0)
    assert inputs(effects=rows).fingerprint != whole.fingerprint
    assert replace(whole, settings=replace(SETTINGS, seed=1)).fingerprint != whole.fingerprint
    assert replace(whole, upstream="attitude").fingerprint != whole.fingerprint


def test_the_fingerprint_knows_nothing_else() -> None:
    """Order of covariances, columns nobody reads, other syntheses, other trials' moderators."""
    whole, rows = inputs(), rows_of_trials()
    other = [r | {"note": "new"} for r in rows["effects"]]
    other += [r | {"trial_id": "z", "effect_id": "z1", "synthesis": "apart"} for r in other[:1]]
    changed = {name: list(reversed(rows[name])) for name in
               ("effect_covariances", "assumed_covariances")}  # fmt: skip
    assert inputs(effects=other, **changed).fingerprint == whole.fingerprint
    assert [one.name for one in whole.moderators] == ["setting"]
    plain = [{k: np.float64(v) if isinstance(v, float) else v for k, v in r.items()}
             for r in rows["effects"]]  # fmt: skip
    assert inputs(effects=plain).fingerprint == whole.fingerprint


def test_moderators_of_trials_keep_their_place_in_the_codebook() -> None:
    one = Moderator("setting", "category", {"a": "x", "b": "", "c": "y"}, "structural", "output")
    (kept,) = moderators_of_trials([one], {"a", "b"})
    assert kept.values == {"a": "x"} and kept.barrier_dimension == "structural"
    assert kept.framework_layer == "output" and moderators_of_trials([one], {"b"}) == ()


@pytest.mark.parametrize("name", GROUP_TABLES)
def test_a_part_that_fails_takes_no_other_with_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_group(inputs())

    def fail(group: Group) -> list[Record]:
        raise ZeroDivisionError("secret value 42")

    broken = tuple(replace(one, rows=fail) if one.name == name else one for one in PLAN)
    monkeypatch.setattr(plan, "PLAN", broken)
    made = make_group(inputs())
    assert set(made.rows) == set(GROUP_TABLES) - {name} and not made.is_whole and whole.is_whole
    assert all(same(made.rows[other], whole.rows[other]) for other in made.rows)
    finding = made.findings[name]
    assert finding.rule_id == "synthesis_failed" and f"no rows in {name}" in finding.message
    ((file, trace),) = made.traces.items()
    assert file == f"traces/synthesis_main_{name}.txt" and "ZeroDivisionError" in trace
    assert "42" not in finding.message


def test_models_are_fitted_once_for_all_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis.synthesis import group as module

    fitted: list[bytes] = []
    fit = module.try_joint_model

    def counted(part: Stack, *rest: Any) -> Any:
        fitted.append(part.key)
        return fit(part, *rest)

    monkeypatch.setattr(module, "try_joint_model", counted)
    synthesize_group(inputs())
    assert len(fitted) == len(set(fitted)) > 3
    alone = sum(len(group_parts(Group(inputs()))[t.name]()) > 0 for t in PLAN)
    assert alone == len(PLAN)


def test_selections_have_the_tables_that_the_plan_gives_them() -> None:
    made = synthesize_group(inputs(), selection=True)
    assert list(made) == [table.name for table in PLAN if table.in_selections]
    assert not table_named("specifications").in_selections
    whole = synthesize_group(inputs())
    for name in ("surrogacy", "gap_estimates"):
        of_all = [row for row in whole[name] if row["subset"] == "all"]
        assert same(made[name], of_all), name
    assert same(made["moderator_effects"], whole["moderator_effects"])
    assert {row["analysis"] for row in made["sensitivity"]} == {"assumed_correlation"}


def test_the_dashboard_hands_over_the_same_inputs(tmp_path: Any) -> None:
    """A release that published the inputs' rows has the inputs' fingerprint."""
    from tests.dashboard.made import main_trials, make_release

    made = make_release(tmp_path, main_trials(8), whole=False)
    view = ReleaseView(made.folder)
    rows = {name: made.rows(name) for name in (
        "effects", "effect_covariances", "assumed_covariances", "paired_effects"
    )}  # fmt: skip
    (own,) = group_inputs(*rows.values(), view.moderators, view.analysis)
    assert view.inputs("main").fingerprint == own.fingerprint
