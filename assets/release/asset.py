"""The assets of what a release says of trials, and of the release itself."""

import dagster as dg
import pandas as pd
import pyarrow as pa

from assets.guard import guarded
from assets.journey.asset import table_of_journeys, trial_journeys
from assets.release.over_trials import findings_of_all, trials_of_all
from assets.resources import Progress, Project, Publisher, Store
from assets.synthesis.asset import SYNTHESIS_FINDINGS, SYNTHESIS_TABLES

_CORE = (
    "intention_outcomes", "behavior_outcomes", "upstream_outcomes", "effects", "paired_effects",
    "effect_covariances", "assumed_covariances", "moderators", "participant_checks", "files_read",
    "rejected_rows",
)  # fmt: skip
_OF_TRIALS = ("trials", "arms", "instruments", "risk_of_bias")


@dg.asset(
    key_prefix="out",
    group_name="out",
    deps=[trial_journeys],
    ins={"effects": dg.AssetIn(dg.AssetKey(["core", "effects"]))},
    kinds={"duckdb", "arrow"},
    description="Every trial folder and what its data give, also those that give nothing.",
)
@guarded
def trials(context: dg.AssetExecutionContext, effects: pa.Table, store: Store) -> pa.Table:
    rows = trials_of_all(store.journeys.table("trials"), effects)
    context.add_output_metadata({"trials": len(rows)})
    return rows


arms, instruments, risk_of_bias = (
    table_of_journeys(table, description, group="out")
    for table, description in (
        ("arms", "Declared arms of every trial."),
        ("instruments", "Declared outcomes of every trial with instrument, scale and act."),
        ("risk_of_bias", "Declared judgments about the risk of bias."),
    )
)


@dg.asset(
    name="findings",
    key_prefix="out",
    group_name="out",
    ins={
        "of_trials": dg.AssetIn(dg.AssetKey(["core", "findings"])),
        "of_syntheses": dg.AssetIn(SYNTHESIS_FINDINGS),
    },
    kinds={"pandas", "arrow"},
    description="Everything wrong or doubtful, with rule, file, row and what to do.",
)
@guarded
def findings(
    context: dg.AssetExecutionContext, of_trials: pa.Table, of_syntheses: pa.Table
) -> pd.DataFrame:
    frame = findings_of_all([of_trials, of_syntheses])
    open_ones = frame[frame["status"] == "open"]["severity"].value_counts()
    context.add_output_metadata({f"open: {word}": int(n) for word, n in open_ones.items()})
    return frame


_READ = {name: dg.AssetKey(["core", name]) for name in _CORE}
_READ |= {name: dg.AssetKey(["out", name]) for name in (*_OF_TRIALS, "findings", *SYNTHESIS_TABLES)}


@dg.asset(
    key_prefix="out",
    group_name="out",
    deps=[trial_journeys],
    ins={name: dg.AssetIn(key) for name, key in _READ.items()},
    kinds={"duckdb", "parquet"},
    pool="release",
    description="Immutable folder of published tables with release.json and report.html; "
    "`current` points to it.",
)
@guarded
def release(
    context: dg.AssetExecutionContext,
    store: Store,
    project: Project,
    publisher: Publisher,
    progress: Progress,
    **tables: pd.DataFrame,
) -> dg.MaterializeResult:
    from assets.release.publishable import inputs_of, publishable_tables
    from assets.screening.over_trials import screened_counts

    progress("publishing")
    journeys = store.journeys.frame("journeys")
    made = publisher(
        publishable_tables(tables, journeys, project.disclosure),
        inputs_of(journeys, tables["files_read"]),
        screened_counts(store.journeys.frame("screened_counts"), store.journeys.frame("checks")),
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.release_id),
        metadata={
            "release_id": made.release_id,
            "is_new": made.is_new,
            "path": dg.MetadataValue.path(str(made.path)),
            "set aside": _set_aside(tables["findings"]),
        },
    )


def _set_aside(findings: pd.DataFrame) -> int:
    """Open findings that keep data out of the pools."""
    blocking = findings["severity"].isin(["error", "hold"]) & (findings["status"] == "open")
    return int(blocking.sum())


ASSETS = [trials, arms, instruments, risk_of_bias, findings, release]
