"""How a run publishes: into which folder, with which settings and which report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ibgap.releases.last_refresh import note_refresh
from pipelines.settings import Settings


def render_report(folder: Path) -> str:
    """The report of the release in a folder."""
    from dashboard.report import render_report as render

    return render(folder)


def publisher(settings: Settings) -> Callable[..., Any]:
    """Publishes tables, inputs and what screening counted, and tells the readers that the refresh
    went well: whichever entrance it came through, a failure before it is over."""

    def publish(tables: Any, inputs: Any, checks: Any) -> Any:
        from ibgap.releases.content import Content
        from ibgap.releases.publisher import publish as into

        content = Content(tables, inputs, settings.as_record(), checks)
        made = into(settings.releases_dir, content, render_report, settings.keep_releases)
        status = "published" if made.is_new else "unchanged"
        note_refresh(settings.releases_dir, status, release_id=made.release_id)
        return made

    return publish
