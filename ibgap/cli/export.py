"""Takes a release elsewhere: CSV, Parquet, one workbook, Metapsy layout, metafor with R script."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from dashboard.files import guard_text, sheet_text
from ibgap.releases.reader import ReleaseFiles
from validations.tables import TABLES


class ExportError(Exception):
    """The export cannot be written there."""


def export_release(release: ReleaseFiles, form: str, target: Path) -> list[Path]:
    """Write a release in one of the formats into a new or empty folder; returns the files."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportError(f"{str(target)!r} exists and is not an empty folder; name a new one")
    target.mkdir(parents=True, exist_ok=True)
    return _WRITERS[form](release, target)


def _tables(release: ReleaseFiles) -> list[str]:
    """The tables that the release has; one of an older schema has fewer than are declared now."""
    counts = release.record.get("counts") or TABLES
    return [name for name in TABLES if name in counts]


def _csv(release: ReleaseFiles, target: Path) -> list[Path]:
    paths = []
    for name in _tables(release):
        path = target / f"{name}.csv"
        guard_text(release.table(name)).to_csv(path, index=False, float_format="%.17g")
        paths.append(path)
    return paths


def _parquet(release: ReleaseFiles, target: Path) -> list[Path]:
    names = _tables(release)
    for name in names:
        shutil.copyfile(release.folder / "tables" / f"{name}.parquet", target / f"{name}.parquet")
    return [target / f"{name}.parquet" for name in names]


def _xlsx(release: ReleaseFiles, target: Path) -> list[Path]:
    path = target / f"ibgap-{release.release_id}.xlsx"
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for name in _tables(release):
            sheet_text(release.table(name)).to_excel(writer, sheet_name=name[:31], index=False)
    return [path]


def _metafor(release: ReleaseFiles, target: Path) -> list[Path]:
    """Pooled effects with yi and vi, the covariances, and a script that re-runs the analysis."""
    effects = release.table("effects")
    used = effects[effects["in_pool"].fillna(False).astype(bool)]
    columns = [
        "effect_id",
        "trial_id",
        "study_label",
        "synthesis",
        "upstream_construct",
        "construct",
        "comparison_id",
        "outcome_id",
        "weeks",
        "n1",
        "n2",
        "yi",
        "vi",
    ]
    paths = [target / "effects.csv", target / "covariances.csv", target / "analysis.R"]
    guard_text(used[columns]).to_csv(paths[0], index=False, float_format="%.17g")
    covariances = release.table("effect_covariances")
    guard_text(covariances).to_csv(paths[1], index=False, float_format="%.17g")
    paths[2].write_text(_R_SCRIPT.format(release_id=release.release_id), encoding="utf-8")
    return paths


_R_SCRIPT = """# Pooled effects and the joint model of release {release_id}, with metafor.
library(metafor)
effects <- read.csv("effects.csv", stringsAsFactors = FALSE)
pairs <- read.csv("covariances.csv", stringsAsFactors = FALSE)

effects <- effects[effects$synthesis == "main" &
                   effects$construct %in% c("intention", "behavior"), ]
V <- diag(effects$vi, nrow = nrow(effects))
dimnames(V) <- list(effects$effect_id, effects$effect_id)
inside <- pairs$effect_id_1 %in% effects$effect_id & pairs$effect_id_2 %in% effects$effect_id
for (i in which(inside)) {{
  a <- pairs$effect_id_1[i]; b <- pairs$effect_id_2[i]
  V[a, b] <- V[b, a] <- pairs$covariance[i]
}}

for (construct in c("intention", "behavior")) {{
  rows <- effects$construct == construct
  one <- aggregate(escalc(yi = yi, vi = vi, data = effects[rows, ]), cluster = trial_id,
                   V = V[rows, rows])
  print(rma(yi, vi, data = one, method = "REML", test = "knha"))
}}

effects$construct <- factor(effects$construct, levels = c("intention", "behavior"))
several <- any(table(effects$trial_id, effects$construct) > 1)
random <- list(~ construct | trial_id)
if (several) random <- c(random, list(~ construct | effect_id))
joint <- rma.mv(yi, V, mods = ~ 0 + construct, random = random,
                struct = if (several) c("UN", "DIAG") else "UN", data = effects, method = "REML")
print(joint)
print(robust(joint, cluster = trial_id, clubSandwich = TRUE))
"""


def _metapsy(release: ReleaseFiles, target: Path) -> list[Path]:
    """One row per comparison in the column names of the Metapsy data standard."""
    frames = [release.table(f"{c}_outcomes") for c in ("intention", "behavior", "upstream")]
    rows = pd.concat(frames, ignore_index=True)
    effects = release.table("effects")
    smd = effects[effects["measure"] == "SMD"].drop_duplicates("outcome_row_id")
    found = smd.set_index("outcome_row_id").reindex(rows["outcome_row_id"])
    continuous = rows["m1"].notna()
    out = pd.DataFrame(
        {
            "study": rows["study_label"],
            "condition_arm1": rows["intervention_arm"],
            "condition_arm2": rows["comparator_arm"],
            "multi_arm1": pd.NA,
            "multi_arm2": pd.NA,
            "outcome_type": continuous.map({True: "msd", False: "response"}),
            "instrument": rows["outcome_id"],
            "time": "post",
            "time_weeks": rows["weeks"],
            "rating": rows["measured_by"].replace("self_report", "self-report"),
            "construct": rows["construct"],
            "mean_arm1": rows["m1"],
            "mean_arm2": rows["m2"],
            "sd_arm1": rows["sd1"],
            "sd_arm2": rows["sd2"],
            "n_arm1": rows["n1"].where(continuous),
            "n_arm2": rows["n2"].where(continuous),
            "event_arm1": rows["events1"],
            "event_arm2": rows["events2"],
            "totaln_arm1": rows["n1"].where(rows["events1"].notna()),
            "totaln_arm2": rows["n2"].where(rows["events2"].notna()),
        }
    )
    neither = ~continuous & rows["events1"].isna()
    out["precalc_g"] = found["yi"].where(neither.to_numpy()).to_numpy()
    out["precalc_g_se"] = found["sei"].where(neither.to_numpy()).to_numpy()
    out.loc[neither, "outcome_type"] = "precalculated"
    path = target / "metapsy.csv"
    guard_text(out).to_csv(path, index=False, na_rep="NA", float_format="%.17g")
    return [path]


_WRITERS: dict[str, Callable[[ReleaseFiles, Path], list[Path]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "xlsx": _xlsx,
    "metapsy": _metapsy,
    "metafor": _metafor,
}
