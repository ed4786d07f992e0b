"""GET /reports: reports, runs and proofs, and a report's page."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from veduta.app.session import Here
from veduta.errors import BadInput
from veduta.judge import proof

router = APIRouter()
# A report brings its own policy as well; here it loses its origin, so that it can ask nothing of this server.
SANDBOX = (
    "sandbox allow-scripts allow-popups; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


class Listed(BaseModel):
    """Something that was made. kind: report (has a page), run, or proof (has a record). title: what it says of itself.
    verdict: of a proof, and whether its claim holds.
    """

    name: str
    kind: Literal["report", "run", "proof"]
    made: str
    title: str
    verdict: str | None = None
    holds: bool | None = None


@router.get("/reports")
def reports(here: Here) -> list[Listed]:
    """Reports and runs in the pool's folder, and the proofs of the systems that are installed, newest first."""
    found = [
        Listed(name=file.stem, kind="report", made=_made(file), title=_title(file.with_suffix(".json"), "title"))
        for file in (here.path / "reports").glob("*.html")
    ]
    found += [
        Listed(name=file.parent.name, kind="run", made=_made(file), title=_title(file, "operation"))
        for file in (here.path / "runs").glob("*/veduta.json")
    ]
    found += [
        Listed(name=s.slug, kind="proof", made=s.date, title=s.claim, verdict=s.verdict, holds=s.holds)
        for s in _proved()
    ]
    return sorted(found, key=lambda listed: listed.made, reverse=True)


@router.get("/reports/{name}", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def report(here: Here, name: str) -> Response:
    """A report's page."""
    place = here.path / "reports" / f"{name}.html"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name) or not place.exists():
        raise BadInput(f"the pool has no report '{name}'; reports are made by veduta judge")
    return Response(place.read_bytes(), media_type="text/html", headers={"content-security-policy": SANDBOX})


def _proved() -> list[proof.System]:
    """Systems whose proof was run, none where the proofs are not installed."""
    try:
        return [system for system in proof.systems() if system.holds is not None]
    except BadInput:
        return []


class Condition(BaseModel):
    """What a claim demands, as `measured >= bound`. interval: the uncertainty of what was measured."""

    name: str
    measured: float | None
    must: str
    bound: float | None
    interval: tuple[float, float] | None = None
    holds: bool


class Proved(BaseModel):
    """A published system's claim as it was measured. source: the paper. started: when; seconds: how long it took."""

    slug: str
    claim: str
    source: str = ""
    verdict: str
    holds: bool
    conditions: list[Condition]
    started: str
    seconds: float


@router.get("/proofs/{name}")
def proved(name: str) -> Proved:
    """What a proof measured, by the name of its system."""
    found = next((system for system in _proved() if system.slug == name), None)
    if found is None:
        raise BadInput(
            f"there is no result of a proof '{name:.100}'; make one: veduta prove NAME (see: veduta systems)"
        )
    return Proved(**json.loads((found.file.parent / "results" / f"{found.slug}.json").read_text("utf-8")))


def _made(file: Path) -> str:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _title(file: Path, field: str) -> str:
    try:
        return str(json.loads(file.read_text("utf-8")).get(field) or "")
    except (OSError, ValueError, AttributeError):
        return ""
