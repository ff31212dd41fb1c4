"""Trial folders as records: which row says what, in the words of the manifest; text of tables,
participants typed and numbered."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from assets.staging.extraction import IDENTITY, slug
from assets.staging.stage import StagedTrial, stage_trial
from validations.numbers import Reading

ARMS = [{"id": "a", "role": "experimental"}, {"id": "c", "role": "control"}]
INTENTION = {"id": "i", "construct": "intention", "scale": {"type": "continuous"},
             "higher_is_better": True}  # fmt: skip
BEHAVIOR = {"id": "b", "construct": "behavior", "scale": {"type": "binary"},
            "higher_is_better": True}  # fmt: skip


@pytest.fixture
def staged(tmp_path: Path) -> Any:
    """Stage a trial of the given sources and texts of files."""

    def make(
        sources: list[dict[str, Any]], texts: dict[str, str], name: str = "t", **more: Any
    ) -> StagedTrial:
        folder = tmp_path / name
        folder.mkdir()
        about = {
            "ibgap": 1, "id": name, "label": "T 2020", "design": {"type": "parallel"}, "arms": ARMS,
            "sources": sources, "outcomes": [INTENTION, BEHAVIOR],
            "provenance": {"citation": "c", "source": "s", "license": "l"},
        }  # fmt: skip
        (folder / "trial.yaml").write_text(yaml.safe_dump(about | more, sort_keys=False))
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        return stage_trial(folder)

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
    (file,) = found.files
    assert {name: file[name] for name in ("file", "sha256", "bytes", "rows_read", "rows_kept")} == {
        "file": "a.csv", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data),
        "rows_read": 2, "rows_kept": 2,
    }  # fmt: skip
    assert found.persons == []
    assert found.collection_id == "t" and found.findings == [] and found.study_values.empty
    assert found.manifest is not None and found.unlinked == frozenset()


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    found = stage_trial(tmp_path / "t")
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


def rows_of(found: StagedTrial) -> pd.DataFrame:
    """The participant rows of all outcomes, one below the other."""
    return pd.concat(found.persons, ignore_index=True)


def test_participants(staged: Any) -> None:
    found = staged([people()], {"p.csv": PEOPLE}, outcomes=OUTCOMES)
    assert [len(frame) for frame in found.persons] == [2, 3]  # one per outcome
    frame = rows_of(found)
    assert list(frame.columns) == [*IDENTITY, "participant", "arm", "cluster", "outcome", "value",
                                   "read:value", "scale_type", "scale_min",
                                   "scale_max"]  # fmt: skip
    plain = frame.astype(object).where(frame.notna(), None)
    first, second, third, fourth, fifth = plain.to_dict("records")
    assert first == {
        "trial_id": "t", "collection_id": "t", "study_label": "T 2020", "source_id": "s",
        "file": "p.csv", "row": 2, "block": 0, "participant": 0, "arm": "a",
        "cluster": None, "outcome": "i", "value": 5.0, "read:value": Reading.NUMBER,
        "scale_min": 1.0, "scale_max": 7.0, "scale_type": "ordinal",
        "found_in": first["found_in"],
    }  # fmt: skip
    assert json.loads(first["found_in"]) == {"participant": "id", "arm": "arm", "value": "want",
                                             "baseline": ""}  # fmt: skip
    assert (second["participant"], second["value"], second["row"]) == (1, 3.0, 3)
    assert [r["value"] for r in (third, fourth, fifth)] == [1.0, 0.0, 1.0]
    assert [r["participant"] for r in (third, fourth, fifth)] == [0, 1, -1]
    assert (third["scale_min"], third["scale_max"], third["scale_type"]) == (None, None, "binary")
    assert "participant_rows" not in found.records and "participant_items" not in found.records
    assert found.findings == [] and found.study_values.empty
    assert (found.files[0]["persons"], found.files[0]["shared_persons"]) == (2, None)


def test_baselines_clusters_items_and_arms_of_an_outcome(staged: Any) -> None:
    own = [OUTCOMES[0] | {"baseline_column": "pre", "item_columns": ["q1", "q2"],
                          "arm_column": "arm2"}]  # fmt: skip
    source = people(columns={"participant": "id", "arm": "arm", "cluster": "site"})
    found = staged([source], {"p.csv": PEOPLE}, outcomes=own)
    (frame,) = found.persons
    assert frame[["arm", "cluster"]].astype(str).to_numpy().tolist() == [["c", "x"], ["c", "y"]]
    assert frame["baseline"].fillna(-9.0).tolist() == [4.0, -9.0]
    assert frame["read:baseline"].tolist() == [Reading.NUMBER, Reading.EMPTY]
    assert json.loads(frame["found_in"][0]) == {
        "participant": "id", "arm": "arm2", "cluster": "site", "value": "want", "baseline": "pre"
    }  # fmt: skip
    items = found.records["participant_items"].fillna({"value": -9.0})
    assert items.to_dict("records") == [
        {"collection_id": "t", "outcome": "i", "participant": person, "item": item, "value": value}
        for item, cells in (("q1", (1.0, 3.0, 5.0)), ("q2", (2.0, -9.0, 6.0)))
        for person, value in zip((0, 1, -1), cells, strict=True)
    ]  # fmt: skip


def test_persons_have_one_number_in_all_sources(staged: Any) -> None:
    sources = [people(), people(id="s2", file="q.csv")]
    own = [OUTCOMES[0] | {"source": "s"}, OUTCOMES[1] | {"source": "s2"}]
    others = "id,arm,went\nP9,a,no\n P2 ,c,yes\nP 1,a,yes\n"
    found = staged(sources, {"p.csv": PEOPLE, "q.csv": others}, outcomes=own)
    assert [frame["participant"].tolist() for frame in found.persons] == [[0, 1], [2, 1, 0]]
    assert [(file["persons"], file["shared_persons"]) for file in found.files] == [(2, 2), (3, 2)]


def test_no_id_of_a_person_leaves_the_staging(staged: Any) -> None:
    found = staged([people()], {"p.csv": PEOPLE.replace("P 1", "PERSON1").replace("P2", "PERSON2")},
                   outcomes=[OUTCOMES[0] | {"item_columns": ["q1"]}, OUTCOMES[1]])  # fmt: skip
    frames = [*found.persons, *found.records.values()]
    held = "".join(frame.to_csv() for frame in frames) + repr(found.files) + repr(found.findings)
    assert len(frames) == 3 and "PERSON" not in held
    for frame in found.persons:
        for name in frame.select_dtypes("category"):
            assert not [c for c in frame[name].cat.categories if "PERSON" in str(c)]


def test_cells_of_numbers_are_never_cleaned(staged: Any) -> None:
    """Only labels lose marks that nobody sees; a number with one is a fault to be told."""
    mark = "\u200b"
    own = [OUTCOMES[0] | {"baseline_column": "pre", "item_columns": ["q1"]}]
    text = f"id,arm,want,pre,q1\nP1{mark},a{mark},5{mark},4{mark},3{mark}\nP1,a,5,4,3\n"
    found = staged([people()], {"p.csv": text}, outcomes=own)
    (frame,) = found.persons
    assert frame["arm"].tolist() == ["a", "a"] and frame["participant"].tolist() == [0, 0]
    for name, number in (("value", 5.0), ("baseline", 4.0)):
        assert frame[f"read:{name}"].tolist() == [Reading.WORD, Reading.NUMBER]
        assert np.isnan(frame[name][0]) and frame[name][1] == number
    assert found.records["participant_items"]["value"].fillna(-9.0).tolist() == [-9.0, 3.0]


@pytest.mark.parametrize("cell", ["NA", "<NA>", "NaN", "nan", "."])
def test_what_software_writes_for_a_missing_number_is_missing(staged: Any, cell: str) -> None:
    own = [OUTCOMES[0] | {"baseline_column": "pre"}, OUTCOMES[1]]
    text = f"id,arm,want,went,pre\nP1,a,{cell},yes,{cell}\nP2,{cell},4,{cell},3\n"
    found = staged([people()], {"p.csv": text}, outcomes=own)
    assert [frame["participant"].tolist() for frame in found.persons] == [[1], [0]]
    assert found.persons[0]["arm"].tolist() == [cell]  # a label is never taken as missing
    (told,) = found.findings
    assert (told.rule_id, told.severity.value, told.count) == ("missing_texts_read", "info", 3)
    assert set(told.column.split(", ")) == {"want", "went", "pre"}
    table = found_table(staged, cell)
    assert table.records["arm_summaries"]["mean"].tolist() == ["3.5", ""]
    assert rules(table) == ["missing_texts_read"]


def found_table(staged: Any, cell: str) -> StagedTrial:
    return staged([arms()], {"a.csv": f"arm,n,m,sd\na,20,3.5,1.1\nc,22,{cell},1.2\n"}, name="u")


def test_missing_texts_that_are_declared_are_not_told(staged: Any) -> None:
    text = "id,arm,want,went\nP1,a,NA,yes\nP2,a,4,yes\n"
    found = staged([people(missing_codes=["NA"])], {"p.csv": text}, outcomes=OUTCOMES)
    assert found.persons[0]["participant"].tolist() == [1] and rules(found) == []


@pytest.mark.parametrize(
    ("cell", "number"),
    [("٣", 3.0), ("３．５", 3.5), ("−2", -2.0), ("–2", -2.0), ("1 234", 1234.0)],
)
def test_digits_and_signs_of_other_scripts_are_read(staged: Any, cell: str, number: float) -> None:
    text = f"id,arm,want\nP1,a,{cell}\n"
    found = staged([people()], {"p.csv": text}, outcomes=[OUTCOMES[0]])
    assert found.persons[0]["value"].tolist() == [number]
    table = staged([arms()], {"a.csv": f"arm,n,m,sd\na,20,{cell},1.1\n"}, name="u")
    assert [float(one) for one in table.records["arm_summaries"]["mean"]] == [number]


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"where": {"wave": ["1", "3"]}}, "`where:` keeps the rows whose column 'wave' holds '3'"),
        ({"where": {"wave": ["7"]}}, "so no row is kept"),
        ({"recode": {"arm": {"a": "a", "Letter": "c"}}}, "`recode:` translates 'Letter' in the"),
        ({"missing_codes": ["-9", "-8"]}, "`missing_codes:` names '-8'; no cell"),
    ],
)  # fmt: skip
def test_declared_texts_that_no_cell_is_are_errors(
    staged: Any, about: dict[str, Any], told: str
) -> None:
    text = "arm,n,m,sd,wave\na,20,3.5,-9.0,1\nc,22,3.0,1.2,2\n"
    found = staged([arms(**about)], {"a.csv": text})
    (error,) = [f for f in found.findings if f.severity.value == "error"]
    assert error.rule_id == "declared_text_unmet" and told in error.message
    assert error.count == 1 and error.file == "a.csv" and error.fix


def test_a_declared_text_that_differs_in_case_alone_is_hinted_at(staged: Any) -> None:
    found = staged([arms(recode={"arm": {"LETTER": "a"}})],
                   {"a.csv": TABLE.replace("\na,", "\nletter,")})  # fmt: skip
    (error,) = found.findings
    assert "case, accents or blanks alone" in error.fix and "letter" not in error.text()


def test_a_recoded_cell_is_what_it_is_translated_to(staged: Any) -> None:
    """Translation comes first: of a missing code too, and of what software writes for one."""
    own = [OUTCOMES[0], BEHAVIOR | {"column": "went"}]
    source = people(
        recode={"want": {"NA": "1", "-9": "2", "none": "-8"}, "went": {".": "0"}},
        missing_codes=["-8", "-9"],
    )  # fmt: skip
    text = "id,arm,want,went\nP1,a,NA,.\nP2,a,-9,1\nP3,a,none,-9\nP4,a,-8,NA\n"
    found = staged([source], {"p.csv": text}, outcomes=own)
    assert [f["participant"].tolist() for f in found.persons] == [[0, 1], [0, 1]]
    assert [f["value"].tolist() for f in found.persons] == [[1.0, 2.0], [0.0, 1.0]]
    (told,) = found.findings
    assert (told.rule_id, told.column, told.count) == ("missing_texts_read", "went", 1)


def test_numbers_are_recoded_as_the_file_writes_them(staged: Any) -> None:
    source = arms(format={"delimiter": ";", "decimal": ","}, recode={"m": {"low": "2,5"}})
    found = staged([source], {"a.csv": "arm;n;m;sd\na;20;low;1,5\n"})
    assert found.records["arm_summaries"]["mean"].tolist() == ["2.5"] and found.findings == []


def test_what_software_writes_may_be_a_declared_answer(staged: Any) -> None:
    own = [BEHAVIOR | {"column": "went", "scale": {"type": "binary", "not_acted_values": ["NA"]}}]
    found = staged([people()], {"p.csv": "id,arm,went\nP1,a,NA\nP2,a,1\n"}, outcomes=own)
    assert found.persons[0]["value"].tolist() == [0.0, 1.0] and found.findings == []


def test_other_words_than_the_declared_ones_are_no_answers(staged: Any) -> None:
    """With words of its own for yes and no, a bare 1 is neither."""
    text = PEOPLE.replace("P2,c,3,no", "P2,c,3,1").replace(",c,,yes", ",c,,no")
    (_, frame) = staged([people()], {"p.csv": text}, outcomes=OUTCOMES).persons
    assert frame["read:value"].tolist() == [Reading.NUMBER, Reading.WORD, Reading.NUMBER]
    assert frame["value"].fillna(-9.0).tolist() == [1.0, -9.0, 0.0]


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
    frame = rows_of(found)
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
    (rows,) = stage_trial(tmp_path / "t").persons
    assert rows["arm"].tolist() == ["a", "c"] and rows["value"].tolist() == [1.0, 0.0]


def test_a_filter_that_keeps_no_row_is_a_warning(staged: Any) -> None:
    """Each text is met, and no row has them both."""
    source = arms(where={"arm": ["a"], "n": ["22"]})
    found = staged([source], {"a.csv": TABLE})
    (told,) = found.findings
    assert (told.rule_id, told.severity.value, told.count) == ("rows_filtered", "warning", 2)
    assert "all 2 rows" in told.message and "arm, n" in told.message and told.fix


@pytest.fixture
def of_spss(tmp_path: Path) -> Any:
    """Stage persons of an SPSS file whose codes have value labels."""
    import pyreadstat

    def make(outcomes: list[dict[str, Any]], **more: Any) -> StagedTrial:
        folder = tmp_path / "t"
        folder.mkdir()
        frame = pd.DataFrame({"id": ["p", "q", "r"], "arm": ["a", "c", "a"],
                              "wave": [1.0, 2.0, 1.0], "went": [0.0, 1.0, 1.0]})  # fmt: skip
        labels = {"wave": {1.0: "Follow-up", 2.0: "Baseline"}, "went": {0.0: "yes", 1.0: "no"}}
        pyreadstat.write_sav(frame, str(folder / "p.sav"), variable_value_labels=labels)
        about = {
            "ibgap": 1, "id": "t", "label": "T 2020", "design": {"type": "parallel"}, "arms": ARMS,
            "sources": [people(file="p.sav", **more)], "outcomes": outcomes,
            "provenance": {"citation": "c", "source": "s", "license": "l"},
        }  # fmt: skip
        (folder / "trial.yaml").write_text(yaml.safe_dump(about, sort_keys=False))
        return stage_trial(folder)

    return make


def test_rows_are_kept_by_their_value_labels(of_spss: Any) -> None:
    scale = {"type": "binary", "acted_values": ["yes"], "not_acted_values": ["no"]}
    found = of_spss([BEHAVIOR | {"column": "went", "scale": scale}], where={"wave": ["Follow-up"]})
    assert rules(found) == ["rows_filtered"] and found.findings[0].count == 1
    assert found.persons[0]["value"].tolist() == [1.0, 0.0]


def test_value_labels_that_contradict_the_manifest_are_an_error(of_spss: Any) -> None:
    found = of_spss([BEHAVIOR | {"column": "went"}])  # 1 means yes unless declared otherwise
    (error,) = [one for one in found.findings if one.severity.value == "error"]
    assert (error.rule_id, error.column, error.count) == ("value_labels_contradict", "went", 2)
    assert "'0'" in error.message and "acted_values" in error.fix


def test_names_of_columns_that_look_the_same_are_the_same(staged: Any) -> None:
    text = "\u200bid,arm\u00a0,inten\u0327ao,want\nP1,a,3,1\nP2,c,4,2\n"
    found = staged(
        [people()], {"p.csv": text}, outcomes=[OUTCOMES[0] | {"column": "inten\u0327ao"}]
    )
    other = staged(
        [people()], {"p.csv": text}, outcomes=[OUTCOMES[0] | {"column": "inte\u0146ao"}], name="u"
    )
    assert found.persons[0]["value"].tolist() == other.persons[0]["value"].tolist() == [3.0, 4.0]


def test_columns_that_differ_in_case_are_named_as_such(staged: Any) -> None:
    found = staged([people()], {"p.csv": "ID,Arm,Want\nP1,a,3\n"}, outcomes=[OUTCOMES[0]])
    assert {f.rule_id for f in found.findings} == {"column_missing"}
    assert all("did you mean" in f.fix for f in found.findings)


@pytest.mark.parametrize(
    ("kept", "cells", "rows", "near"),
    [(["Y"], "Yy", 1, 1), (["1"], ["1", "01"], 1, 1), (["1"], ["1", "-1"], 1, 0),
     (["Y", "y"], "Yy", 2, 0)],
)  # fmt: skip
def test_rows_left_out_for_the_writing_of_a_text_alone_are_told(
    staged: Any, kept: list[str], cells: list[str], rows: int, near: int
) -> None:
    text = f"id,arm,want,itt\nP1,a,3,{cells[0]}\nP2,c,4,{cells[1]}\n"
    found = staged([people(where={"itt": kept})], {"p.csv": text}, outcomes=[OUTCOMES[0]])
    assert len(found.persons[0]) == rows
    assert [f.count for f in found.findings if f.rule_id == "filter_nearly_met"] == [near] * near


def test_a_point_behind_a_zero_groups_no_thousands(staged: Any) -> None:
    text = "id;arm;want\nP1;a;0.125\nP2;c;1.234\n"
    source = people(format={"decimal": ",", "delimiter": ";"})
    found = staged([source], {"p.csv": text}, outcomes=[OUTCOMES[0]])
    assert found.persons[0]["read:value"].tolist() == [Reading.WORD, Reading.NUMBER]
    assert found.persons[0]["value"].tolist()[1] == 1234.0


def test_an_id_is_no_missing_code(staged: Any) -> None:
    source = people(missing_codes=["99"])
    found = staged([source], {"p.csv": "id,arm,want\n99,a,3\nP2,c,4\n"}, outcomes=[OUTCOMES[0]])
    assert found.persons[0]["participant"].tolist() == [0, 1]
    assert "declared_text_unmet" in rules(found)  # the code stands among the ids alone


@pytest.mark.parametrize("answers", ["yy", "y-", "nn"])
def test_answers_of_one_kind_beside_unread_ones_are_set_aside(staged: Any, answers: str) -> None:
    first, second = (a.replace("-", "") for a in answers)
    text = f"id,arm,did\nP1,a,{first}\nP2,c,{second}\nP3,c,maybe\n"
    scale = {"type": "binary", "acted_values": ["y"], "not_acted_values": ["n"]}
    did = BEHAVIOR | {"column": "did", "scale": scale}
    found = staged([people()], {"p.csv": text}, outcomes=[did])
    (told,) = [f for f in found.findings if f.rule_id == "answers_of_one_kind"]
    assert told.count == 1 and "maybe" not in told.message + told.fix and not found.persons
    both = staged([people()], {"p.csv": text.replace("P2,c,", "P4,c,y\nP5,a,n\nP2,c,")},
                  outcomes=[did], name="u")  # fmt: skip
    assert len(both.persons) == 1 and "answers_of_one_kind" not in rules(both)


@pytest.mark.parametrize("answers", [{0.0: "Yes", 1.0: "No"}, {0.0: "0", 1.0: "No"}, {0.0: "No"}])
def test_an_outcome_whose_labels_contradict_the_manifest_is_set_aside(
    staged: Any, tmp_path: Path, answers: dict[float, str]
) -> None:
    frame = pd.DataFrame(
        {"id": ["P1", "P2"], "arm": ["a", "c"], "did": [1.0, 0.0], "w": [1.0, 2.0]}
    )
    import pyreadstat

    labels = {"did": answers, "w": {1.0: "1.5", 2.0: "2"}}
    pyreadstat.write_sav(frame, str(tmp_path / "p.sav"), variable_value_labels=labels)
    did = BEHAVIOR | {"column": "did"}
    want = INTENTION | {"column": "w"}
    (tmp_path / "t").mkdir()
    about = {
        "ibgap": 1, "id": "t", "label": "T 2020", "design": {"type": "parallel"}, "arms": ARMS,
        "sources": [people(file="p.sav")], "outcomes": [want, did],
        "provenance": {"citation": "c", "source": "s", "license": "l"},
    }  # fmt: skip
    (tmp_path / "t" / "trial.yaml").write_text(yaml.safe_dump(about))
    (tmp_path / "p.sav").rename(tmp_path / "t" / "p.sav")
    found = stage_trial(tmp_path / "t")
    told = {f.column for f in found.findings if f.rule_id == "value_labels_contradict"}
    contrary = answers != {0.0: "No"}
    assert told == ({"w", "did"} if contrary else {"w"})
    assert [frame["outcome"].iloc[0] for frame in found.persons] == ([] if contrary else ["b"])


def test_ids_may_be_recoded(staged: Any) -> None:
    source = people(recode={"id": {"P2": "P1"}})
    (frame,) = staged([source], {"p.csv": "id,arm,want\nP1,a,3\nP2,c,4\n"},
                      outcomes=[OUTCOMES[0]]).persons  # fmt: skip
    assert frame["participant"].tolist() == [0, 0]


def test_a_cover_sheet_leads_to_the_sheet_with_the_data(staged: Any, tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["Trial of letters", 2024])
    book.active.append(["anna", 3])
    book.create_sheet("Data").append(["id", "arm", "want"])
    (tmp_path / "t").mkdir()
    book.save(tmp_path / "t" / "p.xlsx")
    about = {
        "ibgap": 1, "id": "t", "label": "T 2020", "design": {"type": "parallel"}, "arms": ARMS,
        "sources": [people(file="p.xlsx")], "outcomes": [OUTCOMES[0]],
        "provenance": {"citation": "c", "source": "s", "license": "l"},
    }  # fmt: skip
    (tmp_path / "t" / "trial.yaml").write_text(yaml.safe_dump(about))
    (told,) = stage_trial(tmp_path / "t").findings
    assert told.rule_id == "header_missing" and "2 sheets: set format.sheet" in told.fix
    assert "anna" not in told.text()


def test_percents_that_may_be_shares_are_told(staged: Any) -> None:
    block = {"arm": "arm", "n": "n", "percent": "p", "values": {"outcome": "b"}}
    text = "arm,n,p\na,2000,0.45\nc,2000,0.3\n"
    (told,) = staged([arms(block)], {"a.csv": text}).findings
    assert (told.rule_id, told.column, told.count) == ("percents_may_be_shares", "p", 2)
    assert told.severity.value == "warning" and "45 for 45 percent" in told.fix
    plain = staged([arms(block)], {"a.csv": text.replace("0.45", "45")}, name="u")
    assert plain.findings == []


def test_percents_shown_outside_a_column_of_percents_are_told(staged: Any, tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["arm", "n", "m", "sd"], ["a", 20, 0.45, 0.2], ["c", 22, 0.3, 0.2]):
        book.active.append(row)
    for cell in ("C2", "C3"):
        book.active[cell].number_format = "0%"
    (tmp_path / "t").mkdir()
    book.save(tmp_path / "t" / "a.xlsx")
    about = {
        "ibgap": 1, "id": "t", "label": "T 2020", "design": {"type": "parallel"}, "arms": ARMS,
        "sources": [arms(file="a.xlsx")], "outcomes": [INTENTION],
        "provenance": {"citation": "c", "source": "s", "license": "l"},
    }  # fmt: skip
    (tmp_path / "t" / "trial.yaml").write_text(yaml.safe_dump(about))
    found = stage_trial(tmp_path / "t")
    (told,) = found.findings
    assert (told.rule_id, told.column, told.count) == ("percent_cells_as_shares", "m", 2)
    assert found.records["arm_summaries"]["mean"].tolist() == ["0.45", "0.3"]
