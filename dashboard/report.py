"""The self-contained report of a release: one HTML file without scripts or requests."""

from __future__ import annotations

from pathlib import Path

from dashboard import report_context as context
from dashboard import report_extra as extra
from dashboard import report_gap as gap
from dashboard import report_others as others
from dashboard import report_sources as sources
from dashboard import report_trials as trials
from dashboard.blocks import Section
from dashboard.report_action import action_section
from dashboard.report_synthesis import Synthesis, answer_section, forest_section
from dashboard.summary_of_findings import summary_section
from dashboard.templating import template
from ibgap.figures import FIGURE_CSS
from ibgap.releases.view import MAIN, ReleaseView

TITLE = "The intention-behavior gap across intervention trials"


def render_report(folder: Path) -> str:
    """The report of a release folder that has its tables and release.json.

    Every number is read from the published tables, except the trials' composite effects and the
    regions of the gap plot, which are recomputed from the published effects and covariances.
    """
    view = ReleaseView(folder)
    return template("report.html").render(
        title=TITLE,
        facts=sources.release_line(view),
        made_from=sources.made_from(view),
        sections=report_sections(view),
        figure_css=FIGURE_CSS,
    )


def report_sections(view: ReleaseView) -> list[Section]:
    """Sections in the order of the report; the ones without content are left out."""
    main = Synthesis(view, MAIN)
    found = [
        answer_section(main), summary_section(main), forest_section(main), gap.gap_section(main),
        extra.specifications_section(view), gap.sensitivity_section(main), action_section(view),
        context.surrogacy_section(main), context.moderators_section(view, MAIN),
        extra.small_study_section(view), extra.influence_section(view),
        others.constructs_section(main),
        *(others.other_section(view, name) for name in view.syntheses),
        others.correlations_section(view), others.barriers_section(view),
        extra.flow_section(view), trials.trials_section(view), trials.findings_section(view),
        sources.methods_section(view), extra.citation_section(view),
        sources.citations_section(view), sources.glossary_section(),
    ]  # fmt: skip
    return [section for section in found if section is not None]
