"""Where a column of a pool lives on disk: the identity of its content, and the folder for what was fitted to it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from veduta.pool import roles, withdrawn
from veduta.pool.fragments import leaf_ids

if TYPE_CHECKING:
    import lance

    from veduta.pool import View


def dataset(pool: View) -> lance.LanceDataset:
    """The Lance table below a pool or view; only this room asks for it, because vector indices are Lance's own."""
    return pool.dataset


def artifacts(pool: View) -> Path:
    """The folder of the pool in which fitted things are kept."""
    return Path(dataset(pool).uri.removeprefix("file://")).parent / "artifacts"


def files(pool: View, column: str) -> dict[str, str]:
    """For each fragment the data file that holds `column`, "" where it has not been filled. Metadata only."""
    table = dataset(pool)
    leaves = set(leaf_ids(table, [column]))
    return {
        str(fragment.fragment_id): next((f.path for f in fragment.data_files() if leaves & set(f.fields)), "")
        for fragment in table.get_fragments()
    }


def state(pool: View, column: str) -> tuple[str, str, str]:
    """(pool, column, digest): equal digests mean the same values at the same row positions."""
    table = dataset(pool)
    parts = [f"{fragment}:{file}" for fragment, file in files(pool, column).items()]
    parts += [f"{f.fragment_id}:{f.count_rows()}:{f.deletion_file()}" for f in table.get_fragments()]
    return (
        os.path.abspath(table.uri.removeprefix("file://")),
        column,
        hashlib.sha256("\n".join(parts).encode()).hexdigest(),
    )


def checked(pool: View, where: str | None) -> str | None:
    """`where` itself, if it is SQL over this pool's columns; else BadInput."""
    if where is not None:
        pool.table(["key"], where=where, limit=1)
    return where


def offered(pool: View, where: str | None) -> str | None:
    """`where` narrowed to the rows that their source still offers, unless it speaks of those that are gone itself."""
    gone = roles.name(pool.schema, roles.GONE)
    said = f"{where or ''} {pool.condition or ''}"
    if gone is None or re.search(rf"\b{re.escape(gone)}\b", said) or not len(withdrawn.gone(pool)):
        return where
    return f"({where}) and {gone} is null" if where else f"{gone} is null"
