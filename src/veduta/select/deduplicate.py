"""Near-duplicates, in groups one can trust."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool, Selection, View
from veduta.select import near_hashes
from veduta.select.alike import FEWEST, raised, unrelated_cosine
from veduta.select.columns import hashes, keys, numbers, place, preferred, ranks, sentence, stored_unit_vectors, written
from veduta.select.contradictions import differences, mixed, texts, weights
from veduta.select.cover import Cover, cover
from veduta.select.groups import group_table
from veduta.select.relation import Relation, bit_vectors
from veduta.select.turned_copies import TURNS, join
from veduta.select.verified import Looker, settle

ALONE_COSINE, ALONE_BITS = 0.92, 4
BOTH_COSINE, BOTH_BITS = 0.85, 16
STRICT = 0.976
"""Cosine from which on a pair of a pool below 200 rows counts that cannot be looked at: too few rows to fit a threshold, so that
of the most uniform pool measured (chest X-rays)."""

FAULTS = ("quality_blurry", "quality_dark", "quality_bright", "quality_low_contrast", "quality_low_information")
"""Scores in [0, 1], 1 = faulty; the worst of them counts for prefer=quality."""


class Deduplicate(Selector):
    """Keep one image of every group of near-duplicates.

    Candidates are pairs whose embeddings have a cosine of at least `threshold` and, where the pool has perceptual hashes,
    whose hashes differ in at most `bits` of 64; unless the pool's images look alike or a higher threshold is given, also
    those whose hashes differ in at most 6, whatever the cosine (see `near_hashes`). Their pixels decide (see `pixels.same`):
    laid on each other and given one brightness, contrast and saturation, no part of the two may differ. So pages, X-rays or
    icons that only look alike from afar stay, and so do pictures without structure (blank, one colour) unless their pixels
    are equal. Where files are away the vectors decide alone, below 200 rows from a cosine of 0.976 on, and the summary says
    for how many pairs. Rows of one `group` with different `role` (high and low resolution, before and after) are never
    copies by their pixels.

    Groups never chain: rows are visited from the most to the least preferred; one that is a copy of an earlier
    representative joins the most similar one, any other becomes a representative. The lowest pair of every group is
    reported in the table `groups`. The result does not depend on the order in which images were ingested.
    Rows of a test split, then of a validation split, are preferred to all others, so that no test image is left out for
    its copy in the training data; of the rest `prefer` decides.

    Without a `threshold` it is fitted: 0.85 where hashes must agree too, 0.92 on embeddings alone, and more where the
    pool's different images look alike (catalogue photos on white, X-rays), see `alike.raised`. Measured with the encoder
    `offline` on altered copies of 220 photos of ImageNet and COCO (how many of the 220 copies are found):

    | half size | quarter size | JPEG 30 | crop 0.95 | grey | blurred | squashed | brighter | false |
    |---|---|---|---|---|---|---|---|---|
    | 211 | 199 | 220 | 217 | 106 | 203 | 218 | 202 | 0 |

    With the cosine alone as a gate it was 77 half-size and no quarter-size copies. Of 3,027 catalogue photos, whose threshold
    is raised, 16 are left out. In pools of fewer than 200 rows, where no threshold can be fitted, a product in another colour
    may count as a copy. Strong crops and half of the grey copies are missed, and so are mirrored and turned ones unless
    `transforms` asks for them.

    Rows that lack a vector (or hash) are kept and not compared. Adds `duplicate_of` (string: key of the representative;
    null for rows that are kept), `duplicate_similarity` (float32: cosine to it; bits that differ where only hashes
    are compared), and on every row of a group that contradicts itself `duplicate_labels` (string: "cat / dog") and
    `duplicate_splits` ("test / train"). Cost: a look at each duplicate (two reduced decodes and up to 5 ms); exact up to
    20,000 rows; above, an inverted file whose recall is set on the data to 99.8 % of pairs right at the threshold (see
    `representatives.Lists`). Memory: the vectors and blocks of bounded size.
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

    pixels: bool = Field(True, description="look at the pixels of each pair; without, vectors and hashes decide")
    transforms: Literal["none", "mirror", "all"] = Field(
        "none", description="copies that were mirrored left to right, or also turned (all), count too"
    )
    label: str = Field("label", description="column of labels that the copies of an image should agree in")
    split: str = Field(
        "split", description="column of splits: test and validation rows stay, and copies across are told"
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
        inside = ranks(np.argsort(rank[rows], kind="stable"))
        found = cover(relation, np.argsort(inside, kind="stable"))
        parted, how = 0, np.full(len(rows), -1, np.int8)
        if self.pixels:
            looker = Looker(pool, rows)
            settled = settle(relation, found, inside, looker, self._least(relation, by))
            found, parted = settled.cover, settled.parted
            if settled.unseen:
                remarks.append(
                    f"{settled.unseen:,} pairs could not be looked at, because their files are away; vectors and hashes "
                    "decided alone"
                )
            turns = TURNS[self.transforms]
            if relation.hashes is not None and relation.threshold <= BOTH_COSINE:
                owner = near_hashes.join(found.representative, relation.hashes, inside, looker)
                found = replace(found, representative=owner, similarity=_alike(relation, found, owner))
            if turns:
                words, hashed = hashes(pool, self.hash, self.operation())
                place_of = np.full(n, -1, np.int64)
                place_of[hashed] = np.arange(len(hashed))
                if (place_of[rows] < 0).any():
                    raise NothingToDo(
                        f"deduplicate: rows lack '{self.hash}'; run: veduta annotate perceptual-hash POOL"
                    )
                owner, how = join(found.representative, words[place_of[rows]], inside, looker, turns)
                found = replace(found, representative=owner, similarity=_alike(relation, found, owner))

        joined = found.representative != np.arange(len(rows))
        out, kept = rows[joined], rows[found.representative[joined]]
        stands = np.arange(n)
        stands[out] = kept
        labels, splits = texts(pool, self.label), texts(pool, self.split)
        kept_for = names.take(pa.array(kept))
        similarity = found.similarity[joined]
        if by == "hash":
            similarity = np.rint((1 - similarity) * 32).astype(np.float32)
            alike = sentence(written(similarity, "%d"), " of 64 bits differ")
        else:
            alike = sentence("cosine ", written(similarity))
        also = pa.array(
            [f"; {words}" if words else "" for words in differences(out, kept, labels, splits)], pa.string()
        )
        kinds = pa.array([self._kind(number) for number in how[joined].tolist()], pa.string())
        told = sentence(kinds, " of ", kept_for, " (", alike, also, ")")
        keep = np.ones(n, dtype=bool)
        keep[out] = False
        groups = group_table(relation, found, names.take(pa.array(rows)))
        conflicts, across = mixed(stands, labels), mixed(stands, splits)
        return Selection.of(
            self.operation(),
            keep,
            place(n, out, told),
            columns={
                "duplicate_of": place(n, out, kept_for),
                "duplicate_similarity": place(n, out, pa.array(similarity)),
                "duplicate_labels": conflicts,
                "duplicate_splits": across,
            },
            summary={
                "by": by,
                "threshold": None if by == "hash" else round(relation.threshold, 4),
                "bits": None if by == "embedding" else self._bits(by),
                "compared": len(rows),
                "not_compared": n - len(rows),
                "groups": groups.num_rows,
                "duplicates": len(out),
                "other_pixels": parted,
                "contradicting_labels": n - conflicts.null_count,
                "across_splits": n - across.null_count,
                "largest_group": int(groups["size"][0].as_py()) if groups.num_rows else 0,
                "lowest_pair": round(float(np.min(groups["lowest_pair"])), 4) if groups.num_rows else None,
                "search": found.search,
                "remarks": remarks,
            },
            artifacts={"groups": groups},
        )

    def _least(self, relation: Relation, by: str) -> float:
        """The similarity from which on a pair counts that cannot be looked at."""
        fitted = self.threshold is None and by != "hash"
        return max(relation.threshold, STRICT) if fitted and len(relation) < FEWEST else relation.threshold

    def _kind(self, number: int) -> str:
        if number < 0:
            return "near-duplicate"
        turns, mirrored = TURNS[self.transforms][number]
        return "turned copy" if turns and not mirrored else "mirrored copy" if not turns else "mirrored and turned copy"

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
        given = ("ascending", weights(texts(pool, self.split)))
        if self.prefer == "first":
            return preferred(pool, [given])
        size = numbers(pool, "width") * numbers(pool, "height")
        larger = [("descending", size), ("descending", numbers(pool, "bytes"))]
        if self.prefer == "resolution":
            return preferred(pool, [given, *larger])
        worst = np.nanmax([np.zeros(len(pool)), *(numbers(pool, fault) for fault in FAULTS)], axis=0)
        return preferred(pool, [given, ("ascending", worst), *larger])

    def check(self, pool: View) -> None:
        if self.by == "hash" and self.threshold is not None:
            raise BadInput("threshold of deduplicate is a cosine and has no meaning for by=hash; give bits instead")
        if self.by == "embedding" and self.bits is not None:
            raise BadInput(
                "bits of deduplicate are for hashes and have no meaning for by=embedding; give threshold instead"
            )
        if self.by != "hash":
            pool.require(self.embedding, needed_by=self.operation(), mend="run: veduta annotate embed POOL")
        if self.transforms != "none" and not self.pixels:
            raise BadInput("transforms of deduplicate are decided by the pixels; leave pixels on")
        if self.transforms != "none":
            self._check_turns(pool)
        if self.by in ("hash", "both"):
            pool.require(self.hash, needed_by=self.operation(), mend="run: veduta annotate perceptual-hash POOL")
        for fault in FAULTS if self.prefer == "quality" else ():
            pool.require(fault, needed_by="deduplicate --prefer quality", mend="run: veduta annotate quality POOL")

    def _check_turns(self, pool: View) -> None:
        pool.require(self.hash, needed_by="deduplicate --transforms", mend="run: veduta annotate perceptual-hash POOL")
        made = pool.provenance(self.hash).get("parameters", {}) if isinstance(pool, Pool) else {}
        if made.get("algorithm", "phash") != "phash":
            raise BadInput(
                f"transforms of deduplicate need DCT hashes, and '{self.hash}' holds {made['algorithm']}; "
                "run: veduta annotate perceptual-hash POOL --column phash, and give --hash phash"
            )


def _alike(relation: Relation, found: Cover, owner: NDArray[np.int64]) -> NDArray[np.float32]:
    """Similarity of each row to its representative `owner` (n,), which may have changed since it was `found`."""
    moved = np.flatnonzero(owner != found.representative)
    similarity = found.similarity.copy()
    similarity[moved] = relation.similarity(moved, owner[moved])
    return similarity
