"""What is said about rows: file, row, column, the rule and the fix. The other rows are used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ibgap.cli import exits
from tests.builders import Recipe, arm_trial, counts_trial, effects_trial, participant_trial

from .conftest import Answer

Check = Callable[[Recipe | Path], Answer]
P, A, E, C = participant_trial(), arm_trial(), effects_trial(), counts_trial()
PERSON, ARM, SITE, INTEND, VISITED = range(5)


def person_cells(column: int, text: str, *rows: int) -> Recipe:
    """The participant trial with the text in this column of these rows of the file."""
    lines = str(P.files["people.csv"]).splitlines()
    for row in rows:
        cells = lines[row - 1].split(",")
        cells[column] = text
        lines[row - 1] = ",".join(cells)
    return P.having("people.csv", "\n".join(lines) + "\n")


def arm_row(old: str, new: str) -> Recipe:
    return A.but(old, new, "table.csv")


def effect_row(old: str, new: str) -> Recipe:
    return E.but(old, new, "printed.csv")


PEOPLE = [
    (
        "text in numbers",
        person_cells(INTEND, "four", 5),
        "row 5",
        ["not a number", "missing_codes"],
    ),
    (
        "text in many rows",
        person_cells(INTEND, "four", 5, 6, 7, 8, 9, 10, 11),
        "row 5",
        ["rows 5, 6, 7, 8, 9 and 2 more", "not a number"],
    ),
    (
        "outside the scale",
        person_cells(INTEND, "9", 5, 7),
        "row 5",
        ["rows 5 and 7", "scale", "missing_codes"],
    ),
    ("missing code", person_cells(INTEND, "-99", 5), "row 5", ["scale", "missing_codes"]),
    (
        "neither yes nor no",
        person_cells(VISITED, "2", 5),
        "row 5",
        ["binary outcome", "acted_values"],
    ),
    (
        "arm not declared",
        person_cells(ARM, "placebo", 5, 6),
        "row 5",
        ["rows 5 and 6", "arm", "declare the arm", "recode"],
    ),
    ("no id", person_cells(PERSON, "", 5), "row 5", ["every participant needs an id"]),
    ("no arm", person_cells(ARM, "", 5), "row 5", ["every participant needs an arm"]),
    (
        "same participant twice",
        person_cells(PERSON, "P001", 5),
        "row 2",
        ["rows 2 and 5", "more than once", "keep one"],
    ),
]


@pytest.mark.parametrize(
    ("recipe", "row", "words"), [c[1:] for c in PEOPLE], ids=[c[0] for c in PEOPLE]
)
def test_a_row_of_a_participant(read: Check, recipe: Recipe, row: str, words: list[str]) -> None:
    answer = read(recipe)
    assert answer.exit_code == exits.SET_ASIDE
    answer.says(f"[people.csv, {row}, column", *words)
    answer.does_not_say("P001", "P004", "four", "placebo", "-99")


def test_a_participant_fault_names_the_column_of_the_file(read: Check) -> None:
    read(person_cells(INTEND, "four", 5)).says("column intend")


def test_faults_of_two_outcomes_are_two_findings(read: Check) -> None:
    lines = str(person_cells(INTEND, "four", 5).files["people.csv"]).splitlines()
    lines[6] = lines[6][:-1] + "perhaps"
    answer = read(P.having("people.csv", "\n".join(lines) + "\n"))
    answer.does_not_say("rows 5 and 7")


ARMS = [
    ("text in numbers", arm_row("3.9,1.4", "3.9,wide"), 2, "column sd", ["not a number"]),
    ("SD of zero", arm_row("3.9,1.4", "3.9,0"), 2, "column sd", ["greater than 0"]),
    ("SD below zero", arm_row("3.9,1.4", "3.9,-1"), 2, "column sd", ["greater than 0"]),
    ("no SD", arm_row("3.9,1.4", "3.9,"), 2, "column mean, sd", ["give mean and sd"]),
    (
        "impossible SD",
        arm_row("3.9,1.4", "3.9,4.4"),
        2,
        "column sd",
        ["declared scale", "check the SD"],
    ),
    ("mean outside the scale", arm_row("3.9,1.4", "9.9,1.4"), 2, "column mean", ["declared scale"]),
    (
        "more events than persons",
        arm_row("48,,,12", "48,,,49"),
        4,
        "column events, n",
        ["more events than", "which of the two numbers"],
    ),
    ("events below zero", arm_row("48,,,12", "48,,,-1"), 4, "column events", ["at least 0"]),
    ("one person", arm_row("intention,50", "intention,1"), 2, "column n", ["at least 2"]),
    ("infinite", arm_row("intention,50", "intention,inf"), 2, "column n", ["not a number"]),
    ("too large for a double", arm_row("3.9,1.4", "3.9,1e400"), 2, "column sd", ["infinite"]),
    ("no measurement", arm_row("3.9,1.4", "-3e200,1.4"), 2, "column mean", ["above 1e+30"]),
    ("nearer to 0 than any", arm_row("3.9,1.4", "3.9,2e-200"), 2, "column sd", ["1e-30"]),
    ("below the smallest double", arm_row("3.9,1.4", "3.9,2e-400"), 2, "column sd", ["1e-30"]),
    (
        "more than all people",
        arm_row("control,intention,50", "control,intention,5e11"),
        2,
        "column n",
        ["more than can be counted"],
    ),
    (
        "half a person",
        arm_row("control,intention,50", "control,intention,50.5"),
        2,
        "column n",
        ["not a whole number", "the whole comparator group", "clustering_already_adjusted"],
    ),
    (
        "a share of an event",
        arm_row("48,,,12", "48,,,12.4"),
        4,
        "column events",
        ["not a whole number"],
    ),
    (
        "arm not declared",
        arm_row("letter,intention", "leter,intention"),
        3,
        "column arm",
        ["declare the arm under `arms:`", "recode"],
    ),
    (
        "outcome not declared",
        arm_row("letter,intention", "letter,intent"),
        3,
        "column outcome",
        ["declare the outcome under `outcomes:`", "recode"],
    ),
    (
        "same row twice",
        arm_row("control,visit,48,,,12\n", "control,visit,48,,,12\ncontrol,visit,48,,,13\n"),
        4,
        "column",
        ["rows 4 and 5", "more than once", "keep one"],
    ),
]


@pytest.mark.parametrize(
    ("recipe", "row", "column", "words"), [c[1:] for c in ARMS], ids=[c[0] for c in ARMS]
)
def test_a_row_of_arm_numbers(
    read: Check, recipe: Recipe, row: int, column: str, words: list[str]
) -> None:
    answer = read(recipe)
    assert answer.exit_code == exits.SET_ASIDE
    answer.says(f"[table.csv, row {row}, {column}", *words)


EFFECTS = [
    ("limits not in order", effect_row("0.90,3.60", "3.60,0.90"), 3, ["below the upper one"]),
    (
        "value outside its limits",
        effect_row("1.80,0.90", "5.80,0.90"),
        3,
        ["between its confidence"],
    ),
    (
        "logarithm for a ratio",
        effect_row("1.80,0.90,3.60", "-0.2,-0.7,0.3"),
        3,
        ["above 0", "not its logarithm"],
    ),
    ("unknown statistic", effect_row("d,0.42", "cohen,0.42"), 2, ["use one of d, g, smd"]),
]


@pytest.mark.parametrize(
    ("recipe", "row", "words"), [c[1:] for c in EFFECTS], ids=[c[0] for c in EFFECTS]
)
def test_a_printed_effect(read: Check, recipe: Recipe, row: int, words: list[str]) -> None:
    answer = read(recipe)
    assert answer.exit_code == exits.SET_ASIDE
    answer.says(f"[printed.csv, row {row}, column", *words)


UNUSABLE = [
    ("difference without SD", effect_row("d,0.42", "md,0.42"), 2, "needs the standard deviation"),
    (
        "d without n",
        effect_row("d,0.42,0.06,0.78,60,61", "d,0.42,,,,"),
        2,
        "needs n of both groups",
    ),
    ("d without value", effect_row("d,0.42,0.06,0.78", "d,,,"), 2, "needs a value"),
    (
        "OR without interval",
        effect_row("1.80,0.90,3.60", "1.80,,"),
        3,
        "needs its confidence interval",
    ),
]


@pytest.mark.parametrize(
    ("recipe", "row", "words"), [c[1:] for c in UNUSABLE], ids=[c[0] for c in UNUSABLE]
)
def test_an_effect_that_cannot_be_made(check: Check, recipe: Recipe, row: int, words: str) -> None:
    answer = check(recipe)
    assert answer.exit_code == exits.OK
    answer.says(
        f"WARNING effects_trial [printed.csv, row {row}]",
        words,
        "add what is missing",
        "0 of 1 effects usable",
    )


def test_an_implausible_effect_is_held(check: Check) -> None:
    answer = check(effect_row("0.42,0.06,0.78", "4.2,3.6,4.8"))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("HOLD", "g = 4.17 on intention", "waiver with name and reason")


def test_a_held_effect_is_not_called_usable(check: Check) -> None:
    check(effect_row("0.42,0.06,0.78", "4.2,3.6,4.8")).does_not_say("intention: 1 of 1 effects")


PERCENTS = arm_row("arm,outcome,n,mean,sd,events", "arm,outcome,n,mean,sd,pct")
PERCENTS = PERCENTS.but("events: events", "percent: pct")


def percents(control: str, letter: str, n: str = "48") -> Recipe:
    """The arm trial with percents in place of events."""
    table = PERCENTS.but("visit,48,,,12", f"visit,{n},,,{control}", "table.csv")
    return table.but("visit,49,,,18", f"visit,49,,,{letter}", "table.csv")


@pytest.mark.parametrize(
    "text", ["25", "25.0", "2.5e1", "33.3", "33.33", "33.333333333333336", "35", "35.4", "35.42"]
)
def test_a_percent_of_whole_persons_passes(read: Check, text: str) -> None:
    assert read(percents(text, "36.7")).exit_code == exits.OK


@pytest.mark.parametrize("text", ["0.25", "25.1", "25.00001", "33.34"])
def test_a_percent_of_no_whole_number_is_rejected(read: Check, text: str) -> None:
    answer = read(percents(text, "36.7"))
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says("row 4, column pct, n", "no whole number of the n", "not the share 0.45")


@pytest.mark.parametrize(
    ("percent", "n"), [("25.1", "4 8"), ("25.1", "48.5"), ("25.1", "1e400"), ("125", "48")]
)
def test_a_percent_of_an_unreadable_n_is_one_fault(read: Check, percent: str, n: str) -> None:
    assert read(percents(percent, "36.7", n)).faults == 1


ADJUSTED = "design:\n  type: cluster\n  clustering_already_adjusted: true\n"


@pytest.mark.parametrize(
    "recipe", [percents("25.1", "36.7", "48.25"), arm_row("48,,,12", "48.5,,,12.25")]
)
@pytest.mark.parametrize("adjusted", [True, False])
def test_effective_sample_sizes_need_not_be_whole(
    read: Check, recipe: Recipe, adjusted: bool
) -> None:
    if adjusted:
        recipe = recipe.but("design:\n  type: parallel\n", ADJUSTED)
    assert (read(recipe).exit_code == exits.OK) is adjusted


EFFECT_NUMBERS = [
    ("infinite value", effect_row("d,0.42,0.06,0.78", "d,1e999,,"), "value", "infinite"),
    ("fractional n1", effect_row("0.06,0.78,60,61", ",,60.5,61"), "n1", "not a whole number"),
    ("fractional n2", effect_row("0.06,0.78,60,61", ",0.78,60,61.5"), "n2", "not a whole number"),
]


@pytest.mark.parametrize(
    ("recipe", "column", "words"), [c[1:] for c in EFFECT_NUMBERS],
    ids=[c[0] for c in EFFECT_NUMBERS],
)  # fmt: skip
def test_numbers_of_a_printed_effect(read: Check, recipe: Recipe, column: str, words: str) -> None:
    answer = read(recipe)
    assert answer.faults == 1
    answer.says(f"row 2, column {column}", words)


def test_sizes_that_make_no_variance_are_told_when_they_are_not_whole(read: Check) -> None:
    answer = read(effect_row("0.78,60,61", "0.78,60.5,61"))
    assert answer.faults == 0
    answer.says("WARNING", "[printed.csv, row 2, column n1, n2]", "printed error or interval")


@pytest.mark.parametrize(("statistic", "faults"), [("p", 0), ("d", 1)])
def test_a_tiny_p_value_is_a_p_value(read: Check, statistic: str, faults: int) -> None:
    assert read(effect_row("d,0.42,0.06,0.78", f"{statistic},1e-40,,")).faults == faults


def test_a_participant_s_impossible_number_is_told_without_it(read: Check) -> None:
    answer = read(person_cells(INTEND, "7e300", 5))
    assert answer.faults == 1
    answer.says("[people.csv, row 5, column intend", "infinite, above 1e+30")
    answer.does_not_say("7e300")


COUNTS = [
    ("a fraction", "20,30,10,40", "20,30.5,10,40", "column yes_no", "not a whole number"),
    ("below zero", "20,30,10,40", "-20,30,10,40", "column yes_yes", "at least 0"),
    ("empty", "20,30,10,40", "20,,10,40", "column yes_no", "is empty"),
    ("all zero", "20,30,10,40", "0,0,0,0", "column yes_yes", "2 persons"),
    ("arm not declared", "control,20", "contrl,20", "column arm", "declare the arm"),
]


@pytest.mark.parametrize(
    ("old", "new", "column", "words"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS]
)
def test_a_row_of_counts(read: Check, old: str, new: str, column: str, words: str) -> None:
    answer = read(C.but(old, new, "counts.csv"))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says(f"[counts.csv, row 2, {column}", words)


def test_all_faults_of_a_table_are_told_at_once(read: Check) -> None:
    recipe = arm_row("3.9,1.4", "3.9,-1").but("48,,,12", "48,,,49", "table.csv")
    recipe = recipe.but("letter,intention,52", "leter,intention,1", "table.csv")
    recipe = recipe.but("letter,visit,49", "letter,vizit,forty", "table.csv")
    answer = read(recipe)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 6)
    answer.says(
        "row 2, column sd",
        "row 3, column arm",
        "row 3, column n",
        "row 4, column events",
        "row 5, column n",
        "row 5, column outcome",
    )


@pytest.mark.parametrize("kept", [(1, 2), (3, 4)], ids=["only intention", "only behavior"])
def test_one_construct_is_enough(check: Check, kept: tuple[int, int]) -> None:
    lines = str(A.files["table.csv"]).splitlines()
    table = "\n".join([lines[0], *[lines[i] for i in kept]]) + "\n"
    answer = check(A.having("table.csv", table))
    assert answer.exit_code == exits.OK
    answer.says(f"{'intention' if 1 in kept else 'behavior'}: 1 of 1 effects usable")
    answer.does_not_say("pairs of upstream construct")


def test_a_fault_leaves_the_other_rows_in_use(check: Check) -> None:
    answer = check(person_cells(INTEND, "four", 5))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("intention: 1 of 1 effects usable", "data aside", "run this check again")


def test_one_finding_is_one_finding(check: Check) -> None:
    check(person_cells(INTEND, "four", 5)).does_not_say("1 findings")


def test_rows_of_one_arm_only_give_no_effect_and_say_why(check: Check) -> None:
    lines = str(A.files["table.csv"]).splitlines()
    answer = check(A.having("table.csv", f"{lines[0]}\n{lines[1]}\n"))
    answer.does_not_say("Nothing is wrong")
    answer.says("letter")


WELL = [
    ("is outside >", arm_row("3.9,1.4", "3.9,0")),
    ("collection_id", person_cells(PERSON, "P001", 5)),
    ("row 62 of the file do not", P.having("people.csv", str(P.files["people.csv"]) + "P999,c")),
]


def test_a_broken_rule_is_said_plainly(read: Check) -> None:
    read(person_cells(INTEND, "9", 5)).does_not_say("it is not so that")


@pytest.mark.parametrize(("words", "recipe"), WELL, ids=[c[0] for c in WELL])
def test_messages_read_well(read: Check, words: str, recipe: Recipe) -> None:
    read(recipe).does_not_say(words)


@pytest.mark.parametrize(
    "recipe",
    [
        arm_row("3.9,1.4", "three,1.4"),
        person_cells(VISITED, "yes", 5),
        person_cells(ARM, "", 5),
        effect_row("0.90,3.60", "3.60,0.90"),
    ],
    ids=["text as mean", "yes for 1", "no arm", "limits swapped"],
)
def test_one_fault_is_one_finding(read: Check, recipe: Recipe) -> None:
    assert read(recipe).faults == 1


def _source_line(line: str) -> Recipe:
    return P.but("    file: people.csv\n", f"    file: people.csv\n    {line}\n")


def _part(text: str, recipe: Recipe) -> Recipe:
    return recipe.but("provenance:\n", text + "provenance:\n")


IDLE = [
    ("recode", _source_line("recode: {grup: {letter: control}}"), "grup"),
    ("moderator", _part("moderators:\n  - {name: age, column: agee}\n", P), "agee"),
    (
        "correlation",
        _part(
            "pairs:\n  - {upstream: intention, behavior: visit, "
            "correlation: {column: rr, origin: reported_total}}\n",
            E,
        ),
        "rr",
    ),
    ("arm", A.but("arms:\n", "arms:\n  - {id: phone, role: experimental}\n"), "phone"),
    (
        "outcome",
        A.but(
            "outcomes:\n",
            "outcomes:\n  - {id: stigma, construct: self_stigma, scale: {type: continuous}, "
            "higher_is_better: false}\n",
        ),
        "stigma",
    ),
]


@pytest.mark.parametrize(
    ("recipe", "word"),
    [pytest.param(*c[1:], id=c[0]) for c in IDLE],
)
def test_what_can_have_no_effect_is_told(check: Check, recipe: Recipe, word: str) -> None:
    answer = check(recipe)
    answer.says(word)
    answer.does_not_say("Nothing is wrong")


def test_an_empty_column_name_is_a_fault(check: Check) -> None:
    assert check(P.but("arm: group", 'arm: ""')).exit_code == exits.SET_ASIDE


def test_a_direction_that_contradicts_the_report_is_held(check: Check) -> None:
    table = "outcome,statistic,value,low,high,n1,n2,favors\n"
    table += "intention,d,0.4,0.1,0.7,60,61,comparator\n"
    recipe = E.but("ci_lb: low", "favors: favors, ci_lb: low").having("printed.csv", table)
    answer = check(recipe)
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("HOLD", "[printed.csv, row 2]", "favors the comparator", "higher_is_better")
