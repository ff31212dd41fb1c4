"""The outcome rows that pandas assembles from participant rows equal a query in DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from assets.journey.keys import ROOM
from assets.journey.stacked import Journeys
from tests.road import kept_journeys

TRIALS = Path(__file__).parents[2] / "trials"
NAMES = ["burger2022_vaccination", "kato2022_rubella", "help_primary_care_linkage"]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    store = tmp_path_factory.mktemp("store")
    kept_journeys(store, [TRIALS / name for name in NAMES])
    return Journeys(store / ROOM).frame("outcome_rows")


QUERY = """
SELECT {arm} AS arm, count({value}) AS n, avg({value}) AS mean, stddev_samp({value}) AS sd,
       sum({value}) AS events
FROM read_csv('{file}', header = true, nullstr = '') WHERE {value} IS NOT NULL GROUP BY 1
"""


@pytest.mark.parametrize(
    ("trial", "outcome", "value", "arm"),
    [
        ("burger2022_vaccination", "intent_mrna", "intent_mrna_w1", "arm_w1"),
        ("burger2022_vaccination", "vaccinated", "vaccinated_w2", "arm"),
        ("kato2022_rubella", "intend_test", "intend_test", "arm"),
        ("kato2022_rubella", "took_test", "took_test", "arm"),
        ("help_primary_care_linkage", "linked_12m", "linked_pc_12m_admin", "arm"),
    ],
)
def test_arms_equal_a_query(
    outcomes: pd.DataFrame, trial: str, outcome: str, value: str, arm: str
) -> None:
    file = TRIALS / trial / "participants.csv"
    renamed = {"control": "usual_care"} if trial == "help_primary_care_linkage" else {}
    with duckdb.connect() as connection:
        found = connection.execute(QUERY.format(arm=arm, value=value, file=file)).df()
    expected = {
        renamed.get(str(row["arm"]), str(row["arm"]).lower()): (
            row["n"],
            row["mean"],
            row["sd"],
            row["events"],
        )
        for row in found.to_dict("records")
    }
    rows = outcomes[(outcomes["trial_id"] == trial) & (outcomes["outcome_id"] == outcome)]
    assert len(rows) > 0
    for row in rows.to_dict("records"):
        for side, name in (("1", row["intervention_arm"]), ("2", row["comparator_arm"])):
            n, mean, sd, events = expected[name]
            assert row[f"n{side}"] == n
            if np.isnan(row[f"m{side}"]):
                assert row[f"events{side}"] == events
            else:
                assert row[f"m{side}"] == pytest.approx(mean, rel=1e-12)
                assert row[f"sd{side}"] == pytest.approx(sd, rel=1e-12)


def test_joint_correlations_follow_the_people_who_are_in_both(tmp_path: Path) -> None:
    """Participants' own contributions give what the closed form gives on complete data."""
    from analysis.dependent.covariances import effect_covariance, smd_arms
    from analysis.gap.participants import influence_correlations, smd_influence

    random = np.random.default_rng(5)
    n = 4000
    treated = np.arange(2 * n) < n
    scores = random.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 2 * n)
    scores[treated] += [0.4, 0.2]
    people = np.arange(2 * n)
    exact = influence_correlations(
        [smd_influence(scores[:, i], treated, people) for i in (0, 1)], 2 * n
    )
    arms = [
        smd_arms(name, "tested", "control", g=g, j=1.0, n1=n, n2=n)
        for name, g in (("first", 0.4), ("second", 0.2))
    ]
    closed = effect_covariance(arms[0], arms[1], 0.5) / np.sqrt(
        effect_covariance(arms[0], arms[0], 1.0) * effect_covariance(arms[1], arms[1], 1.0)
    )
    # Monte Carlo error of a correlation of .5 from 8,000 persons is about .008.
    assert exact[0, 1] == pytest.approx(closed, abs=0.03)
