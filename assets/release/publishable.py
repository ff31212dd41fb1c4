"""Tables as they may be published: protected by each trial's profile, with the declared columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from assets.disclosure.counts import protect_table
from assets.disclosure.effects import Linked, protect_linked
from assets.disclosure.files import protect_files
from assets.disclosure.pools import protect_pools
from ibgap.base.printable import printable
from ibgap.releases.visible import visible
from validations.manifest.vocabulary import DisclosureProfile
from validations.tables import TABLES, codebook, conform

Profiles = dict[str, DisclosureProfile]
"""Trial folder -> its profile."""
_POOLS = (
    "pooled_effects", "moderator_effects", "gap_estimates", "surrogacy", "bias_checks",
    "sensitivity", "influence", "specifications",
)  # fmt: skip
_OUTCOMES = ("intention_outcomes", "behavior_outcomes", "upstream_outcomes")
_PROTECTED = ("trials", "arms", *_OUTCOMES)
MADE_HERE = ("release", "codebook")
"""Tables that no asset gives."""


def profiles_of(journeys: pd.DataFrame, default: str, which: str = "has_participants") -> Profiles:
    """The profiles of trials with participant rows: their own, else the default.

    journeys: the table of this name. which: `has_participants`, or `names_participants` for all
    that name a file of participants, whether or not its rows could be used.
    """
    own = journeys[journeys[which].eq(True)]
    chosen = zip(own["collection_id"], own["profile"], strict=True)
    return {trial: DisclosureProfile(profile or default) for trial, profile in chosen}


def publishable_tables(
    frames: Mapping[str, pd.DataFrame], journeys: pd.DataFrame, default: str
) -> dict[str, pd.DataFrame]:
    """Every published table but `release`, with disclosure applied and the declared columns.

    frames: tables of all trials by name. journeys: the table of this name. default: profile of
    trials that name none.
    """
    profiles = profiles_of(journeys, default)
    exact = {field.name: frames[field.name] for field in fields(Linked)}
    outcomes = pd.concat([frames[name] for name in _OUTCOMES], ignore_index=True)
    linked = vars(protect_linked(Linked(**exact), outcomes, profiles))
    out = {"codebook": conform(codebook(), "codebook")}
    for name in TABLES:
        if name in MADE_HERE:
            continue
        frame = linked.get(name, frames[name])
        if name in _PROTECTED:
            frame = protect_table(frame, name, profiles)
        if name == "files_read":
            frame = protect_files(frame, profiles_of(journeys, default, "names_participants"))
        if name in _POOLS:
            frame = protect_pools(frame, profiles, linked["effects"])
        out[name] = visible(conform(frame, name))
    return out


def inputs_of(journeys: pd.DataFrame, files: pd.DataFrame) -> list[dict[str, Any]]:
    """Files of every trial with their hashes, as a release's record lists them.

    journeys, files: the tables `journeys` and `files_read`.
    """
    by_trial: dict[str, list[dict[str, str]]] = {}
    for trial, file, digest in zip(
        files["collection_id"], files["file"], files["sha256"], strict=True
    ):
        by_trial.setdefault(trial, []).append({"file": printable(file), "sha256": digest})
    return [
        {
            "trial": printable(one.collection_id),
            "fingerprint": one.fingerprint,
            "files": by_trial.get(one.collection_id, []),
            **({"by_machine": True} if one.by_machine else {}),
        }
        for one in journeys.sort_values("collection_id").itertuples()
    ]
