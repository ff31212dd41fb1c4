"""Pooled effects of one release with pandas, polars and DuckDB; one chart; one workbook."""

import json
import sys
from pathlib import Path

import duckdb
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import polars as pl

release = Path(sys.argv[1])
release_id = json.loads((release / "release.json").read_text())["release_id"]
columns = ["construct", "k_trials", "mu", "ci_lb", "ci_ub", "pi_lb", "pi_ub", "status"]

# pandas
table = pd.read_parquet(release / "tables" / "pooled_effects.parquet")
pooled = table[
    table["is_primary"].fillna(False)
    & (table["synthesis"] == "main")
    & (table["subset"] == "all")
    & (table["measure"] == "SMD")
    & table["construct"].isin(["intention", "behavior"])
][columns]
print(release_id)
print(pooled.round(3).to_string(index=False))

# polars
gap = (
    pl.scan_parquet(release / "tables" / "gap_estimates.parquet")
    .filter(
        pl.col("is_primary"),
        pl.col("synthesis") == "main",
        pl.col("subset") == "all",
        pl.col("estimand") == "difference",
    )
    .select("estimate", "ci_lb", "ci_ub", "k_paired", "status")
    .collect()
)
print(gap)

# DuckDB file, read-only
with duckdb.connect(str(release / "ibgap.duckdb"), read_only=True) as db:
    print(
        db.execute("""
        SELECT construct, round(mu, 3) FROM pooled_effects
        WHERE is_primary AND synthesis = 'main' AND subset = 'all' AND measure = 'SMD'
          AND construct IN ('intention', 'behavior')
    """).fetchall()
    )

# chart
figure, axes = plt.subplots(figsize=(7, 2.2), layout="constrained")
rows = list(pooled.iloc[::-1].itertuples())
for y, row in enumerate(rows):
    axes.plot([row.pi_lb, row.pi_ub], [y, y], color="gray", linewidth=1)
    axes.plot([row.ci_lb, row.ci_ub], [y, y], color="black", linewidth=4, solid_capstyle="butt")
    axes.plot(row.mu, y, "o", color="white", markeredgecolor="black", markersize=9)
axes.axvline(0, color="black", linewidth=0.8)
axes.set_yticks(range(len(rows)), [row.construct for row in rows])
axes.set_ylim(-0.6, len(rows) - 0.4)
axes.set_xlabel("Pooled effect (SMD); thick: 95% CI, thin: 95% prediction interval")
axes.set_title(f"Release {release_id}", fontsize=9)
figure.savefig("pooled.png", dpi=120)

# workbook: infinite limits become text, missing numbers become empty cells
with pd.ExcelWriter("ibgap.xlsx", engine="openpyxl") as book:
    for name in ("pooled_effects", "gap_estimates", "trials", "release"):
        sheet = pd.read_parquet(release / "tables" / f"{name}.parquet")
        sheet.to_excel(book, sheet_name=name, index=False, inf_rep="inf", freeze_panes=(1, 0))
