"""What `ibgap trial check` says about a manifest: the line, what was found, what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ibgap.cli import exits
from tests.builders import (
    PROVENANCE,
    Recipe,
    arm_trial,
    counts_trial,
    participant_trial,
    write_trial,
)
from validations.errors import TrialFileError
from validations.manifest import load_manifest, yaml_reader

from .conftest import Answer

Check = Callable[[Recipe | Path], Answer]
P, A = participant_trial(), arm_trial()


@pytest.mark.parametrize("make", [participant_trial, arm_trial, counts_trial])
def test_a_valid_trial_has_no_fault(check: Check, make: Callable[[], Recipe]) -> None:
    answer = check(make())
    assert answer.exit_code == exits.OK
    answer.says("Nothing is wrong", "Next: ibgap refresh", "pairs of upstream construct")


def test_no_manifest(check: Check, tmp_path: Path) -> None:
    answer = check(write_trial(tmp_path / "x", None, **{"people.csv": "a,b\n1,2\n"}))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("no trial.yaml", "ibgap trial new x/people.csv")


def test_no_folder(check: Check, tmp_path: Path) -> None:
    answer = check(tmp_path / "nowhere")
    assert answer.exit_code != exits.OK
    answer.says("there is no folder", "nowhere", "ibgap trial new FILE")


YAML = [
    (
        "unclosed list",
        P.but("  type: parallel\n", "  type: [parallel\n"),
        "line 7",
        "not usable yaml",
    ),
    ("tab", P.but("  type: parallel\n", "\ttype: parallel\n"), "line 6", "\\t"),
    ("tag", P.but("label: Small 2024", "label: !!python/object:os.system x"), "line 3", "tag"),
    ("own tag", P.but("label: Small 2024", "label: !date 2024"), "line 3", "!date"),
    (
        "alias",
        P.but("label: Small 2024", "label: &a S").but("topic: help_seeking", "topic: *a"),
        "line 4",
        "alias",
    ),
    ("brackets", P.but("label: Small 2024", "label: " + "[" * 50_000), "line 3", "32 levels"),
    ("maps", P.but("label: Small 2024", "label: " + "{a: " * 4_000), "line 3", "32 levels"),
    ("dashes", P.but("label: Small 2024", "label:\n  " + "- " * 4_000), "line 4", "32 levels"),
    ("questions", P.but("label: Small 2024", "label:\n  " + "? " * 4_000), "line 4", "plain text"),
    (
        "block",
        P.but("label: Small 2024", "label:\n" + "\n".join(" " * i + "a:" for i in range(1, 900))),
        "line 35",
        "32 levels",
    ),
    (
        "values",
        P.but("label: Small 2024", "label: [" + "1," * 30_000 + "]"),
        "line 3",
        "more than 20,000 keys and values",
    ),
    (
        "long number",
        P.but("label: Small 2024", "label: " + "9" * 100_000),
        "line 3",
        "too long (100,000 characters)",
    ),
    ("large number", P.but("label: Small 2024", "label: 1e400"), "line 3", "too large"),
    ("NUL", P.but("label: Small 2024", "label: a\0b"), "line 3", "U+0000"),
    ("escape", P.but("label: Small 2024", "label: \x1b[31m"), "line 3", "U+001B"),
    ("half a character", P.but("label: Small 2024", 'label: "\\ud800"'), "line 3", "character"),
    ("directive", P.but("label: Small 2024", "label:\n%TAG !a! b"), "line 4", "begins with %"),
    ("second document", P.but("arms:", "---\narms:"), "line 7", "second document"),
    (
        "duplicate key",
        P.but("topic: help_seeking\n", "topic: help_seeking\ntopic: other\n"),
        "line 5",
        "'topic' stands twice",
    ),
]


@pytest.mark.parametrize(
    ("recipe", "line", "words"), [c[1:] for c in YAML], ids=[c[0] for c in YAML]
)
def test_yaml_that_is_refused(check: Check, recipe: Recipe, line: str, words: str) -> None:
    answer = check(recipe)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says(f"[trial.yaml, {line}]", words)


@pytest.mark.parametrize(
    ("recipe", "line", "words"), [c[1:] for c in YAML], ids=[c[0] for c in YAML]
)
def test_the_parser_in_python_says_the_same(
    monkeypatch: pytest.MonkeyPatch, recipe: Recipe, line: str, words: str
) -> None:
    monkeypatch.setattr(yaml_reader, "_Parser", yaml.SafeLoader)
    with pytest.raises(yaml_reader.YamlFaultError) as caught:
        yaml_reader.read_yaml(recipe.manifest)
    assert words in f"not usable yaml: {caught.value}"
    assert abs(int(line.split()[1]) - (caught.value.line or 0)) <= 1


def test_deep_nesting_has_a_rule_of_its_own(tmp_path: Path) -> None:
    fits = "label: " + "[" * (yaml_reader.MOST_LEVELS - 1) + "]" * (yaml_reader.MOST_LEVELS - 1)
    assert yaml_reader.read_yaml(fits).line(("label", 0)) == 1
    folder = P.but("label: Small 2024", fits.replace("[", "[[", 1).replace("]", "]]", 1)).write(
        tmp_path
    )
    with pytest.raises(TrialFileError) as caught:
        load_manifest(folder)
    assert [(one.rule_id, one.row) for one in caught.value.findings] == [("manifest_too_deep", 3)]


@pytest.mark.parametrize(
    "recipe",
    [
        P.but("type: parallel", "type: " + "x" * 400_000),
        P.but("label: Small 2024", "label: a\n" + '? "' + "k" * 400_000 + '"\n: 1'),
        P.but("id: control", "id: " + "A" * 400_000),
        P.but("    column: visited", "    column: visited\n    source: " + "s" * 400_000),
        P.but("arms:\n", "arms:\n" + "  - {id: control, role: nothing}\n" * 2_000),
        P.but("arms:\n", "arms:\n" + "  - {id: letter, role: usual_care}\n" * 2_000),
        P.but("topic: help_seeking", "\n".join(f"k{i}: 1" for i in range(9_000))),
    ],
    ids=["word", "key", "id", "source", "many words", "many ids", "many keys"],
)
def test_a_manifest_of_any_size_is_answered_shortly(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(TrialFileError) as caught:
        load_manifest(recipe.write(tmp_path))
    findings = caught.value.findings
    assert 1 <= len(findings) <= 51
    assert max(len(one.message) for one in findings) <= 700
    assert max(len(one.fix) for one in findings) <= 700


def test_a_manifest_in_utf16_is_told_so(tmp_path: Path) -> None:
    folder = P.write(tmp_path)
    (folder / "trial.yaml").write_bytes(P.manifest.encode("utf-16"))
    with pytest.raises(TrialFileError, match="looks like UTF-16"):
        load_manifest(folder)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just words\n"])
def test_a_manifest_without_keys(check: Check, tmp_path: Path, text: str) -> None:
    answer = check(write_trial(tmp_path / "x", text))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("holds no keys", "begin with `ibgap: 1`")


def test_a_manifest_that_is_not_utf8(check: Check, tmp_path: Path) -> None:
    folder = P.write(tmp_path)
    (folder / "trial.yaml").write_bytes(P.manifest.replace("Small", "Rüsch").encode("latin-1"))
    answer = check(folder)
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("trial.yaml", "not UTF-8", "save it as UTF-8")


KEYS = [
    ("top", P.but("topic: help_seeking", "topick: help_seeking"), "topick", "'topic'", 1),
    (
        "columns",
        P.but("      participant: person", "      particpant: person"),
        "particpant",
        "'participant'",
        2,
    ),
    ("outcome", P.but("    column: visited", "    colum: visited"), "colum", "'column'", 1),
    (
        "format",
        P.but("    file: people.csv\n", "    file: people.csv\n    format: {delimeter: ';'}\n"),
        "delimeter",
        "'delimiter'",
        1,
    ),
    ("source", P.but("    file: people.csv", "    flie: people.csv"), "flie", "'file'", 2),
]


@pytest.mark.parametrize(
    ("recipe", "wrong", "right", "faults"), [c[1:] for c in KEYS], ids=[c[0] for c in KEYS]
)
def test_an_unknown_key_is_told_its_nearest_name(
    check: Check, recipe: Recipe, wrong: str, right: str, faults: int
) -> None:
    answer = check(recipe)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, faults)
    answer.says("trial.yaml, line", f"{wrong} is not a known key", f"did you mean {right}?")


@pytest.mark.parametrize(
    ("recipe", "right"),
    [
        (A.but("sd: sd, events: events", "sdd: sd, events: events"), "'sd'"),
        (
            counts_trial().but("inclined_actors: yes_yes", "inclined_actor: yes_yes"),
            "'inclined_actors'",
        ),
    ],
    ids=["block", "counts"],
)
def test_an_unknown_key_of_any_kind_of_source(check: Check, recipe: Recipe, right: str) -> None:
    check(recipe).says("is not a known key", f"did you mean {right}?")


MISSING = [
    ("label", P.but("label: Small 2024\n", ""), "label is missing", "Author et al. year"),
    (
        "construct",
        P.but("    construct: behavior\n", ""),
        "construct is missing",
        "what it measures",
    ),
    (
        "direction",
        A.but(
            "    higher_is_better: true\n    timepoint: {weeks: 12}", "    timepoint: {weeks: 12}"
        ),
        "higher_is_better is missing",
        "direction",
    ),
    ("provenance", P.but(PROVENANCE, ""), "provenance is missing", "add provenance"),
    (
        "license",
        P.but("  license: CC0\n", ""),
        "provenance.license is missing",
        "license of the data",
    ),
    ("scale", P.but("    scale: {type: binary}\n", ""), "scale is missing", "add scale"),
]


@pytest.mark.parametrize(
    ("recipe", "found", "fix"), [c[1:] for c in MISSING], ids=[c[0] for c in MISSING]
)
def test_a_missing_key(check: Check, recipe: Recipe, found: str, fix: str) -> None:
    answer = check(recipe)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says("trial.yaml, line", found, fix)


WRONG = [
    ("construct", P.but("construct: behavior", "construct: behaviour"), "construct", "'behavior'"),
    ("role", P.but("role: usual_care", "role: usualcare"), "role", "'usual_care'"),
    ("kind", A.but("kind: arm_summaries", "kind: arm_sumaries"), "arm_sumaries", "'arm_summaries'"),
    ("weeks", P.but("weeks: 12", "weeks: twelve"), "timepoint.weeks", "number"),
    ("id", P.but("id: small_trial", "id: Small Trial"), "'Small Trial'", "lower-case letters"),
    ("scale", P.but("min: 1, max: 7", "min: 7, max: 1"), "min is not below its max", "lowest"),
    (
        "two comparators",
        P.but("role: experimental", "role: control"),
        "role of an intervention",
        "experimental",
    ),
    (
        "no comparator",
        P.but("role: usual_care", "role: experimental"),
        "role of a comparator",
        "usual_care",
    ),
]


@pytest.mark.parametrize(
    ("recipe", "found", "right"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG]
)
def test_a_wrong_value(check: Check, recipe: Recipe, found: str, right: str) -> None:
    answer = check(recipe)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 1)
    answer.says("trial.yaml, line", found, right)


@pytest.mark.parametrize(
    "recipe",
    [
        P.but("construct: behavior", "construct: behaviour"),
        A.but("kind: arm_summaries", "kind: arm_sumaries"),
        A.but("    kind: arm_summaries\n", ""),
    ],
    ids=["behaviour", "misspelled kind", "no kind"],
)
def test_a_wrong_word_reads_well(check: Check, recipe: Recipe) -> None:
    answer = check(recipe)
    answer.does_not_say("discriminator", "input tag", "input should be")
    answer.says("->")


def test_id_and_folder_differ(check: Check, tmp_path: Path) -> None:
    answer = check(write_trial(tmp_path / "other", P.manifest, **P.files))
    answer.says("'small_trial'", "'other'", "give both the same name")


REFERENCES = [
    (
        "arm",
        "comparisons:\n  - {intervention: leter, comparator: control}\n",
        "'leter'",
        "'letter'",
    ),
    (
        "outcome",
        "pairs:\n  - {upstream: intentions, behavior: visit}\n",
        "'intentions'",
        "'intention'",
    ),
]


@pytest.mark.parametrize(
    ("part", "wrong", "right"), [c[1:] for c in REFERENCES], ids=[c[0] for c in REFERENCES]
)
def test_a_reference_that_leads_nowhere(check: Check, part: str, wrong: str, right: str) -> None:
    answer = check(P.but(PROVENANCE, part + PROVENANCE))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says(f"{wrong} is not declared", f"did you mean {right}?")


def test_a_source_that_is_not_declared(check: Check) -> None:
    answer = check(P.but("    column: visited\n", "    column: visited\n    source: peple\n"))
    answer.says("'peple' is not declared", "did you mean 'people'?")


def test_a_declared_pair_with_behavior_before_intention(check: Check) -> None:
    pairs = "pairs:\n  - {upstream: intention, behavior: visit}\n"
    answer = check(P.but("weeks: 0", "weeks: 13").but(PROVENANCE, pairs + PROVENANCE))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("'visit' (week 12)", "before", "'intention' (week 13)", "comes after it")


def test_a_default_pair_with_behavior_before_intention_is_a_warning(check: Check) -> None:
    answer = check(P.but("weeks: 0", "weeks: 13"))
    assert answer.exit_code == exits.OK
    answer.says("WARNING", "week 12", "before the intention (week 13)", "correct the weeks")
    answer.does_not_say("pairs of upstream construct")


def test_a_pair_the_wrong_way_round(check: Check) -> None:
    pairs = "pairs:\n  - {upstream: visit, behavior: intention}\n"
    answer = check(P.but(PROVENANCE, pairs + PROVENANCE))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says("found behavior with intention", "swap")


@pytest.mark.parametrize("path", ["../people.csv", "/etc/passwd", "data/../../people.csv"])
def test_a_path_out_of_the_folder(check: Check, path: str) -> None:
    answer = check(P.but("file: people.csv", f"file: {path}"))
    assert answer.exit_code == exits.SET_ASIDE
    answer.says(
        "trial.yaml, line", path, "outside the trial folder", "copy the file into the folder"
    )


def test_the_median_split_is_no_intender_rule_of_a_manifest(check: Check) -> None:
    answer = check(P.but(PROVENANCE, "intender_rule: R4\n" + PROVENANCE))
    answer.says("intender_rule is not a known key")


def test_all_faults_of_a_manifest_are_told_at_once(check: Check) -> None:
    recipe = (
        P.but("topic: help_seeking", "topick: help_seeking")
        .but("label: Small 2024\n", "")
        .but("construct: behavior", "construct: behaviour")
        .but("role: usual_care", "role: usualcare")
    )
    answer = check(recipe)
    assert (answer.exit_code, answer.faults) == (exits.SET_ASIDE, 4)
    answer.says("topick", "label is missing", "construct", "role", "4 findings")


def test_findings_as_json(check: Check, command: Callable[..., Answer], tmp_path: Path) -> None:
    import json

    folder = P.but("topic: help_seeking", "topick: help_seeking").write(tmp_path)
    answer = command("trial", "check", folder, "--json")
    assert answer.exit_code == exits.SET_ASIDE
    said = json.loads(answer.text)
    assert list(said) == ["findings", "files"] and said["files"] == []
    (finding,) = said["findings"]
    assert (finding["rule_id"], finding["file"], finding["row"]) == (
        "manifest_unknown_key",
        "trial.yaml",
        4,
    )
    assert finding["fix"] == "did you mean 'topic'?"
