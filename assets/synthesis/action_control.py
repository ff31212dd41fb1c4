"""Intended-by-acted counts, their shares, splits and pools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import EstimationError
from analysis.gap.action_control import (
    CELLS,
    describe_action_control,
    pool_composition,
    pool_proportion,
    split_behavior_effect,
)
from analysis.synthesis.settings import AnalysisSettings
from analysis.univariate.pooling import NARROW
from validations.tables import made_columns

Record = dict[str, Any]
ACTION_COLUMNS = made_columns("action_control")


def action_control(
    counts: pd.DataFrame, publishable: pd.DataFrame, settings: AnalysisSettings
) -> pd.DataFrame:
    """Shares per arm, their exact split between arms, and pooled shares per group of arms.

    counts: exact counts, used for pools over at least two trials. publishable: the same rows
    as they may be published (empty cells where they may not), used for everything else.
    """
    rows: list[dict[str, object]] = []
    for record in publishable.to_dict("records"):
        cells = [float(record[cell]) for cell in CELLS]
        if sum(cells) == 0:
            continue
        rows.append(_action_row(record, cells, settings))
    rows += _splits(publishable)
    for group in ("intervention", "comparator"):
        trials = counts.loc[counts["arm_group"] == group, "trial_id"].nunique()
        part = counts if trials > 1 else publishable.dropna(subset=list(CELLS))
        part = part[part["arm_group"] == group]
        summed = part.groupby(["trial_id", "intention", "behavior"])[list(CELLS)].sum()
        if len(summed):
            rows.append(_pooled_action(group, summed, settings))
    return pd.DataFrame(rows, columns=ACTION_COLUMNS)


def _action_row(
    record: dict[str, object], cells: list[float], settings: AnalysisSettings
) -> dict[str, object]:
    about = {
        "row_kind": "arm",
        "arm_id": record["arm"],
        **{
            c: record[c]
            for c in ("trial_id", "arm_group", "intention", "behavior", "intender_rule", "withheld")
        },
    }
    if any(np.isnan(cells)):
        return about | {"status": "withheld", "reason": record["withheld"], "method": ""}
    found = describe_action_control(cells, settings.level)
    names = [n for n in found.__dataclass_fields__ if n != "shares"]
    return about | {
        **dict(zip(CELLS, cells, strict=True)),
        **{name: getattr(found, name) for name in names},
        **{f"share_{cell}": s for cell, s in zip(CELLS, found.shares, strict=True)},
        "method": "counts",
        "status": "ok",
        "reason": "",
    }


def _splits(counts: pd.DataFrame) -> list[Record]:
    pairs: dict[tuple[str, str, str], list[Record]] = {}
    for record in counts.to_dict("records"):
        key = (record["trial_id"], record["intention"], record["behavior"])
        pairs.setdefault(key, []).append(record)
    return [
        _split(key, tested, control)
        for key, part in sorted(pairs.items())
        for control in part
        if control["arm_group"] == "comparator"
        for tested in part
        if tested["arm_group"] == "intervention"
    ]


def _split(pair: tuple[str, str, str], tested: Record, control: Record) -> Record:
    trial, intention, behavior = pair
    row: Record = {
        "row_kind": "split",
        "withheld": tested["withheld"],
        "trial_id": trial,
        "arm_group": "contrast",
        "arm_id": f"{tested['arm']}_vs_{control['arm']}",
        "intention": intention,
        "behavior": behavior,
        "intender_rule": tested["intender_rule"],
        "method": "exact_split",
    }
    if any(np.isnan(float(r[c])) for r in (tested, control) for c in CELLS):
        return row | {"status": "withheld", "reason": "a cell is too small to publish"}
    try:
        split = split_behavior_effect([tested[c] for c in CELLS], [control[c] for c in CELLS])
    except EstimationError as error:
        return row | {"status": "not_estimable", "reason": str(error)}
    row |= {n: getattr(split, n) for n in split.__dataclass_fields__}
    return row | {"status": "ok", "reason": ""}


def _pooled_action(
    group: str, summed: pd.DataFrame, settings: AnalysisSettings
) -> dict[str, object]:
    """Pooled P(act | intend) and P(act | not intend), one sample per trial and pair; trials
    with several pairs count once, with the mean of their counts."""
    per_trial = summed.groupby("trial_id").mean()
    cells = per_trial[list(CELLS)].to_numpy(dtype=float)
    intend = pool_proportion(
        cells[:, 0], cells[:, 0] + cells[:, 1], method=settings.tau2_method, level=settings.level
    )
    others = pool_proportion(
        cells[:, 2], cells[:, 2] + cells[:, 3], method=settings.tau2_method, level=settings.level
    )
    composition = pool_composition(cells)
    narrow = [one.narrow for one in (intend, others)]
    return {
        "row_kind": "pooled",
        "trial_id": "",
        "arm_group": group,
        "k": intend.k,
        "k_used": intend.k_used,
        "p_act_given_intend": intend.share,
        "p_act_given_intend_ci_lb": intend.ci_lb,
        "p_act_given_intend_ci_ub": intend.ci_ub,
        "p_act_given_no_intend": others.share,
        "p_act_given_no_intend_ci_lb": others.ci_lb,
        "p_act_given_no_intend_ci_ub": others.ci_ub,
        "action_control_gap": 1.0 - intend.share,
        **{f"share_{cell}": float(s) for cell, s in zip(CELLS, composition.shares, strict=True)},
        "method": "logit_reml_knapp_hartung; shares: log-ratio composition",
        "status": "ok" if intend.k_used else "not_estimable",
        "reason": composition.reason,
        "notes": "; ".join(
            f"{name}_{NARROW}"
            for name, said in zip(("intend", "no_intend"), narrow, strict=True)
            if said
        ),
    }
