"""The columns that a source brings, as the pool has them."""

from __future__ import annotations

import pyarrow as pa

from veduta.engine.columns import ASIDE, widen
from veduta.engine.room import told
from veduta.pool import Pool, Reader, roles
from veduta.pool.readers.infer import join
from veduta.pool.schema import CORE, OWN


def renamed(pool: Pool, reader: Reader, said: list[str]) -> dict[str, str]:
    """The source's fields of names that the pool uses itself, or that an operation has written -> their names here.

    said: gets a sentence for each operation whose columns are new.
    """
    made = [name for name in reader.columns() if name in pool.schema.names and _is_made(pool, name)]
    new = {name: f"source_{name}" for name in made if f"source_{name}" not in pool.schema.names}
    for operation in dict.fromkeys(pool.provenance(name)["operation"] for name in new):
        own = {name: here for name, here in new.items() if pool.provenance(name)["operation"] == operation}
        said.append(told(own, operation))
    own = [*OWN, *roles.names(pool.schema), *made]
    return {name: f"source_{name}" for name in [*OWN, *reader.columns()] if name in own}


def declared(pool: Pool, reader: Reader, renamed: dict[str, str], said: list[str]) -> list[pa.Field]:
    """The source's own columns, declared in the pool. said: gets a sentence for each that was given another type."""
    fields = []
    for name, kind in reader.columns().items():
        name = renamed.get(name, name)
        if name + ASIDE in pool.schema.names:  # a run was killed while it widened the column
            widen(pool, name, join(pool.schema.field(name + ASIDE).type, kind))
        if name in pool.schema.names and name not in CORE.names:
            have = pool.schema.field(name)
            kind = _wide_enough(pool, have, kind, said)
        elif name not in CORE.names:
            pool.define(pa.schema([pa.field(name, kind)]))
        if name not in CORE.names:
            fields.append(pa.field(name, kind))
    return fields


def _wide_enough(pool: Pool, have: pa.Field, kind: pa.DataType, said: list[str]) -> pa.DataType:
    """The type of a column that is there and of what the source brings now; the column is given it."""
    both = join(have.type, kind)
    if both == have.type or pool.provenance(have.name) or not _is_plain(have.type) or not _is_plain(both):
        return have.type
    try:
        widen(pool, have.name, both)
    except pa.ArrowInvalid:  # whole numbers that no float holds
        both = pa.string()
        widen(pool, have.name, both)
    said.append(f"the column {have.name} is {both} now, no longer {have.type}: the source has other values")
    return both


def _is_plain(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or kind == pa.string()


def _is_made(pool: Pool, name: str) -> bool:
    """Whether an operation wrote the column, and no source."""
    return name not in CORE.names and bool(pool.provenance(name)) and not _from_source(pool, name)


def _from_source(pool: Pool, name: str) -> bool:
    """Whether a column came with a source and was changed by an operation since."""
    return name in roles.shadows(pool.schema)
