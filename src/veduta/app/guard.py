"""Who may ask, and what a page may do: Host and Origin checked, a token where others can connect, a strict policy."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

COOKIE = "veduta-token"
LOCAL = ("localhost", "127.0.0.1", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Middleware around the whole app.

    hosts: names under which the server may be addressed, without port; a page of another site that points its own name
    at this address (DNS rebinding) is refused. token: None where only this machine can connect; else it must come as
    `?token=`, which sets a cookie, as that cookie, or as `Authorization: Bearer`.
    """

    def __init__(self, app: Any, hosts: Iterable[str] = LOCAL, token: str | None = None) -> None:
        self.app, self.hosts, self.token = app, frozenset(host.lower() for host in hosts), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refused(headers, scope)
        if refused is not None:
            await refused(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, guarded)

    def _refused(self, headers: Headers, scope: Scope) -> Any:
        host = headers.get("host", "").lower()
        if _name(host) not in self.hosts:
            return _error(421, f"this server does not answer to the name '{host}'; start it with --host to allow it")
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{host}":
            return _error(403, "pages of other sites may not ask this server")
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site") and scope["path"].startswith("/api"):
            return _error(403, "pages of other sites may not ask this server")
        if self.token is None:
            return None
        return self._without_token(headers, scope)

    def _without_token(self, headers: Headers, scope: Scope) -> Any:
        from starlette.requests import Request

        request = Request(scope)
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if any(self._same(given) for given in (bearer, request.cookies.get(COOKIE, ""))):
            return None
        if self._same(request.query_params.get("token", "")):
            answer = RedirectResponse(str(request.url.remove_query_params("token")), 303)
            answer.set_cookie(COOKIE, str(self.token), httponly=True, samesite="strict")
            return answer
        return _error(401, "this server asks for its token: open the address that it printed when it started")

    def _same(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), str(self.token).encode())


def _name(host: str) -> str:
    """The host without its port; IPv6 keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": f"H{status}", "message": message}}, status, HEADERS)
