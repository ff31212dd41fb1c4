"""Assets of the core layer: accepted records, outcome tables, effects and pairs.

Each function loads, calls a step, writes and reports counts. Intention and behavior are
separate assets with separate checks, so that neither stops the other.
"""

import dagster as dg

from assets.guard import guarded
from assets.raw import trial_journeys
from validations.records import RECORD_SCHEMAS

_NEEDS = {"store", "project"}


def _settle(context: dg.AssetExecutionContext, step: str) -> tuple:  # type: ignore[type-arg]
    project = context.resources.project
    project.report(step, context)
    return context.resources.store, project.trial_names()


def _screened(kind: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"screened_{kind}",
        key_prefix="core",
        group_name="core",
        deps=[trial_journeys],
        kinds={"greatexpectations", "parquet"},
        required_resource_keys=_NEEDS,
        description=f"Accepted records: {RECORD_SCHEMAS[kind].description}. Rejected rows are kept "
        "with rule and reason.",
    )
    @guarded
    def screened(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from assets.steps import screen_records

        store, trials = _settle(context, f"screening {kind.replace('_', ' ')}")
        report = screen_records(store, trials, kind)
        return dg.MaterializeResult(
            metadata={"accepted": report["accepted"], "rejected": report["rejected"]}
        )

    return screened


screened_records = [_screened(kind) for kind in RECORD_SCHEMAS]


@dg.asset(
    key_prefix="core",
    group_name="core",
    deps=[trial_journeys],
    kinds={"pandas", "parquet"},
    required_resource_keys=_NEEDS,
    description="Every file that was read: what it holds, how it was read, what was used of it.",
)
@guarded
def files_read(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    from assets.steps import list_files

    store, trials = _settle(context, "listing files")
    return dg.MaterializeResult(metadata={"files": len(list_files(store, trials))})


@dg.asset(
    key_prefix="core",
    group_name="core",
    deps=[trial_journeys],
    kinds={"pandas"},
    required_resource_keys=_NEEDS,
    description="Aggregates of participant rows: numbers per arm, joint correlations, adjusted "
    "differences, action-control counts. No later step sees a participant.",
)
@guarded
def participant_summaries(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    from assets.steps import summarize_participants

    store, trials = _settle(context, "summarizing participants")
    return dg.MaterializeResult(metadata=summarize_participants(store, trials))


@dg.asset(
    key_prefix="core",
    group_name="core",
    deps=[trial_journeys],
    kinds={"pingouin"},
    required_resource_keys=_NEEDS,
    description="Independent checks on participant rows: cross-check of g, assumptions, scale "
    "reliability. Aggregates only.",
)
@guarded
def participant_checks(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    from assets.steps import check_participants

    store, trials = _settle(context, "checking participant rows")
    return dg.MaterializeResult(metadata={"checks": len(check_participants(store, trials))})


@dg.asset(
    key_prefix="core",
    group_name="core",
    deps=[*screened_records, participant_summaries],
    kinds={"pandas"},
    required_resource_keys=_NEEDS,
    description="Outcome rows of all constructs: one per trial, comparison, instrument, time and "
    "analysis set, with everything an effect needs.",
)
@guarded
def outcome_rows(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    from assets.steps import assemble_outcomes

    store, trials = _settle(context, "assembling outcomes")
    return dg.MaterializeResult(metadata={"rows": len(assemble_outcomes(store, trials))})


def _outcomes(construct: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"{construct}_outcomes",
        key_prefix="core",
        group_name="core",
        deps=[outcome_rows],
        kinds={"pandas", "parquet"},
        required_resource_keys=_NEEDS,
        description=description,
    )
    @guarded
    def outcomes(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from assets.steps import write_outcome_table

        store, _ = _settle(context, f"{construct} outcomes")
        table = write_outcome_table(store, construct)
        return dg.MaterializeResult(
            metadata={"rows": len(table), "trials": int(table["trial_id"].nunique())}
        )

    return outcomes


intention_outcomes = _outcomes("intention", "Intention outcomes; no other construct.")
behavior_outcomes = _outcomes("behavior", "Behavior outcomes; no other construct.")
upstream_outcomes = _outcomes("upstream", "Every other construct, under its own name.")


@dg.asset(
    key_prefix="core",
    group_name="core",
    deps=[intention_outcomes, behavior_outcomes, upstream_outcomes],
    kinds={"numpy"},
    required_resource_keys=_NEEDS,
    description="Effects with sampling variances and formula on the common and natural scales.",
)
@guarded
def effects(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    from assets.steps import compute_effects

    store, trials = _settle(context, "computing effects")
    table = compute_effects(store, trials)
    return dg.MaterializeResult(
        metadata={"effects": len(table), "in_pools": int(table["in_pool"].sum())}
    )


@dg.asset(
    key_prefix="core",
    group_name="core",
    deps=[effects],
    kinds={"numpy"},
    required_resource_keys=_NEEDS,
    description="Upstream and behavior effects that belong together, with the covariances of the "
    "effects of each trial.",
)
@guarded
def paired_effects(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    from assets.steps import pair_effects

    store, trials = _settle(context, "pairing effects")
    return dg.MaterializeResult(metadata={"pairs": len(pair_effects(store, trials))})


ASSETS = [
    *screened_records,
    files_read,
    participant_summaries,
    participant_checks,
    outcome_rows,
    intention_outcomes,
    behavior_outcomes,
    upstream_outcomes,
    effects,
    paired_effects,
]
