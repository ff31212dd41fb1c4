"""A view as an HTML page: the frame with selection and status around its sections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from analysis.univariate.meta_regression import CI_METHODS
from analysis.univariate.tau2 import TAU2_METHODS
from dashboard.blocks import Section
from dashboard.context import Page, view_path
from dashboard.facets import Facet
from dashboard.pages import VIEWS
from dashboard.pages.quality import check_state
from dashboard.query import ROB_LEVELS, State, query_pairs, to_query
from dashboard.templating import TEMPLATES, template
from dashboard.wording import INTERVAL_METHODS, is_gap, primary_mark, primary_name
from ibgap.figures import FIGURE_CSS
from ibgap.figures.text import number
from ibgap.releases.view import MAIN, capital, plural, words

STATIC = Path(__file__).parent / "static"
_RELEASES_OFFERED = 30
_OPEN_UP_TO = 6


@cache
def static_files() -> dict[str, tuple[str, bytes]]:
    """Served files by name: (media type, content)."""
    sheets = (TEMPLATES / "blocks.css", STATIC / "app.css")
    css = "\n".join([FIGURE_CSS, *(sheet.read_text(encoding="utf-8") for sheet in sheets)])
    script = (STATIC / "app.js").read_text(encoding="utf-8")
    return {
        "app.css": ("text/css; charset=utf-8", css.encode()),
        "app.js": ("text/javascript; charset=utf-8", script.encode()),
    }


@dataclass(frozen=True)
class ShownFacet:
    """A facet with what the page adds: how many are chosen, and whether it is unfolded."""

    facet: Facet
    is_open: bool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.facet, name)

    @property
    def chosen(self) -> int:
        return sum(option.chosen for option in self.facet.options)


@dataclass(frozen=True)
class ShownRange:
    """A range as the form writes it."""

    parameter: str
    title: str
    low_text: str
    high_text: str
    lower: str
    upper: str


@dataclass(frozen=True)
class Choice:
    """A select of the form: (value, text, chosen)."""

    name: str
    title: str
    options: tuple[tuple[str, str, bool], ...]


def render_page(
    page: Page, sections: list[Section], title: str, version: str, user: str = ""
) -> str:
    """The whole page of a view."""
    view = VIEWS.get(page.name)
    filtered = view.filtered if view is not None else True
    state, said = check_state(page.base)
    plain = State(release=page.state.release, synthesis=page.state.synthesis)
    return template("page.html").render(
        view_title=title, version=version, user=user, home=page.url("overview"),
        made=_made(page), quality_href=page.url("quality"), check_state=state, check_text=said,
        changes_href=page.url("changes"), changes_text=_changes_text(page),
        views=[(v.title, page.url(name), name == page.name) for name, v in VIEWS.items()],
        banners=_banners(page), action=view_path(page.name),
        hidden=_hidden(page, filtered), syntheses=_syntheses(page), pinned=bool(page.state.release),
        release_choices=_release_choices(page), filtered=filtered,
        is_studies=page.name == "studies", search=page.state.search,
        flags=page.selected.facets.flags(page.state), facets=_facets(page), ranges=_ranges(page),
        low_risk_href=_without_high_risk(page),
        models=_models(page), model_open=page.state != page.state.without_model(),
        reset_href=page.at(page.name, plain), left_out=_left_out(page), link=page.url(),
        permalink=page.permalink(), bundle_href=_pinned(page, "./bundle.zip"),
        api_href=page.api(_ENDPOINTS.get(page.name, "pool")),
        report_href=f"./report?release={page.release_id}", is_primary=page.is_primary,
        status=status_line(page), notices=page.selected.notes, undo=_undo(page),
        sections=sections, release_id=page.release_id,
    )  # fmt: skip


_ENDPOINTS = {
    "overview": "pool", "forest": "studies", "gap": "gap", "small-studies": "bias",
    "heterogeneity": "influence", "moderators": "moderators", "sensitivity": "specs",
    "studies": "studies", "quality": "quality", "methods": "codebook", "changes": "changes",
    "compare": "pool",
}  # fmt: skip


def _pinned(page: Page, path: str) -> str:
    return f"{path}?{to_query(replace(page.state, release=page.release_id))}"


def _made(page: Page) -> str:
    day, _, clock = str(page.base.record.get("created_at") or "").partition("T")
    return f"{day} {clock[:5]} UTC".strip() or "not recorded"


def status_line(page: Page) -> str:
    """What the numbers of the page are, announced after every change."""
    count = len(page.one.effects.trials)
    if page.is_primary:
        return f"{capital(primary_name(page.base.protocol))}: {plural(count, 'trial')}."
    whole = len(page.primary.effects.trials)
    model = page.state != page.state.without_model()
    what = "Exploratory selection" if page.state.is_filtered else "Another model"
    with_model = " and another model" if model and page.state.is_filtered else ""
    return (
        f"{what}{with_model}: {count} of {plural(whole, 'trial')}; hollow diamonds are the "
        f"{primary_name(page.base.protocol)}."
    )


def _changes_text(page: Page) -> str:
    """How the difference of this synthesis moved since the release before, for the head."""
    previous = page.releases.previous(page.release_id)
    if not previous:
        return "first release"
    was, now = (_difference(page, i) for i in (previous, page.release_id))
    if was is None or now is None:
        return "what changed"
    shift = now - was
    return "difference unchanged" if abs(shift) < 5e-4 else f"difference by {number(shift, 3)}"


def _difference(page: Page, release_id: str) -> float | None:
    rows = (page.releases.headline(release_id) or {}).get("gap_estimates", [])
    own = [
        r["estimate"] for r in rows if r["synthesis"] == page.state.synthesis and is_gap(r)
    ]  # fmt: skip
    return float(own[0]) if own and own[0] == own[0] else None


def _banners(page: Page) -> list[str]:
    last = page.releases.last_refresh()
    out = []
    if last.get("status") == "failed":
        out.append(
            f"The refresh of {str(last.get('at', ''))[:16].replace('T', ' ')} UTC failed "
            f"({last.get('message') or 'no reason recorded'}); shown is the release of "
            f"{_made(page)}."
        )
    return out


def _hidden(page: Page, filtered: bool) -> list[tuple[str, str]]:
    """What the form keeps: the view's own choices, the trials left out by hand, and where it shows
    no filters all of them."""
    asked = replace(page.state, synthesis=MAIN, release="")
    if filtered:
        excluded, asked = asked.excluded, asked.without_filters().without_model()
        asked = replace(asked, excluded=excluded)
    if page.name == "studies":
        asked = replace(asked, search="")
    return [*query_pairs(asked), *page.own]


def _syntheses(page: Page) -> list[tuple[str, str, bool]]:
    known = [MAIN, *(s for s in page.base.syntheses if page.base.stack(s).trials)]
    return [(s, words(s), s == page.state.synthesis) for s in known]


def _release_choices(page: Page) -> list[tuple[str, str, bool]]:
    heads = page.releases.heads[:_RELEASES_OFFERED]
    if page.state.release and page.state.release not in {h.release_id for h in heads}:
        heads += [h for h in page.releases.heads if h.release_id == page.state.release]
    return [(h.release_id, f"{h.day} ({h.release_id[-6:]})", h.release_id == page.state.release)
            for h in heads]  # fmt: skip


def _facets(page: Page) -> list[ShownFacet]:
    found = page.selected.facets.facets(page.state)
    return [
        ShownFacet(f, any(o.chosen for o in f.options) or (i < 2 and len(f.options) <= _OPEN_UP_TO))
        for i, f in enumerate(found)
    ]


def _ranges(page: Page) -> list[ShownRange]:
    return [
        ShownRange(r.parameter, r.title, f"{r.lowest:g}", f"{r.highest:g}",
                   "" if r.lower is None else f"{r.lower:g}",
                   "" if r.upper is None else f"{r.upper:g}")
        for r in page.selected.facets.ranges(page.state)
    ]  # fmt: skip


def _models(page: Page) -> list[Choice]:
    primary, state = page.base.analysis, page.state
    mark = primary_mark(page.base.protocol)

    def options(names: Any, own: str, chosen: str) -> tuple[tuple[str, str, bool], ...]:
        first = ("", f"{INTERVAL_METHODS.get(own, own)} ({mark})", not chosen)
        rest = ((n, INTERVAL_METHODS.get(n, n), n == chosen) for n in names if n != own)
        return (first, *rest)

    grid = primary.correlation_grid
    own = primary.assumed_correlation
    correlations = (
        ("", f"{own:g} ({mark})", state.assumed_correlation is None),
        *((f"{r:g}", f"{r:g}", state.assumed_correlation == r) for r in grid if r != own),
    )
    return [
        Choice("tau", "Estimator of \u03c4\u00b2",
               options(TAU2_METHODS, primary.tau2_method, state.tau2_method)),
        Choice("ci", "Interval", options(CI_METHODS, primary.ci_method, state.ci_method)),
        Choice("r", "Assumed correlation", correlations),
    ]  # fmt: skip


def _left_out(page: Page) -> list[tuple[str, str]]:
    return [(page.view.trial_label(i), page.toggle(i)) for i in page.state.excluded]


def _undo(page: Page) -> list[tuple[str, str]]:
    """One link per filter in use that removes it."""
    s, out = page.state, []
    for field, name in (
        ("topic", "topic"),
        ("country", "country"),
        ("measured_by", "behavior by"),
        ("risk_of_bias", "risk of bias"),
    ):
        for value in getattr(s, field):
            rest = tuple(v for v in getattr(s, field) if v != value)
            out.append((f"{name}: {words(value)}", page.url(**{field: rest})))
    for flag, text in (("both", "both outcomes"), ("randomized", "randomized")):
        if getattr(s, flag):
            out.append((text, page.url(**{flag: False})))
    for one, levels in s.moderators:
        rest_of = tuple((n, v) for n, v in s.moderators if n != one)
        shown = ", ".join(map(words, levels))
        out.append((f"{words(one)}: {shown}", page.url(moderators=rest_of)))
    for field, text in (("year", "years"), ("weeks", "weeks"), ("n", "persons")):
        low, high = getattr(s, f"{field}_min"), getattr(s, f"{field}_max")
        if low is not None or high is not None:
            shown = f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"
            out.append((f"{text} {shown.strip()}",
                        page.url(**{f"{field}_min": None, f"{field}_max": None})))  # fmt: skip
    if s.excluded:
        out.append((f"{plural(len(s.excluded), 'trial')} left out", page.url(excluded=())))
    return out


def _without_high_risk(page: Page) -> str:
    """Address of the selection without trials at high risk of bias; '' when there are none."""
    here = set(page.selected.facets.judgments)
    if "high" not in here or len(here) == 1:
        return ""
    return page.url(risk_of_bias=tuple(j for j in ROB_LEVELS if j != "high" and j in here))


def title_of(page: Page) -> str:
    """Heading of a view, with the synthesis when it is not the main one."""
    name = VIEWS[page.name].title
    if page.state.synthesis == MAIN:
        return name
    return f"{name}: {capital(words(page.state.synthesis))}"
