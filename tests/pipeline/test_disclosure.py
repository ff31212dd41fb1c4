"""Counts that rest on participant rows: rounded, redacted or withheld unless they are public."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from assets.disclosure.counts import protect_action_counts, protect_count, protect_table
from assets.disclosure.effects import grouped_effect, significant
from tests.builders import Recipe, participant_trial
from validations.manifest.vocabulary import DisclosureProfile as Profile

from .conftest import Home, run_steps

CELLS = ["inclined_actors", "inclined_abstainers", "disinclined_actors", "disinclined_abstainers"]


@pytest.mark.parametrize(
    ("profile", "count", "shown"),
    [(Profile.ROUNDED, 0, np.nan), (Profile.ROUNDED, 7, np.nan), (Profile.ROUNDED, 8, 10),
     (Profile.ROUNDED, 12, 10), (Profile.ROUNDED, 13, 15), (Profile.BASIC, 4, np.nan),
     (Profile.BASIC, 5, 5), (Profile.BASIC, 13, 13), (Profile.NONE, 1, 1),
     (Profile.PUBLISHED, 3, 3)],
)  # fmt: skip
def test_a_count(profile: Profile, count: float, shown: float) -> None:
    assert protect_count(float(count), profile) == pytest.approx(shown, nan_ok=True)


def _small(home: Home, name: str) -> pd.DataFrame:
    table = home.release().table(name)
    return table[table["trial_id"] == "small_trial"]


def test_the_default_rounds_counts_of_participant_rows(small: Home) -> None:
    for name in ("intention_outcomes", "behavior_outcomes", "effects"):
        own = _small(small, name)
        assert len(own) and (own["withheld"] != "").all()
        assert set(own["n1"]) | set(own["n2"]) == {30.0}
    behavior = _small(small, "behavior_outcomes").iloc[0]
    for column in ("events1", "events2"):
        assert np.isnan(behavior[column]) or behavior[column] % 5 == 0
    arms = _small(small, "arms")
    assert set(arms["n_analyzed"]) == {30.0}


def test_effects_of_participant_rows_have_few_digits(small: Home) -> None:
    effects = _small(small, "effects").dropna(subset=["yi"])
    assert len(effects) and (effects["yi"] == effects["yi"].round(3)).all()
    for row in effects.to_dict("records"):
        assert row["vi"] == float(f"{row['vi']:.2e}") and row["sei"] == row["vi"] ** 0.5
    effects = _small(small, "effects")
    natural = effects[effects["measure"].isin(["OR", "RR", "RD"])]
    assert len(natural) and natural["yi"].isna().all()
    assert natural["reason"].str.startswith("withheld").all()


def test_numbers_of_summaries_stay_as_printed(small: Home) -> None:
    table = small.release().table("behavior_outcomes").set_index("trial_id")
    row = table.loc["arms_trial"]
    assert list(row[["events1", "n1", "events2", "n2"]]) == [18, 49, 12, 48]
    assert row["withheld"] == ""


def test_small_cells_of_intended_by_acted_are_withheld(small: Home) -> None:
    table = _small(small, "action_control")
    arms = table[table["row_kind"] == "arm"]
    assert len(arms) == 2
    for row in arms.to_dict("records"):
        cells = [row[cell] for cell in CELLS]
        if row["status"] == "withheld":
            assert np.isnan(cells).all() and np.isnan(row["p_act"]) and np.isnan(row["n"])
        else:
            assert all(cell % 5 == 0 for cell in cells)
    counted = small.release().table("action_control")
    counted = counted[(counted["trial_id"] == "counts_trial") & (counted["row_kind"] == "arm")]
    assert list(counted.iloc[0][CELLS]) == [20, 30, 10, 40]


def _outcomes(events1: float, n1: float, events2: float, n2: float) -> pd.DataFrame:
    numbers = dict.fromkeys(
        ["m1", "sd1", "m2", "sd2", "adjusted_difference", "sd_pooled", "covariate_r"], np.nan
    )
    row = {"trial_id": "t", "events1": events1, "n1": n1, "events2": events2, "n2": n2}
    return pd.DataFrame([row | numbers])


@pytest.mark.parametrize(
    "numbers", [(3, 50, 20, 50), (47, 50, 20, 50), (20, 50, 3, 50), (20, 50, 50, 50)]
)
def test_one_small_cell_hides_all_events(numbers: tuple[float, ...]) -> None:
    """Else it would follow from the others: events, others and totals differ by it."""
    shown = protect_table(_outcomes(*numbers), "behavior_outcomes", {"t": Profile.ROUNDED})
    assert shown[["events1", "events2"]].isna().all(axis=None)
    assert list(shown.loc[0, ["n1", "n2"]]) == [50, 50]


def test_a_published_trial_is_exempt() -> None:
    frame = _outcomes(3, 51, 20, 52)
    shown = protect_table(frame, "behavior_outcomes", {"t": Profile.PUBLISHED})
    assert list(shown.loc[0, ["events1", "n1", "events2", "n2"]]) == [3, 51, 20, 52]
    assert shown.loc[0, "withheld"] == ""
    other = protect_table(frame, "behavior_outcomes", {"another": Profile.ROUNDED})
    assert other.loc[0, "events1"] == 3


def test_a_small_cell_of_intended_by_acted_hides_the_row() -> None:
    row = {"trial_id": "t", "basis": "participant_rows"}
    counts = pd.DataFrame(
        [row | dict(zip(CELLS, (20, 30, 3, 40), strict=True)),
         row | dict(zip(CELLS, (21, 33, 12, 48), strict=True)),
         row | {"basis": "intention_by_action"} | dict(zip(CELLS, (1, 2, 3, 4), strict=True))]
    )  # fmt: skip
    shown = protect_action_counts(counts, {"t": Profile.ROUNDED})
    assert shown.loc[0, CELLS].isna().all()
    assert list(shown.loc[1, CELLS]) == [20, 35, 10, 50]
    assert list(shown.loc[2, CELLS]) == [1, 2, 3, 4]


def few_visits() -> Recipe:
    """48 and 52 persons of whom 16 and 5 came."""
    lines = ["person,group,site,intend,visited"]
    for arm, n, came in (("control", 48, 16), ("letter", 52, 5)):
        lines += [f"{arm}{i},{arm},S1,{i % 7 + 1},{int(i < came)}" for i in range(n)]
    return participant_trial().having("people.csv", "\n".join(lines) + "\n")


def solutions(effects: pd.DataFrame) -> set[tuple[int, int]]:
    """Events that the published numbers allow, the group sizes being known to the nearest 5."""
    shown = effects.set_index("measure")[["yi", "vi"]]
    found = set()
    a, c = (grid.astype(float) for grid in np.meshgrid(np.arange(1, 46), np.arange(1, 46)))
    for n1, n2 in itertools.product(range(48, 53), repeat=2):
        b, d = n1 - a, n2 - c
        odds, odds_v = np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d
        scale = np.sqrt(3.0) / np.pi
        numbers = {
            "OR": (odds, odds_v), "SMD": (scale * odds, scale**2 * odds_v),
            "RR": (np.log(a * n2 / (c * n1)), 1 / a - 1 / n1 + 1 / c - 1 / n2),
            "RD": (a / n1 - c / n2, a * b / n1**3 + c * d / n2**3),
        }  # fmt: skip
        fits = np.ones_like(a, dtype=bool)
        for measure, (yi, vi) in numbers.items():
            for name, values in (("yi", yi), ("vi", vi)):
                if measure in shown.index and np.isfinite(shown.loc[measure, name]):
                    step = 0.01  # two decimals
                    fits &= np.abs(values - shown.loc[measure, name]) <= 0.5001 * step
        found |= {(int(x), int(y)) for x, y in zip(a[fits], c[fits], strict=True)}
    return found


def test_hidden_events_cannot_be_solved_from_the_published_effects(
    make_home: Callable[..., Home],
) -> None:
    home = make_home(few_visits())
    run_steps(home)
    outcome = home.release().table("behavior_outcomes").iloc[0]
    assert outcome[["events1", "events2"]].isna().all()
    effects = home.release().table("effects")
    assert solutions(effects[effects["construct"] == "behavior"]) != {(5, 16)}
    shown = effects[(effects["construct"] == "behavior") & (effects["measure"] == "SMD")].iloc[0]
    alike = []
    for came in (3, 4, 5):
        yi, parts = grouped_effect(came, 52, 16, 48, Profile.ROUNDED)
        alike.append((round(yi, 2), significant(sum(parts), 3)))
    assert alike == [(shown["yi"], shown["vi"])] * 3


def test_the_release_says_what_the_profile_was(small: Home) -> None:
    release = small.release().table("release").set_index("key")
    assert release.loc["setting.disclosure", "value"] == "rounded"


def test_other_profiles(copy_of_small: Home) -> None:
    from assets.release.publishable import publishable_tables
    from tests.road import walk_home

    road = walk_home(copy_of_small.settings())
    arms = road.journeys.frame("arm_statistics")
    own = arms[arms["trial_id"] == "small_trial"]
    exact = own.set_index(["outcome", "arm"])["events"].sort_index()
    for profile in ("none", "basic"):
        made = publishable_tables(road.frames, road.journeys.frame("journeys"), profile)
        table = made["behavior_outcomes"]
        row = table[table["trial_id"] == "small_trial"].iloc[0]
        assert row["events1"] == exact["visit", "letter"]
        assert (row["withheld"] == "") is (profile == "none")
