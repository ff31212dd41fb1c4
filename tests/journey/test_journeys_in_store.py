"""What the store holds of several trials, put together by the steps after the journeys."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import assets.journey.kept as module
import pandas as pd
import pytest
from assets.journey.kept import Journeys, fingerprint, keep_traces, make_journeys
from assets.release.trials import collect_findings, describe_trials, disclosure_profiles
from assets.steps.effects import compute_effects, pair_effects, read_stack
from assets.steps.outcomes import assemble_outcomes, write_outcome_table
from assets.steps.records import screen_records

import assets.journey.trial_numbers as numbers
from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_journey import Journey, trial_journey
from assets.outcomes.participants import ParticipantFacts
from assets.staging.limits import Limits
from assets.store import TableStore
from tests.builders import arm_trial, participant_trial
from tests.journey.frames import record
from tests.journey.manifests import manifest
from validations.findings import Finding, Severity, findings_frame
from validations.manifest.vocabulary import DisclosureProfile
from validations.records import RECORD_SCHEMAS

ARMS = {"a": "experimental", "c": "control"}
LIMITS = Limits()


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    made = TableStore(tmp_path / "store")
    made.prepare()
    return made


def put(
    store: TableStore, trial: str, tables: dict[str, pd.DataFrame] | None = None, *,
    usable: bool = True, about: dict[str, Any] | None = None, **summary: Any,
) -> None:  # fmt: skip
    """A stored journey."""
    for name, frame in (tables or {}).items():
        store.write(f"journeys/{trial}/{name}", frame)
    own = manifest(ARMS, trial, **about or {}).model_dump(mode="json") if usable else None
    store.write_json(
        f"journeys/{trial}/summary",
        {"manifest": own, "tables": dict.fromkeys(tables or {}, ""), "checks": {}, "facts": {},
         "participants": [], "files": []} | summary,
    )  # fmt: skip


def check(rule: str, success: bool, evaluated: int, unexpected: int, column: str = "n") -> Any:
    return {"rule_id": rule, "column": column, "success": success, "evaluated": evaluated,
            "unexpected": unexpected, "raised": ""}  # fmt: skip


def test_checks_are_summed_over_trials(store: TableStore) -> None:
    put(store, "t", checks={"correlations": [check("z", True, 3, 0), check("y", True, 3, 0)],
                            "arm_summaries": [check("z", False, 90, 90)]})  # fmt: skip
    put(store, "u", checks={"correlations": [check("z", False, 5, 2), check("z", True, 5, 0, "r")]})
    journeys = Journeys(store, ["t", "u"])
    assert journeys.checks("correlations") == [
        check("z", False, 8, 2), check("y", True, 3, 0), check("z", True, 5, 0, "r")
    ]  # fmt: skip
    assert journeys.checks("barrier_codings") == []


def test_manifests_facts_and_files(store: TableStore) -> None:
    facts = ParticipantFacts(design_effects={"i": 1.5})
    people = {"id": "p", "kind": "participant_rows", "file": "p.csv",
              "columns": {"participant": "id", "arm": "arm"}}  # fmt: skip
    table = {"id": "s", "kind": "reported_effects", "file": "a.csv",
             "blocks": [{"outcome": "o", "value": "v"}]}  # fmt: skip
    put(store, "t", about={"sources": [people, table]}, facts={"t": facts.to_dict()},
        files=[{"file": "p.csv", "sha256": "1"}, {"file": "a.csv", "sha256": "2"}])  # fmt: skip
    put(store, "bad", usable=False, files=[{"file": "p.csv", "sha256": "3"}])
    journeys = Journeys(store, ["t", "bad"])
    assert journeys.manifests == {"t": manifest(ARMS, "t", sources=[people, table])}
    assert journeys.facts == {"t": facts}
    assert journeys.participant_files == {"t": frozenset({"1"})}


def test_tables_are_stacked_in_the_order_of_the_trials(store: TableStore) -> None:
    rows = [pd.DataFrame({"trial_id": [t], "effect_id_1": ["x"]}) for t in "tu"]
    put(store, "u", {"effect_covariances": rows[1]})
    put(store, "none")
    put(store, "t", {"effect_covariances": rows[0]})
    found = Journeys(store, ["t", "none", "u"]).stack("effect_covariances")
    assert found["trial_id"].tolist() == ["t", "u"]
    assert Journeys(store, ["none"]).stack("effect_covariances").empty


def test_traces_of_a_trial_and_of_its_studies(store: TableStore) -> None:
    for name in ("t", "t_x", "tt", "t2_x"):
        store.write_text(f"traces/{name}.txt", "old")
    keep_traces(store, Journey("t", traces={"t/y": "new", "t": "again"}))
    left = {p.name: p.read_text() for p in (store.root / "traces").iterdir()}
    assert left == {"tt.txt": "old", "t2_x.txt": "old", "t_y.txt": "new", "t.txt": "again"}


def accepted(trial: str, **more: Any) -> pd.DataFrame:
    return pd.DataFrame([
        {"trial_id": trial, "collection_id": trial.split("/")[0], "study_label": trial.upper(),
         "file": "a.csv", "row": 2, "outcome": "i"} | more
    ])  # fmt: skip


def test_records_are_put_together_with_counts(store: TableStore) -> None:
    cells = ("x", 2, "i"), ("y", 2, "i"), ("x", 2, "b"), ("x", 3, "i")
    bad = pd.concat([accepted("t", rule_id=r, row=n, outcome=o) for r, n, o in cells])
    put(store, "t", {"accepted_arm_summaries": accepted("t"), "rejected_arm_summaries": bad},
        checks={"arm_summaries": [check("x", False, 5, 4)]})  # fmt: skip
    put(store, "u", {"accepted_arm_summaries": accepted("u"),
                     "rejected_arm_summaries": accepted("u", file="b.csv")})  # fmt: skip
    report = screen_records(store, ["t", "u"], "arm_summaries")
    assert report == {"accepted": 2, "rejected": 4, "checks": [check("x", False, 5, 4)]}
    assert store.read_json("screened/arm_summaries_report") == report
    assert store.read("screened/arm_summaries")["trial_id"].tolist() == ["t", "u"]
    assert len(store.read("screened/arm_summaries_rejected")) == 5


def test_accepted_participants_are_counted_and_not_copied(store: TableStore) -> None:
    about = {"trial_id": "t", "collection_id": "t", "study_label": "T"}
    put(store, "t", {"rejected_participant_rows": accepted("t")},
        participants=[about | {"rows": 5}], checks={"participant_rows": []})  # fmt: skip
    put(store, "u", participants=[about | {"trial_id": "u/x", "rows": 2}])
    report = screen_records(store, ["t", "u"], "participant_rows")
    assert (report["accepted"], report["rejected"]) == (7, 1)
    assert store.read("screened/participant_rows").to_dict("records") == [
        about | {"rows": 5}, about | {"trial_id": "u/x", "rows": 2}
    ]  # fmt: skip
    assert screen_records(store, [], "participant_rows")["accepted"] == 0
    assert list(store.read("screened/participant_rows")) == [*about, "rows"]


def test_profiles_of_trials_with_participants(store: TableStore) -> None:
    people: dict[str, Any] = {"checks": {"participant_rows": []}}
    put(store, "t", about={"disclosure": {"profile": "published", "reason": "r"}}, **people)
    put(store, "u", **people)
    put(store, "bad", usable=False, **people)
    put(store, "table", checks={"arm_summaries": []})
    names = ["t", "u", "bad", "table"]
    rounded, published = DisclosureProfile.ROUNDED, DisclosureProfile.PUBLISHED
    assert disclosure_profiles(store, names) == {"t": published, "u": rounded, "bad": rounded}
    store.write_json("settings", {"disclosure": "basic"})
    basic = DisclosureProfile.BASIC
    assert disclosure_profiles(store, names) == {"t": published, "u": basic, "bad": basic}


def test_outcomes_are_cut_into_three_tables(store: TableStore) -> None:
    rows = pd.DataFrame(
        {"trial_id": list("tuv"), "construct": ["behavior", "intention", "attitude"]}
    )
    put(store, "t", {"outcome_rows": rows})
    assert len(assemble_outcomes(store, ["t"])) == 3
    assert len(store.read("outcomes/outcome_rows")) == 3
    for name, trial in (("intention", "u"), ("behavior", "t"), ("upstream", "v")):
        assert write_outcome_table(store, name)["trial_id"].tolist() == [trial]
        assert store.read(f"outcomes/{name}_outcomes")["trial_id"].tolist() == [trial]


def effects(trial: str, **more: Any) -> pd.DataFrame:
    """The pair of effects of a trial, with `study_label` and numbers of its own."""
    yi = {"t": 0.3, "u": 0.5}.get(trial, 0.9)
    about = {"trial_id": trial, "collection_id": trial, "study_label": f"{trial} 2020",
             "sei": 0.2, "yi": yi} | more  # fmt: skip
    rows = [
        record(o, k) | about | {"outcome_row_id": f"{trial}:{o}", "effect_id": f"{trial}:{o}:SMD"}
        for o, k in (("i", "intention"), ("b", "behavior"))
    ]
    return pd.DataFrame(rows).drop(columns=["share", "comparison"])


def pairs(trial: str) -> dict[str, pd.DataFrame]:
    ids = {"trial_id": trial, "effect_id_1": f"{trial}:i:SMD", "effect_id_2": f"{trial}:b:SMD",
           "covariance": 0.01}  # fmt: skip
    return {
        "effect_covariances": pd.DataFrame([ids | {"correlation": 0.2, "origin": "assumed"}]),
        "assumed_covariances": pd.DataFrame(
            [ids | {"assumed_correlation": r, "covariance": r / 20} for r in (0.0, 0.3)]
        ),
        "paired_effects": pd.DataFrame([
            {"pair_id": trial, "trial_id": trial, "upstream_effect_id": f"{trial}:i:SMD",
             "behavior_effect_id": f"{trial}:b:SMD"}
        ]),
    }  # fmt: skip


def test_one_trial_in_two_folders_leaves_the_pools_with_its_pairs(store: TableStore) -> None:
    put(store, "t", {"effects": effects("t")} | pairs("t"))
    for name in ("u", "v"):
        same = effects(name, study_label="Harris 2014", yi=0.7)
        put(store, name, {"effects": same} | pairs(name))
    trials = ["t", "u", "v"]
    made = compute_effects(store, trials)
    assert made.loc[made["in_pool"], "trial_id"].tolist() == ["t", "t"]
    assert set(made.loc[~made["in_pool"], "reason"]) == {"held: same_trial_twice"}
    pd.testing.assert_frame_equal(store.read("effects/effects"), made)
    told = store.read("effects/findings")
    assert told["rule_id"].tolist() == ["same_trial_twice"] * 2
    assert pair_effects(store, trials)["pair_id"].tolist() == ["t"]
    assert store.read("pairs/effect_covariances")["trial_id"].tolist() == ["t"]
    assert store.read("pairs/assumed_covariances").index.tolist() == [0, 1]
    stack = read_stack(store)
    assert stack.values("effect_id") == ["t:i:SMD", "t:b:SMD"]
    assert stack.trials[0].covariance[0, 1] == 0.01
    assert read_stack(store, 0.3).trials[0].covariance[0, 1] == pytest.approx(0.015)


@pytest.mark.parametrize("gone", ["i", "b"])
def test_pairs_need_both_effects_in_the_pools(store: TableStore, gone: str) -> None:
    rows = effects("t")
    rows.loc[rows["outcome_id"] == gone, "in_pool"] = False
    put(store, "t", {"effects": rows} | pairs("t"))
    compute_effects(store, ["t"])
    assert pair_effects(store, ["t"]).empty
    assert store.read("pairs/effect_covariances").empty
    assert len(read_stack(store).values("effect_id")) == 1


def prepared(store: TableStore, **records: pd.DataFrame) -> None:
    for kind in RECORD_SCHEMAS:
        empty = pd.DataFrame({"trial_id": []})
        store.write(f"screened/{kind}", records.get(kind, empty))
        store.write(f"screened/{kind}_rejected", records.get(f"{kind}_rejected", empty))


def test_trials_are_described(store: TableStore) -> None:
    about = {"risk_of_bias": {"overall": "low", "domains": {"deviations": "high"}},
             "moderators": [{"name": "age", "column": "years"}]}  # fmt: skip
    values = pd.DataFrame([{"trial_id": "t/x", "collection_id": "t", "study_label": "X",
                            "comparison": "", "column": "years", "value": "40"}])  # fmt: skip
    put(store, "t", {"study_values": values}, about=about)
    put(store, "u")
    put(store, "bad", usable=False)
    prepared(store, arm_summaries=pd.concat([accepted("t/x"), accepted("t/x", study_label="no")]),
             correlations=accepted("t/y"))  # fmt: skip
    store.write("effects/effects", effects("t/x", collection_id="t"))
    numbers = pd.DataFrame({"collection_id": ["t"], "arm": ["a"], "n": [12.0]})
    store.write("outcomes/arm_statistics", numbers)
    table = describe_trials(store, ["t", "u", "bad"])
    assert table[["trial_id", "collection_id", "label", "use"]].to_numpy().tolist() == [
        ["t/x", "t", "T/X", "both outcomes"], ["t/y", "t", "T/Y", "no between-arm effect"],
        ["u", "u", "U 2020", "no between-arm effect"], ["bad", "bad", "bad", "manifest not usable"],
    ]  # fmt: skip
    assert len(store.read("context/trials")) == 4
    assert store.read("context/arms")["n_analyzed"].max() == 12.0
    assert store.read("context/instruments")["collection_id"].tolist() == ["t", "t", "u", "u"]
    assert store.read("context/risk_of_bias")["judgment"].tolist() == ["high"]
    assert store.read("context/moderators")["value"].tolist() == ["40"]


def finding(rule: str) -> pd.DataFrame:
    return findings_frame([Finding("t", rule, Severity.WARNING, "m", "f")])


def test_findings_and_rejected_rows_are_collected(store: TableStore) -> None:
    put(store, "t", {"findings": finding("own")})
    store.write("effects/findings", finding("of_effects"))
    store.write("synthesis/pools_findings", finding("of_pools"))
    prepared(store, correlations_rejected=accepted("t"), arm_summaries_rejected=accepted("u"))
    made = collect_findings(store, ["t"], ["pools"])
    assert set(made["rule_id"]) == {"own", "of_effects", "of_pools"}
    assert len(store.read("context/findings")) == 3
    rejected = store.read("context/rejected_rows")
    assert set(rejected["trial_id"]) == {"t", "u"} and rejected.index.tolist() == [0, 1]
    assert set(collect_findings(store, ["t"])["rule_id"]) == {"own", "of_effects"}
    prepared(store)
    collect_findings(store, ["t"])
    assert store.read("context/rejected_rows").empty


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journeys without the second look and pingouin, which take seconds."""
    monkeypatch.setattr(numbers, "participant_checks", lambda *rows: [])
    monkeypatch.setattr(module, "second_look", lambda journeys: journeys)


@pytest.mark.usefixtures("plain")
def test_a_journey_is_kept_and_read_back(store: TableStore, tmp_path: Path) -> None:
    recipe = participant_trial(persons=24).but("P001,control", "P001,nobody", "people.csv")
    folder = recipe.write(tmp_path)
    said: list[str] = []
    settings = AnalysisSettings()
    made = make_journeys(store, [folder], settings, said.append)["small_trial"]
    assert said == ["reading trials 1/1", "judging the rows a second time"]
    journey = trial_journey(folder, settings)
    screened = journey.screened["participant_rows"]
    assert len(screened.accepted) == 46 and journey.manifest is not None
    expected = {
        "collection_id": "small_trial", "fingerprint": fingerprint(folder, ["people.csv"]),
        "by_machine": False, "manifest": journey.manifest.model_dump(mode="json"),
        "files": journey.files, "rows": 46 + len(screened.rejected),
        "checks": {"participant_rows": screened.checks},
        "participants": [{"trial_id": "small_trial", "collection_id": "small_trial",
                          "study_label": screened.accepted["study_label"].iloc[0], "rows": 46}],
        "facts": {"small_trial": journey.facts["small_trial"].to_dict()},
        "findings": len(journey.findings), "reused": False,
    }  # fmt: skip
    assert {name: made[name] for name in expected} == expected
    assert set(made) == {*expected, "key", "tables"} and len(made["key"]) == 64
    assert set(made["tables"]) == {
        *journey.tables, "accepted_participant_rows", "rejected_participant_rows", "findings"
    }  # fmt: skip
    room = store.root / "journeys" / "small_trial"
    assert {p.stem for p in room.glob("*.parquet")} == set(made["tables"])
    journeys = Journeys(store, ["small_trial"])
    assert journeys.facts == journey.facts and journeys.manifests["small_trial"].id == "small_trial"
    assert sorted(f.rule_id for f in journeys.findings) == sorted(
        f.rule_id for f in journey.findings
    )
    assert len(journeys.stack("rejected_participant_rows")) == len(screened.rejected)
    said.clear()
    again = make_journeys(store, [folder], settings, said.append)["small_trial"]
    assert again["reused"] and again["key"] == made["key"] and said == ["reading trials 1/1"]


@pytest.mark.usefixtures("plain")
def test_a_folder_without_a_manifest_is_kept_by_its_name(store: TableStore, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    made = make_journeys(store, [folder], AnalysisSettings())["empty"]
    assert made["manifest"] is None and set(made["tables"]) == {"findings"} and made["rows"] == 0
    assert make_journeys(store, [folder], AnalysisSettings())["empty"]["reused"]


@pytest.mark.usefixtures("plain")
def test_what_is_known_depends_on_settings_bytes_and_tables(
    store: TableStore, tmp_path: Path
) -> None:
    folder = arm_trial().write(tmp_path)

    def known(limits: Limits = LIMITS, **settings: Any) -> bool:
        made_with = module.MadeWith(AnalysisSettings(**settings), limits)
        return module._known(store, folder, made_with) is not None

    assert not known()
    make_journeys(store, [folder], AnalysisSettings())
    assert known() and not known(level=0.9)
    assert not any(known(replace(LIMITS, **{f.name: 7})) for f in fields(Limits))
    table = (folder / "table.csv").read_text()
    (folder / "table.csv").write_text(table + "\n")
    assert not known()
    (folder / "table.csv").write_text(table)
    assert known()
    summary = store.read_json("journeys/arms_trial/summary")
    for change in ({"key": ""}, {"manifest": 3}, {"manifest": {}}, {"tables": None}, {"tables": 5}):
        store.write_json("journeys/arms_trial/summary", summary | change)
        assert not known()
    store.write_json("journeys/arms_trial/summary", summary)
    assert known()
    store.remove_file("journeys/arms_trial/effects.parquet")
    assert not known()
