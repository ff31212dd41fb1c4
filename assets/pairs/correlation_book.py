"""The within-arm correlation of two outcomes of a trial, best origin first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.dependent.covariances import latent_from_phi, latent_from_point_biserial
from analysis.effect_sizes import smd_to_correlation, within_arm_correlation
from analysis.gap.participants import NEAR_PERFECT
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record
from assets.outcomes.arms import Manifests
from assets.outcomes.participants import ParticipantFacts
from validations.manifest.model import PairCorrelation, TrialManifest
from validations.manifest.vocabulary import CorrelationOrigin

EXACT = {"participant_rows", "intention_by_action"}
"""Kinds of data that give the joint distribution of the outcomes."""
Outcomes = dict[str, Record]
"""Outcome rows by id."""


@dataclass(frozen=True)
class WithinArm:
    """Within-arm correlation of two outcomes with where it comes from."""

    r: float
    origin: str
    n: float = float("nan")
    variance: float = float("nan")
    fault: str = ""
    """Why a declared correlation is not used and the assumed one stands in its place."""


class CorrelationBook:
    """Looks up the within-arm correlation of two outcomes of a trial, best origin first."""

    def __init__(
        self,
        manifests: Manifests,
        facts: dict[str, ParticipantFacts],
        study_values: pd.DataFrame,
        settings: AnalysisSettings,
    ) -> None:
        self.manifests, self.facts, self.settings = manifests, facts, settings
        self.columns: dict[tuple[str, str, str], float] = {}
        for row in study_values.to_dict("records") if not study_values.empty else []:
            value = pd.to_numeric(row["value"], errors="coerce")
            if pd.notna(value):
                self.columns[(row["trial_id"], row["comparison"], row["column"])] = float(value)

    def within_arm(self, first: Record, second: Record, assumed: float) -> WithinArm:
        """Correlation of the outcomes of two effects of one trial."""
        if first["construct"] == second["construct"]:
            within = max(self.settings.within_construct_correlation, assumed)
            return WithinArm(within, CorrelationOrigin.ASSUMED.value)
        up, behavior = (first, second) if second["construct"] == "behavior" else (second, first)
        trial = str(first["trial_id"])
        facts = self.facts.get(trial) if {up["basis"], behavior["basis"]} <= EXACT else None
        key = (str(up["outcome_id"]), str(behavior["outcome_id"]))
        # Correlations of scores; an outcome for which lower is better turns the sign.
        sign = 1.0 if up["turned"] == behavior["turned"] else -1.0
        if facts is not None and key in facts.within_arm:
            r, n, variance = facts.within_arm[key]
            return WithinArm(sign * r, CorrelationOrigin.PARTICIPANT_DATA.value, float(n), variance)
        given = self._given(self.manifests[str(first["collection_id"])], up, behavior)
        if given is None:
            return WithinArm(assumed, CorrelationOrigin.ASSUMED.value)
        found = _declared(*given, up, behavior, sign)
        if isinstance(found, str):
            return WithinArm(assumed, CorrelationOrigin.ASSUMED.value, fault=found)
        return found

    def _given(
        self, manifest: TrialManifest, up: Record, behavior: Record
    ) -> tuple[PairCorrelation, float] | None:
        """The declared correlation of two outcomes with its value, where there is one."""
        for pair in manifest.pairs:
            given = pair.correlation
            same = (pair.upstream, pair.behavior) == (up["outcome_id"], behavior["outcome_id"])
            if given is None or not same:
                continue
            if given.value is not None:
                return given, given.value
            marks = (str(up.get("comparison", "")), "")
            found = [self.columns.get((str(up["trial_id"]), m, given.column)) for m in marks]
            value = next((one for one in found if one is not None), None)
            if value is not None:
                return given, value
        return None


def _declared(
    given: PairCorrelation, r: float, up: Record, behavior: Record, sign: float
) -> WithinArm | str:
    """A declared correlation within arms, or why it cannot be one."""
    if not -1.0 < r < 1.0:
        return f"its declared correlation is {r:.4g}, and a correlation lies between -1 and 1"
    n1, n2 = (float(up[name]) if pd.notna(up[name]) else 0.0 for name in ("n1", "n2"))
    n = given.n if given.n is not None else n1 + n2
    variance = (1.0 - r**2) ** 2 / (n - 3.0) if n > 3 else float("nan")
    within = sign * r
    if given.origin is CorrelationOrigin.REPORTED_TOTAL:
        within = _without_treatment(within, up, behavior)
        if not abs(within) < NEAR_PERFECT:
            return (
                f"its total correlation of {r:.2f} contradicts the effects: without the difference "
                f"between the arms it would be {within:.2f}"
            )
    return WithinArm(within, given.origin.value, n, variance)


def _without_treatment(r: float, up: Record, behavior: Record) -> float:
    """Within-arm correlation from one over all arms: the part due to the arms is removed. Groups
    of unknown size count as equal; the result may lie outside -1 to 1."""
    with_arm = []
    for record in (up, behavior):
        known = pd.notna(record["n1"]) and pd.notna(record["n2"])
        n1, n2 = (float(record["n1"]), float(record["n2"])) if known else (1e6, 1e6)
        with_arm.append(float(smd_to_correlation(float(record["yi"]), n1, n2)[0]))
    if max(map(abs, with_arm)) >= 1.0:
        return float("nan")
    return float(within_arm_correlation(r, with_arm[0], with_arm[1])[0])


def latent_correlation(within: WithinArm, up: Record, behavior: Record) -> float:
    """The within-arm correlation on the scale of the effects: binary outcomes as cuts of a
    latent normal (assumed and borrowed correlations are latent already)."""
    if within.origin in (CorrelationOrigin.ASSUMED.value, CorrelationOrigin.BORROWED.value):
        return within.r
    shares = [float(s) for record in (up, behavior) if (s := record.get("share")) is not None]
    if len(shares) == 2:
        return latent_from_phi(within.r, shares[0], shares[1])
    return latent_from_point_biserial(within.r, shares[0]) if shares else within.r
