"""The report of the shipped trials in a real browser: it draws, fits and asks for nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.pipeline.conftest import Home

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def _browser_path() -> str:
    for name in (
        os.environ.get("BROWSER_PATH", ""),
        "chromium",
        "chromium-browser",
        "google-chrome",
    ):
        found = shutil.which(name) if name else None
        if found:
            return found
    pytest.fail("no chromium was found; run scripts/install_browser.sh or set BROWSER_PATH")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_browser_path(), args=FLAGS)
        yield started
        started.close()


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
