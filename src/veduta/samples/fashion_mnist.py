"""`fashion-mnist`: the four idx files as one Parquet table of PNG images."""

from __future__ import annotations

import gzip
import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.errors import SourceError
from veduta.samples.packages import debian, unpack_debian

PACKAGE = "dataset-fashion-mnist"
INSIDE = "usr/share/datasets/fashion-mnist/"
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip
FILES = {"train": "train", "test": "t10k"}


def build(folder: Path) -> dict[str, Any]:
    """Write `fashion-mnist.parquet`: path, split, label (0 to 9), class, image (grey PNG, lossless)."""
    import pyarrow.parquet as pq

    raw = folder / "raw"
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        with debian(PACKAGE) as package:
            unpack_debian(package, raw, lambda name: name.removeprefix(INSIDE) if name.startswith(INSIDE) else None)
    else:
        raw = _by_torchvision(raw)
    rows = [row for split in FILES for row in _rows(raw, split)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "fashion-mnist.parquet", row_group_size=5000)
    shutil.rmtree(folder / "raw")
    return {"images": len(rows)}


def read_idx(file: Path) -> NDArray[np.uint8]:
    """An idx file of unsigned bytes, gzipped or not: magic 0 0 8 r, then r big-endian uint32 sizes, then the bytes."""
    data = file.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    rank = data[3] if len(data) > 3 and data[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(data, ">u4", rank, 4) if rank and len(data) >= 4 + 4 * rank else np.empty(0, ">u4")
    start = 4 + 4 * rank
    if not rank or len(data) - start != int(np.prod(shape, dtype=np.int64)):
        raise SourceError(f"{file.name} is not an idx file of unsigned bytes, or is cut off; fetch it again")
    return np.frombuffer(data, np.uint8, offset=start).reshape(tuple(int(size) for size in shape))


def _rows(raw: Path, split: str) -> Iterator[dict[str, Any]]:
    import cv2

    images = read_idx(raw / f"{FILES[split]}-images-idx3-ubyte.gz")
    labels = read_idx(raw / f"{FILES[split]}-labels-idx1-ubyte.gz")
    for at, (image, label) in enumerate(zip(images, labels, strict=True)):
        _, png = cv2.imencode(".png", image)
        yield {
            "path": f"{split}/{at:05d}.png",
            "split": split,
            "label": int(label),
            "class": CLASSES[label],
            "image": png.tobytes(),
        }


def _by_torchvision(raw: Path) -> Path:
    """The same files where there is no apt; torchvision knows their mirrors and checksums."""
    datasets = importlib.import_module("torchvision.datasets")
    try:
        datasets.FashionMNIST(str(raw), train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise SourceError(f"fashion-mnist cannot be fetched: {error}; use another sample") from error
    return raw / "FashionMNIST" / "raw"
