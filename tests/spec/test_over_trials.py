"""What all trials together give, at every station, against plain loops over the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.effects.over_trials import effects_of_all
from assets.effects.same_trial import identity_rows
from assets.outcomes.over_trials import OUTCOME_TABLES, outcomes_of_all
from assets.pairs.over_trials import PAIR_TABLES, pairs_of_all
from assets.queries import CardinalityError
from assets.release.over_trials import findings_of_all, trials_of_all
from assets.screening.over_trials import failed_rules, screened_counts
from assets.typed import from_rows, kinds_of, to_arrow, to_frame
from tests.journey.frames import record
from tests.journey.manifests import manifest
from validations.findings import Finding, Severity, findings_frame
from validations.records import RECORD_SCHEMAS

Rows = list[dict[str, Any]]
CONSTRUCTS = ("intention", "behavior", "attitude", "knowledge")


def many_effects(seed: int = 3, trials: int = 12) -> Rows:
    """Effects of many trials on two scales, some of them not in the pools."""
    random = np.random.default_rng(seed)
    rows = []
    for trial in random.permutation(trials):
        for i in range(int(random.integers(0, 5))):
            for measure in ("SMD", "OR")[: int(random.integers(1, 3))]:
                known = random.random() < 0.8
                rows.append(record(f"o{i}", CONSTRUCTS[int(random.integers(4))]) | {
                    "trial_id": f"t{trial:02}", "collection_id": f"t{trial:02}",
                    "study_label": f"T {trial}", "outcome_row_id": f"t{trial:02}:o{i}",
                    "effect_id": f"t{trial:02}:o{i}:{measure}", "measure": measure,
                    "in_pool": bool(random.random() < 0.7), "yi": float(random.normal()),
                    "n1": float(random.integers(10, 99)) if known else None,
                    "n2": float(random.integers(10, 99)), "sei": 0.2,
                })  # fmt: skip
    return rows


def plain(rows: Any) -> Rows:
    """Rows with None for what is missing."""
    return [{k: None if v is None or v != v else v for k, v in row.items()} for row in rows]


@pytest.mark.parametrize("seed", range(5))
def test_outcomes_are_cut_by_what_they_measure(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [
        {
            "trial_id": f"t{i}",
            "outcome_row_id": f"r{i}",
            "construct": str(random.choice(CONSTRUCTS)),
        }
        for i in range(40)
    ]
    table = from_rows(rows, "outcome_rows")
    expected: dict[str, list[str]] = {name: [] for name in OUTCOME_TABLES}
    for row in rows:
        own = row["construct"] if row["construct"] in ("intention", "behavior") else "upstream"
        expected[f"{own}_outcomes"].append(row["outcome_row_id"])
    for name in OUTCOME_TABLES:
        assert outcomes_of_all(name, table)["outcome_row_id"].to_pylist() == expected[name], name
        assert outcomes_of_all(name, table.slice(0, 0)).num_rows == 0


def settled(
    rows: Rows, moderators: Rows | None = None, **manifests: Any
) -> tuple[pd.DataFrame, list[Finding]]:
    folders = sorted({row["collection_id"] for row in rows})
    known = {name: manifest(name=name, **manifests.get(name, {})) for name in folders}
    identities = [row for one in known.values() for row in identity_rows(one, ())]
    journeys = [
        {"collection_id": name, "topic": one.topic, "usable": True} for name, one in known.items()
    ]
    journeys.append({"collection_id": "bad", "usable": False})
    effects, found = effects_of_all(
        from_rows(rows, "effects"), from_rows(identities, "identities"),
        from_rows(journeys, "journeys"), from_rows(moderators or [], "moderators"),
    )  # fmt: skip
    return to_frame(effects), found


def test_effects_of_different_trials_stay_as_they_are() -> None:
    rows = many_effects()
    made, found = settled(rows)
    assert plain(made.to_dict("records")) == plain(
        to_frame(from_rows(rows, "effects")).to_dict("records")
    )
    assert found == []


def test_effects_of_one_trial_in_two_folders_leave_the_pools() -> None:
    rows = many_effects()
    twins = [
        record(o, c) | {
            "trial_id": name, "collection_id": name, "study_label": "Harris 2014", "sei": 0.2,
            "outcome_row_id": f"{name}:{o}", "effect_id": f"{name}:{o}:{m}", "measure": m,
        }
        for name in ("t03", "u")
        for o, c in (("i", "intention"), ("b", "behavior"))
        for m in ("SMD", "OR")
    ]  # fmt: skip
    rows = [row for row in rows if row["trial_id"] != "t03"]
    rows = [*rows[:5], *twins, *rows[5:]]
    made, found = settled(rows)
    assert [f.rule_id for f in found] == ["same_trial_twice"] * 2
    expected = []
    for row in plain(to_frame(from_rows(rows, "effects")).to_dict("records")):
        if row["trial_id"] in ("t03", "u"):
            row |= {"in_pool": False, "reason": "held: same_trial_twice"}
        expected.append(row)
    assert plain(made.to_dict("records")) == expected
    said = {"distinct_from": [{"trial": "t03", "reason": "they are two"}]}
    assert settled(rows, u=said)[0]["in_pool"].sum() == sum(row["in_pool"] for row in rows)


def test_labels_that_trials_write_differently_are_told() -> None:
    rows = [record() | {"trial_id": t, "collection_id": t, "outcome_row_id": t, "effect_id": t}
            for t in "tu"]  # fmt: skip
    levels = [{"trial_id": t, "moderator": "place", "kind": "category", "value": v}
              for t, v in (("t", "Home"), ("u", "home"))]  # fmt: skip
    about = {"t": {"topic": "Diet"}, "u": {"topic": "diet"}}
    _, found = settled(rows, levels, **about)
    assert [f.rule_id for f in found if f.severity is Severity.WARNING] == ["labels_alike"] * 2


@pytest.mark.parametrize("table", PAIR_TABLES)
@pytest.mark.parametrize("seed", range(3))
def test_pairs_need_both_effects_in_the_pools(table: str, seed: int) -> None:
    effects = many_effects(seed)
    random = np.random.default_rng(seed)
    ids = [row["effect_id"] for row in effects]
    ends = ("upstream_effect_id", "behavior_effect_id")
    one, two = ends if table == "paired_effects" else ("effect_id_1", "effect_id_2")
    made = [
        {"trial_id": f"p{i}", one: str(random.choice([*ids, "gone"])), two: str(random.choice(ids))}
        for i in range(60)
    ]
    pooled = {row["effect_id"] for row in effects if row["in_pool"]}
    expected = [row["trial_id"] for row in made if row[one] in pooled and row[two] in pooled]
    found = pairs_of_all(table, from_rows(made, table), from_rows(effects, "effects"))
    assert found["trial_id"].to_pylist() == expected and 0 < len(expected) < 60


def test_no_effects_leave_no_pairs() -> None:
    made = from_rows([{"trial_id": "t", "effect_id_1": "a", "effect_id_2": "b"}],
                     "effect_covariances")  # fmt: skip
    none = from_rows([], "effects")
    assert pairs_of_all("effect_covariances", made, none).num_rows == 0


@pytest.mark.parametrize("seed", range(5))
def test_trials_know_what_their_effects_give(seed: int) -> None:
    effects = many_effects(seed)
    names = [f"t{i:02}" for i in range(13)]
    given = [{"trial_id": name, "collection_id": name, "use": None} for name in names]
    made = to_frame(trials_of_all(from_rows(given, "trials"), from_rows(effects, "effects")))
    assert made["trial_id"].tolist() == names
    for row in plain(made.to_dict("records")):
        own = [e for e in effects if e["trial_id"] == row["trial_id"] and e["measure"] == "SMD"]
        pooled = {e["construct"] for e in own if e["in_pool"]}
        sizes = [e["n1"] + e["n2"] for e in own if e["n1"] is not None]
        upstream = bool(pooled - {"intention", "behavior"})
        told = (row["k_effects"], row["k_in_pool"], row["n_analyzed"])
        assert told == (len(own), sum(e["in_pool"] for e in own), max(sizes, default=None))
        has = (row["has_intention"], row["has_behavior"], row["has_upstream"])
        assert has == ("intention" in pooled, "behavior" in pooled, upstream)


def test_a_trial_that_stands_twice_is_no_table_of_trials() -> None:
    twice = from_rows([{"trial_id": "t"}, {"trial_id": "t"}], "trials")
    with pytest.raises(CardinalityError):
        trials_of_all(twice, from_rows([], "effects"))


def told(trial: str, rule: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(trial, rule, severity, "m", "f")


def test_findings_are_sorted_over_all_parts() -> None:
    parts = [
        [told("u", "a"), told("t", "b"), told("t", "c", Severity.ERROR)],
        [],
        [told("t", "d", Severity.HOLD)],
    ]
    tables = [to_arrow(findings_frame(part), "findings") for part in parts]
    made = findings_of_all(tables)
    order = [(row["trial_id"], row["rule_id"]) for row in made.to_dict("records")]
    assert order[-1] == ("u", "a")
    assert set(order[:-1]) == {("t", "b"), ("t", "c"), ("t", "d")} and len(order) == 4
    severities = made.loc[made["trial_id"] == "t", "severity"].tolist()
    assert severities[-1] == "warning" and sorted(severities[:2]) == ["error", "hold"]
    empty = findings_of_all([tables[1], tables[1]])
    assert empty.empty and list(empty.columns) == list(kinds_of("findings"))


def checks(*rows: tuple[str, str, str, bool, int, int]) -> pd.DataFrame:
    """(folder, kind, rule, success, evaluated, unexpected)."""
    names = ("collection_id", "kind", "rule_id", "success", "evaluated", "unexpected")
    made = [dict(zip(names, row, strict=True)) | {"column": "n"} for row in rows]
    return to_frame(from_rows(made, "checks"))


def test_checks_are_summed_over_trials() -> None:
    made = checks(
        ("t", "correlations", "z", True, 3, 0), ("t", "correlations", "y", True, 3, 0),
        ("t", "arm_summaries", "z", False, 90, 90), ("u", "correlations", "z", False, 5, 2),
    )  # fmt: skip
    found = [tuple(row) for row in failed_rules(made).to_numpy()]
    assert sorted(found) == [
        ("arm_summaries", "z", "n", 90.0, 90.0), ("correlations", "z", "n", 8.0, 2.0)
    ]  # fmt: skip
    assert failed_rules(checks()).empty
    counts = pd.DataFrame(
        [("t", "correlations", 3, 0), ("t", "arm_summaries", 0, 90), ("u", "correlations", 3, 2)],
        columns=["collection_id", "kind", "accepted", "rejected"],
    )
    told_of = screened_counts(to_frame(to_arrow(counts, "screened_counts")), made)
    assert list(told_of) == list(RECORD_SCHEMAS)
    assert told_of["correlations"] == {"accepted": 6, "rejected": 2, "failed_rules": ["z"]}
    assert told_of["arm_summaries"] == {"accepted": 0, "rejected": 90, "failed_rules": ["z"]}
    assert told_of["barrier_codings"] == {"accepted": 0, "rejected": 0, "failed_rules": []}
