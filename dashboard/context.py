"""What a view is made from: the state, the release, the selection, and addresses of other views."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from dashboard.facets import Facets, settle
from dashboard.live import LiveView
from dashboard.query import State, query_pairs, to_query
from dashboard.report_synthesis import Synthesis
from dashboard.trial_effects import TrialPair
from ibgap.releases.opened import Releases
from ibgap.releases.view import ReleaseView, plural

_KEPT_SELECTIONS = 48
FORMS = ("svg", "png", "pdf")


@dataclass(frozen=True)
class Selected:
    """A release with one state applied."""

    state: State
    base: ReleaseView
    view: ReleaseView
    facets: Facets
    notes: tuple[str, ...]


class Selections:
    """Applies states to releases and keeps the last ones. Safe to use from several threads."""

    def __init__(self, releases: Releases) -> None:
        self.releases = releases
        self._lock = threading.Lock()
        self._facets: OrderedDict[tuple[str, str], Facets] = OrderedDict()
        self._views: OrderedDict[str, LiveView] = OrderedDict()

    def select(self, state: State) -> Selected:
        """The release and the results that a state asks for.

        Raises `NoReleaseError` and `GoneError` as `Releases.open` does.
        """
        base = self.releases.open(state.release)
        release_id = base.release_id
        syntheses = base.syntheses
        name = state.synthesis if state.synthesis in syntheses else "main"
        facets = self._remember(
            self._facets, (release_id, name), lambda: make_facets(base, name), _KEPT_SELECTIONS
        )
        settled, notes = settle(state, facets, syntheses, base.analysis.correlation_grid)
        if settled.assumed_correlation == base.analysis.assumed_correlation:
            settled = replace(settled, assumed_correlation=None)
        if settled.tau2_method == base.analysis.tau2_method:
            settled = replace(settled, tau2_method="")
        if settled.ci_method == base.analysis.ci_method:
            settled = replace(settled, ci_method="")
        if settled.is_primary:
            return Selected(settled, base, base, facets, tuple(notes))
        withheld = {str(row["trial_id"]) for row in base.withheld_effects(settled.synthesis)}
        if withheld:
            count = plural(len(withheld), "trial")
            notes.append(f"{count} with effects that are withheld: not in selections.")
        pinned = replace(settled, release=release_id)
        live = self._remember(
            self._views, pinned.analysis_key, lambda: LiveView(base, settled, facets),
            _KEPT_SELECTIONS,
        )  # fmt: skip
        return Selected(settled, base, live, facets, tuple(notes))

    def _remember(
        self, kept: OrderedDict[Any, Any], key: Any, make: Callable[[], Any], most: int
    ) -> Any:
        with self._lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        made = make()
        with self._lock:
            kept[key] = made
            while len(kept) > most:
                kept.popitem(last=False)
        return made


def make_facets(view: ReleaseView, synthesis: str) -> Facets:
    return Facets(
        view.stack(synthesis), view.rows("trials"), view.upstream(synthesis), view.moderators
    )


class Page:
    """One request: everything a view needs, and the addresses it writes."""

    def __init__(
        self,
        name: str,
        selected: Selected,
        releases: Releases,
        own: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """own: parameters that this view alone has, such as the trial of a trial's page."""
        self.name, self.selected, self.releases, self.own = name, selected, releases, own
        self.state, self.base, self.view = selected.state, selected.base, selected.view

    @cached_property
    def one(self) -> Synthesis:
        """Results of the selection."""
        return Synthesis(self.view, self.state.synthesis)

    @cached_property
    def primary(self) -> Synthesis:
        """Results of the primary analysis of the same synthesis."""
        return Synthesis(self.base, self.state.synthesis)

    @property
    def is_primary(self) -> bool:
        return self.view is self.base

    @property
    def release_id(self) -> str:
        return self.base.release_id

    @property
    def upstream(self) -> str:
        return self.base.upstream(self.state.synthesis)

    @property
    def outcome(self) -> str:
        """The construct that views on one outcome show."""
        return self.upstream if self.state.outcome == "upstream" else "behavior"

    def url(self, view: str = "", **changes: Any) -> str:
        """Address of a view with this state, changed in some fields."""
        return self.at(view or self.name, replace(self.state, **changes))

    def at(self, view: str, state: State) -> str:
        """Address of a view with another state; this view keeps its own parameters."""
        href = address(view, state)
        if view != self.name or not self.own:
            return href
        return f"{href}{'&' if '?' in href else '?'}{urlencode(self.own)}"

    def permalink(self) -> str:
        return self.url(release=self.release_id)

    @cached_property
    def _query(self) -> str:
        return to_query(self.state)

    @cached_property
    def _pairs(self) -> list[tuple[str, str]]:
        """The parameters but the trials left out: the base of the many links of a forest."""
        return query_pairs(replace(self.state, excluded=()))

    def study(self, trial_id: str) -> str:
        return f"./study?{urlencode({'trial': trial_id})}" + (
            f"&{self._query}" if self._query else ""
        )

    def toggle(self, trial_id: str) -> str:
        """This view with a trial left out or taken back."""
        out = set(self.state.excluded) ^ {trial_id}
        query = urlencode(sorted([*self._pairs, *(("excl", one) for one in out)]))
        return view_path(self.name) + (f"?{query}" if query else "")

    def downloads(self, figure: str) -> tuple[tuple[str, str], ...]:
        """Addresses of a figure as files, pinned to the release."""
        query = to_query(replace(self.state, release=self.release_id))
        return tuple((form.upper(), f"./figure/{figure}.{form}?{query}") for form in FORMS)

    def api(self, endpoint: str, form: str = "json") -> str:
        query = to_query(self.state)
        return f"./api/v1/{endpoint}.{form}" + (f"?{query}" if query else "")

    @cached_property
    def left_out(self) -> tuple[TrialPair, ...]:
        """Trials that were left out by hand, with their effects."""
        ids = set(self.state.excluded)
        return tuple(p for p in self.primary.effects.trials if p.trial_id in ids)


def view_path(view: str) -> str:
    """Relative path of a view: works under any sub-path."""
    return "./" if view == "overview" else f"./{view}"


def address(view: str, state: State) -> str:
    """Relative address of a view in a state."""
    query = to_query(state)
    return view_path(view) + (f"?{query}" if query else "")
