"""Pools out of Veduta: image folders, WebDataset, Parquet, COCO, Hugging Face data sets, manifests; one file a format."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veduta.errors import BadInput, SourceAway
from veduta.pool import withdrawn
from veduta.pool.selection import Selection, column_names
from veduta.pool.view import View
from veduta.pool.writers.options import checked as told
from veduta.pool.writers.rows import Rows, WriteReport, default_columns, has_values
from veduta.pool.writers.stage import staged

__all__ = ["FORMATS", "WriteReport", "export"]

# Format -> whether it is a folder.
FORMATS = {"folder": True, "webdataset": True, "parquet": False, "coco": True, "huggingface": True, "manifest": False}
_BY_SUFFIX = {".parquet": "parquet", ".jsonl": "manifest", ".csv": "manifest", "": "folder"}


def export(
    view: View,
    target: str | Path,
    format: str | None = None,
    *,
    selection: str | Selection | None = None,
    columns: Sequence[str] | None = None,
    errors: bool = False,
    gone: bool = False,
    croissant: bool = False,
    **options: Any,
) -> WriteReport:
    """Write the rows of a pool or view to the new file or folder `target`, with original bytes and names.

    format: one of FORMATS; from the target's suffix when None (.parquet; .jsonl and .csv are manifests; a folder
    otherwise). selection: a stored selection's name, or a Selection, whose kept rows are written.
    columns: besides the key and the image; default: all but vectors. errors: also rows whose image cannot be decoded.
    gone: also rows that their source no longer offers. croissant: add Croissant metadata. options: the writer's own.
    The target appears when it is whole. Raises PoolExists if it exists, DiskFull if the disk runs full.
    """
    target = Path(target)
    form = format or _BY_SUFFIX.get(target.suffix.lower())
    if form not in FORMATS:
        near = difflib.get_close_matches(form or "", FORMATS, 1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; formats: {', '.join(FORMATS)}"
        raise BadInput(f"no export format '{form or target.suffix}'{hint}")
    writer = importlib.import_module(f"veduta.pool.writers.{form}")
    options = told(form, options)
    report = WriteReport(form, target)
    positions = _positions(view, selection, errors, gone, report)
    rows = Rows(view, positions, _columns(view, columns, form), report)
    with staged(target, folder=FORMATS[form]) as place:
        writer.write(rows, place, **options)
        _refuse_nothing(report)
        if croissant and FORMATS[form]:
            _describe(rows, place, target)
    if croissant and not FORMATS[form]:
        _describe(rows, target, target)
    return report


def _positions(
    view: View, selection: str | Selection | None, errors: bool, gone: bool, report: WriteReport
) -> np.ndarray:
    """Row positions to write; what is left out is counted."""
    rows = view.rows()
    if isinstance(selection, str):
        view.require(
            column_names(selection)[0],
            needed_by=f"exporting the selection '{selection}'",
            mend="see: pool.selections()",
        )
        kept = view.rows(f"{column_names(selection)[0]}")
        late = len(view.rows(f"{column_names(selection)[0]} is null"))
        if late:
            report.left_out["added after the selection was made; make it again to choose among them"] = late
    else:
        late = 0
        kept = rows if selection is None else np.intersect1d(rows, selection.rows())
    if len(kept) + late < len(rows):
        report.left_out["not in the selection"] = len(rows) - len(kept) - late
    out = {"withdrawn": withdrawn.rows(view)} | ({} if gone else {"no longer in the source": withdrawn.gone(view)})
    for reason, rows in out.items():
        rows = np.intersect1d(kept, rows)
        if len(rows):
            report.left_out[reason] = len(rows)
            kept = np.setdiff1d(kept, rows)
    if errors:
        return kept
    sound = np.intersect1d(kept, view.rows("error is null"))
    if len(sound) < len(kept):
        report.left_out["the image cannot be decoded"] = len(kept) - len(sound)
    return sound


def _columns(view: View, columns: Sequence[str] | None, form: str) -> list[str]:
    if columns is None:
        from veduta.pool.writers.manifest import IDENTITY

        return [*(IDENTITY if form == "manifest" else []), *default_columns(view)]
    for name in columns:
        view.require(name, needed_by="the export")
    if "image" in columns:
        raise BadInput("the images are always exported; leave 'image' out of the columns")
    return [name for name in dict.fromkeys(columns) if name != "key"]


def _refuse_nothing(report: WriteReport) -> None:
    """An export in which no image that is referred to could be read is not one."""
    away = len(report.missing)
    if away and not report.rows:
        example = next(iter(report.reasons.values()), "image bytes not found")
        raise SourceAway(
            f"none of the {away:,} images could be read, so nothing was written to {report.path} "
            f"(for example: {example}); run the same command again when the files are back"
        )


def _describe(rows: Rows, place: Path, target: Path) -> None:
    from veduta.pool.writers import croissant

    name = target.stem or "pool"
    words = f"{rows.report.rows} images exported by Veduta"
    licences = (
        {v for b in rows.values(["license"]) for v in b.column(0).to_pylist() if v}
        if has_values(rows.view, "license")
        else set()
    )
    licence = licences.pop() if len(licences) == 1 else None
    croissant.write(place, rows.schema(), name=name, description=words, license=licence)
