"""Pages of the dashboard in a browser: which there are, their complaints, what axe finds."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlsplit

from dashboard.pages import VIEWS

from .sample import MARKUP

STUDY = f"study?trial={quote(MARKUP)}"
PAGES: dict[str, str] = {name: "" if name == "overview" else name for name in VIEWS} | {
    "study": STUDY, "api": "api", "report": "report",
}  # fmt: skip
"""Address of every page below the server by name."""

WITH_FRAME = [name for name in PAGES if name not in ("api", "report")]
"""Pages with selection, navigation and status."""

FOREST = "#forest .wide-only svg"
"""The forest of both outcomes; narrow screens show another one."""

_LISTEN = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


class Watched:
    """A page in the browser. faults: whatever it complained about or asked of others."""

    def __init__(self, page: Any, base: str) -> None:
        self.page, self.base = page, base
        self.faults: list[str] = []
        self.loads = 0
        host = urlsplit(base).netloc
        page.add_init_script(_LISTEN)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("requestfailed", lambda r: self.faults.append(f"failed: {r.url} {r.failure}"))
        page.on("load", lambda _: setattr(self, "loads", self.loads + 1))

        def on_console(message: Any) -> None:
            if message.type in ("error", "warning"):
                self.faults.append(f"console {message.type}: {message.text}")

        def on_request(request: Any) -> None:
            if not request.url.startswith("data:") and urlsplit(request.url).netloc != host:
                self.faults.append(f"foreign: {request.url}")

        def on_response(response: Any) -> None:
            if response.status >= 400:
                self.faults.append(f"{response.status}: {response.url}")

        page.on("console", on_console)
        page.on("request", on_request)
        page.on("response", on_response)

    def open(self, path: str) -> Watched:
        """Load an address relative to the server."""
        self.page.goto(f"{self.base}/{path}")
        return self

    @property
    def complaints(self) -> list[str]:
        """Faults so far, and violations of the content security policy since the last load."""
        return self.faults + list(self.page.evaluate("window.violations"))

    @property
    def status(self) -> str:
        return str(self.page.locator("#status").inner_text())

    @property
    def query(self) -> str:
        return urlsplit(self.page.url).query

    def numbers(self) -> list[str]:
        """The headline numbers of the overview."""
        return list(self.page.locator(".card .value").all_inner_texts())

    def box(self, facet: str, name: str) -> Any:
        """A check box of the selection; its facet is opened first."""
        folded = self.page.locator("details.facet", has=self.page.locator(f"[name={facet}]"))
        if not folded.evaluate("e => e.open"):
            folded.locator("summary").click()
        return folded.get_by_role("checkbox", name=name)

    def wait_for_query(self, part: str) -> None:
        self.page.wait_for_function(
            "part => decodeURIComponent(location.search).includes(part)", arg=part
        )
        self.wait_until_done()

    def wait_until_done(self) -> None:
        """Until no answer of the server is awaited."""
        self.page.wait_for_function("() => !document.body.classList.contains('busy')")


def unfold(page: Any) -> None:
    """Open everything that is folded."""
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


_RULES = {"target-size": {"enabled": True}}


def axe_violations(page: Any) -> list[str]:
    """What axe finds on the page as it is, one line per element. Everything folded is opened
    first, so that it is looked at as well."""
    unfold(page)
    page.evaluate(_axe())
    found = page.evaluate(
        "rules => axe.run(document, {resultTypes: ['violations'], rules})", _RULES
    )
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} | {node['failureSummary'][:400]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
