"""Files as a stranger would have them, from `ibgap trial new` to explain: SPSS with labels and
user-missing codes, a spreadsheet and a German CSV with other words, a 2x2 table alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest

from ibgap.cli import exits
from validations.manifest.yaml_reader import read_yaml

from .conftest import Home


def spss_file(path: Path) -> pd.DataFrame:
    """80 persons; codes with labels; 99 and 9 are user-missing, one cell is empty."""
    random = np.random.default_rng(3)
    arm = np.arange(80) % 2 + 1.0
    frame = pd.DataFrame({
        "SUBJID": np.arange(1001.0, 1081.0),
        "COND": arm,
        "INTENT_T1": np.clip(np.rint(random.normal(4.0 + 0.5 * (arm == 2), 1.3)), 1, 7),
        "ATTENDED": (random.random(80) < 0.3 + 0.15 * (arm == 2)) + 1.0,
    })  # fmt: skip
    frame.loc[[3, 4], "INTENT_T1"] = 99.0
    frame.loc[6, "INTENT_T1"] = np.nan
    frame.loc[5, "ATTENDED"] = 9.0
    pyreadstat.write_sav(
        frame, path,
        variable_value_labels={
            "COND": {1: "Usual care", 2: "Motivational letter"}, "INTENT_T1": {99: "refused"},
            "ATTENDED": {1: "did not attend", 2: "attended", 9: "no answer"},
        },
        missing_ranges={"INTENT_T1": [99], "ATTENDED": [{"lo": 8, "hi": 9}]},
    )  # fmt: skip
    return frame


TABLE = [
    ["Group", "Measure", "N", "Mean", "SD", "Events"],
    ["Leaflet", "Plans to see a doctor", 60, 3.4, 0.9, None],
    ["Nothing", "Plans to see a doctor", 58, 3.1, 1.0, None],
    ["Leaflet", "Saw a doctor", 60, None, None, 21],
    ["Nothing", "Saw a doctor", 58, None, None, 13],
]


def spreadsheet(path: Path, *, sheet_first: bool) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Read me"
    book.active["A1"] = "Extraction sheet"
    sheet = book.create_sheet("Data", 0 if sheet_first else None)
    for row in ([] if sheet_first else [["Extracted from the report"], []]) + TABLE:
        sheet.append(row)
    book.save(path)


GERMAN = """\
Gruppe;Messung;N;Mittelwert;SD;Ereignisse
Vortrag;Absicht;1.040;3,4;0,9;
Kontrolle;Absicht;1.050;3,1;1,0;
Vortrag;Besuch;1.040;;;210
Kontrolle;Besuch;1.050;;;170
"""
FOURFOLD = """\
condition,intended_acted,intended_not_acted,not_intended_acted,not_intended_not_acted
video,40,30,10,30
waitlist,25,40,9,36
"""


def edit(home: Home, name: str, *changes: tuple[str, str]) -> None:
    """Complete a draft as a person would, by replacing passages."""
    path = home.trials / name / "trial.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in (*changes, ("CHECK: full reference", "Somebody 2020."),
                     ("CHECK: where the file was taken from", "the authors"),
                     ("CHECK: license of the data", "CC BY 4.0")):  # fmt: skip
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in\n{text}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


NO_ARM = "      # arm: CHECK no column of the arm was recognized; name it here and remove the #\n"
ARMS = "  - {id: intervention, role: experimental}\n  - {id: control, role: control}\n"


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("stranger"))
    spss_file(home.root / "Clinic 2020.sav")
    spreadsheet(home.root / "leaflet.xlsx", sheet_first=True)
    (home.root / "vortrag.csv").write_text(GERMAN, encoding="utf-8")
    (home.root / "fourfold.csv").write_text(FOURFOLD, encoding="utf-8")
    for file in ("Clinic 2020.sav", "leaflet.xlsx", "vortrag.csv", "fourfold.csv"):
        result = home.command("trial", "new", home.root / file)
        assert result.exit_code == exits.OK, result.output
        assert "CHECK" in result.output and "ibgap trial check" in result.output
    return home


@pytest.fixture(scope="module")
def refreshed(drafted: Home) -> Iterator[Home]:
    home = drafted
    edit(home, "clinic_2020",
         (ARMS, "  - {id: letter, role: experimental}\n  - {id: care, role: usual_care}\n"),
         (NO_ARM, '      arm: COND\n    recode:\n      COND: '
          "{Usual care: care, Motivational letter: letter}\n"),
         ('    column: "INTENT_T1"\n    scale: {type: continuous}',
          '    column: "INTENT_T1"\n    scale: {type: ordinal, min: 1, max: 7}'),
         ('    column: "ATTENDED"\n    scale: {type: continuous}',
          '    column: "ATTENDED"\n    scale: {type: binary, acted_values: [attended], '
          "not_acted_values: [did not attend]}"))  # fmt: skip
    words = "{Plans to see a doctor: intention, Saw a doctor: behavior}"
    # The second sheet with its header in row 3, as the stranger has it.
    spreadsheet(home.trials / "leaflet" / "leaflet.xlsx", sheet_first=False)
    _complete_table(home, "leaflet", '    file: "leaflet.xlsx"\n',
                    "    format: {sheet: Data, header_row: 3}\n    recode:\n      Group: "
                    f"{{Leaflet: leaflet, Nothing: nothing}}\n      Measure: {words}\n",
                    ["leaflet", "nothing"],
                    ["Group", "Measure", "N", "Mean", "SD", "Events"])  # fmt: skip
    _complete_table(home, "vortrag", '    file: "vortrag.csv"\n',
                    "    recode:\n      Gruppe: {Vortrag: talk, Kontrolle: nothing}\n"
                    "      Messung: {Absicht: intention, Besuch: behavior}\n", ["talk", "nothing"],
                    ["Gruppe", "Messung", "N", "Mittelwert", "SD", "Ereignisse"])  # fmt: skip
    edit(home, "fourfold")
    result = home.command("refresh")
    assert result.exit_code == exits.OK, result.output
    yield home


def _complete_table(
    home: Home, name: str, file: str, more: str, arms: list[str], columns: list[str]
) -> None:
    """Write the block of a drafted table of arms anew, with the stranger's column names."""
    path = home.trials / name / "trial.yaml"
    text = path.read_text(encoding="utf-8")
    start, end = text.index("arms:"), text.index("sources:")
    tested, control = arms
    roles = (
        f"arms:\n  - {{id: {tested}, role: experimental}}\n  - {{id: {control}, role: control}}\n"
    )
    text = text[:start] + roles + text[end:]
    start, end = text.index("    blocks:"), text.index("outcomes:")
    fields = zip(("arm", "outcome", "n", "mean", "sd", "events"), columns, strict=True)
    block = "    blocks:\n      - {" + ", ".join(f"{f}: {c}" for f, c in fields) + "}\n"
    text = text[:start] + block + text[end:]
    path.write_text(text.replace(file, file + more), encoding="utf-8")
    edit(home, name)


def test_drafts_never_hold_a_value_of_a_person(drafted: Home) -> None:
    text = (drafted.trials / "clinic_2020" / "trial.yaml").read_text(encoding="utf-8")
    assert "SUBJID" in text and "1001" not in text and "1080" not in text


@pytest.mark.parametrize("name", ["clinic_2020", "leaflet", "vortrag", "fourfold"])
def test_the_completed_draft_passes_the_check(refreshed: Home, name: str) -> None:
    result = refreshed.command("trial", "check", refreshed.trials / name)
    assert result.exit_code == exits.OK, result.output
    assert "behavior: 1 of 1 effects usable; intention: 1 of 1 effects usable" in result.output
    assert "pairs of upstream construct and behavior: 1" in result.output


def test_codes_and_labels_of_spss(refreshed: Home, tmp_path: Path) -> None:
    from assets.staging.stage import stage_trial

    frame = spss_file(tmp_path / "again.sav")
    rows = pd.concat(stage_trial(refreshed.trials / "clinic_2020").persons, ignore_index=True)
    intention = rows[rows["outcome"] == "intent_t1"]
    known = frame[frame["INTENT_T1"].between(1, 7)]
    assert list(intention["value"]) == list(known["INTENT_T1"])
    assert list(intention["arm"]) == ["letter" if c == 2 else "care" for c in known["COND"]]
    attended = rows[rows["outcome"] == "attended"]
    acted = frame.loc[frame["ATTENDED"] < 3, "ATTENDED"]
    assert list(attended["value"]) == [1.0 if v == 2 else 0.0 for v in acted]
    assert list(intention["row"][:4]) == [1, 2, 3, 6]  # cases, as SPSS counts them


def test_numbers_of_the_tables(refreshed: Home) -> None:
    tables = [refreshed.release().table(f"{c}_outcomes") for c in ("intention", "behavior")]
    intention, behavior = (table.set_index("trial_id") for table in tables)
    numbers = ["n1", "m1", "sd1", "n2", "m2", "sd2"]
    assert list(intention.loc["leaflet", numbers]) == [60, 3.4, 0.9, 58, 3.1, 1.0]
    assert list(intention.loc["vortrag", numbers]) == [1040, 3.4, 0.9, 1050, 3.1, 1.0]
    counts = ["events1", "n1", "events2", "n2"]
    assert list(behavior.loc["leaflet", counts]) == [21, 60, 13, 58]
    assert list(behavior.loc["vortrag", counts]) == [210, 1040, 170, 1050]
    assert list(behavior.loc["fourfold", counts]) == [50, 110, 34, 110]
    assert list(intention.loc["fourfold", counts]) == [70, 110, 65, 110]
    assert intention.loc["leaflet", "rows"] == "4; 5"
    control = refreshed.release().table("action_control")
    arm = control[(control["trial_id"] == "fourfold") & (control["arm_id"] == "video")].iloc[0]
    assert arm["p_act_given_intend"] == pytest.approx(40 / 70)


def test_effects_gap_explain_and_export(refreshed: Home, tmp_path: Path) -> None:
    shown = refreshed.command("effects", "--trial", "leaflet")
    assert shown.exit_code == exits.OK
    gap = refreshed.command("gap")
    assert "4 trials measured intention, 4 behavior, 4 both" in gap.output
    pairs = refreshed.release().table("paired_effects").set_index("trial_id")
    assert pairs.loc["clinic_2020", "rho_origin"] == "participant_data"
    assert set(pairs["lag_weeks"]) == {12.0}
    text = refreshed.command("explain", pairs.loc["leaflet", "behavior_effect_id"]).output
    for words in ("From leaflet.xlsx, rows 6; 7", "events 21", "paired with leaflet:"):
        assert words in text
    done = refreshed.command("export", "--format", "metapsy", "--to", tmp_path / "m")
    assert done.exit_code == exits.OK


def test_the_check_of_a_draft_as_it_is_does_not_crash(tmp_path: Path) -> None:
    home = Home(tmp_path)
    spss_file(tmp_path / "clinic.sav")
    home.command("trial", "new", tmp_path / "clinic.sav")
    result = home.command("trial", "check", home.trials / "clinic")
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == exits.SET_ASIDE and "columns.arm is missing" in result.output


def test_a_draft_of_a_later_sheet(tmp_path: Path) -> None:
    spreadsheet(tmp_path / "leaflet.xlsx", sheet_first=False)
    home = Home(tmp_path)
    assert home.command("trial", "new", tmp_path / "leaflet.xlsx").exit_code == exits.OK
    source = draft_of(home, "leaflet")["sources"][0]
    assert source["format"] == {"sheet": "Data", "header_row": 3}
    assert source["recode"]["Measure"]["Plans to see a doctor"] == "intention"
    result = home.command("trial", "check", home.trials / "leaflet")
    assert result.exit_code == exits.OK, result.output
    assert "pairs of upstream construct and behavior: 1" in result.output


def draft_of(home: Home, name: str) -> dict[str, Any]:
    return read_yaml((home.trials / name / "trial.yaml").read_text(encoding="utf-8")).data


def draft_of_text(home: Home, text: str, *options: object) -> dict[str, Any]:
    (home.root / "own.csv").write_text(text, encoding="utf-8")
    result = home.command("trial", "new", home.root / "own.csv", *options)
    assert result.exit_code == exits.OK, result.output
    return draft_of(home, "own")


def test_a_draft_of_a_table_below_a_title_of_the_first_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [["Table 2"], ["by", "Somebody"], [None, None, "After", "After"], *TABLE]:
        book.active.append(row)
    book.save(tmp_path / "titled.xlsx")
    home = Home(tmp_path)
    home.command("trial", "new", tmp_path / "titled.xlsx")
    assert draft_of(home, "titled")["sources"][0]["format"] == {"header_row": 4}


def test_a_draft_of_the_named_sheet_and_row(tmp_path: Path) -> None:
    spreadsheet(tmp_path / "two.xlsx", sheet_first=True)
    book = openpyxl.load_workbook(tmp_path / "two.xlsx")
    other = book.create_sheet("Other")
    for row in [["all", "of", "it"], ["Arm", "Total", "Events"], ["a", 9, 3], ["b", 9, 4]]:
        other.append(row)
    book.save(tmp_path / "two.xlsx")
    home = Home(tmp_path)
    named = ("--sheet", "Other", "--header-row", 2)
    assert home.command("trial", "new", tmp_path / "two.xlsx", *named).exit_code == exits.OK
    source = draft_of(home, "two")["sources"][0]
    assert source["format"] == {"sheet": "Other", "header_row": 2}
    assert source["blocks"][0]["events"] == "Events"


def test_a_draft_below_a_title_of_a_csv(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "own.csv").write_text("Trial of 2020\n\n" + FOURFOLD, encoding="utf-8")
    result = home.command("trial", "new", tmp_path / "own.csv")
    assert result.exit_code == exits.USAGE and "--header-row" in result.output
    source = draft_of_text(home, "Trial of 2020\n\n" + FOURFOLD, "--header-row", 3)["sources"][0]
    assert source["format"] == {"header_row": 3}


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("clinic.sav", ("--sheet", "Data"), "only a spreadsheet"),
        ("clinic.sav", ("--header-row", 2), "no --header-row"),
        ("leaflet.xlsx", ("--sheet", "Date"), "sheets: Read me, Data"),
        ("nowhere.csv", (), "there is no file"),
        ("nameless.csv", (), "row 1 looks like data"),
        ("tabs.csv", (), ".tsv"),
        ("chart.xlsx", (), "chart.xlsx"),
    ],
)
def test_drafts_that_cannot_be(
    tmp_path: Path, file: str, options: tuple[object, ...], words: str
) -> None:
    spss_file(tmp_path / "clinic.sav")
    spreadsheet(tmp_path / "leaflet.xlsx", sheet_first=False)
    (tmp_path / "nameless.csv").write_text("P1,letter,5\nP2,none,4\nP3,letter,5\n")
    (tmp_path / "tabs.csv").write_text(FOURFOLD.replace(",", "\t"))
    book = openpyxl.Workbook()
    book.create_chartsheet("Only a chart")
    book.remove(book["Sheet"])
    book.save(tmp_path / "chart.xlsx")
    home = Home(tmp_path)
    result = home.command("trial", "new", tmp_path / file, *options)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == exits.USAGE and words in result.output
    assert not home.trials.exists()


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        (GERMAN, ","),
        (GERMAN.replace(".", "").replace(",", "."), "."),
        (GERMAN.replace(";", "|"), ","),
        ("arm,n,mean,sd\na,30,3.4,1.2\nb,30,3.1,1.1\n", "."),
        ('arm,n,mean,sd\na,30,"3,4","1,2"\nb,30,"3,1","1,1"\n', ","),
        ('arm,n,mean,sd\na,"1,040",3,1\nb,"1,050",4,1\n', "."),
    ],
)
def test_the_decimal_sign_of_a_draft(tmp_path: Path, text: str, decimal: str) -> None:
    source = draft_of_text(Home(tmp_path), text)["sources"][0]
    assert source.get("format", {}).get("decimal", ".") == decimal


def test_a_decimal_comma_in_a_spreadsheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [["Arm", "n", "Mean", "SD"], ["a", 30, "3,4", "1,2"], ["b", 30, "3,1", "1,1"]]:
        book.active.append(row)
    book.save(tmp_path / "comma.xlsx")
    home = Home(tmp_path)
    home.command("trial", "new", tmp_path / "comma.xlsx")
    assert draft_of(home, "comma")["sources"][0]["format"] == {"decimal": ","}


def test_a_draft_of_counts_without_an_arm_column(tmp_path: Path) -> None:
    home = Home(tmp_path)
    draft = draft_of_text(home, FOURFOLD.replace("condition", "who"))
    assert "arm" not in draft["sources"][0]["columns"]
    assert {o["scale"]["type"] for o in draft["outcomes"]} == {"binary"}
    assert "# arm: CHECK" in (home.trials / "own" / "trial.yaml").read_text(encoding="utf-8")
    result = home.command("trial", "check", home.trials / "own")
    assert result.exit_code == exits.SET_ASIDE and "arm is empty" in result.output


def test_texts_of_arms_and_outcomes_become_different_ids(tmp_path: Path) -> None:
    rows = "".join(
        f"{arm},{outcome},20,{mean}\n"
        for arm in ("Brief, oral", "brief oral", "ομάδα", "null", "care")
        for outcome, mean in (("Plan A", "3.4,1.1,"), ("Plan B", "3.0,1.0,"), ("visit", ",,7"))
    ).replace("Brief, oral", '"Brief, oral"')
    draft = draft_of_text(Home(tmp_path), "arm,outcome,n,mean,sd,events\n" + rows)
    recode = draft["sources"][0]["recode"]
    assert recode["outcome"] == {"Plan A": "plan_a", "Plan B": "plan_b"}
    ids = [arm["id"] for arm in draft["arms"]]
    assert len(set(ids)) == 5 and "care" in ids
    assert set(recode["arm"].values()) | {"care"} == set(ids)
    scales = {o["id"]: o["scale"]["type"] for o in draft["outcomes"]}
    assert scales == {"plan_a": "continuous", "plan_b": "continuous", "visit": "binary"}


def test_texts_of_people_stay_out_of_drafts(tmp_path: Path) -> None:
    said = [f"told {i % 7} friends" for i in range(40)]
    rows = "".join(f"{'ab'[i % 2]},{text},{i % 2}\n" for i, text in enumerate(said))
    home = Home(tmp_path)
    assert "recode" not in draft_of_text(home, "arm,outcome,event\n" + rows)["sources"][0]
    assert "told" not in (home.trials / "own" / "trial.yaml").read_text(encoding="utf-8")


def test_names_of_columns_with_line_breaks(tmp_path: Path) -> None:
    draft = draft_of_text(Home(tmp_path), 'id,"study\narm",intend\n1,a b,3\n2,c,4\n')
    assert draft["sources"][0]["columns"]["arm"] == "study\narm"


def test_a_draft_of_counts_recodes_the_arms(tmp_path: Path) -> None:
    (tmp_path / "fourfold.csv").write_text(FOURFOLD.replace("waitlist", "waiting list"))
    home = Home(tmp_path)
    home.command("trial", "new", tmp_path / "fourfold.csv")
    result = home.command("trial", "check", home.trials / "fourfold")
    assert result.exit_code == exits.OK, result.output


def test_a_fault_nobody_foresaw_stops_one_trial_only(
    copy_of_small: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assets.staging import stage as staging
    from tests.road import kept_journeys

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("a library fell over this file")

    monkeypatch.setattr(staging, "read_table", fail)
    folder = copy_of_small.trials / "arms_trial"
    (folder / "table.csv").write_text((folder / "table.csv").read_text() + "\n")
    folders = sorted(copy_of_small.trials.iterdir())
    made = kept_journeys(copy_of_small.store, folders)
    assert list(made.made) == ["arms_trial"] and len(made.reused) == 3
    assert (made.made["arms_trial"].findings, made.made["arms_trial"].rows) == (1, 0)
    trace = copy_of_small.store / "traces" / "arms_trial.txt"
    assert "a library fell over" in trace.read_text()
