"""Checks on participant rows (pingouin) as a table: aggregates only, one row per check."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
from assets.outcomes.baselines import adjusted
from assets.outcomes.comparisons import comparisons_of
from assets.outcomes.person_table import Arm, PersonTable, person_table
from assets.rows import records_of
from validations.findings import Finding, Severity
from validations.manifest.model import Outcome, TrialManifest
from validations.manifest.vocabulary import Construct, ScaleType
from validations.tables import made_columns

CHECK_COLUMNS = made_columns("participant_checks")
MOST_PERSONS = 200_000
"""Checks of more persons are left out: they would cost more than all effects of the trial."""
_LARGEST_G_DIFFERENCE = 0.01
Row = dict[str, object]


def participant_checks(
    manifest: TrialManifest, rows: pd.DataFrame | PersonTable, items: pd.DataFrame
) -> list[Row]:
    """All checks of one trial: per continuous outcome and comparison, per pair, per scale.

    rows: accepted participant rows, or the table of their persons. items: answers to single items.
    A check of more than `MOST_PERSONS` is left out, and its row says so.
    """
    table = person_table(rows) if isinstance(rows, pd.DataFrame) else rows
    out: list[Row] = []
    for outcome in manifest.outcomes:
        if outcome.id not in table.outcomes or outcome.scale.type is ScaleType.BINARY:
            continue
        arms = table.outcomes[outcome.id]
        for intervention, comparator in comparisons_of(manifest):
            if intervention in arms and comparator in arms:
                with doing(outcome=outcome.id):
                    comparison = f"{intervention}_vs_{comparator}"
                    out += _comparison_checks(
                        manifest.id, comparison, outcome, arms[intervention], arms[comparator]
                    )
        out += _reliability(manifest.id, outcome.id, items)
    for upstream in manifest.outcomes:
        for behavior in manifest.outcomes:
            if _is_pair(upstream, behavior, table):
                out.append(_pair_check(manifest.id, table, upstream.id, behavior.id))
    return out


def _is_pair(upstream: Outcome, behavior: Outcome, table: PersonTable) -> bool:
    return (
        upstream.construct is not Construct.BEHAVIOR
        and behavior.construct is Construct.BEHAVIOR
        and upstream.id in table.outcomes
        and behavior.id in table.outcomes
    )


def _comparison_checks(
    trial: str, comparison: str, outcome: Outcome, one: Arm, two: Arm
) -> Iterator[Row]:
    """Checks of one comparison; none where an arm has fewer than 3 persons."""
    if min(len(one), len(two)) < 3:
        return
    names = ["g_pingouin_minus_ours", "sd_ratio_levene", "normality_shapiro"]
    pre, post = one.with_baseline, two.with_baseline
    if outcome.baseline_column and not isinstance(adjusted(pre, post), str):
        names.append("ancova_group")
    if len(one) + len(two) > MOST_PERSONS:
        for name in names:
            yield _left_out(_about(trial, comparison, outcome.id, name))
        return
    values, treated = _side_by_side(one.value, two.value)
    checks: dict[str, Callable[[], ParticipantCheck]] = {
        "g_pingouin_minus_ours": lambda: cross_check_g(values, treated, _our_g(one, two)),
        "sd_ratio_levene": lambda: equal_variances(values, treated),
        "normality_shapiro": lambda: normal_residuals(values, treated),
        "ancova_group": lambda: adjusted_difference_p(
            *_side_by_side(pre.values, post.values),
            np.concatenate([arm.covariate for arm in (pre, post) if arm.covariate is not None]),
        ),
    }
    for name in names:
        yield _row(_about(trial, comparison, outcome.id, name), checks[name])


def _side_by_side(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of two arms, and whether each is of the first one."""
    return np.concatenate([one, two]), np.arange(len(one) + len(two)) < len(one)


def _our_g(one: Arm, two: Arm) -> float:
    numbers = (
        number
        for sums in (one.sums, two.sums)
        for number in (sums.mean, (sums.squares / (sums.n - 1.0)) ** 0.5, sums.n)
    )
    return float(standardized_mean_difference(*numbers).yi[0])


def _pair_check(trial: str, table: PersonTable, upstream: str, behavior: str) -> Row:
    """The correlation of a pair of outcomes given the arm, of the persons with both."""
    about = _about(trial, "", f"{upstream}~{behavior}", "partial_correlation_given_arm")
    arms = list(table.joined(upstream, behavior))
    sizes = [len(first) for _, first, _, _ in arms]
    if sum(sizes) > MOST_PERSONS:
        return _left_out(about)
    none = np.empty(0)
    first = np.concatenate([none, *(x for _, x, _, _ in arms)])
    second = np.concatenate([none, *(y for _, _, y, _ in arms)])
    labels = np.repeat(np.arange(len(arms)), sizes)
    return _row(about, lambda: correlation_check(first, second, labels))


def _reliability(trial: str, outcome: str, items: pd.DataFrame) -> Iterator[Row]:
    """The reliability of the scale whose items an outcome is made of, if it is."""
    own = items[items["outcome"] == outcome] if len(items) else items
    if len(own):
        about = _about(trial, "", outcome, "cronbach_alpha")
        answers = _answers(own)
        if len(answers) > MOST_PERSONS:
            yield _left_out(about)
        else:
            yield _row(about, lambda: cronbach_alpha(answers))


def _answers(items: pd.DataFrame) -> np.ndarray:
    """Answers of each person to each item; rows without an id, and of a person who stands more than
    once, are no one's."""
    person, persons = pd.factorize(items["participant"])
    item, names = pd.factorize(items["item"])
    nobody = np.append(np.array([_is_nobody(one) for one in persons], dtype=bool), True)
    known = ~nobody[person] & (item >= 0)
    place = person[known].astype(np.int64) * len(names) + item[known]
    text, texts = pd.factorize(items["value"])
    numbers = np.append(
        pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(float), np.nan
    )
    times = np.bincount(place, minlength=len(persons) * len(names))
    matrix = np.full(len(times), np.nan)
    matrix[place] = numbers[text[known]]
    matrix[times > 1] = np.nan
    by_person = times.reshape(len(persons), len(names)) == 1
    answers: np.ndarray = matrix.reshape(by_person.shape)[by_person.any(axis=1)]
    return answers


def _is_nobody(person: object) -> bool:
    return person == "" or person == -1


def _about(trial: str, comparison: str, outcome: str, check: str) -> Row:
    return {"trial_id": trial, "comparison_id": comparison, "outcome_id": outcome, "check": check}


def _left_out(about: Row) -> Row:
    why = f"left out: checks are made of at most {MOST_PERSONS:,} persons"
    return about | {"status": "not_estimable", "reason": why}


def _row(about: Row, make: Callable[[], ParticipantCheck]) -> Row:
    try:
        with doing(f"making the check {about['check']}", outcome=str(about["outcome_id"])):
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
    far = [
        row
        for row in records_of(table)
        if row["check"] == "g_pingouin_minus_ours"
        and row["status"] == "ok"
        and abs(row["estimate"]) > _LARGEST_G_DIFFERENCE
    ]
    return [
        Finding(
            row["trial_id"],
            "g_cross_check",
            Severity.WARNING,
            f"g of {row['outcome_id']} ({row['comparison_id']}) differs by {row['estimate']:.3f} "
            "from an independent computation",
            "report this with the trial's design",
        )
        for row in far
    ]
