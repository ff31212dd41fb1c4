"""What is kept of a journey: declared tables, counts of rows, and no row of a participant."""

from __future__ import annotations

from typing import Any

import pandas as pd

from assets.journey.contents import TABLES, journey_tables
from assets.journey.stacked import Journeys
from assets.journey.trial_journey import Journey, Screened
from assets.kept import KeptResults
from assets.outcomes.participants import ParticipantFacts
from assets.release.publishable import profiles_of
from assets.typed import to_frame
from tests.journey.manifests import manifest
from validations.findings import Finding, Severity
from validations.manifest.vocabulary import DisclosureProfile

ARMS = {"a": "experimental", "c": "control"}
PEOPLE = {"id": "p", "kind": "participant_rows", "file": "p.csv",
          "columns": {"participant": "id", "arm": "arm"}}  # fmt: skip
TABLE = {"id": "s", "kind": "reported_effects", "file": "a.csv",
         "blocks": [{"outcome": "o", "value": "v"}]}  # fmt: skip


def rows(trial: str, **more: Any) -> pd.DataFrame:
    about = {"trial_id": trial, "collection_id": "t", "study_label": trial.upper(), "file": "a.csv",
             "row": 2, "outcome": "i"}  # fmt: skip
    return pd.DataFrame([about | more])


def kept_of(journey: Journey, finger: str = "finger") -> dict[str, list[dict[str, Any]]]:
    tables = journey_tables(journey, finger)
    assert set(tables) <= set(TABLES) and all(len(table) for table in tables.values())
    assert list(tables) == [name for name in TABLES if name in tables]
    return {name: to_frame(table).to_dict("records") for name, table in tables.items()}


def check(rule: str, success: bool, evaluated: int, unexpected: int) -> dict[str, Any]:
    return {"rule_id": rule, "column": "n", "success": success, "evaluated": evaluated,
            "unexpected": unexpected, "raised": ""}  # fmt: skip


def test_records_are_counted_and_rejected_rows_kept() -> None:
    cells = ("x", 2, "i"), ("y", 2, "i"), ("x", 2, "b"), ("x", 3, "i")
    bad = pd.concat([rows("t", rule_id=r, row=n, outcome=o) for r, n, o in cells])
    more = rows("t", file="b.csv", rule_id="x")
    screened = {
        "arm_summaries": Screened(rows("t"), bad, [check("x", False, 5, 4)]),
        "correlations": Screened(rows("t"), more, [check("y", True, 3, 0)]),
    }
    made = kept_of(Journey("t", manifest(ARMS), screened=screened))
    assert made["screened_counts"] == [
        {"collection_id": "t", "kind": "arm_summaries", "accepted": 1.0, "rejected": 3.0},
        {"collection_id": "t", "kind": "correlations", "accepted": 1.0, "rejected": 1.0},
    ]
    assert len(made["rejected_rows"]) == 5
    told = [(row["kind"], row["rule_id"], row["success"], row["evaluated"], row["unexpected"])
            for row in made["checks"]]  # fmt: skip
    assert told == [("arm_summaries", "x", False, 5.0, 4.0), ("correlations", "y", True, 3.0, 0.0)]
    assert made["journeys"][0]["rows"] == 1 + 4 + 1 + 1


def test_accepted_participants_are_counted_and_not_copied() -> None:
    people = pd.concat([rows("t", participant=i, arm="secret") for i in range(5)])
    facts = ParticipantFacts(counts=[])
    journey = Journey(
        "t", manifest(ARMS, sources=[PEOPLE, TABLE]),
        files=[{"file": "p.csv", "sha256": "1"}, {"file": "a.csv", "sha256": "2"}],
        screened={"participant_rows": Screened(people, people.head(0), [])}, facts={"t": facts},
    )  # fmt: skip
    made = kept_of(journey)
    assert "secret" not in str(made)
    assert made["screened_counts"][0]["accepted"] == 5.0
    about = made["journeys"][0]
    assert about["has_participants"] and about["names_participants"] and about["usable"]
    words = [(row["word"], row["value"]) for row in made["identities"]]
    assert words == [("folder", "t"), ("file", "1")], "only files of participants tell a trial"


def test_a_folder_whose_manifest_cannot_be_used_keeps_its_account() -> None:
    finding = Finding("t", "manifest_missing", Severity.ERROR, "m", "f")
    made = kept_of(Journey("t", files=[{"file": "p.csv", "sha256": "3"}], findings=[finding]), "")
    assert set(made) == {"journeys", "trials", "files_read", "findings"}
    about = made["journeys"][0]
    assert about["usable"] is False and about["fingerprint"] == "" and about["profile"] is None
    assert made["trials"][0]["use"] == "manifest not usable"


def test_what_the_manifest_says_of_the_whole() -> None:
    own = manifest(
        ARMS, topic="diet", synthesis="second", sources=[PEOPLE],
        disclosure={"profile": "published", "reason": "r"},
    )  # fmt: skip
    correlations = {"correlations": Screened(rows("t"), pd.DataFrame(), [])}
    made = kept_of(Journey("t", own, screened=correlations, by_machine=True), "abc")
    about = made["journeys"][0]
    assert {name: about[name] for name in ("fingerprint", "topic", "profile")} == {
        "fingerprint": "abc", "topic": "diet", "profile": "published"
    }  # fmt: skip
    assert about["by_machine"] and not about["is_review"] and not about["has_participants"]
    assert made["accepted_correlations"][0]["synthesis"] == "second"


def test_profiles_of_trials_with_participants() -> None:
    people = {"participant_rows": Screened(rows("t"), pd.DataFrame(), [])}
    table = {"arm_summaries": Screened(rows("t"), pd.DataFrame(), [])}
    published = {"disclosure": {"profile": "published", "reason": "r"}}
    journeys = [
        Journey("t", manifest(ARMS, "t", **published), screened=people),
        Journey("u", manifest(ARMS, "u"), screened=people),
        Journey("table", manifest(ARMS, "table", sources=[PEOPLE]), screened=table),
        Journey("bad"),
    ]
    frame = pd.DataFrame([kept_of(one)["journeys"][0] for one in journeys])
    own, rounded, basic = (DisclosureProfile(n) for n in ("published", "rounded", "basic"))
    assert profiles_of(frame, "rounded") == {"t": own, "u": rounded}
    assert profiles_of(frame, "basic") == {"t": own, "u": basic}
    assert profiles_of(frame, "basic", "names_participants") == {"table": basic}


def test_tables_of_all_journeys_are_stacked_in_the_order_of_the_trials(tmp_path: Any) -> None:
    kept = KeptResults(tmp_path)
    for name in ("u", "none", "t"):
        pair = pd.DataFrame({"trial_id": [name] * 2, "effect_id_1": ["x", "y"]})
        tables = {} if name == "none" else {"effect_covariances": pair}
        journey = Journey(name, manifest(ARMS, name), tables=tables)
        kept.enter({name: kept.write(name, "", journey_tables(journey, ""))})
    journeys = Journeys(tmp_path)
    assert journeys.trials == ["none", "t", "u"]
    frame = journeys.frame("effect_covariances")
    assert list(zip(frame["trial_id"], frame["effect_id_1"], strict=True)) == [
        ("t", "x"), ("t", "y"), ("u", "x"), ("u", "y")
    ]  # fmt: skip
    assert journeys.frame("trials")["trial_id"].tolist() == ["none", "t", "u"]
    assert journeys.frame("participant_checks").empty
    assert set(journeys.tables(["arms", "findings"])) == {"arms", "findings"}
