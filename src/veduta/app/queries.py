"""Pictures to search by: kept small in the pool's folder, so that the address of a view holds for everybody."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from veduta.app.guard import MOST_PICTURE
from veduta.engine.decode import decode
from veduta.errors import BadInput
from veduta.pool.readers import size

SIDE = 512
KEPT = 200
LARGEST = MOST_PICTURE
MOST_PIXELS = 100_000_000

_one = threading.Lock()  # pictures are decoded one at a time: each may take half a gigabyte

_memory: OrderedDict[tuple[Path, str], bytes] = OrderedDict()


def folder(pool: Path) -> Path:
    """Where they are."""
    return pool / "artifacts" / "queries"


def store(pool: Path, data: bytes) -> tuple[str, int, int]:
    """Keep a picture; returns its id, width and height. Raises Undecodable; the newest 200 stay."""
    from PIL import Image

    width, height = size.header(data) or (0, 0)
    if width * height > MOST_PIXELS:
        raise BadInput(
            f"a picture to search by may have {MOST_PIXELS // 1_000_000} megapixels; this one has {width} x {height}"
        )
    with _one:
        decoded = decode(data, side=SIDE)
    picture = Image.fromarray(decoded.pixels)
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    name = hashlib.sha256(out.getvalue()).hexdigest()[:32]
    try:
        _keep(folder(pool), name, out.getvalue())
    except OSError:  # a pool that cannot be written
        _memory[pool, name] = out.getvalue()
        while len(_memory) > KEPT:
            _memory.popitem(last=False)
    return name, *picture.size


def _keep(place: Path, name: str, jpeg: bytes) -> None:
    place.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=place, prefix=f".{name}.")
    with open(handle, "wb") as stream:
        stream.write(jpeg)
    os.replace(part, place / f"{name}.jpg")
    ages = {}
    for file in place.glob("*.jpg"):
        with suppress(FileNotFoundError):  # another request was faster
            ages[file] = file.stat().st_mtime_ns
    for old in sorted(ages, key=ages.__getitem__)[:-KEPT]:
        old.unlink(missing_ok=True)


def read(pool: Path, name: str) -> bytes:
    """The JPEG of an id. Raises BadInput."""
    if re.fullmatch(r"[0-9a-f]{32}", name):
        if (pool, name) in _memory:
            return _memory[pool, name]
        with suppress(OSError):
            return (folder(pool) / f"{name}.jpg").read_bytes()
    raise BadInput("the picture of this search is no longer in the pool; drop it into the search box again")
