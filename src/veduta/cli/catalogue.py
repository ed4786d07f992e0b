"""The plain commands on Veduta itself: ops, systems, prove, samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veduta.cli.console import table


def ops(
    verb: Annotated[str | None, typer.Argument(metavar="[VERB]", help="annotate, select, learn, judge")] = None,
) -> None:
    """List every operation with its purpose, those of installed plug-ins included.

    Example: veduta ops select
    """
    from veduta.engine.registry import entries, find

    classes = [(name, find(name), entry) for name, entry in entries().items()]
    order = sorted((c for c in classes if verb in (None, c[1].verb)), key=lambda c: (c[1].verb, c[1].operation()))
    home = {name: (entry.dist.name if entry.dist else "?") for name, _, entry in order}
    table(
        ["verb", "operation", "purpose", "from"],
        [(cls.verb, cls.operation(), cls.purpose(), home[name]) for name, cls, _ in order],
    )


def systems() -> None:
    """List the published systems with the verdicts of their proofs.

    Example: veduta systems
    """
    from veduta.judge.proof import systems as run

    columns = ["system", "verdict", "conditions met", "measured", "claim"]
    table(columns, [(s.slug, s.verdict, f"{s.met} of {s.conditions}", s.date, s.claim) for s in run()])


def prove(
    slug: Annotated[str, typer.Argument(metavar="SYSTEM", help="see: veduta systems")],
    scale: Annotated[str, typer.Option("--scale", metavar="cpu|gpu")] = "cpu",
    seed: Annotated[int, typer.Option("--seed")] = 0,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="data nobody tuned it on")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="a rehearsal on a fraction of the data; its verdict counts for nothing")
    ] = False,
) -> None:
    """Measure a published system's claim on real data; exits 0 only if it holds.

    Example: veduta prove off-the-shelf-features
    """
    from veduta.judge.proof import prove as run

    raise typer.Exit(run(slug, scale, seed, data, quick=quick))


def samples(group: typer.Typer) -> None:
    """Add `veduta samples` and `veduta samples get NAME` to the group."""

    @group.callback()
    def list_samples(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            from veduta import samples as room

            rows = [
                (name, room.info(name).images, room.info(name).licence, room.info(name).about) for name in room.names()
            ]
            table(["name", "images", "licence", "what"], rows)

    @group.command("get")
    def get(name: Annotated[str, typer.Argument(metavar="NAME", help="see: veduta samples")]) -> None:
        """Fetch a sample and print where it lies.

        Example: veduta samples get tux-stamps
        """
        from veduta import samples as room

        typer.echo(str(room.get(name)))


COMMANDS = (ops, systems, prove)
