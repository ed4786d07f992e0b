"""What a trained classifier says of every image."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from veduta.annotate.classes import CLASSES
from veduta.encode import shared
from veduta.encode.conse import posterior
from veduta.encode.run import TrainedRun
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import EncoderError
from veduta.pool import View


class Predict(Annotator):
    """Write what a trained classifier says of every image: label, score and logits.

    Adds `predicted`: string, the likeliest class; `predicted_score`: float32 in [0, 1], its softmax probability;
    `predicted_logits`: (classes,) float32, with the class names in the field's metadata (`veduta:classes`, a JSON list).
    """

    model: str = Field(description="folder of a run made by veduta learn classify")
    column: str = Field("predicted", pattern=r"^[A-Za-z_]\w*$", description="name of the label's column")

    def _run(self) -> TrainedRun:
        run = shared(f"run:{self.model.removeprefix('run:')}")
        if not isinstance(run, TrainedRun) or run.kind != "classifier":
            raise EncoderError(f"predict: {self.model} is not a classifier; train one with: veduta learn classify")
        return run

    def check(self, pool: View) -> None:
        self._run()

    def setup(self) -> None:
        self._run()

    @property
    def side(self) -> int | None:
        return self._run().resize

    def fingerprint(self) -> str:
        return self._run().fingerprint

    def adds(self) -> pa.Schema:
        names = self._run().classes
        metadata = {CLASSES: json.dumps(names, ensure_ascii=False).encode()}
        return pa.schema(
            [
                pa.field(self.column, pa.string()),
                pa.field(f"{self.column}_score", pa.float32()),
                pa.field(f"{self.column}_logits", pa.list_(pa.float32(), len(names)), metadata=metadata),
            ]
        )

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        run = self._run()
        logits = run.logits(np.stack([run.prepare(image) for image in batch.images]))
        best = logits.argmax(axis=1)
        return {
            self.column: pa.array([run.classes[i] for i in best], pa.string()),
            f"{self.column}_score": posterior(logits)[np.arange(len(best)), best],
            f"{self.column}_logits": logits,
        }
