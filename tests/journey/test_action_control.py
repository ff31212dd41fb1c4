"""Intended-by-acted counts: where they come from, their rows, splits and pools."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from analysis.gap.action_control import (
    CELLS,
    describe_action_control,
    pool_composition,
    pool_proportion,
    split_behavior_effect,
)
from analysis.synthesis.settings import AnalysisSettings
from assets.outcomes.arm_counts import arm_counts
from assets.outcomes.participants import ParticipantFacts
from assets.synthesis.action_control import ACTION_COLUMNS, action_control
from assets.typed import kinds_of
from tests.journey.frames import NAN, assert_row
from tests.journey.manifests import manifest

Cells = tuple[float, ...]


def about(arm: str, *cells: float, **more: Any) -> dict[str, Any]:
    row = {"arm": arm, "intention": "i", "behavior": "b", "intender_rule": "R2"}
    return row | dict(zip(CELLS, cells, strict=True)) | more


def test_counts_of_participants_and_of_tables() -> None:
    facts = {"t": ParticipantFacts(counts=[about("a", 1, 2, 3, 4), about("c", 5, 6, 7, 8)]),
             "u": ParticipantFacts(counts=[about("a", 9, 9, 9, 9)])}  # fmt: skip
    record = about("a", 4.0, 3.0, 2.0, 1.0) | {"trial_id": "u", "collection_id": "rev"}
    trial = manifest({"a": "experimental", "c": "control"})
    review = manifest({"a": "waitlist"}, name="rev")
    made = arm_counts(trial, {"t": facts["t"]}, pd.DataFrame())
    made += arm_counts(review, {"u": facts["u"]}, pd.DataFrame([record]))
    expected = [
        about("a", 1, 2, 3, 4, trial_id="t", collection_id="t", basis="participant_rows",
              arm_group="intervention"),
        about("c", 5, 6, 7, 8, trial_id="t", collection_id="t", basis="participant_rows",
              arm_group="comparator"),
        about("a", 4, 3, 2, 1, trial_id="u", collection_id="rev", basis="intention_by_action",
              arm_group="comparator", intender_rule="R5"),
    ]  # fmt: skip
    assert made == expected
    assert all(set(row) == set(kinds_of("action_counts")) for row in made)
    assert arm_counts(trial, {}, pd.DataFrame()) == []


def counts(*rows: tuple[str, str, Cells], **more: Any) -> pd.DataFrame:
    """(trial, arm, cells); arms called c... are comparators."""
    return pd.DataFrame([
        about(arm, *cells, trial_id=trial, withheld="",
              arm_group="comparator" if arm.startswith("c") else "intervention") | more
        for trial, arm, cells in rows
    ])  # fmt: skip


A, C = (30.0, 20.0, 8.0, 42.0), (22.0, 25.0, 9.0, 44.0)
A2, C2 = (12.0, 18.0, 6.0, 24.0), (10.0, 20.0, 4.0, 26.0)


def rows_of(
    exact: pd.DataFrame, published: pd.DataFrame | None = None, **settings: Any
) -> pd.DataFrame:
    made = action_control(exact, exact if published is None else published,
                          AnalysisSettings(**settings))  # fmt: skip
    assert list(made.columns) == ACTION_COLUMNS
    return made


def test_a_row_per_arm() -> None:
    made = rows_of(counts(("t", "a", A), ("t", "c", C), ("t", "d", (0.0, 0.0, 0.0, 0.0))))
    arms = made[made["row_kind"] == "arm"].to_dict("records")
    assert [row["arm_id"] for row in arms] == ["a", "c"]
    first = describe_action_control(A, 0.95)
    assert_row(
        arms[0], trial_id="t", arm_group="intervention", intention="i", behavior="b",
        intender_rule="R2", **dict(zip(CELLS, A, strict=True)), n=100,
        p_intend=0.5, p_act=0.38, p_act_given_intend=0.6, p_act_given_no_intend=0.16,
        p_act_given_intend_ci_lb=first.p_act_given_intend_ci_lb,
        p_act_given_no_intend_ci_ub=first.p_act_given_no_intend_ci_ub, action_control_gap=0.4,
        share_inclined_actors=0.3, share_inclined_abstainers=0.2, share_disinclined_actors=0.08,
        share_disinclined_abstainers=0.42, method="counts", status="ok", reason="",
    )  # fmt: skip
    assert_row(arms[1], arm_group="comparator", p_act=0.31)


def test_the_level_of_the_intervals_is_a_setting() -> None:
    made = rows_of(counts(("t", "a", A)), level=0.8).iloc[0]
    expected = describe_action_control(A, 0.8)
    assert made["p_act_given_intend_ci_lb"] == expected.p_act_given_intend_ci_lb
    assert expected.p_act_given_intend_ci_lb > 0.01 + (
        describe_action_control(A, 0.95).p_act_given_intend_ci_lb
    )


def test_splits_of_every_intervention_with_every_comparator() -> None:
    made = rows_of(counts(("t", "a", A), ("t", "c", C), ("t", "c2", C2), ("t", "a2", A2),
                          ("u", "a", A2)))  # fmt: skip
    splits = made[made["row_kind"] == "split"].to_dict("records")
    assert [row["arm_id"] for row in splits] == ["a_vs_c", "a2_vs_c", "a_vs_c2", "a2_vs_c2"]
    expected = split_behavior_effect(A, C)
    assert_row(
        splits[0], trial_id="t", arm_group="contrast", intention="i", behavior="b",
        intender_rule="R2", method="exact_split", status="ok", reason="",
        risk_difference=expected.risk_difference, more_intend=expected.more_intend,
        intenders_act=expected.intenders_act, others_act=expected.others_act,
    )  # fmt: skip
    assert splits[0]["risk_difference"] == pytest.approx(0.38 - 0.31)


def test_a_split_that_cannot_be_made() -> None:
    made = rows_of(counts(("t", "a", A), ("t", "c", (0.0, 0.0, 9.0, 44.0))))
    (split,) = made[made["row_kind"] == "split"].to_dict("records")
    assert split["status"] == "not_estimable" and split["reason"]


def test_cells_that_may_not_be_published() -> None:
    exact = counts(("t", "a", A), ("t", "c", C))
    published = exact.copy()
    published.loc[0, CELLS[1]] = NAN
    published.loc[0, "withheld"] = "small"
    made = rows_of(exact, published).to_dict("records")
    assert [row["row_kind"] for row in made] == ["arm", "arm", "split", "pooled"]
    assert_row(made[0], status="withheld", reason="small", method="", trial_id="t", arm_id="a")
    assert pd.isna(made[0]["p_act"]) and pd.isna(made[0][CELLS[0]])
    assert_row(made[2], status="withheld", reason="a cell is too small to publish",
               method="exact_split")  # fmt: skip
    assert pd.isna(made[2]["risk_difference"])
    assert_row(made[3], arm_group="comparator")  # one trial: only what may be published


def test_pools_of_several_trials_rest_on_exact_counts() -> None:
    exact = counts(("t", "a", A), ("u", "a", A2))
    published = exact.copy()
    published.loc[0, CELLS[1]] = NAN
    made = rows_of(exact, published)
    (pool,) = made[made["row_kind"] == "pooled"].to_dict("records")
    intend = pool_proportion([A[0], A2[0]], [A[0] + A[1], A2[0] + A2[1]])
    others = pool_proportion([A[2], A2[2]], [A[2] + A[3], A2[2] + A2[3]])
    shares = pool_composition([list(A), list(A2)])
    assert_row(
        pool, trial_id="", arm_group="intervention", k=2.0, k_used=intend.k_used,
        p_act_given_intend=intend.share, p_act_given_intend_ci_lb=intend.ci_lb,
        p_act_given_intend_ci_ub=intend.ci_ub, p_act_given_no_intend=others.share,
        p_act_given_no_intend_ci_lb=others.ci_lb, p_act_given_no_intend_ci_ub=others.ci_ub,
        action_control_gap=1 - intend.share, status="ok", reason=shares.reason,
        **{f"share_{cell}": s for cell, s in zip(CELLS, shares.shares, strict=True)},
    )  # fmt: skip
    assert 0.4 < pool["p_act_given_intend"] < 0.6
    assert pool["method"] == "logit_reml_knapp_hartung; shares: log-ratio composition"


@pytest.mark.parametrize(("name", "value"), [("tau2_method", "DL"), ("level", 0.8)])
def test_pools_follow_the_settings(name: str, value: Any) -> None:
    far = (5.0, 60.0, 30.0, 10.0)
    rows = counts(("t", "a", A), ("u", "a", A2), ("v", "a", far), ("w", "a", C))
    made = rows_of(rows, **{name: value})
    pool = made[made["row_kind"] == "pooled"].iloc[0]
    cells = [A, A2, far, C]
    about = {"method": value} if name == "tau2_method" else {"level": value}
    for column, i in (("p_act_given_intend", 0), ("p_act_given_no_intend", 2)):
        expected = pool_proportion([c[i] for c in cells], [c[i] + c[i + 1] for c in cells], **about)
        assert pool[f"{column}_ci_lb"] == pytest.approx(expected.ci_lb)
        default = pool_proportion([c[i] for c in cells], [c[i] + c[i + 1] for c in cells])
        assert expected.ci_lb != pytest.approx(default.ci_lb, abs=1e-9)


def test_a_trial_with_two_arms_and_two_pairs_counts_once() -> None:
    """Arms of one pair are summed; pairs of one trial are averaged."""
    other = counts(("t", "a", A2)).assign(behavior="b2")
    rows = pd.concat([counts(("t", "a", A), ("t", "a2", A2)), other,
                      counts(("u", "a", C2))])  # fmt: skip
    made = rows_of(rows)
    (pool,) = made[made["row_kind"] == "pooled"].to_dict("records")
    t = [(x + y + y) / 2 for x, y in zip(A, A2, strict=True)]
    intend = pool_proportion([t[0], C2[0]], [t[0] + t[1], C2[0] + C2[1]])
    assert_row(pool, k=2.0, p_act_given_intend=intend.share)


def test_pools_that_are_too_narrow_say_so() -> None:
    same = counts(*((f"t{i}", "a", A) for i in range(4)))
    mixed = [(30.0, 20.0, 4.0 + 9 * i, 46.0 - 9 * i) for i in range(4)]
    notes = [
        rows_of(rows).set_index("row_kind").loc["pooled", "notes"]
        for rows in (same, counts(*((f"t{i}", "a", c) for i, c in enumerate(mixed))))
    ]
    assert notes[0].count("; ") == 1
    first, second = notes[0].split("; ")
    assert first.startswith("intend_") and second == f"no_{first}" and notes[1] == first
