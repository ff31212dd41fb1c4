"""Dagster for real: the definitions load, the job runs on an instance that remembers, and gives
bit for bit what `ibgap refresh` gives; sensor and schedule ask for the right runs."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.drop_folder import FolderState, decide, look, read_cursor, write_cursor
from tests.builders import arm_trial

from .conftest import EPOCH, FOUR, Home

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dagster as dg

    from assets.journey.asset import TRIAL
    from pipelines.build import REFRESH, build_definitions
    from pipelines.partitions import sync_partitions

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True)
class JobRun:
    home: Home
    result: Any
    instance: dg.DagsterInstance


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobRun]:
    """The refresh job on a persistent instance, as the daemon would run it, in another store."""
    home = Home(tmp_path_factory.mktemp("job"))
    home.add(*FOUR)
    (home.root / "dagster").mkdir()
    (home.root / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        patch.setenv("DAGSTER_HOME", str(home.root / "dagster"))
        definitions = build_definitions(home.settings())
        with dg.DagsterInstance.get() as instance:
            sync_partitions(instance, sorted(r.name for r in FOUR))
            result = definitions.resolve_job_def(REFRESH).execute_in_process(
                instance=instance, raise_on_error=False
            )
            yield JobRun(home, result, instance)


def test_the_definitions_load(home: Home) -> None:
    definitions = build_definitions(home.settings())
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    assert repository.has_job(REFRESH)
    assert repository.has_sensor_def("drop_folder") and repository.has_schedule_def("daily_refresh")
    keys = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    assert {"raw/trial_journeys", "core/intention_outcomes", "core/behavior_outcomes",
            "core/effects", "out/gap_estimates", "out/release"} <= keys  # fmt: skip


def test_the_entrance_loads(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    monkeypatch.setenv("IBGAP_HOME", str(home.root))
    module = importlib.import_module("pipelines.definitions")
    assert isinstance(importlib.reload(module).defs, dg.Definitions)


def test_intention_does_not_depend_on_behavior(home: Home) -> None:
    graph = build_definitions(home.settings()).get_repository_def().asset_graph
    for one, other in (("intention", "behavior"), ("behavior", "intention")):
        parents = graph.get_ancestor_asset_keys(dg.AssetKey(["core", f"{one}_outcomes"]))
        assert dg.AssetKey(["core", f"{other}_outcomes"]) not in parents


def test_the_job_succeeds_and_is_remembered(job: JobRun) -> None:
    assert job.result.success
    runs = job.instance.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS]
    event = job.instance.get_latest_materialization_event(dg.AssetKey(["out", "release"]))
    assert event is not None and event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["release_id"].value == job.home.release().release_id
    staged = job.instance.get_materialized_partitions(TRIAL.key)
    assert staged == {recipe.name for recipe in FOUR}


def test_the_job_gives_bit_for_bit_what_refresh_gives(job: JobRun, small: Home) -> None:
    """Two stores, two entrances, one time: the same bytes, of which none is a secret's."""
    ours, theirs = (h.releases / "current" for h in (job.home, small))
    assert ours.resolve().name == theirs.resolve().name
    assert (ours / "release.json").read_bytes() == (theirs / "release.json").read_bytes()
    for path in sorted((theirs / "tables").iterdir()):
        assert (ours / "tables" / path.name).read_bytes() == path.read_bytes(), path.name
    assert [p.name for h in (job.home, small) for p in h.store.rglob("*.key")] == []


def test_checks_carry_counts_only(job: JobRun) -> None:
    evaluations = job.result.get_asset_check_evaluations()
    assert len(evaluations) >= 18 and all(e.passed for e in evaluations)
    names = {e.asset_key.path[-1] for e in evaluations}
    assert {"intention_outcomes", "behavior_outcomes", "rejected_rows", "trial_journeys"} <= names
    for evaluation in evaluations:
        for key, value in evaluation.metadata.items():
            if key in ("failed_rules", "broken"):
                assert value.records == []
            else:
                assert isinstance(value.value, int), (evaluation.check_name, key)


def test_materializations_carry_counts_only(job: JobRun) -> None:
    allowed = (int, float, bool)
    for event in job.result.all_events:
        if not event.is_step_materialization:
            continue
        key = event.asset_key
        assert key is not None
        for name, value in event.materialization.metadata.items():
            if key.path[-1] != "release":
                assert isinstance(value.value, allowed), (key, name)


def state(changed_at: float, size: int = 10) -> FolderState:
    return FolderState(changed_at, size)


NOW = 1000.0
DECISIONS = [
    ("new", {"a": state(1)}, {}, set(), ("a",), ("a",), ()),
    ("unchanged", {"a": state(1)}, {"a": state(1)}, {"a"}, (), (), ()),
    ("changed", {"a": state(2)}, {"a": state(1)}, {"a"}, (), ("a",), ()),
    ("other size", {"a": state(1, 11)}, {"a": state(1)}, {"a"}, (), ("a",), ()),
    ("back to earlier bytes", {"a": state(1)}, {"a": state(2)}, {"a"}, (), ("a",), ()),
    ("unsettled", {"a": state(NOW - 1)}, {}, set(), (), (), ()),
    ("one settled", {"a": state(NOW - 1), "b": state(1)}, {}, set(), ("b",), ("b",), ()),
    ("gone", {"a": state(1)}, {"a": state(1), "b": state(1)}, {"a", "b"}, (), (), ("b",)),
    ("unreadable", None, {"a": state(1)}, {"a"}, (), (), ()),
    ("all gone", {}, {"a": state(1)}, {"a"}, (), (), ("a",)),
]


@pytest.mark.parametrize(
    ("found", "known", "registered", "register", "refresh", "forget"),
    [c[1:] for c in DECISIONS],
    ids=[c[0] for c in DECISIONS],
)
def test_what_the_sensor_decides(
    found: dict[str, FolderState] | None, known: dict[str, FolderState], registered: set[str],
    register: tuple[str, ...], refresh: tuple[str, ...], forget: tuple[str, ...],
) -> None:  # fmt: skip
    decision = decide(found, known, registered, NOW)
    assert (decision.register, decision.refresh, decision.forget) == (register, refresh, forget)
    assert decision.reason


def test_looking_at_the_folder(home: Home) -> None:
    assert look(home.trials) == {}
    arm_trial().write(home.trials)
    (home.trials / "_draft").mkdir()
    (home.trials / ".git").mkdir()
    (home.trials / "readme.txt").write_text("x")
    seen = look(home.trials)
    assert seen is not None and set(seen) == {"arms_trial"}
    (home.trials / "arms_trial" / "upload.csv.part").write_text("x" * 99)
    assert look(home.trials) == seen
    assert look(home.root / "nowhere") is None


def test_the_cursor_survives_a_round_trip() -> None:
    states = {"a": state(1.5, 3), "b": state(2.25, 4)}
    assert read_cursor(write_cursor(states)) == states
    for damaged in (None, "", "{", '{"a": 3}', '{"a": [1]}'):
        assert read_cursor(damaged) == {}


def test_a_cursor_of_another_shape_counts_as_none() -> None:
    assert read_cursor("[]") == {}


def _age(folder: Path, seconds: float) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def _sense(home: Home, instance: dg.DagsterInstance, cursor: str | None) -> tuple[Any, str | None]:
    repository = build_definitions(home.settings()).get_repository_def()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
    with context:
        data = repository.get_sensor_def("drop_folder").evaluate_tick(context)
    return data, data.cursor if data.cursor is not None else cursor


def test_the_sensor_over_the_life_of_a_trial(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        data, cursor = _sense(home, instance, None)
        assert not data.run_requests
        folder = arm_trial().write(home.trials)
        data, cursor = _sense(home, instance, cursor)
        assert not data.run_requests and "settle" in data.skip_message
        _age(folder, 60)
        data, cursor = _sense(home, instance, cursor)
        (request,) = data.run_requests
        assert request.run_key is None
        assert instance.get_dynamic_partitions("trials") == ["arms_trial"]
        assert json.loads(cursor or "")["arms_trial"]
        data, cursor = _sense(home, instance, cursor)
        assert not data.run_requests and "nothing changed" in data.skip_message
        home.trials.rename(home.root / "away")
        data, cursor = _sense(home, instance, cursor)
        assert not data.run_requests and "cannot be read" in data.skip_message
        assert instance.get_dynamic_partitions("trials") == ["arms_trial"]
        (home.root / "away").rename(home.trials)
        (folder / "table.csv").write_text(str(arm_trial().files["table.csv"]) + "\n")
        _age(folder, 30)
        data, cursor = _sense(home, instance, cursor)
        assert len(data.run_requests) == 1


def test_the_schedule_asks_for_one_run_over_all_trials(home: Home) -> None:
    repository = build_definitions(home.settings()).get_repository_def()
    schedule = repository.get_schedule_def("daily_refresh")
    assert schedule.cron_schedule == "0 5 * * *"
    with dg.DagsterInstance.local_temp(str(home.root)) as instance:
        with dg.build_schedule_context(instance=instance, repository_def=repository) as context:
            assert not schedule.evaluate_tick(context).run_requests
        for recipe in FOUR:
            recipe.write(home.trials)
        with dg.build_schedule_context(instance=instance, repository_def=repository) as context:
            (request,) = schedule.evaluate_tick(context).run_requests
        ordered = instance.get_dynamic_partitions("trials")
    assert set(ordered) == {recipe.name for recipe in FOUR}
    assert request.partition_key is None and request.run_key is None


def test_partitions_follow_the_folder() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for names in (["a", "b"], ["b", "c"], ["b", "c"], []):
            sync_partitions(instance, names)
            assert instance.get_dynamic_partitions("trials") == names
