"""What every answer carries and which requests are answered at all."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors {frames}"
)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "testserver")
_LONGEST_USER = 80


class RemoteBindError(ValueError):
    """An address that other machines reach, without the flag that allows it."""


@dataclass(frozen=True)
class Access:
    """Who may reach the dashboard and how.

    hosts: names in the Host header that are answered (beside loopback). frames: origins that may
    show pages in a frame. user_header: header with a user name, believed only from
    `trusted_proxies`.
    """

    hosts: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    user_header: str = ""
    trusted_proxies: tuple[str, ...] = ()

    def headers(self, policy: str = POLICY) -> dict[str, str]:
        frames = " ".join(self.frames) if self.frames else "'none'"
        out = {
            "Content-Security-Policy": policy.format(frames=frames),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if not self.frames:
            out["X-Frame-Options"] = "DENY"
        return out

    def user(self, request: Request) -> str:
        """The user name a trusted proxy sent, else ''."""
        if not self.user_header or request.client is None:
            return ""
        if request.client.host not in self.trusted_proxies:
            return ""
        return request.headers.get(self.user_header, "")[:_LONGEST_USER]


def check_bind(host: str, *, allow_remote: bool) -> None:
    """Raise `RemoteBindError` for an address beyond this machine unless it is allowed."""
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    if not here and not allow_remote:
        raise RemoteBindError(
            f"{host} can be reached from other machines, and the dashboard has no login: put a "
            "proxy with a login before it, then add --allow-remote and --allowed-host NAME"
        )


class HeadersMiddleware:
    """Adds the headers of `Access` to answers that do not set them, such as those of the router."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self.app, self.headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    given.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, add)


class PrefixMiddleware:
    """Serves under a prefix whether or not the proxy has already taken it off.

    Every address in a page is relative, so nothing else has to know of the prefix; the prefix
    itself is sent on to its folder, where relative addresses resolve.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app, self.prefix = app, prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.prefix and scope.get("path") == self.prefix:
            await RedirectResponse(f"{self.prefix}/")(scope, receive, send)
            return
        if self.prefix and str(scope.get("path", "")).startswith(f"{self.prefix}/"):
            scope = dict(scope) | {"path": scope["path"][len(self.prefix) :]}
        await self.app(scope, receive, send)
