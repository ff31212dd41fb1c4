"""A fault stays in its trial, a fault of the machine is no trial's, and the answer says what it
lacks: through whole refreshes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest

import assets.journey.trial_journey
import assets.staging.stage
from analysis.synthesis import plan
from analysis.synthesis.group import Group
from analysis.synthesis.plan import Table, table_named
from analysis.synthesis.stack import Record
from ibgap.base.writing import UNFINISHED
from ibgap.releases.lost_trials import lost_to_the_machine
from pipelines.refresh import RefreshFailedError
from tests.builders import arm_trial, effects_trial

from .conftest import Home

pytestmark = pytest.mark.filterwarnings("ignore")


def _breaks(patch: pytest.MonkeyPatch, trial: str, error: Exception) -> None:
    whole = assets.staging.stage.read_table

    def read(name: str, *rest: Any, **options: Any) -> Any:
        if name == trial:
            raise error
        return whole(name, *rest, **options)

    patch.setattr(assets.staging.stage, "read_table", read)


def test_an_unforeseen_error_costs_its_trial_and_is_counted(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add(arm_trial(), effects_trial())
    with monkeypatch.context() as patch:
        _breaks(patch, "arms_trial", ZeroDivisionError("P001 answered 7"))
        said = home.command("refresh").output
        checked = home.command("trial", "check", home.trials / "arms_trial").output
    release = home.release()
    effects = release.table("effects")
    assert set(effects["trial_id"]) == {"effects_trial"}
    findings = release.table("findings")
    (told,) = findings[findings["rule_id"] == "unforeseen_error"].to_dict("records")
    assert (told["trial_id"], told["file"]) == ("arms_trial", "table.csv")
    assert "while reading the data file" in told["message"]
    assert "1 trial left out for an error that nobody foresaw" in said
    assert told["message"] in checked and "Traceback" not in checked + said
    assert "P001" not in said + checked + str(findings.to_dict())
    report = (home.releases / "current" / "report.html").read_text()
    assert "The answer lacks: 1 trial left out" in report and "P001" not in report
    assert "P001" in (home.store / "traces" / "arms_trial.txt").read_text()
    monkeypatch.setattr("assets.journey.keys.journey_code", lambda: "mended")
    home.refresh()
    assert set(home.release().table("effects")["trial_id"]) == {"arms_trial", "effects_trial"}


def test_checking_a_trial_leaves_what_a_refresh_is_writing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add(arm_trial())
    written = home.store / "journeys" / f"{UNFINISHED}1-x"
    written.parent.mkdir(parents=True)
    written.write_bytes(b"part")
    _breaks(monkeypatch, "arms_trial", ZeroDivisionError())
    home.command("trial", "check", home.trials / "arms_trial")
    assert written.read_bytes() == b"part" and home.store.stat().st_mode & 0o777 == 0o700
    assert (home.store / "traces" / "arms_trial.txt").exists()


def _replaces(monkeypatch: pytest.MonkeyPatch, table: Table) -> None:
    """The plan with another way to make one table."""
    changed = tuple(table if one.name == table.name else one for one in plan.PLAN)
    monkeypatch.setattr(plan, "PLAN", changed)


def test_a_synthesis_that_breaks_leaves_the_others(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = effects_trial("apart").but("topic: help_seeking", "topic: t\nsynthesis: other")
    home.add(arm_trial(), apart)
    whole = table_named("pooled_effects")

    def pooled(group: Group) -> list[Record]:
        if group.synthesis == "other":
            raise ZeroDivisionError
        return whole.rows(group)

    _replaces(monkeypatch, replace(whole, rows=pooled))
    home.refresh()
    release = home.release()
    assert set(release.table("pooled_effects")["synthesis"]) == {"main"}
    assert set(release.table("gap_estimates")["synthesis"]) == {"main", "other"}
    findings = release.table("findings")
    (told,) = findings[findings["rule_id"] == "synthesis_failed"].to_dict("records")
    assert told["trial_id"] == "other" and "no rows in pooled_effects" in told["message"]
    assert (home.store / "traces" / "synthesis_other_pooled_effects.txt").exists()


def test_a_fault_of_the_machine_publishes_nothing_that_lost_a_trial(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add(arm_trial(), effects_trial())
    home.refresh()
    first = home.release().release_id
    shutil.rmtree(home.store)
    with monkeypatch.context() as patch:
        _breaks(patch, "arms_trial", MemoryError())
        with pytest.raises(
            RefreshFailedError, match=r"last release holds arms_trial .* memory ran"
        ):
            home.refresh()
        assert home.release().release_id == first
        table = home.trials / "arms_trial" / "table.csv"
        table.write_text(table.read_text().replace("52,4.4", "53,4.4"))
        home.refresh()
    release = home.release()
    assert set(release.table("effects")["trial_id"]) == {"effects_trial"}
    assert "machine_fault" in set(release.table("findings")["rule_id"])
    assert "memory ran out" in home.command("findings").output
    home.refresh()
    assert set(home.release().table("effects")["trial_id"]) == {"arms_trial", "effects_trial"}


def test_a_fault_of_the_machine_in_a_synthesis_ends_the_run(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add(arm_trial())

    def fail(group: Group) -> list[Record]:
        raise MemoryError

    _replaces(monkeypatch, replace(table_named("pooled_effects"), rows=fail))
    with pytest.raises(RefreshFailedError, match=r"syntheses failed .*memory ran out"):
        home.refresh()
    assert not home.releases.exists() or not list(home.releases.glob("2*"))


ENTRY = {"trial": "a", "fingerprint": "x", "files": []}


@pytest.mark.parametrize(
    ("now", "last", "lost"),
    [
        ({"by_machine": True}, {}, ["a"]),
        ({"by_machine": True, "fingerprint": ""}, {}, ["a"]),
        ({"by_machine": True, "fingerprint": "y"}, {}, []),
        ({"by_machine": True}, {"by_machine": True}, []),
        ({"by_machine": True}, {"trial": "b"}, []),
        ({}, {}, []),
    ],
)
def test_which_trials_are_lost(now: dict[str, Any], last: dict[str, Any], lost: list[str]) -> None:
    assert lost_to_the_machine([ENTRY | now], [ENTRY | last]) == lost
