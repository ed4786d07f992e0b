"""Technical faults of single images, as scores that mean the same for every pool."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.measures import CANONICAL_SIDE, Measures, measure
from veduta.engine.operation import Annotator, Batch, Field

ISSUES = ("dark", "bright", "low_contrast", "blurry", "low_information", "odd_aspect", "grayscale")


def fall(value: float, middle: float, power: float) -> float:
    """1 / (1 + (value / middle) ^ power): 1 at zero, one half at `middle`, towards 0 above it."""
    return float(1.0 / (1.0 + (max(value, 0.0) / middle) ** power))


def scores(measures: Measures, width: int, height: int) -> NDArray[np.float32]:
    """(7,) float32 in [0, 1], in the order of ISSUES, 1 = certainly faulty; `width`, `height` of the original."""
    return np.array(
        [
            fall(measures.light, 85, 6),
            fall(255 - measures.shadow, 76, 6),
            fall(measures.contrast, 75, 8),
            fall(measures.sharpness, 0.405, 14),
            fall(measures.structure, 3, 3),
            fall(min(width, height) / max(width, height), 1 / 3, 4),
            fall(measures.colour, 5, 4),
        ],
        np.float32,
    )


class Quality(Annotator):
    """Score technical faults: dark, bright, low contrast, blurry, low information, odd aspect, grayscale.

    Adds `quality_<fault>`: float32 in [0, 1], 1 = certainly faulty, and `quality_issues`: list<string>, the faults whose
    score reaches its threshold. What is measured, and the value that scores one half (see `measures`):

    | fault | measured on the canonical image | one half at |
    |---|---|---|
    | dark | 95th percentile of grey: even the lights are dark | 85 |
    | bright | 5th percentile of grey: even the shadows are bright | 179 |
    | low_contrast | 99th minus 1st percentile of grey | 75 |
    | blurry | sqrt(D(1) / D(3)) of the structure function in the smoothest of four directions | 0.405 |
    | low_information | deviation of the second most structured of 16 tiles, slopes removed | 3 grey levels |
    | odd_aspect | short side : long side of the original | 1 : 3 |
    | grayscale | 99th percentile of the largest channel difference | 5 |

    The constants were set once, on 1,550 clean photographs (ImageNet, COCO, Flickr8k, CIFAR-10, Tiny-ImageNet, catalogue
    photos on white, chest X-rays) and degraded copies of 480 of them, so that one threshold serves all:

    - clean ones flagged: dark, low contrast, low information 0 to 0.7 %; bright 0 to 0.3 %, white clothes on white 2 %;
      blurry 0 to 1.3 %, chest X-rays 6 %; grayscale 0 to 4 %, nearly all of them truly colourless. On all 1,000 photos of
      in1k-sample, most of them not used for setting: 5, 1, 0, 2, 1 and 26 images;
    - copies caught, on every set: brightness x 0.3 and x 0.15, lights squeezed to a quarter, contrast x 0.25 to x 0.08,
      Gaussian blur from 1.5 pixels, blank, noisy-blank, gradients, single dots: 98 to 100 %. Diagonal motion blur over 5 %
      of the side: 72 to 100 % at short side 200 and more, half of it or less on thumbnails of 32 and 64 pixels;
    - against cleanvision at its own thresholds on 700 clean and 2,800 degraded files, AUROC: dark 1.000 (theirs 1.000),
      bright 0.999 (0.999), blurry 0.990 (0.689), low information 1.000 (0.934); same verdict on 99 % of the clean ones.

    Blur is judged at short side 256: what is invisible there is no blur here, and images smaller than that are judged
    at their own size. A chest X-ray is smooth by nature, and a white shirt on white is bright: raise the threshold of
    such a pool. Cost: about 0.3 ms an image on one core, no memory.
    """

    dark: float = Field(0.5, gt=0, le=1, description="score from which an image counts as dark")
    bright: float = Field(0.5, gt=0, le=1, description="score from which an image counts as overexposed")
    low_contrast: float = Field(0.5, gt=0, le=1, description="score from which an image counts as low in contrast")
    blurry: float = Field(0.5, gt=0, le=1, description="score from which an image counts as blurry")
    low_information: float = Field(0.5, gt=0, le=1, description="score from which an image counts as nearly empty")
    odd_aspect: float = Field(
        0.5, gt=0, le=1, description="score from which an image counts as oddly long (0.5 is 1:3)"
    )
    grayscale: float = Field(0.5, gt=0, le=1, description="score from which an image counts as colourless")

    @property
    def side(self) -> int | None:
        return CANONICAL_SIDE

    def adds(self) -> pa.Schema:
        fields = [pa.field(f"quality_{issue}", pa.float32()) for issue in ISSUES]
        return pa.schema([*fields, pa.field("quality_issues", pa.list_(pa.string()))])

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        widths, heights = batch.column("width").to_pylist(), batch.column("height").to_pylist()
        table = np.stack([scores(measure(i), w, h) for i, w, h in zip(batch.images, widths, heights, strict=True)])
        faulty = table >= np.array([getattr(self, issue) for issue in ISSUES], np.float32)
        names = [[issue for issue, found in zip(ISSUES, row, strict=True) if found] for row in faulty]
        columns = {f"quality_{issue}": np.ascontiguousarray(table[:, i]) for i, issue in enumerate(ISSUES)}
        return {**columns, "quality_issues": pa.array(names, pa.list_(pa.string()))}
