"""The asset of all journeys, with the check that shows a broken trial broken."""

from collections.abc import Iterator

import dagster as dg

from assets.guard import guarded
from assets.journey.broken import BrokenTrial, Told, broken_trials, told_of_broken
from assets.journey.make import Made
from assets.resources import Progress, Project, Store

TRIALS = dg.DynamicPartitionsDefinition(name="trials")
TRIAL = dg.AssetSpec(
    dg.AssetKey(["raw", "trial"]),
    group_name="raw",
    partitions_def=TRIALS,
    kinds={"yaml", "csv"},
    description="A trial folder: manifest and data. Each refresh reports on those that changed "
    "and on those that are not whole.",
)


_KEY = dg.AssetKey(["raw", "trial_journeys"])
_WHOLE = dg.AssetCheckSpec(
    "trials_are_whole",
    asset=_KEY,
    description="No trial, and no part of one, was set aside: red where a trial gives nothing, "
    "yellow where a part of one is set aside.",
)


@dg.asset(
    key=_KEY,
    group_name="raw",
    deps=[TRIAL],
    check_specs=[_WHOLE],
    kinds={"python", "greatexpectations", "pingouin"},
    description="Records, summaries, effects and pairs of each trial folder, or the findings that "
    "say why there are none; unchanged folders are not read again.",
)
@guarded
def trial_journeys(
    context: dg.AssetExecutionContext, store: Store, project: Project, progress: Progress
) -> dg.MaterializeResult:
    """Bring every trial of the run into the store; a faulty one becomes findings."""
    from assets.journey.keys import MadeWith
    from assets.journey.make import make_journeys

    folders = project.folders
    made_with = MadeWith.of(project.settings, project.limits)
    made = make_journeys(store.files, folders, made_with, project.work_limits, progress)
    broken = broken_trials(store.journeys.frame("findings"), store.journeys.frame("effects"))
    for told in _of_trials(made, broken, store.journeys.versions):
        context.log_event(told)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.version),
        metadata={
            "trials": len(folders),
            "made": len(made.made),
            "unchanged": len(made.reused),
            "rows made": sum(told.rows for told in made.made.values()),
        },
        check_results=[_whole(broken)],
    )


def _of_trials(
    made: Made, broken: dict[str, BrokenTrial], versions: dict[str, str]
) -> Iterator[dg.AssetMaterialization]:
    """What is said of single trials: of those that were made, and of those that are not whole."""
    for name in sorted({*made.made, *broken}):
        about: dict[str, int | str] = {}
        if told := made.made.get(name):
            about = {"rows": told.rows, "findings": told.findings, "set aside": told.blocking}
        if wrong := broken.get(name):
            about |= {"gives": wrong.gives} | {f"rule: {r}": n for r, n in wrong.rules.items()}
        tags = {"dagster/data_version": versions[name]} if name in versions else {}
        yield dg.AssetMaterialization(TRIAL.key, partition=name, metadata=about, tags=tags)


def _whole(broken: dict[str, BrokenTrial]) -> dg.AssetCheckResult:
    """Red where a trial gives nothing, yellow where a part of one is set aside."""
    nothing = sum(trial.gives == "nothing" for trial in broken.values())
    rows = told_of_broken(broken.values())
    schema = dg.TableSchema([dg.TableColumn(name) for name in Told.__annotations__])
    records = [dg.TableRecord(dict(row)) for row in rows]
    return dg.AssetCheckResult(
        passed=not broken,
        asset_key=_KEY,
        check_name=_WHOLE.name,
        severity=dg.AssetCheckSeverity.ERROR if nothing else dg.AssetCheckSeverity.WARN,
        metadata={
            "trials that give nothing": nothing,
            "trials set aside in part": len(broken) - nothing,
            "findings not in the table": sum(len(t.findings) for t in broken.values()) - len(rows),
            "broken": dg.MetadataValue.table(records, schema),
        },
    )


ASSETS = [TRIAL, trial_journeys]
