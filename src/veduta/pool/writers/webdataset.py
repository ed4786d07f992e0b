"""WebDataset shards: the original bytes, `.json` with all columns, `.txt` with the first caption."""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from pathlib import Path
from typing import Annotated

from pydantic import Field

from veduta.errors import BadInput
from veduta.pool.readers.infer import plain
from veduta.pool.writers.names import Names, with_suffix
from veduta.pool.writers.rows import Rows

Prefix = Annotated[str, Field(min_length=1, description="what the names of the shards begin with")]
ShardRows = Annotated[int, Field(ge=1, description="samples of a shard, at most")]
ShardBytes = Annotated[int, Field(ge=1, description="bytes of a shard, after which it ends")]


def write(
    rows: Rows,
    target: Path,
    *,
    prefix: Prefix = "shard",
    shard_rows: ShardRows = 10_000,
    shard_bytes: ShardBytes = 1 << 30,
) -> None:
    """Write `prefix-000000.tar`, ... into the folder `target`; a shard ends at `shard_rows` samples or `shard_bytes`.

    Samples are named by their keys without suffix; dots in names become `_`, because WebDataset cuts at the first.
    The key itself stands in the `.json`. The same rows give the same bytes.
    """
    if shard_rows < 1 or shard_bytes < 1 or not prefix or "/" in prefix:
        raise BadInput("a WebDataset needs shard_rows >= 1, shard_bytes >= 1 and a prefix without '/'")
    names = Names(rows.report)
    shards: list[tarfile.TarFile] = []
    count, size = 0, 0
    try:
        for batch in rows.batches(("format",)):
            for row, data in batch:
                wanted = with_suffix(row["key"], row["format"])
                # Stems must differ, so the suffix takes no part in the comparison.
                stem, end = posixpath.splitext(wanted)
                folder, _, last = stem.rpartition("/")
                stem = names.path(posixpath.join(folder, last.replace(".", "_")), row["key"])
                if not shards or count >= shard_rows or size + len(data) > shard_bytes:
                    if shards:
                        shards[-1].close()
                    place = target / f"{prefix}-{len(shards):06d}.tar"
                    shards.append(tarfile.open(place, "w", format=tarfile.PAX_FORMAT))  # noqa: SIM115 - closed below
                    count, size = 0, 0
                record = {"key": row["key"], **{c: plain(row[c]) for c in rows.columns}}
                _add(shards[-1], stem + end.lower(), data)
                _add(shards[-1], f"{stem}.json", json.dumps(record, ensure_ascii=False).encode())
                if row.get("captions"):
                    _add(shards[-1], f"{stem}.txt", row["captions"][0].encode())
                count, size = count + 1, size + len(data)
                rows.report.bytes += len(data)
    finally:
        if shards:
            shards[-1].close()
    rows.report.files = len(shards)
    rows.write_schema(target)


def _add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    shard.addfile(member, io.BytesIO(data))
