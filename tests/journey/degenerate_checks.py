"""What holds of the journey of any trial folder, however degenerate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_journey import Journey
from tests.journey.degenerate_tables import CANARY

SETTINGS = AnalysisSettings()
NEVER = {"unforeseen_error", "judges_disagree", "machine_fault"}


def faults(journey: Journey) -> list[str]:
    """What is wrong with a journey, in words; empty where all holds."""
    told = [f"{f.rule_id}: {f.message}" for f in journey.findings if f.rule_id in NEVER]
    out = told + [trace[-1500:] for trace in journey.traces.values()]
    effects = journey.tables.get("effects", pd.DataFrame())
    if len(effects):
        out += _of_effects(effects) + _of_covariances(journey, effects)
    return out + _of_pairs(journey) + _of_texts(journey)


def _of_effects(effects: pd.DataFrame) -> list[str]:
    pooled = effects["in_pool"].astype(bool)
    yi, vi, sei = (effects[name].to_numpy(float) for name in ("yi", "vi", "sei"))
    known = np.isfinite(yi)
    out = []
    if not (known & np.isfinite(vi) & (vi > 0))[pooled].all():
        out.append("an effect in the pools has no finite yi, or a variance that is not above 0")
    if not np.isfinite(vi[known]).all() or (vi[known] < 0).any():
        out.append("an effect has no variance")
    if (known != np.isfinite(vi)).any():
        out.append("an effect is half missing")
    if not np.allclose(sei[known], np.sqrt(vi[known]), rtol=1e-12, atol=0):
        out.append("sei is not the root of vi")
    if ((effects["reason"].fillna("") == "") & ~known).any():
        out.append("an effect without number has no reason")
    if effects["effect_id"].duplicated().any():
        out.append("two effects have one id")
    return out


def _of_covariances(journey: Journey, effects: pd.DataFrame) -> list[str]:
    known = journey.tables.get("effect_covariances", pd.DataFrame())
    moved = journey.tables.get("assumed_covariances", pd.DataFrame())
    out = []
    for trial, own in effects[effects["in_pool"].astype(bool)].groupby("trial_id"):
        ids = {name: i for i, name in enumerate(own["effect_id"])}
        plain = known[known["trial_id"] == trial] if len(known) else known
        if len(plain) != len(ids) * (len(ids) - 1) // 2:
            out.append(f"{trial}: {len(plain)} covariances of {len(ids)} effects")
        for rho in SETTINGS.correlation_grid:
            matrix = np.diag(own["vi"].to_numpy(float))
            part = moved[(moved["trial_id"] == trial) & (moved["assumed_correlation"] == rho)] \
                if len(moved) else moved  # fmt: skip
            for row in [*plain.to_dict("records"), *part.to_dict("records")]:
                i, j = ids[row["effect_id_1"]], ids[row["effect_id_2"]]
                matrix[i, j] = matrix[j, i] = row["covariance"]
            out += _of_matrix(f"{trial} at {rho}", matrix)
    return out


def _of_matrix(name: str, matrix: np.ndarray) -> list[str]:
    sd = np.sqrt(np.diag(matrix))
    r = matrix / np.outer(sd, sd)
    if not np.isfinite(r).all():
        return [f"{name}: a correlation is not finite"]
    if (np.abs(r[~np.eye(len(r), dtype=bool)]) >= 1).any():
        return [f"{name}: a correlation of two effects is not within -1 and 1"]
    low = float(np.linalg.eigvalsh(r)[0])
    return [f"{name}: the covariance matrix is singular ({low:.2g})"] if low <= 1e-10 else []


def _of_pairs(journey: Journey) -> list[str]:
    pairs = journey.tables.get("paired_effects", pd.DataFrame())
    if pairs.empty:
        return []
    r, v = (pairs[c].to_numpy(float) for c in ("correlation_of_estimates", "difference_vi"))
    out = [] if (np.abs(r) < 1).all() else ["a pair's estimates correlate perfectly"]
    out += [] if (np.isfinite(v) & (v > 0)).all() else ["the variance of a difference is not > 0"]
    within = pairs["rho_within_arm"].to_numpy(float)
    return out + ([] if (np.abs(within) <= 1).all() else ["a correlation lies outside -1 to 1"])


def _of_texts(journey: Journey) -> list[str]:
    """Cells of participants where they could be seen."""
    out = [f"{f.rule_id} tells a cell" for f in journey.findings if CANARY in repr(f)]
    for name, frame in journey.tables.items():
        for column in frame.select_dtypes(["object", "category"]):
            if frame[column].astype(str).str.contains(CANARY, regex=False).any():
                out.append(f"{name}.{column} holds a cell")
    return out


def same_numbers(one: Journey, other: Journey) -> list[str]:
    """Where the numbers of two journeys of one trial differ beyond rounding."""
    out = []
    for table, names in _NUMBERS.items():
        first, second = (_sorted(j.tables.get(table), names) for j in (one, other))
        if len(first) != len(second):
            out.append(f"{table}: {len(first)} rows and {len(second)}")
            continue
        for a, b in zip(first, second, strict=True):
            close = [np.isclose(x, y, rtol=1e-5, atol=1e-8, equal_nan=True)
                     for x, y in zip(a[1], b[1], strict=True)]  # fmt: skip
            if a[0] != b[0] or not all(close):
                out.append(f"{table}: {a} and {b}")
    return out


_NUMBERS = {
    "effects": ("outcome_id", "comparison_id", "measure", "in_pool", "yi", "vi"),
    "paired_effects": ("upstream_effect_id", "behavior_effect_id", "rho_within_arm", "difference",
                       "difference_vi"),
}  # fmt: skip


def _sorted(
    frame: pd.DataFrame | None, names: tuple[str, ...]
) -> list[tuple[list[str], list[float]]]:
    if frame is None:
        return []
    texts = [n for n in names if frame[n].dtype == object or n == "in_pool"]
    numbers = [n for n in names if n not in texts]
    rows = [
        ([str(row["trial_id"]), *(str(row[n]).split("#")[0] for n in texts)],
         [float(row[n]) for n in numbers])
        for row in frame.to_dict("records")
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (row[0], [f"{x:.6g}" for x in row[1]]))
