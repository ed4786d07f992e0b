"""A random part of the pool."""

from __future__ import annotations

import hashlib
from typing import Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import model_validator

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Pool, Selection
from veduta.select.allocate import whole
from veduta.select.amount import rows_to_keep
from veduta.select.columns import keys, place


class Sample(Selector):
    """Keep a random part of the rows: uniform, balanced or stratified over a column.

    A row's lot is a hash of seed and key, and the lowest lots are drawn; so the draw does not depend on the order of
    rows, a smaller sample is part of a larger one, and rows that are added later push out few of the chosen. Balanced:
    every group gives equally many, small groups all they have. Stratified: every group gives its share (largest
    remainder). Rows without a value in `by` are a group of their own. Cost: a hash for each row.
    """

    keep: float | None = Field(None, gt=0, le=1, description="fraction of the rows to keep")
    count: int | None = Field(None, ge=1, description="number of rows to keep")
    method: Literal["uniform", "balanced", "stratified"] = Field("uniform", description="how the rows are spread")
    by: str = Field("label", description="column whose values are the groups (balanced, stratified)")
    seed: int = Field(0, ge=0, description="another seed, another draw")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.keep is None) == (self.count is None):
            raise ValueError("give either keep (a fraction) or count (a number of rows)")
        return self

    def reads(self) -> list[str]:
        return [] if self.method == "uniform" else [self.by]

    def check(self, pool: Pool) -> None:
        if self.method != "uniform":
            kind = pool.require(self.by, needed_by=f"sample --method {self.method}").type
            if pa.types.is_nested(kind):
                raise BadInput(f"by of sample must be a column of single values, and '{self.by}' holds {kind}")

    def select(self, pool: Pool) -> Selection:
        names = keys(pool)
        n = len(names)
        lots = draw(names.to_pylist(), self.seed)
        total = rows_to_keep(self.operation(), n, self.keep, self.count)
        if self.method == "uniform":
            groups, sizes = np.zeros(n, dtype=np.int64), np.array([n])
            labels: list[object] = ["the pool"]
        else:
            encoded = pool.table([self.by]).column(0).combine_chunks().dictionary_encode()
            codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            present, groups, sizes = np.unique(codes, return_inverse=True, return_counts=True)
            values = encoded.dictionary.to_pylist()
            labels = [values[code] if code >= 0 else None for code in present]
        share = balanced(sizes, total) if self.method == "balanced" else whole(total * sizes / max(1, n), sizes, total)

        order = np.lexsort((lots, groups))
        starts = np.cumsum(sizes) - sizes
        place_in_group = np.empty(n, dtype=np.int64)
        place_in_group[order] = np.arange(n) - np.repeat(starts, sizes)
        keep = place_in_group < share[groups]
        out = np.flatnonzero(~keep)
        told = [
            f"not drawn ({drawn} of {size} drawn from {self.by} {label!r})" if self.method != "uniform"
            else f"not drawn ({drawn} of {size} drawn)"
            for label, drawn, size in zip(labels, share.tolist(), sizes.tolist(), strict=True)
        ]  # fmt: skip
        reasons = place(n, out, pa.array(told, pa.string()).take(pa.array(groups[out])))
        summary = {"kept": int(keep.sum()), "groups": len(sizes), "smallest_share": int(share.min(initial=total))}
        return Selection.of(self.operation(), keep, reasons, summary=summary)


def draw(names: list[str], seed: int) -> NDArray[np.uint64]:
    """The lot of each key: 64 bits of BLAKE2b keyed by the seed."""
    salt = seed.to_bytes(16, "little")
    lots = b"".join(
        hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=salt).digest() for name in names
    )
    return np.frombuffer(lots, dtype="<u8")


def balanced(sizes: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Equal shares that sum to `total`, none above its size; what does not divide goes to the larger groups."""
    share = np.zeros(len(sizes), dtype=np.int64)
    for position, group in enumerate(np.argsort(sizes, kind="stable")):
        share[group] = min(int(sizes[group]), (total - int(share.sum())) // (len(sizes) - position))
    return share
