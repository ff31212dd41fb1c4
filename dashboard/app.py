"""The dashboard's server: published releases only, GET only, no state of its own."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard import api
from dashboard.bundle import make_bundle
from dashboard.context import Page, Selections, address
from dashboard.files import MEDIA_TYPES, to_json
from dashboard.pages import FIGURES, VIEWS
from dashboard.pages.studies import study_sections
from dashboard.plain import interface_page, plain_page
from dashboard.query import QueryError, parse, to_query
from dashboard.security import (
    LOOPBACK,
    REPORT_POLICY,
    Access,
    HeadersMiddleware,
    PrefixMiddleware,
    check_bind,
)
from dashboard.site import render_page, static_files, title_of
from dashboard.uncomputed import NOT_COMPUTED, UNCOMPUTED, sections_or_reason, why
from ibgap.releases.opened import GoneError, Releases
from ibgap.releases.reader import NoReleaseError

_KEPT_ANSWERS = 256
_KEPT_BYTES = 64_000_000
_AT_ONCE = 4
_GZIP, _WORTH_PACKING = b"\x1f\x8b", 600
_LONGEST_WAIT = 20.0
_FILES = ("csv", "xlsx", "parquet")


class BusyError(Exception):
    """Too many requests are being computed."""


def _code_version() -> str:
    try:
        return version("ibgap")
    except PackageNotFoundError:
        return "0"


class Dashboard:
    """Answers requests on one folder of releases."""

    def __init__(self, releases_dir: Path, access: Access) -> None:
        self.releases = Releases(releases_dir)
        self.selections = Selections(self.releases)
        self.access = access
        self.version = _code_version()
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._bytes = 0

    # one answer ---------------------------------------------------------------

    def remember(self, key: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
        """An answer from memory, or made while few others are being made; packed (gzip)."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        if not self._turn.acquire(timeout=_LONGEST_WAIT):
            raise BusyError
        try:
            with self._lock:
                if key in self._answers:
                    return self._answers[key]
            body = _packed(make())
        finally:
            self._turn.release()
        with self._lock:
            self._answers[key] = body
            self._bytes += len(body)
            while len(self._answers) > _KEPT_ANSWERS or self._bytes > _KEPT_BYTES:
                _, dropped = self._answers.popitem(last=False)
                self._bytes -= len(dropped)
        return body

    def respond(
        self, request: Request, body: bytes, media: str, *, name: str = "", policy: str = ""
    ) -> Response:
        """The answer with its headers, or 304 when the reader has it already.

        body: packed by `remember` or plain. Text travels packed to readers that unpack it.
        """
        tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        headers = self.access.headers(policy) if policy else self.access.headers()
        headers |= {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
        if name:
            headers["Content-Disposition"] = f'attachment; filename="{name}"'
        if _has_already(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        unpacks = "gzip" in request.headers.get("accept-encoding", "")
        if body.startswith(_GZIP):
            if unpacks:
                headers["Content-Encoding"] = "gzip"
            else:
                body = gzip.decompress(body)
        return Response(body, media_type=media, headers=headers)

    def refuse(self, request: Request, status: int, title: str, said: list[str],
               links: list[tuple[str, str]] | None = None) -> Response:  # fmt: skip
        """An error as a page, or as JSON for programs."""
        headers = self.access.headers()
        if status == 503:
            headers["Retry-After"] = "5"
        if "/api/" in request.scope["path"]:
            more = [f"{text}: {href}" for text, href in links or []]
            data = {"error": title, "details": [*said, *more]}
            return JSONResponse(data, status_code=status, headers=headers)
        # Relative addresses work under any prefix, from whatever depth was asked for.
        depth = max(0, request.scope["path"].count("/") - 1)
        body = plain_page(title, said, links or [], root="../" * depth or "./")
        return Response(body, status_code=status, media_type="text/html", headers=headers)

    def guarded(self, handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """Turns what can go wrong into an answer with its status."""

        def answer(request: Request) -> Response:
            try:
                return handle(request)
            except QueryError as error:
                return self.refuse(request, 400, "This address cannot be understood",
                                   list(error.faults), [("Start over", "./")])  # fmt: skip
            except GoneError as error:
                links = [("The current release", "./")]
                if error.nearest:
                    near = f"./?release={error.nearest}"
                    links.insert(0, (f"The nearest kept release, {error.nearest}", near))
                return self.refuse(request, 410, "This release is not kept any more",
                                   [f"Release {error.release_id} was removed."], links)  # fmt: skip
            except NoReleaseError as error:
                heads = self.releases.heads
                links = [(f"Release {h.release_id}", f"./?release={h.release_id}")
                         for h in heads[:3]]  # fmt: skip
                title = "There is no release yet" if not heads else "This release cannot be read"
                said = ["Run `ibgap refresh` (or `make run`), then load this page again."]
                return self.refuse(request, 503, title, [f"{error}."[:600], *said], links)
            except BusyError:
                return self.refuse(request, 503, "Too many requests at once",
                                   ["Please try again in a few seconds."])  # fmt: skip
            except UNCOMPUTED as error:
                return self.refuse(request, 422, NOT_COMPUTED, why(error), [("Start over", "./")])

        return answer

    # what is asked for ---------------------------------------------------------

    def page(self, request: Request, name: str, own: tuple[str, ...] = ()) -> Page:
        state = parse(_query_of(request), own)
        kept = tuple((n, request.query_params[n]) for n in own if n in request.query_params)
        return Page(name, self.selections.select(state), self.releases, kept)

    def key(self, page: Page, *more: str) -> tuple[str, ...]:
        """What an answer depends on: release, state, the list of releases, the last refresh."""
        heads = self.releases.heads
        last = self.releases.last_refresh()
        newest = heads[0].release_id if heads else ""
        said = f"{last.get('at', '')}{last.get('status', '')}"
        return (page.release_id, page.name, to_query(page.state), *page.selected.notes, *more,
                newest, str(len(heads)), said)  # fmt: skip

    def view(self, request: Request) -> Response:
        name = request.path_params.get("view", "overview")
        if name not in VIEWS:
            links = [(v.title, address(n, parse(""))) for n, v in VIEWS.items()]
            return self.refuse(request, 404, "There is no such page", ["Pages:"], links)
        state = parse(_query_of(request))
        if to_query(state) != _query_of(request):
            return RedirectResponse(address(name, state), 302, headers=self.access.headers())
        page = self.page(request, name)
        user = self.access.user(request)

        def make() -> bytes:
            sections = sections_or_reason(VIEWS[name].sections, page)
            return render_page(page, sections, title_of(page), self.version, user).encode()

        return self.respond(request, self.remember(self.key(page, "page", user), make),
                            "text/html; charset=utf-8")  # fmt: skip

    def study(self, request: Request) -> Response:
        trial = request.query_params.get("trial", "")
        page = self.page(request, "study", ("trial",))
        if not page.base.rows("trials", trial_id=trial):
            return self.refuse(request, 404, "There is no such trial",
                               ["This release has no trial of this id."],
                               [("All trials", page.url("studies"))])  # fmt: skip
        user = self.access.user(request)

        def make() -> bytes:
            sections = sections_or_reason(lambda p: study_sections(p, trial) or [], page)
            title = page.base.trial_label(trial)
            return render_page(page, sections, title, self.version, user).encode()

        return self.respond(request, self.remember(self.key(page, "study", trial, user), make),
                            "text/html; charset=utf-8")  # fmt: skip

    def figure(self, request: Request) -> Response:
        name, form = request.path_params["name"], request.path_params["form"]
        if name not in FIGURES or form not in ("svg", "png", "pdf"):
            said = [f"Figures: {', '.join(FIGURES)}; forms: svg, png, pdf."]
            return self.refuse(request, 404, "There is no such figure", said)
        page = self.page(request, name)

        def make() -> bytes:
            made = FIGURES[name](page)
            if made is None:
                return b""
            return made.standalone().encode()

        svg = _unpacked(self.remember(self.key(page, "figure"), make))
        if not svg:
            return self.refuse(request, 404, "There is nothing to draw",
                               ["This selection has no such figure."])  # fmt: skip
        body = _packed(svg)
        if form != "svg":
            body = self.remember(self.key(page, "figure", form),
                                 lambda: _printed(svg.decode(), form))  # fmt: skip
        return self.respond(request, body, MEDIA_TYPES[form],
                            name=f"ibgap-{name}-{page.release_id}.{form}")  # fmt: skip

    def endpoint(self, request: Request) -> Response:
        name, form = request.path_params["name"], request.path_params["form"]
        if name not in api.ENDPOINTS or form not in api.FORMS:
            said = [f"Endpoints: {', '.join(api.ENDPOINTS)}", f"Forms: {', '.join(api.FORMS)}"]
            return self.refuse(request, 404, "There is no such endpoint", said)
        scope = request.query_params.get("scope", "filtered")
        if scope not in api.SCOPES:
            raise QueryError([f"`scope` is one of {', '.join(api.SCOPES)}"])
        page = self.page(request, name, ("scope",))
        key = self.key(page, "api", form, scope)
        body = self.remember(key, lambda: api.answer(page, name, form, scope))
        file = "" if form == "json" else f"ibgap-{name}-{page.release_id}.{form}"
        return self.respond(request, body, MEDIA_TYPES[form], name=file)

    def trial(self, request: Request) -> Response:
        page = self.page(request, "study", ("trial",))
        found = api.study_record(page, request.query_params.get("trial", ""))
        if found is None:
            return self.refuse(request, 404, "There is no such trial", ["See studies.json."])
        body = to_json({"meta": api.meta(page, "full", 1), "data": found, "notes": []})
        return self.respond(request, body, MEDIA_TYPES["json"])

    def table(self, request: Request) -> Response:
        """A published table as it is; the path without `api` serves the current release."""
        name, form = request.path_params["name"], request.path_params.get("form", "parquet")
        page = self.page(request, "tables")
        known = sorted(page.base.record.get("counts") or {})
        if name not in known or form not in _FILES:
            said = [f"Tables: {', '.join(known)}", f"Forms: {', '.join(_FILES)}"]
            return self.refuse(request, 404, "There is no such table", said)
        key = self.key(page, "table", name, form)
        body = self.remember(key, lambda: api.table_file(page.base.table(name), form, name))
        return self.respond(request, body, MEDIA_TYPES[form],
                            name=f"{name}-{page.release_id}.{form}")  # fmt: skip

    def bundle(self, request: Request) -> Response:
        page = self.page(request, "forest")
        body = self.remember(self.key(page, "bundle"), lambda: make_bundle(page))
        return self.respond(request, body, MEDIA_TYPES["zip"],
                            name=f"ibgap-{page.release_id}.zip")  # fmt: skip

    def report(self, request: Request) -> Response:
        page = self.page(request, "report")
        path = page.base.files.folder / "report.html"
        try:
            body = _packed(path.read_bytes())
        except OSError:
            raise NoReleaseError(f"the report of release {page.release_id} is missing") from None
        return self.respond(request, body, "text/html; charset=utf-8", policy=REPORT_POLICY)

    def static(self, request: Request) -> Response:
        found = static_files().get(request.path_params["name"])
        if found is None:
            return self.refuse(request, 404, "There is no such file", [])
        return self.respond(request, _packed(found[1]), found[0])

    def description(self, request: Request) -> Response:
        return self.respond(
            request, _packed(to_json(api.openapi(self.version))), MEDIA_TYPES["json"]
        )

    def interface(self, request: Request) -> Response:
        return self.respond(request, interface_page(self.version).encode(),
                            "text/html; charset=utf-8")  # fmt: skip

    def health(self, request: Request) -> Response:
        page = self.page(request, "health")
        data = {"status": "ok", "release": page.release_id, "version": self.version}
        return self.respond(request, to_json(data), MEDIA_TYPES["json"])


def _packed(body: bytes) -> bytes:
    """The body packed where that saves something; the same body gives the same bytes."""
    if len(body) < _WORTH_PACKING:
        return body
    packed = gzip.compress(body, 5, mtime=0)
    return packed if len(packed) < 0.9 * len(body) else body


def _unpacked(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(_GZIP) else body


def _has_already(given: str, tag: str) -> bool:
    """Whether the reader named this tag (several, weak ones and `*` are allowed)."""
    tags = {one.strip().removeprefix("W/") for one in given.split(",")}
    return tag in tags or "*" in tags


def _query_of(request: Request) -> str:
    return str(request.scope["query_string"].decode("utf-8", "replace"))


def _printed(svg: str, form: str) -> bytes:
    from dashboard.printing import print_in_turn

    return print_in_turn(svg, form)


def make_app(releases_dir: Path, access: Access | None = None, *, prefix: str = "") -> Starlette:
    """The application on a folder of releases. Everything is read only. prefix: path under which a
    proxy shows it."""
    given = access or Access()
    site = Dashboard(releases_dir, given)

    def route(path: str, handle: Callable[[Request], Response]) -> Route:
        return Route(path, site.guarded(handle), methods=["GET"])

    routes = [
        route("/", site.view), route("/study", site.study), route("/report", site.report),
        route("/health", site.health), route("/bundle.zip", site.bundle),
        route("/api", site.interface), route("/api/v1/openapi.json", site.description),
        route("/api/v1/study.json", site.trial),
        route("/api/v1/tables/{name}.{form}", site.table),
        route("/api/v1/{name}.{form}", site.endpoint),
        route("/figure/{name}.{form}", site.figure),
        route("/tables/{name}.parquet", site.table), route("/static/{name}", site.static),
        route("/{view}", site.view),
    ]  # fmt: skip
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(PrefixMiddleware, prefix=prefix),
            Middleware(HeadersMiddleware, headers=given.headers()),
            Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *given.hosts],
                       www_redirect=False),
        ],
    )  # fmt: skip
    app.router.redirect_slashes = False
    return app


def serve(
    releases_dir: Path, port: int, *, host: str = "127.0.0.1", allow_remote: bool = False,
    access: Access | None = None, root_path: str = "",
) -> None:  # fmt: skip
    """Serve until interrupted; to other machines only when that is allowed.

    Raises `RemoteBindError` for an address beyond this machine without `allow_remote`.
    """
    check_bind(host, allow_remote=allow_remote)
    import uvicorn

    options: dict[str, Any] = {"log_level": "warning", "server_header": False}
    app = make_app(releases_dir, access, prefix=root_path)
    uvicorn.run(app, host=host, port=port, proxy_headers=False, **options)
