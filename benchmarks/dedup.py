"""Near-duplicates of all CIFAR-10 images from given hashes or embeddings, against imagededup's comparison step.

    python -m benchmarks.dedup [--data CIFAR10_PARQUET] [--peer-python PEER_ENV/bin/python]

Both sides get the same encodings and the same threshold; only the comparison is timed. Prints one JSON line for each
of the two kinds. imagededup's hash search compares every query with every image in Python objects, which takes long: by
default it is timed on `--queries` of the images as queries against all, and scaled to all (`--queries 0`: all of them).
Its cosine step is timed in full (sklearn's cosine_similarity, in float16 chunks, as `CNN.find_duplicates` does it).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from benchmarks.measure import PEERS, row
from veduta import samples

BITS = 10
COSINE = 0.96

PEER_HASHES = """
import json, sys, time
import numpy as np
from imagededup.methods import PHash
words = np.load(sys.argv[1]); queries = int(sys.argv[2]) or len(words)
encodings = {f"{i}.jpg": f"{int(w):016x}" for i, w in enumerate(words)}
some = dict(list(encodings.items())[:: max(1, len(words) // queries)][:queries])
from imagededup.handlers.search.retrieval import HashEval
method = PHash(verbose=False)
def timed(some):
    start = time.perf_counter()
    HashEval(test=encodings, queries=some, distance_function=method.hamming_distance, verbose=False,
             threshold=int(sys.argv[3])).retrieve_results(scores=True)
    return time.perf_counter() - start
if len(some) == len(words):
    seconds = timed(some)
else:  # the start of its worker processes is not multiplied
    few = dict(list(some.items())[: len(some) // 10])
    once = timed(few)
    seconds = once + (timed(some) - once) / (len(some) - len(few)) * (len(words) - len(few))
print(json.dumps({"seconds": seconds, "timed_queries": len(some)}))
"""

PEER_VECTORS = """
import json, sys, time
import numpy as np
from imagededup.handlers.search.retrieval import get_cosine_similarity
vectors = np.load(sys.argv[1]); threshold = float(sys.argv[2])
names = np.array([f"{i}.jpg" for i in range(len(vectors))])
start = time.perf_counter()
scores = get_cosine_similarity(vectors, verbose=False, num_workers=0)
np.fill_diagonal(scores, 2.0)
found = {}
for i, row in enumerate(scores):
    near = (row >= threshold) & (row < 2)
    found[names[i]] = list(names[near])
print(json.dumps({"seconds": time.perf_counter() - start, "timed_queries": len(vectors)}))
"""


def peer(python: str, script: str, *arguments: object) -> dict[str, float]:
    """Run one of the scripts above in the peer's own environment."""
    run = subprocess.run(
        [python, "-c", script, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=7200
    )
    if run.returncode:
        return {"error": run.stderr.strip().splitlines()[-1] if run.stderr else f"exit {run.returncode}"}  # type: ignore[dict-item]
    return json.loads(run.stdout.strip().splitlines()[-1])


def encodings(parquet: Path) -> tuple[np.ndarray, np.ndarray]:
    """Perceptual hashes (n,) uint64 and 512-d vectors (n, 512) float32: randomly projected pixels, centred, unit norm."""
    from veduta.annotate.perceptual_hash import phash

    images = []
    for batch in pq.ParquetFile(parquet).iter_batches(columns=["image"]):
        for content in batch.column(0).to_pylist():
            data = np.frombuffer(content, dtype=np.uint8)
            images.append(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))
    words = np.concatenate([phash(images[at : at + 1000]) for at in range(0, len(images), 1000)])
    axes = np.random.default_rng(0).standard_normal((3072, 512), dtype=np.float32)
    pixels = np.stack(images).reshape(len(images), -1).astype(np.float32)
    pixels -= pixels.mean(axis=0)
    vectors = pixels @ axes
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(words).view(np.uint64).ravel(), vectors


def main() -> None:
    """Time both sides on both kinds and print the ratios."""
    from veduta.select.cover import cover
    from veduta.select.relation import Relation, bit_vectors

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Parquet file with a column `image` of encoded images")
    parser.add_argument("--peer-python", default=str(PEERS), help="Python of an environment with imagededup")
    parser.add_argument("--queries", type=int, default=600, help="hash queries to time imagededup on; 0: all")
    parser.add_argument(
        "--rows", type=int, default=0, help="only the first so many images (the peer needs 15 GB for all)"
    )
    options = parser.parse_args()
    words, vectors = encodings(options.data or samples.get("cifar10"))
    if options.rows:
        words, vectors = words[: options.rows], vectors[: options.rows]
    rows = np.arange(len(words))

    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/words.npy", words)
        np.save(f"{folder}/vectors.npy", vectors)
        for kind in ("hash", "embedding"):
            start = time.perf_counter()
            if kind == "hash":
                found = cover(Relation(bit_vectors(words), 1 - (BITS + 0.5) / 32), rows)
            else:
                found = cover(Relation(vectors, COSINE), rows)
            ours = time.perf_counter() - start
            line = {
                "benchmark": "dedup", "kind": kind, "n": len(words), "ours_s": round(ours, 2), "search": found.search,
                "duplicates": int((found.representative != rows).sum()),
            }  # fmt: skip
            if options.peer_python:
                theirs = (
                    peer(options.peer_python, PEER_HASHES, f"{folder}/words.npy", options.queries, BITS)
                    if kind == "hash"
                    else peer(options.peer_python, PEER_VECTORS, f"{folder}/vectors.npy", COSINE)
                )
                if "error" in theirs:
                    line["peer_error"] = theirs["error"]
                else:
                    line |= {"peer_s": round(theirs["seconds"], 2), "peer_queries": theirs["timed_queries"]}
                    ratio = ours / theirs["seconds"]
                    measured = f"{ratio:.3f} ({ours:.1f} s / {theirs['seconds']:.0f} s)"
                    what = f"near-duplicates of {len(words):,} images by {kind} / imagededup's comparison"
                    row(what, measured, "<= 0.10", ratio <= 0.1, f"the search: {found.search}")
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
