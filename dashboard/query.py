"""The state of a page is its address: parsed strictly, written in one canonical way.

Every parameter is a known word, a bounded number or a list of names. Lists repeat their
parameter, as the browser's own forms write them; `m.NAME` filters by a declared moderator.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from analysis.univariate.meta_regression import CI_METHODS
from analysis.univariate.tau2 import TAU2_METHODS

MAIN = "main"
LONGEST_QUERY = 16_000
MOST_VALUES = 500
LONGEST_VALUE = 300
_RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")

SORTS = {
    "upstream": "effect on intention", "behavior": "effect on behavior",
    "difference": "difference", "label": "name", "year": "year", "weight": "precision",
}  # fmt: skip
COLUMNS = {"weight": "weights", "difference": "differences", "rob": "risk of bias",
           "prediction": "prediction intervals"}  # fmt: skip
OUTCOMES = ("upstream", "behavior")
ROB_LEVELS = ("low", "some_concerns", "high", "no_information", "not_judged")


class QueryError(ValueError):
    """Parameters that cannot be understood; `faults` lists each with what is possible."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class State:
    """What a page shows. Empty or None fields are the primary analysis.

    release: '' is the current one. Filters: topic, country, measured_by (of behavior),
    risk_of_bias, randomized, both (trials with both outcomes), years, weeks (of behavior), n
    (persons), moderators (name -> levels), excluded trials. Model: tau2_method, ci_method,
    assumed_correlation (within arms, one of the release's grid). The rest is view.
    """

    release: str = ""
    synthesis: str = MAIN
    topic: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    measured_by: tuple[str, ...] = ()
    risk_of_bias: tuple[str, ...] = ()
    randomized: bool = False
    both: bool = False
    year_min: float | None = None
    year_max: float | None = None
    weeks_min: float | None = None
    weeks_max: float | None = None
    n_min: float | None = None
    n_max: float | None = None
    moderators: tuple[tuple[str, tuple[str, ...]], ...] = ()
    excluded: tuple[str, ...] = ()
    tau2_method: str = ""
    ci_method: str = ""
    assumed_correlation: float | None = None
    sort: str = "upstream"
    group: str = ""
    columns: tuple[str, ...] = tuple(COLUMNS)
    outcome: str = "upstream"
    moderator: str = ""
    search: str = ""
    other: str = ""
    second: str = field(default="", repr=False)

    def moderator_levels(self, name: str) -> tuple[str, ...]:
        return dict(self.moderators).get(name, ())

    @property
    def is_filtered(self) -> bool:
        """Whether trials or effects are left out."""
        return any(getattr(self, name) != getattr(_PLAIN, name) for name in FILTERS)

    @property
    def is_primary(self) -> bool:
        """Whether this is the primary analysis: no filter, no other model."""
        models = (self.tau2_method, self.ci_method, self.assumed_correlation)
        return not self.is_filtered and models == ("", "", None)

    def without_filters(self) -> State:
        return replace(self, **{name: getattr(_PLAIN, name) for name in FILTERS})

    def without_model(self) -> State:
        return replace(self, tau2_method="", ci_method="", assumed_correlation=None)

    def toggled(self, trial_id: str) -> State:
        """With one trial left out, or taken back."""
        left = set(self.excluded) ^ {trial_id}
        return replace(self, excluded=tuple(sorted(left)))

    @property
    def analysis_key(self) -> str:
        """What the numbers depend on: release, synthesis, filters and model."""
        view = ("sort", "group", "columns", "outcome", "moderator", "search", "other", "second")
        return to_query(replace(self, **{name: getattr(_PLAIN, name) for name in view}))


_PLAIN = State()
FILTERS = (
    "topic", "country", "measured_by", "risk_of_bias", "randomized", "both", "year_min",
    "year_max", "weeks_min", "weeks_max", "n_min", "n_max", "moderators", "excluded",
)  # fmt: skip
_LISTS = {"topic": "topic", "country": "country", "by": "measured_by", "rob": "risk_of_bias",
          "excl": "excluded", "cols": "columns"}  # fmt: skip
_FLAGS = {"randomized": "randomized", "both": "both"}
_NUMBERS = {
    "year_min": "year_min", "year_max": "year_max", "weeks_min": "weeks_min",
    "weeks_max": "weeks_max", "n_min": "n_min", "n_max": "n_max", "r": "assumed_correlation",
}  # fmt: skip
_LIMITS = {"year": (1800, 2200), "weeks": (-1000, 100_000), "n": (0, 1e9), "r": (-1, 1)}
_CHOICES: dict[str, tuple[str, Iterable[str]]] = {
    "tau": ("tau2_method", TAU2_METHODS), "ci": ("ci_method", CI_METHODS),
    "sort": ("sort", SORTS), "out": ("outcome", OUTCOMES),
}  # fmt: skip
_TEXTS = {"syn": "synthesis", "release": "release", "with": "other", "group": "group",
          "mod": "moderator", "q": "search", "b": "second"}  # fmt: skip
PARAMETERS = (*_LISTS, *_FLAGS, *_NUMBERS, *_CHOICES, *_TEXTS)


def parse(query: str, own: Sequence[str] = ()) -> State:
    """The state of a query string. own: further parameters that the endpoint reads itself.

    Raises `QueryError` that lists every parameter that is unknown or has an impossible value,
    with the possible ones. Names that a release may or may not have (trials, levels) are kept;
    `settle` drops the ones it does not have.
    """
    if len(query) > LONGEST_QUERY:
        raise QueryError([f"the address is longer than {LONGEST_QUERY} characters"])
    pairs = [(k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k not in own]
    if len(pairs) > MOST_VALUES:
        raise QueryError([f"the address has more than {MOST_VALUES} values"])
    faults: list[str] = []
    found: dict[str, Any] = {}
    lists: dict[str, set[str]] = {}
    moderators: dict[str, set[str]] = {}
    for name, value in pairs:
        if len(value) > LONGEST_VALUE and name != "b":
            faults.append(f"`{name}` is longer than {LONGEST_VALUE} characters")
        elif name in _LISTS:
            known = {"cols": COLUMNS, "rob": ROB_LEVELS}.get(name)
            if known is not None and value and value not in (*known, "none"):
                faults.append(f"`{name}` is one of {', '.join(known)}")
            lists.setdefault(_LISTS[name], set()).update({value} - {""})
        elif name.startswith("m.") and len(name) > 2:
            moderators.setdefault(name[2:], set()).update({value} - {""})
        elif name in _FLAGS:
            if value not in ("", "0", "1"):
                faults.append(f"`{name}` is 1 or left out")
            found[_FLAGS[name]] = value == "1"
        elif name in _NUMBERS:
            if value:
                number = _number(name, value, faults)
                found[_NUMBERS[name]] = number
        elif name in _CHOICES:
            target, known_words = _CHOICES[name]
            if value and value not in known_words:
                faults.append(f"`{name}` is one of {', '.join(known_words)}")
            elif value:
                found[target] = value
        elif name in _TEXTS:
            if value:
                found[_TEXTS[name]] = value
        else:
            faults.append(f"`{name}` is not a parameter; known: {', '.join(PARAMETERS)}, m.NAME")
    for name in ("release", "other"):
        if name in found and not _RELEASE.fullmatch(found[name]):
            faults.append(f"`{'with' if name == 'other' else name}` is not the id of a release")
    if faults:
        raise QueryError(faults)
    if "columns" in lists:
        lists["columns"] = lists["columns"] or {"none"}
    found |= {name: _ordered(name, values) for name, values in lists.items()}
    found["moderators"] = tuple(
        (name, tuple(sorted(levels))) for name, levels in sorted(moderators.items()) if levels
    )
    return State(**found)


def _ordered(name: str, values: set[str]) -> tuple[str, ...]:
    if name == "columns":
        return tuple(c for c in COLUMNS if c in values)
    return tuple(sorted(values))


def _number(name: str, value: str, faults: list[str]) -> float | None:
    low, high = _LIMITS[name.split("_")[0]]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        faults.append(f"`{name}` is a number from {low:g} to {high:g}")
        return None
    return number + 0.0


def to_query(state: State) -> str:
    """The canonical query: defaults left out, parameters sorted, equal states equal text."""
    return urlencode(query_pairs(state))


def query_pairs(state: State) -> list[tuple[str, str]]:
    """The parameters of the canonical query, sorted."""
    pairs: list[tuple[str, str]] = []
    for name, target in _LISTS.items():
        values = getattr(state, target)
        if target == "columns":
            if values == _PLAIN.columns:
                continue
            values = values or ("none",)
        pairs += [(name, value) for value in values]
    for levels_of, levels in state.moderators:
        pairs += [(f"m.{levels_of}", level) for level in levels]
    pairs += [(name, "1") for name, target in _FLAGS.items() if getattr(state, target)]
    for name, target in _NUMBERS.items():
        value = getattr(state, target)
        if value is not None:
            pairs.append((name, _plain_number(value)))
    singles = {name: target for name, (target, _) in _CHOICES.items()} | _TEXTS
    for name, target in singles.items():
        text = getattr(state, target)
        if text != getattr(_PLAIN, target):
            pairs.append((name, text))
    return sorted(pairs)


def _plain_number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


assert {f.name for f in fields(State)} >= set(FILTERS)
