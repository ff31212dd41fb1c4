"""Checks on participant rows (pingouin) as a table: aggregates only, one row per check."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.effect_sizes import standardized_mean_difference
from analysis.errors import EstimationError
from analysis.participant_checks import (
    ParticipantCheck,
    adjusted_difference_p,
    correlation_check,
    cronbach_alpha,
    cross_check_g,
    equal_variances,
    normal_residuals,
)
from assets.fence import doing
from assets.tables.baselines import baseline_fault
from assets.tables.comparisons import comparisons_of
from assets.tables.participants import wide_table
from validations.findings import Finding, Severity
from validations.manifest.model import Outcome, TrialManifest
from validations.manifest.vocabulary import Construct, ScaleType
from validations.tables import made_columns

CHECK_COLUMNS = made_columns("participant_checks")
_LARGEST_G_DIFFERENCE = 0.01


def participant_checks(
    manifest: TrialManifest, rows: pd.DataFrame, items: pd.DataFrame
) -> list[dict[str, object]]:
    """All checks of one trial: per continuous outcome and comparison, per pair, per scale."""
    out: list[dict[str, object]] = []
    wide, arms = (wide_table(rows, column) for column in ("value", "arm"))
    for outcome in manifest.outcomes:
        if outcome.id not in wide or outcome.scale.type is ScaleType.BINARY:
            continue
        for intervention, comparator in comparisons_of(manifest):
            with doing(outcome=outcome.id):
                out += _comparison_checks(manifest, outcome, rows, intervention, comparator)
        own = items[items["outcome"] == outcome.id] if len(items) else items
        if len(own):
            answers = _answers(own)
            out.append(
                _row(
                    manifest,
                    "",
                    outcome.id,
                    "cronbach_alpha",
                    lambda m=answers: cronbach_alpha(m),  # type: ignore[misc]
                )
            )
    for upstream in manifest.outcomes:
        for behavior in manifest.outcomes:
            if not _is_pair(upstream, behavior, wide):
                continue
            label = arms[behavior.id].fillna(arms[upstream.id]).astype(str).to_numpy()
            out.append(
                _row(
                    manifest,
                    "",
                    f"{upstream.id}~{behavior.id}",
                    "partial_correlation_given_arm",
                    lambda u=upstream, b=behavior, a=label: correlation_check(  # type: ignore[misc]
                        wide[u.id].to_numpy(dtype=float), wide[b.id].to_numpy(dtype=float), a
                    ),
                )
            )
    return out


def _answers(items: pd.DataFrame) -> np.ndarray:
    """Answers of each person to each item; rows without an id, and of a person who stands more than
    once, are no one's."""
    keys = ["participant", "item"]
    own = items[(items["participant"] != "") & ~items.duplicated(keys, keep=False)]
    numbers = own.assign(value=pd.to_numeric(own["value"], errors="coerce"))
    matrix = numbers.pivot(index="participant", columns="item", values="value")
    return matrix.reindex(own["participant"].unique()).to_numpy(dtype=float)


def _is_pair(upstream: Outcome, behavior: Outcome, wide: pd.DataFrame) -> bool:
    return (
        upstream.construct is not Construct.BEHAVIOR
        and behavior.construct is Construct.BEHAVIOR
        and upstream.id in wide
        and behavior.id in wide
    )


def _comparison_checks(
    manifest: TrialManifest,
    outcome: Outcome,
    rows: pd.DataFrame,
    intervention: str,
    comparator: str,
) -> list[dict[str, object]]:
    own = rows[(rows["outcome"] == outcome.id) & rows["arm"].isin([intervention, comparator])]
    values = own["value"].to_numpy(dtype=float)
    treated = (own["arm"] == intervention).to_numpy()
    if min(treated.sum(), (~treated).sum()) < 3:
        return []
    baseline = own["baseline"].to_numpy(dtype=float)
    both = np.isfinite(baseline)
    checks: dict[str, Callable[[], ParticipantCheck]] = {
        "g_pingouin_minus_ours": lambda: cross_check_g(values, treated, _our_g(values, treated)),
        "sd_ratio_levene": lambda: equal_variances(values, treated),
        "normality_shapiro": lambda: normal_residuals(values, treated),
    }
    if outcome.baseline_column and not baseline_fault(values[both], treated[both], baseline[both]):
        checks["ancova_group"] = lambda: adjusted_difference_p(
            values[both], treated[both], baseline[both]
        )
    comparison = f"{intervention}_vs_{comparator}"
    return [_row(manifest, comparison, outcome.id, name, check) for name, check in checks.items()]


def _our_g(values: np.ndarray, treated: np.ndarray) -> float:
    one, two = values[treated], values[~treated]
    effect = standardized_mean_difference(
        one.mean(), one.std(ddof=1), one.size, two.mean(), two.std(ddof=1), two.size
    )
    return float(effect.yi[0])


def _row(
    manifest: TrialManifest,
    comparison: str,
    outcome: str,
    name: str,
    make: Callable[[], ParticipantCheck],
) -> dict[str, object]:
    about: dict[str, object] = {
        "trial_id": manifest.id,
        "comparison_id": comparison,
        "outcome_id": outcome,
        "check": name,
    }
    try:
        with doing(f"making the check {name}", outcome=outcome):
            check = make()
    except EstimationError as error:
        return about | {"status": "not_estimable", "reason": str(error)}
    return about | {
        "estimate": check.estimate,
        "statistic": check.statistic,
        "pvalue": check.pvalue,
        "n": check.n,
        "status": "ok",
        "reason": "",
    }


def findings_of_checks(table: pd.DataFrame) -> list[Finding]:
    """A finding where pingouin's g differs from ours by more than the two J can explain."""
    ours = table[(table["check"] == "g_pingouin_minus_ours") & (table["status"] == "ok")]
    far = ours[ours["estimate"].abs() > _LARGEST_G_DIFFERENCE]
    return [
        Finding(
            row["trial_id"],
            "g_cross_check",
            Severity.WARNING,
            f"g of {row['outcome_id']} ({row['comparison_id']}) differs by {row['estimate']:.3f} "
            "from an independent computation",
            "report this with the trial's design",
        )
        for row in far.to_dict("records")
    ]
