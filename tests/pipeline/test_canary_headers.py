"""A refresh over participant files that are wrong in every way says and publishes no cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibgap.cli import exits
from tests.builders import arm_trial
from tests.participant_files import CANARY, WRONG, people

from .conftest import Home
from .kept_text import text_of

TRIALS = {f"t{i:02d}": kind for i, kind in enumerate(sorted(WRONG))}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("headers"))
    made.add(arm_trial("good"), *(WRONG[kind](people()).recipe(n) for n, kind in TRIALS.items()))
    return made


@pytest.fixture(scope="module")
def said(home: Home) -> str:
    """Standard output, errors and the log of one refresh in a process of its own."""
    done = home.process("-m", "ibgap.cli.command_line", "refresh")
    assert done.returncode == exits.SET_ASIDE, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_every_trial_has_its_error_and_the_good_one_is_published(home: Home, said: str) -> None:
    findings = home.release().table("findings")
    errors = findings[findings["severity"] == "error"]
    assert set(errors["trial_id"]) == set(TRIALS)
    assert not errors["rule_id"].isin(["trial_unreadable"]).any()
    assert set(home.release().table("effects")["trial_id"]) == {"good"}


def test_nothing_printed_or_published_holds_a_cell(home: Home, said: str) -> None:
    assert CANARY not in said
    for path in (p for p in home.releases.rglob("*") if p.is_file()):
        text = text_of(path)
        assert CANARY.encode() not in text, path.name
        assert CANARY.encode("utf-16-le") not in text, path.name


@pytest.mark.parametrize("name", sorted(TRIALS)[::5])
def test_the_check_of_one_folder_says_no_cell(home: Home, name: str) -> None:
    result = home.command("trial", "check", Path(home.trials / name))
    assert result.exit_code == exits.SET_ASIDE
    assert CANARY not in result.output


def test_the_canaries_sing(home: Home) -> None:
    for name in TRIALS:
        files = [p.read_bytes() for p in (home.trials / name).iterdir() if p.stem == "people"]
        told = b"".join(files)
        held = CANARY.encode() in told or CANARY.encode("utf-16-le") in told
        assert held or (home.trials / name / "people.xlsx").exists() or told[:4] == b"PAR1", name
