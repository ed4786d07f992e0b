"""The commands that read a source: look, curate, ingest; they share the options that override a reader's guesses."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated, Any

import typer

from veduta.cli.console import progress, table

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="folder, archive, table, data set or URL of images")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="POOL", help="the pool: a new folder, or one to add to")
]
Json = Annotated[bool, typer.Option("--json", help="one JSON object a line, for machines")]
Store = Annotated[
    str,
    typer.Option("--store", metavar="copy|reference", help="keep the bytes in the pool, or leave them where they are"),
]
Format = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="the source's format, where it is not plain")
]
Layout = Annotated[
    str | None,
    typer.Option("--layout", metavar="NAME", help="the annotations' layout (yolo, voc, ...), or none; else recognised"),
]
LabelFrom = Annotated[
    str | None,
    typer.Option("--label-from", metavar="folder|none|COLUMN", help="where labels come from; else decided and told"),
]
ImageColumn = Annotated[
    str | None,
    typer.Option("--image-column", metavar="NAME", help="the column of a table that holds or names its images"),
]
KeyColumn = Annotated[str | None, typer.Option("--key-column", metavar="NAME", help="a table's column of keys")]
Root = Annotated[
    list[str] | None,
    typer.Option("--root", metavar="DIR", help="where the files lie that the source names; may be given several times"),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="of a table's text, where it is not UTF-8: cp1251, ...")
]
Config = Annotated[
    str | None, typer.Option("--config", metavar="NAME", help="which configuration of a Hub repository, of several")
]
BoxesAreRaw = Annotated[
    bool, typer.Option("--boxes-are-raw", help="boxes refer to the stored pixels, before EXIF orientation")
]
AllowPrivate = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-private", metavar="HOST", help="a server of your own network that links may name; repeatable"
    ),
]


def _options(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value}


def look(
    source: Source,
    format: Format = None,
    layout: Layout = None,
    label_from: LabelFrom = None,
    image: ImageColumn = None,
    key: KeyColumn = None,
    root: Root = None,
    encoding: Encoding = None,
    config: Config = None,
    boxes_are_raw: BoxesAreRaw = False,
    allow_private: AllowPrivate = None,
    rows: Annotated[int, typer.Option("--rows", min=0, help="how many first rows to show")] = 5,
    json: Json = False,
) -> None:
    """Show what would become of a source, before anything is read into a pool.

    Example: veduta look downloads/export.zip
    """
    from veduta.pool.readers.look import look as run

    options = _options(
        layout=layout,
        label_from=label_from,
        image=image,
        key=key,
        root=root,
        encoding=encoding,
        config=config,
        boxes_are_raw=boxes_are_raw,
        allow_private=allow_private,
    )
    seen = run(source, format=format, rows=rows, **options)
    if json:
        told = {"event": "source", **seen.facts, "whole": seen.whole, "lines": seen.lines, "first_rows": seen.rows}
        typer.echo(json_.dumps(told, ensure_ascii=False, default=str))
        return
    typer.echo(f"{source}")
    for line in seen.lines:
        typer.echo(f"  {line}")
    if seen.rows:
        names = list(dict.fromkeys(name for row in seen.rows for name in row))[:8]
        typer.echo("")
        table(names, [[_short(name, row.get(name)) for name in names] for row in seen.rows])


def _short(name: str, value: Any) -> str:
    if name == "objects" and value:
        things = ", ".join(
            f"{o['class']} {[round(v, 1) for v in o['box']] if o['box'] else ''}".strip() for o in value[:2]
        )
        return things + (f", ... ({len(value)})" if len(value) > 2 else "")
    text = "" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def curate(
    source: Source,
    output: Output,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", metavar="FILE", help="YAML, or a recipe's name, in the place of the default recipe"),
    ] = None,
    encoder: Annotated[
        str, typer.Option("--encoder", metavar="URI", help="offline, onnx:PATH, timm:NAME, open_clip:ARCH/TAG")
    ] = "offline",
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="A,B,...", help="names for zero-shot tags")
    ] = None,
    store: Store = "copy",
    format: Format = None,
    layout: Layout = None,
    label_from: LabelFrom = None,
    image: ImageColumn = None,
    key: KeyColumn = None,
    root: Root = None,
    encoding: Encoding = None,
    config: Config = None,
    boxes_are_raw: BoxesAreRaw = False,
    allow_private: AllowPrivate = None,
    json: Json = False,
) -> None:
    """Turn a pile of images into a pool you can trust, with a report.

    Example: veduta curate ~/photos -o photos.vd
    """
    from veduta.curation import curate as run
    from veduta.encode import shared

    on = progress(json)
    if recipe is None:
        chosen = shared(encoder)
        on.say(f"encoder: {chosen.uri}" + (f" (the offline fallback). {chosen.advice}" if chosen.advice else ""))
    names = [name.strip() for name in (classes or "").split(",") if name.strip()]
    options = _options(
        layout=layout,
        label_from=label_from,
        image=image,
        key=key,
        root=root,
        encoding=encoding,
        config=config,
        boxes_are_raw=boxes_are_raw,
        allow_private=allow_private,
    )
    done = run(
        source, output, recipe=recipe, encoder=encoder, classes=names, store=store, format=format, on=on, **options
    )
    if not json:
        _next(done, output)
    _end(done.run.ingest, done.pool)


def _next(done: Any, output: Path) -> None:
    pool, chosen = done.pool, done.run.selections.get("proposed")
    kept = f"; the proposed selection keeps {len(chosen):,}" if chosen else ""
    typer.echo(f"\n{len(pool):,} images{kept}\n  pool    {output}\n  report  {done.report}\n\nNext:")
    typer.echo(f"  veduta view {output}")
    typer.echo(f'  veduta search {output} "a dog in the snow" --sheet found.png')
    if chosen:
        typer.echo(f"  veduta export {output} clean --format folder --selection proposed")


def ingest(
    source: Source,
    output: Output,
    store: Store = "copy",
    format: Format = None,
    layout: Layout = None,
    label_from: LabelFrom = None,
    image: ImageColumn = None,
    key: KeyColumn = None,
    root: Root = None,
    encoding: Encoding = None,
    config: Config = None,
    boxes_are_raw: BoxesAreRaw = False,
    allow_private: AllowPrivate = None,
    json: Json = False,
) -> None:
    """Add images to a pool without annotating them.

    Example: veduta ingest photos.tar -o photos.vd
    """
    from veduta.pool import Pool

    pool = Pool.open(output) if Pool.is_there(output) else Pool.create(output)
    options = _options(
        layout=layout,
        label_from=label_from,
        image=image,
        key=key,
        root=root,
        encoding=encoding,
        config=config,
        boxes_are_raw=boxes_are_raw,
        allow_private=allow_private,
    )
    report = pool.ingest(source, store=store, format=format, on=progress(json), **options)
    _end(report)


def _end(report: Any, pool: Any = None) -> None:
    """Status 3 where a part of the source was out of reach: nothing is lost, and the same command is to be run again."""
    from veduta.pool import unread

    if (report is not None and report.outcomes["away"]) or (pool is not None and unread.told(pool)):
        raise typer.Exit(3)


COMMANDS = (curate, look, ingest)
