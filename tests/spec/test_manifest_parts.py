"""The reader of manifests in its parts: text to plain data, faults in words, references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.builders import Recipe, arm_trial, effects_trial, participant_trial
from validations.errors import TrialFileError
from validations.findings import Finding, Severity
from validations.manifest import load_manifest
from validations.manifest.columns import ArmColumns, ParticipantColumns
from validations.manifest.crosscheck import crosscheck
from validations.manifest.model import TrialManifest
from validations.manifest.yaml_reader import (
    MOST_LEVELS,
    MOST_VALUES,
    YamlFaultError,
    read_yaml,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nul", "nul"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False),
        ("FALSE", False), ("yes", "yes"), ("no", "no"), ("on", "on"), ("tRue", "tRue"),
        ("0", 0), ("-5", -5), ("+5", 5), ("12", 12), ("012", 12.0), ("0x1F", "0x1F"),
        ("1_000", "1_000"), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0),
        ("-1.5E-3", -0.0015), ("1e", "1e"), ("1:30", "1:30"), ("2024-01-02", "2024-01-02"),
        ("'1'", "1"), ('"true"', "true"), ("''", ""), (".inf", ".inf"), ("a b", "a b"),
        ("9" * 40, int("9" * 40)),
    ],
)  # fmt: skip
def test_plain_words(text: str, value: Any) -> None:
    found = read_yaml(f"a: {text}\n").data["a"]
    assert found == value and type(found) is type(value)


def test_texts_in_blocks_stay_texts() -> None:
    assert read_yaml("a: |\n  12\nb: >\n  true\n").data == {"a": "12\n", "b": "true\n"}


def test_every_path_has_its_line() -> None:
    document = read_yaml("# words\na: 1\nb:\n  - x\n  - c: 2\n    d:\n      3\n")
    assert document.data == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}
    lines: dict[tuple[Any, ...], int | None] = {
        ("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 1): 5, ("b", 1, "c"): 5, ("b", 1, "d"): 6,
        ("b", 1, "none", "deeper"): 5, ("b", 7): 3, ("none",): 2, (): 2,
    }  # fmt: skip
    assert {path: document.line(path) for path in lines} == lines
    assert read_yaml("").line(("a",)) is None and read_yaml("").data is None


def refused(text: str) -> tuple[str, int | None, str, str]:
    with pytest.raises(YamlFaultError) as caught:
        read_yaml(text)
    return str(caught.value), caught.value.line, caught.value.fix, caught.value.rule


LONG = "x" * 90


@pytest.mark.parametrize(
    ("text", "message", "line", "fix"),
    [
        ("a: 1\nb: &x 1\nc: *x\n", "it uses an alias (*x)", 3, "write the value out"),
        ("a: 1\nb: !!str 1\n", "it uses a tag (tag:yaml.org,2002:str)", 2, "remove the tag"),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands twice", 3, "remove one of the two"),
        (f"{LONG}: 1\n{LONG}: 2\n", f"the key '{LONG[:80]}...' stands twice", 2, "remove one"),
        (f"{LONG[:80]}: 1\n{LONG[:80]}: 2\n", f"the key '{LONG[:80]}' stands twice", 2, "remove"),
        ("a: 1\n---\nb: 2\n", "it holds a second document", 2, "remove the line `---`"),
        ("a: 1\n[1, 2]: 2\n", "a key must be plain text", 2, "indentation"),
        ("a: 1\n\n\x07b: 2\n", "it holds a character that YAML does not know (U+0007)", 3, "UTF-8"),
        ("a: 1\n%b\n", "it has a line that begins with %", 2, "indent the line"),
        (f"a: 1\nb: {'9' * 41}\n",
         "it holds a number that is too large or too long (41 characters)", 2,
         "write fewer digits"),
        ("a: 1e999\n", "it holds a number that is too large or too long (5 characters)", 1,
         "quotes"),
        ("a:\n\tb: 1\n", "it is indented with a tab (\\t)", 2, "use spaces"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, message: str, line: int, fix: str) -> None:
    found = refused(text)
    assert found[0].startswith(message) and found[1] == line and fix in found[2]
    assert found[3] == "manifest_not_yaml"


def test_a_version_line_is_no_fault() -> None:
    assert read_yaml("%YAML 1.2\n---\na: 1\n").data == {"a": 1}


def test_depth_and_size_have_their_limits() -> None:
    def nested(levels: int) -> str:
        return "a: " + "[" * (levels - 1) + "]" * (levels - 1) + "\n"

    assert MOST_LEVELS == 32 and read_yaml(nested(32)).data
    message, line, _, rule = refused(nested(33))
    assert (message, line, rule) == ("it nests deeper than 32 levels", 1, "manifest_too_deep")
    assert MOST_VALUES == 20_000
    # a mapping, its key and a list are three of them
    assert len(read_yaml("a: [" + "1," * 19_997 + "]\n").data["a"]) == 19_997
    message, _, fix, rule = refused("a: [" + "1," * 19_998 + "]\n")
    assert (message, rule) == ("it holds more than 20,000 keys and values", "manifest_unreadable")
    assert "split the trial" in fix


# references ------------------------------------------------------------------------------------


def manifest(recipe: Recipe) -> TrialManifest:
    return TrialManifest.model_validate(yaml.safe_load(recipe.manifest))


def crossed(recipe: Recipe, trial: str = "") -> list[tuple[str, int | None, str]]:
    document = read_yaml(recipe.manifest)
    found = crosscheck(manifest(recipe), trial or recipe.name, document)
    assert {(f.severity, f.file, f.trial_id) for f in found} <= {
        (Severity.ERROR, "trial.yaml", trial or recipe.name)
    }
    assert all(f.fix.startswith(FIXES.get(f.rule_id, KNOWN)) for f in found)
    return [(f.rule_id, f.row, f"{f.message}; {f.fix}") for f in found]


P, A, E = participant_trial(), arm_trial(), effects_trial()


@pytest.mark.parametrize("recipe", [P, A, E])
def test_good_manifests_have_no_faults(recipe: Recipe) -> None:
    assert crossed(recipe) == []


def comparing(one: str, other: str) -> str:
    return f"comparisons:\n  - {{intervention: {one}, comparator: {other}}}\nprovenance"


TWO_ARMS = "  - {id: control, role: usual_care}\n  - {id: letter, role: experimental}\n"
ONE_WAY = "  - {id: letter, role: experimental}\n"
CASES: list[tuple[Recipe, str, str]] = [
    (P.but(ONE_WAY, ONE_WAY * 2), "manifest_duplicate_id", "the id 'letter' stands twice in arms"),
    (
     P.but("topic: help_seeking\n", "topic: help_seeking\nupstream_construct: attitude\n"),
     "manifest_main_is_intention", "found attitude; name a synthesis of its own"),
    (P.but("file: people.csv", "file: ../people.csv"), "manifest_path_outside", "../people.csv"),
    (A.but("arm: arm, outcome", "outcome", times=1).but(
        "events: events}", "events: events, values: {arm: lettr}}"),
     "manifest_unknown_arm", "the arm 'lettr' is not declared; did you mean 'letter'?"),
    (E.but("outcome: outcome, ", "").but("n2: n2}", "n2: n2, values: {outcome: visits}}"),
     "manifest_unknown_outcome", "did you mean 'visit'?"),
    (E.but("n2: n2}", "n2: n2, values: {intervention: zzz}}"), "manifest_unknown_arm",
     "declared: control, letter"),
    (E.but("n2: n2}", "n2: n2, values: {comparator: zzz}}"), "manifest_unknown_arm",
     "declared: control, letter"),
    (E.but("n2: n2}", "n2: n2, values: {statistik: d}}"), "manifest_unknown_key",
     "values: 'statistik' is not a field here; did you mean 'statistic'?"),
    (E.but("n2: n2}", "n2: n2, values: {qqqqqqqq: d}}"), "manifest_unknown_key",
     "see the manifest handbook"),
    (A.but("    scale: {type: binary}\n", "    scale: {type: binary}\n    column: v\n"),
     "manifest_missing_key", "'visit' names a column but no source"),
    (P.but("    column: visited\n", "    column: visited\n    source: peple\n"),
     "manifest_unknown_source", "did you mean 'people'?"),
    (P.but("min: 1, max: 7", "min: 7, max: 7"), "manifest_wrong_value", "min is not below its max"),
    (A.but("role: usual_care", "role: experimental"), "manifest_no_comparator", "role"),
    (A.but("role: usual_care", "role: active_comparator"), "manifest_no_comparator", "role"),
    (A.but("role: experimental", "role: waitlist"), "manifest_no_intervention", "experimental"),
    (A.but("provenance", comparing("letter", "letter")),
     "manifest_wrong_value", "an arm is compared with itself"),
    (A.but("provenance", comparing("lettr", "control")),
     "manifest_unknown_arm", "did you mean 'letter'?"),
    (A.but("provenance", "pairs:\n  - {upstream: visit, behavior: intention}\nprovenance"),
     "manifest_pair_constructs", "found behavior with intention"),
    (A.but("provenance", "pairs:\n  - {upstream: visit, behavior: visit}\nprovenance"),
     "manifest_pair_constructs", "found behavior with behavior"),
    (A.but("provenance", "pairs:\n  - {upstream: intention, behavior: visits}\nprovenance"),
     "manifest_unknown_outcome", "did you mean 'visit'?"),
    (P.but("      arm: group\n", "      arm: group\n      values: {clustr: one}\n"),
     "manifest_unknown_key", "values: 'clustr' is not a field here; did you mean 'cluster'?"),
    (A.but("{weeks: 0}", "{weeks: 13}").but(
        "provenance", "pairs:\n  - {upstream: intention, behavior: visit}\nprovenance"),
     "behavior_before_intention", "'visit' (week 12) was measured before 'intention' (week 13)"),
    (A.but("provenance", "pairs:\n  - {upstream: intention, behavior: visit, "
                         "correlation: {n: 9, origin: borrowed}}\nprovenance"),
     "manifest_missing_key", "needs a value or a column"),
]  # fmt: skip


KNOWN = ("did you mean ", "declared: ", "see the manifest handbook")
FIXES: dict[str, tuple[str, ...]] = {
    "manifest_duplicate_id": ("give every part its own id",),
    "manifest_main_is_intention": ("name a synthesis of its own",),
    "manifest_path_outside": ("copy the file into the folder",),
    "manifest_missing_key": ("add `source:` with the id of", "add `value:` or `column:`"),
    "manifest_wrong_value": ("give the lowest and highest", "name two different arms"),
    "manifest_no_comparator": ("give the control arm a role",),
    "manifest_no_intervention": ("give the tested arm the role experimental",),
    "manifest_pair_constructs": ("swap or correct the outcomes",),
    "behavior_before_intention": ("pair an intention with a behavior",),
    "manifest_id_is_folder": ("give both the same name",),
    "manifest_no_outcomes": ("declare what was measured",),
    "manifest_no_arms": ("declare the groups of the trial",),
    "manifest_unknown_source": ("remove `column:` or declare the source", *KNOWN),
}


@pytest.mark.parametrize(("recipe", "rule", "words"), CASES)
def test_references(recipe: Recipe, rule: str, words: str) -> None:
    found = [one for one in crossed(recipe) if one[0] == rule]
    assert len(found) == 1, crossed(recipe)
    assert words in found[0][2]
    assert found[0][1] is not None and found[0][1] > 1


@pytest.mark.parametrize(
    "recipe",
    [
        A.but("{weeks: 0}", "{weeks: 12}").but(
            "provenance", "pairs:\n  - {upstream: intention, behavior: visit}\nprovenance"),
        A.but("provenance", "pairs:\n  - {upstream: intention, behavior: visit, "
                            "correlation: {value: 0.4, n: 9, origin: borrowed}}\nprovenance"),
        A.but("min: 1, max: 7", "min: 1"), A.but("min: 1, max: 7", "max: 7"),
        A.but("role: usual_care", "role: experimental").but(
            "provenance", comparing("letter", "control")),
        A.but("topic: help_seeking\n",
              "topic: help_seeking\nsynthesis: school\nupstream_construct: attitude\n"),
        A.but("events: events}", "events: events, values: {timepoint: end}}"),
    ],
)  # fmt: skip
def test_what_is_no_fault(recipe: Recipe) -> None:
    assert crossed(recipe) == []


def test_the_folder_and_many_faults() -> None:
    (one,) = crossed(A, "elsewhere")
    assert one[0] == "manifest_id_is_folder" and one[1] == 2
    assert "id is 'arms_trial' but the folder is called 'elsewhere'" in one[2]
    many = A.but(ONE_WAY, ONE_WAY * 90)
    assert len(crossed(many)) == 61, "beyond sixty no further ones are looked for"
    assert crosscheck(manifest(many), many.name)[0].row is None, "without a document no line"


def test_participants_need_arms_and_outcomes() -> None:
    bare = P.manifest.split("outcomes:")[0] + P.manifest[P.manifest.index("provenance:") :]
    recipe = Recipe(P.name, bare.replace("arms:\n" + TWO_ARMS, ""), {})
    assert [one[0] for one in crossed(recipe)] == ["manifest_no_outcomes", "manifest_no_arms"]


def test_codings_of_barriers_need_no_outcomes() -> None:
    head = A.manifest[: A.manifest.index("arms:")].replace("type: parallel", "type: coding")
    source = (
        "sources:\n  - {id: codes, kind: barrier_codings, file: codes.csv, "
        "columns: {dimension: d, n_sources: n}}\n"
    )
    recipe = Recipe(A.name, head + source + A.manifest[A.manifest.index("provenance:") :], {})
    assert crossed(recipe) == []


def test_an_outcome_with_a_column_needs_one_source_of_participants() -> None:
    source = P.manifest[P.manifest.index("  - id: people") : P.manifest.index("outcomes:")]
    two = P.but(source, source + source.replace("id: people", "id: others"))
    rules = [one[0] for one in crossed(two)]
    assert rules == ["manifest_missing_key"] * 2
    none = A.but("    scale: {type: binary}\n", "    scale: {type: binary}\n    column: v\n")
    assert [r for r, _, _ in crossed(none)] == ["manifest_missing_key", "manifest_unknown_source"]


@pytest.mark.parametrize(
    ("recipe", "begin", "end"), [(E, "      - {outcome", "n2: n2}"), (A, "      - {arm", "events}")]
)
def test_a_block_among_several_has_its_own_line(recipe: Recipe, begin: str, end: str) -> None:
    block = recipe.manifest[recipe.manifest.index(begin) : recipe.manifest.index("outcomes:")]
    wrong = block.replace(end, f"{end[:-1]}, values: {{comparator: z, arm: z}}}}")
    two = recipe.but(block, block + wrong)
    line = two.manifest[: two.manifest.index("comparator: z")].count("\n") + 1
    found = crossed(two)
    assert {row for _, row, _ in found} == {line}
    assert [rule for rule, _, _ in found].count("manifest_unknown_arm") == 2


# columns ---------------------------------------------------------------------------------------


def test_columns_of_fields() -> None:
    given = ArmColumns.model_validate(
        {"study": ["first", "second"], "arm": " arm ", "mean": "m",
         "values": {"n": 40, "x": " a  b "}}
    )  # fmt: skip
    assert given.mapping() == {"study": ["first", "second"], "arm": ["arm"], "mean": ["m"]}
    assert given.values == {"n": "40", "x": "a b"}


@pytest.mark.parametrize(
    "columns", [{"participant": "", "arm": "a"}, {"participant": "p", "arm": "a", "zz": "z"},
                {"participant": "p"}],
)  # fmt: skip
def test_columns_that_are_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ParticipantColumns.model_validate(columns)
    with pytest.raises(ValidationError, match="a column name is empty"):
        ArmColumns.model_validate({"study": ["a", ""]})


# all together ----------------------------------------------------------------------------------


def faults(folder: Path, manifest: str | bytes | None) -> list[Finding]:
    folder.mkdir()
    if manifest is not None:
        data = manifest if isinstance(manifest, bytes) else manifest.encode()
        (folder / "trial.yaml").write_bytes(data)
    with pytest.raises(TrialFileError) as caught:
        load_manifest(folder)
    assert {(f.trial_id, f.severity) for f in caught.value.findings} == {("t", Severity.ERROR)}
    assert str(caught.value) == "\n".join(f.text() for f in caught.value.findings)
    return caught.value.findings


def test_very_many_faults_are_counted(tmp_path: Path) -> None:
    keys = "".join(f"key{i}: 1\n" for i in range(60))
    found = faults(tmp_path / "t", A.called("t").manifest + keys)
    assert len(found) == 51
    assert found[-1].message == "further faults of the manifest are not listed"
    assert found[-1].fix == "correct these first and check again"
    keys = "".join(f"key{i}: 1\n" for i in range(50))
    (tmp_path / "u").mkdir()
    found = faults(tmp_path / "u" / "t", A.called("t").manifest + keys)
    assert len(found) == 50 and "not listed" not in found[-1].message


def test_a_wrong_entry_of_a_list_is_told_what_the_list_is(tmp_path: Path) -> None:
    text = A.called("t").manifest + "comparisons:\n  - 5\n"
    (found,) = faults(tmp_path / "t", text)
    assert found.message.startswith("comparisons[1]: ")
    assert found.row == text.count("\n")
    assert found.fix == "by default every intervention against every comparator"


def test_a_field_without_a_description_has_no_advice(tmp_path: Path) -> None:
    text = A.called("t").manifest.replace("arms:\n", "arms:\n  - 5\n")
    (found,) = faults(tmp_path / "t", text)
    assert found.message.startswith("arms[1]: ") and found.fix == ""


def test_long_texts_are_cut(tmp_path: Path) -> None:
    found = faults(tmp_path / "t", A.called("t").manifest + "k" * 900 + ": 1\n")
    text = found[0].message
    assert (
        len(text) == 500 + 60 + 24
        and "... (919 characters) ...k" in text
        and text.endswith("is not a known key")
    )


@pytest.mark.parametrize(
    ("data", "rule", "words"),
    [
        (None, "manifest_missing", "has no trial.yaml"), ("- a\n", "manifest_empty", "no keys"),
        ("a: 1".encode("utf-16"), "manifest_unreadable", "UTF-16"),
        (b"a: 1\nb: \xff\n", "manifest_unreadable", "(byte 8)"),
        ("a: *b\n", "manifest_not_yaml", "not usable YAML: it uses an alias"),
    ],
)  # fmt: skip
def test_manifests_that_cannot_be_read(tmp_path: Path, data: Any, rule: str, words: str) -> None:
    (found,) = faults(tmp_path / "t", data)
    assert found.rule_id == rule and words in found.message and found.file == "trial.yaml"
    assert found.row == {"manifest_empty": 1, "manifest_not_yaml": 1}.get(rule)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    text = A.called("t").manifest
    (tmp_path / "t" / "trial.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_manifest(tmp_path / "t").id == "t"


def test_a_folder_without_a_manifest_names_a_data_file(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "folder").mkdir()
    for name in ("b.csv", "a.csv"):
        (tmp_path / "t" / name).write_text("x")
    with pytest.raises(TrialFileError, match=r"ibgap trial new t/a\.csv"):
        load_manifest(tmp_path / "t")
    (tmp_path / "u").mkdir()
    with pytest.raises(TrialFileError, match="ibgap trial new u/FILE"):
        load_manifest(tmp_path / "u")
