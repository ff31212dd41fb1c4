"""Refreshing: twice gives one release, a bad trial does not stop the others, few trials are
enough."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from ibgap.base.lease import Lease
from ibgap.cli import exits
from ibgap.releases.reader import NoReleaseError, open_release
from tests.builders import arm_trial, counts_trial, effects_trial, participant_trial
from validations.tables import TABLES

from .conftest import Home, run_steps

MakeHome = Callable[..., Home]


def test_a_second_refresh_makes_no_new_release(copy_of_small: Home) -> None:
    before = sorted(p.name for p in copy_of_small.releases.iterdir())
    result = copy_of_small.command("refresh")
    assert result.exit_code == exits.OK, result.output
    assert "nothing changed since release" in result.output
    assert sorted(p.name for p in copy_of_small.releases.iterdir()) == before


def test_a_bad_trial_among_good_ones(make_home: MakeHome) -> None:
    home = make_home(
        arm_trial().but("letter,visit,49", "leter,visit,49", "table.csv"),
        effects_trial(),
        counts_trial().but("label:", "lable:"),
        participant_trial().having("people.csv", b""),
    )
    result = home.command("refresh", "--json")
    assert result.exit_code == exits.SET_ASIDE, result.output
    said = json.loads(result.stdout)
    assert said["is_new"] and said["set_aside"] == 4
    assert any("rejected_rows.rows_accepted" in name for name in said["failed_checks"])
    release = home.release()
    trials = release.table("trials").set_index("trial_id")
    assert sorted(trials.index) == ["arms_trial", "counts_trial", "effects_trial", "small_trial"]
    assert trials.loc["counts_trial", "use"] == "manifest not usable"
    assert trials.loc["arms_trial", "use"] == "intention only"
    assert trials.loc["effects_trial", "use"] == "both outcomes"
    assert trials.loc["small_trial", "use"] == "no between-arm effect"
    rejected = release.table("rejected_rows")
    assert list(rejected["row"]) == [5] and list(rejected["rule_id"]) == ["arm_declared"]
    findings = release.table("findings")
    assert set(findings["trial_id"]) == {"arms_trial", "counts_trial", "small_trial"}
    assert "3 trials" in home.command("gap").output or "2 trials" in home.command("gap").output
    shown = home.command("findings").output
    assert "file is empty" in shown and "lable is not a known key" in shown
    assert home.command("pool").exit_code == exits.OK


@pytest.mark.parametrize(
    ("label", "kept", "says"),
    [("one trial", (1, 2, 3, 4), "difference 0.06 SD"),
     ("only intention", (1, 2), "There is no gap estimate"),
     ("only behavior", (3, 4), "There is no gap estimate"),
     ("one arm", (1,), "There is no gap estimate")],
    ids=["one trial", "only intention", "only behavior", "one arm"],
)  # fmt: skip
def test_few_data_are_enough_for_a_release(
    make_home: MakeHome, label: str, kept: tuple[int, ...], says: str
) -> None:
    recipe = arm_trial()
    lines = str(recipe.files["table.csv"]).splitlines()
    home = make_home(recipe.having("table.csv", "\n".join([lines[0], *[lines[i] for i in kept]])))
    run_steps(home)
    release = home.release()
    assert len(release.table("trials")) == 1
    gap = home.command("gap")
    if label == "one arm":
        assert gap.exit_code == exits.NO_RELEASE and "no trial has usable effects" in gap.output
        return
    assert gap.exit_code == exits.OK
    assert says in gap.output


def test_a_trial_that_is_gone_leaves_the_next_release(copy_of_small: Home) -> None:
    shutil.rmtree(copy_of_small.trials / "counts_trial")
    run_steps(copy_of_small)
    assert set(copy_of_small.release().table("trials")["trial_id"]) == {
        "small_trial", "arms_trial", "effects_trial",
    }  # fmt: skip
    assert len(list(copy_of_small.releases.glob("2*"))) == 2


def test_a_second_refresh_at_the_same_time_is_refused(copy_of_small: Home) -> None:
    lease = Lease(copy_of_small.store / ".lock")
    lease.take("another run")
    result = copy_of_small.command("refresh")
    assert result.exit_code == exits.BUSY
    assert "another refresh is running" in result.output
    lease.give_back("another run")
    assert copy_of_small.command("refresh").exit_code == exits.OK


@pytest.mark.parametrize("lost", ["report.html", "ibgap.duckdb", "tables/effects.parquet"])
def test_a_release_that_lost_a_file_is_made_again(copy_of_small: Home, lost: str) -> None:
    damaged = (copy_of_small.releases / "current").resolve()
    (damaged / lost).unlink()
    made = run_steps(copy_of_small)
    assert made.is_new and made.path != damaged
    assert (copy_of_small.releases / "current").resolve() == made.path
    for name in TABLES:
        copy_of_small.release().table(name)


@pytest.mark.parametrize("file", ["tables/effects.parquet", "ibgap.duckdb"])
def test_a_release_with_a_truncated_file_is_made_again(copy_of_small: Home, file: str) -> None:
    path = (copy_of_small.releases / "current").resolve() / file
    path.write_bytes(path.read_bytes()[:100])
    assert run_steps(copy_of_small).is_new


def test_a_truncated_table_is_named_to_the_reader(copy_of_small: Home) -> None:
    path = (copy_of_small.releases / "current").resolve() / "tables" / "gap_estimates.parquet"
    path.write_bytes(path.read_bytes()[:100])
    result = copy_of_small.command("gap")
    assert result.exit_code == exits.NO_RELEASE
    assert "gap_estimates" in result.output and "cannot be read" in result.output
    assert "ibgap refresh" in result.output


def test_a_truncated_record_is_named_to_the_reader(copy_of_small: Home) -> None:
    path = (copy_of_small.releases / "current").resolve() / "release.json"
    path.write_text(path.read_text()[:100])
    result = copy_of_small.command("gap")
    export = copy_of_small.command(
        "export", "--format", "metafor", "--to", copy_of_small.root / "x"
    )
    assert (result.exit_code, export.exit_code) == (exits.NO_RELEASE, exits.NO_RELEASE)


def test_an_unknown_release_lists_the_known_ones(copy_of_small: Home) -> None:
    with pytest.raises(NoReleaseError, match="known: 2023"):
        open_release(copy_of_small.releases, "2020-nothing")


def test_old_releases_are_removed_when_asked(copy_of_small: Home) -> None:
    from ibgap.releases.shelf import prune

    for name in ("20200101-000000-aaaaaaaaaa", "20210101-000000-bbbbbbbbbb"):
        shutil.copytree(
            (copy_of_small.releases / "current").resolve(), copy_of_small.releases / name
        )
    newest = (copy_of_small.releases / "current").resolve().name
    prune(copy_of_small.releases, 2)
    left = sorted(p.name for p in copy_of_small.releases.iterdir() if p.is_dir())
    assert left == ["20210101-000000-bbbbbbbbbb", newest, "current"]
