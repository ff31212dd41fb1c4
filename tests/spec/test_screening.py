"""Text records through the screening: which rule sets a row aside, with which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.typed_rows import typed_rows
from validations.findings import Severity
from validations.judge import Failure
from validations.records import RECORD_SCHEMAS
from validations.schema import Column, RowRule, TableSchema
from validations.screening import REJECTED_COLUMNS, Screened, join, leading_failures, split

IDENTITY = {
    "trial_id": "t", "collection_id": "t", "study_label": "T", "source_id": "s", "file": "f.csv",
}  # fmt: skip
GOOD: dict[str, dict[str, str]] = {
    "participant_rows": {
        "participant": "p", "arm": "a", "outcome": "o", "value": "3", "scale_min": "1",
        "scale_max": "7", "scale_type": "ordinal",
    },
    "arm_summaries": {
        "arm": "a", "outcome": "o", "n": "40", "mean": "4", "sd": "1.2", "scale_min": "1",
        "scale_max": "7", "scale_type": "ordinal",
    },
    "reported_effects": {"outcome": "o", "statistic": "d", "value": "0.4", "n1": "30", "n2": "31"},
    "correlations": {"variable_1": "x", "variable_2": "y", "r": "0.4", "n": "50"},
    "intention_by_action": {
        "arm": "a", "intention": "i", "behavior": "b", "inclined_actors": "9",
        "inclined_abstainers": "8", "disinclined_actors": "7", "disinclined_abstainers": "6",
    },
    "barrier_codings": {"dimension": "socio_cultural"},
}  # fmt: skip


def screen(records: pd.DataFrame, schema: TableSchema, *more: Any, **named: Any) -> Screened:
    """Records of text as they are screened: participant rows typed, a frame per source and
    outcome."""
    frames = typed_rows(records) if schema.name == "participant_rows" else [records]
    return join([split(frame, schema, *more, **named) for frame in frames])


def records(kind: str, *changes: dict[str, str]) -> pd.DataFrame:
    """One record per change of the good one, in rows 2, 3, ... of a file."""
    blank = dict.fromkeys(RECORD_SCHEMAS[kind].names, "")
    rows = [
        blank | IDENTITY | GOOD[kind] | {"row": str(i + 2)} | change
        for i, change in enumerate(changes)
    ]
    return pd.DataFrame(rows)


def broken(kind: str, *changes: dict[str, str], **more: Any) -> set[tuple[int, str, str]]:
    """(row, rule, column) of what is set aside."""
    found = screen(records(kind, *changes), RECORD_SCHEMAS[kind], **more).rejected
    return set(zip(found["row"], found["rule_id"], found["column"], strict=True))


@pytest.mark.parametrize("kind", list(GOOD))
def test_a_good_record_of_each_kind_is_accepted(kind: str) -> None:
    made = screen(records(kind, {}), RECORD_SCHEMAS[kind])
    assert (len(made.accepted), len(made.rejected), made.findings) == (1, 0, [])
    assert all(one.success for one in made.outcomes)
    assert not [name for name in made.accepted if ":" in name or name == "index"]


RANGE, WHOLE, EMPTY, WORD = "value_in_range", "count_whole", "value_required", "value_allowed"
MATERIAL = {"mean": "", "sd": ""}
CELLS: list[tuple[str, str, list[str], list[str], str]] = [
    # kind, column, accepted, set aside, rule
    ("participant_rows", "participant", ["q"], [""], EMPTY),
    ("participant_rows", "arm", ["b"], [""], EMPTY),
    ("participant_rows", "outcome", ["b"], [""], EMPTY),
    ("participant_rows", "value", ["1", "7"], [""], EMPTY),
    ("participant_rows", "baseline", ["", "-3"], ["x", "1,5"], "number_readable"),
    ("participant_rows", "value", ["1"], ["0.9", "7.1"], "value_within_scale"),
    ("arm_summaries", "arm", ["b"], [""], EMPTY),
    ("arm_summaries", "outcome", ["b"], [""], EMPTY),
    ("arm_summaries", "n", ["2", "40.0", "4e1"], ["1", "0", "-2"], RANGE),
    ("arm_summaries", "n", ["2"], [""], EMPTY),
    ("arm_summaries", "n", ["41"], ["2.5"], WHOLE),
    ("arm_summaries", "weeks", ["0", "1.5", ""], ["-0.1"], RANGE),
    ("arm_summaries", "days", ["0", "1.5", ""], ["-1"], RANGE),
    ("arm_summaries", "mean", ["1", "7"], ["seven", "1e", "--1"], "number_readable"),
    ("arm_summaries", "sd", ["0.01", "1e-29"], ["0", "-1"], RANGE),
    ("reported_effects", "outcome", ["b"], [""], EMPTY),
    ("reported_effects", "weeks", ["0"], ["-0.1"], RANGE),
    ("reported_effects", "days", ["0"], ["-0.1"], RANGE),
    ("reported_effects", "statistic", ["g", "RD", "adjusted_md"], ["z", "or"], WORD),
    ("reported_effects", "statistic", ["p"], [""], EMPTY),
    ("reported_effects", "se", ["0.1", ""], ["0", "-0.1"], RANGE),
    ("reported_effects", "variance", ["0.1"], ["0"], RANGE),
    ("reported_effects", "sd", ["0.1"], ["0"], RANGE),
    ("reported_effects", "ci_level", ["0.51", "0.99"], ["0.5", "1", "95"], RANGE),
    ("reported_effects", "n1", ["2", ""], ["1"], RANGE),
    ("reported_effects", "n2", ["2", ""], ["1"], RANGE),
    ("reported_effects", "n1", ["3"], ["30.5"], WHOLE),
    ("reported_effects", "n2", ["3"], ["30.5"], WHOLE),
    ("reported_effects", "p", ["0", "1", "1e-300"], ["-0.01", "1.01"], RANGE),
    ("reported_effects", "risk2", ["0", "1"], ["-0.01", "1.01"], RANGE),
    ("reported_effects", "risk2", ["0.1"], ["1e-31"], "number_plausible"),
    ("reported_effects", "favors", ["", "intervention", "comparator", "reversed"], ["x"], WORD),
    ("reported_effects", "value", ["1e30", "0"], ["1e31", "1e-31"], "number_plausible"),
    ("correlations", "variable_1", ["z"], [""], EMPTY),
    ("correlations", "variable_2", ["z"], [""], EMPTY),
    ("correlations", "r", ["0.99", "-0.99"], ["1", "-1"], RANGE),
    ("correlations", "r", ["0"], [""], EMPTY),
    ("correlations", "n", ["4"], ["3"], RANGE),
    ("correlations", "n", ["4"], ["4.5"], WHOLE),
    ("correlations", "n", ["4"], [""], EMPTY),
    ("correlations", "n", ["1e10"], ["1.1e10"], "number_plausible"),
    ("intention_by_action", "arm", ["b"], [""], EMPTY),
    ("intention_by_action", "intention", ["b"], [""], EMPTY),
    ("intention_by_action", "behavior", ["b"], [""], EMPTY),
    *[
        ("intention_by_action", name, good, bad, rule)
        for name in (
            "inclined_actors", "inclined_abstainers", "disinclined_actors",
            "disinclined_abstainers",
        )
        for good, bad, rule in (
            (["0", "1"], ["-1"], RANGE), (["0"], [""], EMPTY), (["0"], ["0.5"], WHOLE)
        )
    ],
    ("barrier_codings", "dimension", ["structural"], ["social"], WORD),
    ("barrier_codings", "dimension", ["digital_environment"], [""], EMPTY),
    ("barrier_codings", "layer", ["", "output"], ["outcome"], WORD),
    ("barrier_codings", "n_sources", ["0", ""], ["-1"], RANGE),
    ("barrier_codings", "n_sources", ["0"], ["1.5"], WHOLE),
    ("barrier_codings", "n_reference_points", ["0", ""], ["-1"], RANGE),
    ("barrier_codings", "n_reference_points", ["0"], ["1.5"], WHOLE),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "column", "good", "bad", "rule"), CELLS)
def test_a_cell_and_its_rule(
    kind: str, column: str, good: list[str], bad: list[str], rule: str
) -> None:
    for text in good:
        assert broken(kind, {column: text}) == set(), text
    for text in bad:
        assert broken(kind, {column: text}) == {(2, rule, column)}, text


PERSON, ARM = "every participant needs an id", "every participant needs an arm"
SD, SE = "a standard deviation is greater than 0", "a standard error is greater than 0"
SHARE, BOTH = "a share lies between 0 and 1", "name both variables"
CODES = "correct the cell, or list its text under `missing_codes:`"
STATISTICS = "use one of d, g, smd, t, F, p, r, md, adjusted_md, OR, RR, RD (see `recode:`)"


@pytest.mark.parametrize(
    ("kind", "column", "text", "fix"),
    [
        ("participant_rows", "participant", "", PERSON), ("participant_rows", "arm", "", ARM),
        ("participant_rows", "value", "", CODES),
        ("arm_summaries", "arm", "", "every row needs an arm"),
        ("arm_summaries", "outcome", "", "every row needs an outcome"),
        ("arm_summaries", "n", "1", "n is a number of persons, at least 2"),
        ("arm_summaries", "sd", "0", SD), ("arm_summaries", "se", "0", SE),
        ("arm_summaries", "percent", "-1", "a percentage lies between 0 and 100"),
        ("arm_summaries", "events", "-1", "events is a number of persons, at least 0"),
        ("arm_summaries", "weeks", "-1", CODES),
        ("reported_effects", "outcome", "", "every row needs an outcome"),
        ("reported_effects", "statistic", "z", STATISTICS), ("reported_effects", "se", "0", SE),
        ("reported_effects", "variance", "0", "a variance is greater than 0"),
        ("reported_effects", "ci_level", "95", "a level such as 0.95"),
        ("reported_effects", "sd", "0", SD), ("reported_effects", "risk2", "2", SHARE),
        ("reported_effects", "p", "2", "a p-value lies between 0 and 1"),
        ("reported_effects", "favors", "x", "use intervention, comparator or reversed"),
        ("correlations", "variable_1", "", BOTH), ("correlations", "variable_2", "", BOTH),
        ("correlations", "r", "1", "a correlation lies strictly between -1 and 1"),
        ("correlations", "n", "3", "a correlation needs more than 3 participants"),
        ("intention_by_action", "arm", "", "every row needs an arm"),
        ("barrier_codings", "dimension", "x", "use one of the five dimensions (see `recode:`)"),
        ("barrier_codings", "layer", "x", "use input, attitude_intention, moderating or output"),
    ],
)  # fmt: skip
def test_what_to_do_about_a_cell(kind: str, column: str, text: str, fix: str) -> None:
    found = screen(records(kind, {column: text}), RECORD_SCHEMAS[kind]).rejected
    assert set(found[found["column"] == column]["fix"]) == {fix}


def test_faults_of_a_row_stand_in_order() -> None:
    wrong = {"arm": "", "participant": "", "value": "9"}
    frame = records("participant_rows", wrong, {"participant": "q", "arm": ""})
    frame = pd.concat([frame, frame.assign(file="a.csv", source_id="r"),
                       frame.assign(trial_id="s", collection_id="s")])  # fmt: skip
    found = screen(frame, RECORD_SCHEMAS["participant_rows"]).rejected
    columns = ["trial_id", "file", "row", "rule_id", "column"]
    rows = [
        (2, EMPTY, "arm"), (2, EMPTY, "participant"), (2, "value_within_scale", "value"),
        (3, EMPTY, "arm"),
    ]  # fmt: skip
    places = [("s", "f.csv"), ("t", "a.csv"), ("t", "f.csv")]
    assert [tuple(one) for one in found[columns].to_numpy()] == [
        (*place, *row) for place in places for row in rows
    ]
    assert list(found.index) == list(range(12))


@pytest.mark.parametrize("column", ["weeks", "days", "n", "mean", "sd", "se", "median", "q1", "q3",
                                    "minimum", "maximum", "events", "percent"])  # fmt: skip
def test_numbers_of_an_arm_are_read_as_numbers(column: str) -> None:
    assert (2, "number_readable", column) in broken("arm_summaries", {column: "x"})
    for text in ("inf", "nan", "1.2.3", "0x10", "1_000", " 1", "\u0661"):
        assert (2, "number_readable", column) in broken("arm_summaries", {column: text})


ROWS: list[tuple[str, dict[str, str], str, str]] = [
    ("participant_rows", {"value": "2", "scale_type": "binary"}, "value_yes_or_no", "value"),
    ("arm_summaries", MATERIAL | {"events": "41"}, "events_within_n", "events, n"),
    ("arm_summaries", MATERIAL | {"events": "-1"}, RANGE, "events"),
    ("arm_summaries", MATERIAL | {"events": "1.5"}, WHOLE, "events"),
    ("arm_summaries", MATERIAL | {"percent": "45.1"}, "percent_is_a_count", "percent, n"),
    ("arm_summaries", MATERIAL | {"percent": "-1"}, RANGE, "percent"),
    ("arm_summaries", MATERIAL | {"percent": "101"}, RANGE, "percent"),
    ("arm_summaries", MATERIAL | {"mean": "4", "se": "0"}, RANGE, "se"),
    ("arm_summaries", {"sd": ""}, "one_kind_of_numbers", ""),
    ("arm_summaries", {"mean": "0.5"}, "mean_within_scale", "mean, median"),
    ("arm_summaries", {"sd": "3.2"}, "sd_possible_on_scale", "sd"),
    (
        "arm_summaries", MATERIAL | {"median": "3", "q1": "3.5", "q3": "4"}, "quantiles_in_order",
        "",
    ),
    ("reported_effects", {"ci_lb": "1", "ci_ub": "0.4"}, "limits_in_order", "ci_lb, ci_ub"),
    (
        "reported_effects", {"ci_lb": "0.5", "ci_ub": "0.6"}, "value_within_limits",
        "value, ci_lb, ci_ub",
    ),
    ("reported_effects", {"statistic": "OR", "value": "0"}, "ratio_above_zero", "value, ci_lb"),
    ("intention_by_action", dict.fromkeys(list(GOOD["intention_by_action"])[3:], "0"),
     "counts_not_all_zero", "inclined_actors"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "rule", "columns"), ROWS)
def test_a_row_and_its_rule(kind: str, change: dict[str, str], rule: str, columns: str) -> None:
    """A rule over many fields names the columns that the file has; here it has none."""
    assert broken(kind, change) == {(2, rule, columns)}


DECLARED = [
    ("participant_rows", "arm_declared", "arm"),
    ("arm_summaries", "arm_declared", "arm"),
    ("arm_summaries", "outcome_declared", "outcome"),
    ("arm_summaries", "quantiles_not_lopsided", "median"),
    ("reported_effects", "arms_told_apart", "intervention, comparator"),
    ("reported_effects", "arms_declared", "intervention, comparator"),
    ("reported_effects", "outcome_declared", "outcome"),
    ("correlations", "variables_declared", "variable_1, variable_2"),
    ("intention_by_action", "arm_declared", "arm"),
]


@pytest.mark.parametrize(("kind", "rule", "columns"), DECLARED)
def test_what_the_manifest_decides(kind: str, rule: str, columns: str) -> None:
    """Such a rule concerns the rows it is false for."""
    key = RECORD_SCHEMAS[kind].key[-1]
    two = ({key: "1" if key == "weeks" else "g"}, {key: "2" if key == "weeks" else "d"})
    found = broken(kind, *two, declared={rule: pd.Series([True, False])})
    assert found == {(3, rule, columns)}


KEYS = {
    "participant_rows": ["collection_id", "source_id", "outcome", "participant"],
    "arm_summaries": [
        "trial_id", "comparison", "outcome", "instrument", "arm", "weeks", "days", "timepoint",
    ],
    "reported_effects": [
        "trial_id", "comparison", "intervention", "comparator", "outcome", "instrument", "weeks",
        "days", "timepoint", "statistic",
    ],
    "correlations": ["trial_id", "source_id", "variable_1", "variable_2"],
    "intention_by_action": ["trial_id", "arm", "intention", "behavior"],
    "barrier_codings": ["trial_id", "source_id", "dimension", "source", "coder"],
}  # fmt: skip
OTHER = {"weeks": "3", "days": "3", "statistic": "g", "dimension": "structural"}


@pytest.mark.parametrize("kind", list(KEYS))
def test_rows_with_the_same_key_stand_twice(kind: str) -> None:
    key = ", ".join(KEYS[kind])
    found = screen(records(kind, {}, {}), RECORD_SCHEMAS[kind])
    assert list(found.rejected["rule_id"]) == ["row_unique"] * 2
    assert len(found.accepted) == 0
    (told,) = found.findings
    assert told.message.startswith("rows 2 and 3: ") and "more than once" in told.message
    assert RECORD_SCHEMAS[kind].key == tuple(KEYS[kind]), key


@pytest.mark.parametrize(("kind", "column"), [(k, c) for k, names in KEYS.items() for c in names])
def test_every_part_of_a_key_tells_rows_apart(kind: str, column: str) -> None:
    assert broken(kind, {}, {column: OTHER.get(column, "other")}) == set()


def test_equal_numbers_are_one_key_however_written() -> None:
    found = broken("arm_summaries", {"weeks": "4"}, {"weeks": "4.0"})
    assert {(row, rule) for row, rule, _ in found} == {(2, "row_unique"), (3, "row_unique")}
    assert broken("arm_summaries", {"weeks": "4"}, {"weeks": ""}) == set()


# what the screening leaves behind ------------------------------------------------------------


def test_numbers_are_cast_and_texts_that_are_empty_are_missing() -> None:
    made = screen(records("arm_summaries", {"weeks": "", "timepoint": ""}),
                  RECORD_SCHEMAS["arm_summaries"]).accepted  # fmt: skip
    row = made.iloc[0]
    assert (row["n"], row["mean"], row["scale_min"], row["scale_max"]) == (40.0, 4.0, 1.0, 7.0)
    assert pd.isna(row["weeks"]) and pd.isna(row["timepoint"]) and row["arm"] == "a"


PEOPLE = RECORD_SCHEMAS["participant_rows"]


def test_accepted_rows_of_participants_are_typed_and_joined() -> None:
    changes = [
        {"participant": "p", "arm": "b", "cluster": "k"}, {"participant": "q", "value": "9"},
        {"participant": "p", "outcome": "other", "arm": "a", "value": "2.5", "baseline": "1"},
        {"participant": "r", "outcome": "other", "arm": "c"},
    ]  # fmt: skip
    made = screen(records("participant_rows", *changes), PEOPLE)
    kinds = dict.fromkeys(("trial_id", "collection_id", "study_label", "source_id", "file",
                           "outcome", "scale_type", "arm", "cluster"), "category")  # fmt: skip
    kinds |= {"row": "int32", "participant": "int32", "value": "float64", "baseline": "float64"}
    assert {name: str(kind) for name, kind in made.accepted.dtypes.items()} == kinds
    assert made.accepted[["row", "participant", "arm", "value"]].to_numpy().tolist() == [
        [2, 0, "b", 3.0], [4, 0, "a", 2.5], [5, 2, "c", 3.0],
    ]  # fmt: skip
    assert list(made.accepted["arm"].cat.categories) == ["a", "b", "c"]
    assert (
        made.accepted["cluster"].tolist()[0] == "k" and made.accepted["cluster"].isna().sum() == 2
    )
    assert list(made.accepted.index) == [0, 1, 2]
    counted = {(o.rule_id, o.column): (o.success, o.evaluated, o.unexpected) for o in made.outcomes}
    assert counted["value_within_scale", "value"] == (False, 4, 1)
    assert counted["row_unique", ", ".join(PEOPLE.key)] == (True, 4, 0)


def test_what_was_judged_is_all_rows_without_a_text_of_them() -> None:
    frame = records("participant_rows", {"arm": ""}, {"participant": "q", "value": "x"})
    (judged,) = screen(frame, PEOPLE).judged
    assert len(judged.frame) == 2 and "object" not in set(judged.frame.dtypes.astype(str))
    assert {(f.rule_id, f.column, *f.positions) for f in judged.failures} == {
        (EMPTY, "arm", 0), ("number_readable", "value", 1)
    }  # fmt: skip


def test_what_is_given_to_be_screened_stays_as_it_is() -> None:
    (frame,) = typed_rows(records("participant_rows", {"value": "1e31"}, {"participant": ""}))
    before = frame.copy(deep=True)
    split(frame, PEOPLE, {"arm_declared": np.array([True, False])})
    pd.testing.assert_frame_equal(frame, before)


def test_rows_that_share_a_missing_id_are_no_doubles() -> None:
    found = broken("participant_rows", {"participant": ""}, {"participant": ""})
    assert found == {(2, EMPTY, "participant"), (3, EMPTY, "participant")}


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1e-400"])
def test_numbers_beyond_a_double_are_no_measurements(text: str) -> None:
    for column in ("value", "baseline"):
        changes = {column: text, "scale_min": "", "scale_max": ""}
        assert broken("participant_rows", changes) == {(2, "number_plausible", column)}


def test_effective_sizes_need_not_be_whole() -> None:
    changes = ({"n": "40.5"}, {"n": "40.5", "arm": "b"})
    flags = {"effective_sizes": pd.Series([True, False])}
    assert broken("arm_summaries", *changes, declared=flags) == {(3, WHOLE, "n")}


@pytest.mark.parametrize(
    ("given", "excused"),
    [
        ({"se": "0.2"}, True), ({"variance": "0.04"}, True),
        ({"ci_lb": "0", "ci_ub": "0.8"}, True), ({"ci_lb": "0"}, False), ({"ci_ub": "1"}, False),
        ({"p": "0.04"}, False), ({}, False),
    ],
)  # fmt: skip
def test_sizes_beside_a_printed_error_need_not_be_whole(
    given: dict[str, str], excused: bool
) -> None:
    change = {"n1": "30.5", "file": "g.csv", "outcome": "b"} | given
    made = screen(records("reported_effects", {}, change), RECORD_SCHEMAS["reported_effects"])
    assert len(made.accepted) == (2 if excused else 1)
    (told,) = made.findings
    if excused:
        assert (told.rule_id, told.severity) == ("sizes_not_whole", Severity.WARNING)
        assert told.message.startswith("row 3: a group size is not a whole number of persons")
        assert (told.trial_id, told.file, told.row, told.column, told.count) == (
            "t", "g.csv", 3, "n1, n2", 1
        )  # fmt: skip
    else:
        assert told.rule_id == WHOLE


def test_sizes_are_told_once_per_file_and_not_where_they_are_effective() -> None:
    broken_sizes = {"se": "0.2", "n2": "30.5"}
    changes = [broken_sizes | {"outcome": o} for o in "abc"] + [{"outcome": "d", "se": "0.2"}]
    frame, schema = records("reported_effects", *changes), RECORD_SCHEMAS["reported_effects"]
    flags = {"effective_sizes": pd.Series([False, True, False, False])}
    (told,) = screen(frame, schema, flags).findings
    assert told.message.startswith("rows 2 and 4: ") and told.count == 2


def test_a_printed_p_may_be_tiny_in_the_column_of_values_too() -> None:
    assert broken("reported_effects", {"statistic": "p", "value": "1e-300"}) == set()
    assert broken("reported_effects", {"statistic": "d", "value": "1e-300"}) == {
        (2, "number_plausible", "value")
    }


def test_an_implausible_number_is_told_and_no_rule_is_added() -> None:
    (told,) = screen(records("arm_summaries", {"n": "1e11"}),
                     RECORD_SCHEMAS["arm_summaries"]).findings  # fmt: skip
    assert told.message == "n is more than can be counted (above 1e+10)"
    (told,) = screen(records("arm_summaries", {"sd": "1e31"}),
                     RECORD_SCHEMAS["arm_summaries"]).findings  # fmt: skip
    assert told.message == (
        "sd is no number of a measurement: infinite, above 1e+30, or not 0 and nearer to it than "
        "1e-30"
    )
    assert told.fix == "correct the cell, or list its text under `missing_codes:`"


def test_blank_cells_of_named_columns_are_set_aside() -> None:
    blank = {"cluster": pd.Series([False, True]), "timepoint": pd.Series([False, False])}
    frame = records("participant_rows", {}, {"participant": "q"})
    made = screen(frame, RECORD_SCHEMAS["participant_rows"], blank=blank)
    assert list(made.rejected["rule_id"]) == [EMPTY]
    assert list(made.accepted["row"]) == [2]
    (told,) = made.findings
    assert told.message == "cluster is empty" and "fill_down" in told.fix
    counted = {(o.rule_id, o.column): (o.success, o.evaluated, o.unexpected) for o in made.outcomes}
    assert counted[EMPTY, "cluster"] == (False, 2, 1)
    assert counted[EMPTY, "timepoint"] == (True, 2, 0)


def test_rejected_rows_say_where_and_why() -> None:
    frame = records("participant_rows", {}, {"participant": "q", "value": "x"},
                    {"participant": "r", "value": "1,5"})  # fmt: skip
    frame["found_in"] = '{"value": "score"}'
    made = screen(frame.set_index(pd.Index([5, 5, 9])), RECORD_SCHEMAS["participant_rows"])
    rows = made.rejected.to_dict("records")
    assert list(made.rejected)[: len(REJECTED_COLUMNS)] == REJECTED_COLUMNS
    reason = "value is not a number"
    assert [{name: row[name] for name in REJECTED_COLUMNS} for row in rows] == [
        {"trial_id": "t", "kind": "participant_rows", "source_id": "s", "file": "f.csv",
         "row": row, "column": "score", "rule_id": "number_readable", "reason": reason}
        for row in (3, 4)
    ]  # fmt: skip
    assert {row["outcome"] for row in rows} == {"o"}
    (told,) = made.findings
    assert (told.message, told.row, told.count) == (f"rows 3 and 4: {reason}", 3, 2)
    assert (told.trial_id, told.rule_id, told.severity, told.file, told.column) == (
        "t", "number_readable", Severity.ERROR, "f.csv", "score"
    )  # fmt: skip


def test_commas_in_every_cell_ask_for_the_decimal_sign() -> None:
    changes = [{"participant": p, "value": v} for p, v in (("p", "1,5"), ("q", "+2,25"))]
    schema = RECORD_SCHEMAS["participant_rows"]
    (told,) = screen(records("participant_rows", *changes), schema).findings
    assert told.fix == 'if the comma is the decimal sign, set `format.decimal: ","`'
    changes.append({"participant": "r", "value": "1,5,2"})
    (told,) = screen(records("participant_rows", *changes), schema).findings
    assert told.fix == "correct the cell, or list its text under `missing_codes:`"


def test_findings_are_one_per_outcome_of_a_person_but_one_per_row_otherwise() -> None:
    wrong = [{"participant": "p", "outcome": o, "value": "x"} for o in ("o", "other")]
    made = screen(records("participant_rows", *wrong), RECORD_SCHEMAS["participant_rows"])
    assert len(made.findings) == 2
    no_arm = [{"participant": "p", "outcome": o, "arm": "", "row": "2"} for o in ("o", "other")]
    made = screen(records("participant_rows", *no_arm), RECORD_SCHEMAS["participant_rows"])
    (told,) = made.findings
    assert told.count == 1 and list(made.rejected["outcome"]) == [""]


def test_names_of_the_file_stand_for_those_of_the_record() -> None:
    frame = records("reported_effects", {"ci_lb": "1", "ci_ub": "0.4"})
    frame["found_in"] = '{"ci_ub": "high"}'
    (row,) = screen(frame, RECORD_SCHEMAS["reported_effects"]).rejected.to_dict("records")
    assert row["column"] == "ci_lb, high"
    frame = records("correlations", {}, {})
    frame["found_in"] = '{"variable_1": "first", "source_id": ""}'
    found = screen(frame, RECORD_SCHEMAS["correlations"]).rejected
    assert set(found["column"]) == {"first"}, "of a key over many fields those of the file"


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"above": 0}, "greater than 0"), ({"minimum": 2}, "at least 2"),
        ({"maximum": 5}, "at most 5"), ({"below": 5}, "at most 5"),
        ({"minimum": 0, "maximum": 1}, "between 0 and 1"),
        ({"above": -1, "below": 1}, "strictly between -1 and 1"),
        ({"minimum": 0, "below": 1}, "between 0 and 1"),
    ],
)  # fmt: skip
def test_ranges_in_words(limits: dict[str, float], words: str) -> None:
    schema = TableSchema("k", "", (Column("x", "number", "", fix="mend it", **limits),))
    frame = pd.DataFrame([IDENTITY | {"row": "2", "x": "-99" if "maximum" not in limits else "99"}])
    if limits == {"below": 5}:
        frame["x"] = "99"
    (told,) = screen(frame, schema).findings
    assert (told.message, told.fix) == (f"x is not {words}", "mend it")


@pytest.mark.parametrize(
    ("rule_id", "column", "reason", "fix"),
    [
        ("value_allowed", "w", "w is not one of the known words", "use a word"),
        ("value_required", "w", "w is empty", "use a word"),
        ("row_unique", "w, x", "the row stands more than once",
         "keep one of the rows, or tell them apart"),
        ("adds_up", "w, x", "they do not add up", "add again"),
    ],
)  # fmt: skip
def test_reasons_in_words(rule_id: str, column: str, reason: str, fix: str) -> None:
    schema = TableSchema(
        "k", "",
        (
            Column("w", "text", "", required=True, allowed=("a", "b"), fix="use a word"),
            Column("x", "text", ""),
        ),
        ("w", "x"), (RowRule("adds_up", "they do not add up", "add again", ("w", "x")),),
    )  # fmt: skip
    texts = {"value_allowed": [("c", "1")], "value_required": [("", "1")],
             "row_unique": [("a", "1")] * 2, "adds_up": [("a", "2")]}[rule_id]  # fmt: skip
    rows = [IDENTITY | {"row": str(i), "w": w, "x": x} for i, (w, x) in enumerate(texts)]
    declared = {"adds_up": pd.Series([rule_id != "adds_up"] * len(rows))}
    rejected = screen(pd.DataFrame(rows), schema, declared).rejected
    assert set(zip(rejected["rule_id"], rejected["column"], rejected["reason"], rejected["fix"],
                   strict=True)) == {(rule_id, column, reason, fix)}  # fmt: skip


# the faults a person has to mend ---------------------------------------------------------------

EFFECTS = RECORD_SCHEMAS["reported_effects"]
PERSONS = RECORD_SCHEMAS["participant_rows"]


def leading(schema: TableSchema, *failures: tuple[str, str, tuple[int, ...]]) -> set[Any]:
    given = [Failure(rule, column, np.array(at)) for rule, column, at in failures]
    found = leading_failures(given, schema)
    return {(one.rule_id, tuple(one.positions.tolist())) for one in found}


@pytest.mark.parametrize("rule", ["number_readable", "number_plausible", "value_required"])
def test_a_rule_over_a_cell_that_is_unreadable_is_not_told(rule: str) -> None:
    found = leading(EFFECTS, (rule, "ci_lb", (1,)), ("limits_in_order", "ci_lb, ci_ub", (0, 1)))
    assert found == {(rule, (1,)), ("limits_in_order", (0,))}
    found = leading(EFFECTS, (rule, "n1", (1,)), ("limits_in_order", "ci_lb, ci_ub", (0, 1)))
    assert found == {(rule, (1,)), ("limits_in_order", (0, 1))}


def test_other_faults_of_a_cell_hide_nothing() -> None:
    found = leading(EFFECTS, (RANGE, "ci_lb", (1,)), ("limits_in_order", "ci_lb, ci_ub", (1,)))
    assert found == {(RANGE, (1,)), ("limits_in_order", (1,))}


def test_swapped_limits_are_one_fault() -> None:
    inside, order = "value_within_limits", "limits_in_order"
    found = leading(EFFECTS, (order, "ci_lb, ci_ub", (0,)), (inside, "value, ci_lb, ci_ub", (0, 2)))
    assert found == {(order, (0,)), (inside, (2,))}
    found = leading(EFFECTS, (order, "", (0,)), ("ratio_above_zero", "value, ci_lb", (0,)))
    assert found == {(order, (0,)), ("ratio_above_zero", (0,))}


def test_the_text_of_a_yes_or_no_is_one_fault() -> None:
    yes = "value_yes_or_no"
    found = leading(PERSONS, (yes, "value", (0, 1)), ("number_readable", "value", (1, 2)),
                    ("number_plausible", "value", (0,)), (EMPTY, "value", (0,)),
                    ("number_readable", "baseline", (1,)))  # fmt: skip
    assert found == {(yes, (0, 1)), ("number_readable", (2,)), (EMPTY, (0,)),
                     ("number_readable", (1,))}  # fmt: skip


def test_a_row_that_two_sources_read_is_counted_once() -> None:
    frame = records("participant_rows", {"arm": ""})
    both = pd.concat([frame, frame.assign(source_id="r")])
    (told,) = screen(both, RECORD_SCHEMAS["participant_rows"]).findings
    assert (told.count, told.message) == (1, "arm is empty")
