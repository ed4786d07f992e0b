"""The search: from the parts of a query to the rows of a pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput, PoolBusy
from veduta.search import approx, blocks, exact, patches, post, query
from veduta.search.hits import Hits
from veduta.search.place import checked, dataset, offered
from veduta.search.plan import EXACT_ROWS, choose
from veduta.search.space import made_by, space, with_text

if TYPE_CHECKING:
    from veduta.pool import Pool, View
    from veduta.search.approx import Index

FEW = 4096
"""Rows left by a filter that are read and compared one by one rather than looked for in an index."""


def search(
    pool: Pool | View,
    text: str | None = None,
    image: Any = None,
    row: str | int | None = None,
    vector: Any = None,
    k: int = 20,
    where: str | None = None,
    embedding: str = "embedding",
    dedup: float | None = None,
    exact: bool | None = None,
    *,
    columns: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
    toward: tuple[Any, float] | None = None,
    patches: int | None = None,
) -> Hits:
    """The k rows of a pool nearest to a query, best first.

    A query is one of these parts, or several, whose unit vectors are added (times `weights`, e.g. {"text": 0.3}):

    - text: words; compared in the space in which the encoder has both texts and images
    - image: a path, bytes of an image file, a Pillow image or a uint8 array
    - row: an image of the pool, by key (str) or position (int); it is not among its own results
    - vector: (d,) numbers in the space of the column

    With text among them, all parts meet in that joint space (column `<embedding>_text` for the offline encoder).

    where: SQL over the pool's columns; k results among the rows that satisfy it, not k results of which some do.
    embedding: the column to search. dedup: leave out results whose cosine in `embedding` to a better result is above
    this. exact: True for no index, False to insist on one; None takes an index from 50,000 rows on, builds it where
    there is none, and falls back to an exact search where it cannot be built. columns: of the result's table.
    toward: (text or vector, w) moves the query, q <- normalise(q + w t). patches: levels of query patches, for spatial
    search in the column of `embed-patches` (`<embedding>_patches`).

    Rows without a vector (undecodable, not yet embedded) are never found. Rows that their source no longer offers are found
    where `where` names the column that marks them (`gone is not null`), else not.
    Cost: exact, n * d multiplications, and n * d * 4 bytes kept for the next query (up to 1 GiB in all; beyond that the
    column is read for every query); patches, one pass over the patch column.
    Raises BadInput, MissingColumn, SpaceMismatch, EncoderError.
    """
    parts = query.given(text, image, row, vector)
    _check_numbers(k, dedup)
    if patches is not None:
        return _patch_search(pool, parts, k, where, embedding, patches, columns, (dedup, exact, weights, toward))
    if embedding in pool.schema.names and made_by(pool, embedding)["operation"] == "embed-patches":
        raise BadInput(f"the column '{embedding}' holds patches; search it with patches=LEVELS, or name another column")
    textual = "text" in parts or (toward is not None and isinstance(toward[0], str))
    target = with_text(pool, embedding) if textual else space(pool, embedding)
    vector_, skip = query.resolve(pool, target, parts, weights, toward)
    finder = Finder(pool, target.column, where, exact)
    if dedup is None:
        rows, scores = finder(vector_, k, skip)
    else:
        rows, scores = post.refilled(
            lambda m: finder(vector_, m, skip), lambda found: unit_vectors(pool, embedding, found), dedup, k
        )
    return Hits.of(pool, rows, scores, list(columns) if columns is not None else None, finder.method, finder.notes)


def _check_numbers(k: int, dedup: float | None) -> None:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise BadInput(f"k must be a whole number of at least 1, got {k!r}")
    if dedup is not None and not -1 <= dedup <= 1:
        raise BadInput(f"dedup must be a cosine between -1 and 1, such as 0.94, got {dedup!r}")


def unit_vectors(pool: View, column: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(len(rows), d) unit vectors; a row without one is a vector of zeros, which is like no other."""
    size = pool.schema.field(column).type.list_size
    records = pool.take(rows, [column]).column(0).combine_chunks()
    out = np.zeros((len(rows), size), np.float32)
    out[np.asarray(records.is_valid())] = np.asarray(records.drop_null().flatten(), np.float32).reshape(-1, size)
    return exact.unit(out)


class Finder:
    """Finds the rows nearest to vectors in one column, under one condition; decides once how."""

    def __init__(self, pool: Pool | View, column: str, where: str | None, exactly: bool | None) -> None:
        self.pool, self.column, self.where = pool, column, offered(pool, checked(pool, where))
        self.notes: list[str] = []
        self.index = self._index(exactly)
        self.allowed = None if self.where is None and pool.condition is None else pool.rows(self.where)
        self.rows, self.share = len(pool), 1.0
        if self.allowed is not None:
            self.rows = len(self.allowed)
            self.share = self.rows / max(1, dataset(pool).count_rows())
            if self.rows <= FEW:
                self.index = None
        self.method = "exact"
        if self.index is not None:
            self.method = f"{self.index.kind}, recall@10 {self.index.recall:.2f}"
            if fresh := approx.unindexed(pool, self.index):
                self.notes.append(
                    f"{fresh:,} rows are newer than the index and were searched exactly; veduta index renews it"
                )

    def _index(self, exactly: bool | None) -> Index | None:
        if exactly or (exactly is None and len(self.pool) < EXACT_ROWS):
            return None
        index = approx.current(self.pool, self.column)
        if index is not None:
            return index
        building = getattr(self.pool, "writing", None)
        if exactly is False and building is None:
            raise BadInput(
                "exact=False needs an index, and a view or old version cannot get one; search the pool itself"
            )
        if building is None or (exactly is None and not approx.complete(self.pool, self.column)):
            return None
        try:
            index = build_index(self.pool, self.column)
        except (PoolBusy, BadInput) as error:
            if exactly is False:
                raise
            self.notes.append(f"searched without an index: {error}")
            return None
        self.notes.append(f"built the index in {index.seconds:.0f} s; the next search uses it at once")
        return index

    def __call__(self, vector: NDArray[np.float32], k: int, skip: int | None = None) -> post.Found:
        """The k nearest rows to one unit vector (d,): (rows, cosines), best first."""
        if self.index is not None:
            wanted = k if skip is None else k + 1
            rows, scores = approx.nearest(
                self.pool, self.index, vector, wanted, self.pool.scanned(self.where), self.share
            )
            if len(rows) >= min(wanted, self.rows):
                keep = rows != skip if skip is not None else slice(None)
                return rows[keep][:k], scores[keep][:k]
        return self.exactly(vector[None], k, skip)[0]

    def exactly(self, vectors: NDArray[np.float32], k: int, skip: int | None = None) -> list[post.Found]:
        """The k nearest rows to each of the unit vectors (q, d), without an index."""
        return exact.nearest(self.blocks(), vectors, k, skip)

    def blocks(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """The unit vectors that may be found and their rows, in pieces, rows ascending."""
        few = self.allowed is not None and len(self.allowed) <= FEW
        block = blocks.cached(self.pool, self.column, read=not few)
        if block is None and few:
            block = blocks.some(self.pool, self.column, self.allowed)
        if block is None:
            yield from blocks.stream(self.pool, self.column, self.where)
            return
        if block.skipped and not any("no direction" in note for note in self.notes):
            self.notes.append(
                f"{block.skipped:,} rows have a vector of no direction (zero or not finite) and cannot be found"
            )
        yield from block.pieces(self.allowed)


def build_index(
    pool: Pool,
    column: str = "embedding",
    *,
    memory: int | None = None,
    code_bytes: int | None = None,
    target: float = approx.TARGET,
    refine: int | None = None,
) -> Index:
    """Build the approximate index of a vector column, measure its recall@10, and keep both with the pool.

    memory: bytes for all codes (default 512 MiB); code_bytes: bytes a row; see `veduta.search.choose`. With neither, an
    index that misses `target` is replaced by a graph over 8-bit values. refine: candidates a result that are ranked
    again by their exact vectors. A pool below 50,000 rows is searched exactly unless `exact=False`.
    """
    space_dim = pool.require(column, needed_by="index").type.list_size
    asked = memory is not None or code_bytes is not None
    plan = choose(len(pool), space_dim, memory=memory, code_bytes=code_bytes) if asked else None
    return approx.build(pool, column, plan, target=target, refine=refine)


def _patch_search(
    pool: View,
    parts: dict[str, Any],
    k: int,
    where: str | None,
    embedding: str,
    levels: int,
    columns: Sequence[str] | None,
    others: tuple[Any, ...],
) -> Hits:
    if set(parts) not in ({"image"}, {"row"}) or any(other is not None for other in others):
        raise BadInput(
            "patch search takes one image or one row, k, where and columns; leave out the other parts and options"
        )
    if isinstance(levels, bool) or not 1 <= levels <= 8:
        raise BadInput(f"patches must be the query's levels, 1 to 8 (1, 5, 14, 30 ... patches), got {levels!r}")
    column = embedding
    if column not in pool.schema.names or made_by(pool, column)["operation"] != "embed-patches":
        column = f"{embedding}_patches"
    model, _ = patches.stored(pool, column)
    skip = None
    if "row" in parts:
        skip = query.position(pool, parts["row"])
        own = patches.own_patches(pool, column, skip, levels, model.dim)
    else:
        own = patches.embed(query.pixels(parts["image"], model.side * (levels + 1) // 2), levels, model)
    rows, scores = patches.nearest(pool, column, own, k, offered(pool, checked(pool, where)), skip)
    method = f"patches, {len(own)} of the query"
    return Hits.of(pool, rows, scores, list(columns) if columns is not None else None, method, [])
