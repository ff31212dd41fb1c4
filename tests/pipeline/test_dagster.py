"""Dagster for real: the definitions load, the job runs on an instance that remembers, and gives
bit for bit what `ibgap refresh` gives; an operator sees what is broken; sensor and schedule ask for
the right runs."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assets.journey.broken import MOST_TOLD, broken_trials, told_of_broken
from ibgap.releases.last_refresh import last_failure
from pipelines import sensor as sensor_module
from pipelines.dagster_dev import prepare_home
from pipelines.drop_folder import FIRST_PAUSE
from tests.builders import Recipe, arm_trial, participant_trial
from tests.conftest import ROOT

from .conftest import EPOCH, FOUR, Home

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dagster as dg

    from pipelines.build import REFRESH, build_definitions
    from pipelines.partitions import sync_partitions

pytestmark = pytest.mark.filterwarnings("ignore")
TRIAL = dg.AssetKey(["raw", "trial"])
JOURNEYS = dg.AssetKey(["raw", "trial_journeys"])


@dataclass(frozen=True)
class JobRun:
    home: Home
    result: Any
    instance: dg.DagsterInstance


def run_job(home: Home, instance: dg.DagsterInstance, **tags: str) -> Any:
    """The refresh job, as the daemon would run it."""
    sync_partitions(instance, sorted(p.name for p in home.trials.iterdir()))
    job = build_definitions(home.settings()).resolve_job_def(REFRESH)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(
        instance=instance, raise_on_error=False, tags=tags, run_config=quiet
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobRun]:
    """The job on a persistent instance, in a store of its own."""
    home = Home(tmp_path_factory.mktemp("job"))
    home.add(*FOUR)
    prepare_home(home.root / "dagster")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        patch.setenv("DAGSTER_HOME", str(home.root / "dagster"))
        with dg.DagsterInstance.get() as instance:
            yield JobRun(home, run_job(home, instance), instance)


def materializations(result: Any) -> list[tuple[str, dg.AssetMaterialization]]:
    return [
        (event.asset_key.to_user_string(), event.materialization)
        for event in result.all_events
        if event.is_step_materialization
    ]


def numbers_of(result: Any, key: str) -> dict[str, Any]:
    """Metadata of the materialization of an asset."""
    ((_, made),) = [one for one in materializations(result) if one[0] == key]
    return {name: value.value for name, value in made.metadata.items()}


def check_of(result: Any, name: str) -> Any:
    (found,) = [c for c in result.get_asset_check_evaluations() if c.check_name == name]
    return found


def test_loading_the_definitions_leaves_no_trace(home: Home) -> None:
    before = sorted(home.root.rglob("*"))
    definitions = build_definitions(home.settings())
    dg.Definitions.validate_loadable(definitions)
    assert sorted(home.root.rglob("*")) == before
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


def test_every_table_is_read_by_those_that_name_it(home: Home) -> None:
    """The release depends on every table, and nothing is made that it does not depend on."""
    graph = build_definitions(home.settings()).get_repository_def().asset_graph
    release = dg.AssetKey(["out", "release"])
    assert graph.get_ancestor_asset_keys(release) == graph.get_all_asset_keys() - {release}


def test_intention_does_not_depend_on_behavior(home: Home) -> None:
    graph = build_definitions(home.settings()).get_repository_def().asset_graph
    for one, other in (("intention", "behavior"), ("behavior", "intention")):
        parents = graph.get_ancestor_asset_keys(dg.AssetKey(["core", f"{one}_outcomes"]))
        assert dg.AssetKey(["core", f"{other}_outcomes"]) not in parents


CONSTRUCTS = ("intention", "behavior")


@pytest.mark.parametrize(("broken", "other"), [CONSTRUCTS, CONSTRUCTS[::-1]])
def test_a_broken_contract_of_one_construct_does_not_stop_the_other(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, broken: str,
    other: str,
) -> None:  # fmt: skip
    from validations import judge

    of_all = judge.judge_table

    def judge_table(frame: Any, table: Any) -> Any:
        bad = table.name == f"{broken}_outcomes"
        return of_all(frame.assign(outcome_row_id="") if bad else frame, table)

    monkeypatch.setattr(judge, "judge_table", judge_table)
    home.add(arm_trial())
    home.releases.mkdir()
    result = run_job(home, instance)
    assert not result.success
    made = {key for key, _ in materializations(result)}
    assert {f"core/{other}_outcomes", "out/pooled_effects"} <= made and "out/release" not in made
    checks = {c.asset_key.path[-1]: c for c in result.get_asset_check_evaluations()}
    assert checks[f"{other}_outcomes"].passed and not checks[f"{broken}_outcomes"].passed
    table = checks[f"{broken}_outcomes"].metadata["failed_rules"].records
    assert table and {record.data["failed"] > 0 for record in table} == {True}
    told = last_failure(home.releases)
    assert told == (
        f"the step core__{broken}_outcomes failed (the blocking check failed: "
        f"core/{broken}_outcomes: keeps_its_contract)"
    )


def test_the_job_succeeds_and_is_remembered(job: JobRun) -> None:
    assert job.result.success
    runs = job.instance.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS]
    event = job.instance.get_latest_materialization_event(dg.AssetKey(["out", "release"]))
    assert event is not None and event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["release_id"].value == job.home.release().release_id
    assert job.instance.get_materialized_partitions(TRIAL) == {recipe.name for recipe in FOUR}


def test_the_job_gives_bit_for_bit_what_refresh_gives(job: JobRun, small: Home) -> None:
    """Two stores, two entrances, one time: the same bytes, of which none is a secret's."""
    ours, theirs = (h.releases / "current" for h in (job.home, small))
    assert ours.resolve().name == theirs.resolve().name
    assert (ours / "release.json").read_bytes() == (theirs / "release.json").read_bytes()
    for path in sorted((theirs / "tables").iterdir()):
        assert (ours / "tables" / path.name).read_bytes() == path.read_bytes(), path.name
    assert [p.name for h in (job.home, small) for p in h.store.rglob("*.key")] == []


def test_a_job_that_went_well_ends_what_was_told_of_a_failure(
    home: Home, instance: dg.DagsterInstance
) -> None:
    home.add(arm_trial())
    home.releases.write_text("in the way")
    assert not run_job(home, instance).success
    home.releases.unlink()
    home.releases.mkdir()
    (home.store / "tables").rename(home.store / "away")
    (home.store / "tables").write_text("in the way")
    assert not run_job(home, instance).success
    assert "the step" in last_failure(home.releases)
    (home.store / "tables").unlink()
    assert run_job(home, instance).success and last_failure(home.releases) == ""


def test_few_events_tell_a_run(job: JobRun) -> None:
    """Every event costs time: none for inputs or for handing tables on, and few steps."""
    kinds = [event.event_type_value for event in job.result.all_events]
    assert not {"LOADED_INPUT", "HANDLED_OUTPUT"} & set(kinds)
    assert kinds.count("STEP_SUCCESS") <= 10 and "STEP_FAILURE" not in kinds


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


def test_materializations_carry_numbers_only(job: JobRun) -> None:
    for key, made in materializations(job.result):
        for name, value in made.metadata.items():
            if key != "out/release":
                assert isinstance(value.value, int | float), (key, name)


def test_estimates_have_a_history(job: JobRun) -> None:
    """Their names stay the same from run to run, so that Dagster plots them."""
    gap = numbers_of(job.result, "out/gap_estimates")
    pools = numbers_of(job.result, "out/pooled_effects")
    for told, name, k in (
        (gap, "main, difference", "trials with both"),
        (pools, "main, intention", "trials"),
        (pools, "main, behavior", "trials"),
    ):
        low, middle, high = (told[f"{name}: {w}"] for w in ("lower limit", "estimate",
                                                            "upper limit"))  # fmt: skip
        assert low < middle < high and 1 <= told[f"{name}: {k}"] <= len(FOUR)


BROKEN = arm_trial("no_table").without("table.csv")
PART = arm_trial("in_part").but("visit,49,,,18", "visit,49,,,99", file="table.csv")


def _again(home: Home, recipe: Recipe) -> None:
    """Put a trial in the place of the one of its name."""
    shutil.rmtree(home.trials / recipe.name)
    home.add(recipe)


def test_a_broken_trial_is_seen_broken(home: Home, instance: dg.DagsterInstance) -> None:
    """Red with its rule in the table, at the first run and while it stays broken; yellow while a
    part of one is missing; green once all is mended."""
    home.add(arm_trial(), PART, BROKEN)
    for made in ({"arms_trial", "no_table", "in_part"}, set()):
        result = run_job(home, instance)
        assert result.success
        check = check_of(result, "trials_are_whole")
        assert not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
        numbers = {name: value.value for name, value in check.metadata.items() if name != "broken"}
        assert numbers == {
            "trials that give nothing": 1, "trials set aside in part": 1,
            "findings not in the table": 0,
        }  # fmt: skip
        first, second = (record.data for record in check.metadata["broken"].records)
        assert (first["trial"], first["gives"]) == ("no_table", "nothing")
        assert "table.csv" in first["file"] + first["found"] and first["what to do"]
        assert second == {
            "trial": "in_part", "gives": "a part", "rule": "events_within_n", "file": "table.csv",
            "row": "5", "found": "there are more events than participants",
            "what to do": "check which of the two numbers is wrong",
        }  # fmt: skip
        told = {
            m.partition: m.metadata for key, m in materializations(result) if key == "raw/trial"
        }
        assert set(told) == made | {"no_table", "in_part"}
        assert told["no_table"]["gives"].value == "nothing"
        assert told["in_part"]["rule: events_within_n"].value == 1
    _again(home, arm_trial("no_table"))
    check = check_of(run_job(home, instance), "trials_are_whole")
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    _again(home, arm_trial("in_part"))
    check = check_of(run_job(home, instance), "trials_are_whole")
    assert check.passed and check.metadata["broken"].records == []


def test_of_many_broken_trials_each_is_told_once_before_any_twice() -> None:
    def finding(trial: str, rule: str) -> dict[str, Any]:
        return {"trial_id": trial, "rule_id": rule, "file": None, "row": None, "message": "m",
                "fix": None, "status": "open", "severity": "error"}  # fmt: skip

    rows = [finding("loud", f"r{i}") for i in range(MOST_TOLD + 5)]
    rows += [finding("calm", "r"), finding("calm/one", "r"), finding("half", "r")]
    rows.append(finding("waived", "r") | {"status": "waived"})
    rows.append(finding("minor", "r") | {"severity": "warning"})
    effects = pd.DataFrame({"collection_id": ["half", "loud"], "in_pool": [True, False]})
    broken = broken_trials(pd.DataFrame(rows), effects)
    assert [(name, one.gives, len(one.findings)) for name, one in broken.items()] == [
        ("calm", "nothing", 2), ("loud", "nothing", MOST_TOLD + 5), ("half", "a part", 1)
    ]  # fmt: skip
    assert broken["calm"].rules == {"r": 2}
    told = told_of_broken(broken.values())
    assert len(told) == MOST_TOLD
    assert [told[0]["trial"], told[1]["trial"], told[-1]["trial"]] == ["calm", "calm/one", "half"]


def test_versions_tell_what_changed(home: Home, instance: dg.DagsterInstance) -> None:
    def versions() -> dict[str, str]:
        made = materializations(run_job(home, instance))
        return {f"{key}:{m.partition or ''}": m.tags["dagster/data_version"] for key, m in made}

    home.add(arm_trial(), participant_trial())
    first = versions()
    assert {key for key in first if key.startswith("raw/trial:")} == {
        "raw/trial:arms_trial", "raw/trial:small_trial"
    }  # fmt: skip
    second = versions()
    assert {"raw/trial:arms_trial", "raw/trial:small_trial"} == set(first) - set(second)
    assert second == {key: first[key] for key in second}
    file = home.trials / "arms_trial" / "table.csv"
    file.write_text(file.read_text().replace("4.4", "4.5"))
    third = versions()
    assert "raw/trial:arms_trial" in third and "raw/trial:small_trial" not in third
    changed = {key for key in second if third[key] != second[key]}
    assert {"raw/trial_journeys:", "core/effects:", "out/pooled_effects:"} <= changed
    assert not {"core/moderators:", "out/instruments:"} & changed


def _age(folder: Path, seconds: float) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def _sense(home: Home, instance: dg.DagsterInstance, cursor: str | None) -> tuple[Any, str | None]:
    repository = build_definitions(home.settings()).get_repository_def()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
    with context:
        data = repository.get_sensor_def("drop_folder").evaluate_tick(context)
    return data, data.cursor if data.cursor is not None else cursor


def test_the_sensor_over_the_life_of_a_trial(home: Home, instance: dg.DagsterInstance) -> None:
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
    assert run_job(home, instance, **request.tags).success
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


def test_the_sensor_asks_again_after_a_failure(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [sensor_module.time.time() + 1000.0]
    monkeypatch.setattr(sensor_module.time, "time", lambda: now[0])
    home.add(arm_trial())
    home.releases.mkdir()
    home.store.mkdir()
    (home.store / "tables").write_text("in the way")
    cursor, asked = None, []
    for pause in (FIRST_PAUSE, 2 * FIRST_PAUSE):
        data, cursor = _sense(home, instance, cursor)
        (request,) = data.run_requests
        asked.append(request.tags[sensor_module.ASKED])
        assert not run_job(home, instance, **request.tags).success
        now[0] += pause - 1
        data, cursor = _sense(home, instance, cursor)
        assert not data.run_requests
        assert "tried again in 1 seconds. the step" in data.skip_message
        now[0] += 1
    (home.store / "tables").unlink()
    data, cursor = _sense(home, instance, cursor)
    (request,) = data.run_requests
    assert run_job(home, instance, **request.tags).success
    data, cursor = _sense(home, instance, cursor)
    assert not data.run_requests and data.skip_message == "nothing changed"
    assert len(set(asked)) == 2


def test_a_refresh_that_was_asked_for_and_is_nowhere_has_failed(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [sensor_module.time.time() + 1000.0]
    monkeypatch.setattr(sensor_module.time, "time", lambda: now[0])
    home.add(arm_trial())
    _, cursor = _sense(home, instance, None)
    assert not _sense(home, instance, cursor)[0].run_requests
    now[0] += FIRST_PAUSE
    assert len(_sense(home, instance, cursor)[0].run_requests) == 1


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
        assert request.run_key is None
        assert set(instance.get_dynamic_partitions("trials")) == {r.name for r in FOUR}


def test_partitions_follow_the_folder(instance: dg.DagsterInstance) -> None:
    for names in (["a", "b"], ["b", "c"], []):
        sync_partitions(instance, names)
        assert instance.get_dynamic_partitions("trials") == names


def test_refresh_tells_nobody_what_is_used(
    make_home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Dagster's home says nothing of it: no identity of this machine, no log of use."""
    home = make_home(arm_trial())
    dagster_home = home.root / "instance"
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    monkeypatch.setenv("HOME", str(home.root / "person"))
    home.refresh()
    found = {str(path.relative_to(home.root)) for path in home.root.rglob("*")}
    assert not [path for path in found if ".telemetry" in path or path.endswith("event.log")]
    assert not (home.root / "person").exists()
    with dg.DagsterInstance.get() as kept:
        assert [run.status for run in kept.get_runs()] == [dg.DagsterRunStatus.SUCCESS]


def test_the_home_of_an_instance_is_silent(tmp_path: Path) -> None:
    import yaml

    assert prepare_home(tmp_path / "new") == ""
    written = yaml.safe_load((tmp_path / "new" / "dagster.yaml").read_text())
    assert written == yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert written["telemetry"] == written["nux"] == {"enabled": False}
    (tmp_path / "own").mkdir()
    for own, told in (
        ("telemetry: {enabled: false}\n", False), ("telemetry: {enabled: true}\n", True),
        ("python_logs: {}\n", True), ("", True), ("[", True),
    ):  # fmt: skip
        (tmp_path / "own" / "dagster.yaml").write_text(own)
        assert ("lets Dagster report" in prepare_home(tmp_path / "own")) is told
        assert (tmp_path / "own" / "dagster.yaml").read_text() == own
