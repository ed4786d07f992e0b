"""Near-duplicates, in groups one can trust."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool, Selection, View
from veduta.select.alike import raised, unrelated_cosine
from veduta.select.columns import hashes, keys, numbers, place, preferred, ranks, sentence, stored_unit_vectors, written
from veduta.select.cover import cover
from veduta.select.groups import group_table
from veduta.select.relation import Relation, bit_vectors

ALONE_COSINE, ALONE_BITS = 0.92, 4
BOTH_COSINE, BOTH_BITS = 0.85, 16

FAULTS = ("quality_blurry", "quality_dark", "quality_bright", "quality_low_contrast", "quality_low_information")
"""Scores in [0, 1], 1 = faulty; the worst of them counts for prefer=quality."""


class Deduplicate(Selector):
    """Keep one image of every group of near-duplicates.

    Two images are the same when the cosine of their embeddings is at least `threshold` and, where the pool has
    perceptual hashes, these differ in at most `bits` of 64. Groups never chain: rows are visited from the most to the
    least preferred; one that is the same as an earlier representative joins the most similar one, any other becomes a
    representative. So each member is within the threshold of its representative, and the lowest pair of every group
    is reported in the table `groups`. The result does not depend on the order in which images were ingested.

    Without a `threshold` it is fitted: 0.85 where hashes must agree too, 0.92 on embeddings alone, and more where the
    pool's different images look alike (catalogue photos on white, X-rays), see `alike.raised`. Measured with the encoder
    `offline` on altered copies of 250 ImageNet photos (share of the copies that are found):

    | | JPEG 75 | JPEG 30 | 3/4 size | half size | crop 0.95 | crop 0.90 | brighter | more colour |
    |---|---|---|---|---|---|---|---|---|
    | 0.85 and 16 bits | 1.00 | 0.97 | 1.00 | 0.77 | 0.95 | 0.96 | 0.99 | 1.00 |
    | 0.92 alone | 0.99 | 0.64 | 0.97 | 0.23 | 0.96 | 0.94 | 0.99 | 1.00 |
    | 0.96 alone | 0.82 | 0.11 | 0.65 | 0.01 | 0.38 | 0.30 | 0.93 | 0.98 |

    None of the 2.9 million pairs of 2,427 different photos is taken for one image; of 10,235 Tiny-ImageNet photos one is
    left out (a bus, twice on one road; 0.82 would find 92 % of the half-size copies and take three wrong pairs). Of 3,027
    catalogue photos 0.85 would leave out about a third, and the fitted 0.965 leaves out about 35, of which 15 are true
    copies: give 0.98 where variants of a product matter. Strong crops, mirrored and grey copies are different images.

    Rows that lack a vector (or hash) are kept and not compared. Adds `duplicate_of` (string: key of the representative;
    null for rows that are kept) and `duplicate_similarity` (float32: cosine to it; bits that differ where only hashes
    are compared). Cost: exact up to 20,000 rows; above, an inverted file whose recall is set on the data to 99.8 % of
    pairs right at the threshold (see `representatives.Lists`). Memory: the vectors and blocks of bounded size.
    """

    by: Literal["auto", "embedding", "hash", "both"] = Field(
        "auto", description="what is compared; auto: both where the pool has hashes, else embeddings"
    )
    embedding: str = Field("embedding", description="column of vectors")
    hash: str = Field("hash", description="column of 64-bit perceptual hashes")
    threshold: float | None = Field(
        None,
        gt=0,
        le=1,
        description="cosine from which on two images are the same; fitted if not given (both: from 0.85, alone: from 0.92)",
    )
    bits: int | None = Field(
        None, ge=0, le=31, description="bits in which two hashes may differ (both: 16, hash alone: 4)"
    )
    prefer: Literal["resolution", "quality", "first"] = Field(
        "resolution", description="which image of a group stays: most pixels, least faulty, or first key"
    )

    def reads(self) -> list[str]:
        compared = {"embedding": [self.embedding], "hash": [self.hash]}.get(self.by, [self.embedding, self.hash])
        size = ["width", "height", "bytes"]
        return [*compared, *{"resolution": size, "quality": [*size, *FAULTS], "first": []}[self.prefer]]

    def select(self, pool: Pool) -> Selection:
        by = self.by if self.by != "auto" else self._best_of(pool)
        n, names = len(pool), keys(pool)
        rank = ranks(self._order(pool))
        relation, rows, remarks = self._relation(pool, by, rank)
        found = cover(relation, np.argsort(rank[rows], kind="stable"))

        joined = found.representative != np.arange(len(rows))
        out = rows[joined]
        kept_for = names.take(pa.array(rows[found.representative[joined]]))
        similarity = found.similarity[joined]
        if by == "hash":
            similarity = np.rint((1 - similarity) * 32).astype(np.float32)
            told = sentence("near-duplicate of ", kept_for, " (", written(similarity, "%d"), " of 64 bits differ)")
        else:
            told = sentence("near-duplicate of ", kept_for, " (cosine ", written(similarity), ")")
        keep = np.ones(n, dtype=bool)
        keep[out] = False
        groups = group_table(relation, found, names.take(pa.array(rows)))
        return Selection.of(
            self.operation(),
            keep,
            place(n, out, told),
            columns={
                "duplicate_of": place(n, out, kept_for),
                "duplicate_similarity": place(n, out, pa.array(similarity)),
            },
            summary={
                "by": by,
                "threshold": None if by == "hash" else round(relation.threshold, 4),
                "bits": None if by == "embedding" else self._bits(by),
                "compared": len(rows),
                "not_compared": n - len(rows),
                "groups": groups.num_rows,
                "duplicates": len(out),
                "largest_group": int(groups["size"][0].as_py()) if groups.num_rows else 0,
                "lowest_pair": round(float(np.min(groups["lowest_pair"])), 4) if groups.num_rows else None,
                "search": found.search,
                "remarks": remarks,
            },
            artifacts={"groups": groups},
        )

    def _best_of(self, pool: Pool) -> str:
        hashed = self.hash in pool.schema.names and len(pool.where(f"{self.hash} is not null")) > 0
        return "both" if hashed else "embedding"

    def _bits(self, by: str) -> int:
        return self.bits if self.bits is not None else BOTH_BITS if by == "both" else ALONE_BITS

    def _relation(self, pool: Pool, by: str, rank: NDArray[np.int64]) -> tuple[Relation, NDArray[np.int64], list[str]]:
        bits = self._bits(by)
        if by == "hash":
            words, rows = hashes(pool, self.hash, self.operation())
            if len(rows) == 0:
                raise NothingToDo(f"deduplicate: '{self.hash}' is empty; run: veduta annotate perceptual-hash POOL")
            # Half a bit of slack: cosines of bit vectors are multiples of 1/32.
            return Relation(bit_vectors(words), 1 - (bits + 0.5) / 32), rows, []
        vectors, rows, remarks = stored_unit_vectors(pool, self.embedding, self.operation())
        words = None
        if by == "both":
            every, hashed = hashes(pool, self.hash, self.operation())
            common, mine, theirs = np.intersect1d(rows, hashed, assume_unique=True, return_indices=True)
            if len(common) == 0:
                raise NothingToDo(
                    f"deduplicate: no row has both '{self.embedding}' and '{self.hash}'; annotate them again"
                )
            vectors = vectors if len(common) == len(rows) else vectors[mine]
            rows, words = common, every[theirs]
        threshold = self.threshold
        if threshold is None:
            base = BOTH_COSINE if by == "both" else ALONE_COSINE
            order = np.argsort(rank[rows], kind="stable")
            unrelated = unrelated_cosine(vectors, order, base, hashes=words, bits=bits)
            threshold = raised(base, unrelated)
            if threshold > base:
                remarks.append(
                    f"threshold raised from {base:g} to {threshold:.3f}, because the images of this pool look alike: "
                    f"1 % of the pairs of different images have a cosine above {unrelated:.2f}"
                )
        return Relation(vectors, threshold, hashes=words, bits=bits), rows, remarks

    def _order(self, pool: View) -> NDArray[np.int64]:
        if self.prefer == "first":
            return preferred(pool)
        size = numbers(pool, "width") * numbers(pool, "height")
        larger = [("descending", size), ("descending", numbers(pool, "bytes"))]
        if self.prefer == "resolution":
            return preferred(pool, larger)
        worst = np.nanmax([np.zeros(len(pool)), *(numbers(pool, fault) for fault in FAULTS)], axis=0)
        return preferred(pool, [("ascending", worst), *larger])

    def check(self, pool: View) -> None:
        if self.by == "hash" and self.threshold is not None:
            raise BadInput("threshold of deduplicate is a cosine and has no meaning for by=hash; give bits instead")
        if self.by == "embedding" and self.bits is not None:
            raise BadInput(
                "bits of deduplicate are for hashes and have no meaning for by=embedding; give threshold instead"
            )
        if self.by != "hash":
            pool.require(self.embedding, needed_by=self.operation(), mend="run: veduta annotate embed POOL")
        if self.by in ("hash", "both"):
            pool.require(self.hash, needed_by=self.operation(), mend="run: veduta annotate perceptual-hash POOL")
        for fault in FAULTS if self.prefer == "quality" else ():
            pool.require(fault, needed_by="deduplicate --prefer quality", mend="run: veduta annotate quality POOL")
