"""Pictures to search by: kept small in the pool's folder, so that the address of a view holds for everybody."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

from veduta.engine.decode import decode
from veduta.errors import BadInput

SIDE = 512
KEPT = 200
LARGEST = 32 << 20


def folder(pool: Path) -> Path:
    """Where they are."""
    return pool / "artifacts" / "queries"


def store(pool: Path, data: bytes) -> tuple[str, int, int]:
    """Keep a picture; returns its id, width and height. Raises Undecodable; the newest 200 stay."""
    from PIL import Image

    decoded = decode(data, side=SIDE)
    picture = Image.fromarray(decoded.pixels)
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    name = hashlib.sha256(out.getvalue()).hexdigest()[:32]
    place = folder(pool)
    place.mkdir(parents=True, exist_ok=True)
    part = place / f".{name}.part"
    part.write_bytes(out.getvalue())
    part.replace(place / f"{name}.jpg")
    for old in sorted(place.glob("*.jpg"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)
    return name, *picture.size


def read(pool: Path, name: str) -> bytes:
    """The JPEG of an id. Raises BadInput."""
    if re.fullmatch(r"[0-9a-f]{32}", name):
        place = folder(pool) / f"{name}.jpg"
        if place.exists():
            return place.read_bytes()
    raise BadInput("the picture of this search is no longer in the pool; drop it into the search box again")
