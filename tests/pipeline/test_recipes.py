"""The recipes of the handbook for other tools, run on a release."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from .conftest import Home

RECIPES = Path(__file__).parents[2] / "docs" / "examples" / "third_party"


@pytest.mark.parametrize("source", ["pooled_parquet.sql", "pooled_database.sql"])
def test_the_queries_for_duckdb_give_the_published_numbers(small: Home, source: str) -> None:
    release = (small.releases / "current").resolve()
    text = (RECIPES / "duckdb" / source).read_text(encoding="utf-8")
    text = text.replace("'release/", f"'{release}/")
    file = ":memory:" if "parquet" in source else str(release / "ibgap.duckdb")
    with duckdb.connect(file, read_only=file != ":memory:") as database:
        found = [
            database.execute(one.query).fetchall()
            for one in duckdb.extract_statements(text)
            if one.query.strip()
        ]
    pooled = small.release().table("pooled_effects")
    main = pooled[pooled["is_primary"] & (pooled["subset"] == "all") & (pooled["measure"] == "SMD")]
    main = main[(main["synthesis"] == "main")].set_index("construct")["mu"]
    shown = {row[0]: row[2] for row in found[0]}
    assert shown and all(value == round(main[name], 3) for name, value in shown.items())
    gaps = small.release().table("gap_estimates")
    primary = gaps[gaps["is_primary"] & (gaps["subset"] == "all")]
    difference = primary[(primary["estimand"] == "difference") & (primary["synthesis"] == "main")]
    assert found[1][0][0] == round(difference["estimate"].iloc[0], 3)
