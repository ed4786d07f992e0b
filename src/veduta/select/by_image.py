"""Rows found by labelled pictures."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool, Selection
from veduta.select.columns import place, unit_vectors
from veduta.select.nearest import taken


class ByImage(Selector):
    """Keep the images nearest to each of some labelled ones, with the label of that one.

    How SELECT makes a training set from unlabelled images (Feuer et al., NeurIPS 2024, arXiv 2410.05057, LA1000 i2i): the
    nearest neighbours of every seed by cosine inherit its label. No image is taken twice: it goes to the nearest seed
    that has room left. The seeds themselves are not kept, nor seen test images unless `where` lets them in.

    Adds `<column>`: string, the inherited label; `<column>_seed`: string, the key of the seed; `<column>_cosine`: float32.
    Cost: seeds * rows * dimensions multiplications; memory the vectors.
    """

    seeds: str = Field(description="SQL: the labelled images to start from")
    k: int = Field(10, ge=1, description="images that each seed takes")
    target: str = Field("label", description="column of the seeds' labels; no other row's label is read")
    embedding: str = Field("embedding", description="column of vectors")
    where: str = Field("split is null or split = 'train'", description="SQL: only among these rows")
    column: str = Field("inherited", pattern=r"^[A-Za-z_]\w*$", description="name of the column for the label")

    def reads(self) -> list[str]:
        return [self.embedding, self.target]

    def check(self, pool: Pool) -> None:
        super().check(pool)
        kind = pool.schema.field(self.target).type
        if pa.types.is_nested(kind):
            raise BadInput(f"target of by-image must be a column of one label a row, but '{self.target}' holds {kind}")

    def select(self, pool: Pool) -> Selection:
        vectors, rows, remarks = unit_vectors(pool, self.embedding, self.operation())
        n = len(pool)
        seeds = np.intersect1d(pool.rows(f"({self.seeds}) and {self.target} is not null"), rows)
        if not len(seeds):
            raise NothingToDo(
                f"by-image: no row with {self.seeds} has a '{self.target}' and a vector; name other seeds"
            )
        among = np.setdiff1d(np.intersect1d(pool.rows(self.where), rows), pool.rows(self.seeds))
        at = np.full(n, -1, np.int64)
        at[rows] = np.arange(len(rows))
        keep = np.zeros(n, bool)
        reasons = np.full(n, "not among the nearest of any seed", dtype=object)
        reasons[np.setdiff1d(np.arange(n), rows)] = f"no vector in {self.embedding}"
        reasons[np.setdiff1d(rows, pool.rows(self.where))] = f"does not satisfy {self.where}"
        reasons[pool.rows(self.seeds)] = "a seed"
        owner, cosine = taken(vectors[at[seeds]], vectors[at[among]], self.k)
        got = owner >= 0
        found = among[got]
        keep[found], reasons[found] = True, None
        by = seeds[owner[got]]
        named = pool.take(by, ["key", self.target]) if len(by) else pool.table(["key", self.target]).slice(0, 0)
        keys = named.column("key").combine_chunks()
        labels = pa.array([str(value) for value in named.column(self.target).to_pylist()], pa.string())
        return Selection.of(
            self.operation(), keep, pa.array(reasons, pa.string()),
            columns={
                self.column: place(n, found, labels),
                f"{self.column}_seed": place(n, found, keys),
                f"{self.column}_cosine": place(n, found, pa.array(cosine[got], pa.float32())),
            },
            summary={"kept": int(keep.sum()), "seeds": len(seeds), "remarks": remarks},
        )  # fmt: skip
