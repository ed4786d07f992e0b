"""LAION-5B's pipeline at our scale: crawl, filter by image-text similarity, train on what is kept, index, query.

The crawl is of a web on localhost: CIFAR-10 images and ImageNet photos with captions of which four in five are wrong,
and planted faults. The scorer is the offline encoder, so nothing is downloaded.
"""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import veduta
from veduta.annotate.align import Align
from veduta.annotate.embed import Embed
from veduta.judge.proof import Context, Proof
from veduta.pool import Pool
from veduta.pool.fetch import Policy, Status
from veduta.pool.readers.web import WebReader
from veduta.pool.readers.web_clean import DUPLICATE, TOO_SHORT
from veduta.search.lens import build_index, search
from veduta.select.top import Top

SLUG = "laion-pool"
CLAIM = (
    "A crawl of mostly wrong image-text pairs, filtered by an image-text score, is a better training set than the whole of it "
    "and than a random part, and an index of small codes finds in it what words ask for."
)
SOURCE = "Schuhmann et al. 2022, LAION-5B, NeurIPS Datasets and Benchmarks, arXiv 2210.08402"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
WRONG, KEEP, LEAST = 0.8, 0.2, 5_000
SITE = "http://127.0.0.1:{port}"


@dataclass
class Page:
    """One answer of the site."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Crawl:
    """The planted web. links: (path, text) in the order of the pages; right: whether a good path's caption is true.

    expected: what must become of the planted faults, status -> paths (or how many candidates of that kind).
    """

    pages: dict[str, Page]
    links: list[tuple[str, str]]
    right: dict[str, bool]
    row: dict[str, int]
    expected: dict[str, set[str]]
    dropped: dict[str, int]


def run(context: Context) -> Proof:
    """Run the experiment of the card; about 10 minutes on two cores, most of it the offline encoder."""
    proof = Proof(SLUG, CLAIM, SOURCE)
    cifar, photos = context.load("cifar10"), context.load("in1k-sample")
    crawl, train = plant(context, cifar, photos)
    with tempfile.TemporaryDirectory() as folder:
        pool, reader = crawled(context, crawl, Path(folder))
        faults(proof, pool, reader, crawl)
        kept = aligned(context, proof, pool, crawl)
        towers(context, proof, pool, kept, cifar)
        index(context, proof, pool, cifar, train, Path(folder))
    proof.note(
        "Bodies of good images carry a JPEG comment that brings them over 5,000 bytes; their pixels are untouched."
    )
    proof.note("The scorer knows ImageNet's 1,000 classes and CIFAR-10's ten are near them: an easy case for a filter.")
    return proof


# -- the planted web ---------------------------------------------------------------------------------------------------


def plant(context: Context, cifar: pa.Table, photos: pa.Table) -> tuple[Crawl, NDArray[np.int64]]:
    """The web to crawl, and which rows of cifar10 are in it as good rows."""
    rng = context.rng("crawl")
    good = context.size(45_000 if context.scale == "gpu" else 20_000, 600)
    order = rng.permutation(np.flatnonzero(np.array(cifar["split"].to_pylist()) == "train"))
    train, spare = np.sort(order[:good]), iter(order[good:].tolist())
    labels, images = cifar["label"].to_pylist(), cifar["image"]
    crawl = Crawl({"/robots.txt": Page(b"User-agent: *\nDisallow: /private/\n")}, [], {}, {}, {}, {})

    def add(path: str, body: bytes, names: tuple[str, ...] | list[str], name: str, row: int) -> None:
        true = rng.random() >= WRONG
        said = name if true else rng.choice([other for other in names if other != name])
        crawl.pages[path] = Page(padded(body))
        crawl.links.append((path, f"a photo of a {said}"))
        crawl.right[path], crawl.row[path] = bool(true), row

    for row in train.tolist():
        add(f"/cifar/{row}.jpg", images[row].as_py(), CLASSES, labels[row], row)
    names = [words.split(",")[0] for words in photos["label"].to_pylist()]
    for row in range(context.size(len(names), 100)):
        add(f"/photos/{row}.jpg", photos["image"][row].as_py(), names, names[row], -1 - row)

    planted = list(crawl.links)
    few = context.size(200, 20)
    again, short = (rng.choice(len(planted), few, replace=False).tolist() for _ in range(2))
    crawl.links += [planted[i] for i in again]
    crawl.links += [(planted[i][0], rng.choice(["dog", "cat", "1", "img"])) for i in short]
    crawl.dropped = {DUPLICATE: few, TOO_SHORT: few}
    faulty: dict[str, tuple[int, Any]] = {
        Status.TOO_SMALL: (context.size(300, 30), lambda body: Page(body)),
        "truncated JPEG": (few, lambda body: Page(padded(body, LEAST + 64)[:-64])),
        Status.DEAD: (few, lambda body: None),
        Status.OPTED_OUT: (few // 10, lambda body: Page(padded(body), headers={"X-Robots-Tag": "noai"})),
        Status.ROBOTS: (few // 10, lambda body: Page(padded(body))),
    }
    for status, (count, page) in faulty.items():
        crawl.expected[status] = set()
        for row in (next(spare) for _ in range(count)):
            path = f"/{'private' if status == Status.ROBOTS else 'more'}/{row}.jpg"
            if (made := page(images[row].as_py())) is not None:
                crawl.pages[path] = made
            crawl.links.append((path, f"a photo of a {labels[row]}"))
            crawl.expected[status].add(path)
    crawl.links = [crawl.links[i] for i in rng.permutation(len(crawl.links))]
    return crawl, train


def padded(body: bytes, least: int = LEAST) -> bytes:
    """A JPEG with a comment segment that makes it at least `least` bytes long."""
    lack = least - len(body)
    if lack <= 0:
        return body
    size = max(2, lack)
    return body[:2] + b"\xff\xfe" + size.to_bytes(2, "big") + b"." * (size - 2) + body[2:]


class Site:
    """Serves the pages on localhost from a thread."""

    def __init__(self, pages: dict[str, Page]) -> None:
        self._pages, self._loop, ready = pages, asyncio.new_event_loop(), threading.Event()

        async def start() -> None:
            self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
            ready.set()

        def serve() -> None:
            self._loop.run_until_complete(start())
            self._loop.run_forever()

        threading.Thread(target=serve, daemon=True).start()
        ready.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                page = self._pages.get(line.split()[1].decode(), Page(status=404))
                head = {"Content-Length": str(len(page.body)), **page.headers}
                lines = [f"HTTP/1.1 {page.status} -", *(f"{name}: {value}" for name, value in head.items()), "", ""]
                writer.write("\r\n".join(lines).encode() + page.body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def close(self) -> None:
        async def stop() -> None:
            self._server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)


def archived(crawl: Crawl, base: str, folder: Path) -> Path:
    """The pages of the web as a crawler keeps them: WAT records of fifty images, and saved HTML for the last tenth."""
    from warcio.warcwriter import WARCWriter

    folder.mkdir()
    cut = len(crawl.links) * 9 // 10
    with open(folder / "crawl.wat.gz", "wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for start in range(0, cut, 50):
            links = [
                {"path": "IMG@/src", "url": path, "alt": text}
                for path, text in crawl.links[start : min(cut, start + 50)]
            ]
            page = f"{base}/page/{start}.html"
            data = {
                "Envelope": {
                    "WARC-Header-Metadata": {"WARC-Target-URI": page},
                    "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {"Links": links}}},
                }
            }
            payload = io.BytesIO(json.dumps(data).encode())
            writer.write_record(
                writer.create_warc_record(page, "metadata", payload, warc_content_type="application/json")
            )
    images = "".join(f'<img src="{path}" alt="{text}">' for path, text in crawl.links[cut:])
    (folder / "saved.html").write_text(f'<link rel="canonical" href="{base}/saved.html"><body>{images}</body>')
    return folder


# -- the pipeline ------------------------------------------------------------------------------------------------------


def crawled(context: Context, crawl: Crawl, folder: Path) -> tuple[Pool, WebReader]:
    """Crawl, fetch and embed in one pass."""
    site = Site(crawl.pages)
    try:
        source = archived(crawl, SITE.format(port=site.port), folder / "archive")
        reader = WebReader(source, policy=Policy(allow_private=True, per_host=32, min_bytes=LEAST))
        pool = veduta.create(folder / "crawl.vd")
        context.say(f"crawling {len(crawl.links):,} candidates, embedding what can be fetched")
        with context.timed("crawl and embed"):
            pool.ingest(reader, annotators=[Embed(encoder="offline")])
        reader.close()
    finally:
        site.close()
    return pool, reader


def paths(pool: Pool) -> list[str]:
    """The path on the site of every row."""
    return ["/" + url.split("/", 3)[3] for url in pool.table(["source_url"])["source_url"].to_pylist()]


def faults(proof: Proof, pool: Pool, reader: WebReader, crawl: Crawl) -> None:
    """Every planted fault has its status, and no good row is lost."""
    error = dict(zip(paths(pool), pool.table(["error"])["error"].to_pylist(), strict=True))
    found, planted = 0, 0
    for status, wanted in crawl.expected.items():
        got = {path for path in wanted if (error.get(path) or "").removeprefix("unreadable: ").startswith(status)}
        proof.measure("planted faults", str(status), "given their status", len(got), n=len(wanted))
        found, planted = found + len(got), planted + len(wanted)
    for status, count in crawl.dropped.items():
        got = reader.tally.counts[status]
        proof.measure("planted faults", status, "given their status", got, n=count)
        found, planted = found + min(got, count) - max(0, got - count), planted + count
    lost = [path for path in crawl.right if path not in error or error[path] is not None]
    proof.measure("good rows", "crawl", "lost", len(lost), n=len(crawl.right))
    proof.must("share of planted faults with their status", found / planted, at_least=1.0)
    proof.must("good rows lost", len(lost), at_most=0)
    proof.details["errors"] = dict(Counter(e.removeprefix("unreadable: ").split(":")[0] for e in error.values() if e))
    proof.details["candidates"] = dict(reader.tally.counts)


def aligned(context: Context, proof: Proof, pool: Pool, crawl: Crawl) -> NDArray[np.bool_]:
    """Score, keep the top fifth; which rows of the pool are kept."""
    with context.timed("align and select"):
        pool.annotate([Align(encoder="offline")])
        kept = pool.select(Top(column="alignment", keep=KEEP), name="aligned").keep
    where = paths(pool)
    sound = np.array([path in crawl.right for path in where])
    right = np.array([crawl.right.get(path, False) for path in where])
    photo = np.array([path.startswith("/photos/") for path in where])
    proof.measure("right captions", "all", "share", right[sound].mean(), kind="baseline", n=int(sound.sum()))
    share = float(right[kept].mean())
    proof.measure(
        "right captions", "top 20 %", "share", share, interval=sure(share, int(kept.sum())), n=int(kept.sum())
    )
    for name, part in (("CIFAR-10", ~photo), ("photos", photo)):
        rows = kept & part
        value = float(right[rows].mean()) if rows.any() else float("nan")
        proof.measure(f"right captions, {name}", "top 20 %", "share", value, n=int(rows.sum()))
    proof.must("share of right captions in the top 20 %", share, at_least=0.60, interval=sure(share, int(kept.sum())))
    captions = [texts[0] for texts in pool.table(["captions"])["captions"].to_pylist()]
    each = Counter(text for text, ok in zip(captions, sound & ~photo, strict=True) if ok)
    held = Counter(text for text, ok in zip(captions, kept & ~photo, strict=True) if ok)
    proof.details["kept rate by caption"] = {text: round(held[text] / count, 4) for text, count in sorted(each.items())}
    proof.details["kept rate of photos"] = round(float(kept[photo & sound].mean()), 4)
    return kept


def towers(context: Context, proof: Proof, pool: Pool, kept: NDArray[np.bool_], cifar: pa.Table) -> None:
    """Train the same tower with the same steps on all rows, the kept ones, and as many at random; judge it zero-shot."""
    from veduta.encode import load
    from veduta.engine.decode import decode

    rows = np.flatnonzero(np.asarray(pool.table(["error"])["error"].combine_chunks().is_null()))
    with context.timed("decode"):
        pixels = np.stack([square(decode(data or b"", 32).pixels) for data in pool.read_images(rows)])
        test = np.flatnonzero(np.array(cifar["split"].to_pylist()) == "test")[: context.size(10_000, 1_000)]
        judged = np.stack([square(decode(cifar["image"][int(row)].as_py()).pixels) for row in test])
    truth = np.array([CLASSES.index(cifar["label"][int(row)].as_py()) for row in test])
    captions = [pool_captions[0] for pool_captions in pool.take(rows, ["captions"])["captions"].to_pylist()]
    said = sorted(set(captions))
    model = load("offline")
    words, names = model.text(said), model.text([f"a photo of a {name}" for name in CLASSES])
    number = {text: place for place, text in enumerate(said)}
    target = np.array([number[text] for text in captions])
    mask = kept[rows]
    random = np.sort(context.rng("random").permutation(len(rows))[: int(mask.sum())])
    arms = {"unfiltered": np.arange(len(rows)), "filtered": np.flatnonzero(mask), "random 20 %": random}
    epochs = 20 if context.scale == "gpu" else 3
    steps = max(1, epochs * len(rows) // 128)
    accuracy: dict[str, float] = {}
    context.say(f"training {len(arms)} towers, {steps} steps each")
    with context.timed("towers"), ThreadPoolExecutor(2) as workers:
        # One thread each, two at a time: side by side they fill two cores, and no sum depends on how threads are split.
        nets = [network(context, words.shape[1]) for _ in arms]
        jobs = [
            workers.submit(tower, context, net, pixels[chosen], target[chosen], words, steps, judged, names)
            for net, chosen in zip(nets, arms.values(), strict=True)
        ]
        results = [job.result() for job in jobs]
    for arm, found in zip(arms, results, strict=True):
        value = accuracy[arm] = float((found == truth).mean())
        kind = "arm" if arm == "filtered" else "baseline"
        proof.measure(
            "zero-shot CIFAR-10", arm, "accuracy", value, kind=kind, interval=sure(value, len(test)), n=len(test)
        )
    proof.details["tower"] = {"steps": steps, "batch": 128, "rows": {arm: len(chosen) for arm, chosen in arms.items()}}
    for other, least in (("unfiltered", 0.08), ("random 20 %", 0.15)):
        proof.must(f"accuracy, filtered minus {other}", accuracy["filtered"] - accuracy[other], at_least=least)


def square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The central square at 32 x 32 pixels."""
    import cv2

    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    part = np.ascontiguousarray(image[top : top + side, left : left + side])
    return part if side == 32 else np.asarray(cv2.resize(part, (32, 32), interpolation=cv2.INTER_AREA), np.uint8)


def network(context: Context, dim: int) -> Any:
    """An image tower of 0.2 million weights for 32 x 32 pixels; the same first weights for every arm."""
    import torch
    from torch import nn

    torch.manual_seed(int(context.rng("network").integers(2**31)))

    def block(i: int, o: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

    return nn.Sequential(
        *block(3, 32, 1), *block(32, 48, 2), *block(48, 48, 1), *block(48, 96, 2), *block(96, 96, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, dim),
    )  # fmt: skip


def tower(
    context: Context,
    net: Any,
    pixels: NDArray[np.uint8],
    target: NDArray[np.int64],
    words: NDArray[np.float32],
    steps: int,
    judged: NDArray[np.uint8],
    names: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Train an image tower against frozen text vectors; the nearest class name of every judged image.

    CLIP's image-to-text loss over the batch's distinct captions: rows that share a caption are not negatives of each other.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(1)
    device = "cuda" if context.scale == "gpu" else "cpu"
    net = net.to(device)
    scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32, device=device))
    optimizer = torch.optim.AdamW([*net.parameters(), scale], lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
    texts, places = torch.from_numpy(words).to(device), torch.from_numpy(target)
    rng = torch.Generator().manual_seed(int(context.rng("batches").integers(2**31)))
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(order) < 128:
            order = torch.cat([order, torch.randperm(len(images), generator=rng)])
        rows, order = order[:128], order[128:]
        batch = functional.pad(images[rows].float() / 127.5 - 1, (4, 4, 4, 4))
        x, y = torch.randint(9, (2,), generator=rng).tolist()
        batch = batch[:, :, y : y + 32, x : x + 32].clone()
        flip = torch.rand(len(batch), generator=rng) < 0.5
        batch[flip] = batch[flip].flip(3)
        distinct, own = places[rows].unique(return_inverse=True)
        vectors = functional.normalize(net(batch.to(device)), dim=1)
        logits = scale.exp().clamp(max=100) * vectors @ texts[distinct].T
        optimizer.zero_grad()
        functional.cross_entropy(logits, own.to(device)).backward()
        optimizer.step()
        schedule.step()
    net.eval()
    parts = []
    with torch.inference_mode():
        for part in torch.from_numpy(judged.transpose(0, 3, 1, 2).copy()).split(500):
            made = functional.normalize(net((part.float() / 127.5 - 1).to(device)), dim=1)
            parts.append((made @ torch.from_numpy(names).to(device).T).argmax(1).cpu().numpy())
    return np.concatenate(parts)


def index(context: Context, proof: Proof, crawl: Pool, cifar: pa.Table, train: NDArray[np.int64], folder: Path) -> None:
    """An index of 64-byte codes over all images against an exact search; subsets by class name."""
    rest = np.setdiff1d(np.arange(cifar.num_rows), train)[: context.size(60_000, 2_000)]
    context.say(f"embedding {len(rest):,} further images (cached)")
    with context.timed("embed the rest"):
        parts = [cifar["image"].take(pa.array(rest[at : at + 4_000])).to_pylist() for at in range(0, len(rest), 4_000)]
        more = np.concatenate([context.features(part, text=True) for part in parts])
    own, rows = crawl.vectors("embedding_text")
    where = paths(crawl)
    numbers = [
        int(where[row].rsplit("/", 1)[1].split(".")[0]) if where[row].startswith("/cifar/") else -1 for row in rows
    ]
    labels = cifar["label"].to_pylist()
    vectors = np.concatenate([own, more])
    names = [labels[n] if n >= 0 else "photo" for n in numbers] + [labels[row] for row in rest]
    pool = veduta.create(folder / "all.vd")
    column = crawl.schema.field("embedding_text")
    with pool.writing():
        pool.define(pa.schema([column]))
        table = {
            "key": pa.array([f"{i:06}" for i in range(len(vectors))]),
            "label": pa.array(names),
            "embedding_text": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]),
        }
        pool.append(pa.table(table, schema=pa.schema([pool.schema.field(name) for name in table])))
    with context.timed("index"):
        made = build_index(pool, "embedding_text", code_bytes=64)
    queries = context.rng("queries").choice(len(vectors), context.size(500, 50), replace=False)
    with context.timed("recall"):
        shares = []
        for row in queries.tolist():
            near, exact = (
                search(pool, row=row, k=10, embedding="embedding_text", exact=how, columns=["key"]).rows
                for how in (False, True)
            )
            shares.append(len(set(near.tolist()) & set(exact.tolist())) / 10)
    recall = float(np.mean(shares))
    task = f"index of {len(vectors):,} x {vectors.shape[1]}"
    proof.measure(task, made.kind, "recall@10", recall, interval=sure(recall, 10 * len(queries)), n=len(queries))
    proof.measure(task, made.kind, "bytes a row", made.code_bytes)
    proof.measure(task, made.kind, "times smaller", 4 * vectors.shape[1] / made.code_bytes)
    proof.must("recall@10 of the index against exact search", recall, at_least=0.90)
    proof.must("bytes of code a row", made.code_bytes, at_most=64)
    truth = np.array(names)
    hits = {}
    for name in CLASSES:
        found = search(pool, text=f"a photo of a {name}", k=200, embedding="embedding_text", columns=["key"])
        hits[name] = float((truth[found.rows] == name).mean())
    precision = float(np.mean(list(hits.values())))
    proof.measure("subset by text, top 200", "search", "precision", precision, n=10 * 200)
    proof.measure("subset by text, top 200", "base rate", "precision", 0.1, kind="baseline")
    proof.must("precision of text-query subsets over the base rate of 10 %", precision / 0.1, at_least=5.0)
    proof.details["index"] = {
        "kind": made.kind, "cells": made.partitions, "probed": made.nprobes, "candidates ranked again": made.refine, "seconds": made.seconds
    }  # fmt: skip
    proof.details["precision by class"] = {name: round(value, 4) for name, value in hits.items()}


def sure(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n cases (Wilson)."""
    z2 = 1.96**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = 1.96 / (1 + z2 / n) * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5
    return centre - half, centre + half
