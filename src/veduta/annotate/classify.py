"""Class probabilities of a classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from veduta.annotate.classes import CLASSES
from veduta.encode.classifier import Classifier, classifier
from veduta.encode.conse import posterior
from veduta.engine.operation import Annotator, Batch, Field
from veduta.pool import View


class Classify(Annotator):
    """Write the class probabilities that a classifier gives every image: the encoder's own, or one from a file of yours.

    Adds `posterior`: (c,) float32 summing to 1, over the classes whose names are in the field's metadata (`veduta:classes`, a
    JSON list); ImageNet's 1,000 for offline. It feeds `label-issues --probabilities posterior` on pools whose classes are too
    many or too small to learn from. A detector of nudity, watermarks or text that is an ONNX classifier is asked by
    `onnx:PATH?classes=FILE`, where FILE has a name a line in the order of the outputs. For the labels that a run of your own gives
    see `predict`. 4 c bytes a row on disk.
    """

    encoder: str = Field(
        "offline", description="classifier: offline, timm:NAME, onnx:PATH?classes=FILE, or run:FOLDER of learn classify"
    )
    column: str = Field("posterior", pattern=r"^[A-Za-z_]\w*$", description="name of the column")

    def _model(self) -> Classifier:
        return classifier(self.encoder)

    def check(self, pool: View) -> None:
        self._model()

    def setup(self) -> None:
        self._model()

    @property
    def side(self) -> int | None:
        return self._model().resize

    def fingerprint(self) -> str:
        return self._model().fingerprint

    def adds(self) -> pa.Schema:
        names = list(self._model().classes)
        metadata = {CLASSES: json.dumps(names).encode()}
        return pa.schema([pa.field(self.column, pa.list_(pa.float32(), len(names)), metadata=metadata)])

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        model = self._model()
        return {self.column: posterior(model.logits(np.stack([model.prepare(image) for image in batch.images])))}
