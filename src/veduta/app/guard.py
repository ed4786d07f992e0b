"""Who may ask, how much, and what a page may do: Host and Origin checked, a token, bodies of a bounded size, a strict policy."""

from __future__ import annotations

import asyncio
import hmac
import html
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

COOKIE = "veduta-token"
BODY = 60.0
"""Seconds that the body of a request may take."""
MOST_BODY, MOST_PICTURE = 16 << 20, 32 << 20
"""Bytes of a request (10,000 decisions with long keys fit), and of a picture to search by."""
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
    at this address (DNS rebinding) is refused. token: must come as `?token=`, which sets a cookie, as that cookie, or as
    `Authorization: Bearer`; None asks for none. tickets: each opens one browser in the token's place, once: the address that
    a program is started with can be seen by every user of the machine.
    """

    def __init__(
        self, app: Any, hosts: Iterable[str] = LOCAL, token: str | None = None, tickets: Iterable[str] = ()
    ) -> None:
        self.app, self.hosts, self.token = app, frozenset(host.lower() for host in hosts), token
        self.tickets = set(tickets)

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

        await self.app(scope, _bounded(receive, _most(scope["path"])), guarded)

    def _refused(self, headers: Headers, scope: Scope) -> Any:
        host = headers.get("host", "").lower()
        if _name(host) not in self.hosts:
            return _error(421, f"this server does not answer to the name '{host}'; start it with --host to allow it")
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{host}":
            return _error(403, "pages of other sites may not ask this server")
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site") and scope["path"].startswith("/api"):
            return _error(403, "pages of other sites may not ask this server")
        answer = None if self.token is None else self._without_token(headers, scope)
        if answer is None and _length(headers) > _most(scope["path"]):
            return _error(413, _too_much(_most(scope["path"])))
        return answer

    def _without_token(self, headers: Headers, scope: Scope) -> Any:
        from starlette.requests import Request

        request, cookie = Request(scope), _cookie(headers.get("host", ""))
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if any(self._same(given) for given in (bearer, request.cookies.get(cookie, ""))):
            return None
        given = request.query_params.get("token", "")
        if self._same(given) or given in self.tickets:
            self.tickets.discard(given)
            return self._enter(str(request.url.remove_query_params("token")), cookie)
        words = "this server asks for its token: open the address that `veduta view` printed when it started"
        if "text/html" in headers.get("accept", ""):
            return HTMLResponse(_PAGE.format(title="Veduta", head="", words=words), 401, HEADERS)
        return _error(401, words)

    def _enter(self, address: str, cookie: str) -> Response:
        """Sets the cookie. The page goes on by itself: after a redirect a browser that came from elsewhere sends no cookie."""
        to = html.escape(address)
        head = f'<meta http-equiv="refresh" content="0; url={to}">'
        answer = HTMLResponse(_PAGE.format(title="Veduta", head=head, words=f'<a href="{to}">Go on</a>'), 200, HEADERS)
        answer.set_cookie(cookie, str(self.token), httponly=True, samesite="strict")
        return answer

    def _same(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), str(self.token).encode())


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>{head}
<body style="font: 16px/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 40rem"><p>{words}</p></body></html>"""


def _cookie(host: str) -> str:
    """The cookie's name: browsers send the cookies of one host to all of its ports."""
    return f"{COOKIE}-{host.rpartition(':')[2]}" if host.rpartition(":")[2].isdigit() else COOKIE


def _most(path: str) -> int:
    return MOST_PICTURE + 1 if path == "/api/queries" else MOST_BODY


def _length(headers: Headers) -> int:
    told = headers.get("content-length", "0")
    return int(told) if told.isascii() and told.isdigit() else 0


def _too_much(most: int) -> str:
    return f"a request may have {most >> 20} MiB"


def _bounded(receive: Receive, most: int) -> Receive:
    """`receive` of a body that need not say its length, nor end by itself."""
    had, end, is_whole = 0, 0.0, False

    async def counted() -> Any:
        nonlocal had, end, is_whole
        if is_whole:  # from here on it tells that the client has gone
            return await receive()
        now = asyncio.get_running_loop().time()
        end = end or now + BODY
        try:
            message = await asyncio.wait_for(receive(), max(0.0, end - now))
        except TimeoutError:
            raise HTTPException(408, f"the body of a request must be there within {BODY:.0f} seconds") from None
        is_whole = not message.get("more_body", False)
        had += len(message.get("body", b""))
        if had > most:
            raise HTTPException(413, _too_much(most))
        return message

    return counted


def _name(host: str) -> str:
    """The host without its port; IPv6 keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": f"H{status}", "message": message}}, status, HEADERS)
