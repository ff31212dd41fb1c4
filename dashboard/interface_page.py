"""The page that describes the HTTP interface, made from its own description."""

from __future__ import annotations

from html import escape

from dashboard.api import openapi


def interface_page(version: str) -> str:
    """Endpoints and parameters as tables, with links to try them."""
    described = openapi(version)
    rows = []
    for path, about in described["paths"].items():
        if path.endswith((".csv", ".xlsx", ".parquet", ".png", ".pdf")) and "{" not in path:
            continue
        shown = escape(f".{path}")
        link = shown if "{" in path else f'<a href="{shown}">{shown}</a>'
        said = escape(about["get"]["summary"])
        rows.append(f"<tr><th scope='row'>{link}</th><td>{said}</td></tr>")
    given = "".join(
        f"<tr><th scope='row'><code>{escape(p['name'])}</code></th>"
        f"<td>{escape(p['description'])}{_values(p['schema'])}</td></tr>"
        for p in described["components"]["parameters"].values()
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<title>HTTP interface - ibgap</title><link rel='stylesheet' href='./static/app.css'>"
        "</head><body class='plain'><main><h1>HTTP interface</h1>"
        f"<p>{escape(described['info']['description'])} The same parameters work on every page and "
        "endpoint; endpoints end in .json, .csv, .xlsx or .parquet.</p>"
        "<p><a href='./api/v1/openapi.json'>OpenAPI description</a>, <a href='./'>back to the "
        "dashboard</a></p><h2>Endpoints</h2><div class='scroll' tabindex='0' role='region' "
        f"aria-label='Endpoints'><table><tbody>{''.join(rows)}</tbody></table></div>"
        "<h2>Parameters</h2><div class='scroll' tabindex='0' role='region' "
        f"aria-label='Parameters'><table><tbody>{given}</tbody></table></div>"
        "</main></body></html>"
    )


def _values(schema: dict[str, object]) -> str:
    items = schema.get("items")
    found = schema.get("enum") or (items.get("enum") if isinstance(items, dict) else None)
    if not isinstance(found, list):
        return ""
    return f"<span class='more'>{escape(', '.join(str(v) for v in found if v != ''))}</span>"
