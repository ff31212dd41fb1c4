"""Coding tables: shares of dimensions, means per source, and agreement of two coders."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.agreement import rater_agreement
from assets.synthesis.correlational import barrier_table


def records(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["source", "dimension", "coder"])
    return frame.assign(
        collection_id="codings", layer=None, n_sources=float("nan"), n_reference_points=float("nan")
    )


def test_two_coders_count_with_their_mean_and_are_compared() -> None:
    table = barrier_table(
        records(
            [
                ("A", "cognitive", "one"),
                ("A", "structural", "one"),
                ("B", "cognitive", "one"),
                ("A", "cognitive", "two"),
                ("B", "structural", "two"),
            ]
        )
    ).set_index("dimension")
    assert table.loc["cognitive", "n_reference_points"] == 1.5
    assert table.loc["cognitive", "percent"] == pytest.approx(60.0)
    # Units A/cognitive, A/structural, B/cognitive, B/structural: yes yes yes no, yes no no yes.
    assert table["n_units"].unique() == [4]
    assert table["agreement"].unique() == [0.25]
    expected = rater_agreement([("yes", "yes"), ("yes", "no"), ("yes", "no"), ("no", "yes")])
    assert table["cohen_kappa"].unique() == [expected.estimate[1]]
    assert table["krippendorff_alpha"].unique() == [expected.estimate[4]]
    assert table["gwet_ac1_ci_lb"].unique() == [expected.ci_lb[3]]


def test_kappa_and_ac1_by_hand() -> None:
    # 40 of 50 agree; yes in 25 of 50 by both: chance .5, kappa .6; AC1 equals it at one half.
    first = ["y"] * 20 + ["n"] * 20 + ["y"] * 5 + ["n"] * 5
    second = ["y"] * 20 + ["n"] * 20 + ["n"] * 5 + ["y"] * 5
    found = rater_agreement(list(zip(first, second, strict=True)))
    assert found.units == 50
    percent, kappa, _, ac1, alpha = found.estimate
    assert percent == pytest.approx(0.8)
    assert (kappa, ac1) == pytest.approx((0.6, 0.6))
    # Krippendorff's correction for few codings: 1 - (n - 1)/n (1 - pi), n = 100, pi = .6.
    assert alpha == pytest.approx(1 - 0.99 * 0.4)


def test_one_coder_has_no_agreement() -> None:
    table = barrier_table(records([("A", "cognitive", ""), ("B", "structural", "")]))
    assert table["agreement"].isna().all()
    assert list(table["percent"]) == [50.0, 50.0]
