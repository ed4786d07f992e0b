"""GET /reports: reports, runs and proofs, and a report's page."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, Response
from pydantic import BaseModel

from veduta.app.session import Here
from veduta.errors import BadInput

router = APIRouter()
# A report brings its own policy as well; here it loses its origin, so that it can ask nothing of this server.
SANDBOX = (
    "sandbox allow-scripts allow-popups; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


class Listed(BaseModel):
    """Something that was made. kind: report (has a page) or run. title: what it says of itself."""

    name: str
    kind: str
    made: str
    title: str


@router.get("/reports")
def reports(here: Here) -> list[Listed]:
    """Reports and runs in the pool's folder, newest first."""
    found = [
        Listed(name=file.stem, kind="report", made=_made(file), title=_title(file.with_suffix(".json"), "title"))
        for file in (here.path / "reports").glob("*.html")
    ]
    found += [
        Listed(name=file.parent.name, kind="run", made=_made(file), title=_title(file, "operation"))
        for file in (here.path / "runs").glob("*/veduta.json")
    ]
    return sorted(found, key=lambda listed: listed.made, reverse=True)


@router.get("/reports/{name}", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def report(here: Here, name: str) -> Response:
    """A report's page."""
    place = here.path / "reports" / f"{name}.html"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name) or not place.exists():
        raise BadInput(f"the pool has no report '{name}'; reports are made by veduta judge")
    return Response(place.read_bytes(), media_type="text/html", headers={"content-security-policy": SANDBOX})


def _made(file: Path) -> str:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _title(file: Path, field: str) -> str:
    try:
        return str(json.loads(file.read_text("utf-8")).get(field) or "")
    except (OSError, ValueError, AttributeError):
        return ""
