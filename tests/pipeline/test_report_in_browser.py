"""The report of the shipped trials in a real browser: it draws, fits and asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import started_browser
from tests.pipeline.conftest import Home


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Closed with the last test of this module: see `started_browser`."""
    with started_browser() as one:
        yield one


@pytest.fixture(scope="module")
def report(shipped: Home) -> Path:
    return (shipped.releases / "current").resolve() / "report.html"


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_fits_and_is_silent(browser: Any, report: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    assert requests == [report.as_uri()]
    assert complaints == []
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0
    assert page.locator("svg[role=img]").count() >= 3
    assert page.locator("h1").count() == 1
    page.close()


def test_report_works_without_scripts_and_prints(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert "intention" in page.locator("body").inner_text().lower()
    assert len(page.pdf()) > 10_000
    context.close()
