"""Sampling covariances of the effects of each trial, and effects that determine each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.dependent.covariances import (
    EffectArms,
    binary_arms,
    covariance_from_correlations,
    effect_covariance,
    phi_from_latent,
    point_biserial_from_latent,
    smd_arms,
)
from analysis.effect_sizes import hedges_j
from analysis.effect_sizes.binary import ODDS_TO_SMD
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, TrialEffects
from assets.pairs.correlation_book import EXACT, CorrelationBook, Outcomes, WithinArm
from assets.rows import empty_table, records_of
from validations.findings import Finding, Severity
from validations.manifest.vocabulary import CorrelationOrigin
from validations.tables import made_columns


def trial_effects(
    records: Sequence[Record], outcomes: Outcomes, book: CorrelationBook, assumed: float
) -> TrialEffects:
    """Covariance matrix of the pooled effects of one trial.

    records: effects on the common scale. outcomes: outcome rows by id, for SDs and events.
    From participant rows the correlation of the estimates is exact; otherwise it follows from
    the shared arms and the within-arm correlation by the closed forms.
    """
    arms = [_arms(record, outcomes, book.settings) for record in records]
    return _trial_effects(records, arms, book, assumed)


def _trial_effects(
    records: Sequence[Record],
    arms: Sequence[EffectArms | None],
    book: CorrelationBook,
    assumed: float,
) -> TrialEffects:
    correlations, origins = _correlations(records, arms, book, assumed)
    variances = [float(record["vi"]) for record in records]
    covariance, moved = covariance_from_correlations(correlations, variances)
    return TrialEffects(tuple(records), covariance, origins, moved)


def _correlations(
    records: Sequence[Record],
    arms: Sequence[EffectArms | None],
    book: CorrelationBook,
    assumed: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of the estimates of one trial's effects, and where each comes from."""
    size = len(records)
    correlations, origins = np.eye(size), np.full((size, size), "", dtype=object)
    for i in range(size):
        for j in range(i):
            value, origin = _estimate_correlation(
                records[i], records[j], arms[i], arms[j], book, assumed
            )
            correlations[i, j] = correlations[j, i] = value
            origins[i, j] = origins[j, i] = origin
    return correlations, origins


_KNOWN = frozenset(
    {CorrelationOrigin.PARTICIPANT_DATA.value, "same_measurement", "no_shared_arm", ""}
)
"""Origins of correlations of estimates that are no assumption."""
SINGULAR, PART = 1e-8, 0.05
"""Smallest eigenvalue of a correlation matrix of full rank, and the share of a null vector from
which an effect takes part in it."""


def determined_by_each_other(correlations: np.ndarray, origins: np.ndarray) -> list[int]:
    """Positions of the effects of a trial of which one follows from the others, so that they carry
    no information of their own (one measurement twice, a sum with its parts).

    Only correlations that are known count: assumed ones that contradict each other are moved.
    """
    known = np.array([[o in _KNOWN for o in row] for row in origins])
    found: set[int] = set()
    groups = [list(range(len(known)))] if known.all() else _known_groups(known)
    for group in groups:
        square = np.ix_(group, group)
        values, vectors = np.linalg.eigh(correlations[square])
        for value, vector in zip(values, vectors.T, strict=True):
            if value < SINGULAR:
                found |= {group[i] for i in np.flatnonzero(np.abs(vector) > PART)}
    return sorted(found)


def _known_groups(known: np.ndarray) -> list[list[int]]:
    """Maximal sets that grow, from each effect on, by effects whose correlations with all of the
    set are known."""
    groups: set[tuple[int, ...]] = set()
    for start in range(len(known)):
        group = [start]
        for other in range(len(known)):
            if other != start and all(known[other, i] for i in group):
                group.append(other)
        groups.add(tuple(sorted(group)))
    return [list(group) for group in sorted(groups)]


def refuse_determined(
    effects: pd.DataFrame, outcomes: pd.DataFrame, book: CorrelationBook, assumed: float
) -> list[Finding]:
    """An error per effect in the pools that others of its trial determine."""
    by_id = _by_id(outcomes)
    out = []
    for trial, records in _pooled_by_trial(effects, by_id).items():
        arms = [_arms(record, by_id, book.settings) for record in records]
        rows = determined_by_each_other(*_correlations(records, arms, book, assumed))
        names = [str(records[i]["outcome_row_id"]) for i in rows]
        for i, name in zip(rows, names, strict=True):
            others = [other for other in names if other != name]
            out.append(
                Finding(
                    trial,
                    "effects_determine_each_other",
                    Severity.ERROR,
                    f"{name} follows from {' and '.join(others[:3]) or 'the others'}: together "
                    "their covariance matrix is singular, so none of them enters the pools",
                    "keep one of them: set `primary: false` on the other outcomes, or leave their "
                    "rows out",
                    str(records[i]["file"]),
                    subject=name,
                )
            )
    return out


def _measurement(record: Record) -> str:
    weeks = "" if pd.isna(record["weeks"]) else record["weeks"]
    return "|".join(
        str(x) for x in (record["outcome_id"], record["instrument"], weeks, record["timepoint"])
    )


def _arms(record: Record, outcomes: Outcomes, settings: AnalysisSettings) -> EffectArms | None:
    n1, n2 = record["n1"], record["n2"]
    if pd.isna(n1) or pd.isna(n2):
        return None
    n1, n2 = float(n1), float(n2)
    one, two = str(record["intervention_arm"]), str(record["comparator_arm"])
    row = outcomes[str(record["outcome_row_id"])]
    if pd.notna(row["events1"]) and pd.notna(row["events2"]):
        p1, p2 = ((row[e] + 0.5) / (n + 1.0) for e, n in (("events1", n1), ("events2", n2)))
        return binary_arms(
            _measurement(record),
            one,
            two,
            measure="OR",
            p1=p1,
            p2=p2,
            n1=n1,
            n2=n2,
            scale=ODDS_TO_SMD[settings.odds_to_smd],
        )
    sds = (row["sd1"], row["sd2"])
    known = all(pd.notna(sd) and sd > 0 for sd in sds)
    return smd_arms(
        _measurement(record),
        one,
        two,
        g=float(record["yi"]),
        j=float(hedges_j(n1 + n2 - 2.0)[0]),
        n1=n1,
        n2=n2,
        sd1=float(sds[0]) if known else None,
        sd2=float(sds[1]) if known else None,
    )


def _estimate_correlation(
    first: Record,
    second: Record,
    arms1: EffectArms | None,
    arms2: EffectArms | None,
    book: CorrelationBook,
    assumed: float,
) -> tuple[float, str]:
    facts = book.facts.get(str(first["trial_id"]))
    if facts is not None and {first["basis"], second["basis"]} <= EXACT:
        key1, key2 = (
            (str(r["intervention_arm"]), str(r["comparator_arm"]), str(r["outcome_id"]))
            for r in (first, second)
        )
        if (key1, key2) in facts.correlations:
            sign = 1.0 if first["turned"] == second["turned"] else -1.0
            value = sign * facts.correlations[(key1, key2)]
            return value, CorrelationOrigin.PARTICIPANT_DATA.value
    same = _measurement(first) == _measurement(second)
    within = WithinArm(1.0, "same_measurement") if same else book.within_arm(first, second, assumed)
    shared = {first["intervention_arm"], first["comparator_arm"]} & {
        second["intervention_arm"],
        second["comparator_arm"],
    }
    if not shared:
        return 0.0, "no_shared_arm"
    if arms1 is None or arms2 is None:
        return within.r * (1.0 if len(shared) == 2 else 0.5), within.origin
    r = _as_observed(within, first, second)
    nominal = effect_covariance(arms1, arms1, 1.0) * effect_covariance(arms2, arms2, 1.0)
    return effect_covariance(arms1, arms2, r) / float(np.sqrt(nominal)), within.origin


def _as_observed(
    within: WithinArm,
    first: Record,
    second: Record,
) -> float:
    """Assumed and borrowed correlations are latent: attenuate them where outcomes are binary."""
    if within.origin not in (CorrelationOrigin.ASSUMED.value, CorrelationOrigin.BORROWED.value):
        return within.r
    shares = [share for record in (first, second) if (share := record.get("share")) is not None]
    if len(shares) == 2:
        return phi_from_latent(within.r, float(shares[0]), float(shares[1]))
    if len(shares) == 1:
        return float(point_biserial_from_latent(within.r, float(shares[0])))
    return within.r


def _share(row: dict[str, Any]) -> float | None:
    """Share with the event over both arms of a binary outcome."""
    events, n = row["events1"] + row["events2"], row["n1"] + row["n2"]
    return float((events + 0.5) / (n + 1.0)) if pd.notna(events) and n > 0 else None


def all_trial_effects(
    effects: pd.DataFrame, outcomes: pd.DataFrame, book: CorrelationBook, assumed: float
) -> list[TrialEffects]:
    """`trial_effects` for every trial that has effects in the pools."""
    by_id = _by_id(outcomes)
    by_trial = _pooled_by_trial(effects, by_id)
    return [trial_effects(records, by_id, book, assumed) for records in by_trial.values()]


def _by_id(outcomes: pd.DataFrame) -> Outcomes:
    return {str(r["outcome_row_id"]): r for r in records_of(outcomes)}


def _pooled_by_trial(effects: pd.DataFrame, by_id: Outcomes) -> dict[str, list[Record]]:
    """Effects in the pools, with what covariances need of their outcome rows."""
    by_trial: dict[str, list[Record]] = {}
    for record in records_of(effects[effects["in_pool"].astype(bool)]):
        row = by_id[str(record["outcome_row_id"])]
        record |= {"share": _share(row), "comparison": row["comparison"]}
        by_trial.setdefault(str(record["trial_id"]), []).append(record)
    return by_trial


COVARIANCE_COLUMNS = made_columns("effect_covariances")
ASSUMED_COLUMNS = made_columns("assumed_covariances")


def covariance_table(trials: Iterable[TrialEffects]) -> pd.DataFrame:
    """Sampling covariances of the pooled effects of each trial, one row per pair of effects."""
    rows = [row for trial in trials for row in _rows(trial)]
    return (
        pd.DataFrame(rows, columns=COVARIANCE_COLUMNS) if rows else empty_table(COVARIANCE_COLUMNS)
    )


def assumed_covariance_table(
    trials: Iterable[TrialEffects], outcomes: pd.DataFrame, book: CorrelationBook
) -> pd.DataFrame:
    """Covariances at every other correlation of the grid, where they differ from those of the
    trials; only what rests on an assumption can."""
    by_id: Outcomes = {}
    rows: dict[float, list[tuple[object, ...]]] = {}
    for trial in trials:
        if CorrelationOrigin.ASSUMED.value not in trial.origins:
            continue
        by_id = by_id or _by_id(outcomes)
        arms = [_arms(record, by_id, book.settings) for record in trial.records]
        known = [row[_COVARIANCE] for row in _rows(trial)]
        for rho in book.settings.correlation_grid:
            if rho != book.settings.assumed_correlation:
                varied = _rows(_trial_effects(trial.records, arms, book, rho))
                rows.setdefault(rho, []).extend(
                    (*row, rho)
                    for row, usual in zip(varied, known, strict=True)
                    if row[_COVARIANCE] != usual
                )
    found = [row for rho in book.settings.correlation_grid for row in rows.get(rho, ())]
    columns = [*COVARIANCE_COLUMNS, "assumed_correlation"]
    return (
        pd.DataFrame(found, columns=columns)[ASSUMED_COLUMNS]
        if found
        else empty_table(ASSUMED_COLUMNS)
    )


def _rows(trial: TrialEffects) -> Iterator[tuple[object, ...]]:
    """Rows of the table of covariances: one per pair of effects of a trial."""
    ids = trial.values("effect_id")
    sd = np.sqrt(np.diag(trial.covariance))
    for i in range(len(ids)):
        for j in range(i):
            c = float(trial.covariance[i, j])
            correlation = c / float(sd[i] * sd[j])
            yield trial["trial_id"], ids[j], ids[i], c, correlation, trial.origins[i, j]


_COVARIANCE = 3
"""Place of the covariance in such a row."""
