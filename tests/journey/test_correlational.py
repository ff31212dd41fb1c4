"""Correlational sets and coding tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.agreement import rater_agreement
from analysis.synthesis.settings import AnalysisSettings
from analysis.univariate.pooling import fit_random_effects
from assets.synthesis.correlational import barrier_table, pooled_correlations
from tests.journey.frames import NAN, assert_row

ROWS = [("x", "y", 0.3, 50.0), ("y", "x", 0.5, 80.0), ("x", "y", -0.1, 40.0), ("x", "z", 0.2, 30.0)]


def pooled(*rows: tuple[str, str, float, float], **settings: Any) -> list[dict[str, Any]]:
    frame = pd.DataFrame(rows, columns=["variable_1", "variable_2", "r", "n"])
    own = frame.assign(collection_id="t", synthesis="second")
    made = pooled_correlations(own, AnalysisSettings(**settings))
    return made.to_dict("records")


def test_correlations_are_pooled_by_fishers_z() -> None:
    first, second = pooled(*ROWS)
    y, v = np.arctanh([0.3, 0.5, -0.1]), 1 / (np.array([50, 80, 40]) - 3.0)
    fit = fit_random_effects(y, v, method="REML", ci_method="knapp_hartung", level=0.95)
    expected = {
        "synthesis": "second", "variable_1": "x", "variable_2": "y", "k_trials": 3,
        "n_total": 170.0, "r": np.tanh(fit.mu), "r_ci_lb": np.tanh(fit.ci_lb),
        "r_ci_ub": np.tanh(fit.ci_ub), "r_pi_lb": np.tanh(fit.pi_lb),
        "r_pi_ub": np.tanh(fit.pi_ub), "z": fit.mu, "z_se": fit.se, "tau2": fit.tau2,
        "i2": fit.heterogeneity.i2, "q": fit.heterogeneity.q,
        "method": "fisher_z/REML/knapp_hartung", "status": fit.status, "notes": "",
    }  # fmt: skip
    assert list(first) == list(expected)
    assert_row(first, **expected)
    assert_row(second, variable_1="x", variable_2="z", k_trials=1, n_total=30.0)


@pytest.mark.parametrize("settings", [{"tau2_method": "DL"}, {"ci_method": "wald"}, {"level": 0.8}])
def test_choices_of_the_analyst(settings: dict[str, Any]) -> None:
    row = pooled(*ROWS[:3], **settings)[0]
    y, v = np.arctanh([0.3, 0.5, -0.1]), 1 / (np.array([50, 80, 40]) - 3.0)
    names = {"tau2_method": "method"}
    own = {"method": "REML", "ci_method": "knapp_hartung", "level": 0.95}
    fit = fit_random_effects(y, v, **own | {names.get(k, k): v for k, v in settings.items()})
    assert_row(row, r_ci_lb=np.tanh(fit.ci_lb), tau2=fit.tau2)
    assert row["method"] == f"fisher_z/{fit.method}/{fit.ci_method}"
    assert row["r_ci_lb"] != pooled(*ROWS[:3])[0]["r_ci_lb"]


def test_a_pool_that_is_too_narrow_says_so() -> None:
    same = [("x", "y", 0.3, 50.0)] * 4
    assert pooled(*same)[0]["notes"] == "narrower_than_common_effect"


def test_sets_of_several_syntheses() -> None:
    frame = pd.DataFrame(ROWS[:2], columns=["variable_1", "variable_2", "r", "n"])
    made = pooled_correlations(
        frame.assign(collection_id=["t", "u"], synthesis=["one", "two"]), AnalysisSettings()
    )
    assert list(zip(made["synthesis"], made["r"].round(3), strict=True)) == [
        ("one", 0.3), ("two", 0.5)
    ]  # fmt: skip
    none = pooled_correlations(frame.iloc[:0], AnalysisSettings())
    assert none.empty and "notes" in none.columns


def codings(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """(dimension, layer, source, coder, sources, points)."""
    return pd.DataFrame(
        rows,
        columns=["dimension", "layer", "source", "coder", "n_sources", "n_reference_points"],
    ).assign(collection_id="t")


def test_points_and_sources_as_printed() -> None:
    table = barrier_table(
        codings(
            ("cognitive", "input", None, None, 4.0, 12.0),
            ("structural", None, None, None, 2.0, 8.0),
            ("cognitive", "output", None, None, 5.0, 20.0),
        )
    )
    one, two, three = table.to_dict("records")
    assert_row(one, collection_id="t", dimension="cognitive", layer="input", n_sources=4.0,
               n_reference_points=12.0, percent=30.0, points_per_source=3.0, n_units=NAN,
               agreement=NAN, cohen_kappa=NAN)  # fmt: skip
    assert_row(two, dimension="structural", layer="", percent=20.0, points_per_source=4.0)
    assert_row(three, layer="output", percent=50.0, points_per_source=4.0)


def test_rows_of_two_coders() -> None:
    rows = [("cognitive", "", "A", "one", 3.0, 6.0), ("cognitive", "", "A", "two", 5.0, 8.0),
            ("structural", "", "B", "one", NAN, 2.0)]  # fmt: skip
    first, second = barrier_table(codings(*rows)).to_dict("records")
    assert_row(first, n_reference_points=7.0, n_sources=4.0)
    # Without printed numbers of sources their names are counted.
    assert_row(second, n_reference_points=1.0, n_sources=1.0)


def test_rows_without_points_count_one_each() -> None:
    rows = [("cognitive", "", s, "", NAN, NAN) for s in "ABA"] + [
        ("structural", "", "A", "", NAN, NAN)
    ]
    first, second = barrier_table(codings(*rows)).to_dict("records")
    assert_row(first, n_reference_points=3.0, n_sources=2.0, percent=75.0, points_per_source=1.5)
    assert_row(second, n_reference_points=1.0, n_sources=1.0)
    some = [("cognitive", "", "A", "", NAN, 5.0), ("structural", "", "A", "", NAN, NAN)]
    first, second = barrier_table(codings(*some)).to_dict("records")
    assert_row(first, n_reference_points=5.0)
    assert_row(second, n_reference_points=0.0)


def marks(text: str) -> pd.DataFrame:
    """`A cognitive one, ...` as codings."""
    return codings(
        *((d, "", s, c, NAN, NAN) for s, d, c in (one.split() for one in text.split(", ")))
    )


def test_agreement_over_sources_that_both_coded() -> None:
    text = "A cog one, B cog one, B str one, C cog one, A cog two, B str two, A str two, D cog two"
    table = barrier_table(marks(text))
    # A and B: cog yes yes, str no yes; cog yes no, str yes yes.
    expected = rater_agreement([("yes", "yes"), ("no", "yes"), ("yes", "no"), ("yes", "yes")])
    rows = expected.frame().set_index("coefficient")
    for row in table.to_dict("records"):
        assert_row(row, n_units=4.0, agreement=0.5)
        for name, column in (("cohen", "cohen_kappa"), ("gwet_ac1", "gwet_ac1"),
                             ("krippendorff", "krippendorff_alpha")):  # fmt: skip
            assert_row(row, **{column: rows.loc[name, "estimate"],
                               f"{column}_ci_lb": rows.loc[name, "ci_lb"],
                               f"{column}_ci_ub": rows.loc[name, "ci_ub"]})  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "A cog one, A cog two, A str three", "A cog one, B cog two", "A cog one, A cog two",
        "A cog one, A str one",
    ],
)  # fmt: skip
def test_agreement_needs_two_coders_of_the_same_sources(text: str) -> None:
    table = barrier_table(marks(text))
    assert table[["n_units", "agreement", "cohen_kappa", "gwet_ac1_ci_ub"]].isna().all(axis=None)


def test_rows_without_a_coder_are_no_coder() -> None:
    frame = marks("A cog one, A cog two, A str two, A cog x").replace({"coder": {"x": None}})
    assert list(barrier_table(frame)["n_units"]) == [2.0, 2.0]


def test_two_units_are_enough() -> None:
    table = barrier_table(marks("A cog one, A cog two, A str two"))
    assert list(table["n_units"]) == [2.0, 2.0] and list(table["agreement"]) == [0.5, 0.5]


def test_several_coding_tables() -> None:
    frame = pd.concat([marks("A cog x"), marks("A cog x, B cog x").assign(collection_id="u")])
    table = barrier_table(frame)
    assert list(table["collection_id"]) == ["t", "u"] and list(table["n_sources"]) == [1.0, 2.0]
    none = barrier_table(frame.iloc[:0])
    assert none.empty and "points_per_source" in none.columns
