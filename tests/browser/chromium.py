"""The browser of the tests: found on this machine, started without anything that calls home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def browser_path() -> str:
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


@contextmanager
def started_browser() -> Iterator[Any]:
    """A browser. While it is open its event loop belongs to the thread, so only one can be open
    at a time and nothing else may use asyncio there: fixtures close it with their module."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        try:
            yield started
        finally:
            started.close()
