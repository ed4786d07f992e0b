"""From photos on disk to normalised batches, against torchvision's ImageFolder, WebDataset and Hugging Face datasets.

    python -m benchmarks.loader [--rounds 3]

1,000 photos, RandomResizedCrop to 224 pixels and flip, batches of 64, two cores, one pass over all photos with the
cache of decoded images off. Each peer has the number of DataLoader workers (0 to 3) that suits it best. The peers'
workers are started and warm before the clock starts; ours are started inside it. Peers scale with antialiased
bilinear filters, we with OpenCV's area and linear ones. All take turns, and a ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tarfile
from itertools import islice
from pathlib import Path
from statistics import median

from benchmarks.measure import PEERS, now, row, scratch
from veduta import create, samples

BATCH = 64
WORKERS = (0, 1, 2, 3)
SHARDS = 12
NAMES = {
    "imagefolder": "torchvision ImageFolder + DataLoader",
    "imagefolder-tensors": "the same with torchvision's own decoder and transforms v2",
    "webdataset": "WebDataset + DataLoader",
    "datasets": "Hugging Face datasets + DataLoader",
}


def peer(kind: str, folder: Path, *workers: int) -> dict[int, float]:
    """Images per second for each number of workers, measured in the peers' environment."""
    script = Path(__file__).parent / "peers" / "loader.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    command = [str(part) for part in (PEERS, script, kind, folder, BATCH, *workers)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return {int(count): rate for count, rate in json.loads(done.stdout.strip().splitlines()[-1]).items()}


def lay_out(photos: list[Path], folder: Path) -> None:
    """The photos as one class folder and as tar files; numbered: `datasets` takes "train" in a name for a split."""
    images = folder / "photos" / "all"
    images.mkdir(parents=True)
    for number, photo in enumerate(photos):
        (images / f"{number:04}.jpg").write_bytes(photo.read_bytes())
    label = folder / "label"
    label.write_text("0")
    (folder / "shards").mkdir()
    for shard in range(SHARDS):
        with tarfile.open(folder / "shards" / f"{shard:02}.tar", "w") as tar:
            for photo in sorted(images.iterdir())[shard::SHARDS]:
                tar.add(photo, photo.name)
                tar.add(label, f"{photo.stem}.cls")


def main() -> None:
    """One row for each peer; only the one of ImageFolder has a margin to keep."""
    from veduta.learn.augment import HorizontalFlip, RandomResizedCrop, View
    from veduta.learn.loader import Loader

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="passes of each, in turn")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    photos = sorted((samples.get("in1k-sample") / "images").iterdir())
    with scratch() as temporary:
        folder = Path(temporary)
        lay_out(photos, folder)
        pool = create(folder / "pool.vd")
        pool.ingest(folder / "photos")
        view = View((RandomResizedCrop(224), HorizontalFlip()), 224)
        loader = Loader(
            pool, pool.rows("error is null"), [view], BATCH, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
            cache_bytes=0,
        )  # fmt: skip

        def ours() -> float:
            start = now()
            batches = loader.batches()
            images = sum(len(batch.rows) for batch in islice(batches, loader.steps_per_epoch))
            seconds = now() - start
            batches.close()
            return images / seconds

        ours()
        best = {kind: max((rate, count) for count, rate in peer(kind, folder, *WORKERS).items())[1] for kind in NAMES}
        mine: list[float] = []
        theirs: dict[str, list[float]] = {kind: [] for kind in NAMES}
        for _ in range(options.rounds):
            mine.append(ours())
            for kind, count in best.items():
                theirs[kind].append(peer(kind, folder, count)[count])
    for kind, name in NAMES.items():
        ratio = median(a / b for a, b in zip(mine, theirs[kind], strict=True))
        workers = f"{best[kind]} worker{'' if best[kind] == 1 else 's'}"
        measured = f"{ratio:.2f} ({median(mine):.0f} / {median(theirs[kind]):.0f} images/s, {workers})"
        asked = 1.3 if kind == "imagefolder" else 1.0
        row(f"loader at 224 px / {name}", measured, f">= {asked:.2f}", ratio >= asked, "JPEG decoding")


if __name__ == "__main__":
    main()
