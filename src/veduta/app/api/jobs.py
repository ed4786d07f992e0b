"""POST /jobs, GET /jobs, /jobs/{id}/events, POST /jobs/{id}/cancel: operations in the background."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from veduta.app import sql
from veduta.app.api.history import short
from veduta.app.api.operations import EXTRA
from veduta.app.jobs import Job, Jobs, State
from veduta.app.places import inside
from veduta.app.session import Here
from veduta.app.state import LONGEST
from veduta.engine.registry import find
from veduta.errors import BadInput

router = APIRouter()
STREAM = {200: {"content": {"text/event-stream": {}}}, 204: {"description": "the job has ended, and all was told"}}
NAME = r"^[A-Za-z][\w.-]{0,99}$"
LOOK = 0.2
"""Seconds between looks for news."""
QUIET = 15
"""Seconds after which a stream says that it is still there."""


class Task(BaseModel):
    """What to run. parameters: the operation's own; those that name a place obey `app.places`. where, selection, name:
    where GET /operations lists them as extra.
    """

    model_config = ConfigDict(extra="forbid")
    verb: Literal["annotate", "select", "learn", "judge"]
    operation: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")
    parameters: dict[str, Any] = Field({}, max_length=100)
    where: str | None = Field(None, max_length=LONGEST)
    selection: str | None = Field(None, pattern=r"^[A-Za-z_]\w{0,99}$")
    name: str | None = Field(None, pattern=NAME)


class Shown(BaseModel):
    """A job. started: seconds since 1970. last: its newest line, null before the first. error: why it failed."""

    id: str
    verb: str
    operation: str
    parameters: dict[str, Any]
    name: str | None
    state: State
    started: float
    seconds: float
    last: dict[str, Any] | None
    result: dict[str, Any]
    error: str | None


@router.post("/jobs")
def start(here: Here, task: Task) -> Shown:
    """Run an operation. Wrong parameters are refused here, before anything starts."""
    here.newest()  # the job will open the path, which must still be that of the pool that is shown
    given = task.model_dump(exclude_none=True)
    foreign = next(
        (name for name in ("where", "selection", "name") if name in given and name not in EXTRA[task.verb]), ""
    )
    if foreign:
        raise BadInput(f"{task.verb} takes no '{foreign}'; leave it away")
    if task.where:
        here.pool().where(sql.checked(task.where, here.pool().askable))
    cls = find(f"{task.verb}.{task.operation}")
    if cls.verb != task.verb:
        raise BadInput(f"{task.operation} is an operation of {cls.verb}, not of {task.verb}")
    parameters = inside(here.path, cls, task.parameters)
    cls(**parameters)  # its check against the pool may load a network, which is the job's business
    return shown(here.jobs.start({**given, "parameters": parameters}))


@router.get("/jobs")
def jobs(here: Here) -> list[Shown]:
    """Jobs since the server started, newest first; of the ended ones the newest 50."""
    return [shown(job) for job in here.jobs.all()]


def shown(job: Job) -> Shown:
    """A job as a page sees it."""
    events, _, _ = job.since(0)
    return Shown(
        id=job.id,
        verb=job.task["verb"],
        operation=job.task["operation"],
        parameters=short(job.task.get("parameters", {})),
        name=job.task.get("name"),
        state=job.state,
        started=job.started,
        seconds=job.seconds,
        last=events[-1] if events else None,
        result=job.result,
        error=job.error,
    )


@router.get("/jobs/{job_id}/events", response_class=Response, responses=STREAM)
async def events(here: Here, job_id: str, last_event_id: Annotated[str, Header(max_length=20)] = "") -> Response:
    """The job's lines as server-sent events, from the first that is still kept; the last is {"event": "end", ...}."""
    job = here.jobs.get(job_id)
    told = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else 0
    if told and job.ended and not job.since(told)[0]:
        return Response(status_code=204)  # which tells an EventSource not to ask again
    return StreamingResponse(_stream(here.jobs, job, told), media_type="text/event-stream")


async def _stream(jobs: Jobs, job: Job, told: int) -> AsyncIterator[str]:
    quiet = 0.0
    while not jobs.closed:
        fresh, told, ended = job.since(told)
        for at, event in enumerate(fresh, told - len(fresh) + 1):
            yield f"id: {at}\ndata: {json.dumps(event, ensure_ascii=True)}\n\n"
        if ended:
            return
        quiet = 0.0 if fresh else quiet + LOOK
        if quiet >= QUIET:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(LOOK)


@router.post("/jobs/{job_id}/cancel")
def cancel(here: Here, job_id: str) -> Shown:
    """Ask a job to stop; what it committed stays. One that does not stop within ten seconds is ended."""
    job = here.jobs.get(job_id)
    job.cancel()
    return shown(job)
