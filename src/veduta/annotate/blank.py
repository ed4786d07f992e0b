"""Images of a single colour."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Annotator, Batch

LEAST = 1.0


class Blank(Annotator):
    """Flag images that show nothing: every channel deviates by less than one level of 255.

    Adds `blank`: bool. A page of one colour, or what a failed download left (PASS drops such images first: Asano et al. 2021, arXiv
    2109.13228). Images that are nearly empty are a matter of degree: `quality_low_information`. Cost: about 0.1 ms an image.
    """

    @property
    def side(self) -> int | None:
        return 256

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("blank", pa.bool_())])

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        import cv2

        return {"blank": np.array([bool((cv2.meanStdDev(image)[1] < LEAST).all()) for image in batch.images], bool)}
