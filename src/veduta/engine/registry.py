"""Operations by name. Packages register theirs under the entry-point group `veduta.operations`.

A name is `operation`, or `verb.operation` where another verb has an operation of that name (`learn.classify` and
`annotate`'s `classify`).
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from veduta.engine.operation import Operation
from veduta.errors import BadInput, VedutaError

GROUP = "veduta.operations"
VERBS = ("annotate", "select", "learn", "generate", "judge")


@cache
def entries() -> dict[str, EntryPoint]:
    """All registered operations, not yet imported, by name."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def find(name: str) -> type[Operation]:
    """The operation called `name`, imported now."""
    if name not in entries():
        verb, _, rest = name.partition(".")
        if verb in VERBS and rest in of_verb(verb):
            return find(rest)
        near = difflib.get_close_matches(name, entries(), 1)
        hint = f"; did you mean '{near[0]}'?" if near else "; see: veduta ops"
        raise BadInput(f"there is no operation '{name}'{hint}")
    loaded = entries()[name].load()
    if not (isinstance(loaded, type) and issubclass(loaded, Operation)):
        raise VedutaError(
            f"the entry point '{name}' ({entries()[name].value}) is not an operation; report it to its package"
        )
    return loaded


def of_verb(verb: str) -> dict[str, EntryPoint]:
    """Entry points of one verb by the operation's name; an operation in another verb's room is not imported to learn
    that it is none.
    """
    chosen = {}
    for name, entry in entries().items():
        room = entry.module.split(".")[1] if entry.module.startswith("veduta.") else ""
        if (room if room in VERBS else find(name).verb) == verb:
            chosen[name.removeprefix(f"{verb}.")] = entry
    return chosen
