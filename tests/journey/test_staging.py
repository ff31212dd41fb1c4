"""Trial folders as records: which row says what, in the words of the manifest, still as text."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from assets.sources.extraction import IDENTITY, slug
from assets.sources.staging import StagedTrial, stage_trial

ARMS = [{"id": "a", "role": "experimental"}, {"id": "c", "role": "control"}]
INTENTION = {"id": "i", "construct": "intention", "scale": {"type": "continuous"},
             "higher_is_better": True}  # fmt: skip
BEHAVIOR = {"id": "b", "construct": "behavior", "scale": {"type": "binary"},
            "higher_is_better": True}  # fmt: skip


@pytest.fixture
def staged(tmp_path: Path) -> Any:
    """Stage a trial of the given sources and texts of files."""

    def make(sources: list[dict[str, Any]], texts: dict[str, str], **more: Any) -> StagedTrial:
        folder = tmp_path / "t"
        folder.mkdir()
        about = {
            "ibgap": 1, "id": "t", "label": "T 2020", "design": {"type": "parallel"}, "arms": ARMS,
            "sources": sources, "outcomes": [INTENTION, BEHAVIOR],
            "provenance": {"citation": "c", "source": "s", "license": "l"},
        }  # fmt: skip
        (folder / "trial.yaml").write_text(yaml.safe_dump(about | more, sort_keys=False))
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        return stage_trial(folder, b"key")

    return make


def arms(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    block = {"arm": "arm", "n": "n", "mean": "m", "sd": "sd", "values": {"outcome": "i"}}
    return {"id": "s", "kind": "arm_summaries", "file": "a.csv",
            "blocks": list(blocks) or [block]} | more  # fmt: skip


def people(**more: Any) -> dict[str, Any]:
    return {"id": "s", "kind": "participant_rows", "file": "p.csv",
            "columns": {"participant": "id", "arm": "arm"}} | more  # fmt: skip


TABLE = "arm,n,m,sd\na,20,3.5,1.1\nc,22,3.0,1.2\n"


def rules(found: StagedTrial) -> list[str]:
    return [f.rule_id for f in found.findings]


def test_a_table_of_arms(staged: Any) -> None:
    found = staged([arms()], {"a.csv": TABLE})
    frame = found.records["arm_summaries"]
    assert list(frame.columns[:8]) == IDENTITY == [
        "trial_id", "collection_id", "study_label", "source_id", "file", "row", "block", "found_in"
    ]  # fmt: skip
    first, second = frame.to_dict("records")
    expected = {
        "trial_id": "t", "collection_id": "t", "study_label": "T 2020", "source_id": "s",
        "file": "a.csv", "row": 2, "block": 0, "study": "", "comparison": "", "instrument": "",
        "arm": "a", "outcome": "i", "weeks": "", "days": "", "timepoint": "", "n": "20",
        "mean": "3.5", "sd": "1.1", "se": "", "median": "", "q1": "", "q3": "", "minimum": "",
        "maximum": "", "events": "", "percent": "",
        "found_in": json.dumps({"arm": "arm", "mean": "m", "n": "n", "sd": "sd"}),
    }  # fmt: skip
    assert first == expected
    assert (second["row"], second["arm"], second["mean"]) == (3, "c", "3.0")
    data = TABLE.encode()
    assert found.files == [{"file": "a.csv", "sha256": hashlib.sha256(data).hexdigest(),
                            "bytes": len(data), "rows": 2}]  # fmt: skip
    assert found.collection_id == "t" and found.findings == [] and found.study_values.empty
    assert found.manifest is not None and found.unlinked == frozenset()


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    found = stage_trial(tmp_path / "t", b"key")
    assert found.manifest is None and found.records == {} and len(found.findings) == 1


def test_a_file_that_cannot_be_read_leaves_the_others(staged: Any) -> None:
    found = staged([arms(), arms(id="s2", file="b.csv")], {"b.csv": TABLE})
    assert set(found.records["arm_summaries"]["source_id"]) == {"s2"}
    assert [f.file for f in found.findings] == ["a.csv"] and len(found.files) == 1


def test_blocks_of_wide_rows(staged: Any) -> None:
    """A row may leave a block empty; a number of persons or weeks alone does not fill one."""
    blocks = [
        {"arm": "arm", "n": "n", "weeks": "w", "mean": m, "sd": sd, "values": {"outcome": o}}
        for m, sd, o in (("m1", "s1", "i"), ("m2", "s2", "b"))
    ]
    text = "arm,n,w,m1,s1,m2,s2\na,9,1,1,2,3,4\nc,9,1,,,5,\na,9,1,6,,,\n"
    frame = staged([arms(*blocks)], {"a.csv": text}).records["arm_summaries"]
    found = list(zip(frame["block"], frame["row"], frame["outcome"], frame["mean"], strict=True))
    assert found == [(0, 2, "i", "1"), (0, 4, "i", "6"), (1, 2, "b", "3"), (1, 3, "b", "5")]


def test_a_single_block_keeps_its_empty_rows(staged: Any) -> None:
    frame = staged([arms()], {"a.csv": TABLE + "a,,,\n"}).records["arm_summaries"]
    assert list(frame["n"]) == ["20", "22", ""] and list(frame["row"]) == [2, 3, 4]


def test_kinds_of_sources(staged: Any) -> None:
    block = {"outcome": "o", "value": "v", "values": {"statistic": "d"}}
    sources = [
        {"id": "e", "kind": "reported_effects", "file": "e.csv", "blocks": [block]},
        {"id": "r", "kind": "correlations", "file": "r.csv",
         "columns": {"variable_1": "x", "variable_2": "y", "r": "r", "n": "n"}},
        {"id": "k", "kind": "intention_by_action", "file": "k.csv",
         "columns": {"arm": "arm", "inclined_actors": "yy", "inclined_abstainers": "yn",
                     "disinclined_actors": "ny", "disinclined_abstainers": "nn",
                     "values": {"intention": "i", "behavior": "b"}}},
        {"id": "d", "kind": "barrier_codings", "file": "d.csv", "columns": {"dimension": "dim"}},
    ]  # fmt: skip
    texts = {"e.csv": "o,v\ni,0.3\n", "r.csv": "x,y,r,n\ni,b,0.4,50\n",
             "k.csv": "arm,yy,yn,ny,nn\na,1,2,3,4\n", "d.csv": "dim\ncognitive\n"}  # fmt: skip
    found = staged(sources, texts).records
    assert set(found) == {"reported_effects", "correlations", "intention_by_action",
                          "barrier_codings"}  # fmt: skip
    assert found["reported_effects"][["outcome", "statistic", "value"]].iloc[0].tolist() == [
        "i", "d", "0.3"
    ]  # fmt: skip
    assert found["correlations"][["variable_1", "variable_2", "r", "n"]].iloc[0].tolist() == [
        "i", "b", "0.4", "50"
    ]  # fmt: skip
    row = found["intention_by_action"].iloc[0]
    assert row[["arm", "intention", "behavior", "inclined_actors", "inclined_abstainers",
                "disinclined_actors", "disinclined_abstainers"]].tolist() == [
        "a", "i", "b", "1", "2", "3", "4"
    ]  # fmt: skip
    assert found["barrier_codings"]["dimension"].tolist() == ["cognitive"]


def test_rows_filled_down_filtered_and_recoded(staged: Any) -> None:
    text = (
        "arm,n,m,sd,wave\n Letter ,20,3.5,1.1,1\n,21,3.6,-9,1\nControl,22,3.0,1.2,2\n"
        "Control,23,3.1,-9.0,3\n"
    )
    source = arms(
        fill_down=["arm"], where={"wave": ["1", "3"]}, missing_codes=["-9"],
        recode={"arm": {"Letter": "a", "Control": "c"}},
    )  # fmt: skip
    found = staged([source], {"a.csv": text})
    frame = found.records["arm_summaries"]
    assert frame[["arm", "n", "sd", "row"]].to_numpy().tolist() == [
        ["a", "20", "1.1", 2], ["a", "21", "", 3], ["c", "23", "", 5]
    ]  # fmt: skip
    (finding,) = found.findings
    assert (finding.trial_id, finding.rule_id, finding.severity.value, finding.count) == (
        "t", "rows_filtered", "info", 1
    )  # fmt: skip
    assert finding.message == "1 rows are left out by `where:` (wave)" and finding.file == "a.csv"


def test_nothing_is_filled_down_unless_declared(staged: Any) -> None:
    frame = staged([arms()], {"a.csv": "arm,n,m,sd\na,1,2,3\n,4,5,6\n"}).records["arm_summaries"]
    assert list(frame["arm"]) == ["a", ""]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("3,5", "3.5"), ("1.234,5", "1234.5"), ("1.234", "1234"), ("-1.234.567", "-1234567"),
        ("12.34", "12·34"), ("1234.567", "1234·567"), ("3.5", "3·5"), ("7", "7"),
    ],
)  # fmt: skip
def test_decimal_commas(staged: Any, cell: str, text: str) -> None:
    source = arms(format={"delimiter": ";", "decimal": ","})
    found = staged([source], {"a.csv": f"arm;n;m;sd\na;20;{cell};1,5\n"})
    assert found.records["arm_summaries"][["mean", "sd"]].iloc[0].tolist() == [text, "1.5"]


def test_decimal_points_are_left_alone(staged: Any) -> None:
    found = staged([arms()], {"a.csv": "arm,n,m,sd\na,20,1.234,1.5\n"})
    assert found.records["arm_summaries"]["mean"].tolist() == ["1.234"]


def review(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    block = {"study": ["who", "year"], "comparison": "dose", "arm": "arm", "n": "n", "mean": "m",
             "sd": "sd", "values": {"outcome": "i"}}  # fmt: skip
    return arms(*(blocks or [block]), **more)


REVIEW = "who,year,dose,arm,n,m,sd,r,age\n"
OF_REVIEW = {"arms": [], "design": {"type": "review"}}


def test_studies_of_a_review(staged: Any) -> None:
    text = REVIEW + "Müller,2010,low,intervention,9,1,2,,\n,,low,intervention,8,1,2,,\n"
    frame = staged([review()], {"a.csv": text}, **OF_REVIEW).records["arm_summaries"]
    assert frame["trial_id"].tolist() == ["t/muller_2010", "t"]
    assert frame["study_label"].tolist() == ["Müller 2010", "T 2020"]
    assert frame["collection_id"].tolist() == ["t", "t"]
    assert json.loads(frame["found_in"][0])["study"] == "who + year"


def test_studies_whose_labels_differ_only_in_signs(staged: Any) -> None:
    text = REVIEW + "".join(
        f"{who},,low,intervention,9,1,2,0.3,4\n" for who in ("LOW", "LOW+", "X")
    )
    moderators = [{"name": "age", "column": "age"}]
    found = staged([review()], {"a.csv": text}, moderators=moderators, **OF_REVIEW)
    marks = [hashlib.sha256(one.encode()).hexdigest()[:4] for one in ("LOW", "LOW+")]
    expected = [f"t/low_{marks[0]}", f"t/low_{marks[1]}", "t/x"]
    assert found.records["arm_summaries"]["trial_id"].tolist() == expected
    assert found.study_values["trial_id"].tolist() == expected
    assert rules(found) == ["labels_alike"]


def test_columns_of_moderators_and_correlations(staged: Any) -> None:
    text = REVIEW + "A,,low,intervention,9,1,2,0.3,41\nB,,high,comparator,9,1,2,0.4,\n"
    pairs = [{"upstream": "i", "behavior": "b",
              "correlation": {"column": "r", "origin": "reported_within_arm"}}]  # fmt: skip
    moderators = [{"name": "age", "column": "age"}, {"name": "fixed", "value": "x"},
                  {"name": "again", "column": "age", "source": "s"}]  # fmt: skip
    found = staged([review()], {"a.csv": text}, pairs=pairs, moderators=moderators, **OF_REVIEW)
    assert found.study_values.to_dict("records") == [
        {"trial_id": f"t/{s.lower()}", "collection_id": "t", "study_label": s, "comparison": d,
         "column": column, "value": value}
        for column, cells in (("age", ("41", "")), ("r", ("0.3", "0.4")))
        for s, d, value in zip("AB", ("low", "high"), cells, strict=True)
    ]  # fmt: skip


def test_values_of_a_table_without_studies(staged: Any) -> None:
    found = staged([arms()], {"a.csv": "arm,n,m,sd,age\na,9,1,2,30\n"},
                   moderators=[{"name": "age", "column": "age"}])  # fmt: skip
    assert found.study_values.to_dict("records") == [
        {"trial_id": "t", "collection_id": "t", "study_label": "T 2020", "comparison": "",
         "column": "age", "value": "30"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sources", "source", "told"),
    [(1, "", True), (1, "s", True), (2, "", False), (2, "s", True), (2, "s2", True)],
)
def test_columns_that_no_file_has(staged: Any, sources: int, source: str, told: bool) -> None:
    own = [arms(), arms(id="s2", file="b.csv")][:sources]
    about = {"name": "age", "column": "age"} | ({"source": source} if source else {})
    found = staged(own, {"a.csv": TABLE, "b.csv": TABLE}, moderators=[about])
    assert bool(found.findings) is told and found.study_values.empty
    if told and sources == 2:
        assert [f.file for f in found.findings] == ["a.csv" if source == "s" else "b.csv"]


def test_columns_are_taken_from_the_source_that_is_named(staged: Any) -> None:
    aged = TABLE.replace("sd\n", "sd,age\n")
    with_age = [aged.replace("1.1", f"1.1,{x}").replace("1.2", f"1.2,{x}") for x in (30, 40)]
    own = [arms(), arms(id="s2", file="b.csv")]
    texts = dict(zip(("a.csv", "b.csv"), with_age, strict=True))
    found = staged(own, texts, moderators=[{"name": "age", "column": "age", "source": "s2"}])
    assert found.study_values["value"].tolist() == ["40", "40"]


OUTCOMES = [
    INTENTION | {"column": "want", "scale": {"type": "ordinal", "min": 1, "max": 7}},
    BEHAVIOR | {"column": "went", "scale": {"type": "binary", "acted_values": ["yes"],
                                            "not_acted_values": ["no"]}},
]  # fmt: skip
PEOPLE = (
    "id,arm,want,went,pre,site,q1,q2,arm2\n"
    "P 1,a,5,yes,4,x,1,2,c\nP2,c,3,no,,y,3,,c\n,c,,yes,2,y,5,6,a\n"
)


def pseudonym(person: str) -> str:
    return hmac.new(b"key", f"t\x00{person}".encode(), hashlib.sha256).hexdigest()[:24]


def test_participants(staged: Any) -> None:
    found = staged([people()], {"p.csv": PEOPLE}, outcomes=OUTCOMES)
    frame = found.records["participant_rows"]
    assert list(frame.columns) == [*IDENTITY, "participant", "arm", "cluster", "outcome", "value",
                                   "baseline", "scale_min", "scale_max", "scale_type"]  # fmt: skip
    first, second, third, fourth, fifth = frame.to_dict("records")
    assert first == {
        "trial_id": "t", "collection_id": "t", "study_label": "T 2020", "source_id": "s",
        "file": "p.csv", "row": 2, "block": 0, "participant": pseudonym("P 1"), "arm": "a",
        "cluster": "", "outcome": "i", "value": "5", "baseline": "", "scale_min": "1.0",
        "scale_max": "7.0", "scale_type": "ordinal", "found_in": first["found_in"],
    }  # fmt: skip
    assert json.loads(first["found_in"]) == {"participant": "id", "arm": "arm", "value": "want",
                                             "baseline": ""}  # fmt: skip
    assert (second["participant"], second["value"], second["row"]) == (pseudonym("P2"), "3", 3)
    assert [r["value"] for r in (third, fourth, fifth)] == ["1", "0", "1"]
    assert (third["scale_min"], third["scale_max"], third["scale_type"]) == ("", "", "binary")
    assert fifth["participant"] == "" and "participant_items" not in found.records
    assert found.findings == [] and found.study_values.empty


def test_baselines_clusters_items_and_arms_of_an_outcome(staged: Any) -> None:
    own = [OUTCOMES[0] | {"baseline_column": "pre", "item_columns": ["q1", "q2"],
                          "arm_column": "arm2"}]  # fmt: skip
    source = people(columns={"participant": "id", "arm": "arm", "cluster": "site"})
    found = staged([source], {"p.csv": PEOPLE}, outcomes=own).records
    frame = found["participant_rows"]
    assert frame[["arm", "cluster", "baseline"]].to_numpy().tolist() == [
        ["c", "x", "4"], ["c", "y", ""]
    ]  # fmt: skip
    assert json.loads(frame["found_in"][0]) == {
        "participant": "id", "arm": "arm2", "cluster": "site", "value": "want", "baseline": "pre"
    }  # fmt: skip
    items = found["participant_items"]
    persons = [pseudonym("P 1"), pseudonym("P2"), ""]
    assert items.to_dict("records") == [
        {"collection_id": "t", "outcome": "i", "participant": person, "item": item, "value": value}
        for item, cells in (("q1", "135"), ("q2", ("2", "", "6")))
        for person, value in zip(persons, cells, strict=True)
    ]  # fmt: skip


def test_cells_of_numbers_stay_as_found(staged: Any) -> None:
    """Only labels lose marks that nobody sees; a number with one is a fault to be told."""
    mark = "\u200b"
    own = [OUTCOMES[0] | {"baseline_column": "pre", "item_columns": ["q1"]}]
    text = f"id,arm,want,pre,q1\nP1{mark},a{mark},5{mark},4{mark},3{mark}\n"
    found = staged([people()], {"p.csv": text}, outcomes=own).records
    row = found["participant_rows"].iloc[0]
    assert (row["arm"], row["participant"]) == ("a", pseudonym("P1"))
    assert (row["value"], row["baseline"]) == (f"5{mark}", f"4{mark}")
    assert found["participant_items"]["value"].tolist() == [f"3{mark}"]


def test_cells_of_arms_stay_as_found(staged: Any) -> None:
    frame = staged([arms()], {"a.csv": "arm,n,m,sd\na\u200b,20,3\u200b,1\n"}).records[
        "arm_summaries"
    ]
    assert frame[["arm", "mean"]].to_numpy().tolist() == [["a", "3\u200b"]]


def test_columns_of_outcomes_must_be_there(staged: Any) -> None:
    own = [OUTCOMES[0] | {"baseline_column": "before"}]
    found = staged([people()], {"p.csv": PEOPLE}, outcomes=own)
    assert found.records == {} and "before" in found.findings[0].text()


def test_outcomes_of_two_sources(staged: Any) -> None:
    sources = [people(), people(id="s2", file="q.csv")]
    own = [OUTCOMES[0] | {"source": "s"}, OUTCOMES[1] | {"source": "s2"}]
    found = staged(sources, {"p.csv": PEOPLE, "q.csv": PEOPLE}, outcomes=own)
    frame = found.records["participant_rows"]
    assert set(zip(frame["source_id"], frame["outcome"], strict=True)) == {("s", "i"), ("s2", "b")}
    assert found.findings == [] and found.unlinked == frozenset()


MOVED = PEOPLE.replace("P 1,a", "P 1,c").replace("P2,c", "P2,a")


@pytest.mark.parametrize(("design", "told"), [("parallel", True), ("crossover", False)])
def test_persons_that_change_arms(staged: Any, design: str, told: bool) -> None:
    sources = [people(), people(id="s2", file="q.csv")]
    own = [OUTCOMES[0] | {"source": "s"}, OUTCOMES[1] | {"source": "s2"}]
    found = staged(
        sources, {"p.csv": PEOPLE, "q.csv": MOVED}, outcomes=own, design={"type": design}
    )
    assert bool(found.unlinked) is told is (rules(found) == ["participants_do_not_meet"])


def test_ids_that_never_meet_leave_the_sources_unlinked(staged: Any) -> None:
    sources = [people(), people(id="s2", file="q.csv")]
    own = [OUTCOMES[0] | {"source": "s"}, OUTCOMES[1] | {"source": "s2"}]
    others = PEOPLE.replace("P 1", "Alpha").replace("P2", "Beta")
    found = staged(sources, {"p.csv": PEOPLE, "q.csv": others}, outcomes=own)
    assert found.unlinked == frozenset({frozenset({"s", "s2"})})
    assert "only 0 of 2 meet" in found.findings[0].message


@pytest.mark.parametrize(
    ("moderator", "told"),
    [
        ({"column": "site"}, True),
        ({"column": "site", "source": "s"}, True),
        ({"value": "x"}, False),
    ],
)
def test_no_cell_of_a_person_is_a_moderator(
    staged: Any, moderator: dict[str, str], told: bool
) -> None:
    found = staged([people()], {"p.csv": PEOPLE}, outcomes=OUTCOMES,
                   moderators=[{"name": "place"} | moderator])  # fmt: skip
    assert (rules(found) == ["moderator_of_participants"]) is told and found.study_values.empty
    if told:
        assert "'place' names the column 'site'" in found.findings[0].message


def test_a_moderator_of_another_source_is_no_moderator_of_persons(staged: Any) -> None:
    text = TABLE.replace("sd\n", "sd,site\n").replace("1.1", "1.1,x").replace("1.2", "1.2,x")
    found = staged([people(), arms(id="s2")], {"p.csv": PEOPLE, "a.csv": text}, outcomes=OUTCOMES,
                   moderators=[{"name": "place", "column": "site"}])  # fmt: skip
    assert rules(found) == [] and found.study_values["value"].tolist() == ["x", "x"]


def test_drafts_that_nobody_completed(staged: Any) -> None:
    about = {"citation": "CHECK the year", "source": "s", "license": "CHECK", "doi": "no CHECK"}
    found = staged([arms()], {"a.csv": TABLE}, provenance=about)
    assert rules(found) == ["manifest_unfinished"] * 2
    assert [f.message for f in found.findings] == [
        "provenance.citation still says CHECK", "provenance.license still says CHECK"
    ]  # fmt: skip
    assert {(f.trial_id, f.severity.value, f.file) for f in found.findings} == {
        ("t", "warning", "trial.yaml")
    }  # fmt: skip


def test_slugs() -> None:
    assert slug("van Koningsbruggen 2009b") == "van_koningsbruggen_2009b"
    assert slug("  Müller & Öz (2010)! ") == "muller_oz_2010"
    assert slug("??") == slug("") == "study"


def test_columns_that_recode_or_filter_must_be_there(staged: Any) -> None:
    found = staged([arms(recode={"nowhere": {"x": "a"}})], {"a.csv": TABLE})
    assert found.records == {} and "'nowhere' (for recode)" in found.findings[0].text()


@pytest.mark.parametrize("about", [{"where": {"nowhere": ["x"]}}, {"fill_down": ["nowhere"]},
                                   {"may_be_empty": ["nowhere"]}])  # fmt: skip
def test_other_columns_that_must_be_there(staged: Any, about: dict[str, Any]) -> None:
    found = staged([arms(**about)], {"a.csv": TABLE})
    said = found.findings[0].text()
    assert found.records == {} and "nowhere" in said
    assert "where" in about or f"(for {next(iter(about))})" in said


def test_labels_of_codes_in_statistics_files(staged: Any, tmp_path: Path) -> None:
    """Value labels stand for their codes, in arms and in words for yes and no."""
    import pyreadstat

    folder = tmp_path / "files"
    folder.mkdir()
    frame = pd.DataFrame({"id": ["p", "q"], "arm": [1.0, 2.0], "went": [7.0, 8.0]})
    labels = {"arm": {1.0: "Letter", 2.0: "Usual"}, "went": {7.0: "yes", 8.0: "no"}}
    pyreadstat.write_sav(frame, str(folder / "p.sav"), variable_value_labels=labels)
    source = people(file="p.sav", recode={"arm": {"Letter": "a", "2": "c"}})
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "p.sav").write_bytes((folder / "p.sav").read_bytes())
    (tmp_path / "t" / "trial.yaml").write_text(yaml.safe_dump({
        "ibgap": 1, "id": "t", "label": "T 2020", "design": {"type": "parallel"}, "arms": ARMS,
        "sources": [source], "outcomes": OUTCOMES[1:],
        "provenance": {"citation": "c", "source": "s", "license": "l"},
    }))  # fmt: skip
    rows = stage_trial(tmp_path / "t", b"key").records["participant_rows"]
    assert rows[["arm", "value"]].to_numpy().tolist() == [["a", "1"], ["c", "0"]]
