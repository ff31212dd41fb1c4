"""The report: safe with hostile names, complete at the edges, equal to the tables."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboard.report import render_report, report_sections
from dashboard.trial_effects import SynthesisEffects
from ibgap.figures.text import interval, number, p_value
from ibgap.releases.view import ReleaseView

from .pages import Page, check_figure
from .releases import MadeRelease, Trial, fit_trials, make_release, some_trials

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> =cmd|'/C calc'!A0"
COUNTS = {"inclined_actors": 40.0, "inclined_abstainers": 30.0, "disinclined_actors": 10.0,
          "disinclined_abstainers": 20.0}  # fmt: skip


def action_rows(trial: str) -> list[dict[str, Any]]:
    shares = {f"share_{name}": count / 100 for name, count in COUNTS.items()}
    own = {"n": 100.0, "p_intend": 0.7, "p_act": 0.5, "p_act_given_intend": 4 / 7,
           "p_act_given_intend_ci_lb": 0.45, "p_act_given_intend_ci_ub": 0.68,
           "p_act_given_no_intend": 1 / 3, "action_control_gap": 3 / 7}  # fmt: skip
    about = {"trial_id": trial, "intention": "plan", "behavior": "visit", "arm_group": "comparator"}
    return [
        about | COUNTS | shares | own | {"row_kind": "arm", "arm_id": "a", "status": "ok"},
        about | {"row_kind": "arm", "arm_id": "b", "arm_group": "intervention",
                 "status": "withheld", "reason": "a cell is too small to publish"},
        shares | own | {"row_kind": "pooled", "arm_group": "comparator", "k": 1, "k_used": 1,
                        "status": "ok"},
    ]  # fmt: skip


FULL = {
    "action_control": action_rows("Study 001"),
    "findings": [{"trial_id": "Study 001", "rule_id": "some_rule", "severity": "hold",
                  "message": HOSTILE, "fix": "look at it", "file": "a.csv", "row": 3, "count": 2,
                  "status": "waived", "waived_by": "A. Person", "waiver_reason": "checked"}],
    "rejected_rows": [{"trial_id": "Study 001", "kind": "reported_effects", "rule_id": "n_positive",
                       "reason": "n must be above 0"}] * 3,
    "moderator_effects": [
        {"synthesis": "main", "construct": "behavior", "moderator": "setting",
         "barrier_dimension": "structural", "framework_layer": "moderating",
         "level_value": "clinic", "k_trials": 3, "mu": 0.21, "ci_lb": 0.1, "ci_ub": 0.32,
         "tau2": 0.01, "f": 4.0,
         "df_num": 1, "df_denom": 9, "pvalue": 0.0771, "status": "ok"}],
    "bias_checks": [{"synthesis": "main", "construct": "behavior", "check": "egger", "k_trials": 4,
                     "status": "too_few_studies", "reason": "4 trials; at least 10 are needed"}],
    "pooled_correlations": [
        {"synthesis": "set", "variable_1": "intention", "variable_2": "behavior", "k_trials": 5,
         "n_total": 900, "r": 0.48, "r_ci_lb": 0.31, "r_ci_ub": 0.63, "i2": 90.0, "status": "ok"}],
    "barrier_codings": [{"collection_id": "review", "dimension": "structural",
                         "layer": "moderating", "n_sources": 7, "n_reference_points": 71,
                         "percent": 18.3,
                         "points_per_source": 10.1}],
}  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[MadeRelease, str]:
    """A release with everything: main, another synthesis, one-sided trials, all other tables."""
    trials = [*some_trials(12), Trial("One side", (0.2, 0.03)), Trial("No effect")]
    trials += [
        Trial(f"Other {i}", (0.2 + i / 20, 0.04), (0.1, 0.05), 0.01, "other", "motivation")
        for i in range(4)
    ]
    made = make_release(tmp_path_factory.mktemp("full") / "release", trials, FULL)
    return made, render_report(made.folder)


def check_page(html: str) -> Page:
    """Balanced, unique ids, no script, nothing loaded, every figure readable."""
    page = Page(html)
    assert page.problems == []
    assert [i for i, n in page.ids.items() if n > 1] == []
    assert set(page.references) <= set(page.ids)
    assert page.tags["script"] == 0 and "<script" not in html.lower()
    for tag, name, value in page.loads:
        assert (tag, name) == ("a", "href")
        assert value.startswith(("#", "https://doi.org/"))
    assert {v.removeprefix("#") for _, _, v in page.loads if v.startswith("#")} <= set(page.ids)
    assert "url(http" not in html and "@import" not in html
    for svg in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        check_figure(svg)
    return page


def test_full_report_is_a_sound_page(full: tuple[MadeRelease, str]) -> None:
    page = check_page(full[1])
    assert page.tags["h1"] == 1
    assert page.tags["svg"] >= 5
    assert "default-src 'none'" in full[1]
    for words in ("The answer", "Glossary", "Methods", "Sources", "Structural", "A. Person"):
        assert words in page.text


def test_sections_come_in_order(full: tuple[MadeRelease, str]) -> None:
    ids = [section.id for section in report_sections(ReleaseView(full[0].folder))]
    assert ids == [
        "answer", "summary-of-findings", "forest", "gap", "sensitivity", "action", "surrogacy",
        "moderators", "small-studies", "synthesis-other", "correlations", "barriers", "flow",
        "trials", "findings", "methods", "cite", "sources", "glossary",
    ]  # fmt: skip


def test_numbers_equal_the_tables(full: tuple[MadeRelease, str]) -> None:
    text = check_page(full[1]).text
    for row in full[0].tables["pooled_effects"].to_dict("records"):
        assert f"{number(row['mu'])} {interval(row['ci_lb'], row['ci_ub'])}" in text
        assert interval(row["pi_lb"], row["pi_ub"]) in text
        assert number(row["tau2"], 3) in text
    for row in full[0].tables["gap_estimates"].to_dict("records"):
        if row["estimand"] == "difference":
            assert f"{number(row['estimate'])} {interval(row['ci_lb'], row['ci_ub'])}" in text
            assert p_value(row["pvalue"]) in text


def test_joint_model_from_published_tables_is_the_one_of_the_pipeline(
    full: tuple[MadeRelease, str],
) -> None:
    effects = SynthesisEffects(ReleaseView(full[0].folder), "main")
    expected = fit_trials([*some_trials(12), Trial("One side", (0.2, 0.03))])
    assert effects.joint is not None
    assert effects.joint.means == pytest.approx(expected.means, abs=1e-10)
    assert effects.joint.covariance("CR2") == pytest.approx(expected.covariance("CR2"), abs=1e-10)


def test_other_constructs_are_never_called_intention(full: tuple[MadeRelease, str]) -> None:
    section = full[1].split('<section id="synthesis-other"')[1].split("</section>")[0]
    assert "motivation" in section
    text = Page(f"<div>{section.split('>', 1)[1]}</div>").text
    assert text.replace("It is not intention", "").count("intention") == 0
    assert "tone-intention" not in section


def test_withheld_counts_say_so(full: tuple[MadeRelease, str]) -> None:
    assert "withheld: a cell is too small to publish" in full[1]


def test_rejected_rows_are_counted(full: tuple[MadeRelease, str]) -> None:
    assert re.search(r"n_positive.*?reported effects.*?>3<", full[1], flags=re.DOTALL)


def test_the_report_is_the_same_twice(full: tuple[MadeRelease, str]) -> None:
    assert render_report(full[0].folder) == full[1]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    trials = [Trial(f"{HOSTILE} {i}", t.upstream, t.behavior, t.covariance)
              for i, t in enumerate(some_trials(5))]  # fmt: skip
    extra = {
        "trials": [{"trial_id": "bad", "collection_id": "bad", "label": HOSTILE, "k_in_pool": 0,
                    "use": HOSTILE, "synthesis": HOSTILE, "design": HOSTILE, "country": HOSTILE,
                    "citation": HOSTILE, "doi": 'javascript:alert(1)"', "license": HOSTILE}],
        "action_control": [r | {"intention": HOSTILE} for r in action_rows(HOSTILE)],
    }  # fmt: skip
    made = make_release(tmp_path / "release", trials, extra)
    html = render_report(made.folder)
    page = check_page(html)
    assert page.tags["img"] == 0
    assert "javascript:" not in html
    assert "<script>alert(1)</script>" in page.text


NOTHING = "There is no gap estimate: no trial has usable effects."
EDGES = {
    "nothing at all": ([], NOTHING),
    "no usable effect": ([Trial("A"), Trial("B")], NOTHING),
    "one trial": (some_trials(1), "One trial is not pooled."),
    "one trial, intention": ([Trial("A", (0.3, 0.02))], "no trial has a usable effect on behavior"),
    "only intention": (
        [Trial(f"T{i}", (0.1 * i, 0.02)) for i in range(4)],
        "no trial has a usable effect on behavior",
    ),
    "only behavior": (
        [Trial(f"T{i}", None, (0.1 * i, 0.02)) for i in range(4)],
        "no trial has a usable effect on intention",
    ),
    "two trials": (some_trials(2), "With two trials the interval is unstable."),
    "no pair": (
        [Trial("A", (0.3, 0.02)), Trial("B", None, (0.2, 0.02)), Trial("C", (0.1, 0.03))],
        "No trial has both outcomes",
    ),
    "another synthesis only": (
        [replace(t, synthesis="x", construct="ideas") for t in some_trials(3)],
        "Not estimable: no trial has a usable effect on intention.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(EDGES))
def test_edge_states_render_and_say_why(name: str, tmp_path: Path) -> None:
    trials, words = EDGES[name]
    made = make_release(tmp_path / "release", trials)
    page = check_page(render_report(made.folder))
    assert words in page.text
    assert "nan" not in re.findall(r"[a-z]+", page.text)


def test_many_trials_are_grouped(tmp_path: Path) -> None:
    made = make_release(tmp_path / "release", some_trials(101))
    page = check_page(render_report(made.folder))
    assert "101 trials, grouped: pooled rows only" in page.text
    assert "only the pooled rows are drawn" in page.text


def test_unbounded_ratios_are_put_into_words(tmp_path: Path) -> None:
    weak = [Trial(f"T{i}", (0.05 * (-1) ** i, 0.02), (0.3, 0.02), 0.005) for i in range(8)]
    made = make_release(tmp_path / "release", weak)
    kinds = set(made.tables["gap_estimates"]["interval_kind"])
    text = check_page(render_report(made.folder)).text
    assert kinds & {"two_rays", "everything"}
    if "two_rays" in kinds:
        assert "the set is unbounded" in text
    if "everything" in kinds:
        assert "exclude no ratio at all" in text


def test_line_is_drawn_only_when_surrogacy_is_ok(tmp_path: Path) -> None:
    for count in (6, 14):
        made = make_release(tmp_path / f"release{count}", some_trials(count, spread=0.5))
        status = made.tables["surrogacy"]["status"].iloc[0]
        html = render_report(made.folder)
        assert ("trial-line" in html) == (status == "ok")
        assert ("No trial-level line is drawn" in html) == (status != "ok")


def test_withheld_effects_keep_their_row(tmp_path: Path) -> None:
    made = make_release(tmp_path / "release", some_trials(4))
    effects = made.tables["effects"]
    effects.loc[effects["trial_id"] == "Study 002", ["yi", "vi"]] = float("nan")
    effects.to_parquet(made.folder / "tables" / "effects.parquet", index=False)
    text = check_page(render_report(made.folder)).text
    assert "Study 002" in text and "withheld" in text
