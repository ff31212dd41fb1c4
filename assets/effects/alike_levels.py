"""Topics and levels of moderators that trials write differently: told, never merged."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ibgap.base.labels import alike
from validations.findings import Finding, Severity

MOST_SHOWN = 3


def levels_alike(topics: Mapping[str, str], moderators: pd.DataFrame) -> list[Finding]:
    """One finding per topic or level of a categorical moderator that differs between trials in
    case, accents or punctuation only, at the first trial that has it.

    topics: trial folder -> its topic, empty for none. moderators: rows of the table `moderators`.
    """
    named: dict[str, dict[str, list[str]]] = {}
    for trial, topic in sorted(topics.items()):
        if topic:
            named.setdefault("topics", {}).setdefault(topic, []).append(trial)
    categories = moderators[moderators["kind"] == "category"] if len(moderators) else moderators
    for row in categories.sort_values("trial_id").to_dict("records") if len(categories) else []:
        what = f"levels of the moderator {row['moderator']!r}"
        trials = named.setdefault(what, {}).setdefault(str(row["value"]), [])
        trials.append(str(row["trial_id"]))
    return [_told(what, group, trials) for what, trials in named.items() for group in alike(trials)]


def _told(what: str, group: tuple[str, ...], trials: Mapping[str, list[str]]) -> Finding:
    shown = " and ".join(f"{label!r} ({_some(trials[label])})" for label in group)
    return Finding(
        min(trials[label][0] for label in group),
        "labels_alike",
        Severity.WARNING,
        f"{what} of several trials are called {shown}, which differ only in case, accents or "
        "punctuation; they are taken as different",
        "write them alike in the manifests (or by `recode:`) where they mean the same",
        "trial.yaml",
    )


def _some(trials: list[str]) -> str:
    more = f" and {len(trials) - MOST_SHOWN} more" if len(trials) > MOST_SHOWN else ""
    return ", ".join(trials[:MOST_SHOWN]) + more
