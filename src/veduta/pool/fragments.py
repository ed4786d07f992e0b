"""Columns filled fragment by fragment, each commit atomic.

Lance keeps a table as fragments (groups of rows) with any number of data files, each holding some columns. A column
is declared once for the whole table (all null, metadata only) and then filled one fragment at a time; a fragment in
which no data file holds the column is still to be done. So the progress of a run is part of the table itself.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import lance


GONE = -2
"""Lance's mark for a column of a data file that another file has replaced."""


def _leaves(field: Any) -> list[int]:
    children = field.children()
    return [field.id()] if not children else [leaf for child in children for leaf in _leaves(child)]


def leaf_ids(dataset: lance.LanceDataset, columns: Sequence[str]) -> list[int]:
    """The ids under which the leaves of `columns` are stored in data files."""
    fields = {field.name(): field for field in dataset.lance_schema.fields()}
    return [leaf for name in columns for leaf in _leaves(fields[name])]


def pending(dataset: lance.LanceDataset, columns: Sequence[str]) -> list[int]:
    """Ids of the fragments in which at least one of `columns` has not been filled."""
    wanted = set(leaf_ids(dataset, columns))
    return [
        fragment.fragment_id
        for fragment in dataset.get_fragments()
        if wanted - {leaf for file in fragment.data_files() for leaf in file.fields}
    ]


def missing(dataset: lance.LanceDataset, fragment_id: int, columns: Sequence[str]) -> set[str]:
    """Those of the columns that have not been filled in a fragment."""
    held = {leaf for file in dataset.get_fragment(fragment_id).data_files() for leaf in file.fields}
    return {name for name in columns if set(leaf_ids(dataset, [name])) - held}


def write_columns(dataset: lance.LanceDataset, fragment_id: int, columns: pa.Table) -> Any:
    """Write `columns` (one row for every physical row of the fragment) and return the fragment's new metadata.

    Nothing is visible until `commit`, which then shows these values in the place of any that the columns had. The partial
    file is removed when the write fails.
    """
    from lance.file import LanceFileWriter
    from lance.fragment import DataFile

    name = f"{uuid.uuid4().hex}.lance"
    path = Path(dataset.uri) / "data" / name
    version = dataset.data_storage_version
    try:
        with LanceFileWriter(str(path), columns.schema, version=version) as writer:
            for batch in columns.combine_chunks().to_batches():
                writer.write_batch(batch)
        size = os.path.getsize(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    leaves = leaf_ids(dataset, columns.column_names)
    major, minor = (int(part) for part in version.split("."))
    metadata = dataset.get_fragment(fragment_id).metadata
    for file in metadata.files:
        file.fields[:] = [GONE if leaf in leaves else leaf for leaf in file.fields]
    metadata.files.append(DataFile(name, leaves, list(range(len(leaves))), major, minor, size))
    return metadata


def commit(dataset: lance.LanceDataset, changed: dict[int, Any], message: str) -> lance.LanceDataset:
    """Make the written columns of all `changed` fragments visible in one new version."""
    import lance as lance_

    fragments = [changed.get(f.fragment_id, f.metadata) for f in dataset.get_fragments()]
    operation = lance_.LanceOperation.Merge(fragments, dataset.lance_schema)
    return lance_.LanceDataset.commit(dataset.uri, operation, read_version=dataset.version, commit_message=message)
