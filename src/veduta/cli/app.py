"""The grammar: `veduta VERB OPERATION POOL [--flags]`, and the plain commands."""

from __future__ import annotations

import inspect
import json as json_
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from veduta._version import __version__
from veduta.cli import catalogue, plain, sources
from veduta.cli.console import progress

VERBS = {
    "annotate": "Add columns to a pool (embeddings, quality, clusters, ...).",
    "select": "Choose rows of a pool, with a reason for every row left out.",
    "learn": "Train a model on a pool or a part of it; the same command goes on where it was interrupted.",
    "judge": "Measure a pool, a model, or both; writes a report.",
}

PoolPath = Annotated[Path, typer.Argument(metavar="POOL", help="the pool's folder")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object a line, for machines")]


def build(arguments: Sequence[str]) -> Any:
    """The command line as a callable; operations are imported only for the verb that `arguments` names."""
    app = typer.Typer(
        name="veduta",
        help="Veduta turns a pile of images into a dataset you can trust.\n\nStart with: veduta curate PHOTOS -o photos.vd",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_veduta)
    for function in (*sources.COMMANDS, *plain.COMMANDS, *catalogue.COMMANDS):
        app.command(function.__name__.rstrip("_"))(function)
    for verb, words in VERBS.items():
        group = typer.Typer(help=words, no_args_is_help=True, rich_markup_mode=None)
        if arguments and arguments[0] == verb:
            _fill(group, verb)
        app.add_typer(group, name=verb)
    samples = typer.Typer(
        help="Named public data sets for trying Veduta out.", rich_markup_mode=None, invoke_without_command=True
    )
    catalogue.samples(samples)
    app.add_typer(samples, name="samples")
    return typer.main.get_command(app)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"veduta {__version__}")
        raise typer.Exit


def _veduta(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What can be asked of the command itself."""


def _fill(group: typer.Typer, verb: str) -> None:
    from veduta.cli.fields import command
    from veduta.engine.registry import find, of_verb

    run = {"annotate": _annotate, "select": _select, "learn": _learn, "judge": _judge}[verb]
    extra = list(inspect.signature(run, eval_str=True).parameters.values())[1:]
    for name in of_verb(verb):
        cls = find(f"{verb}.{name}")
        group.command(name, short_help=cls.purpose())(command(cls, run, extra))


def _annotate(
    operation: Any,
    pool: PoolPath,
    *,
    where: Annotated[str | None, typer.Option("--where", metavar="SQL", help="only these rows")] = None,
    json: Json = False,
) -> None:
    from veduta.pool import Pool, unread

    target = Pool.open(pool)
    before = target.version
    target.annotate(operation, where=where, on=progress(json))
    left = unread.told(target, operation.adds().names)
    if target.version == before:
        typer.echo(f"{pool}: " + ("nothing more could be read" if left else "up to date, nothing to do"), err=True)
    if left:
        raise typer.Exit(3)


def _select(
    operation: Any,
    pool: PoolPath,
    *,
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="name of the selection")] = None,
    json: Json = False,
) -> None:
    from veduta.pool import Pool

    chosen = Pool.open(pool).select(operation, name=name, on=progress(json))
    typer.echo(
        f"{chosen.name}: {len(chosen):,} of {len(chosen.keep):,} rows kept; "
        f"see why: veduta show {pool} --where 'not select_{chosen.name}' --columns key,reason_{chosen.name}",
        err=json,
    )


def _learn(
    operation: Any,
    pool: PoolPath,
    *,
    where: Annotated[str | None, typer.Option("--where", metavar="SQL", help="train on these rows only")] = None,
    selection: Annotated[
        str | None, typer.Option("--selection", metavar="NAME", help="train on the rows that this selection keeps")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="name of the run's folder in POOL/runs")
    ] = None,
    json: Json = False,
) -> None:
    from veduta.learn.runs import first_process
    from veduta.pool import Pool

    run = operation.learn(Pool.open(pool), where=where, selection=selection, name=name, on=progress(json))
    if json or not first_process():
        return
    curve = f"\n  curve   {run.path / 'curve.png'}" if (run.path / "curve.png").exists() else ""
    typer.echo(f"\n{run.summary()}\n  run     {run.path}{curve}\n\nNext:")
    for command, words in run.next_steps(pool):
        typer.echo(f"  {command}    {words}")


def _judge(operation: Any, pool: PoolPath, *, json: Json = False) -> None:
    from veduta.pool import Pool

    target = Pool.open(pool)
    operation.check(target)
    report = operation.watched(target, progress(json))
    page = str(report.save(pool / "reports", operation.operation()))
    verdict = re.sub(r"\*\*|`", "", report.verdict)
    notes = [str(note) for note in report.facts.get("notes", [])]
    if json:
        typer.echo(json_.dumps({"event": "report", "verdict": verdict, "notes": notes, "page": page}))
        return
    typer.echo("\n".join(part for part in (verdict, *notes, page) if part))
