"""The road from trial folders to the tables of all trials and syntheses, and to a release, without
Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from analysis.synthesis.settings import AnalysisSettings
from assets.effects.over_trials import effects_of_all
from assets.journey.keys import ROOM, MadeWith
from assets.journey.make import Made, make_journeys
from assets.journey.stacked import Journeys
from assets.kept import KeptResults
from assets.outcomes.over_trials import OUTCOME_TABLES, outcomes_of_all
from assets.pairs.over_trials import PAIR_TABLES, pairs_of_all
from assets.release.over_trials import findings_of_all, trials_of_all
from assets.release.publishable import inputs_of as files_of
from assets.release.publishable import profiles_of, publishable_tables
from assets.screening.over_trials import screened_counts
from assets.staging.limits import Limits
from assets.store import TableStore
from assets.synthesis import over_trials as syntheses
from assets.synthesis.others import others_of
from assets.typed import stacked, to_arrow, to_frame
from ibgap.releases.content import Content
from ibgap.releases.publisher import Release
from ibgap.releases.publisher import publish as into
from pipelines.settings import Settings
from validations.findings import findings_frame

AS_THEY_ARE = (
    "moderators", "participant_checks", "action_counts", "files_read", "rejected_rows", "arms",
    "instruments", "risk_of_bias", "accepted_correlations", "accepted_codings",
)  # fmt: skip
"""Tables of journeys that no other trial changes."""


@dataclass(frozen=True)
class Road:
    """Where the road leads.

    made: what became of the journeys. journeys: the kept ones. tables: of all trials and of all
    syntheses. synthesized: what became of the syntheses.
    """

    made: Made
    journeys: Journeys
    tables: dict[str, pa.Table]
    synthesized: syntheses.Synthesized

    def frame(self, name: str) -> pd.DataFrame:
        """A table for pandas."""
        return to_frame(self.tables[name])

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """All tables for pandas."""
        return {name: self.frame(name) for name in self.tables}


def kept_journeys(
    store: Path,
    folders: Sequence[Path],
    settings: AnalysisSettings | None = None,
    limits: Limits | None = None,
) -> Made:
    """Bring the journeys of these folders into a store, in this process."""
    files = TableStore(store)
    files.prepare()
    return make_journeys(
        files, list(folders), MadeWith.of(settings or AnalysisSettings(), limits or Limits())
    )


def walk(
    folders: Sequence[Path],
    store: Path,
    settings: AnalysisSettings | None = None,
    *,
    limits: Limits | None = None,
    disclosure: str = "rounded",
) -> Road:
    """The whole road of these folders, which have one parent. store: a folder for what is kept."""
    chosen = settings or AnalysisSettings()
    made = kept_journeys(store, folders, chosen, limits)
    journeys = Journeys(TableStore(store).room(ROOM))
    tables = journeys.tables(AS_THEY_ARE)
    rows = journeys.table("outcome_rows")
    tables |= {name: outcomes_of_all(name, rows) for name in OUTCOME_TABLES}
    names = ("effects", "identities", "journeys", "moderators")
    effects, told = effects_of_all(*(journeys.table(name) for name in names))
    of_all = to_arrow(findings_frame(told), "findings")
    of_trials = stacked("findings", [journeys.table("findings"), of_all])
    tables["effects"] = effects
    tables |= {name: pairs_of_all(name, journeys.table(name), effects) for name in PAIR_TABLES}
    tables["trials"] = trials_of_all(journeys.table("trials"), effects)
    found = _syntheses(store, tables, journeys, chosen, disclosure)
    tables |= found.tables
    of_syntheses = tables.pop("synthesis_findings")
    tables["findings"] = to_arrow(findings_of_all([of_trials, of_syntheses]), "findings")
    return Road(made, journeys, tables, found)


def _syntheses(
    store: Path,
    tables: dict[str, pa.Table],
    journeys: Journeys,
    settings: AnalysisSettings,
    disclosure: str,
) -> syntheses.Synthesized:
    frames = {name: to_frame(table) for name, table in tables.items()}
    kept = KeptResults(TableStore(store).room(syntheses.ROOM))
    groups = syntheses.synthesize(syntheses.inputs_of(frames, settings), kept)
    profiles = profiles_of(journeys.frame("journeys"), disclosure)
    return syntheses.with_others(groups, others_of(frames, profiles, settings))


def walk_home(settings: Settings) -> Road:
    """The road of the trials of a project, into its store."""
    folders = sorted(path for path in settings.trials_dir.iterdir())
    return walk(
        folders, settings.store_dir, settings.analysis,
        limits=settings.reading, disclosure=settings.disclosure,
    )  # fmt: skip


def publish(road: Road, settings: Settings) -> Release:
    """Publish where a road leads, with an empty report."""
    about = road.journeys.frame("journeys")
    content = Content(
        publishable_tables(road.frames, about, settings.disclosure),
        files_of(about, road.frame("files_read")),
        settings.as_record(),
        screened_counts(road.journeys.frame("screened_counts"), road.journeys.frame("checks")),
    )
    report = "<!doctype html><title>x</title>"
    return into(settings.releases_dir, content, lambda folder: report, settings.keep_releases)
