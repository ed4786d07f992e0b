"""Write the reference pages that follow from the code: every operation, and the verdict of every proof."""

from __future__ import annotations

from pathlib import Path

from veduta.engine.registry import entries, find
from veduta.judge.proof import systems

PLACE = Path(__file__).parent / "reference"


def operations() -> str:
    """One section an operation: purpose, parameters with types and defaults, the class's words."""
    parts = ["# Operations", "", "Made from the classes; `veduta VERB OPERATION --help` says the same.", ""]
    classes = sorted(
        ((find(name), entry.value) for name, entry in entries().items()), key=lambda c: (c[0].verb, c[0].operation())
    )
    for cls, place in classes:
        name = cls.operation()
        parts += [f"## {cls.verb} {name}", "", f"`veduta {cls.verb} {name} POOL` · `{place.replace(':', '.')}`", ""]
        parts += [(cls.__doc__ or "").strip().replace("\n    ", "\n"), ""]
        if cls.model_fields:
            parts += ["| parameter | default | meaning |", "| --- | --- | --- |"]
        for field_name, field in cls.model_fields.items():
            default = "required" if field.is_required() else f"`{field.default!r}`"
            parts.append(f"| `{field_name}` | {default} | {(field.description or '').replace('|', chr(92) + '|')} |")
        parts.append("")
    return "\n".join(parts)


def proofs() -> str:
    """The table of `veduta systems`."""
    head = ["# Proofs", "", "Each published system's claim, measured: `veduta prove SYSTEM`.", ""]
    lines = ["| system | verdict | conditions met | claim |", "| --- | --- | --- | --- |"]
    for system in systems():
        met = f"{system.met} of {system.conditions}"
        lines.append(f"| {system.slug} | {system.verdict} | {met} | {system.claim} |")
    return "\n".join([*head, *lines, ""])


PYTHON = """# Python

::: veduta.open
::: veduta.create
::: veduta.curation.curate
::: veduta.pool.Pool
::: veduta.pool.view.View
::: veduta.pool.Selection
::: veduta.pool.Item
::: veduta.pool.Reader
::: veduta.engine.operation
::: veduta.engine.recipe
::: veduta.engine.decode
::: veduta.engine.task
::: veduta.errors
"""


def main() -> None:
    """Write the pages."""
    PLACE.mkdir(exist_ok=True)
    for name, text in (("operations", operations()), ("systems", proofs()), ("python", PYTHON)):
        (PLACE / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
