"""Hugging Face data sets: saved to disk, loaded by name, or in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from veduta.errors import MissingPackage, SourceError
from veduta.pool.readers import places, sidecar
from veduta.pool.readers.columnar import IpcFile
from veduta.pool.readers.rows import ArrowRows
from veduta.pool.readers.table import EXPORTED, Table

if TYPE_CHECKING:
    from veduta.pool.fetch import Policy

PREFIX = "hf:"
_MARKS = ("state.json", "dataset_dict.json")


def huggingface(
    source: str | Path | Any,
    *,
    image: str | None = None,
    key: str | None = None,
    label_from: str | None = None,
    root: str | Path | Sequence[str | Path] = (),
    policy: Policy | None = None,
    allow_private: Sequence[str] = (),
    boxes_are_raw: bool = False,
) -> Table:
    """A reader over a saved data set's folder, `hf:NAME[/CONFIG][:SPLIT]`, or a `datasets.Dataset` (or a dict of them).

    Images are taken as they are stored, without decoding; class numbers become names; the splits of a dict become the
    column `split`. The options are those of `Table`. `hf:` with a name may reach for the hub, the others read the disk only. Needs the package datasets.
    """
    datasets = _datasets()
    if isinstance(source, (str, Path)):
        name = str(source)
        loaded = _by_name(datasets, name) if name.startswith(PREFIX) else _from_disk(datasets, name)
    else:
        name, loaded = "a data set in memory", source
    parts = dict(loaded) if isinstance(loaded, dict) else {"": loaded}
    if any(not isinstance(part, datasets.Dataset) for part in parts.values()):
        raise SourceError(f"{name} is not a map-style data set; load it without streaming")
    rows = ArrowRows([_Part(split, part) for split, part in sorted(parts.items())])
    if isinstance(source, (str, Path)) and not name.startswith(PREFIX) and sidecar.read_schema(places.absolute(name)):
        rows.schema = rows.schema.with_metadata({**(rows.schema.metadata or {}), EXPORTED: b"1"})
    folders = _folders(datasets, source)
    return Table.of_rows(
        *(rows, name, [split or "row" for split in sorted(parts)]),
        image=image,
        key=key,
        label_from=label_from,
        root=root,
        policy=policy,
        allow_private=allow_private,
        boxes_are_raw=boxes_are_raw,
        folders=folders,
    )


def _folders(datasets: Any, source: Any) -> list[str]:
    """Where the files of a data set may lie: of one in memory anywhere, as its user's own program named them."""
    if not isinstance(source, (str, Path)):
        return []
    if not str(source).startswith(PREFIX):
        return [places.absolute(str(source))]
    config = datasets.config
    caches = [config.HF_DATASETS_CACHE, config.HF_CACHE_HOME, getattr(config, "HF_HUB_CACHE", config.HF_CACHE_HOME)]
    return list(dict.fromkeys(places.absolute(str(folder)) for folder in caches))


def is_saved(folder: Path) -> bool:
    """Whether the folder was written by `save_to_disk`."""
    return any((folder / mark).is_file() for mark in _MARKS)


class _Part:
    """One split as Arrow batches; respects the data set's own selection and order of rows."""

    def __init__(self, split: str, dataset: Any) -> None:
        # "split" is added only where the data set itself has no such column.
        self._split = split if split and "split" not in dataset.column_names else ""
        self._data = dataset.with_format("arrow")
        schema = dataset.features.arrow_schema
        self.schema = schema.append(pa.field("split", pa.string())) if self._split else schema

    def batches(self, column: str | None) -> Iterator[pa.RecordBatch]:
        data = self._data if column is None else self._data.select_columns([column.partition(".")[0]])
        for table in data.iter(batch_size=64 if column is None else 8192):
            for batch in table.combine_chunks().to_batches():
                if self._split and column is None:
                    batch = batch.append_column("split", pa.array([self._split] * batch.num_rows))
                yield batch

    def __len__(self) -> int:
        return len(self._data)


def _by_name(datasets: Any, source: str) -> Any:
    name, _, split = source.removeprefix(PREFIX).partition(":")
    parts = name.split("/")
    name, config = ("/".join(parts[:2]), "/".join(parts[2:]) or None)
    if not name:
        raise SourceError(f"{source} names no data set; expected hf:NAME[/CONFIG][:SPLIT]")
    try:
        return datasets.load_dataset(name, config, split=split or None)
    except Exception as error:  # noqa: BLE001 - the hub client raises many types; all mean that there is no such data set here
        words = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise SourceError(f"the data set {name} cannot be loaded: {words}; check the name and the connection") from None


def _from_disk(datasets: Any, source: str) -> Any:
    for path in sorted(Path(source).rglob("*.arrow")):
        for _ in IpcFile(places.absolute(str(path))).batches(None):  # datasets maps them without a look
            pass
    try:
        return datasets.load_from_disk(source)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        words = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise SourceError(f"{source} is not a data set saved by `save_to_disk`: {words}") from None


def _datasets() -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingPackage("datasets", needed_by="reading a Hugging Face data set", extra="hub") from None
    return datasets
