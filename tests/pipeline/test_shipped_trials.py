"""The shipped trials through one refresh: published numbers come out of the published tables."""

from __future__ import annotations

import hashlib
import json

import duckdb
import numpy as np
import pandas as pd
import pytest

from ibgap.cli.explain import explain
from tests.conftest import ROOT
from validations.tables import TABLES

from .conftest import Home


@pytest.fixture(scope="module")
def tables(shipped: Home) -> dict[str, pd.DataFrame]:
    release = shipped.release()
    return {name: release.table(name) for name in TABLES}


def one(frame: pd.DataFrame, **where: object) -> pd.Series:
    """The single row with these values."""
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1, f"{len(frame)} rows"
    return frame.iloc[0]


def near(value: float, digits: int = 5, slack: float = 0.0) -> object:
    return pytest.approx(value, abs=0.5 * 10.0**-digits + slack, rel=0.0)


# metafor's REML stops at changes of tau2 below 1e-5; its digits carry errors of that size.
REML = 3e-5


def test_every_declared_table_has_its_declared_columns(tables: dict[str, pd.DataFrame]) -> None:
    for name, schema in TABLES.items():
        assert list(tables[name].columns) == schema.names, name


def test_one_row_per_key(tables: dict[str, pd.DataFrame]) -> None:
    for name, schema in TABLES.items():
        if schema.key:
            keys = tables[name][list(schema.key)]
            assert not keys.duplicated().any(), name
            assert (keys.astype(str) != "").all(axis=None), name


def test_no_row_is_both_intention_and_behavior(tables: dict[str, pd.DataFrame]) -> None:
    constructs = {
        "intention_outcomes": {"intention"}, "behavior_outcomes": {"behavior"},
        "upstream_outcomes": {"attitude", "readiness", "willingness", "motivation", "competence",
                              "ideas", "symptom_severity", "self_stigma"},
    }  # fmt: skip
    seen: set[str] = set()
    for name, allowed in constructs.items():
        assert set(tables[name]["construct"]) <= allowed
        ids = set(tables[name]["outcome_row_id"])
        assert not ids & seen
        seen |= ids
    assert set(tables["effects"]["outcome_row_id"]) <= seen


@pytest.mark.parametrize(
    ("construct", "mu", "tau2", "i2", "q"),
    [("intention", 0.24111, 0.23358, 80.35, 33.329), ("behavior", 0.1841, 0.0, 0.0, 8.13)],
)
def test_sweeney_and_moyer_2015(
    tables: dict[str, pd.DataFrame], construct: str, mu: float, tau2: float, i2: float, q: float
) -> None:
    row = one(tables["pooled_effects"], subset="topic: health_behavior", construct=construct,
              measure="SMD", is_primary=True)  # fmt: skip
    assert row["k_trials"] == row["k_effects"] == 10
    assert row["mu"] == near(mu, slack=REML)
    assert row["tau2"] == near(tau2, slack=REML)
    assert row["i2"] == near(i2, 2, slack=REML * 100)
    assert row["q"] == near(q, 3)


def test_the_difference_in_sweeney_and_moyer_2015(tables: dict[str, pd.DataFrame]) -> None:
    gap = tables["gap_estimates"]
    row = one(gap, subset="topic: health_behavior", estimand="difference", method="CR2")
    assert row["estimate"] == pytest.approx(row["mu_upstream"] - row["mu_behavior"], abs=1e-12)
    # The joint model borrows between outcomes; the difference per study gives .0706 (REML).
    assert row["estimate"] == pytest.approx(0.07057, abs=0.005)
    assert row["ci_lb"] < 0.0 < row["ci_ub"]
    assert (row["k_upstream"], row["k_behavior"], row["k_paired"]) == (10, 10, 10)


def test_burger_2022(tables: dict[str, pd.DataFrame]) -> None:
    intention = tables["intention_outcomes"].set_index("outcome_row_id")
    for arm, n, mean, sd in (
        ("debunk", 326, 5.147239, 2.387746),
        ("benefits", 327, 5.281346, 2.247095),
    ):
        row = intention.loc[f"burger2022_vaccination:{arm}_vs_control:intent_mrna@0w"]
        assert (row["n1"], row["n2"]) == (n, 671)
        assert [row["m1"], row["sd1"]] == [near(mean, 6), near(sd, 6)]
        assert [row["m2"], row["sd2"]] == [near(5.119225, 6), near(2.364685, 6)]
    behavior = tables["behavior_outcomes"].set_index("outcome_row_id")
    row = behavior.loc["burger2022_vaccination:benefits_vs_control:vaccinated@15w"]
    assert list(row[["events1", "n1", "events2", "n2"]]) == [152, 207, 141, 220]
    effects = tables["effects"].set_index("effect_id")
    difference = effects.loc["burger2022_vaccination:benefits_vs_control:vaccinated@15w:RD"]
    assert difference["yi"] == near(0.0933904, 7)
    assert not any("facilitation" in i for i in intention.index)


def test_kato_2022(tables: dict[str, pd.DataFrame]) -> None:
    rows = {}
    for name, outcome in (("intention", "intend_test"), ("behavior", "took_test")):
        own = tables[f"{name}_outcomes"]
        rows[name] = own[(own["trial_id"] == "kato2022_rubella") & (own["outcome_id"] == outcome)]
    assert list(rows["intention"]["n1"]) == [335, 318, 312, 317, 341, 314]
    assert list(rows["intention"]["events1"]) == [87, 109, 95, 80, 98, 95]
    assert list(rows["behavior"]["events1"]) == [10, 18, 13, 15, 8, 10]
    assert set(rows["behavior"]["events2"]) == {5.0}
    assert set(rows["behavior"]["withheld"]) == {""}


def test_pools_over_comparisons_count_trials_and_effects(tables: dict[str, pd.DataFrame]) -> None:
    """Composites per trial are not the pools the articles print; what they rest on is the same."""
    pooled = tables["pooled_effects"]
    for synthesis, construct, trials, effects, low, high in (
        ("self_determination", "behavior", 56, 65, 0.16476, 0.29226),
        ("sexual_violence_prevention", "ideas", 261, 346, 0.31, 0.44),
        ("sexual_violence_prevention", "behavior", 96, 143, 0.03, 0.12),
    ):
        row = one(pooled, synthesis=synthesis, construct=construct, subset="all", is_primary=True)
        assert (row["k_trials"], row["k_effects"]) == (trials, effects)
        assert low < row["mu"] < high


def test_cooke_2016(tables: dict[str, pd.DataFrame]) -> None:
    row = one(tables["pooled_correlations"], variable_1="behavior", variable_2="intention")
    assert (row["k_trials"], row["n_total"]) == (20, 3806)
    assert row["z"] == near(0.52863)
    assert row["tau2"] == near(0.19145)
    assert row["r"] == near(0.484, 3)


def test_barrier_percentages(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["barrier_codings"].set_index("dimension")
    assert table["n_reference_points"].sum() == 388
    printed = {
        "individual_psychological": (34.5, 10.3), "cognitive": (21.1, 7.5),
        "structural": (17.5, 9.7), "digital_environment": (18.3, 6.5), "socio_cultural": (8.5, 6.6),
    }  # fmt: skip
    for dimension, (percent, mean) in printed.items():
        assert table.loc[dimension, "percent"] == near(percent, 1)
        assert table.loc[dimension, "points_per_source"] == near(mean, 1)


def test_no_shipped_trial_has_an_error(tables: dict[str, pd.DataFrame]) -> None:
    findings = tables["findings"]
    assert findings[findings["severity"] == "error"]["trial_id"].tolist() == []


def test_every_effect_in_the_pools_is_finite(tables: dict[str, pd.DataFrame]) -> None:
    used = tables["effects"][tables["effects"]["in_pool"].astype(bool)]
    assert np.isfinite(used["yi"]).all() and (used["vi"] > 0).all()
    without = tables["effects"][tables["effects"]["yi"].isna()]
    assert (without["reason"] != "").all()


def test_inputs_are_recorded_with_their_hashes(shipped: Home) -> None:
    record = json.loads((shipped.releases / "current" / "release.json").read_text())
    names = sorted(p.name for p in (ROOT / "trials").iterdir() if p.is_dir())
    assert [one["trial"] for one in record["inputs"]] == names
    for trial in record["inputs"]:
        assert trial["files"], trial["trial"]
        for file in trial["files"]:
            data = (ROOT / "trials" / trial["trial"] / file["file"]).read_bytes()
            assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert str(shipped.root) not in json.dumps(record)


def test_the_duckdb_file_has_the_same_tables(
    shipped: Home, tables: dict[str, pd.DataFrame]
) -> None:
    path = shipped.releases / "current" / "ibgap.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        found = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
        assert found == set(TABLES)
        for name in ("intention_outcomes", "behavior_outcomes", "effects", "gap_estimates"):
            (count,) = connection.execute(f"SELECT count(*) FROM {name}").fetchone() or (None,)
            assert count == len(tables[name])


def test_every_effect_can_be_explained(
    shipped: Home, tables: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    release = shipped.release()
    monkeypatch.setattr(type(release), "table", lambda self, name: tables[name])
    effects = tables["effects"]
    for effect_id, file in zip(effects["effect_id"], effects["file"], strict=True):
        text = explain(release, effect_id)
        assert text.startswith(effect_id)
        assert f"From {file}, rows " in text and "formula" in text


def test_an_effect_that_does_not_exist(shipped: Home) -> None:
    result = shipped.command("explain", "burger2022_vaccination:benefits_vs_control:vaccinated")
    assert result.exit_code == 2
    assert "near: burger2022_vaccination:benefits_vs_control:vaccinated@15w" in result.output


def test_action_control_follows_the_declared_pairs(tables: dict[str, pd.DataFrame]) -> None:
    own = tables["action_control"]
    own = own[own["trial_id"] == "kato2022_rubella"]
    found = set(zip(own["intention"], own["behavior"], strict=True))
    assert found == {("intend_test", "took_test"), ("intend_vaccination", "took_vaccination")}


def test_gap_and_pool_and_effects_print(shipped: Home) -> None:
    gap = shipped.command("gap")
    assert gap.exit_code == 0
    assert "intention - behavior" in gap.output and "difference" in gap.output
    assert shipped.command("gap", "--subset", "paired trials").exit_code == 0
    pool = shipped.command("pool", "--construct", "behavior", "--json")
    assert {row["construct"] for row in json.loads(pool.output)} == {"behavior"}
    assert shipped.command("effects", "--trial", "burger").exit_code == 0
    for arguments in (("gap", "--synthesis", "x"), ("pool", "--construct", "x"),
                      ("effects", "--trial", "x"), ("gap", "--subset", "x")):  # fmt: skip
        assert shipped.command(*arguments).exit_code == 2
