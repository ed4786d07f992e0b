"""How fast the app's server answers, and how much memory it takes.

    python -m benchmarks.app [--rows 60000 1000000] [--keep FOLDER]

Pools of generated pictures of 96 pixels with labels, scores, a map and vectors of the offline encoder's text space; the
larger one is indexed (`veduta index`), as a pool of that size would be. The server runs in a process of its own, asked over
HTTP by this one on the same machine. First grid: from the start of `veduta view` without its browser, imports included, to
the first 100 rows with their small pictures, which nobody has made before; and from the moment that the server listens. A jump: 100 rows with their pictures, anywhere.
A client that scrolls asks for 100 rows with their pictures every second, two and a half screens of a laptop.
"""

from __future__ import annotations

import argparse
import http.client
import json
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa

import veduta
from benchmarks.measure import now, row, scratch
from benchmarks.search import PIECE, vectors
from veduta.engine.fused import provenance
from veduta.pool import Pool
from veduta.pool.schema import CORE

CLIENTS, SECONDS, STEP = 50, 60.0, 1.0
BLOCK = 100
PICTURES = 20_000
"""Different pictures of a pool; every row of the small pool below has seen each of them three times."""


def pictures(count: int, side: int = 96) -> list[bytes]:
    """JPEG files of soft colours."""
    import simplejpeg
    from PIL import Image

    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        small = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
        made.append(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=80))
    return made


def make(path: Path, total: int) -> Pool:
    """The pool, made once and then found again."""
    import hashlib

    from veduta.encode import load

    if (path / "made").exists():
        return Pool.open(path)
    model, rng = load("offline"), np.random.default_rng(1)
    dim = model.text_dim or 0
    files = pictures(PICTURES)
    digests = [hashlib.sha256(file).hexdigest() for file in files]
    pool = veduta.create(path)
    space = pa.schema([pa.field("embedding_text", pa.list_(pa.float32(), dim))])
    own = pa.schema([pa.field("score", pa.float32()), pa.field("flag", pa.bool_())])
    places = pa.schema([pa.field("x", pa.float32()), pa.field("y", pa.float32())])
    with pool.writing():
        parameters = {"encoder": "offline", "column": "embedding"}
        pool.define(provenance(space, "embed", parameters, model.text_fingerprint or ""))
        pool.define(own)
        pool.define(provenance(places, "project-2d", {}, ""))
        values = vectors(total, dim)
        for start in range(0, total, PIECE):
            rows = np.arange(start, min(total, start + PIECE))
            which = rows % PICTURES
            columns = {
                "key": [f"photos/{i:07d}.jpg" for i in rows],
                "digest": [digests[i] for i in which],
                "image": [files[i] for i in which],
                "bytes": [len(files[i]) for i in which],
                "width": np.full(len(rows), 96, np.int32),
                "height": np.full(len(rows), 96, np.int32),
                "format": ["JPEG"] * len(rows),
                "label": [f"class {i:03d}" for i in rng.zipf(1.3, len(rows)) % 200],
                "score": rng.random(len(rows), np.float32),
                "flag": rng.random(len(rows)) < 0.1,
                "x": rng.normal(size=len(rows)).astype(np.float32),
                "y": rng.normal(size=len(rows)).astype(np.float32),
            }
            schema = pa.schema([CORE.field(n) if n in CORE.names else pool.schema.field(n) for n in columns])
            table = pa.table(columns, schema=schema)
            flat = pa.array(values[rows].reshape(-1))
            pool.append(table.append_column(space.field(0), pa.FixedSizeListArray.from_arrays(flat, dim)))
    if total >= 100_000:
        veduta.search.index(pool, "embedding_text")
    (path / "made").touch()
    return pool


class Server:
    """`veduta view` without pages and browser, in a process of its own."""

    def __init__(self, pool: Path) -> None:
        started = now()
        (pool / "thumbnails.sqlite").unlink(missing_ok=True)
        code = f"from benchmarks.app import served; served({str(pool)!r})"
        self.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.start = now() - started
        self.client = Client(self.port)
        self.client.grid(0)
        self.first_grid = now() - started

    def memory(self) -> float:
        """Peak resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(10)


def served(pool: str) -> None:
    """Run in the server's process: print the port, then serve."""
    from veduta.app import serve
    from veduta.app import server as pages
    from veduta.engine import process

    process.allow_return()  # as the command does
    empty = Path(pool) / "pages"
    (empty / "assets").mkdir(parents=True, exist_ok=True)
    (empty / "index.html").touch()
    serve.STATIC = pages.STATIC = empty
    serve.serve(Path(pool), "127.0.0.1", 8700, False, lambda said: print(said.split(":")[2].split("/")[0], flush=True))


class Client:
    """One browser's connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.version = json.loads(self.get("pool"))["version"]  # which a page names in every question

    def get(self, path: str, **query: object) -> bytes:
        """The body of an answer. Raises RuntimeError with the server's words for any but 200."""
        self.connection.request("GET", f"/api/{path}?{urlencode(query)}")
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(body.decode()[:300])
        return body

    def rows(self, start: int, **state: object) -> list[int]:
        """Positions of 100 rows of a view."""
        return [
            r["row"]
            for r in json.loads(self.get("rows", version=self.version, start=start, count=BLOCK, **state))["rows"]
        ]

    def pictures(self, rows: Sequence[int]) -> None:
        """Their small pictures; every one must be there."""
        body, at = self.get("thumbs", version=self.version, rows=",".join(map(str, rows)), side=128), 0
        for wanted in rows:
            found, size = struct.unpack_from("<II", body, at)
            at += 8 + size
            if found != wanted or not size:
                raise RuntimeError(f"no picture of row {wanted}")

    def grid(self, start: int, **state: object) -> None:
        """100 rows and their pictures."""
        self.pictures(self.rows(start, **state))


def timed(what: Callable[..., object], *arguments: Any, **options: Any) -> float:
    """Milliseconds of a call."""
    start = now()
    what(*arguments, **options)
    return 1000 * (now() - start)


def scrolling(port: int, total: int) -> tuple[list[float], list[str]]:
    """Milliseconds of every answer that 50 clients got in a minute, and what failed."""
    times: list[float] = []
    failures: list[str] = []
    until = now() + SECONDS

    def scroll(number: int) -> None:
        client, at = Client(port), number * total // CLIENTS
        time.sleep(STEP * number / CLIENTS)
        while now() < until:
            began = now()
            try:
                rows = client.rows(at)
                middle = now()
                client.pictures(rows)
                times.extend([1000 * (middle - began), 1000 * (now() - middle)])
            except (RuntimeError, OSError, http.client.HTTPException) as error:
                failures.append(str(error))
                client = Client(port)
            at = (at + BLOCK) % (total - BLOCK)
            time.sleep(max(0.0, STEP - (now() - began)))

    threads = [threading.Thread(target=scroll, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, failures


def measured(path: Path, total: int) -> None:
    """The rows of the table for one pool."""

    def told(what: str, value: str, asked: str = "", holds: bool = True, limit: str = "") -> None:
        row(f"app, {total:,} rows: {what}", value, asked, holds, limit)

    make(path, total)
    server = Server(path)
    try:
        client, rng = server.client, np.random.default_rng(3)
        opened, limit = server.first_grid - server.start, 1.0 if total < 100_000 else 1.5
        told("first grid, from opening the page", f"{opened:.2f} s", f"< {limit} s", opened < limit, "decoding")
        told("first grid, from starting the command", f"{server.first_grid:.2f} s", limit="imports")
        first = timed(client.grid, 0, text="a photo")
        told("the first text query", f"{first:.0f} ms", limit="the encoder is loaded")
        jumps = [timed(client.grid, int(rng.integers(total - BLOCK))) for _ in range(20)]
        said = f"{median(jumps):.0f} and {max(jumps):.0f} ms"
        told("jump, median and worst of 20", said, "< 200 ms", max(jumps) < 200, "pictures made")
        columns = ("label", "score", "flag", "width")
        cold = [timed(client.get, "facet", column=c) for c in columns]
        warm = [timed(client.get, "facet", column=c, where="score > 0.3") for c in columns]
        said = f"{max(cold):.0f} and {max(warm):.0f} ms"
        told("facet, first and then with a filter, worst of 4", said, limit="a pass over the column")
        order = timed(client.rows, 0, sort="score", desc="true")
        told("sorted by a number", f"{order:.0f} ms", limit="the sort, which is kept")
        words = [
            f"a {colour} {thing}" for colour in ("red", "dark", "wet") for thing in ("dog", "car", "tree", "house")
        ]
        texts = [timed(client.grid, 0, text=text) for text in words]
        said = f"{median(texts):.0f} and {max(texts):.0f} ms"
        told("text query to grid, median and worst of 12", said, "< 300 ms", max(texts) < 300, "the search")
        times, failures = scrolling(server.port, total)
        p95 = float(np.percentile(times, 95))
        what = f"{CLIENTS} clients scroll for a minute, p95 of {len(times):,} answers"
        held = p95 < 300 and not failures
        told(what, f"{p95:.0f} ms, {len(failures)} failures", "< 300 ms, no failure", held, "one core: Python")
        told("peak memory of the server", f"{server.memory():.0f} MiB", "< 1024 MiB", server.memory() < 1024)
    finally:
        server.end()


def main() -> None:
    """Both sizes, in a folder that goes away."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[60_000, 1_000_000])
    parser.add_argument("--keep", type=Path, help="a folder for the pools, for the next time")
    given = parser.parse_args()
    with scratch() as folder:
        for total in given.rows:
            measured((given.keep or Path(folder)) / f"{total}.vd", total)


if __name__ == "__main__":
    main()
