"""Time and peak memory of every selector that claims to scale, from 10,000 to 1,000,000 rows.

    python -m benchmarks.selectors [NAME ...] [--rows 10000 31623 100000 316228 1000000] [--peer]

Synthetic vectors, 256 numbers a row, float32: clustered Gaussians. Half as many centres as there are hundreds of rows, drawn
from the unit Gaussian; a row is its centre + 1.0 x Gaussian noise, so two rows of a cluster have a cosine of about 0.5; one row
in twenty is a copy of another + 0.15 x noise, a cosine of about 0.99. All scaled to unit norm. A million rows have a hundred
times the clusters of ten thousand, as a larger pool has more concepts and not larger ones.
Each run is a process of its own: seconds of `pool.select`, reading and writing included, and the peak resident memory of the
process. The slope of log time against log rows is a least-squares line over all sizes: 1 is linear.
`--peer`: the same semantic de-duplication and density pruning written plainly with faiss and NumPy (benchmarks/peers/semdedup.py), which
is what one would use instead; the sides take turns, and the ratio is of ours to the peer's.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measure import command, row, scratch

DIM, PIECE = 256, 50_000
ROWS = (10_000, 31_623, 100_000, 316_228, 1_000_000)
SELECTORS: dict[str, tuple[str, dict[str, object]]] = {
    "semantic-deduplicate": ("semantic-deduplicate", {"eps": 0.05}),
    "density-prune": ("density-prune", {"keep": 0.3}),
    "deduplicate": ("deduplicate", {"by": "embedding", "threshold": 0.95, "prefer": "first"}),
    "top": ("top", {"column": "score", "keep": 0.3}),
    "sample": ("sample", {"keep": 0.3}),
    "sample, balanced": ("sample", {"keep": 0.3, "method": "balanced", "by": "concept"}),
    "where": ("where", {"sql": "score > 0.7"}),
}
PEERS = ("semantic-deduplicate", "density-prune")
ASKED = 1.25
"""Slope below which a selector counts as near-linear."""


def vectors(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 256) float32 of unit norm, and the centre of each row."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(2, rows // 200), DIM), dtype=np.float32)
    concept = rng.integers(len(centres), size=rows)
    made = rng.standard_normal((rows, DIM), dtype=np.float32)
    made += centres[concept]
    both = rng.permutation(rows)[: 2 * (rows // 20)].reshape(2, -1)
    noise = rng.standard_normal((both.shape[1], DIM), dtype=np.float32)
    made[both[1]] = made[both[0]] + np.float32(0.15) * noise
    concept[both[1]] = concept[both[0]]
    made /= np.sqrt(np.einsum("nd,nd->n", made, made))[:, None]
    return made, concept


def fill(path: Path, rows: int) -> None:
    """A pool of such rows, without images, and the vectors as `vectors.npy` beside it."""
    from veduta.pool import Pool

    values, concept = vectors(rows)
    score = np.random.default_rng(1).uniform(size=rows).astype(np.float32)
    np.save(path.with_suffix(".npy"), values)
    pool = Pool.create(path)
    with pool.writing():
        pool.define(
            pa.schema(
                [
                    pa.field("embedding", pa.list_(pa.float32(), DIM)),
                    pa.field("score", pa.float32()),
                    pa.field("concept", pa.string()),
                ]
            )
        )
        names = ("key", "embedding", "score", "concept")
        schema = pa.schema([pool.schema.field(name) for name in names])
        for start in range(0, rows, PIECE):
            part = slice(start, min(rows, start + PIECE))
            columns = {
                "key": pa.array([f"{i:08d}" for i in range(part.start, part.stop)]),
                "embedding": pa.FixedSizeListArray.from_arrays(pa.array(values[part].reshape(-1)), DIM),
                "score": pa.array(score[part]),
                "concept": pa.array([f"concept {i % 1000}" for i in concept[part]]),
            }
            pool.append(pa.table(columns, schema=schema))


def one(name: str, path: Path) -> None:
    """Run one selector on a pool and print its seconds, in this process."""
    import time

    from veduta.engine.registry import find
    from veduta.pool import Pool

    operation, parameters = SELECTORS[name]
    pool = Pool.open(path)
    start = time.perf_counter()
    # A new name each time: a selection that is there is not made again.
    chosen = pool.select(find(operation)(**parameters), name=f"bench_{time.time_ns()}")  # pyright: ignore
    print(json.dumps({"seconds": time.perf_counter() - start, "kept": len(chosen)}))


def measured(arguments: list[str | Path]) -> tuple[float, float, int]:
    """Seconds, peak GiB and rows kept of a command that prints JSON last."""
    done = command(arguments)
    told = json.loads(done.output.strip().splitlines()[-1])
    return told["seconds"], done.peak / 1024, told["kept"]


def main() -> None:
    """Curves, and with --peer the comparison at the largest size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(SELECTORS))
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--pools", type=Path, help="folder in which the pools are kept; by default they go away")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], Path(options.one[1]))
        return
    with scratch() as folder:
        where = options.pools or Path(folder)
        for rows in options.rows:
            if not (where / f"{rows}.vd").exists():
                fill(where / f"{rows}.vd", rows)
        ours = [sys.executable, "-m", "benchmarks.selectors", "--one"]
        for name in options.names:
            found = [measured([*ours, name, where / f"{rows}.vd"]) for rows in options.rows]
            for rows, (seconds, peak, kept) in zip(options.rows, found, strict=True):
                line = {"selector": name, "rows": rows, "seconds": round(seconds, 2), "peak_gib": round(peak, 2)}
                print(json.dumps({**line, "kept": kept}), flush=True)
            if len(found) > 1:
                slope = float(np.polyfit(np.log(options.rows), np.log([seconds for seconds, _, _ in found]), 1)[0])
                last, peak, _ = found[-1]
                told = f"{last:.1f} s, {peak:.1f} GiB at the end; slope {slope:.2f}"
                size = f"{options.rows[0]:,} to {options.rows[-1]:,} x {DIM}"
                row(f"{name}, {size}", told, f"slope <= {ASKED}", slope <= ASKED, "reading and writing the pool")
        if options.peer:
            against(where / f"{options.rows[-1]}.vd", ours)


def against(pool: Path, ours: list[str]) -> None:
    """Ours and the peer's in turn, once each: both take minutes."""
    for name in PEERS:
        script = Path(__file__).parent / "peers" / "semdedup.py"
        theirs = measured([sys.executable, script, name, pool.with_suffix(".npy")])
        mine = measured([*ours, name, pool])
        ratio = mine[0] / theirs[0]
        told = f"{ratio:.2f} ({mine[0]:.0f} s / {theirs[0]:.0f} s; {mine[1]:.1f} and {theirs[1]:.1f} GiB; {mine[2]:,} and {theirs[2]:,} kept)"
        row(f"{name} of {pool.stem} x {DIM} / plain faiss and NumPy", told, "<= 1.0", ratio <= 1, "k-means")


if __name__ == "__main__":
    main()
