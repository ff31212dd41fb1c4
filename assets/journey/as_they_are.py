"""The assets that are tables of all journeys as they are, made in one step."""

import dagster as dg
import pandas as pd

from assets.contracts import contract_spec, core, counts_table, out, table_spec, written
from assets.guard import guarded
from assets.journey.asset import trial_journeys
from assets.resources import Progress, Store, TypedTables

_DESCRIPTIONS = {
    core("files_read"): "Every file that was read: what it holds, how it was read, what was used "
    "of it.",
    core("rejected_rows"): "Rows that break a declared rule, with rule and reason; all others are "
    "used.",
    core("participant_checks"): "Independent checks on participant rows: cross-check of g, "
    "assumptions, scale reliability. Aggregates only.",
    core("action_counts"): "Who intended and who acted, per arm, as counts.",
    core("moderators"): "Values of the moderators that manifests declare.",
    core("accepted_correlations"): "Correlations of single trials, as they were reported.",
    core("accepted_codings"): "Codings of barriers, as they were reported.",
    out("arms"): "Declared arms of every trial.",
    out("instruments"): "Declared outcomes of every trial with instrument, scale and act.",
    out("risk_of_bias"): "Declared judgments about the risk of bias.",
}
_MADE_BY = {
    core("rejected_rows"): ["greatexpectations", "arrow"],
    core("participant_checks"): ["pingouin", "arrow"],
}
_JUDGED, _REJECTED = core("files_read"), core("rejected_rows")
_ROWS_ACCEPTED = dg.AssetCheckSpec(
    "rows_accepted",
    asset=_REJECTED,
    description="Every row met its declared rules. The rows that did not are set aside already.",
)


@dg.multi_asset(
    name="tables_of_journeys",
    specs=[
        table_spec(key, text, [trial_journeys], _MADE_BY.get(key, ["arrow"]))
        for key, text in _DESCRIPTIONS.items()
    ],
    check_specs=[contract_spec(_JUDGED), _ROWS_ACCEPTED],
)
@guarded
def tables_of_journeys(  # type: ignore[no-untyped-def]
    store: Store, tables: TypedTables, progress: Progress
):
    progress("tables of trials")
    accepted = _rows_accepted(store)
    return tuple(
        written(
            tables,
            key,
            store.journeys.table(key.path[-1]),
            judged=key == _JUDGED,
            checks=[accepted] if key == _REJECTED else (),
        )
        for key in _DESCRIPTIONS
    )


def _rows_accepted(store: Store) -> dg.AssetCheckResult:
    from assets.screening.over_trials import failed_rules

    counts = store.journeys.frame("screened_counts")
    failed = failed_rules(store.journeys.frame("checks"))
    return dg.AssetCheckResult(
        passed=failed.empty,
        asset_key=_REJECTED,
        check_name=_ROWS_ACCEPTED.name,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "accepted": int(counts["accepted"].sum()),
            "rejected": int(counts["rejected"].sum()),
            "failed_rules": counts_table(_told(failed)),
        },
    )


def _told(failed: pd.DataFrame) -> list[tuple[str, str, int, int]]:
    return [
        (f"{row.kind}: {row.rule_id}", row.column, int(row.evaluated), int(row.unexpected))
        for row in failed.itertuples()
    ]


ASSETS = [tables_of_journeys]
