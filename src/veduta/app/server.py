"""The server: one pool, its API and its pages."""

from __future__ import annotations

import contextlib
import importlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from veduta import __version__
from veduta.app import guard
from veduta.app.session import Session
from veduta.errors import PoolAway, VedutaError

STATIC = Path(__file__).parent / "static"
ROUTERS = (
    "pool",
    "rows",
    "image",
    "facet",
    "map",
    "row",
    "review",
    "duplicates",
    "history",
    "selections",
    "reports",
    *("operations", "jobs", "exports"),
)
"""Files of api/; each has a `router`."""


def create_app(
    path: str | Path,
    *,
    token: str | None = None,
    hosts: tuple[str, ...] = guard.LOCAL,
    tickets: tuple[str, ...] = (),
) -> FastAPI:
    """The app over the pool at `path`. token, hosts, tickets: see `Guard`. Raises BadInput where there is no pool."""
    session = Session(path)

    @contextlib.asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(session.jobs.close)

    app = FastAPI(
        lifespan=alive,
        title="Veduta",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.session = session
    for name in ROUTERS:
        app.include_router(importlib.import_module(f"veduta.app.api.{name}").router, prefix="/api")
    app.add_exception_handler(VedutaError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(OSError, _unreadable)
    if STATIC.exists():
        app.mount("/assets", StaticFiles(directory=STATIC / "assets"))
        app.add_api_route("/{page:path}", _page, include_in_schema=False)
    app.add_middleware(guard.Guard, hosts=hosts, token=token, tickets=tickets)  # pyright: ignore[reportArgumentType]
    return app


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def _page(page: str) -> Response:
    """Every other address is the one page, which reads it."""
    if page.split("/")[0] in ("api", "assets"):
        return JSONResponse({"error": {"code": "H404", "message": f"there is nothing at /{page}"}}, 404)
    return FileResponse(STATIC / "index.html")


async def _told(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VedutaError)
    status = 503 if isinstance(error, PoolAway) else 409 if error.retryable else 400
    return JSONResponse({"error": {"code": error.code, "message": str(error)}}, status)


async def _unreadable(_: Request, error: Exception) -> JSONResponse:
    reason = str(error).split(", /")[0].splitlines()[0]
    return JSONResponse({"error": {"code": "V000", "message": f"the pool cannot be read or written: {reason}"}}, 503)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"][1:])
    return JSONResponse({"error": {"code": "V100", "message": f"{where}: {problem['msg'].lower()}"}}, 422)
