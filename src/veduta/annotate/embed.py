"""Embeddings of the images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from veduta.encode import shared
from veduta.engine.operation import Annotator, Batch, Field


class Embed(Annotator):
    """Turn every image into a vector, so that similar images are near each other.

    Adds `embedding`: (dim,) float32 of unit norm, in the space of the encoder. An encoder whose texts live in another
    space (offline) also gets `embedding_text`: (text_dim,) float32 of unit norm, in the space of its texts.
    """

    encoder: str = Field("offline", description="which network: offline, onnx:PATH, timm:NAME, open_clip:ARCH/TAG")
    column: str = Field("embedding", pattern=r"^[A-Za-z_]\w*$", description="name of the column")

    def setup(self) -> None:
        shared(self.encoder)

    @property
    def side(self) -> int | None:
        return shared(self.encoder).resize

    def fingerprint(self) -> str:
        return shared(self.encoder).fingerprint

    def adds(self) -> pa.Schema:
        model = shared(self.encoder)
        fields = [pa.field(self.column, pa.list_(pa.float32(), model.dim))]
        if model.text_dim and not model.shared:
            fields.append(
                pa.field(
                    f"{self.column}_text",
                    pa.list_(pa.float32(), model.text_dim),
                    metadata={b"veduta:fingerprint": (model.text_fingerprint or "").encode()},
                )
            )
        return pa.schema(fields)

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        model = shared(self.encoder)
        squares = np.stack([model.prepare(image) for image in batch.images])
        own, joint = model.both(squares)
        return {self.column: own} if joint is None else {self.column: own, f"{self.column}_text": joint}
