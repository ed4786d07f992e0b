"""Class probabilities of the encoder's own classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from veduta.annotate.classes import CLASSES
from veduta.encode import shared
from veduta.encode.conse import posterior
from veduta.encode.offline import Offline
from veduta.encode.vocabulary import imagenet_names
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import EncoderError
from veduta.pool import View


class Classify(Annotator):
    """Write the class probabilities that the encoder's own classifier gives every image.

    Adds `posterior`: (1000,) float32 summing to 1, over the ImageNet classes whose names are in the field's metadata
    (`veduta:classes`, a JSON list). It feeds `label-issues --probabilities posterior` on pools whose classes are too
    many or too small to learn from. For the classifier of a run of your own see `predict`. 4 KB a row on disk.
    """

    encoder: str = Field("offline", description="encoder whose classifier is asked: offline")
    column: str = Field("posterior", pattern=r"^[A-Za-z_]\w*$", description="name of the column")

    def _model(self) -> Offline:
        model = shared(self.encoder)
        if not isinstance(model, Offline):
            raise EncoderError(
                f"classify: the encoder '{self.encoder}' has no classifier with named classes; use: offline"
            )
        return model

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
        names = imagenet_names()
        metadata = {CLASSES: json.dumps(names).encode()}
        return pa.schema([pa.field(self.column, pa.list_(pa.float32(), len(names)), metadata=metadata)])

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        model = self._model()
        squares = np.stack([model.prepare(image) for image in batch.images])
        return {self.column: posterior(model.forward(squares)[1])}
