"""The assets of what a release says of trials, and of the release itself."""

import dagster as dg

from assets.contracts import core, out, table_spec, written
from assets.effects.asset import EFFECTS
from assets.effects.asset import FINDINGS as FINDINGS_OF_TRIALS
from assets.guard import guarded
from assets.journey.asset import trial_journeys
from assets.release.over_trials import findings_of_all, trials_of_all
from assets.resources import Progress, Project, Publisher, Store, TypedTables
from assets.synthesis.asset import SYNTHESIS_FINDINGS, SYNTHESIS_TABLES
from validations.findings import blocking_rows

_CORE = (
    "intention_outcomes", "behavior_outcomes", "upstream_outcomes", "effects", "paired_effects",
    "effect_covariances", "assumed_covariances", "moderators", "participant_checks", "files_read",
    "rejected_rows",
)  # fmt: skip
_OF_TRIALS = ("trials", "arms", "instruments", "risk_of_bias", "findings")
_TRIALS, _FINDINGS = out("trials"), out("findings")
_READ = [*map(core, _CORE), *map(out, (*_OF_TRIALS, *SYNTHESIS_TABLES))]


@dg.multi_asset(
    name="told_of_trials",
    specs=[
        table_spec(
            _TRIALS,
            "Every trial folder and what its data give, also those that give nothing.",
            [trial_journeys, EFFECTS],
            ["duckdb", "arrow"],
        ),
        table_spec(
            _FINDINGS,
            "Everything wrong or doubtful, with rule, file, row and what to do.",
            [FINDINGS_OF_TRIALS, SYNTHESIS_FINDINGS],
            ["pandas", "arrow"],
        ),
    ],
)
@guarded
def told_of_trials(store: Store, tables: TypedTables):  # type: ignore[no-untyped-def]
    trials = trials_of_all(store.journeys.table("trials"), tables.table(EFFECTS))
    parts = [tables.table(key) for key in (FINDINGS_OF_TRIALS, SYNTHESIS_FINDINGS)]
    findings = findings_of_all(parts)
    open_ones = findings[findings["status"] == "open"]["severity"].value_counts()
    told = {f"open: {word}": int(n) for word, n in open_ones.items()}
    return (
        written(tables, _TRIALS, trials, {"trials": len(trials)}),
        written(tables, _FINDINGS, findings, told),
    )


@dg.asset(
    key_prefix="out",
    group_name="out",
    deps=[trial_journeys, *_READ],
    kinds={"duckdb", "parquet"},
    pool="release",
    description="Immutable folder of published tables with release.json and report.html; "
    "`current` points to it.",
)
@guarded
def release(
    store: Store,
    tables: TypedTables,
    project: Project,
    publisher: Publisher,
    progress: Progress,
) -> dg.MaterializeResult:
    from assets.release.publishable import inputs_of, publishable_tables
    from assets.screening.over_trials import screened_counts

    progress("publishing")
    frames = {key.path[-1]: tables.frame(key) for key in _READ}
    journeys = store.journeys.frame("journeys")
    made = publisher(
        publishable_tables(frames, journeys, project.disclosure),
        inputs_of(journeys, frames["files_read"]),
        screened_counts(store.journeys.frame("screened_counts"), store.journeys.frame("checks")),
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.release_id),
        metadata={
            "release_id": made.release_id,
            "is_new": made.is_new,
            "path": dg.MetadataValue.path(str(made.path)),
            "set aside": int(blocking_rows(frames["findings"]).sum()),
        },
    )


ASSETS = [told_of_trials, release]
