"""What a model makes of images, as points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.points import images_of, room
from veduta.encode import shared
from veduta.encode.run import TrainedRun
from veduta.errors import BadInput
from veduta.pool import View


def read(pool: View, rows: NDArray[np.int64], model: str, layer: str | None, needed_by: str) -> NDArray[np.float32]:
    """(n, d) the encoder's unit vectors of the rows' images, or what `layer` of a run's network gives, flattened.

    Rows whose image cannot be decoded are left out. Memory: 4 n d bytes, at most 2 GiB (BadInput).
    """
    encoder = shared(model)
    if layer is not None and not isinstance(encoder, TrainedRun):
        raise BadInput(f"layer of {needed_by} is one of a run's network, but '{model}' is not a run; leave --layer out")
    found: list[NDArray[np.float32]] = []
    for images, _ in images_of(pool, rows, encoder.resize):
        prepared = np.stack([encoder.prepare(image) for image in images])
        if layer is None:
            found.append(encoder.image(prepared))
        else:
            found += [part.reshape(len(part), -1) for part in encoder.activations(prepared, layer)]  # pyright: ignore
        room(len(rows), found[0].shape[1], needed_by)
    return np.concatenate(found) if found else np.zeros((0, 1), np.float32)
