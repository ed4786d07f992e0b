"""Exports: rows of a selection or of a view, written by a job under `<pool>/exports`, and sent as a zip file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from veduta.engine.progress import Progress, stage
from veduta.errors import BadInput
from veduta.pool import Pool
from veduta.pool.selection import Selection
from veduta.pool.writers import FORMATS
from veduta.pool.writers import export as write

FOLDER = "exports"
SUFFIXES = {"manifest": ".jsonl", "parquet": ".parquet"}
PIECE = 1 << 20


def found(pool: Path, name: str) -> Path | None:
    """The folder or file of an export, None where there is none. name: without suffix, and no path."""
    places = [pool / FOLDER / name, *(pool / FOLDER / f"{name}{suffix}" for suffix in SUFFIXES.values())]
    return next((place for place in places if place.exists() and not place.is_symlink()), None)


def export(pool: Pool, task: dict[str, Any], on: Progress) -> dict[str, Any]:
    """Write what a job asks for: {"operation": format, "name", "selection" or "state", "options"}; returns what there is to tell."""
    form, name, state = task["operation"], task["name"], task.get("state")
    if form not in FORMATS:
        raise BadInput(f"there is no format '{form}'; there are {', '.join(FORMATS)}")
    chosen: str | Selection | None = task.get("selection")
    if state is not None:
        pool, chosen = _of_view(pool, state)
    target = pool.path / FOLDER / f"{name}{SUFFIXES.get(form, '')}"
    with stage(on, f"export {form}") as facts:
        report = write(pool, target, form, selection=chosen, **task.get("options", {}))
        facts["rows"] = report.rows
    return {"export": name, "summary": str(report)}


def _of_view(pool: Pool, state: dict[str, Any]) -> tuple[Pool, Selection]:
    from veduta.app.held import Held
    from veduta.app.state import ViewState
    from veduta.app.view import Views

    wanted = ViewState.model_validate(state)
    pool = pool.at(wanted.version or pool.version)
    keep = np.zeros(pool.dataset.count_rows(), bool)
    keep[Views(pool.path, Held()).rows(pool, wanted).rows] = True
    return pool, Selection.of("view", keep, "not in the view")


def zipped(place: Path) -> Iterator[bytes]:
    """A file or folder as a zip file, packed while it is sent; links are left out. Memory: one piece and the directory."""
    sink = _Sink()
    files = [place] if place.is_file() else sorted(f for f in place.rglob("*") if f.is_file() and not f.is_symlink())
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for file in files:
            # Names that are not UTF-8 come as lone surrogates, which no zip file can hold.
            name = file.relative_to(place.parent).as_posix().encode("utf-8", "replace").decode("utf-8")
            with file.open("rb") as source, archive.open(name, "w", force_zip64=True) as out:
                while piece := source.read(PIECE):
                    out.write(piece)
                    yield sink.take()
    yield sink.take()


class _Sink:
    """Takes what a zip file writes and hands it on."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def take(self) -> bytes:
        out, self.parts = b"".join(self.parts), []
        return out
