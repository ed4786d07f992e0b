"""GET /formats, POST /exports, GET /exports/{name}: rows in formats that others read."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Path as FromPath
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from veduta.app import exports as made
from veduta.app.session import Here
from veduta.app.state import ViewState
from veduta.errors import BadInput
from veduta.pool.writers import FORMATS, options

router = APIRouter()
NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,99}$"
ZIP = {200: {"content": {"application/zip": {}}}}


class Format(BaseModel):
    """A format to export in. folder: many files. schema: JSON schema of its options, the writer's own first."""

    name: str
    folder: bool
    schema_: dict[str, Any]

    model_config = {
        "serialize_by_alias": True,
        "alias_generator": lambda name: name.rstrip("_"),
        "populate_by_name": True,
    }


@router.get("/formats")
def formats() -> list[Format]:
    """Formats that pools are written in."""
    return [
        Format(name=name, folder=folder, schema_=options.of(name).model_json_schema())
        for name, folder in FORMATS.items()
    ]


class Export(BaseModel):
    """What to write: a selection's rows, or those of a view (neither: all rows); into the pool's folder `exports`.

    options: of the format, as GET /formats describes them.
    """

    model_config = ConfigDict(extra="forbid")
    format: str = Field(max_length=40)
    name: str = Field(pattern=NAME)
    selection: str | None = Field(None, max_length=100)
    state: ViewState | None = None
    options: dict[str, Any] = Field({}, max_length=20)


class Started(BaseModel):
    """The job's id."""

    job: str


@router.post("/exports")
def export(here: Here, what: Export) -> Started:
    """Write rows in a format that others read, in the background."""
    pool = here.pool(what.state.version if what.state else None)
    if what.format not in FORMATS:
        raise BadInput(f"there is no format '{what.format[:40]}'; there are {', '.join(FORMATS)}")
    if what.selection is not None and what.state is not None:
        raise BadInput("an export is of a selection or of a view; give one of 'selection' and 'state'")
    if what.selection is not None and what.selection not in pool.selections():
        raise BadInput(
            f"the pool has no selection '{what.selection}' (it has: {', '.join(pool.selections()) or 'none'})"
        )
    given = options.checked(what.format, what.options)
    for name in given.get("columns") or []:
        pool.require(name[:200], needed_by="the export")
    if made.found(here.path, what.name) is not None:
        raise BadInput(f"there is an export '{what.name}' already; choose another name")
    state = what.state.model_copy(update={"version": pool.version}) if what.state else None
    if state is not None:
        here.views.mask(pool, state)  # what is wrong with the view is told now
    task = {
        "verb": "export",
        "operation": what.format,
        "name": what.name,
        "selection": what.selection,
        "options": given,
    }
    return Started(job=here.jobs.start({**task, "state": state.model_dump(mode="json") if state else None}).id)


@router.get("/exports")
def exports(here: Here) -> list[str]:
    """Names of the exports that can be fetched."""
    return sorted({file.stem for file in (here.path / made.FOLDER).glob("[!.]*")})


@router.get("/exports/{name}", response_class=Response, responses=ZIP)
def fetch(here: Here, name: Annotated[str, FromPath(pattern=NAME)]) -> Response:
    """An export as a zip file, packed while it is sent."""
    place = made.found(here.path, name)
    if place is None:
        raise BadInput(f"the pool has no export '{name}'; make one of a selection or a view first")
    headers = {"content-disposition": f'attachment; filename="{name}.zip"'}
    return StreamingResponse(made.zipped(place), media_type="application/zip", headers=headers)
