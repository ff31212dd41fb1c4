"""A missed bar makes exit code 1, and says which; with made-up measurements."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks import check
from benchmarks.check import Bar, bars_text, growth, judge, metafor_bars, pipeline_bars
from benchmarks.pipeline import Database, Refreshed, Shipped, synthesis_seconds, table
from benchmarks.processes import Cost


def cost(processor: float, clock: float = 1.0, memory: float = 300.0) -> Refreshed:
    return Refreshed(Cost(processor, clock, memory))


def database(trials: int, cold: float, **more: object) -> Database:
    base = Database(trials, trials, 1.0, Cost(3.0, 3.0, 100.0), Cost(1.0, 1.0, 100.0), cost(cold))
    return replace(base, **more)


GOOD = [
    database(100, 7.0),
    database(400, 13.0),
    database(1_000, 25.0, unchanged=cost(1.0), changed={"one changed in main": cost(6.0)}),
]
SHIPPED = Shipped(cost(20.0), cost(1.0, clock=2.0), 1.5)


def missed(databases: list[Database], shipped: Shipped = SHIPPED) -> list[str]:
    return [bar.name for bar in pipeline_bars(databases, shipped) if bar.missed]


def with_last(**more: object) -> list[Database]:
    return [*GOOD[:2], replace(GOOD[2], **more)]


def test_kept_bars_end_well() -> None:
    bars = pipeline_bars(GOOD, SHIPPED)
    assert judge(bars) == 0 and not missed(GOOD)
    assert len(bars) == 7 and all(bar.measured is not None and bar.source for bar in bars)


@pytest.mark.parametrize(
    ("databases", "shipped", "name"),
    [(GOOD, replace(SHIPPED, second=cost(1.0, clock=4.1)), "second run of the shipped"),
     (GOOD, replace(SHIPPED, duckdb_megabytes=2.1), "ibgap.duckdb"),
     (with_last(unchanged=cost(2.1)), SHIPPED, "unchanged"),
     (with_last(changed={"one changed in main": cost(8.1)}), SHIPPED, "one changed in main"),
     (with_last(pandas=Cost(1.2, 1.0, 1.0)), SHIPPED, "first refresh"),
     (with_last(cold=cost(31.0)), SHIPPED, "growth"),
     (with_last(cold=cost(25.0, memory=701.0)), SHIPPED, "peak memory")],
    ids=["second run", "duckdb", "unchanged", "changed", "pandas", "growth", "memory"],
)  # fmt: skip
def test_one_missed_bar_makes_exit_code_1(
    databases: list[Database], shipped: Shipped, name: str
) -> None:
    found = missed(databases, shipped)
    assert len(found) == 1 and found[0].startswith(name)
    bars = pipeline_bars(databases, shipped)
    assert judge(bars) == 1
    assert bars_text(bars).count("MISSED") == 1


def test_what_the_syntheses_took_is_told_apart() -> None:
    slow = Refreshed(Cost(12.0, 1.0, 1.0), synthesis=5.0)
    bars = pipeline_bars(with_last(changed={"one changed in main": slow}), SHIPPED)
    bar = next(one for one in bars if one.name.startswith("one changed"))
    assert bar.measured == pytest.approx(7.0) and "less 5.0 s" in bar.source


def test_the_refresh_may_tell_what_the_syntheses_took() -> None:
    assert synthesis_seconds('{"processor_seconds": {"synthesis": 1.5}}') == 1.5
    assert synthesis_seconds('{"release_id": "x"}') is None


def test_growth_leaves_out_the_fixed_cost() -> None:
    assert growth(GOOD) == pytest.approx(1.0)
    assert growth([*GOOD[:2], database(1_000, 45.0)]) == pytest.approx(2.0)
    assert growth(GOOD[:2]) is None


def test_faster_than_metafor_is_a_lower_bar() -> None:
    task, least = next(iter(check.TIMES_METAFOR.items()))
    bars = metafor_bars([(task, "ibgap", 0.001), (task, "metafor", 0.001 * (least + 1))])
    assert judge(bars) == 0 and bars[0].measured == pytest.approx(least + 1)
    assert judge(metafor_bars([(task, "ibgap", 0.001), (task, "metafor", 0.001)])) == 1


def test_what_was_not_measured_is_said_and_misses_nothing() -> None:
    bars = metafor_bars([])
    assert judge(bars) == 0 and {bar.measured for bar in bars} == {None}
    assert bars_text(bars).count("not measured") == len(check.TIMES_METAFOR)


def test_a_number_that_does_not_exist_keeps_no_bar() -> None:
    assert judge([Bar("x", math.nan, 1.0, "made up")]) == 1


def test_the_table_names_every_measurement() -> None:
    text = table(GOOD, SHIPPED)
    assert text.count("ibgap refresh, first") == 4 and "one changed in main" in text
    assert "1,000 trials" in text and "ibgap.duckdb: 1.5 MB" in text


def test_the_command_ends_with_the_judgment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["check.py"])
    monkeypatch.setattr("benchmarks.estimators.beside_metafor", list)
    for shipped, code in ((SHIPPED, 0), (replace(SHIPPED, duckdb_megabytes=9.0), 1)):
        monkeypatch.setattr(check, "measure", lambda shipped=shipped, **_: (GOOD, shipped))
        assert check.main() == code
    assert "MISSED" in capsys.readouterr().out
