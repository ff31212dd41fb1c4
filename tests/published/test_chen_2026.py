"""Chen and Yang (2026): barriers to help-seeking in depression. Percentages and means per source of
its Table 1 follow from the printed counts."""

from __future__ import annotations

from analysis.barriers import barrier_shares

from .trial_tables import printed, trial_table

PERCENT = [34.5, 21.1, 8.5, 17.5, 18.3]
PER_SOURCE = [10.3, 7.5, 6.6, 9.7, 6.5]


def test_percentages_and_means_per_source() -> None:
    table = trial_table("chen2026_barrier_coding", "distribution.csv").set_index("dimension")
    assert (table["n_reference_points"].sum(), table["n_sources"].sum()) == (388, 47)
    shares = barrier_shares(table["n_reference_points"], table["n_sources"])
    assert list(shares.percent) == [printed(x, 1) for x in PERCENT]
    assert list(shares.points_per_source) == [printed(x, 1) for x in PER_SOURCE]
    # The article adds its rounded percentages: 34.5 + 21.1 and 17.5 + 18.3.
    percent = dict(zip(table.index, shares.percent.round(1), strict=True))
    assert percent["individual_psychological"] + percent["cognitive"] == printed(55.6, 1)
    assert percent["structural"] + percent["digital_environment"] == printed(35.8, 1)
