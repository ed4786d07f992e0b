"""How long a search takes and how much of the exact result an index finds.

    python -m benchmarks.search [--large] [--json FILE]

Pools of synthetic unit vectors (clusters on a 32-dimensional sheet, plus noise: independent Gaussians have no near
neighbours to find, and embeddings are nothing like them). 60,000 x 1280 and x 384 (the text query goes through the
offline encoder), and with --large 1,000,000 x 256. Medians of 20 queries, warm unless said otherwise.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

import veduta
from benchmarks.measure import row
from veduta.engine.fused import provenance
from veduta.pool import Pool
from veduta.search import blocks

PIECE = 50_000


def vectors(n: int, d: int, seed: int = 0) -> np.ndarray:
    """(n, d) float32 unit vectors in n / 200 overlapping clusters."""
    rng = np.random.default_rng(seed)
    sheet = rng.normal(size=(32, d)).astype(np.float32)
    centres = rng.normal(size=(max(1, n // 200), 32)).astype(np.float32)
    out = np.empty((n, d), np.float32)
    for start in range(0, n, PIECE):
        m = min(PIECE, n - start)
        flat = centres[rng.integers(len(centres), size=m)] + 1.2 * rng.normal(size=(m, 32)).astype(np.float32)
        piece = flat @ sheet + 0.5 * rng.normal(size=(m, d)).astype(np.float32)
        out[start : start + m] = piece / np.linalg.norm(piece, axis=1, keepdims=True)
    return out


def make(folder: Path, n: int, d: int) -> Pool:
    """A pool with n rows: `embedding_text` (d) as the offline encoder's, `label` in ten classes."""
    from veduta.encode import load

    model = load("offline")
    pool = veduta.create(folder / f"{n}x{d}.vd")
    name = "embedding_text" if d == model.text_dim else "embedding"
    column = pa.schema([pa.field(name, pa.list_(pa.float32(), d))])
    mark = model.text_fingerprint if d == model.text_dim else (model.fingerprint if d == model.dim else "")
    values = vectors(n, d)
    with pool.writing():
        pool.define(provenance(column, "embed", {"encoder": "offline", "column": "embedding"}, mark or ""))
        for start in range(0, n, PIECE):
            rows = range(start, min(n, start + PIECE))
            labels = [f"class {i % 10}" for i in rows]
            pool.append(pa.table({"key": [f"k{i}" for i in rows], "label": labels}))
            flat = pa.array(values[rows.start : rows.stop].reshape(-1))
            made = pa.table({name: pa.FixedSizeListArray.from_arrays(flat, d)})
            pool.fill(made, pool.pending([name]))
    return pool


def median_ms(query: Callable[[int], object], times: int = 20) -> float:
    """Median time of a call in ms, after one that warms up."""
    query(0)
    spans = []
    for i in range(times):
        start = time.perf_counter()
        query(i + 1)
        spans.append(time.perf_counter() - start)
    return round(1000 * statistics.median(spans), 1)


def once_ms(query: Callable[[], object]) -> float:
    """Time of one call in ms."""
    start = time.perf_counter()
    query()
    return round(1000 * (time.perf_counter() - start), 1)


def measure(pool: Pool, column: str) -> list[dict[str, object]]:
    """Exact search, then product codes of 64 bytes, then the index that is built by itself."""
    n, d = len(pool), pool.schema.field(column).type.list_size
    rows = np.random.default_rng(1).integers(n, size=40).tolist()
    base = {"rows": n, "dim": d}
    blocks.clear()
    cold = once_ms(lambda: veduta.search(pool, row=rows[0], k=10, embedding=column, exact=True))
    truth = {r: set(veduta.search(pool, row=r, k=10, embedding=column, exact=True).rows.tolist()) for r in rows}

    def report(name: str, exact: bool, **facts: object) -> dict[str, object]:
        def query(i: int, where: str | None = None) -> object:
            return veduta.search(pool, row=rows[i], k=10, where=where, embedding=column, exact=exact)

        found = [len(truth[r] & set(query(i).rows.tolist())) / 10 for i, r in enumerate(rows)]
        tenth = "label = 'class 3'"
        timed = {"row_ms": median_ms(query), "filtered_ms": median_ms(lambda i: query(i, tenth))}
        if column == "embedding_text":
            words = ["a dog in the snow", "two children", "red car", "an old ship at sea", "flowers"]
            timed["text_ms"] = median_ms(
                lambda i: veduta.search(pool, text=words[i % 5], embedding=column, exact=exact)
            )
        return {**base, "method": name, **timed, "recall@10": round(float(np.mean(found)), 3), **facts}

    lines = [report("exact", True, cold_ms=cold)]
    for name, options in [("64 bytes, best 4k again", {"code_bytes": 64, "refine": 4}), ("by itself", {})]:
        index = veduta.search.index(pool, column, **options)
        facts = {
            key: getattr(index, key) for key in ("kind", "partitions", "nprobes", "refine", "code_bytes", "seconds")
        }
        lines.append(report(name, False, measured=index.recall, **facts))
    return lines


def main() -> None:
    """Run and print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="also 1,000,000 x 256 (1 GB of disk and memory each)")
    parser.add_argument("--json", type=Path, help="write the lines to this file")
    options = parser.parse_args()
    shapes = [(60_000, 384), (60_000, 1280)] + ([(1_000_000, 256)] if options.large else [])
    lines: list[dict[str, object]] = []
    for n, d in shapes:
        with tempfile.TemporaryDirectory() as folder:
            pool = make(Path(folder), n, d)
            for line in measure(pool, "embedding_text" if d == 384 else "embedding"):
                print(json.dumps(line), flush=True)
                lines.append(line)
                if d == 384 and line["method"] == "by itself":
                    took = float(str(line["text_ms"]))
                    row("text query over 60,000 rows, warm", f"{took} ms", "< 100 ms", took < 100, "the text encoder")
        blocks.clear()
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1) + "\n")


if __name__ == "__main__":
    main()
