"""One settings object, from `ibgap.toml` and the environment (`IBGAP_...` wins)."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.work_limits import WorkLimits
from assets.staging.limits import Limits
from ibgap.base.labels import clean_label

SETTINGS_FILE = "ibgap.toml"
_PREFIX = "IBGAP_"
_EXECUTORS = ("in_process", "multiprocess")
_LONGEST_PROTOCOL = 200
_PARTS = {"reading": Limits, "work": WorkLimits}
"""Headings of limits, which are positive numbers."""
_PROFILES = ("rounded", "basic", "none")


class SettingsError(Exception):
    """A setting that does not exist or has an impossible value."""


@dataclass(frozen=True)
class Settings:
    """Where things are and how the analysis is made.

    trials_dir: trial folders. store_dir: restricted working store. releases_dir: published
    releases. disclosure: default profile for counts from participant rows. keep_releases: how
    many releases stay (0 = all). schedule, timezone: of the daily refresh. executor: of Dagster.
    protocol: where the primary analysis was registered (an id or DOI); without one nothing calls
    it registered. reading: what one data file may hold and cost. work: how much of the machine
    the trials may use.
    """

    trials_dir: Path = Path("trials")
    store_dir: Path = Path("store")
    releases_dir: Path = Path("releases")
    disclosure: str = "rounded"
    keep_releases: int = 0
    schedule: str = "0 5 * * *"
    timezone: str = "UTC"
    executor: str = "in_process"
    protocol: str = ""
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    reading: Limits = field(default_factory=Limits)
    work: WorkLimits = field(default_factory=WorkLimits)

    def as_record(self) -> dict[str, Any]:
        """Settings that a release carries: no paths of this machine."""
        return {"disclosure": self.disclosure, "protocol": self.protocol} | asdict(self.analysis)


def load_settings(
    folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read `ibgap.toml` in `folder` (default: `IBGAP_HOME`, else here), then the environment.

    Relative paths are taken from the folder. Raises `SettingsError` naming the setting, what
    was found and what is possible.
    """
    env = os.environ if environment is None else environment
    base = (folder or Path(env.get(f"{_PREFIX}HOME", "."))).resolve()
    given = _from_file(base / SETTINGS_FILE)
    for name, value in env.items():
        if name.startswith(_PREFIX) and name != f"{_PREFIX}HOME":
            given[name.removeprefix(_PREFIX).lower()] = value
    return _build(given, base)


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{SETTINGS_FILE} cannot be read: {error}") from None
    given = data | _part(data, "analysis")
    for part in _PARTS:
        given |= {f"{part}_{name}": value for name, value in _part(given, part).items()}
    return given


def _part(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The settings under a heading, taken out."""
    part = data.pop(name, {})
    if not isinstance(part, dict):
        raise SettingsError(
            f"{name} in {SETTINGS_FILE} is {part!r}; it is a heading: write [{name}] on a line of "
            "its own and its settings below"
        )
    return part


def _build(given: dict[str, Any], base: Path) -> Settings:
    own = {f.name for f in fields(Settings)} - {"analysis", *_PARTS}
    analytic = {f.name: f for f in fields(AnalysisSettings)}
    limits = {f"{part}_{f.name}": (part, f.name) for part in _PARTS for f in fields(_PARTS[part])}
    settings, analysis = Settings(), AnalysisSettings()
    parts: dict[str, Any] = {part: make() for part, make in _PARTS.items()}
    for name, value in given.items():
        if name == "protocol":
            settings = replace(settings, protocol=_protocol(value))
        elif name in own:
            settings = replace(settings, **{name: _convert(name, value, getattr(settings, name))})
        elif name in analytic:
            default = getattr(analysis, name)
            analysis = replace(analysis, **{name: _convert(name, value, default)})
        elif name in limits:
            part, limit = limits[name]
            found = _limit(part, limit, value, getattr(parts[part], limit))
            parts[part] = replace(parts[part], **{limit: found})
        else:
            known = ", ".join(sorted(own | set(analytic) | set(limits)))
            raise SettingsError(f"there is no setting {name!r}; known settings: {known}")
    settings = replace(
        settings,
        analysis=analysis,
        **parts,
        trials_dir=(base / settings.trials_dir),
        store_dir=(base / settings.store_dir),
        releases_dir=(base / settings.releases_dir),
    )
    _check(settings)
    return settings


def _convert(name: str, value: Any, default: Any) -> Any:
    try:
        if isinstance(default, Path):
            return Path(str(value))
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(float(part) for part in parts)
        if isinstance(default, int) and not isinstance(default, bool):
            return int(value)
        if isinstance(default, float):
            return float(value)
        return str(value)
    except (TypeError, ValueError):
        raise SettingsError(
            f"the setting {name} is {value!r}; something like {default!r} is needed"
        ) from None


def _limit(part: str, name: str, value: Any, default: float | None) -> Any:
    """A limit as a positive number, whole where it counts something; of workers also none."""
    counts = default is None or isinstance(default, int)
    least = 0 if default is None else 1e-12
    try:
        found = math.nan if isinstance(value, bool) else float(value)
        possible = least <= found < math.inf and (not counts or found == int(found))
    except (TypeError, ValueError, OverflowError):
        possible = False
    if not possible:
        raise SettingsError(
            f"the setting {name} under [{part}] is {value!r}; a positive "
            f"{'whole ' if counts else ''}number is needed, such as {default or 2:.0f}"
        )
    return int(found) if counts else found


def _protocol(value: Any) -> str:
    """The name of a protocol as one clean line."""
    if not isinstance(value, str):
        raise SettingsError(
            f"the setting protocol is {value!r}; a text is needed, such as a registry id "
            '("CRD42024000000") or a DOI'
        )
    name = clean_label(value)
    if len(name) > _LONGEST_PROTOCOL:
        raise SettingsError(
            f"the setting protocol has {len(name)} characters; up to {_LONGEST_PROTOCOL} are "
            "possible: give the registry id or the DOI alone"
        )
    if value and not name:
        raise SettingsError(
            "the setting protocol is blank; give a registry id or a DOI, or leave it out"
        )
    return name


def _check(settings: Settings) -> None:
    """Refuse what is impossible, and the choices that need one homogeneous set of effects.

    The analyst's defaults are possible; what is known of them is not loaded to be asked.
    """
    for name, value, known in (
        ("disclosure", settings.disclosure, _PROFILES),
        ("executor", settings.executor, _EXECUTORS),
    ):
        _must_be_known(name, value, known)
    if settings.analysis != AnalysisSettings():
        _check_choices(settings.analysis)


def _must_be_known(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        why = " (a median split depends on the sample)" if name == "intender_rule" else ""
        raise SettingsError(
            f"the setting {name} is {value!r}; possible: {', '.join(map(str, known))}{why}"
        )


def _check_choices(a: AnalysisSettings) -> None:
    from analysis.effect_sizes import SMD_VARIANCES, ZERO_CELL_POLICIES
    from analysis.effect_sizes.binary import ODDS_TO_SMD
    from analysis.univariate.meta_regression import CI_METHODS
    from analysis.univariate.pooling import PREDICTION_METHODS
    from analysis.univariate.tau2 import TAU2_METHODS

    for name, value, known in (
        ("tau2_method", a.tau2_method, TAU2_METHODS),
        ("ci_method", a.ci_method, CI_METHODS),
        ("pi_method", a.pi_method, PREDICTION_METHODS),
        ("smd_variance", a.smd_variance, tuple(n for n in SMD_VARIANCES if n != "AV")),
        ("odds_to_smd", a.odds_to_smd, ODDS_TO_SMD),
        ("zero_cells", a.zero_cells, tuple(n for n in ZERO_CELL_POLICIES if n != "if0all")),
        ("intender_rule", a.intender_rule, ("R2", "R3", "R4")),
    ):
        _must_be_known(name, value, known)
    for rho in (a.assumed_correlation, a.within_construct_correlation, *a.correlation_grid):
        if not -1.0 < rho < 1.0:
            raise SettingsError(
                f"a correlation of {rho:g} is impossible; give one between -1 and 1"
            )
    if not 0.5 < a.level < 1.0:
        raise SettingsError(f"the level {a.level:g} is impossible; give one such as 0.95")
