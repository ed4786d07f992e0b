"""The approximate index of a vector column: built by Lance, its recall measured here and kept beside it.

An index covers the fragments that it saw. Lance scans later fragments exactly and adds them to the result. It does
not notice a column that is filled or replaced in a fragment it has seen, so the files it was built from are kept too,
and an index over other files is not used.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.pool.durable import write_atomically
from veduta.pool.lineage import Record, now
from veduta.search import blocks, exact
from veduta.search.place import artifacts, dataset, files
from veduta.search.plan import REFINE, Plan, choose, graph

if TYPE_CHECKING:
    from veduta.pool import Pool, View

TARGET = 0.95
"""Recall@10 that an index is tuned to, where it can reach it."""

SAMPLE = 100
"""Queries that the recall is measured on."""

SEED = 20

TRAIN, ROUNDS = 64, 15
"""Vectors a centroid and rounds of k-means. Lance's own 256 and 50 took up to 20 times as long on 60,000 x 384 and
found no more: the exact vectors rank the candidates anyway."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index as it is kept: how it was built, how it is searched, and what it measured.

    recall: mean share of the exact 10 nearest neighbours found, over `queries` vectors of the pool itself (each
    without itself), at `nprobes` cells and the best k * refine ranked again; seconds: of building and measuring.
    """

    column: str
    uuid: str
    kind: str
    partitions: int
    sub_vectors: int
    code_bytes: int
    nprobes: int
    refine: int
    recall: float
    queries: int
    rows: int
    seconds: float
    files: dict[str, str]


def name_of(column: str) -> str:
    """The name of a column's vector index in Lance."""
    return f"{column}_vectors"


def current(pool: View, column: str) -> Index | None:
    """The column's index, if there is one, it was measured, and it was built from the files that hold the column now."""
    uuid = _uuid(pool, column)
    path = artifacts(pool) / f"index-{uuid}.json"
    if uuid is None or not path.exists():  # without its record: the measuring was cut short
        return None
    index = Index(**json.loads(path.read_text("utf-8")))
    have = files(pool, column)
    same = all(have.get(fragment, file) == file for fragment, file in index.files.items())
    return index if same else None


def _uuid(pool: View, column: str) -> str | None:
    return next((i["uuid"] for i in dataset(pool).list_indices() if i["name"] == name_of(column)), None)


def unindexed(pool: View, index: Index) -> int:
    """Rows in fragments newer than the index; they are searched exactly."""
    return sum(f.count_rows() for f in dataset(pool).get_fragments() if str(f.fragment_id) not in index.files)


def complete(pool: View, column: str) -> bool:
    """Whether every fragment of the column has been filled."""
    return all(files(pool, column).values())


def build(
    pool: Pool, column: str, plan: Plan | None = None, *, target: float = TARGET, refine: int | None = None
) -> Index:
    """Build (or replace) the column's index, tune it on a sample of the pool's own vectors, and keep what was measured.

    With no plan: `choose(rows, dim)`; if that misses `target` recall@10 even with a quarter of the cells and the best
    20 k ranked again, a graph over 8-bit values. `refine` fixes how many candidates a result are ranked again.
    Cost: k-means on 64 vectors a cell, one pass to encode, one exact pass for the recall. One new version of the pool.
    """
    if not 0 < target <= 1 or (refine is not None and refine < 1):
        raise BadInput(f"target must be a recall in (0, 1] and refine at least 1, got target={target}, refine={refine}")
    with pool.writing():
        before, start, started = pool.version, time.perf_counter(), now()
        if not complete(pool, column):
            raise BadInput(
                f"the column '{column}' is filled only in part; finish its annotate run before it is indexed"
            )
        rows, dim = len(pool), pool.schema.field(column).type.list_size
        truth, queries, own = _sample(pool, column)
        index = None
        for attempt in [plan] if plan else [choose(rows, dim), graph(rows, dim)]:
            refuse_small(attempt, rows)
            _create(pool, column, attempt)
            index = _tuned(pool, column, attempt, truth, queries, own, target, refine)
            if index.recall >= target:
                break
        index = Index(**{**asdict(index), "rows": rows, "seconds": round(time.perf_counter() - start, 2)})
        write_atomically(artifacts(pool) / f"index-{index.uuid}.json", json.dumps(asdict(index), indent=1) + "\n")
        facts = {key: value for key, value in asdict(index).items() if key != "files"}
        parameters = {"column": column, "target": target}
        pool.record(
            Record("index", parameters, before, pool.version, [column], [], rows, index.seconds, started, details=facts)
        )
    return index


def refuse_small(plan: Plan, rows: int) -> None:
    """Raise BadInput for what cannot be trained: fewer rows than the 256 codewords of a product code."""
    if plan.kind == "exact" or rows < 256:
        raise BadInput(f"a pool of {rows:,} rows needs no vector index; it is searched exactly")


def _create(pool: Pool, column: str, plan: Plan) -> None:
    options = {"num_sub_vectors": plan.sub_vectors} if plan.sub_vectors else {}
    dataset(pool).create_index(
        column,
        plan.kind,
        name=name_of(column),
        metric="cosine",
        num_partitions=plan.partitions,
        replace=True,
        sample_rate=TRAIN,
        max_iters=ROUNDS,
        **options,
    )


def _sample(pool: Pool, column: str) -> tuple[list[NDArray[np.int64]], NDArray[np.float32], NDArray[np.int64]]:
    """The exact 10 neighbours of SAMPLE random rows, each without itself; their vectors; their positions."""
    own = np.sort(np.random.default_rng(SEED).permutation(pool.rows(f"{column} is not null"))[:SAMPLE])
    values = pool.take(own, [column]).column(0).combine_chunks().flatten()
    queries = blocks.clean(np.asarray(values).reshape(len(own), -1), own)
    block = blocks.cached(pool, column)
    source = block.pieces() if block else blocks.stream(pool, column)
    found = exact.nearest(source, queries.vectors, 11)
    truth = [rows[rows != me][:10] for (rows, _), me in zip(found, queries.rows, strict=True)]
    return truth, queries.vectors, queries.rows


def _tuned(
    pool: Pool,
    column: str,
    plan: Plan,
    truth: list[NDArray[np.int64]],
    queries: NDArray[np.float32],
    own: NDArray[np.int64],
    target: float,
    refine: int | None,
) -> Index:
    """The cheapest setting that reaches the target: candidates first, then cells; else the one with the best recall."""
    tried: list[Index] = []
    cells = sorted({min(plan.partitions, p) for p in (4, 8, 16, 32, 64, 128, plan.partitions // 4)} - {0})
    cells = [p for p in cells if p <= max(8, plan.partitions // 4)] or [plan.partitions]
    for factor in [refine] if refine else [REFINE, 10, 20]:
        for nprobes in cells:
            index = Index(
                column, _uuid(pool, column) or "", plan.kind, plan.partitions, plan.sub_vectors, plan.code_bytes, nprobes, factor,
                0.0, len(queries), 0, 0.0, files(pool, column),
            )  # fmt: skip
            index = Index(**{**asdict(index), "recall": recall(pool, index, truth, queries, own)})
            tried.append(index)
            if index.recall >= target:
                return index
    return max(tried, key=lambda each: each.recall)


def recall(
    pool: View, index: Index, truth: list[NDArray[np.int64]], queries: NDArray[np.float32], own: NDArray[np.int64]
) -> float:
    """Mean share of the true neighbours among the first len(truth) found, each query without its own row."""
    shares = []
    for near, query, me in zip(truth, queries, own, strict=True):
        rows, _ = nearest(pool, index, query, len(near) + 1)
        shares.append(np.isin(near, rows[rows != me][: len(near)]).mean() if len(near) else 1.0)
    return round(float(np.mean(shares)), 4) if shares else 1.0


def nearest(
    pool: View, index: Index, query: NDArray[np.float32], k: int, where: str | None = None, share: float = 1.0
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(rows, cosines) of the k best of the rows that satisfy `where`, ranked by exact vectors, best first.

    The filter is applied before the search, and cells are opened until k rows are found. `share` is the part of the
    rows that the filter leaves: their neighbours lie in cells further off, so 1 / share times as many are opened.
    """
    nprobes = min(index.partitions, math.ceil(index.nprobes / max(share, 1e-9)))
    search = {
        "column": index.column, "q": query, "k": k, "minimum_nprobes": nprobes, "refine_factor": index.refine
    }  # fmt: skip
    found = dataset(pool).scanner(
        columns=["_distance"], nearest=search, filter=where, prefilter=True, with_row_address=True,
        disable_scoring_autoprojection=True,
    ).to_table()  # fmt: skip
    addresses = found.column("_rowaddr").to_numpy().astype(np.uint64)
    rows = np.searchsorted(pool._addresses(), addresses).astype(np.int64)
    scores = (1 - found.column("_distance").to_numpy()).astype(np.float32)
    rows, scores = rows[np.isfinite(scores)], scores[np.isfinite(scores)]
    order = np.lexsort((rows, -scores))
    return rows[order], scores[order]
