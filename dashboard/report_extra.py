"""Sections of the report that show the figures of the dashboard's views, without their links."""

from __future__ import annotations

from dataclasses import replace

from dashboard.blocks import Block, Code, Details, Figure, Section, without_links
from dashboard.citation import release_bibtex, release_citation, sources_bibtex
from dashboard.context import Page, Selected, make_facets
from dashboard.flow import flow_figure
from dashboard.pages import heterogeneity, sensitivity, small_studies
from dashboard.query import State
from dashboard.report_context import bias_blocks
from ibgap.releases.opened import Releases
from ibgap.releases.view import MAIN, ReleaseView, capital, words


def _page(view: ReleaseView, outcome: str = "upstream") -> Page:
    """The primary analysis as the views see it."""
    selected = Selected(State(outcome=outcome), view, view, make_facets(view, MAIN), ())
    return Page("report", selected, Releases(view.files.folder.parent))


def _still(made: Figure | None, figure_id: str) -> list[Block]:
    """The figure as it stands in a file: no links, no downloads, an id of its own."""
    if made is None:
        return []
    return [replace(made, model=without_links(made.model), downloads=(), narrow=(),
                    figure_id=f"figure-{figure_id}")]  # fmt: skip


def specifications_section(view: ReleaseView) -> Section | None:
    """The specification curve; None when there is none."""
    blocks = _still(sensitivity.figure(_page(view)), "specifications")
    return (
        Section("specifications", "The gap under other choices", tuple(blocks)) if blocks else None
    )


def small_study_section(view: ReleaseView) -> Section:
    """Funnels and adjusted means of both outcomes, then the tests."""
    blocks: list[Block] = []
    for outcome in ("upstream", "behavior"):
        page = _page(view, outcome)
        own = _still(small_studies.funnel(page), f"funnel-{outcome}")
        own += _still(small_studies.adjusted_figure(page), f"adjusted-{outcome}")
        if own:
            blocks.append(Details(f"Funnel and adjusted means: {words(page.outcome)}", tuple(own)))
    blocks += bias_blocks(view, MAIN)
    return Section("small-studies", "Small-study checks", tuple(blocks))


def influence_section(view: ReleaseView) -> Section | None:
    """Which trials carry the pooled effects."""
    blocks: list[Block] = []
    for outcome in ("upstream", "behavior"):
        page = _page(view, outcome)
        own = _still(heterogeneity.leave_one_out_figure(page), f"influence-{outcome}")
        if own:
            blocks.append(Details(f"{capital(words(page.outcome))} without each trial", tuple(own)))
    if not blocks:
        return None
    return Section("influence", "Which trials carry the pooled effects", tuple(blocks))


def flow_section(view: ReleaseView) -> Section:
    return Section("flow", "From trial folders to pooled effects",
                   tuple(_still(flow_figure(view), "flow")))  # fmt: skip


def citation_section(view: ReleaseView) -> Section:
    """How to cite the release, and its sources for reference managers."""
    blocks: list[Block] = [
        Code("To cite these results", release_citation(view)),
        Details("BibTeX", (Code("Release", release_bibtex(view)),
                           Code("Sources", sources_bibtex(view)))),
    ]  # fmt: skip
    return Section("cite", "How to cite", tuple(blocks))
