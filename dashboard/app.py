"""A small server for the current release: its report and its tables, to this machine only."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard.release import CURRENT

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}
_NO_RELEASE = (
    "<!doctype html><html lang='en'><meta charset='utf-8'><title>ibgap</title>"
    "<body style='font-family:sans-serif;max-width:40rem;margin:3rem auto'>"
    "<h1>There is no release yet</h1><p>Run <code>ibgap refresh</code> (or <code>make run</code>), "
    "then load this page again.</p></body></html>"
)


def make_app(releases_dir: Path) -> Starlette:
    """The application: `/` is the report, `/tables/NAME.parquet` the tables, nothing else."""

    def report(request: Request) -> Response:
        path = releases_dir / CURRENT / "report.html"
        if not path.is_file():
            return HTMLResponse(_NO_RELEASE, status_code=503, headers=_HEADERS)
        return HTMLResponse(path.read_text(encoding="utf-8"), headers=_HEADERS)

    def table(request: Request) -> Response:
        name = request.path_params["name"]
        folder = releases_dir / CURRENT / "tables"
        known = {p.stem for p in folder.glob("*.parquet")} if folder.is_dir() else set()
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            return PlainTextResponse(
                f"There is no such table; known: {listed}\n", status_code=404, headers=_HEADERS
            )
        return FileResponse(folder / f"{name}.parquet", headers=_HEADERS)

    return Starlette(
        routes=[Route("/", report), Route("/tables/{name}.parquet", table)],
        middleware=[
            Middleware(
                TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "testserver"]
            )
        ],
    )


def serve(releases_dir: Path, port: int) -> None:
    """Serve on the loopback address until interrupted."""
    import uvicorn

    uvicorn.run(make_app(releases_dir), host="127.0.0.1", port=port, log_level="warning")
