"""Operations, jobs, exports: work that a page starts."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from veduta.app import sql
from veduta.app.api.selections import condition_of
from veduta.app.jobs import Job
from veduta.app.session import Here
from veduta.app.state import LONGEST, ViewState
from veduta.app.view import asked
from veduta.engine.registry import find, of_verb
from veduta.errors import BadInput
from veduta.pool.writers import FORMATS

router = APIRouter()
Verb = Literal["annotate", "select", "learn", "judge"]
NAME = r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$"


class Runnable(BaseModel):
    """An operation. schema: JSON schema of its parameters. takes: what a job of its verb takes besides."""

    verb: str
    name: str
    purpose: str
    text: str
    schema_: dict[str, Any] = Field(alias="schema")
    takes: list[str]


TAKES = {"annotate": ["where"], "select": ["name"], "learn": ["where", "selection", "name"], "judge": []}


@router.get("/operations")
def operations(here: Here) -> list[Runnable]:
    """Every operation, those of installed packages among them."""
    out = []
    for verb, takes in TAKES.items():
        for name in of_verb(verb):
            cls = find(f"{verb}.{name}")
            text = "\n".join(line.strip() for line in (cls.__doc__ or "").strip().splitlines())
            out.append(
                Runnable(
                    verb=verb, name=name, purpose=cls.purpose(), text=text, schema=cls.model_json_schema(), takes=takes
                )
            )
    return out


class Asked(BaseModel):
    """An operation to run. Parameters are checked before it starts."""

    verb: Verb
    operation: str = Field(max_length=100)
    parameters: dict[str, Any] = {}
    where: str | None = Field(None, max_length=LONGEST)
    selection: str | None = Field(None, max_length=100)
    name: str | None = Field(None, pattern=NAME)


class Running(BaseModel):
    """A job. message: what came of it, or why it failed."""

    id: str
    verb: str
    operation: str
    parameters: dict[str, Any]
    state: str
    started: str
    seconds: float
    message: str


@router.post("/jobs")
def start(here: Here, what: Asked) -> Running:
    """Run an operation in the background, one at a time."""
    find(f"{what.verb}.{what.operation}")(**what.parameters)
    where = sql.checked(what.where) if what.where else None
    return _told(here.jobs.start({**what.model_dump(), "where": where, "pool": str(here.path)}))


@router.get("/jobs")
def jobs(here: Here) -> list[Running]:
    """Jobs since the server started, newest first."""
    return [_told(job) for job in here.jobs.all()]


@router.post("/jobs/{name}/cancel")
def cancel(here: Here, name: str) -> Running:
    """End a job; what it committed stays, and the same operation goes on from there."""
    job = here.jobs.find(name)
    job.cancel()
    return _told(job)


@router.get(
    "/jobs/{name}/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}}
)
def events(here: Here, name: str) -> StreamingResponse:
    """What a job tells, as server-sent events; `end` is the last one."""
    job = here.jobs.find(name)

    def stream() -> Iterator[str]:
        after, over = 0, False
        while not over:
            new, after, over = job.wait(after, 15.0)
            yield "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in new) or ": waiting\n\n"
        yield f"event: end\ndata: {json.dumps({'state': job.status})}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


def _told(job: Job) -> Running:
    return Running(
        id=job.id,
        verb=job.asked["verb"],
        operation=job.asked["operation"],
        parameters=job.asked.get("parameters") or {},
        state=job.status,
        started=datetime.fromtimestamp(job.started, UTC).isoformat(timespec="seconds"),
        seconds=round((job.ended or datetime.now(UTC).timestamp()) - job.started, 2),
        message=job.message,
    )


class Format(BaseModel):
    """A format to export in. folder: many files."""

    name: str
    folder: bool


@router.get("/formats")
def formats(here: Here) -> list[Format]:
    """Formats that pools are written in."""
    return [Format(name=name, folder=folder) for name, folder in FORMATS.items()]


class Export(BaseModel):
    """What to write: a selection's rows, or those of a view, in a format; into the pool's folder `exports`."""

    format: str = Field(max_length=40)
    name: str = Field(pattern=NAME)
    selection: str | None = Field(None, max_length=100)
    state: ViewState | None = None


class Started(BaseModel):
    """The job's id."""

    job: str


@router.post("/exports")
def export(here: Here, what: Export) -> Started:
    """Write rows in a format that others read, in the background."""
    pool = here.pool()
    if what.format not in FORMATS:
        raise BadInput(f"there is no format '{what.format}'; there are {', '.join(FORMATS)}")
    if what.selection is not None:
        pool.selection(what.selection)
    if what.state is not None and asked(what.state):
        raise BadInput("a search cannot be exported as it is; make a selection of it first")
    if _file(here.path, what.name) is not None:
        raise BadInput(f"there is an export '{what.name}' already; choose another name")
    condition = None if what.state is None else condition_of(pool, what.state)
    job = here.jobs.start(
        {
            "pool": str(here.path),
            "verb": "export",
            "operation": what.format,
            "where": condition,
            "selection": what.selection,
            "name": what.name,
        }
    )
    return Started(job=job.id)


@router.get("/exports")
def exports(here: Here) -> list[str]:
    """Exports that can be fetched."""
    return sorted(file.name for file in (here.path / "exports").glob("[!.]*"))


@router.get("/exports/{name}", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def fetch(here: Here, name: str) -> Response:
    """An export as a zip file, packed while it is sent."""
    found = _file(here.path, name)
    if found is None:
        raise BadInput(f"there is no export '{name}'; exports are in {here.path / 'exports'}")
    headers = {"content-disposition": f'attachment; filename="{found.stem}.zip"'}
    return StreamingResponse(_zipped(found), media_type="application/zip", headers=headers)


def _file(pool: Path, name: str) -> Path | None:
    """The file or folder of an export, among those that are there."""
    there = (pool / "exports").glob("[!.]*")
    return next((file for file in there if name in (file.name, file.stem)), None)


class _Sink:
    """Takes what a zip file writes and hands it on, so that it needs no space."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def take(self) -> bytes:
        out, self.parts = b"".join(self.parts), []
        return out


def _zipped(place: Path) -> Iterator[bytes]:
    sink = _Sink()
    files = [place] if place.is_file() else sorted(file for file in place.rglob("*") if file.is_file())
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # pyright: ignore[reportCallIssue]
        for file in files:
            with (
                file.open("rb") as source,
                archive.open(str(file.relative_to(place.parent)), "w", force_zip64=True) as out,
            ):
                while piece := source.read(1 << 20):
                    out.write(piece)
                    yield sink.take()
    yield sink.take()
