"""A proof on the terminal: claim, measured values, conditions, verdict."""

from __future__ import annotations

from typing import IO, Any

from veduta.judge.evidence import Interval, Proof


def show(proof: Proof, file: IO[str] | None = None) -> None:
    """Print a proof for a person; a terminal gets colours, a file plain text."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=file, highlight=False)
    console.print(f"[bold]{escape(proof.slug)}[/]: {escape(proof.claim)}")
    if proof.source:
        console.print(escape(proof.source), style="dim")
    if proof.measured:
        measured = Table("task", "arm", "metric", box=None, header_style="dim", pad_edge=False)
        for name in ("value", "95 %", "n"):
            measured.add_column(name, justify="right")
        last = ""
        for m in proof.measured:
            kind = "" if m.kind == "arm" else f" ({m.kind})"
            cells = [m.task if m.task != last else "", m.arm + kind, m.metric]
            measured.add_row(
                *map(escape, cells), _value(m.value), _interval(m.interval), "" if m.n is None else f"{m.n:,}"
            )
            last = m.task
        console.print(measured)
    conditions = Table("", "must hold", box=None, header_style="dim", pad_edge=False)
    for name in ("measured", "95 %", "bound"):
        conditions.add_column(name, justify="right")
    for c in proof.conditions:
        mark = "[green]yes[/]" if c.holds else "[red]NO[/]"
        conditions.add_row(
            mark, escape(c.name), _value(c.measured), _interval(c.interval), f"{c.must} {_value(c.bound)}"
        )
    console.print(conditions)
    for note in proof.notes:
        console.print(f"- {escape(note)}")
    record = proof.record
    if record:
        console.print(f"seed {record['seed']}, {record['seconds']:.0f} s, {_machine(record['hardware'])}", style="dim")
    if record.get("quick"):
        console.print(
            "quick run: a rehearsal on a fraction of the data, the verdict counts for nothing", style="yellow"
        )
    console.print(f"[bold {'green' if proof.holds else 'red'}]{escape(proof.verdict)}[/]")


def _value(value: float) -> str:
    return f"{value:.4g}" if abs(value) >= 10 else f"{value:.3f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{_value(interval[0])} to {_value(interval[1])}"


def _machine(hardware: dict[str, Any]) -> str:
    return ", ".join(str(hardware[key]) for key in ("cpu", "gpu") if key in hardware) + f", {hardware['cores']} cores"
