"""The plain commands on a pool: view, search, index, show, log, undo, recipe, check, export."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated, Any

import typer

from veduta.cli.console import table

PoolPath = Annotated[Path, typer.Argument(metavar="POOL", help="the pool's folder")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object a line, for machines")]
Where = Annotated[str | None, typer.Option("--where", metavar="SQL", help="only rows that satisfy this condition")]


def view(
    pool: PoolPath,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="where to listen: this machine alone, or an address that others can reach"
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65000, help="the first port to try")] = 8642,
    open: Annotated[bool, typer.Option("--open/--no-open", help="open a browser")] = True,
) -> None:
    """See, search, review and decide on a pool in the browser.

    Example: veduta view photos.vd
    """
    from veduta.app.serve import serve

    serve(pool, host, port, open, typer.echo)


def search(
    pool: PoolPath,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="words to look for")] = None,
    image: Annotated[Path | None, typer.Option("--image", metavar="FILE", help="a picture to look for")] = None,
    row: Annotated[str | None, typer.Option("--row", metavar="KEY", help="a row of the pool to look for")] = None,
    k: Annotated[int, typer.Option("-k", help="how many")] = 20,
    where: Where = None,
    embedding: Annotated[str, typer.Option("--embedding", metavar="COLUMN", help="which embedding")] = "embedding",
    dedup: Annotated[
        float | None, typer.Option("--dedup", metavar="COSINE", help="drop results this similar to an earlier one")
    ] = None,
    sheet: Annotated[Path | None, typer.Option("--sheet", metavar="FILE.png", help="write a contact sheet")] = None,
) -> None:
    """Find images by words, by a picture or by a row, with an SQL condition in the same query.

    Example: veduta search photos.vd "a red car" --where "width > 1000" --sheet cars.png
    """
    from veduta.pool import Pool
    from veduta.search import search as run

    target = Pool.open(pool)
    hits = run(target, text=text, image=image, row=row, k=k, where=where, embedding=embedding, dedup=dedup)
    label = target.take(hits.rows, ["label"])["label"].to_pylist() if len(hits.rows) else []
    if sheet:  # before the table, whose reader may close the pipe
        from veduta.search.sheet import contact_sheet

        captions = [f"{score:.3f} {key}" for score, key in zip(hits.scores, hits.keys, strict=True)]
        contact_sheet(target, hits.rows, captions=captions).save(sheet)
        typer.echo(f"contact sheet: {sheet}", err=True)
    table(
        ["score", "key", "label"],
        [(f"{s:.3f}", key, name) for s, key, name in zip(hits.scores, hits.keys, label, strict=True)],
    )


def index(
    pool: PoolPath,
    column: Annotated[str, typer.Option("--column", metavar="NAME", help="which vectors")] = "embedding",
    code_bytes: Annotated[int | None, typer.Option("--code-bytes", metavar="N", help="bytes a row, at most")] = None,
) -> None:
    """Build the vector index of a large pool now (search builds it by itself when it first needs one).

    Example: veduta index photos.vd --column embedding_text
    """
    from veduta.pool import Pool
    from veduta.search import index as run

    typer.echo(str(run(Pool.open(pool), column, code_bytes=code_bytes)))


def show(
    pool: PoolPath,
    where: Where = None,
    columns: Annotated[str | None, typer.Option("--columns", metavar="A,B,...", help="which columns")] = None,
    limit: Annotated[int, typer.Option("--limit", help="how many rows")] = 20,
    version: Annotated[int | None, typer.Option("--version", help="an older version of the pool")] = None,
    json: Json = False,
) -> None:
    """Show a pool: without options its columns and where they come from, else rows.

    Example: veduta show photos.vd --where "quality_blurry > 0.5" --columns key,quality_blurry
    """
    from veduta.pool import Pool

    target = Pool.open(pool, version)
    if where is None and columns is None:
        bad = target.dataset.count_rows("error is not null")
        typer.echo(f"{pool}: {len(target):,} images ({bad:,} cannot be decoded), version {target.version}")
        shown = [f for f in target.schema if f.name not in ("image",)]
        origin = [target.provenance(f.name).get("operation", "source") for f in shown]
        table(["column", "type", "made by"], [(f.name, f.type, o) for f, o in zip(shown, origin, strict=True)])
        return
    names = [c.strip() for c in columns.split(",")] if columns else ["key", "width", "height", "label", "error"]
    rows = target.table(names, where=where, limit=limit)
    if json:
        for entry in rows.to_pylist():
            typer.echo(json_.dumps(entry, ensure_ascii=False, default=str))
        return
    table(names, [tuple(entry.values()) for entry in rows.to_pylist()])
    total = len(target.where(where)) if where is not None else len(target)
    if total > limit:
        typer.echo(f"{limit} of {total:,} rows; --limit shows more", err=True)


def log(pool: PoolPath, json: Json = False) -> None:
    """Show what was done to a pool: every run with its parameters, versions, rows and time.

    Example: veduta log photos.vd
    """
    from dataclasses import asdict

    from veduta.pool import Pool

    target = Pool.open(pool)
    if json:
        for record in target.log():
            typer.echo(json_.dumps(asdict(record), ensure_ascii=False, default=str))
        return
    rows = [
        (
            f"{r.before} -> {r.version}",
            r.started,
            r.operation,
            f"{r.rows:,}",
            f"{r.seconds:.1f} s",
            _brief(r.parameters),
        )
        for r in target.log()
    ]
    table(["version", "when", "operation", "rows", "time", "parameters"], rows)


def _brief(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in parameters.items() if v not in (None, "", [], {}))


def undo(
    pool: PoolPath,
    to: Annotated[int | None, typer.Option("--to", metavar="VERSION", help="go back to this version")] = None,
) -> None:
    """Undo the last run, or go back to a version; this too is a new version and can be undone.

    Example: veduta undo photos.vd --to 4
    """
    from veduta.pool import Pool

    target = Pool.open(pool).undo(to)
    typer.echo(f"{pool} is now as it was at version {target.log()[-1].parameters['to']} (new version {target.version})")


def recipe(pool: PoolPath) -> None:
    """Print the recipe that made a pool; `veduta curate --recipe` takes it.

    Example: veduta recipe photos.vd > mine.yaml
    """
    import yaml

    from veduta.pool import Pool

    steps = Pool.open(pool).recipe()
    typer.echo(yaml.safe_dump({"name": pool.stem, "steps": steps}, sort_keys=False, allow_unicode=True), nl=False)


def check(
    pool: PoolPath,
    repair: Annotated[
        bool, typer.Option("--repair", help="set aside what is damaged and keep the rest; deletes nothing")
    ] = False,
    json: Json = False,
) -> None:
    """Compare every file, stored image and record with what was written; status 1 if something is wrong.

    Example: veduta check photos.vd --repair
    """
    from veduta.pool.check import check as run

    found = run(pool, repair=repair)
    typer.echo(json_.dumps(found.to_json(), ensure_ascii=False) if json else str(found))
    if not found.sound:
        raise typer.Exit(1)


def export(
    pool: PoolPath,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="where to write; must not exist")],
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="folder, webdataset, parquet, coco, huggingface, manifest; default: by the suffix of TARGET",
        ),
    ] = None,
    selection: Annotated[
        str | None, typer.Option("--selection", metavar="NAME", help="only rows that this selection keeps")
    ] = None,
    where: Where = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B,...", help="further columns (embeddings, scores)")
    ] = None,
    include_gone: Annotated[
        bool, typer.Option("--include-gone", help="also rows that their source no longer offers")
    ] = False,
    croissant: Annotated[bool, typer.Option("--croissant", help="write Croissant metadata beside it")] = False,
) -> None:
    """Write images and what is known about them in a format others read; bytes and names stay as they are.

    Example: veduta export photos.vd clean --format webdataset --selection proposed
    """
    from veduta.pool import Pool
    from veduta.pool.writers import export as run

    names = [c.strip() for c in columns.split(",")] if columns else None
    source = Pool.open(pool)
    report = run(
        source.where(where) if where is not None else source,
        target,
        format,
        selection=selection,
        columns=names,
        gone=include_gone,
        croissant=croissant,
    )
    typer.echo(str(report))
    if report.missing:
        raise typer.Exit(3)


COMMANDS = (view, search, index, show, log, undo, recipe, check, export)
