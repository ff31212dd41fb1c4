"""Releases made in memory by the same functions as a refresh, and a client without a socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from analysis.synthesis import AnalysisSettings
from analysis.synthesis.group import Group
from analysis.synthesis.inputs import group_inputs
from analysis.synthesis.moderators import declared_moderators
from analysis.synthesis.plan import group_parts
from assets.disclosure.counts import protect_table
from assets.disclosure.effects import Linked, protect_linked
from assets.disclosure.pools import protect_pools
from dashboard.app import make_app
from dashboard.security import Access
from validations.manifest.vocabulary import DisclosureProfile
from validations.tables import SCHEMA_VERSION, TABLES, codebook, conform

Row = dict[str, Any]
GRID = (0.0, 0.5, 0.8)
SETTINGS = AnalysisSettings(correlation_grid=GRID)
_POOLS = ("pooled_effects", "moderator_effects", "gap_estimates", "sensitivity", "influence",
          "specifications")  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """One effect on the common scale; its id is the trial's with the construct and `name`."""

    construct: str
    yi: float
    vi: float
    measured_by: str = "self_report"
    weeks: float = 0.0
    name: str = ""
    binary: bool = False


@dataclass(frozen=True)
class Trial:
    """A trial as a release has it. origin: of its within-arm correlation. profile: disclosure."""

    id: str
    effects: tuple[Effect, ...] = ()
    label: str = ""
    synthesis: str = "main"
    upstream: str = "intention"
    topic: str = "help_seeking"
    country: str = "DEU"
    year: float = 2020.0
    randomized: bool = True
    n: float = 120.0
    judgment: str = ""
    citation: str = "A trial."
    moderators: tuple[tuple[str, str, str], ...] = ()
    origin: str = "assumed"
    rho: float = 0.4
    profile: DisclosureProfile = DisclosureProfile.NONE

    def with_effect(self, place: int, **changes: Any) -> Trial:
        """The trial with one effect changed."""
        effects = list(self.effects)
        effects[place] = replace(effects[place], **changes)
        return replace(self, effects=tuple(effects))


TOPICS = ("help_seeking", "physical_activity", "vaccination")
COUNTRIES = ("DEU", "AUS", "NLD")
DIMENSIONS = ("cognitive", "structural", "affective")
JUDGMENTS = ("low", "some_concerns", "high", "")


def main_trials(count: int = 11, seed: int = 5) -> list[Trial]:
    """Trials of the main synthesis that differ in every property one can filter by."""
    random = np.random.default_rng(seed)
    out = []
    for i in range(count):
        v1, v2, v3 = random.uniform(0.01, 0.08, 3)
        up = float(random.normal(0.4, 0.25))
        effects = []
        if i % 6 != 5:
            effects.append(Effect("intention", up, float(v1)))
        if i % 5 != 4:
            measure = ("self_report", "record")[i % 2]
            y = float(0.5 * up + random.normal(0.0, 0.15))
            effects.append(Effect("behavior", y, float(v2), measure, float(4 * (i % 4)), "act",
                                  binary=i % 3 == 0))  # fmt: skip
        if i % 4 == 0:
            effects.append(Effect("behavior", up / 3, float(v3), "observed", 26.0, "later"))
        if i % 7 == 3:
            effects.append(Effect("attitude", 0.2, 0.03))
        moderators = [("barrier_dimension", "category", DIMENSIONS[i % 3])] if i % 5 else []
        moderators.append(("mean_age", "number", f"{20 + 3 * i}"))
        out.append(Trial(
            f"trial_{i:02d}", tuple(effects), f"Author {chr(65 + i)} {2010 + i}",
            topic=TOPICS[i % 3], country=COUNTRIES[i % 3 - 1] if i % 4 else "",
            year=2010.0 + i if i % 8 != 7 else math.nan, randomized=i % 4 != 2,
            n=80.0 + 40 * i, judgment=JUDGMENTS[i % 4], moderators=tuple(moderators),
            origin="participant_data" if i % 3 == 1 else "assumed",
            citation=f"Author {chr(65 + i)}. On acting. Journal {i}.",
        ))  # fmt: skip
    return out


def other_trials(count: int = 4) -> list[Trial]:
    """Trials of a second synthesis with another upstream construct."""
    return [
        Trial(f"other_{i}", (Effect("risk_perception", 0.1 + 0.1 * i, 0.02 + 0.01 * i),
                             Effect("behavior", 0.05 * i, 0.03)),
              f"Other {i}", "screening_uptake", "risk_perception", topic="screening")
        for i in range(count)
    ]  # fmt: skip


def all_trials() -> list[Trial]:
    """Both syntheses, a trial with another construct only, and one without a usable effect."""
    return [*main_trials(), *other_trials(),
            Trial("norms_only", (Effect("subjective_norm", 0.3, 0.02),), "Norms 2019"),
            Trial("without_effect", (), "Nothing 2018")]  # fmt: skip


@dataclass
class Made:
    """A release that was made, with its tables as written."""

    folder: Path
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.folder.name

    def rows(self, name: str, **where: object) -> list[Row]:
        records = self.tables[name].to_dict("records")
        return [r for r in records if all(r[k] == v for k, v in where.items())]


def make_release(
    releases: Path, trials: Sequence[Trial], settings: AnalysisSettings = SETTINGS, *,
    made_at: str = "2024-05-01T12:00:00+00:00", packages: Mapping[str, str] = {},
    findings: Sequence[Row] = (), whole: bool = True, current: bool = True, protocol: str = "",
    files: Sequence[Row] = (),
) -> Made:  # fmt: skip
    """Write a release of these trials and switch `current` to it.

    whole: with specifications and each trial left out of the joint model (slow).
    """
    tables = _tables(trials, settings, findings, whole)
    tables["files_read"] = conform(pd.DataFrame(list(files)), "files_read")
    said = repr((trials, settings, packages, protocol)).encode()
    content = hashlib.sha256(said).hexdigest()
    stamp = made_at.replace("-", "").replace(":", "").replace("T", "-")[:15]
    folder = releases / f"{stamp}-{content[:10]}"
    (folder / "tables").mkdir(parents=True)
    for name, frame in tables.items():
        frame.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    chosen = {f: getattr(settings, f) for f in AnalysisSettings.__dataclass_fields__}
    record = {
        "release_id": folder.name, "created_at": made_at, "schema_version": SCHEMA_VERSION,
        "content_hash": content, "seed": settings.seed,
        "settings": chosen | {"correlation_grid": list(settings.correlation_grid),
                              "disclosure": "rounded", "protocol": protocol},
        "packages": {"ibgap": "0.1.0", "python": "3.11"} | dict(packages),
        "inputs": [{"trial": t.id, "fingerprint": "f" * 16,
                    "files": [{"file": "a.csv", "sha256": "a" * 64}]} for t in trials],
        "counts": {name: len(frame) for name, frame in sorted(tables.items())},
        "checks": {"reported_effects": {"accepted": 9, "rejected": 1, "failed_rules": []}},
        "audits": ["no row is both intention and behavior"],
        "findings": {"error": 0, "hold": 0, "warning": len(findings), "info": 0},
    }  # fmt: skip
    (folder / "release.json").write_text(json.dumps(record), encoding="utf-8")
    report = f"<!doctype html><html lang='en'><title>Report of {folder.name}</title></html>"
    (folder / "report.html").write_text(report, encoding="utf-8")
    if current:
        switch(releases, folder.name)
    return Made(folder, tables)


def copy_release(made: Made, release_id: str, made_at: str, folder: Path | None = None) -> Path:
    """The same release under another id."""
    target = (folder or made.folder.parent) / release_id
    shutil.copytree(made.folder, target)
    path = target / "release.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record |= {"release_id": release_id, "created_at": made_at}
    path.write_text(json.dumps(record), encoding="utf-8")
    return target


def switch(releases: Path, release_id: str) -> None:
    """Point `current` to a release in one step."""
    link = releases / ".current-new"
    link.unlink(missing_ok=True)
    link.symlink_to(release_id)
    link.replace(releases / "current")


def _tables(
    trials: Sequence[Trial], settings: AnalysisSettings, findings: Sequence[Row], whole: bool
) -> dict[str, pd.DataFrame]:
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    for trial in trials:
        _add_trial(rows, trial, settings)
    rows["findings"] += list(findings)
    frames = {name: conform(pd.DataFrame(listed), name) for name, listed in rows.items()}
    frames["codebook"] = conform(codebook(), "codebook")
    frames["release"] = conform(pd.DataFrame([{"key": "seed", "value": str(settings.seed)}]),
                                "release")  # fmt: skip

    own, known, assumed, pairs, moderators = (
        _plain(frames[name])
        for name in ("effects", "effect_covariances", "assumed_covariances", "paired_effects",
                     "moderators")
    )  # fmt: skip
    made: dict[str, list[Row]] = {}
    for inputs in group_inputs(
        own, known, assumed, pairs, declared_moderators(moderators), settings
    ):
        for name, part in group_parts(Group(inputs)).items():
            if whole or name not in ("sensitivity", "specifications"):
                made.setdefault(name, []).extend(part())
    frames |= {name: conform(pd.DataFrame(listed), name) for name, listed in made.items()}
    profiles = {t.id: t.profile for t in trials if t.profile != DisclosureProfile.NONE}
    frames["trials"] = conform(protect_table(frames["trials"], "trials", profiles), "trials")
    exact = Linked(**{f.name: frames[f.name] for f in fields(Linked)})
    linked = vars(protect_linked(exact, frames["behavior_outcomes"], profiles))
    frames |= {name: conform(frame, name) for name, frame in linked.items()}
    for name in _POOLS:
        frames[name] = conform(protect_pools(frames[name], profiles, frames["effects"]), name)
    return frames


def _plain(frame: pd.DataFrame) -> list[Row]:
    return frame.to_dict("records")


def _add_trial(rows: dict[str, list[Row]], trial: Trial, settings: AnalysisSettings) -> None:
    about = {"trial_id": trial.id, "collection_id": trial.id, "synthesis": trial.synthesis,
             "upstream_construct": trial.upstream, "study_label": trial.label or trial.id,
             "topic": trial.topic, "randomized": trial.randomized}  # fmt: skip
    kinds = {e.construct for e in trial.effects}
    pair = {trial.upstream, "behavior"}
    use = "both outcomes" if pair <= kinds else "one outcome" if pair & kinds else (
        "upstream only" if kinds else "no usable effect")  # fmt: skip
    rows["trials"].append(about | {
        "label": trial.label or trial.id, "year": trial.year, "country": trial.country,
        "design": "parallel", "n_analyzed": trial.n, "k_effects": len(trial.effects),
        "k_in_pool": len(trial.effects), "use": use, "risk_of_bias": trial.judgment,
        "has_intention": "intention" in kinds, "has_behavior": "behavior" in kinds,
        "has_upstream": bool(kinds - {"intention", "behavior"}), "citation": trial.citation,
        "doi": "10.1000/xyz123", "license": "CC BY 4.0",
    })  # fmt: skip
    for name, kind, value in trial.moderators:
        dimension = "cognitive" if name == "barrier_dimension" else ""
        rows["moderators"].append({"trial_id": trial.id, "moderator": name, "kind": kind,
                                   "value": value, "barrier_dimension": dimension})  # fmt: skip
    if trial.judgment:
        rows["risk_of_bias"].append({"trial_id": trial.id, "domain": "overall",
                                     "judgment": trial.judgment})  # fmt: skip
    ids = [f"{trial.id}:{e.construct}{e.name}" for e in trial.effects]
    for effect, effect_id in zip(trial.effects, ids, strict=True):
        half = 1.959964 * math.sqrt(effect.vi)
        own = about | {
            "effect_id": effect_id, "outcome_row_id": f"{effect_id}:row",
            "comparison_id": "letter vs control", "construct": effect.construct,
            "outcome_id": effect.construct + effect.name, "weeks": effect.weeks,
            "measured_by": effect.measured_by, "measure": "SMD", "yi": effect.yi,
            "vi": effect.vi, "sei": math.sqrt(effect.vi), "ci_lb": effect.yi - half,
            "ci_ub": effect.yi + half, "in_pool": True, "file": "a.csv", "rows": "2-3",
            "formula": "g", "n1": trial.n / 2, "n2": trial.n / 2,
        }  # fmt: skip
        rows["effects"].append(own)
        if effect.binary:
            rows["effects"] += [
                own | {"effect_id": f"{effect_id}:{m}", "measure": m, "yi": effect.yi * scale,
                       "vi": effect.vi * scale**2, "in_pool": False}
                for m, scale in (("OR", 1.8), ("RD", 0.2))
            ]  # fmt: skip
    _add_covariances(rows, trial, ids, settings)
    _add_pairs(rows, trial, ids, about, settings)


def _add_covariances(
    rows: dict[str, list[Row]], trial: Trial, ids: list[str], settings: AnalysisSettings
) -> None:
    for i, first in enumerate(trial.effects):
        for j in range(i):
            second = trial.effects[j]
            same = first.construct == second.construct
            scale = math.sqrt(first.vi * second.vi)
            known = trial.origin != "assumed"
            rho = settings.assumed_correlation if not known else trial.rho
            rho = settings.within_construct_correlation if same else rho
            origin = "assumed_within" if same else trial.origin
            ends = {"trial_id": trial.id, "effect_id_1": ids[j], "effect_id_2": ids[i]}
            rows["effect_covariances"].append(
                ends | {"covariance": rho * scale, "correlation": rho, "origin": origin}
            )
            if not same and not known:
                rows["assumed_covariances"] += [
                    ends | {"assumed_correlation": r, "covariance": r * scale}
                    for r in settings.correlation_grid
                    if r != settings.assumed_correlation
                ]


def _add_pairs(
    rows: dict[str, list[Row]], trial: Trial, ids: list[str], about: Row,
    settings: AnalysisSettings,
) -> None:  # fmt: skip
    effects = dict(zip(ids, trial.effects, strict=True))
    known = trial.origin != "assumed"
    rho = trial.rho if known else settings.assumed_correlation
    for a, up in effects.items():
        for b, act in effects.items():
            if up.construct != trial.upstream or act.construct != "behavior":
                continue
            rows["paired_effects"].append(about | {
                "pair_id": f"{a}|{b}", "comparison_id": "letter vs control",
                "upstream_effect_id": a, "behavior_effect_id": b,
                "upstream_label": up.construct, "behavior_label": act.construct + act.name,
                "upstream_yi": up.yi, "upstream_vi": up.vi, "behavior_yi": act.yi,
                "behavior_vi": act.vi, "lag_weeks": act.weeks, "rho_within_arm": rho,
                "rho_latent": rho, "rho_n": trial.n, "rho_origin": trial.origin,
                "rho_variance": (1 - rho**2) ** 2 / (trial.n - 1) if known else math.nan,
                "difference": up.yi - act.yi,
            })  # fmt: skip


class Client:
    """Asks the application without a socket; an exception of the application is raised here."""

    def __init__(
        self, releases: Path, access: Access | None = None, address: str = "127.0.0.1",
        prefix: str = "",
    ) -> None:  # fmt: skip
        self.app = make_app(releases, access, prefix=prefix)
        self.transport = httpx.ASGITransport(app=self.app, client=(address, 50000))

    def ask(
        self, requests: Iterable[tuple[str, str, Mapping[str, str]]], *, follow: bool = False
    ) -> list[httpx.Response]:
        """The answers to (method, path, headers), one after the other."""

        async def work() -> list[httpx.Response]:
            async with httpx.AsyncClient(
                transport=self.transport, base_url="http://localhost", follow_redirects=follow
            ) as client:
                return [await client.request(m, p, headers=dict(h)) for m, p, h in requests]

        return asyncio.run(work())

    def request(self, method: str, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask([(method, path, named)])[0]

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, **headers)

    def follow(self, path: str) -> httpx.Response:
        """The answer after redirects."""
        return self.ask([("GET", path, {})], follow=True)[0]

    def data(self, path: str) -> dict[str, Any]:
        """A JSON answer."""
        answer = self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
        found: dict[str, Any] = answer.json()
        return found
