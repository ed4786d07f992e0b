"""A million random unit vectors of 256 dimensions with 50,000 planted near-duplicate pairs.

    python benchmarks/dedup_million.py [--rows 1000000]

The partner of a planted row has a cosine to it drawn uniformly from [threshold, 1]; rows that are not planted are as far
apart as random directions are, which leaves an index no clusters to lean on. Prints one JSON line: recall of the planted
pairs, share of false pairs among those found, seconds, peak resident memory, and what must hold.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np

from benchmarks.measure import row


def planted(rows: int, dim: int, pairs: int, threshold: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (rows, dim) float32 and the planted pairs (pairs, 2) int64, lower row first."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((rows, dim), dtype=np.float32)
    vectors /= np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    both = rng.permutation(rows)[: 2 * pairs].reshape(2, pairs)
    base = vectors[both[0]]
    side = rng.standard_normal(base.shape, dtype=np.float32)
    side -= np.einsum("nd,nd->n", side, base)[:, None] * base
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    # A hair above the threshold, so that rounding to float32 leaves every planted pair a true one.
    cosine = rng.uniform(threshold + 1e-6, 1, pairs).astype(np.float32)[:, None]
    made = cosine * base + np.sqrt(1 - cosine**2) * side
    vectors[both[1]] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return vectors, np.sort(both.T, axis=1)


def main() -> None:
    """Plant, search, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--pairs", type=int, default=0, help="default: 5 %% of the rows")
    parser.add_argument("--threshold", type=float, default=0.96)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from veduta.select.cover import cover
    from veduta.select.relation import Relation

    pairs = options.pairs or options.rows // 20
    vectors, truth = planted(options.rows, options.dim, pairs, options.threshold, options.seed)
    start, cpu = time.perf_counter(), time.process_time()
    found = cover(Relation(vectors, options.threshold), np.arange(options.rows))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    joined = np.flatnonzero(found.representative != np.arange(options.rows))
    right = found.representative[truth[:, 1]] == truth[:, 0]
    false = len(joined) - int(right.sum())
    below = int((found.similarity[joined] < options.threshold).sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    line = {
        "benchmark": "dedup_million", "rows": options.rows, "dim": options.dim, "pairs": pairs,
        "recall": round(float(right.mean()), 5), "false_pairs": round(false / max(1, len(joined)), 6),
        "below_threshold": below, "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1),
        "peak_gib": round(peak, 2), "search": found.search,
        "must": "recall >= 0.99, false pairs <= 0.001, < 900 s, < 6 GiB",
    }  # fmt: skip
    print(json.dumps(line))
    holds = right.mean() >= 0.99 and false <= 0.001 * len(joined) and seconds < 900 and peak < 6
    measured = f"recall {right.mean():.4f}, false {false / max(1, len(joined)):.3%}, {seconds:.0f} s, {peak:.1f} GiB"
    asked = "recall >= 0.99, false <= 0.1 %, < 900 s, < 6 GiB"
    row(
        f"near-duplicates of {options.rows:,} x {options.dim} vectors",
        measured,
        asked,
        holds,
        f"the search: {found.search}",
    )


if __name__ == "__main__":
    main()
