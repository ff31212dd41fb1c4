"""What was put in comes out: effects of trials, means and Tau, within Monte Carlo error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.synthesis.settings import AnalysisSettings
from analysis.univariate.pooling import fit_random_effects
from assets.journey.trial_journey import Journey, trial_journey
from ibgap.cli import exits
from ibgap.cli.command_line import main
from ibgap.simulation import EVERY_KIND, Plan, Truth, simulate

TRIALS = 70
PLAN = Plan(trials=TRIALS, seed=17, defects=0.0)
MOST = 4.0
"""Standard errors that an estimate may lie off the truth."""


@dataclass(frozen=True)
class Read:
    """Simulated trials and what their journeys gave."""

    truth: Truth
    journeys: dict[str, Journey]

    def effects(self) -> pd.DataFrame:
        """Effects in the pools on the common scale, with the true one of each."""
        parts = [j.tables["effects"] for j in self.journeys.values() if "effects" in j.tables]
        rows = pd.concat(parts, ignore_index=True)
        rows = rows[(rows["measure"] == "SMD") & rows["in_pool"] & rows["yi"].notna()]
        kinds = {one.trial: one.kind for one in self.truth.trials}
        return rows.assign(
            kind=rows["collection_id"].map(kinds),
            true=[self._true(row) for row in rows.to_dict("records")],
        )

    def _true(self, row: dict[str, object]) -> float:
        trial = next(t for t in self.truth.trials if t.trial == row["collection_id"])
        one = next(
            s for s in trial.studies if len(trial.studies) == 1 or s.label == row["study_label"]
        )
        true = one.behavior if row["construct"] == "behavior" else one.upstream
        assert true is not None
        return true


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    out = tmp_path_factory.mktemp("made")
    truth = simulate(out, PLAN)
    settings = AnalysisSettings()
    folders = [out / "trials" / one.trial for one in truth.trials]
    return Read(truth, {f.name: trial_journey(f, settings, checks=False) for f in folders})


def test_trials_without_a_planted_fault_are_used_whole(read: Read) -> None:
    for journey in read.journeys.values():
        told = [f"{f.rule_id}: {f.message}" for f in journey.findings
                if str(f.severity) in ("error", "hold")]  # fmt: skip
        assert journey.manifest is not None and not told
    kinds = {one.kind for one in read.truth.trials}
    assert kinds == set(EVERY_KIND)
    screened = {kind for journey in read.journeys.values() for kind in journey.screened}
    assert screened >= kinds - {"review"}


def test_effects_are_the_true_ones_but_for_sampling_error(read: Read) -> None:
    rows = read.effects()
    z = (rows["yi"] - rows["true"]) / np.sqrt(rows["vi"])
    for _, own in z.groupby([rows["kind"], rows["construct"] == "behavior"]):
        # Effects of one trial go together: trials count, not effects.
        k = rows.loc[own.index, "trial_id"].nunique()
        assert abs(own.mean()) < MOST / np.sqrt(k)
    k = rows["trial_id"].nunique()
    assert abs((z**2).mean() - 1) < MOST * np.sqrt(2 / k)


@pytest.mark.parametrize(
    ("behavior", "mean", "tau"),
    [(False, PLAN.mean_intention, PLAN.tau_intention),
     (True, PLAN.mean_behavior, PLAN.tau_behavior)],
    ids=["intention", "behavior"],
)  # fmt: skip
def test_the_pool_finds_mean_and_tau2(read: Read, behavior: bool, mean: float, tau: float) -> None:
    rows = read.effects()
    own = rows[(rows["construct"] == "behavior") == behavior]
    own = own[behavior | own["construct"].isin(["intention"])]
    first = own.sort_values("weeks").drop_duplicates("trial_id")
    pool = fit_random_effects(first["yi"], first["vi"])
    weights = 1 / (tau**2 + first["vi"])
    assert abs(pool.mu - mean) < MOST / np.sqrt(weights.sum())
    assert abs(pool.tau2 - tau**2) < MOST * np.sqrt(2 / (weights**2).sum())


@pytest.mark.slow
def test_a_refresh_of_simulated_trials_ends_well_and_finds_the_truth(tmp_path: Path) -> None:
    """With planted faults among them; those that move numbers are held or set aside."""
    truth = simulate(tmp_path, Plan(trials=110, seed=8, defects=0.2))
    done = CliRunner().invoke(main, ["refresh"], env={"IBGAP_HOME": str(tmp_path)})
    assert done.exit_code == exits.SET_ASIDE, done.output
    tables = tmp_path / "releases" / "current" / "tables"
    findings = pd.read_parquet(tables / "findings.parquet")
    for trial, defect in truth.defects.items():
        own = findings[(findings["trial_id"] == trial)
                       | findings["trial_id"].str.startswith(f"{trial}/")]  # fmt: skip
        assert set(defect.rules) <= set(own["rule_id"]), trial
    trials = pd.read_parquet(tables / "trials.parquet")
    assert set(trials["collection_id"]) == {one.trial for one in truth.trials}
    gap = pd.read_parquet(tables / "gap_estimates.parquet")
    row = gap[(gap["synthesis"] == "main") & (gap["subset"] == "all")
              & (gap["estimand"] == "difference")].iloc[0]  # fmt: skip
    assert row["status"] == "ok" and row["k_paired"] > 60
    tau, k = np.array(truth.plan.tau), float(row["k_paired"])
    total = tau + np.diag([0.02, 0.02])  # with the sampling variance of a trial
    errors = np.sqrt(np.diag(total) / k)
    assert abs(row["mu_upstream"] - truth.plan.mean_intention) < MOST * errors[0]
    assert abs(row["mu_behavior"] - truth.plan.mean_behavior) < MOST * errors[1]
    assert abs(row["tau2_upstream"] - tau[0, 0]) < MOST * total[0, 0] * np.sqrt(2 / k)
    assert abs(row["tau2_behavior"] - tau[1, 1]) < MOST * total[1, 1] * np.sqrt(2 / k)
    spread = np.sqrt((total[0, 0] * total[1, 1] + total[0, 1] ** 2) / k)
    assert abs(row["tau_covariance"] - tau[0, 1]) < MOST * spread
