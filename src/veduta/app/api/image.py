"""GET /image, POST /queries: whole pictures, out and in."""

from __future__ import annotations

import io
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from veduta.app import queries
from veduta.app.api.rows import position_of
from veduta.app.session import Here
from veduta.app.state import Version
from veduta.engine.decode import decode
from veduta.errors import BadInput, Undecodable

router = APIRouter()
SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
"""What every browser shows."""
MODES = ("1", "L", "P", "RGB")
LONGEST = 8192
FINE = 1 << 20
"""Pixels up to which what is rendered is sent without loss."""

IMAGE = {200: {"content": {"image/*": {}}}}


@router.get("/image", response_class=Response, responses=IMAGE)
def image(
    request: Request,
    here: Here,
    key: Annotated[str, Query(max_length=1000)],
    version: Version = None,
    side: Annotated[int, Query(ge=16, le=4096, description="the long side of what must be rendered")] = 2048,
) -> Response:
    """An image for a browser: its own bytes where the browser shows them as Veduta reads them, else rendered."""
    pool = here.pool(version)
    row = position_of(here, pool, key)
    facts = pool.take([row], ["digest", "error"]).to_pylist()[0]
    if facts["error"] is not None:
        raise Undecodable(f"the image '{key}' cannot be shown: {facts['error']}")
    # Named by its content: asked again, the browser hears that what it has is still right.
    headers = {"cache-control": "private, no-cache", "etag": f'"{facts["digest"]}-{side}"'}
    if facts["digest"] and request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    problems: dict[int, str] = {}
    data = pool.read_images([row], problems)[0]
    if not data:
        raise BadInput(
            problems.get(row)
            or f"the bytes of '{key}' are not there; a pool made with --store reference needs its files in place"
        )
    kind = _shown_as_it_is(data)
    if kind is None:
        data, kind = _rendered(data, side)
    return Response(data, media_type=kind, headers=headers)


def _shown_as_it_is(data: bytes) -> str | None:
    """The media type, if a browser shows the bytes as Veduta reads them: upright, still, nothing shining through."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=list(SHOWN)) as picture:
            kind = str(picture.format)
            plain = picture.mode in MODES and max(picture.size) <= LONGEST and "transparency" not in picture.info
            turned = kind != "JPEG" and picture.getexif().get(0x0112, 1) != 1
            moves = kind in ("PNG", "WEBP") and getattr(picture, "n_frames", 1) > 1
            return SHOWN[kind] if plain and not turned and not moves else None
    except Exception:  # noqa: BLE001 - Pillow's plugins raise many types; the decoder says what is wrong
        return None


def _rendered(data: bytes, side: int) -> tuple[bytes, str]:
    from PIL import Image

    picture = Image.fromarray(decode(data, side=side).pixels)
    picture.thumbnail((side, side))
    out = io.BytesIO()
    if picture.width * picture.height > FINE:
        picture.save(out, "JPEG", quality=92)
        return out.getvalue(), "image/jpeg"
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue(), "image/png"


class Asked(BaseModel):
    """A picture to search by. id: for `image` of a view's state. width, height: of the small copy that is kept."""

    id: str
    width: int
    height: int


@router.post("/queries", openapi_extra={"requestBody": {"content": {"image/*": {}}, "required": True}})
async def ask(request: Request, here: Here) -> Asked:
    """Keep the picture in the request's body to search by."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > queries.LARGEST:
            raise BadInput(f"a picture to search by may have {queries.LARGEST >> 20} MiB; make this one smaller")
    name, width, height = await run_in_threadpool(queries.store, here.path, bytes(data))
    return Asked(id=name, width=width, height=height)


@router.get("/queries/{name}", response_class=Response, responses=IMAGE)
def asked(here: Here, name: str) -> Response:
    """A picture that was searched by."""
    return Response(queries.read(here.path, name), media_type="image/jpeg")
