"""A small map of class scores for every image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from veduta.encode.dense import Dense, dense
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.label_map import LabelMap

MOST_CLASSES = 32_767
"""What int16 counts to."""

PART = 8
"""Images whose whole maps are in memory at a time, in each thread: 3 MB with the defaults, 33 MB at 1,024 pixels."""


class LabelMaps(Annotator):
    """Ask a classifier at every place of every image, and keep the strongest classes of each place.

    Adds `relabel`: struct of `logit`, float16[k h w], and `class`, int16[k h w], which both run over the k strongest classes of a
    place (strongest first), then rows from the top, then columns from the left; class names, h, w and k are in the field's
    metadata (`veduta:label-map`). The map lies over the whole upright image. Its mean over places, all classes kept, is what
    the classifier says of the whole image. `learn classify --targets relabel:local_multi` trains on what each crop shows of it,
    and `multi-labels` makes labels of it. 2 KB a row with the defaults, and one forward pass at `size` pixels.

    The annotator of Yun et al. 2021 (ReLabel, arXiv 2101.05022, section 3.1). There it is EfficientNet-L2 at 475 pixels; here it is
    any classifier whose head is a mean over places and a linear layer, and a classifier should be better than the labels. Maps are
    stored rows-first, not transposed as those that the paper released.
    """

    model: str = Field(
        "offline",
        description="classifier: offline (ImageNet), timm:NAME, or run:FOLDER of learn classify or learn probe",
    )
    size: int | None = Field(
        None,
        ge=32,
        le=2048,
        description="side in pixels of the square that whole images are squeezed into; by default 320 for a model of 224",
    )
    topk: int = Field(5, ge=1, description="classes kept a place; all of them where the model has fewer")
    column: str = Field("relabel", pattern=r"^[A-Za-z_]\w*$", description="name of the column")

    def _dense(self) -> Dense:
        return dense(self.model, self.size or 0)

    def _map(self) -> LabelMap:
        model = self._dense()
        kept = min(self.topk, len(model.classes))
        return LabelMap(*model.shape, kept, tuple(model.classes), self.model, model.size)

    def check(self, pool: View) -> None:
        classes = len(self._dense().classes)
        if classes > MOST_CLASSES:
            raise BadInput(
                f"label-maps keeps class numbers up to {MOST_CLASSES:,}, and {self.model} has {classes:,} classes"
            )

    def setup(self) -> None:
        self._dense()

    @property
    def side(self) -> int | None:
        return self._dense().size

    def fingerprint(self) -> str:
        return self._dense().fingerprint

    def adds(self) -> pa.Schema:
        return pa.schema([self._map().field(self.column)])

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        model = self._dense()
        packed = []
        for start in range(0, len(batch.images), PART):
            squares = np.stack([model.prepare(image) for image in batch.images[start : start + PART]])
            packed.append(self._map().pack(model.maps(squares)))
        return {self.column: pa.concat_arrays(packed)}
