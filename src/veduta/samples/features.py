"""Embeddings of sample images, computed once a machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veduta.encode.views import Views
from veduta.errors import BadInput
from veduta.samples.place import cache

BATCH = 32


def features(
    images: str | Iterable[bytes],
    encoder: str = "offline",
    *,
    text: bool = False,
    views: Views = 1,
    whole: bool = False,
) -> NDArray[np.float32]:
    """Unit vectors (n, d) float32 of the images of a sample (by name) or of given image bytes, in their order.

    text: vectors in the space of the encoder's texts instead (for `offline` another space, see `Encoder.both`).
    views: 8 or 16 give (n, views, d); whole: without the encoder's central crop; see `veduta.encode.views`.
    Cached under the encoder's fingerprint and the digest of all image bytes: the same pictures and weights are never
    encoded twice. Cost of the first call: one forward pass an image on all cores; memory n * d * 4 bytes.
    Raises Undecodable if one of the images is damaged.
    """
    from veduta.encode import load as load_encoder
    from veduta.encode.views import embed
    from veduta.samples.table import load

    if text and (views > 1 or whole):
        raise BadInput("views and whole are of the image space; leave out text, or leave out both")
    data = load(images)["image"].to_pylist() if isinstance(images, str) else list(images)
    model = load_encoder(encoder)
    total = hashlib.sha256()
    for content in data:
        total.update(hashlib.sha256(content).digest())
    space = model.fingerprint if not text else f"text-{model.text_fingerprint or model.fingerprint}"
    if views > 1 or whole:
        space = f"{'whole' if whole else 'views'}{views}-{space}"
    file = cache().parent / "features" / space[:24] / f"{total.hexdigest()[:32]}.npy"
    if file.exists():
        return np.load(file, allow_pickle=False)

    def one(part: Sequence[bytes]) -> NDArray[np.float32]:
        from veduta.engine.decode import decode

        if views > 1 or whole:  # crops of two thirds of a side must still be as large as the encoder wants
            side = model.resize if views == 1 else model.resize * 3 // 2
            made = np.stack([embed(decode(content, side).pixels, views, model, whole=whole) for content in part])
            return made if views > 1 else made[:, 0]
        squares = np.stack([model.prepare(decode(content, model.resize).pixels) for content in part])
        if not text:
            return model.image(squares)
        own, joint = model.both(squares)
        return own if joint is None else joint

    parts = [data[start : start + BATCH] for start in range(0, len(data), BATCH)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
        vectors = list(workers.map(one, parts))
    width = (model.text_dim or model.dim) if text else model.dim
    stacked = (
        np.concatenate(vectors) if vectors else np.empty((0, width) if views == 1 else (0, views, width), np.float32)
    )
    _store(file, stacked)
    return stacked


def _store(file: Path, values: NDArray[np.float32]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with open(temporary, "wb") as stream:
        np.save(stream, values)
    os.replace(temporary, file)
