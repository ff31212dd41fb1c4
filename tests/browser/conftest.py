"""One browser, one folder of releases and one server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .chromium import started_browser
from .pages import Watched
from .sample import make_releases
from .server import Server, serving


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Closed with the last test of this folder: see `started_browser`."""
    with started_browser() as one:
        yield one


@pytest.fixture(scope="package")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases; tests only read them."""
    return make_releases(tmp_path_factory.mktemp("browser") / "releases")


@pytest.fixture(scope="package")
def server(releases: Path) -> Iterator[Server]:
    with serving(releases) as one:
        yield one


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Callable[..., Watched]]:
    """Opens an address of the dashboard in a context of its own; closed after the test."""
    opened: list[Any] = []

    def open_page(path: str = "", **options: Any) -> Watched:
        given = {"viewport": {"width": 1280, "height": 900}} | options
        context = browser.new_context(**given)
        context.set_default_timeout(5000)
        opened.append(context)
        one = Watched(context.new_page(), server.url)
        one.open(path)
        return one

    yield open_page
    for context in opened:
        context.close()
