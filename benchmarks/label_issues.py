"""How well wrong labels are found: planted ones in CIFAR-10, real ones in the ImageNet validation set.

    python -m benchmarks.label_issues --data DATA [--rows 60000]

DATA holds `cifar10/cifar10.parquet` and `imagenet-val/index.jsonl` with its images. CIFAR-10: 5 % of the labels are
replaced by another class, and the label quality (from the embedding alone) must tell them from the others. ImageNet: a
label is wrong if it is not in the image's ReaL set (Beyer et al. 2020, arXiv 2006.07159; images without any ReaL label
are left out, as there), and the label quality comes from the encoder's own class posterior.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.measure import now, row, scratch
from veduta.annotate.classify import Classify
from veduta.annotate.embed import Embed
from veduta.annotate.label_issues import LabelIssues
from veduta.engine.operation import TableAnnotator
from veduta.pool import Item, Pool

PLANTED = 0.05


class Given:
    """A reader over (key, bytes, label)."""

    name = "given"

    def __init__(self, rows: list[tuple[str, bytes, str]]) -> None:
        self.rows = rows

    def items(self) -> Iterator[Item]:
        for key, data, label in self.rows:
            yield Item(key, "", key, lambda data=data: data, {"label": label})

    def columns(self) -> dict:
        return {}


def auroc(bad: np.ndarray, score: np.ndarray) -> float:
    """The chance that a bad row scores above a good one, ties counted half (Mann-Whitney)."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    wrong = int(bad.sum())
    return float((ranks[bad].sum() - wrong * (wrong + 1) / 2) / (wrong * (len(bad) - wrong)))


def judged(pool: Pool, operation: TableAnnotator, bad: np.ndarray) -> tuple[dict[str, float], float]:
    """AUROC of 1 - quality, precision and recall of the issues, over rows with a verdict; seconds of the operation."""
    start = now()
    pool.annotate(operation)
    seconds = now() - start
    table = pool.table(["key", "label_issue", "label_quality"])
    order = np.argsort(table.column("key").to_pylist())
    known = np.asarray(table.column("label_quality").is_valid())[order]
    quality = table.column("label_quality").to_numpy()[order][known]
    issue = np.asarray(table.column("label_issue").fill_null(False))[order][known]
    wrong = bad[known]
    figures = {
        "auroc": auroc(wrong, -quality),
        "precision": float(wrong[issue].mean()) if issue.any() else 0.0,
        "recall": float(issue[wrong].mean()),
    }
    return figures, seconds


def cifar10(data: Path, rows: int, folder: Path) -> None:
    """Planted errors; labels are learned from the embedding."""
    rng = np.random.default_rng(0)
    table = pq.read_table(data / "cifar10" / "cifar10.parquet", columns=["image", "class"])
    table = table.take(np.sort(rng.permutation(len(table))[:rows]))
    names, truth = np.unique(table.column("class").to_pylist(), return_inverse=True)
    bad = rng.random(len(truth)) < PLANTED
    given = np.where(bad, (truth + rng.integers(1, len(names), len(truth))) % len(names), truth)
    items = [
        (f"{i:06}", image, str(names[label]))
        for i, (image, label) in enumerate(zip(table.column("image").to_pylist(), given, strict=True))
    ]
    pool = Pool.create(folder / "cifar10.vd")
    pool.ingest(Given(items))
    pool.annotate(Embed())
    figures, seconds = judged(pool, LabelIssues(), bad)
    told = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
    row(
        f"label issues: cifar10, {len(truth):,} images, {PLANTED:.0%} planted errors",
        f"{told}; {seconds:.1f} s",
        "auroc >= 0.90; 60,000 in < 90 s",
        figures["auroc"] >= 0.90 and seconds < 90,
        "the two passes over the embedding (products of 1,280 x 1,280)",
    )


def imagenet(data: Path, folder: Path) -> None:
    """Real errors; the quality comes from the encoder's posterior."""
    entries = [json.loads(line) for line in (data / "imagenet-val" / "index.jsonl").read_text().splitlines()]
    entries = [entry for entry in entries if entry["real_labels"]]
    bad = np.array([entry["label"] not in entry["real_labels"] for entry in entries])
    items = [
        (f"{i:06}", (data / "imagenet-val" / entry["file"]).read_bytes(), entry["wnid"])
        for i, entry in enumerate(entries)
    ]
    pool = Pool.create(folder / "imagenet.vd")
    pool.ingest(Given(items))
    pool.annotate(Classify())
    figures, seconds = judged(pool, LabelIssues(probabilities="posterior"), bad)
    told = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
    row(
        f"label issues: imagenet-val, {len(bad)} images, {bad.sum()} labels not in ReaL",
        f"{told}; {seconds:.1f} s",
        "auroc told",
        True,
        "the classifier: its top-1 is 80 %",
    )


def main() -> None:
    """Both tables as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=60_000)
    arguments = parser.parse_args()
    with scratch() as folder:
        cifar10(arguments.data, arguments.rows, Path(folder))
        imagenet(arguments.data, Path(folder))


if __name__ == "__main__":
    main()
