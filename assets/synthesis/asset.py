"""The assets of the synthesis layer: one step makes all of its tables, since those of one synthesis
share their fits."""

import dagster as dg

from analysis.synthesis.plan import PLAN
from assets.contracts import contract_spec, core, out, table_spec, written
from assets.guard import guarded
from assets.resources import Progress, Project, Store, TypedTables

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


SYNTHESIS_FINDINGS = out("synthesis_findings")
_READ = {
    table.name: {core(name) for source in table.made_from for name in _SOURCES[source]}
    for table in PLAN
} | {
    "action_control": {core("action_counts")},
    "pooled_correlations": {core("accepted_correlations")},
    "barrier_codings": {core("accepted_codings")},
    "synthesis_findings": {core(name) for name in _INPUTS},
}  # fmt: skip


@dg.multi_asset(
    name="syntheses",
    specs=[
        table_spec(out(name), text, sorted(_READ[name]), ["numpy", "arrow"])
        for name, text in _DESCRIPTIONS.items()
    ],
    check_specs=[contract_spec(out(name)) for name in SYNTHESIS_TABLES],
)
@guarded
def syntheses(  # type: ignore[no-untyped-def]
    store: Store, tables: TypedTables, project: Project, progress: Progress
):
    """Every table of the syntheses of trials and of other data; what did not change is kept."""
    from assets.kept import KeptResults
    from assets.synthesis.history import history_of
    from assets.synthesis.others import others_of
    from assets.synthesis.over_trials import ROOM, inputs_of, synthesize, with_others

    frames = {name: tables.frame(core(name)) for name in _INPUTS}
    kept = KeptResults(store.files.room(ROOM))
    groups = synthesize(inputs_of(frames, project.settings), kept, progress)
    profiles = project.profiles(store.journeys.frame("journeys"))
    found = with_others(groups, others_of(frames, profiles, project.settings))
    store.files.keep_traces("synthesis_", found.traces)
    told = {"processor seconds": found.seconds, "syntheses made": len(found.made)}
    more = {name: history_of(name, found.tables[name]) for name in _DESCRIPTIONS}
    more["synthesis_findings"] = told
    return tuple(
        written(tables, out(name), found.tables[name], more[name], judged=name in SYNTHESIS_TABLES)
        for name in _DESCRIPTIONS
    )


ASSETS = [syntheses]
