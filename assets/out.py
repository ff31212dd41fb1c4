"""Assets of the out layer: pooled tables and the release that readers see."""

import dagster as dg

from assets.core import (
    behavior_outcomes,
    effects,
    files_read,
    intention_outcomes,
    paired_effects,
    participant_checks,
    screened_records,
    upstream_outcomes,
)
from assets.guard import guarded

_NEEDS = {"store", "project"}
_DESCRIPTIONS = {
    "pooled_effects": "Pooled effects per synthesis, construct and subset.",
    "gap_estimates": "Estimands of the intention-behavior gap from the joint model.",
    "surrogacy": "Trial-level line of behavior on upstream effects.",
    "sensitivity": "The gap over the assumed correlation and with each trial left out.",
    "specifications": "The gap under every combination of the analyst's choices.",
    "influence": "What single trials carry of each pooled effect.",
    "moderator_effects": "Effects by level of each moderator.",
    "bias_checks": "Small-study effects and adjusted means.",
    "action_control": "Who of those who intend acts.",
    "pooled_correlations": "Correlational sets, never mixed with trials.",
    "barrier_codings": "Barrier dimensions of coding tables.",
}


def _table(name: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        key_prefix="out",
        group_name="out",
        deps=[paired_effects, *screened_records],
        kinds={"numpy", "parquet"},
        required_resource_keys=_NEEDS,
        description=_DESCRIPTIONS[name],
    )
    @guarded
    def table(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from assets.steps import synthesize

        project = context.resources.project
        project.report(name.replace("_", " "), context)
        made = synthesize(context.resources.store, project.trial_names(), project.analysis, name)
        return dg.MaterializeResult(metadata={"rows": len(made)})

    return table


synthesis_tables = [_table(name) for name in _DESCRIPTIONS]


@dg.asset(
    key_prefix="out",
    group_name="out",
    deps=[effects, paired_effects, participant_checks, *screened_records, *synthesis_tables],
    required_resource_keys=_NEEDS,
    description="Trials, arms, instruments, findings and rejected rows.",
)
@guarded
def trial_tables(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    from assets.steps import SYNTHESIS_TABLES, collect_findings, describe_trials

    project, store = context.resources.project, context.resources.store
    project.report("trials and findings", context)
    trials = describe_trials(store, project.trial_names())
    findings = collect_findings(store, project.trial_names(), SYNTHESIS_TABLES)
    return dg.MaterializeResult(metadata={"trials": len(trials), "findings": len(findings)})


@dg.asset(
    key_prefix="out",
    group_name="out",
    deps=[
        trial_tables,
        files_read,
        *synthesis_tables,
        intention_outcomes,
        behavior_outcomes,
        upstream_outcomes,
    ],
    kinds={"duckdb", "parquet"},
    pool="release",
    required_resource_keys={"store", "project", "publisher"},
    description="Immutable folder of published tables with release.json and report.html; "
    "`current` points to it.",
)
@guarded
def release(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    project = context.resources.project
    project.report("publishing", context)
    made = context.resources.publisher.publish(context.resources.store, project)
    return dg.MaterializeResult(
        metadata={
            "release_id": made.release_id,
            "is_new": made.is_new,
            "path": dg.MetadataValue.path(str(made.path)),
        }
    )


ASSETS = [*synthesis_tables, trial_tables, release]
