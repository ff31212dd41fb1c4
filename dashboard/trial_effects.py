"""One effect per trial and outcome, and the joint model, recomputed from published tables.

The composites are those that the pipeline pools: within each trial the precision-weighted mean
of the effects on one outcome. Effects that the disclosure rules rounded give them to the
published decimals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.blocks import make_blocks
from analysis.composites import make_composites
from analysis.distributions import critical_value
from analysis.errors import EstimationError
from analysis.gap import JointModel, fit_joint
from dashboard.view import ReleaseView

_Matrix = np.ndarray


@dataclass(frozen=True)
class TrialEffect:
    """Composite effect of one trial on one outcome; nan when all its effects are withheld."""

    estimate: float
    variance: float
    ci_lb: float
    ci_ub: float


@dataclass(frozen=True)
class TrialPair:
    """A trial with what it has on the upstream outcome and on behavior.

    difference: upstream minus behavior with its confidence limits, nan unless both are there.
    """

    trial_id: str
    label: str
    upstream: TrialEffect | None
    behavior: TrialEffect | None
    difference: tuple[float, float, float]

    @property
    def is_paired(self) -> bool:
        both = (self.upstream, self.behavior)
        return all(e is not None and math.isfinite(e.estimate) for e in both)


class SynthesisEffects:
    """The effects in the pools of one synthesis."""

    def __init__(self, view: ReleaseView, synthesis: str) -> None:
        self.view = view
        self.upstream = view.upstream(synthesis)
        effects = view.table("effects")
        keep = effects["in_pool"].fillna(False).astype(bool) & (effects["measure"] == "SMD")
        keep &= (effects["synthesis"] == synthesis).to_numpy()
        keep &= effects["construct"].isin([self.upstream, "behavior"]).to_numpy()
        self._rows = effects[keep.to_numpy()].reset_index(drop=True)

    @cached_property
    def _usable(self) -> pd.DataFrame:
        values = self._rows[["yi", "vi"]].to_numpy(dtype=float)
        good = np.isfinite(values).all(axis=1) & (values[:, 1] > 0)
        usable: pd.DataFrame = self._rows[good].reset_index(drop=True)
        return usable

    @cached_property
    def _covariances(self) -> dict[str, _Matrix]:
        """Covariance matrix of every trial, its rows in the order of `_usable`."""
        table = self.view.table("effect_covariances")
        known = dict(list(table.groupby("trial_id", sort=False)))
        out = {}
        for trial, rows in self._usable.groupby("trial_id", sort=False):
            out[str(trial)] = _covariance(rows, known.get(trial))
        return out

    @cached_property
    def trials(self) -> tuple[TrialPair, ...]:
        """Trials in the order of the upstream effect, the ones without it by behavior."""
        pairs = [self._pair(str(t), rows) for t, rows in self._rows.groupby("trial_id", sort=False)]
        return tuple(sorted(pairs, key=_order))

    def _pair(self, trial: str, rows: pd.DataFrame) -> TrialPair:
        found: dict[str, TrialEffect] = {
            str(c): TrialEffect(*(math.nan,) * 4) for c in rows["construct"].unique()
        }
        difference = (math.nan, math.nan, math.nan)
        own = self._usable[self._usable["trial_id"] == trial]
        if len(own):
            z = critical_value(self.view.level, math.inf)
            means, v, names = _composites(own, self._covariances[trial])
            for i, name in enumerate(names):
                half = z * math.sqrt(v[i, i])
                found[name] = TrialEffect(means[i], v[i, i], means[i] - half, means[i] + half)
            if len(names) == 2:
                at = names.index(self.upstream)
                value = float(means[at] - means[1 - at])
                half = z * math.sqrt(max(0.0, v[0, 0] + v[1, 1] - 2.0 * v[0, 1]))
                difference = (value, value - half, value + half)
        return TrialPair(
            trial, self.view.trial_label(trial), found.get(self.upstream), found.get("behavior"),
            difference,
        )  # fmt: skip

    @cached_property
    def joint(self) -> JointModel | None:
        """The joint model of both outcomes; None when it cannot be fitted."""
        rows = self._usable
        if rows.empty:
            return None
        try:
            return fit_joint(
                rows["yi"].to_numpy(dtype=float), list(self._covariances.values()),
                rows["trial_id"].tolist(), rows["construct"].tolist(), upstream=self.upstream,
                level=self.view.level,
            )  # fmt: skip
        except (EstimationError, np.linalg.LinAlgError):
            return None


def _order(pair: TrialPair) -> tuple[int, float, str]:
    for rank, effect in enumerate((pair.upstream, pair.behavior)):
        if effect is not None and math.isfinite(effect.estimate):
            return rank, -effect.estimate, pair.label
    return 2, 0.0, pair.label


def _covariance(rows: pd.DataFrame, known: pd.DataFrame | None) -> _Matrix:
    position = {effect: i for i, effect in enumerate(rows["effect_id"])}
    matrix = np.diag(rows["vi"].to_numpy(dtype=float))
    if known is not None:
        for first, second, value in zip(
            known["effect_id_1"], known["effect_id_2"], known["covariance"], strict=True
        ):
            i, j = position.get(first), position.get(second)
            if i is not None and j is not None and math.isfinite(value):
                matrix[i, j] = matrix[j, i] = value
    scale = np.sqrt(np.diag(matrix))
    # Rounding for disclosure can break the matrix; the variances alone are always usable.
    if np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] < 1e-8:
        return np.diag(np.diag(matrix))
    return matrix


def _composites(rows: pd.DataFrame, covariance: _Matrix) -> tuple[_Matrix, _Matrix, list[str]]:
    names = sorted(rows["construct"].unique())
    blocks = make_blocks(
        rows["yi"].to_numpy(dtype=float), [covariance], rows["trial_id"].tolist(),
        rows["construct"].tolist(), outcome_names=names,
    )  # fmt: skip
    made = make_composites(blocks)
    return made.yi, made.v[0], [str(name) for name in names]
