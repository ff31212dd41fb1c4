"""What the dashboard says is what the release holds, and what it pools anew is the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.gap.joint import fit_joint, gap_estimates
from analysis.gap.surrogacy import trial_level_surrogacy
from analysis.synthesis.plan import PLAN, synthesize_group
from analysis.univariate.pooling import fit_random_effects
from dashboard.context import make_facets
from dashboard.live import LiveView
from dashboard.query import State
from ibgap.releases.opened import Releases
from ibgap.releases.view import ReleaseView
from tests.builders import arm_trial, counts_trial, effects_trial
from tests.dashboard.conftest import Site
from tests.dashboard.made import SETTINGS, Client, Effect, Row, Trial, all_trials
from tests.pipeline.conftest import Home, run_steps

CLOSE = 1e-10
TABLES = {
    "pool": "pooled_effects", "gap": "gap_estimates", "surrogacy": "surrogacy",
    "influence": "influence", "bias": "bias_checks", "moderators": "moderator_effects",
    "sensitivity": "sensitivity",
}  # fmt: skip
GROUP_TABLES = [table.name for table in PLAN]
KEYS = ("synthesis", "construct", "subset", "measure", "model", "estimand", "method", "trial_id",
        "check", "moderator", "level_value", "analysis", "value", "status",
        "is_primary")  # fmt: skip


def same(a: object, b: object) -> bool:
    """Equal, numbers to 1e-10; missing equals missing; JSON says infinite numbers in words."""
    missing = (None, "")
    a = math.nan if a in missing else float(a) if a in ("Infinity", "-Infinity") else a
    b = math.nan if b in missing else float(b) if b in ("Infinity", "-Infinity") else b
    if isinstance(a, bool) or isinstance(b, bool):
        return bool(a) == bool(b)
    if isinstance(a, float | int) and isinstance(b, float | int):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b or abs(a - b) <= CLOSE * max(1.0, abs(a))
    return str(a) == str(b)


def key(row: Row) -> tuple[str, ...]:
    return tuple(str(row.get(name, "")) for name in KEYS)


def assert_equal(found: list[Row], expected: list[Row], columns: list[str]) -> None:
    assert sorted(map(key, found)) == sorted(map(key, expected))
    known: dict[tuple[str, ...], list[Row]] = {}
    for row in expected:
        known.setdefault(key(row), []).append(row)
    for row in found:
        like = known[key(row)].pop(0)
        differing = {c: (row[c], like[c]) for c in columns if not same(row[c], like[c])}
        assert not differing, (key(row), differing)


@pytest.mark.parametrize("endpoint", TABLES)
@pytest.mark.parametrize("synthesis", ["main", "screening_uptake"])
def test_without_a_filter_the_interface_tells_the_tables(
    site: Site, endpoint: str, synthesis: str
) -> None:
    answer = site.client.data(f"/api/v1/{endpoint}.json?syn={synthesis}")
    assert answer["meta"]["is_primary_analysis"] is True
    table = site.new.tables[TABLES[endpoint]]
    expected = table[table["synthesis"] == synthesis].to_dict("records")
    assert len(answer["data"]) == len(expected) == answer["meta"]["rows"]
    assert expected or (synthesis, endpoint) == ("screening_uptake", "moderators")
    for row, like in zip(answer["data"], expected, strict=True):
        like = {k: None if v is None or v != v else v for k, v in like.items()}
        assert {k: None if v in ("", None) else v for k, v in row.items()} == {
            k: None if v == "" else "Infinity" if v == math.inf else
            "-Infinity" if v == -math.inf else v for k, v in like.items()
        }  # fmt: skip


@pytest.mark.parametrize("endpoint", TABLES)
def test_the_whole_table_is_a_scope(site: Site, endpoint: str) -> None:
    for query in ("", "&topic=vaccination&tau=DL"):
        rows = site.client.data(f"/api/v1/{endpoint}.json?scope=full{query}")["data"]
        table = site.new.tables[TABLES[endpoint]]
        assert_equal(rows, table.to_dict("records"), list(table.columns))


def computed_anew(view: ReleaseView, synthesis: str, **model: Any) -> LiveView:
    return LiveView(view, State(synthesis=synthesis, **model), make_facets(view, synthesis))


def check_live(folder: Path) -> int:
    """Every live table of every synthesis against the published ones; the rows compared."""
    view, compared = ReleaseView(folder), 0
    for synthesis in ("main", *view.syntheses):
        live = computed_anew(view, synthesis)
        for table in TABLES.values():
            where: dict[str, object] = {"synthesis": synthesis}
            expected = [
                r for r in view.rows(table, **where)
                if r.get("subset", "all") == "all"
                and r.get("model") != "correlated_hierarchical_effects"
                and r.get("analysis", "assumed_correlation") == "assumed_correlation"
            ]  # fmt: skip
            if table in ("moderator_effects", "influence", "bias_checks"):
                pair = {view.upstream(synthesis), "behavior", "difference"}
                expected = [r for r in expected if r["construct"] in pair]
            found = [r for r in live.rows(table, **where)
                     if r.get("model") != "correlated_hierarchical_effects"]  # fmt: skip
            assert_equal(found, expected, list(view.table(table).columns))
            compared += len(expected)
    return compared


def test_an_empty_filter_computes_the_tables_again(site: Site) -> None:
    assert check_live(site.new.folder) > 90


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Trials without participant rows through the steps of a refresh: nothing is rounded."""
    home = Home(tmp_path_factory.mktemp("refreshed"))
    home.trials.mkdir()
    other = arm_trial("other_a").but("topic: help_seeking\n", "topic: a\nsynthesis: second\n")
    again = effects_trial("other_b").but("topic: help_seeking\n", "topic: b\nsynthesis: second\n")
    more = [arm_trial("arms_two").but("4.4,1.3", "4.7,1.2", "table.csv"),
            effects_trial("effects_two").but("d,0.42,0.06,0.78", "d,0.12,-0.24,0.48",
                                             "printed.csv")]  # fmt: skip
    home.add(arm_trial(), effects_trial(), counts_trial(), *more, other, again)
    run_steps(home)
    return home


def test_a_release_of_a_refresh_is_computed_again(refreshed: Home) -> None:
    assert check_live(refreshed.releases / "current") > 60
    client = Client(refreshed.releases)
    for synthesis in ("main", "second"):
        for endpoint, table in TABLES.items():
            rows = client.data(f"/api/v1/{endpoint}.json?syn={synthesis}")["data"]
            frame = refreshed.release().table(table)
            own = frame[frame["synthesis"] == synthesis]
            assert_equal(rows, own.to_dict("records"), list(frame.columns))


def test_the_plan_on_the_published_effects_gives_every_published_table(
    refreshed: Home,
) -> None:
    """Row by row and in the same order, what the pipeline made of the store."""
    view, release = ReleaseView(refreshed.releases / "current"), refreshed.release()
    made, compared = [synthesize_group(view.inputs(name)) for name in ("main", "second")], 0
    for name in GROUP_TABLES:
        frame = release.table(name)
        rows = [row for one in made for row in one[name]]
        assert len(rows) == len(frame), name
        compared += len(rows)
        for row, like in zip(rows, frame.to_dict("records"), strict=True):
            differing = {c: (row.get(c), like[c]) for c in frame if not same(row.get(c), like[c])
                         and not (c == "withheld" and c not in row)}  # fmt: skip
            assert not differing, (name, key(row), differing)
    assert compared > 250


# filtered: from the effects of the release, by the library and nothing of the dashboard ---------


FILTERS: list[tuple[str, Any, Any]] = [
    ("topic=help_seeking&topic=vaccination",
     lambda t: t.topic in ("help_seeking", "vaccination"), None),
    ("country=DEU", lambda t: t.country == "DEU", None),
    ("randomized=1", lambda t: t.randomized, None),
    ("both=1", lambda t: {"intention", "behavior"} <= {e.construct for e in t.effects}, None),
    ("year_min=2012&year_max=2016", lambda t: 2012 <= t.year <= 2016, None),
    ("n_min=200", lambda t: t.n >= 200, None),
    ("rob=low&rob=not_judged", lambda t: t.judgment in ("low", ""), None),
    ("excl=trial_00&excl=trial_02", lambda t: t.id not in ("trial_00", "trial_02"), None),
    ("m.barrier_dimension=cognitive",
     lambda t: ("barrier_dimension", "category", "cognitive") in t.moderators, None),
    ("by=record&by=observed", lambda t: True, lambda e: e.measured_by in ("record", "observed")),
    ("weeks_min=4&weeks_max=12", lambda t: True, lambda e: 4 <= e.weeks <= 12),
    ("tau=DL&ci=wald&topic=vaccination", lambda t: t.topic == "vaccination", None),
    ("r=0.8&country=AUS&country=NLD", lambda t: t.country in ("AUS", "NLD"), None),
]  # fmt: skip


def selected(keep_trial: Any, keep_behavior: Any) -> list[tuple[Trial, list[Effect]]]:
    out = []
    for trial in all_trials():
        if trial.synthesis != "main" or not keep_trial(trial):
            continue
        effects = [e for e in trial.effects if keep_behavior is None or e.construct != "behavior"
                   or keep_behavior(e)]  # fmt: skip
        if effects:
            out.append((trial, effects))
    return out


def covariance_of(trial: Trial, effects: list[Effect], assumed: float) -> np.ndarray:
    matrix = np.diag([e.vi for e in effects])
    for i, first in enumerate(effects):
        for j, second in enumerate(effects[:i]):
            rho = assumed if trial.origin == "assumed" else trial.rho
            if first.construct == second.construct:
                rho = SETTINGS.within_construct_correlation
            matrix[i, j] = matrix[j, i] = rho * math.sqrt(first.vi * second.vi)
    return matrix


@pytest.mark.parametrize(("query", "keep_trial", "keep_behavior"), FILTERS)
def test_a_selection_is_pooled_as_the_library_pools_its_rows(
    site: Site, query: str, keep_trial: Any, keep_behavior: Any
) -> None:
    own = selected(keep_trial, keep_behavior)
    method = "DL" if "tau=DL" in query else SETTINGS.tau2_method
    interval = "wald" if "ci=wald" in query else SETTINGS.ci_method
    assumed = 0.8 if "r=0.8" in query else SETTINGS.assumed_correlation
    answer = site.client.data(f"/api/v1/pool.json?{query}")
    assert answer["meta"]["is_primary_analysis"] is False
    rows = {r["construct"]: r for r in answer["data"] if r["measure"] == "SMD"}
    for construct in ("intention", "behavior"):
        yi, vi = [], []
        for trial, effects in own:
            part = [e for e in effects if e.construct == construct]
            if part:
                weights = np.linalg.inv(covariance_of(trial, part, assumed)).sum(axis=1)
                yi.append(float(weights @ [e.yi for e in part] / weights.sum()))
                vi.append(float(1.0 / weights.sum()))
        fit = fit_random_effects(np.array(yi), np.array(vi), method=method, ci_method=interval)
        row = rows[construct]
        assert row["k_trials"] == fit.k
        for name, value in (("mu", fit.mu), ("se", fit.se), ("ci_lb", fit.ci_lb),
                            ("ci_ub", fit.ci_ub), ("tau2", fit.tau2)):  # fmt: skip
            assert row[name] == pytest.approx(value, abs=CLOSE), (construct, name)


@pytest.mark.parametrize(("query", "keep_trial", "keep_behavior"), FILTERS)
def test_the_gap_of_a_selection_is_that_of_the_joint_model(
    site: Site, query: str, keep_trial: Any, keep_behavior: Any
) -> None:
    assumed = 0.8 if "r=0.8" in query else SETTINGS.assumed_correlation
    yi, blocks, labels, kinds = [], [], [], []
    for trial, effects in selected(keep_trial, keep_behavior):
        part = [e for e in effects if e.construct in ("intention", "behavior")]
        if part:
            blocks.append(covariance_of(trial, part, assumed))
            yi += [e.yi for e in part]
            labels += [trial.id] * len(part)
            kinds += [e.construct for e in part]
    model = fit_joint(np.array(yi), blocks, labels, kinds, upstream="intention")
    rows = site.client.data(f"/api/v1/gap.json?{query}")["data"]
    expected = {(e.estimand, e.method): e for e in gap_estimates(model)}
    for row in rows:
        if row["estimand"] not in ("difference", "transmission_ratio", "predictive_gap"):
            continue
        like = expected[row["estimand"], row["method"]]
        for name in ("estimate", "ci_lb", "ci_ub", "se"):
            assert same(row[name], getattr(like, name)), (row["estimand"], name)
    assert any(r["estimand"] == "difference" for r in rows)
    line = trial_level_surrogacy(model)
    (shown,) = site.client.data(f"/api/v1/surrogacy.json?{query}")["data"]
    assert shown["status"] == line.status and same(shown["slope"], line.slope)


def test_names_of_the_registered_model_are_the_registered_analysis(client: Client) -> None:
    for query in (f"tau={SETTINGS.tau2_method}", f"ci={SETTINGS.ci_method}",
                  f"r={SETTINGS.assumed_correlation}"):  # fmt: skip
        assert client.data(f"/api/v1/pool.json?{query}")["meta"]["is_primary_analysis"] is True


def test_effects_and_pairs_are_those_of_the_selection(site: Site) -> None:
    query = "topic=help_seeking&by=record"
    own = selected(lambda t: t.topic == "help_seeking", lambda e: e.measured_by == "record")
    rows = site.client.data(f"/api/v1/effects.json?{query}")["data"]
    assert {r["effect_id"] for r in rows} == {
        f"{t.id}:{e.construct}{e.name}" for t, effects in own for e in effects
    }
    pairs = site.client.data(f"/api/v1/pairs.json?{query}")["data"]
    kept = {r["effect_id"] for r in rows}
    assert {p["trial_id"] for p in pairs} <= {t.id for t, _ in own}
    left = [p["pair_id"] for p in pairs
            if not {p["upstream_effect_id"], p["behavior_effect_id"]} <= kept]  # fmt: skip
    assert not left, "a pair whose effect is filtered out"


def test_the_share_of_assumed_pairs_is_that_of_the_selected_pairs(site: Site) -> None:
    """Effects that a filter leaves out make no pair of the selection."""
    query = "by=observed"
    own = selected(lambda t: True, lambda e: e.measured_by == "observed")
    pairs = [
        trial.origin == "assumed" for trial, effects in own
        for up in effects for act in effects
        if up.construct == "intention" and act.construct == "behavior"
    ]  # fmt: skip
    row = next(r for r in site.client.data(f"/api/v1/gap.json?{query}")["data"]
               if r["estimand"] == "difference")  # fmt: skip
    assert row["share_of_pairs_assumed"] == pytest.approx(sum(pairs) / len(pairs))


def test_pages_show_the_numbers_of_the_interface(client: Client) -> None:
    for query in ("", "?topic=help_seeking&topic=vaccination"):
        rows = client.data(f"/api/v1/pool.json{query}")["data"]
        text = client.get(f"/forest{query}").text
        for row in rows:
            if row["is_primary"] and row["subset"] == "all" and row["construct"] in (
                "intention", "behavior"
            ):  # fmt: skip
                assert f"{row['mu']:.2f}".replace("-", "\u2212") in text


def test_a_release_is_opened_once(site: Site) -> None:
    releases = Releases(site.folder)
    assert releases.open() is releases.open(site.new.id)
