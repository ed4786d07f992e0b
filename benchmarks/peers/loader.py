"""Images per second of other people's loaders; run by `benchmarks.loader` in the peers' environment.

    python loader.py KIND FOLDER BATCH WORKERS...

KIND: imagefolder, imagefolder-tensors, webdataset or datasets. FOLDER holds photos/all/*.jpg and shards/*.tar of the
same files. For each number of workers: workers are started and warmed by a whole pass, and the next pass is timed.
Prints one JSON object, workers -> images per second.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from torchvision import datasets as vision
from torchvision import io, transforms
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

TRANSFORM = transforms.Compose(
    [
        transforms.RandomResizedCrop(224),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)
TENSORS = v2.Compose(
    [
        v2.RandomResizedCrop(224, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ]
)


def loader(kind: str, folder: Path, batch: int, workers: int) -> Iterable[Any]:
    """Shuffled batches of a whole pass at each iteration: (b, 3, 224, 224) images first, or under "image"."""
    stay = {"num_workers": workers, "persistent_workers": workers > 0}
    if kind == "imagefolder":
        data = vision.ImageFolder(str(folder / "photos"), TRANSFORM)
        return DataLoader(data, batch, shuffle=True, drop_last=True, **stay)
    if kind == "imagefolder-tensors":
        data = vision.ImageFolder(str(folder / "photos"), TENSORS, loader=decoded)
        return DataLoader(data, batch, shuffle=True, drop_last=True, **stay)
    if kind == "datasets":
        import datasets

        data = datasets.load_dataset("imagefolder", data_dir=str(folder / "photos"), split="train", cache_dir=folder)
        data = data.with_transform(transformed)
        return DataLoader(data, batch, shuffle=True, drop_last=True, **stay)
    import webdataset

    shards = sorted(map(str, (folder / "shards").glob("*.tar")))
    data = webdataset.WebDataset(shards, shardshuffle=len(shards)).shuffle(200).decode("pil")
    data = data.to_tuple("jpg", "cls").map_tuple(TRANSFORM, int)
    return DataLoader(data, batch, drop_last=True, **stay)


def decoded(path: str) -> torch.Tensor:
    return io.decode_image(io.read_file(path), mode=io.ImageReadMode.RGB)


def transformed(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {"image": [TRANSFORM(image.convert("RGB")) for image in rows["image"]]}


def count(batches: Iterable[Any]) -> int:
    """Images of one pass."""
    return sum(len(batch["image"] if isinstance(batch, dict) else batch[0]) for batch in batches)


def main() -> None:
    kind, folder, batch = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    rates = {}
    for workers in map(int, sys.argv[4:]):
        batches = loader(kind, folder, batch, workers)
        if not count(batches):
            raise SystemExit(f"{kind} found no photos")
        start = time.perf_counter()
        images = count(batches)
        rates[workers] = images / (time.perf_counter() - start)
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
