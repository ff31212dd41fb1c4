"""Two small releases with everything the pages show: topics, moderators, judgments, odd names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ibgap.base.printable import printable
from tests.report.releases import Trial, make_release

OLD_ID = "20240401-090000-aaaaaa"
NEW_ID = "20240501-090000-bbbbbb"

MARKUP = "<img src=x onerror=alert(1)>\"'& 2019"
FORMULA = '=HYPERLINK("http://evil.example","click")'
REVERSED = printable("Rossi \u202egnp.exe 2011")  # as releases carry it
LONG = "A very long name of a trial " + "of many centers " * 10 + "2021 end"
HOSTILE = (MARKUP, FORMULA, REVERSED, LONG)

_PLAIN = ("Adams 2003", "Brown 2005", "Chen 2008", "Diaz 2010", "Evans 2012", "Fischer 2014",
          "Gupta 2015", "Hansen 2017", "Ito 2018", "Jansen 2022")  # fmt: skip
_TOPICS = ("alcohol_use", "vaccination", "help_seeking")
_COUNTRIES = ("DEU", "USA", "JPN", "NLD")
_WEEKS = (4.0, 12.0, 26.0, math.nan)
_MEASURES = ("self_report", "record", "self_report", "observation")
_JUDGMENTS = ("low", "some_concerns", "high", "no_information", "")
_UPSTREAM = (0.62, 0.35, 0.81, 0.12, 0.44, -0.15, 0.57, 0.28, 0.93, 0.05, 0.39, 0.71, 0.22, 0.5)
_BEHAVIOR = (0.31, 0.1, 0.42, -0.08, 0.27, 0.02, 0.2, 0.15, 0.55, -0.12, 0.08, 0.33, 0.18, 0.24)


def main_trials() -> list[Trial]:
    """14 trials of the main synthesis; two of them with one outcome only."""
    names = (*HOSTILE, *_PLAIN)
    out = []
    for i, name in enumerate(names):
        vi, vb = 0.02 + 0.006 * (i % 6), 0.025 + 0.007 * (i % 5)
        known = i % 4 == 0
        out.append(Trial(
            name,
            None if i == 12 else (_UPSTREAM[i], vi),
            None if i == 11 else (_BEHAVIOR[i], vb),
            (0.35 if known else 0.5) * math.sqrt(vi * vb),
            topic=_TOPICS[i % 3], year=2003 + i, country=_COUNTRIES[i % 4],
            persons=80 + 35 * i, randomized=i != 7, weeks=_WEEKS[i % 4],
            measured_by=_MEASURES[i % 4], origin="participant_data" if known else "assumed",
            risk_of_bias=_JUDGMENTS[i % 5],
            moderators=(("delivery", "online" if i % 2 else "in_person"),
                        ("planning", ("none", "some", "detailed")[i % 3]),
                        ("sessions", str(1 + (i * 3) % 7))),
        ))  # fmt: skip
    return out


def other_trials() -> list[Trial]:
    """A synthesis of its own around another construct, and a trial without any effect."""
    about: dict[str, Any] = {"synthesis": "students", "construct": "perceived_control"}
    return [
        Trial("Klein 2009", (0.4, 0.03), (0.2, 0.04), 0.015, topic="sport", **about),
        Trial("Lopez 2011", (0.1, 0.02), (0.05, 0.03), 0.01, topic="sport", **about),
        Trial("Meyer 2013", (0.3, 0.05), (0.25, 0.03), 0.02, topic="diet", **about),
        Trial("Novak 2014", topic="diet"),
    ]


def _extra() -> dict[str, list[dict[str, Any]]]:
    shares = {"share_inclined_actors": 0.4, "share_inclined_abstainers": 0.3,
              "share_disinclined_actors": 0.1, "share_disinclined_abstainers": 0.2}  # fmt: skip
    counts = {"inclined_actors": 40.0, "inclined_abstainers": 30.0, "disinclined_actors": 10.0,
              "disinclined_abstainers": 20.0}  # fmt: skip
    own = {"n": 100.0, "p_intend": 0.7, "p_act": 0.5, "p_act_given_intend": 4 / 7,
           "p_act_given_intend_ci_lb": 0.45, "p_act_given_intend_ci_ub": 0.68,
           "p_act_given_no_intend": 1 / 3, "action_control_gap": 3 / 7}  # fmt: skip
    about = {"trial_id": "Adams 2003", "intention": "plan", "behavior": "visit", "status": "ok"}
    return {
        "action_control": [
            about | counts | shares | own
            | {"row_kind": "arm", "arm_id": "a", "arm_group": "comparator"},
            shares | own | {"row_kind": "pooled", "arm_group": "comparator", "k": 1, "k_used": 1,
                            "status": "ok"},
        ],
        "findings": [
            {"trial_id": MARKUP, "rule_id": "some_rule", "severity": "warning", "message": MARKUP,
             "fix": "look at it", "file": "a.csv", "row": 3, "count": 2, "status": "open"},
        ],
        "files_read": [
            {"collection_id": MARKUP, "source_id": "a", "source_kind": "arm_summaries",
             "file": f"{MARKUP}.xlsx", "container": "xlsx", "table_read": LONG, "tables_held": 3,
             "table_state": "hidden", "stated_rows": 21, "extent_as_stated": False,
             "rows_read": 40, "rows_kept": 38, "columns_read": 30, "columns_used": 9,
             "columns_unused": "age_at_the_first_interview_in_years, " * 20, "header_row": 1},
            {"collection_id": "Adams 2003", "source_id": "a", "source_kind": "participant_rows",
             "file": "rows.csv", "container": "csv", "encoding": "cp1252", "rows_read": 40,
             "encoding_reason": "declared", "delimiter": "semicolon", "rows_kept": 40,
             "columns_read": 4, "columns_used": 4, "header_row": 2, "persons": 40,
             "withheld": "counts rounded, sizes withheld for disclosure"},
        ],
        "rejected_rows": [
            {"trial_id": "Adams 2003", "kind": "reported_effects", "rule_id": "n_positive",
             "reason": "n must be above 0"},
        ],
        "pooled_correlations": [
            {"synthesis": "set", "variable_1": "intention", "variable_2": "behavior",
             "k_trials": 5, "n_total": 900, "r": 0.48, "r_ci_lb": 0.31, "r_ci_ub": 0.63,
             "i2": 90.0, "status": "ok"},
        ],
        "barrier_codings": [
            {"collection_id": "review", "dimension": "structural", "layer": "moderating",
             "n_sources": 7, "n_reference_points": 71, "percent": 18.3},
        ],
    }  # fmt: skip


def make_releases(folder: Path) -> Path:
    """A folder of releases: 12 trials of the main synthesis, then 14; `current` is the newer."""
    from dashboard.report import render_report

    trials = main_trials()
    folder.mkdir(parents=True, exist_ok=True)
    for name, listed, extra in (
        (OLD_ID, [*trials[:3], *trials[5:]], {}),
        (NEW_ID, [*trials, *other_trials()], _extra()),
    ):
        created = f"{name[:4]}-{name[4:6]}-{name[6:8]}T09:00:00+00:00"
        made = make_release(
            folder / name, listed, extra, release_id=name, created=created, analyzed=True
        )
        (made.folder / "report.html").write_text(render_report(made.folder), encoding="utf-8")
    point_current(folder, NEW_ID)
    return folder


def point_current(folder: Path, release_id: str) -> None:
    """`current` as the publisher moves it: in one step."""
    fresh = folder / "current.new"
    fresh.symlink_to(release_id)
    fresh.replace(folder / "current")
