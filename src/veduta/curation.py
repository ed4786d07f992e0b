"""The main job: one command turns a source of images into a pool one can trust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veduta.engine import progress
from veduta.engine.recipe import Recipe, RecipeRun, run_recipe
from veduta.errors import BadInput
from veduta.pool import Pool


@dataclass
class Curated:
    """The pool, what the run did, and where the report is."""

    pool: Pool
    run: RecipeRun
    report: Path | None


def curate(
    source: Any,
    output: str | Path,
    *,
    recipe: str | Path | Recipe | None = None,
    encoder: str = "offline",
    classes: Sequence[str] = (),
    store: str = "copy",
    format: str | None = None,
    report: bool = True,
    on: progress.Progress | None = None,
    **options: Any,
) -> Curated:
    """Turn `source` into the pool `output`: checked, embedded, deduplicated, examined, with a report.

    source: a folder, archive, table, data set or URL (see `veduta.pool.readers`).
    output: a new folder, or the pool of an earlier run, to which only what is new is added.
    recipe: a YAML file in the place of the default recipe.
    classes: names for zero-shot tags.
    store: "copy" keeps the original bytes in the pool, "reference" leaves them where they are.
    options: what a reader would guess otherwise (`layout`, `label_from`, `image`, `key`, `root`); see `veduta.look`.
    """
    from veduta.engine.ingest import reader_of
    from veduta.pool.readers import open_source

    on = on or progress.Silent()
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe, {"encoder": encoder, "classes": list(classes)})
    output = Path(output)
    _refuse_inside(source, output)
    if Pool.is_there(output):
        pool = Pool.open(output)
        reader = reader_of(pool, source, format, options)
    else:
        reader = open_source(source, format, **options)  # before a pool is made for nothing
        pool = Pool.create(output)
    run = run_recipe(pool, recipe, source=reader, store=store, on=on)
    place = None
    if report:
        from veduta.judge.pool_report import pool_report

        with progress.stage(on, "report"):
            page = pool_report(pool, timings=run.stages, source=str(source))
            place = page.save(output / "reports", "report")
    return Curated(pool, run, place)


def _refuse_inside(source: Any, output: Path) -> None:
    """A pool inside the folder that it is made from would be read as part of the source next time."""
    if (
        isinstance(source, (str, Path))
        and Path(source).is_dir()
        and output.resolve().is_relative_to(Path(source).resolve())
    ):
        raise BadInput(f"the pool {output} would lie inside its source {source}; name an output folder outside of it")
