"""Pages without the frame: errors, a folder without releases, the description of the interface."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.api import openapi
from dashboard.templating import template

Link = tuple[str, str]
TableRow = tuple[str, str, str, str]
"""Head of a row, where it leads ('' for nowhere), text, small text."""


def plain_page(
    title: str, paragraphs: Sequence[str], links: Sequence[Link] = (), *, root: str = "./",
    tables: Sequence[tuple[str, Sequence[TableRow]]] = (),
) -> str:  # fmt: skip
    """A page that needs nothing but its text. root: relative way to the dashboard's first page."""
    shown = [(text, root + href.removeprefix("./")) for text, href in links]
    return template("plain.html").render(
        title=title, paragraphs=paragraphs, links=shown, root=root, tables=tables
    )


def interface_page(version: str) -> str:
    """Endpoints and parameters of the HTTP interface, with links to try them."""
    described = openapi(version)
    endpoints: list[TableRow] = []
    for path, about in described["paths"].items():
        other_form = path.endswith((".csv", ".xlsx", ".parquet", ".png", ".pdf"))
        if not other_form or "{" in path:
            asks = any(p.get("required") for p in about["get"]["parameters"])
            href = "" if asks else f".{path}"
            endpoints.append((path, href, about["get"]["summary"], ""))
    parameters: list[TableRow] = [
        (p["name"], "", p["description"], _values(p["schema"]))
        for p in described["components"]["parameters"].values()
    ]
    return plain_page(
        "HTTP interface",
        [
            described["info"]["description"],
            "The same parameters work on every page and endpoint; endpoints end in .json, .csv, "
            ".xlsx or .parquet.",
        ],
        [("OpenAPI description", "./api/v1/openapi.json"), ("Back to the dashboard", "./")],
        tables=[("Endpoints", endpoints), ("Parameters", parameters)],
    )


def _values(schema: dict[str, object]) -> str:
    items = schema.get("items")
    found = schema.get("enum") or (items.get("enum") if isinstance(items, dict) else None)
    return ", ".join(str(v) for v in found if v != "") if isinstance(found, list) else ""
