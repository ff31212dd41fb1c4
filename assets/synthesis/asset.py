"""The assets of the synthesis layer: one step makes all of its tables, since those of one synthesis
share their fits."""

import dagster as dg
import pandas as pd

from analysis.synthesis.plan import PLAN
from assets.contracts import contract_check
from assets.guard import guarded
from assets.journey.asset import table_of_journeys
from assets.resources import Progress, Project, Store

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
    "synthesis_findings": "Parts of syntheses that could not be computed.",
}
SYNTHESIS_TABLES = tuple(_DESCRIPTIONS)[:-1]
_INPUTS = (
    "effects", "effect_covariances", "assumed_covariances", "paired_effects", "moderators",
    "action_counts", "accepted_correlations", "accepted_codings",
)  # fmt: skip
_SOURCES = {
    "effects": ("effects", "effect_covariances"),
    "natural_effects": ("effects",),
    "grid": ("assumed_covariances",),
    "pairs": ("paired_effects",),
    "moderators": ("moderators",),
}
"""Source of the plan -> the tables it is read from."""


def _core(name: str) -> dg.AssetKey:
    return dg.AssetKey(["core", name])


def _out(name: str) -> dg.AssetKey:
    return dg.AssetKey(["out", name])


SYNTHESIS_FINDINGS = _out("synthesis_findings")
_READ = {
    table.name: {_core(name) for source in table.made_from for name in _SOURCES[source]}
    for table in PLAN
} | {
    "action_control": {_core("action_counts")},
    "pooled_correlations": {_core("accepted_correlations")},
    "barrier_codings": {_core("accepted_codings")},
    "synthesis_findings": {_core(name) for name in _INPUTS},
}  # fmt: skip


@dg.multi_asset(
    outs={
        name: dg.AssetOut(key=_out(name), description=text, kinds={"numpy", "arrow"})
        for name, text in _DESCRIPTIONS.items()
    },
    ins={name: dg.AssetIn(_core(name)) for name in _INPUTS},
    internal_asset_deps=_READ,
    group_name="out",
    name="syntheses",
)
@guarded
def syntheses(  # type: ignore[no-untyped-def]
    context: dg.AssetExecutionContext,
    store: Store,
    project: Project,
    progress: Progress,
    **frames: pd.DataFrame,
):
    """Every table of the syntheses of trials and of other data; what did not change is kept."""
    from assets.kept import KeptResults
    from assets.synthesis.history import history_of
    from assets.synthesis.others import others_of
    from assets.synthesis.over_trials import ROOM, inputs_of, synthesize, with_others

    kept = KeptResults(store.files.room(ROOM))
    groups = synthesize(inputs_of(frames, project.settings), kept, progress)
    profiles = project.profiles(store.journeys.frame("journeys"))
    found = with_others(groups, others_of(frames, profiles, project.settings))
    store.files.keep_traces("synthesis_", found.traces)
    told = {"processor seconds": found.seconds, "syntheses made": len(found.made)}
    for name in _DESCRIPTIONS:
        rows = found.tables[name]
        more = told if name == "synthesis_findings" else history_of(name, rows)
        context.add_output_metadata({"rows": len(rows)} | more, name)
    return tuple(found.tables[name] for name in _DESCRIPTIONS)


accepted_correlations = table_of_journeys(
    "accepted_correlations", "Correlations of single trials, as they were reported."
)
accepted_codings = table_of_journeys(
    "accepted_codings", "Codings of barriers, as they were reported."
)


ASSETS = [syntheses, accepted_correlations, accepted_codings]
CHECKS = [contract_check(_out(name)) for name in SYNTHESIS_TABLES]
