"""The vectors, labels and classifier behind `learn probe`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import load as load_encoder
from veduta.encode.base import Encoder, unit
from veduta.engine import progress
from veduta.engine.pipeline import batched, ordered_map
from veduta.learn import linear, seen
from veduta.learn.card import card
from veduta.learn.columns import base_of, vectors_at
from veduta.learn.decoded import pixels_of
from veduta.learn.folder import RunFolder
from veduta.learn.probe import Probe
from veduta.learn.rows import choose, labelled
from veduta.pool import Pool
from veduta.pool.schema import FINGERPRINT

BATCH = 16


def fill(
    probe: Probe, folder: RunFolder, pool: Pool, where: str | None, selection: str | None, on: progress.Progress
) -> None:
    """Fit and write the run."""
    started = time.monotonic()
    base, column = _base(probe, pool)
    need = f"{probe.target} is not null" + (f" and {column} is not null" if column else "")
    rows = choose(
        pool, need=need, where=where, selection=selection, share=probe.validation, seed=probe.seed, strata=probe.target
    )
    names, classes, held = labelled(pool, rows, probe.target, "learn probe")
    rows.tell(on)
    every = np.concatenate([rows.train, held])
    if column:
        x = unit(vectors_at(pool, column, every)[0])
    else:
        x = _embedded(load_encoder(base["uri"]), pool, every, on)
    truth = classes[every][:, None] == np.arange(len(names))
    train, test = np.arange(len(rows.train)), np.arange(len(rows.train), len(every))
    with progress.stage(on, "probe", len(train)):
        c = (
            probe.C
            or linear.choose_c(x[train], truth[train], probe.classifier, np.random.default_rng([probe.seed, 1]))[0]
        )
        weights, bias = linear.fit(x[train], truth[train], c, probe.classifier)
        on.advance(len(train))
    figures: dict[str, Any] = {}
    if len(test):
        figures = {"accuracy": linear.score(x[test] @ weights.T + bias, truth[test], exclusive=True)}
    folder.save_model({"classifier.weight": weights, "classifier.bias": bias})
    about = {
        "kind": "classifier",
        "dim": x.shape[1],
        "base": base,
        "classifier": {"inputs": x.shape[1], "classes": len(names)},
        "model": {"name": f"{probe.classifier} on {base['uri']}", "classes": len(names), "C": c},
        "classes": names,
        "target": probe.target,
        "figures": figures,
        "export": "none: a linear layer on another encoder's vectors",
        "training": {
            "rows": len(train),
            "validation_rows": len(test),
            "skipped": rows.skipped,
            "seconds": round(time.monotonic() - started, 1),
        },
    }
    seen.note(folder, pool, rows.train, about)
    folder.seal(about, card(folder, about))


def _base(probe: Probe, pool: Pool) -> tuple[dict[str, str], str | None]:
    """The encoder's `uri` and `fingerprint`, and the column that it has filled, if any."""
    there = probe.embedding in pool.schema.names
    if probe.encoder is None and there:
        return base_of(pool, probe.embedding, "learn probe"), probe.embedding
    uri = probe.encoder or "offline"
    base = {"uri": uri, "fingerprint": load_encoder(uri).fingerprint}
    if there:
        made = (pool.schema.field(probe.embedding).metadata or {}).get(FINGERPRINT, b"").decode()
        if made == base["fingerprint"]:
            return base, probe.embedding
    return base, None


def _embedded(encoder: Encoder, pool: Pool, rows: NDArray[np.int64], on: progress.Progress) -> NDArray[np.float32]:
    """Unit vectors (n, d) of the rows' images."""

    def one(part: list[int]) -> NDArray[np.float32]:
        images = zip(part, pool.read_images(np.asarray(part)), strict=True)
        return encoder.image(
            np.stack([encoder.prepare(pixels_of(pool, row, data, encoder.resize)) for row, data in images])
        )

    pool.rows()  # fills the address cache before threads share it
    found = []
    with progress.stage(on, f"embed with {encoder.uri}", len(rows)):
        for vectors in ordered_map(one, batched(rows.tolist(), BATCH)):
            found.append(vectors)
            on.advance(len(vectors))
    return np.concatenate(found)
