"""Columns that the pool keeps about its sources, beside the core ones. They are known by their role, not by their name.

origin: the source that a row came from. gone: why that source no longer offers it. given:NAME: what the source says in the
column NAME, where a person or an operation has changed that column since. All are declared when they are first needed, so
that pools of any age work without them.
"""

from __future__ import annotations

import pyarrow as pa

ROLE = b"veduta:role"
ORIGIN, GONE, GIVEN = "origin", "gone", "given:"
LATE = (GONE, "withdrawn")
"""Columns that are made when a row first needs them. Until then they can be read and asked of, and are null everywhere."""


def name(schema: pa.Schema, role: str) -> str | None:
    """The name of the column with this role, None where there is none yet."""
    return next((f.name for f in schema if (f.metadata or {}).get(ROLE) == role.encode()), None)


def names(schema: pa.Schema) -> list[str]:
    """All columns with a role."""
    return [f.name for f in schema if ROLE in (f.metadata or {})]


def declared(schema: pa.Schema, role: str, kind: pa.DataType | None = None) -> pa.Field:
    """The field of this role: the one that is there, or a new one under a name that is free."""
    have = name(schema, role)
    if have is not None:
        return schema.field(have)
    wanted = f"{role.removeprefix(GIVEN)}_in_source" if role.startswith(GIVEN) else role
    while wanted in schema.names:
        wanted += "_"
    return pa.field(wanted, kind or pa.string(), metadata={ROLE: role.encode()})


def shadows(schema: pa.Schema) -> dict[str, str]:
    """Column of the source -> the column that keeps what the source said, for all that were changed in the pool."""
    found = {(f.metadata or {}).get(ROLE, b"").decode(): f.name for f in schema}
    return {role.removeprefix(GIVEN): name for role, name in found.items() if role.startswith(GIVEN)}
