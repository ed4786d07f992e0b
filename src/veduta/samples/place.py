"""Where samples live on this machine, and how one gets there: whole or not at all."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from veduta.errors import SourceError
from veduta.samples.catalog import Sample, info

MARK = ".sample.json"


def cache() -> Path:
    """The folder of fetched samples: `VEDUTA_CACHE/samples`, by default `~/.cache/veduta/samples`."""
    named = os.environ.get("VEDUTA_CACHE")
    return (Path(named).expanduser() if named else Path.home() / ".cache" / "veduta") / "samples"


def data() -> Path | None:
    """The folder `VEDUTA_DATA`, or `shared/data` beside the checkout that this code runs from; None if neither is there."""
    if named := os.environ.get("VEDUTA_DATA"):
        return Path(named).expanduser()
    beside = Path(__file__).parents[3].parent / "shared" / "data"
    return beside if beside.is_dir() else None


def present(name: str) -> Path | None:
    """What `get` would return if the sample is on this machine already, else None. Never fetches."""
    sample = info(name)
    folder = data()
    if folder is not None and (folder / name / sample.file).exists():
        return folder / name / sample.file
    made = _made(sample)
    return made / sample.file if (made / MARK).exists() else None


def get(name: str) -> Path:
    """The folder or file of a sample, ready for `veduta curate`; fetched on the first call.

    Raises BadInput for an unknown name, SourceError with the mend where it cannot be had here. Finished downloads
    survive an interruption, and the folder appears under its name only when it is complete.
    """
    sample = info(name)
    have = present(name)
    if have is not None:
        return have
    if sample.build is None:
        raise SourceError(
            f"the sample '{name}' is not on this machine and no package carries it; "
            f"put it into the folder $VEDUTA_DATA/{name} (its source: {sample.origin})"
        )
    module, _, function = sample.build.partition(":")
    target = _made(sample)
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
    try:
        notes = getattr(importlib.import_module(module), function)(building) or {}
        (building / "SOURCE.md").write_text(_source_page(sample), "utf-8")
        record = {**asdict(sample), "renames": dict(sample.renames), **notes}
        (building / MARK).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        os.chmod(building, 0o755)  # temporary folders are private, samples need not be
        try:
            os.rename(building, target)
        except OSError:
            if not (target / MARK).exists():  # another process finished first: its folder is as good as ours
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target / sample.file


def _made(sample: Sample) -> Path:
    return cache() / f"{sample.name}-{sample.version}"


def _source_page(sample: Sample) -> str:
    return (
        f"# {sample.name}\n{sample.about}\n\nOrigin: {sample.origin}\nAttribution: {sample.attribution}\n"
        f"Licence: {sample.licence}\n"
    )
