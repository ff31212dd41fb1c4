"""Work in processes of their own: one name can neither use up the machine nor take the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import assets.journey.workers as module
from assets.journey.keys import ROOM
from assets.journey.make import NEEDS_MORE
from assets.journey.stacked import Journeys
from assets.journey.work_limits import WorkLimits
from assets.journey.workers import Done, GivenUp, Tell, WorkerError, in_workers
from assets.kept import LEDGER
from assets.store import TableStore
from ibgap.base.machine import OUT_OF_MEMORY, MachineFaultError
from tests.builders import arm_trial, counts_trial, effects_trial
from tests.journey.work_done import AsTheNameSays, ByMemory

TWO = WorkLimits(workers=2)
ENDED = "its process was ended from outside or ran out of memory"


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of these tests need none of the heavy packages."""
    monkeypatch.setattr(module, "_HEAVY", ("tests.journey.work_done",))


@pytest.fixture
def work(tmp_path: Path) -> AsTheNameSays:
    notes = tmp_path / "notes"
    notes.mkdir()
    return AsTheNameSays(notes)


def results(names: Sequence[str], work: Any, limits: WorkLimits = TWO) -> dict[str, Any]:
    """What became of every name, each of which is told once."""
    found = list(in_workers(names, work, limits))
    told = {one.name: one for one in found}
    assert len(told) == len(found) and set(told) == set(names)
    return told


def made(told: dict[str, Any]) -> set[str]:
    return {name for name, one in told.items() if isinstance(one, Done)}


OTHERS = [f"t{i:02}" for i in range(9)]


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_every_name_is_done_once_however_many_work(work: AsTheNameSays, workers: int) -> None:
    told = results(OTHERS, work, WorkLimits(workers=workers))
    assert told == {name: Done(name, f"made {name}") for name in OTHERS}
    assert all(len(work.attempts(name)) == 1 for name in OTHERS)


def test_no_names_need_no_workers(work: AsTheNameSays) -> None:
    assert list(in_workers([], work, TWO)) == []


def test_one_that_always_kills_its_process_is_given_up_and_the_others_are_done(
    work: AsTheNameSays,
) -> None:
    told = results([*OTHERS[:4], "killed", *OTHERS[4:]], work)
    assert made(told) == set(OTHERS)
    assert told["killed"] == GivenUp("killed", ENDED)
    assert work.attempts("killed")[-1] == 1, "it was tried by itself"
    assert len(work.attempts("killed")) == 2


def test_one_that_kills_its_process_once_is_done_by_itself(work: AsTheNameSays) -> None:
    told = results([*OTHERS, "killed_once"], work)
    assert made(told) == {*OTHERS, "killed_once"}
    assert work.attempts("killed_once")[-1] == 1


def test_several_that_kill_are_given_up_each(work: AsTheNameSays) -> None:
    names = ["killed_1", "killed_2", *OTHERS[:3], "killed_3"]
    told = results(names, work, WorkLimits(workers=1))
    assert made(told) == set(OTHERS[:3])


def test_one_short_of_memory_is_tried_by_itself_before_it_is_given_up(work: AsTheNameSays) -> None:
    told = results([*OTHERS, "short", "short_once"], work)
    assert made(told) == {*OTHERS, "short_once"} and told["short_once"].made == "made"
    assert told["short"] == GivenUp("short", OUT_OF_MEMORY)
    assert len(work.attempts("short")) == 2 and work.attempts("short")[1] == 1


def test_one_that_takes_too_long_is_given_up(work: AsTheNameSays) -> None:
    limits = WorkLimits(workers=2, minutes=2.0 / 60.0)
    told = results(["slow", *OTHERS[:3]], work, limits)
    assert made(told) == set(OTHERS[:3])
    assert told["slow"].reason.startswith("took more than 0.0333333 minutes")
    assert len(work.attempts("slow")) == 2


def test_a_batch_that_is_lost_as_a_whole_is_halved(work: AsTheNameSays) -> None:
    names = [f"whole{i}" for i in range(6)]
    assert made(results(names, work, WorkLimits(workers=1))) == set(names)


def test_memory_of_a_worker_is_limited() -> None:
    told = results(["1", "2000", "3"], ByMemory(), WorkLimits(workers=1, megabytes=400))
    assert made(told) == {"1", "3"} and told["2000"].reason == OUT_OF_MEMORY


def test_an_error_that_nobody_foresaw_names_its_class_only(work: AsTheNameSays) -> None:
    with pytest.raises(WorkerError) as told:
        results(["odd", *OTHERS], work)
    assert str(told.value) == "ZeroDivisionError" and told.value.__cause__ is None


def test_a_disk_that_fails_ends_the_run(work: AsTheNameSays) -> None:
    with pytest.raises(MachineFaultError, match="the disk is full"):
        results(["full", *OTHERS], work)


def test_a_process_that_cannot_be_started_is_a_fault_of_the_machine(
    work: AsTheNameSays, monkeypatch: pytest.MonkeyPatch
) -> None:
    import multiprocessing.context

    def fail(self: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.context.ForkServerProcess, "start", fail)
    with pytest.raises(MachineFaultError, match="no further process could be started"):
        results(OTHERS, work)


def test_workers_end_with_the_work(work: AsTheNameSays, monkeypatch: pytest.MonkeyPatch) -> None:
    teams = []
    whole = module._Team.__init__

    def noted(self: Any, *arguments: Any) -> None:
        whole(self, *arguments)
        teams.append(self)

    monkeypatch.setattr(module._Team, "__init__", noted)
    going = in_workers([*OTHERS, "slow"], work, TWO)
    next(going)
    (team,) = teams
    processes = [worker.process for worker in team._workers]
    assert processes and any(process.is_alive() for process in processes)
    going.close()  # the one who asked has had enough
    assert not any(process.is_alive() for process in processes)


def test_batches_are_small_enough_to_share_and_large_enough_to_matter() -> None:
    names = [f"t{i:04}" for i in range(1000)]
    for count, workers in ((1, 2), (7, 2), (1000, 2), (1000, 64)):
        batches = list(module._batches(names[:count], workers))
        assert [name for batch in batches for name in batch] == names[:count]
        assert all(0 < len(batch) <= module.MOST_IN_A_BATCH for batch in batches)
        assert len(batches) >= min(count, workers)


class _Plain:
    """Does nothing."""

    def __call__(self, names: Sequence[str], tell: Tell) -> None:
        for name in names:
            tell(Done(name, None))


def test_without_workers_the_work_is_done_here() -> None:
    assert set(results(OTHERS, _Plain(), WorkLimits(workers=0))) == set(OTHERS)
    assert WorkLimits(workers=0).processes == 0 and WorkLimits().processes >= 1


# Journeys of trials.


def _made_by(root: Path, folders: list[Path], limits: WorkLimits) -> dict[str, bytes]:
    from assets.journey.keys import MadeWith
    from assets.journey.make import make_journeys

    store = TableStore(root)
    store.prepare()
    make_journeys(store, folders, MadeWith(), limits)
    return {p.name: p.read_bytes() for p in store.room(ROOM).iterdir()}


@pytest.mark.slow
def test_two_workers_keep_the_same_bytes_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # with the heavy packages, as a refresh has them
    recipes = (arm_trial(), effects_trial(), counts_trial(), arm_trial().without("table.csv")
               .called("gone"))  # fmt: skip
    folders = [recipe.write(tmp_path / "trials") for recipe in recipes]
    here = _made_by(tmp_path / "here", folders, WorkLimits(workers=0))
    apart = _made_by(tmp_path / "apart", folders, TWO)
    assert here == apart and len(here) == 5 and LEDGER in here


def test_a_trial_that_needs_too_much_is_a_finding_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import assets.journey.make as make
    from assets.journey.keys import MadeWith

    folders = [recipe.write(tmp_path / "trials") for recipe in (arm_trial(), effects_trial())]
    store = TableStore(tmp_path / "store")
    store.prepare()
    whole = make.in_workers

    def gives_up(names: Sequence[str], work: Any, limits: WorkLimits) -> Any:
        yield GivenUp("arms_trial", OUT_OF_MEMORY)
        yield from whole([name for name in names if name != "arms_trial"], work, limits)

    with monkeypatch.context() as patch:
        patch.setattr(make, "in_workers", gives_up)
        make.make_journeys(store, folders, MadeWith())
    journeys = Journeys(store.room(ROOM))
    frame = journeys.frame("findings")
    assert frame[["trial_id", "rule_id", "severity"]].to_numpy().tolist() == [
        ["arms_trial", NEEDS_MORE, "error"]
    ]  # fmt: skip
    assert OUT_OF_MEMORY in frame["message"][0] and "megabytes" in frame["fix"][0]
    assert set(journeys.frame("effects")["trial_id"]) == {"effects_trial"}
    again = make.make_journeys(store, folders, MadeWith())
    assert list(again.made) == ["arms_trial"] and again.reused == ("effects_trial",)
    assert Journeys(store.room(ROOM)).frame("findings").empty
