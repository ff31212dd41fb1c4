"""Releases of degenerate trials beside a good one: always a release, and the good trial stands in
it bit for bit as in a release of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from tests.builders import Recipe, participant_trial
from tests.dashboard.made import Client
from tests.journey.degenerate import degenerate_folder
from validations.tables import TABLES

from .conftest import EPOCH, Home

DEGENERATE = 25
NEVER = {"synthesis_failed", "unforeseen_error", "judges_disagree", "machine_fault"}
SYNTHESES = ("main", "main", "second")
MADE = (
    "pooled_effects", "gap_estimates", "sensitivity", "specifications", "bias_checks",
    "moderator_effects",
)  # fmt: skip


def good_trial(profile: str) -> Recipe:
    head = f"synthesis: own\ndisclosure: {{profile: {profile}, reason: r}}\n"
    recipe = participant_trial("good")
    return recipe.but("topic: help_seeking\n", f"topic: help_seeking\n{head}")


def rows_of_good(home: Home, table: str) -> pd.DataFrame:
    """What a table says of the good trial and of its synthesis."""
    frame = home.release().table(table)
    own = pd.Series(False, index=frame.index)
    for column, name in (("trial_id", "good"), ("collection_id", "good"), ("synthesis", "own")):
        if column in frame:
            own |= frame[column] == name
    return frame[own].reset_index(drop=True)


def release_of(make_home: Callable[..., Home], seed: int) -> Home:
    profile = ("none", "rounded", "basic")[seed % 3]
    home, alone = make_home(name=f"odd{seed}"), make_home(name=f"alone{seed}")
    for one in (home, alone):
        one.add(good_trial(profile))
    for number in range(DEGENERATE):
        random = Random(10_000 * (seed + 1) + number)
        degenerate_folder(random, f"odd_{number}", SYNTHESES).write(home.trials)
    for one in (alone, home):
        assert one.refresh().release_id
    told = home.release().table("findings")
    assert not list(told[told["rule_id"].isin(NEVER)]["message"])
    for table in TABLES:
        if table not in ("release", "codebook"):
            pd.testing.assert_frame_equal(
                rows_of_good(home, table), rows_of_good(alone, table), check_exact=True,
                check_dtype=False, obj=table,
            )  # fmt: skip
    _every_synthesis_is_answered(home)
    return home


def _every_synthesis_is_answered(home: Home) -> None:
    """Rows with numbers, or with the reason why there are none."""
    release = home.release()
    effects = release.table("effects")
    pooled = set(effects[effects["in_pool"]]["synthesis"])
    for name in MADE:
        frame = release.table(name)
        if name in ("pooled_effects", "gap_estimates", "specifications"):
            assert pooled <= set(frame["synthesis"]), name
        if "status" in frame and "reason" in frame:
            silent = (frame["status"] == "not_estimable") & (frame["reason"].fillna("") == "")
            assert not silent.any(), name


@pytest.fixture(autouse=True)
def _same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)


QUERIES = (
    "", "?syn=second", "?excl=good,odd_1", "?topic=vaccination&both=1", "?rob=low&year_min=1950",
    "?n_min=1e9", "?weeks_max=-1", "?corr=0.9&tau=DL", "?country=中国&randomized=1",
    "?syn=nothing&measured_by=record", "?corr=-1&tau=PM&ci=normal",
)  # fmt: skip


def broken_pages(folder: Path) -> list[str]:
    """Pages of the dashboard that do not answer, with many filters."""
    from dashboard.pages import FIGURES, VIEWS

    client = Client(folder)
    paths = ["/" if view == "overview" else f"/{view}" for view in VIEWS]
    paths += [f"/figure/{name}.svg" for name in FIGURES]
    return [
        path + query
        for query in QUERIES
        for path in paths
        if client.get(path + query).status_code >= 500
    ]


def test_a_release_of_degenerate_trials(make_home: Callable[..., Home]) -> None:
    release_of(make_home, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 21))
def test_many_releases_of_degenerate_trials(make_home: Callable[..., Home], seed: int) -> None:
    home = release_of(make_home, seed)
    assert broken_pages(home.releases) == []
